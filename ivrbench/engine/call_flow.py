"""Call flow: what each SIP event of a call means for its session, in the order of ivr-api §2.5."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, MediaError, RemoteProtocolError, SdpError
from ivrbench.observe.events import LegStarted
from ivrbench.rtp.info import DTMF, DTMF_RELAY, parse_info
from ivrbench.scriptapi.sipviews import IvrSipReply, IvrSipRequest
from ivrbench.sip.events import (
    AckReceived,
    AckTimedOut,
    ByeReceived,
    CallEnded,
    CancelReceived,
    ProvisionalReceived,
    Redirected,
    ReinviteReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)

from .b2b import flow as b2b_flow
from .descriptions import unreadable_code
from .ending import leg_down
from .headers import header_pairs
from .outcome import Call
from .views import ReplyFacts, RequestFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.events import Event
    from ivrbench.sip.message import SipRequest

    from .leg import Headers, Leg
    from .outcome import Outcome, ScriptRefusal
    from .session import Session

__all__ = ["begin", "receive", "refused_by_script"]

log = logging.getLogger("ivrbench.call")

CANCELLING: Final = 3
DISCONNECTING: Final = 6
DISCONNECTED: Final = 0
SERVER_ERROR: Final = 500
UNSUPPORTED_MEDIA_TYPE: Final = 415
DESCRIBED_METHODS: Final = frozenset({"UPDATE", "PRACK"})
"""They may carry an offer (RFC 3311, RFC 3262 §5)."""
ACCEPT_INFO: Final = (("Accept", f"{DTMF_RELAY}, {DTMF}"),)


def begin(session: Session, request: SipRequest, peer: str) -> None:
    """A new call came in: onSipRequest, onInvite, and the answer that follows from them."""
    leg = session.leg
    leg.invite_req = RequestFacts(request)
    _announce(session, request, peer)
    leg.expect_reply(request)
    try:
        leg.open_media()
    except SdpError as exc:
        # ivr-api §2.5: an unparsable description is refused before any handler.
        _refuse_unheard(session, exc.status_hint, str(exc))
        return
    except MediaError as exc:
        _refuse_unheard(session, 503, str(exc))
        return
    session.create_dialog()
    session.hear(request)
    call = Call("onInvite", (leg.invite_req.hdrs,))
    session.tell_unless(session.b2b.takes_invite, call, lambda o: _invited(session, request, o))


def _announce(session: Session, request: SipRequest, peer: str) -> None:
    """Tell everybody who watches that there is a new leg."""
    dialog = session.leg.call.dialog
    session.board.publish(
        LegStarted(
            leg=session.leg.name,
            direction="in",
            script=session.generation.script,
            generation=session.generation.number,
            peer=peer,
            call_id=dialog.call_id,
            request_uri=request.uri,
            local_tag=dialog.local_tag,
        )
    )


def receive(leg: Leg, event: Event) -> None:
    """An event of a call that has begun."""
    if event.call is not leg.placed:
        return  # a place that failed, and the call has gone on to another
    if leg.dialling is not None and leg.dialling.receive(event):
        return
    if leg is not leg.session.leg:
        b2b_flow.receive(leg, event)
        return
    handle = _EVENTS.get(type(event))
    if handle is None:
        log.warning("%s means nothing here", type(event).__name__, extra={"leg": leg.name})
    else:
        handle(leg.session, leg, event)


def refused_by_script(session: Session, outcome: Outcome, refusal: ScriptRefusal) -> None:
    """A handler raised `semserror`: the INVITE gets its reply, or else the session ends."""
    leg = session.leg
    request = leg.last_request
    text = f"{outcome.call.handler} raised semserror {refusal.code} {refusal.reason}"
    log.info("%s", text, extra={"leg": leg.name, "script": session.generation.script})
    if request is None or request.method != "INVITE" or not leg.owes_reply(request):
        session.stop("script", text)
        return
    if request is leg.call.invite_request:
        session.stop("script", text)
    try:
        leg.reply(request, refusal.code, refusal.reason, header_pairs(refusal.hdrs))
    except (LocalProtocolError, SdpError) as exc:
        log.error("%s: semserror could not be sent: %s", leg.name, exc)
        leg.reply(request, SERVER_ERROR)


def _refuse_unheard(session: Session, code: int, text: str) -> None:
    """Refuse a call before its script heard of it."""
    log.warning("%s", text, extra={"leg": session.leg.name, "script": session.generation.script})
    session.stopping = True
    session.ended_by, session.reason = "engine", text
    session.leg.refuse(code, "", (("Retry-After", "5"),) if code == 503 else ())


def _invited(session: Session, request: SipRequest, outcome: Outcome) -> None:
    """`onInvite` is done, for the first INVITE or a later one."""
    leg = session.leg
    if not leg.owes_reply(request):
        return  # the script answered it, or the caller gave up meanwhile
    if not outcome.call.handler:
        session.b2b.connect_caller_to_callee()
    elif outcome.default_runs:
        _answer(session, request)
    elif outcome.raised is not None:
        if request is leg.call.invite_request:
            session.stop("error", f"onInvite raised {type(outcome.raised).__name__}")
        leg.reply(request, SERVER_ERROR)
    elif session.b2b.callee is None:
        text = f"onInvite returned {outcome.returned!r} (default suppressed)"
        session.warn(f"INVITE not answered: {text}")


def _answer(session: Session, request: SipRequest) -> None:
    """The default: 200 with our description; 488 where there is no common codec."""
    try:
        session.leg.reply(request, 200)
    except SdpError as exc:
        if request is session.leg.call.invite_request:
            session.stop("engine", str(exc))
        session.leg.reply(request, exc.status_hint)
    except LocalProtocolError as exc:
        log.error("%s: %s not answered: %s", session.leg.name, request.method, exc)


def _reinvited(session: Session, leg: Leg, event: ReinviteReceived) -> None:
    request = event.request
    leg.expect_reply(request)
    if _is_refused(leg, request):
        return

    def replace_invite() -> None:
        leg.invite_req = facts

    facts = RequestFacts(request)
    session.hear(request)
    session.step(replace_invite)
    if session.b2b.takes(leg, request):
        return
    session.tell("onInvite", facts.hdrs, done=lambda o: _invited(session, request, o))


def _is_refused(leg: Leg, request: SipRequest) -> bool:
    """Refuse a request whose description cannot be parsed, before any handler."""
    code = unreadable_code(request, leg.name)
    if code:
        leg.reply(request, code)
    return bool(code)


def _acked(session: Session, leg: Leg, event: AckReceived) -> None:
    if leg.awaits_answer:
        try:
            if event.request.description:
                if leg.receive_answer(event.request):
                    session.established(leg)
            else:
                leg.drop_offer()
                session.warn("silence: the caller's ACK carried no answer to our offer")
        except SdpError as exc:
            log.warning("answer in the ACK: %s", exc, extra={"leg": leg.name})
            session.stop("engine", str(exc))
    session.b2b.acked(leg, event.request)
    session.hear(event.request)


def _cancelled(session: Session, leg: Leg, event: CancelReceived) -> None:
    unanswered = leg.owes_reply(leg.call.invite_request)
    leg.forget("INVITE")
    session.warn("")
    if unanswered:
        leg.final_code = 487
        session.ended_by = session.ended_by or "caller"
        session.hear(event.request, CANCELLING)
        session.b2b.let_go("caller", "the caller gave up before the answer")
        session.step(lambda: session.stop("caller", "the caller gave up before the answer"))
    else:
        session.b2b.cancelled(leg, event.request)
        session.hear(event.request)


def _hung_up(session: Session, leg: Leg, event: ByeReceived) -> None:
    peer = leg.peer_role
    session.ended_by = session.ended_by or peer
    session.reason = session.reason or f"the {peer} hung up"
    leg.change("ending")
    session.b2b.hung_up(leg, event.request)
    session.hear(event.request, DISCONNECTING)
    session.step(lambda: setattr(leg.dialog, "status", DISCONNECTED))

    def decide(outcome: Outcome) -> None:
        if outcome.default_runs:
            session.stop(peer, f"the {peer} hung up")
        elif not session.stopping:
            what = "raised" if outcome.raised else f"returned {outcome.returned!r}"
            session.warn(f"peer hung up, script keeps the session (onBye {what})")

    session.tell("onBye", done=decide)


def _requested(session: Session, leg: Leg, event: RequestReceived) -> None:
    request = event.request
    leg.expect_reply(request)
    if request.method == "PRACK" and leg.awaits_answer:
        _confirmed_early(session, leg, request)
    elif request.method in DESCRIBED_METHODS and _is_refused(leg, request):
        return
    session.hear(request)
    if session.b2b.takes(leg, request):
        if request.method == "INFO":
            _take_key(session, request)
        return
    if request.method == "REFER":
        session.port.transfers.referred(leg, request)
        return
    if request.method == "NOTIFY":
        session.port.transfers.notified(request)
    session.step(lambda: _reply_by_default(session, leg, request))


def _confirmed_early(session: Session, leg: Leg, request: SipRequest) -> None:
    """The PRACK of our 183 with the offer brings the answer (RFC 3262 §5)."""
    try:
        leg.receive_answer(request)
    except SdpError as exc:
        log.warning("answer in the PRACK: %s", exc, extra={"leg": leg.name})
        leg.reply(request, exc.status_hint)
        session.stop("engine", str(exc))
        return
    leg.pass_on(request, 200)
    if leg.answered_s:
        session.established(leg)
    else:
        session.early_media(leg)


def _reply_by_default(session: Session, leg: Leg, request: SipRequest) -> None:
    """What a request gets once `onSipRequest` has seen it, unless the script replied itself."""
    if request.method in DESCRIBED_METHODS and request.description:
        if leg.owes_reply(request):
            _answer(session, request)
        return
    if request.method == "INFO":
        code, headers = _take_key(session, request)
    else:
        code, more = leg.call.requests.default_answer(request)
        headers = tuple(more)
    if leg.owes_reply(request):
        leg.reply(request, code, "", headers)


def _take_key(session: Session, request: SipRequest) -> tuple[int, Headers]:
    """The key of an INFO; gives the reply's code and headers."""
    try:
        key = parse_info(request.header("content-type"), request.body)
    except RemoteProtocolError as exc:
        headers = ACCEPT_INFO if exc.status_hint == UNSUPPORTED_MEDIA_TYPE else ()
        return exc.status_hint, headers
    session.keys.receive_info(key.key, key.duration_ms)
    return 200, ()


