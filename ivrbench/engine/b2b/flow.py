"""Call flow of the second party: what each SIP event of its leg means for the session."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError, SdpError
from ivrbench.rtp.info import parse_info
from ivrbench.sip.events import (
    AckReceived,
    AckTimedOut,
    ByeReceived,
    CallEnded,
    CancelReceived,
    ProvisionalReceived,
    ReinviteReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)

from ..descriptions import unreadable_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.events import Event
    from ivrbench.sip.message import SipRequest

    from ..leg import Leg
    from .callee import Callee

__all__ = ["receive"]

log = logging.getLogger("ivrbench.call")


def receive(leg: Leg, event: Event) -> None:
    """An event of a second party's leg, once its INVITE has been answered."""
    callee = leg.session.b2b.callee_of(leg)
    handle = _EVENTS.get(type(event))
    if callee is not None and handle is not None:
        handle(callee, event)


def _asked(callee: Callee, event: ReinviteReceived | RequestReceived) -> None:
    """It goes to the caller, or is answered here; the script hears of neither."""
    request, leg, b2b = event.request, callee.leg, callee.b2b
    leg.expect_reply(request)
    code = unreadable_code(request, leg.name)
    if code:
        leg.pass_on(request, code)
        return
    key_code = _take_key(callee, request)
    if b2b.takes(leg, request):
        return
    if request.method == "INVITE" or (request.method == "UPDATE" and request.description):
        callee.audio.asked(request)
    elif request.method == "INFO" and key_code:
        leg.pass_on(request, key_code)
    else:
        code, headers = leg.call.requests.default_answer(request)
        leg.pass_on(request, code, "", tuple(headers))


def _take_key(callee: Callee, request: SipRequest) -> int:
    """The key of an INFO goes to `onOtherDtmf`; gives the code of the reply, 0 for no INFO."""
    if request.method != "INFO":
        return 0
    try:
        key = parse_info(request.header("content-type"), request.body)
    except RemoteProtocolError as exc:
        return exc.status_hint
    callee.keys.receive_info(key.key, key.duration_ms)
    return 200


def _acked(callee: Callee, event: AckReceived) -> None:
    leg = callee.leg
    if leg.awaits_answer:
        try:
            if event.request.description:
                leg.receive_answer(event.request)
            else:
                leg.drop_offer()
        except SdpError as exc:
            callee.fail(f"the answer in the callee's ACK: {exc}")
            return
    callee.b2b.acked(leg, event.request)


def _cancelled(callee: Callee, event: CancelReceived) -> None:
    callee.leg.forget("INVITE")
    callee.b2b.cancelled(callee.leg, event.request)


def _replied(
    callee: Callee, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
) -> None:
    if not callee.b2b.replied(callee.leg, event):
        callee.session.board.media.recovery.answered(callee.leg, event)


def _hung_up(callee: Callee, event: ByeReceived) -> None:
    callee.leg.change("ending")
    callee.b2b.hung_up(callee.leg, event.request)


def _ack_timed_out(callee: Callee, event: AckTimedOut) -> None:
    log.warning("the callee never confirmed our answer (no ACK)", extra={"leg": callee.leg.name})


def _ended(callee: Callee, event: CallEnded) -> None:
    callee.over(event)


_EVENTS: Final[dict[type, Callable[..., None]]] = {
    ReinviteReceived: _asked,
    RequestReceived: _asked,
    AckReceived: _acked,
    CancelReceived: _cancelled,
    ProvisionalReceived: _replied,
    ResponseReceived: _replied,
    RequestTimedOut: _replied,
    ByeReceived: _hung_up,
    AckTimedOut: _ack_timed_out,
    CallEnded: _ended,
}
