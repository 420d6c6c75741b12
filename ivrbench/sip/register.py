"""Registration: keeps one address of record bound to us at its registrar (RFC 3261 §10.2).

The machine decides what to send and when; sending, credentials and addresses are its user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ..errors import RemoteProtocolError
from .grammar import unquote
from .headers import parse_name_addr
from .uri import SipUri, parse_uri

if TYPE_CHECKING:
    from .grammar import Headers
    from .message import SipResponse
    from .tokens import Tokens

__all__ = ["Registration", "RegistrationState", "registrar_of"]

Params = Mapping[str, "str | None"]

DEFAULT_EXPIRES_S: Final = 600
MAX_EXPIRES_S: Final = 86_400
"""More than a registrar may ask for is not believed."""
REFRESH_SHARE: Final = (80, 90)
"""After how many hundredths of its time a binding is renewed; the choice keeps many apart."""
MIN_REFRESH_S: Final = 5.0
"""Whatever the registrar grants, it is not asked more often."""
# RFC 5626 §4.5: doubled with each failure, the first included; the longer one while calls can still
# come by another flow.
BASE_WAIT_S: Final = 30
BASE_WAIT_BACKED_UP_S: Final = 90
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
    flows: bool = False
    gruu: str = ""


class Registration:
    """One address of record at one registrar, by one flow (RFC 5626 §4.2).

    When `deadline()` has come, send a REGISTER with `request_headers` and `cseq`, then tell how it
    went with `on_response` or `on_no_response`.

    Args:
        instance: URN that tells this installation from others, `urn:uuid:…` (RFC 5626 §4.1).
        tokens: Call-ID, and chance for waits.
        expires_s: the time to ask for.
        reg_id: which flow of the address this is, from 1.
        gruu: True asks for one (RFC 5627).
        now: seconds, monotonic; the first REGISTER is due at once.

    Attributes:
        state: where it is.
        reason: why it is there, in words; "" if there is nothing to say.
        call_id: of all its requests.
        cseq: of the next one.
        reg_id: as given.
        backed_up: set by the user: another flow of the address is up, so there is less haste.
    """

    def __init__(
        self,
        instance: str,
        tokens: Tokens,
        *,
        expires_s: int = DEFAULT_EXPIRES_S,
        reg_id: int = 1,
        gruu: bool = False,
        now: float,
    ) -> None:
        self.state = RegistrationState.IDLE
        self.reason = ""
        self.call_id = tokens.call_id()
        self.cseq = 1
        self.reg_id = reg_id
        self.backed_up = False
        self._gruu = gruu
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
    def takes_flows(self) -> bool:
        """True if the registrar tells flows apart, so that one more is no second telephone."""
        return self._binding.flows

    @property
    def gruu(self) -> str:
        """URI that leads to this very instance, "" if the registrar gave none (RFC 5627 §4.3)."""
        return self._binding.gruu

    @property
    def bound(self) -> bool:
        """True while calls can come by this flow."""
        return self.state in (RegistrationState.REGISTERED, RegistrationState.REFRESHING)

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
            contact += f";reg-id={self.reg_id}"
        tags = ["path"] + ["outbound"] * (not self._plain) + ["gruu"] * self._gruu
        return (
            ("Contact", f"{contact};expires={expires_s}"),
            ("Expires", str(expires_s)),
            ("Supported", ", ".join(tags)),
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
        self._failures += 1
        base_s = BASE_WAIT_BACKED_UP_S if self.backed_up else BASE_WAIT_S
        longest_s = min(MAX_WAIT_S, base_s * 2 ** min(self._failures, 10))
        wait_ms = longest_s * 500 + self._tokens.below(longest_s * 500 + 1)
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
        required = {tag.lower() for tag in response.elements("require")}
        supported = {tag.lower() for tag in response.elements("supported")} | required
        mine = self._mine(response)
        asked_s = _number(response.header("expires")) or self._expires_s
        granted_s = _number(mine.get("expires") or "") or asked_s
        return _Binding(
            expires_s=min(granted_s, MAX_EXPIRES_S),
            service_route=tuple(response.elements("service-route")),
            keep_alive_s=_number(response.header("flow-timer")),
            outbound="outbound" in supported,
            # RFC 5626 §6: a registrar that did what it is about says so by Require.
            flows="outbound" in required,
            gruu=_gruu(mine) if self._gruu else "",
        )

    def _mine(self, response: SipResponse) -> Params:
        """What the registrar says of our binding, which it lists among all others."""
        by_uri: Params = {}
        for element in response.elements("contact"):
            try:
                contact = parse_name_addr(element)
                params = contact.params
                same_uri = parse_uri(contact.uri) == parse_uri(self._contact)
            except RemoteProtocolError:
                continue
            ours = self._instance in contact.params_text
            reg_id = params.get("reg-id")
            if ours and reg_id == str(self.reg_id):
                return params
            # Over UDP all flows may have one URI, so the number decides if there is one.
            if reg_id is None and (ours or same_uri):
                by_uri = by_uri or params
        return by_uri

    def _refresh_after_s(self) -> float:
        low, high = REFRESH_SHARE
        share = low + self._tokens.below(high - low + 1)
        return max(MIN_REFRESH_S, self._binding.expires_s * share / 100)


def _gruu(params: Params) -> str:
    """The public GRUU: it stays the same, and calls with it need no further asking."""
    uri = unquote(params.get("pub-gruu") or "")
    try:
        return uri if parse_uri(uri).param("gr") else ""
    except RemoteProtocolError:
        return ""


def _wait_asked(response: SipResponse) -> int:
    """Seconds the registrar asks us to stay away."""
    wait_s = min(_number(response.header("retry-after")), MAX_WAIT_S)
    # RFC 3261 §21.4: the same request would be refused again, and might get us banned.
    return max(wait_s, REFUSED_WAIT_S) if response.code in (401, 403, 404, 407) else wait_s


def _number(text: str) -> int:
    """The number a header value starts with, 0 if there is none."""
    digits = text.strip(' \t"').partition(" ")[0].partition(";")[0].partition("(")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0


def registrar_of(address: SipUri) -> SipUri:
    """Where an address of record is registered: the Request-URI of its REGISTERs."""
    # RFC 3261 §10.2: it has no user part.
    return SipUri(address.scheme, "", "", address.host, address.port, address.params, "")