def _replied(
    session: Session, leg: Leg, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
) -> None:
    request, response = event.request, event.response
    reply = IvrSipReply(ReplyFacts(response))
    asked = IvrSipRequest.copy_of(RequestFacts(request))
    relayed = session.b2b.replied(leg, event)
    if request.method == "INVITE" and request is not leg.call.invite_request and not relayed:
        if session.board.media.recovery.answered(leg, event):
            return
        _reinvite_replied(session, leg, event)
    if request.method == "BYE" and response.code >= 200:
        session.step(lambda: setattr(leg.dialog, "status", DISCONNECTED))
    session.tell("onSipReply", asked, reply, old_args=(reply,))
    if not isinstance(event, ProvisionalReceived):
        session.port.transfers.replied(event)


def _reinvite_replied(
    session: Session, leg: Leg, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
) -> None:
    """Our offerless re-INVITE was answered: its 2xx holds the offer, our ACK the answer."""
    if isinstance(event, ProvisionalReceived) or not 200 <= event.response.code < 300:
        return
    if event.request.body:
        return  # a session refresh (RFC 4028 §7.4): it repeated what is agreed on
    now = session.board.now()
    try:
        leg.call.ack(leg.answer_offer(event.response.description), "application/sdp", now=now)
    except SdpError as exc:
        log.warning("offer in the 200: %s", exc, extra={"leg": leg.name})
        leg.call.ack(now=now)
        session.stop("engine", str(exc))


def _ack_timed_out(session: Session, leg: Leg, event: AckTimedOut) -> None:
    log.warning("the caller never confirmed our answer (no ACK)", extra={"leg": leg.name})


def _redirected(session: Session, leg: Leg, event: Redirected) -> None:
    """Nobody asked for redirects to be followed: the refusal stands."""
    session.stop("callee", f"the call was sent on to {event.uri}")


def _ended(session: Session, leg: Leg, event: CallEnded) -> None:
    leg_down(session, leg, event.cause)


_EVENTS: Final[dict[type, Callable[..., None]]] = {
    ReinviteReceived: _reinvited,
    AckReceived: _acked,
    CancelReceived: _cancelled,
    ByeReceived: _hung_up,
    RequestReceived: _requested,
    ProvisionalReceived: _replied,
    ResponseReceived: _replied,
    RequestTimedOut: _replied,
    AckTimedOut: _ack_timed_out,
    Redirected: _redirected,
    CallEnded: _ended,
}
