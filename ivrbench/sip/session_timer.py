"""SessionTimer: the end of a call whose other side went away without a word (RFC 4028)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .headers import parse_number
from .settings import RefreshMethod

if TYPE_CHECKING:
    from collections.abc import Callable

    from .core import Core
    from .message import SipMessage, SipRequest, SipResponse
    from .settings import EndpointSettings
    from .timers import Timer

__all__ = ["SessionTimer", "too_small"]

RETRY_S = 2.0  # A refresh that could not be sent, or was refused for the moment, is tried again.
MAX_RAISES = 3  # Times one call follows a 422: a chain of proxies may each have their own minimum.
MAX_INTERVAL_S = 86_400  # A day: what is longer guards nothing, and large numbers are attacks.
_LAST_CHANCE_S = 32.0  # RFC 4028 §10: hang up min(32 s, a third) before the interval is over.


def _interval(message: SipMessage) -> int | None:
    """Seconds of Session-Expires, None without one that can be read."""
    seconds = parse_number(message.header("session-expires"))
    return min(seconds, MAX_INTERVAL_S) if seconds else None


def _refresher(message: SipMessage) -> str:
    """ "uac", "uas", or "" if Session-Expires does not say."""
    for param in message.header("session-expires").split(";")[1:]:
        name, _, value = param.partition("=")
        if name.strip().lower() == "refresher":
            who = value.strip().lower()
            return who if who in ("uac", "uas") else ""
    return ""


def too_small(request: SipRequest, settings: EndpointSettings) -> str:
    """What a 422 to `request` must say, "" if its interval is long enough (RFC 4028 §9)."""
    if "timer" not in settings.supported or not request.has("session-expires"):
        return ""
    asked = _interval(request)
    if asked is None or asked >= settings.min_session_expires_s or not _knows_timer(request):
        # RFC 4028 §9: one that does not know the extension could do nothing with a 422.
        return ""
    return f"Min-SE: {settings.min_session_expires_s}\r\n"


def _knows_timer(message: SipMessage) -> bool:
    return message.names_tag("timer", "supported", "require")


class SessionTimer:
    """The session timer of one call.

    It is told of every INVITE and UPDATE that was answered, either way, and asks for a refresh or
    for the end of the call.

    Args:
        core: the endpoint's shared state.
        refresh: called with "UPDATE" or "INVITE" when we must refresh; False: not now.
        expire: called when the session is over.

    Attributes:
        interval_s: the interval agreed on, 0 while there is none.
        refreshing: True if it is our task to refresh.
    """

    __slots__ = (
        "_asked",
        "_core",
        "_expire",
        "_expiry_timer",
        "_min_s",
        "_peer_updates",
        "_raises",
        "_refresh",
        "_refresh_timer",
        "_wish_s",
        "interval_s",
        "refreshing",
    )

    def __init__(
        self,
        core: Core,
        refresh: Callable[[str, float], bool],
        expire: Callable[[float], None],
    ) -> None:
        settings = core.settings
        self._core = core
        self._refresh = refresh
        self._expire = expire
        on = "timer" in settings.supported
        self._wish_s = settings.session_expires_s if on else 0
        self._min_s = settings.min_session_expires_s
        self._raises = 0
        self._asked = False
        self._peer_updates = False
        self.interval_s = 0
        self.refreshing = False
        self._refresh_timer: Timer | None = None
        self._expiry_timer: Timer | None = None

    def request_lines(self) -> str:
        """Header lines for an INVITE or UPDATE of ours, "" if no timer is wanted."""
        seconds = self.interval_s or self._wish_s
        if not seconds:
            return ""
        role = ""
        if self.interval_s:
            # RFC 4028 §7.4: a refresh keeps the roles; "uac" is who sends this request.
            role = f";refresher={'uac' if self.refreshing else 'uas'}"
        return f"Session-Expires: {max(seconds, self._min_s)}{role}\r\nMin-SE: {self._min_s}\r\n"

    def raise_interval(self, response: SipResponse) -> bool:
        """Take a 422; True if the request should go out again with what it asks for."""
        minimum = parse_number(response.header("min-se"))
        if minimum is None or minimum > MAX_INTERVAL_S or self._raises >= MAX_RAISES:
            return False
        self._raises += 1
        # RFC 4028 §7.4: both grow to the highest Min-SE seen in this dialog.
        self._min_s = max(self._min_s, minimum)
        if self.interval_s:
            self.interval_s = max(self.interval_s, self._min_s)
        self._wish_s = max(self._wish_s, self._min_s)
        return True

    def answer_lines(self, request: SipRequest) -> str:
        """Header lines for our 2xx to an INVITE or UPDATE (RFC 4028 §9)."""
        seconds, they = self._agree(request)
        if not seconds:
            return ""
        require = "Require: timer\r\n" if they else ""
        return f"{require}Session-Expires: {seconds};refresher={'uac' if they else 'uas'}\r\n"

    def answered(self, request: SipRequest, now: float) -> None:
        """Our 2xx to an INVITE or UPDATE was sent with `answer_lines`."""
        seconds, they = self._agree(request)
        self._start(seconds, not they, request, now)

    def _agree(self, request: SipRequest) -> tuple[int, bool]:
        """(seconds or 0, do they refresh?) for a request of the other side."""
        settings = self._core.settings
        asked = _interval(request) if request.has("session-expires") else None
        if "timer" not in settings.supported or (asked is None and not self._wish_s):
            return 0, False
        knows = _knows_timer(request)
        if asked is not None and asked < self._min_s:
            # It was not refused with 422 because it does not know the extension: not its wish.
            asked = None
        if asked is None:
            seconds = self._wish_s
        else:
            # RFC 4028 §9: the answer may be lower, not under Min-SE, never higher.
            most = self._wish_s or settings.max_session_expires_s
            seconds = max(min(asked, most), parse_number(request.header("min-se")) or 0)
            seconds = min(seconds, asked)
        return seconds, knows and asked is not None and _refresher(request) == "uac"

    def confirmed(self, response: SipResponse, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours came (RFC 4028 §7.2)."""
        if "timer" not in self._core.settings.supported:
            return
        seconds = _interval(response)
        if seconds is None:
            # Without the extension over there we refresh alone, if we want to.
            seconds, ours = self._wish_s, True
        else:
            ours = _refresher(response) != "uas"
        self._start(seconds, ours, response, now)

    def refused(self, method: str, response: SipResponse, now: float) -> None:
        """A refresh of ours was refused, or timed out; the call is still up."""
        if not self._asked:
            return
        self._asked = False
        settings = self._core.settings
        unknown = method == "UPDATE" and response.code in (405, 501)
        if unknown and settings.session_refresh_method is RefreshMethod.UPDATE_FALLBACK_INVITE:
            self._peer_updates = False
            self._due(None, now)
        elif response.code == 501 and settings.accept_501_reply:
            self._run(now)
        elif response.code == 422 and self.raise_interval(response):
            self._due(None, now)
        else:
            self._again(now)

    def stop(self) -> None:
        """The call is over."""
        self._core.timers.stop(self._refresh_timer)
        self._core.timers.stop(self._expiry_timer)
        self.interval_s = 0

    def _start(self, seconds: int, ours: bool, peer: SipMessage, now: float) -> None:
        if not (seconds or self.interval_s):
            return
        if peer.has("allow"):
            self._peer_updates = "UPDATE" in peer.elements("allow")
        self._raises = 0
        self._asked = False
        self.stop()
        if seconds:
            self.interval_s, self.refreshing = max(seconds, 1), ours
            self._run(now)

    def _run(self, now: float) -> None:
        """Start both timers; the interval begins now."""
        timers = self._core.timers
        timers.stop(self._refresh_timer)
        timers.stop(self._expiry_timer)
        seconds = self.interval_s
        if self.refreshing:
            # RFC 4028 §7.2: at half the interval there is time for another try.
            self._refresh_timer = timers.start_odd(seconds / 2, self._due, None, now)
        last_s = seconds - min(_LAST_CHANCE_S, seconds / 3)
        self._expiry_timer = timers.start_odd(last_s, self._over, None, now)

    def _due(self, _: None, now: float) -> None:
        wanted = self._core.settings.session_refresh_method
        update = wanted is RefreshMethod.UPDATE or (
            wanted is RefreshMethod.UPDATE_FALLBACK_INVITE and self._peer_updates
        )
        self._asked = self._refresh("UPDATE" if update else "INVITE", now)
        if not self._asked:
            self._again(now)

    def _again(self, now: float) -> None:
        timers = self._core.timers
        timers.stop(self._refresh_timer)
        self._refresh_timer = timers.start(RETRY_S, self._due, None, now)

    def _over(self, _: None, now: float) -> None:
        self.stop()
        self._expire(now)
