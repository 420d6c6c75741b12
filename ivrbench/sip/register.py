"""Registration: keeps one address of record bound to us at its registrar (RFC 3261 §10.2).

The machine decides what to send and when; sending, credentials and addresses are its user's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ..errors import RemoteProtocolError
from .headers import parse_name_addr
from .uri import parse_uri

if TYPE_CHECKING:
    from .grammar import Headers
    from .message import SipResponse
    from .tokens import Tokens

__all__ = ["Registration", "RegistrationState"]

DEFAULT_EXPIRES_S: Final = 600
MAX_EXPIRES_S: Final = 86_400
"""More than a registrar may ask for is not believed."""
REFRESH_SHARE: Final = (80, 90)
"""After how many hundredths of its time a binding is renewed; the choice keeps many apart."""
MIN_REFRESH_S: Final = 5.0
"""Whatever the registrar grants, it is not asked more often."""
# RFC 5626 §4.5: how long to wait after the first failure, and at most; doubled each time between.
BASE_WAIT_S: Final = 30
MAX_WAIT_S: Final = 1800
REFUSED_WAIT_S: Final = 300
"""At least so long after an answer that will not change by itself: wrong password, no such user."""
SOON_S: Final = (100, 1000)
"""Milliseconds until the first try after a connection was lost."""
CSEQ_GAP: Final = 10
MAX_TOO_BRIEF: Final = 3
"""How often in a row a registrar may ask for a longer time."""


class RegistrationState(StrEnum):
    """Where a registration is."""

    IDLE = "not registered"
    REGISTERING = "registering"
    REGISTERED = "registered"
    REFRESHING = "refreshing"
    WAITING = "waiting"
    LEAVING = "leaving"


class _Event(StrEnum):
    SENT = "SENT"
    GRANTED = "GRANTED"
    FAILED = "FAILED"
    LOST = "LOST"
    LEFT = "LEFT"


_TABLE: Final[dict[RegistrationState, dict[_Event, RegistrationState]]] = {
    RegistrationState.IDLE: {
        _Event.SENT: RegistrationState.REGISTERING,
        _Event.FAILED: RegistrationState.WAITING,
    },
    RegistrationState.REGISTERING: {
        _Event.GRANTED: RegistrationState.REGISTERED,
        _Event.FAILED: RegistrationState.WAITING,
        _Event.LOST: RegistrationState.WAITING,
        _Event.LEFT: RegistrationState.LEAVING,
    },
    RegistrationState.REGISTERED: {
        _Event.SENT: RegistrationState.REFRESHING,
        _Event.FAILED: RegistrationState.WAITING,
        _Event.LOST: RegistrationState.WAITING,
        _Event.LEFT: RegistrationState.LEAVING,
    },
    RegistrationState.REFRESHING: {
        _Event.GRANTED: RegistrationState.REGISTERED,
        _Event.FAILED: RegistrationState.WAITING,
        _Event.LOST: RegistrationState.WAITING,
        _Event.LEFT: RegistrationState.LEAVING,
    },
    RegistrationState.WAITING: {
        _Event.SENT: RegistrationState.REGISTERING,
        _Event.FAILED: RegistrationState.WAITING,
        _Event.LEFT: RegistrationState.IDLE,
    },
    RegistrationState.LEAVING: {
        _Event.GRANTED: RegistrationState.IDLE,
        _Event.FAILED: RegistrationState.IDLE,
        _Event.LOST: RegistrationState.IDLE,
    },
}


@dataclass(frozen=True, slots=True)
class _Binding:
    """What the registrar granted."""

    expires_s: int = 0
    service_route: tuple[str, ...] = ()
    keep_alive_s: int = 0
    outbound: bool = False


class Registration:
    """One address of record at one registrar.

    When `deadline()` has come, send a REGISTER with `request_headers` and `cseq`, then tell how it
    went with `on_response` or `on_no_response`.

    Args:
        instance: URN that tells this installation from others, `urn:uuid:…` (RFC 5626 §4.1).
        tokens: Call-ID, and chance for waits.
        expires_s: the time to ask for.
        now: seconds, monotonic; the first REGISTER is due at once.

    Attributes:
        state: where it is.
        reason: why it is there, in words; "" if there is nothing to say.
        call_id: of all its requests.
        cseq: of the next one.
    """

    def __init__(
        self, instance: str, tokens: Tokens, *, expires_s: int = DEFAULT_EXPIRES_S, now: float
    ) -> None:
        self.state = RegistrationState.IDLE
        self.reason = ""
        self.call_id = tokens.call_id()
        self.cseq = 1
        self._instance = instance
        self._tokens = tokens
        self._expires_s = expires_s
        self._binding = _Binding()
        self._failures = 0
        self._too_brief = 0
        self._plain = False
        self._contact = ""
        self._deadline: float | None = now

    @property
    def expires_s(self) -> int:
        """Seconds the registrar granted last; 0 if nothing is bound."""
        return self._binding.expires_s

    @property
    def service_route(self) -> tuple[str, ...]:
        """Route values for requests of this account (RFC 3608)."""
        return self._binding.service_route

    @property
    def outbound(self) -> bool:
        """True if the registrar understood RFC 5626: it answers STUN on its SIP port."""
        return self._binding.outbound

    @property
    def keep_alive_s(self) -> int:
        """Flow-Timer: how often it wants keepalives; 0 if it did not say (RFC 5626 §4.4)."""
        return self._binding.keep_alive_s

    @property
    def answer_due(self) -> bool:
        """True while a REGISTER has no answer."""
        state = RegistrationState
        return self.state in (state.REGISTERING, state.REFRESHING, state.LEAVING)

    def deadline(self) -> float | None:
        """When a REGISTER is due; None while one has no answer, and after leaving."""
        return self._deadline

    def request_headers(self, contact_uri: str) -> Headers:
        """The headers of the REGISTER that is sent now.

        Args:
            contact_uri: where calls should come to.
        """
        self._step(_Event.SENT)
        self._deadline = None
        self._contact = contact_uri
        leaving = self.state is RegistrationState.LEAVING
        expires_s = 0 if leaving else self._expires_s
        contact = f'<{contact_uri}>;+sip.instance="<{self._instance}>"'
        if not self._plain:
            contact += ";reg-id=1"
        return (
            ("Contact", f"{contact};expires={expires_s}"),
            ("Expires", str(expires_s)),
            ("Supported", "path" if self._plain else "path, outbound"),
        )

    def on_response(self, response: SipResponse, now: float) -> None:
        """The final response came."""
        self.cseq = max(self.cseq, response.cseq) + 1
        leaving = self.state is RegistrationState.LEAVING
        if response.code < 300:
            self._step(_Event.GRANTED)
            self._failures = self._too_brief = 0
            self._binding = _Binding() if leaving else self._read(response)
            self.reason = ""
            self._deadline = None if leaving else now + self._refresh_after_s()
        elif response.code == 423 and not leaving and self._longer(response):
            # RFC 3261 §10.2.8: ask again, for as long as the registrar wants.
            self._step(_Event.FAILED)
            self._deadline = now
        elif response.code == 439 and not leaving and not self._plain:
            # RFC 5626 §4.2.1, §11.6: a proxy on the way cannot do outbound.
            self._plain = True
            self._step(_Event.FAILED)
            self._deadline = now
        else:
            self._fail(f"{response.code} {response.reason}", now, _wait_asked(response))

    def on_no_response(self, reason: str, now: float) -> None:
        """There is no answer, or no way to the registrar.

        Args:
            reason: in words.
            now: seconds, monotonic.
        """
        # Tries with credentials took numbers that nobody told us of.
        self.cseq += CSEQ_GAP
        self._fail(reason, now, 0)

    def on_flow_failed(self, reason: str, now: float) -> None:
        """The connection calls would come by is gone: bind another one."""
        if self.state is not RegistrationState.WAITING and self._step(_Event.LOST):
            self.reason = reason
            low, high = SOON_S
            wait_s = (low + self._tokens.below(high - low + 1)) / 1000
            self._deadline = None if self.state is RegistrationState.IDLE else now + wait_s

    def on_address_changed(self, now: float) -> None:
        """A NAT gave us another address: bind that one (RFC 5626 §4.4.2)."""
        if self.state is RegistrationState.REGISTERED:
            self._deadline = now

    def leave(self, now: float) -> None:
        """Take the binding back; a REGISTER is due if there is one."""
        bound = self.state in (RegistrationState.REGISTERED, RegistrationState.REFRESHING)
        self._step(_Event.LEFT)
        self._deadline = now if bound else None

    def _step(self, event: _Event) -> bool:
        """Feed one event; False if the state has no use for it."""
        entered = _TABLE[self.state].get(event)
        if entered is not None:
            self.state = entered
        return entered is not None

    def _fail(self, reason: str, now: float, at_least_s: int) -> None:
        self._step(_Event.FAILED)
        self.reason = reason
        self._too_brief = 0
        self._binding = _Binding()
        if self.state is not RegistrationState.WAITING:
            self._deadline = None
            return
        # RFC 5626 §4.5: twice as long each time, and a random half of it, so that the clients of a
        # registrar that comes back do not come all at once.
        longest_s = min(MAX_WAIT_S, BASE_WAIT_S * 2 ** min(self._failures, 10))
        wait_ms = longest_s * 500 + self._tokens.below(longest_s * 500 + 1)
        self._failures += 1
        self._deadline = now + max(at_least_s, wait_ms / 1000)

    def _longer(self, response: SipResponse) -> bool:
        """Take Min-Expires over; False if that makes no sense."""
        wanted_s = _number(response.header("min-expires"))
        self._too_brief += 1
        if not self._expires_s < wanted_s <= MAX_EXPIRES_S or self._too_brief > MAX_TOO_BRIEF:
            return False
        self._expires_s = wanted_s
        return True

    def _read(self, response: SipResponse) -> _Binding:
        supported = [
            tag.strip().lower()
            for name in ("require", "supported")
            for value in response.headers(name)
            for tag in value.split(",")
        ]
        return _Binding(
            expires_s=min(self._granted_s(response), MAX_EXPIRES_S),
            service_route=tuple(response.elements("service-route")),
            keep_alive_s=_number(response.header("flow-timer")),
            outbound="outbound" in supported,
        )

    def _granted_s(self, response: SipResponse) -> int:
        """How long our binding holds: the registrar lists it among all others."""
        asked_s = _number(response.header("expires")) or self._expires_s
        for element in response.elements("contact"):
            try:
                contact = parse_name_addr(element)
                mine = parse_uri(contact.uri) == parse_uri(self._contact)
            except RemoteProtocolError:
                continue
            if mine or self._instance in contact.params_text:
                return _number(contact.params.get("expires") or "") or asked_s
        return asked_s

    def _refresh_after_s(self) -> float:
        low, high = REFRESH_SHARE
        share = low + self._tokens.below(high - low + 1)
        return max(MIN_REFRESH_S, self._binding.expires_s * share / 100)


def _wait_asked(response: SipResponse) -> int:
    """Seconds the registrar asks us to stay away."""
    wait_s = min(_number(response.header("retry-after")), MAX_WAIT_S)
    # RFC 3261 §21.4: the same request would be refused again, and might get us banned.
    return max(wait_s, REFUSED_WAIT_S) if response.code in (401, 403, 404, 407) else wait_s


def _number(text: str) -> int:
    """The number a header value starts with, 0 if there is none."""
    digits = text.strip(' \t"').partition(" ")[0].partition(";")[0].partition("(")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0
