"""What an endpoint tells its user: frozen facts, in the past tense, taken with
`Endpoint.next_event()`.

Every event of a call carries the call. `CallEnded` comes exactly once per call and is its last
event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .flow import Flow
    from .invite import InviteCall
    from .message import SipRequest, SipResponse

__all__ = [
    "AckReceived",
    "AckTimedOut",
    "AuthenticationFailed",
    "ByeReceived",
    "CallEnded",
    "CancelReceived",
    "EndCause",
    "Event",
    "InviteReceived",
    "ProvisionalReceived",
    "Redirected",
    "ReinviteReceived",
    "RequestReceived",
    "RequestTimedOut",
    "ResponseReceived",
]


class EndCause(StrEnum):
    """Why a call ended."""

    BYE_RECEIVED = "the other side hung up"
    BYE_SENT = "we hung up"
    CANCEL_RECEIVED = "the caller gave up before the answer"
    CANCEL_SENT = "we gave up before the answer"
    REJECTED = "we refused the call"
    REFUSED = "the other side refused the call"
    TIMED_OUT = "the other side did not answer"
    PRACK_TIMED_OUT = "the caller never confirmed our early answer"
    SESSION_EXPIRED = "the session was not refreshed in time"
    ACK_TIMED_OUT = "the caller never confirmed our answer"
    DROPPED = "ended without a message"


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """A new call; 100 Trying is already on its way. Answer with the methods of `call`."""

    call: InviteCall
    """The call, state TRYING."""
    request: SipRequest
    """The INVITE."""


@dataclass(frozen=True, slots=True)
class ReinviteReceived:
    """An INVITE inside a dialog; answer with `call.respond(request, …)`."""

    call: InviteCall
    """The call."""
    request: SipRequest
    """The re-INVITE; a body-less one asks for an offer in the 2xx."""


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The first ACK to our 2xx; later copies are absorbed. The dialog is confirmed."""

    call: InviteCall
    """The call."""
    request: SipRequest
    """The ACK; its body is the answer when our 2xx carried the offer. Its CSeq number names the
    INVITE.
    """


@dataclass(frozen=True, slots=True)
class CancelReceived:
    """The caller gave up an INVITE still unanswered. 200 (CANCEL) and 487 (INVITE) were sent.

    `CallEnded` follows for an initial INVITE; after a cancelled re-INVITE the call goes on as it
    was.
    """

    call: InviteCall
    """The call."""
    request: SipRequest
    """The CANCEL."""


@dataclass(frozen=True, slots=True)
class ByeReceived:
    """The other side hung up. 200 was sent, unless `call.relay_bye`: then use
    `call.respond(request, …)`.
    """

    call: InviteCall
    """The call."""
    request: SipRequest
    """The BYE."""


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """Any other request: INFO, UPDATE, MESSAGE, … in a dialog, or outside one. It must be answered.

    A PRACK comes only if it has a body: the answer to an offer of ours, or a new offer.

    Answer with `call.respond(request, …)`, or `endpoint.respond(request, …)` where `call` is None.
    """

    call: InviteCall | None
    """The call it belongs to, None outside a dialog."""
    request: SipRequest
    """The request."""


@dataclass(frozen=True, slots=True)
class ProvisionalReceived:
    """A 1xx to a request of ours."""

    call: InviteCall | None
    """The call, None outside one."""
    request: SipRequest
    """The request it answers."""
    response: SipResponse
    """The response."""


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """The final response to a request of ours; once per request.

    The ACK to a 2xx was sent already if our INVITE carried a body; if it did not, the 2xx holds the
    offer and `call.ack(body, …)` is yours to call.
    """

    call: InviteCall | None
    """The call, None outside one."""
    request: SipRequest
    """The request it answers."""
    response: SipResponse
    """The response."""


@dataclass(frozen=True, slots=True)
class RequestTimedOut:
    """No final response to a request of ours will come."""

    call: InviteCall | None
    """The call, None outside one."""
    request: SipRequest
    """The request."""
    response: SipResponse
    """What stands for the answer: 408 after the time-out, 503 when the flow failed (RFC 3261
    §8.1.3.1).
    """


@dataclass(frozen=True, slots=True)
class Redirected:
    """A 3xx sent our call to a host only DNS can find, or to an address of ours; call
    `call.follow(flow, …)`, or hang up.

    Comes only with `max_redirects`; targets at other addresses are followed without a word.
    """

    call: InviteCall
    """The call, state TRYING."""
    request: SipRequest
    """The INVITE."""
    response: SipResponse
    """The 3xx, or the refusal of the target tried before."""
    uri: str
    """Where to."""


@dataclass(frozen=True, slots=True)
class AuthenticationFailed:
    """A request outside any call had wrong credentials; it was answered as one without any."""

    call: None
    """No call comes of it."""
    request: SipRequest
    """The request."""
    flow: Flow
    """Where it came from."""
    user: str
    """Who it claims to be, known here or not."""


@dataclass(frozen=True, slots=True)
class AckTimedOut:
    """No ACK to our 2xx within 64*T1. The core sends BYE by itself; `CallEnded` follows."""

    call: InviteCall
    """The call."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over and forgotten by the endpoint; its methods do nothing from now on."""

    call: InviteCall
    """The call, state DISCONNECTED."""
    cause: EndCause
    """Why."""


Event = (
    InviteReceived
    | ReinviteReceived
    | AckReceived
    | CancelReceived
    | ByeReceived
    | RequestReceived
    | ProvisionalReceived
    | ResponseReceived
    | RequestTimedOut
    | AckTimedOut
    | AuthenticationFailed
    | CallEnded
    | Redirected
)
