"""Uac: sessions that begin with a call of ours (ivr-api §3.7)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError
from ivrbench.observe.events import LegEnded, LegStarted
from ivrbench.scriptapi.host import the_host
from ivrbench.scriptapi.sipviews import IvrSipReply, IvrSipRequest
from ivrbench.scriptapi.uac import Dialout
from ivrbench.sip.flow import host_port
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.uri import parse_uri

from .admission import Refusal
from .dialling import Target, place
from .headers import header_pairs
from .session import Session
from .views import EmptyRequest, ReplyFacts, RequestFacts

if TYPE_CHECKING:
    from ivrbench.scriptapi.uac import DialRequest
    from ivrbench.sip.message import SipResponse

    from .leg import Leg
    from .outcome import Outcome
    from .switchboard import Switchboard

__all__ = ["DialOrder", "dial_out"]

log = logging.getLogger("ivrbench.call")

DISCONNECTED: Final = 0
TRYING: Final = 1
PROCEEDING: Final = 2
EARLY: Final = 4
CONNECTED: Final = 5
NOT_FOUND: Final = 404
BUSY_TAG: Final = 482


@dataclass(frozen=True, slots=True, eq=False)
class DialOrder:
    """What a session was made for."""

    target: Target
    handle: Dialout
    hdrs: str
    session_params: list[str] | dict[str, str] | None


def dial_out(board: Switchboard, request: DialRequest) -> tuple[str, Dialout]:
    """Begin a session that calls somebody. On the loop; returns at once.

    Returns:
        the name of its leg, and the handle, which tells if the call could not even begin.
    """
    name = board.next_name()
    target = _target(board, request)
    handle = Dialout(target.local_tag)
    application = request.application or board.choose(_as_request(request))
    refusal = board.admission.check("", len(board.sessions), board.now(), board.media.room)
    generation = None
    if target.local_tag in board.by_local_tag:
        text = f"the local tag {target.local_tag} belongs to another call"
        refusal = Refusal(BUSY_TAG, "", text)
    elif refusal is None:
        generation = board.registry.acquire(application)
        if generation is None:
            text = f'no script "{application}" that loaded; see the load messages'
            refusal = Refusal(NOT_FOUND, "", text)
    if refusal is not None or generation is None:
        assert refusal is not None, "a call without a script is refused"
        _refuse(board, name, application, target, refusal)
        handle.settle(refusal.code, refusal.sentence)
        return name, handle
    extra = {"leg": name, "script": application}
    log.info("calling %s → %s@%d", target.uri, application, generation.number, extra=extra)
    order = DialOrder(target, handle, request.hdrs, request.session_params)
    session = Session(board, generation, name, order=order)
    board.add(session)
    place(board, session.leg, _Caller())
    session.create_dialog()
    return name, handle


def _target(board: Switchboard, request: DialRequest) -> Target:
    return Target(
        uri=request.r_uri,
        from_=_without_tag(request.from_header) or _our_address(board, request.application),
        to=_without_tag(request.to_header) or f"<{request.r_uri}>",
        local_tag=request.local_tag or board.tokens.tag(),
        call_id=board.tokens.call_id(),
        headers=header_pairs(request.hdrs),
        login=request.login,
        next_hop=request.next_hop,
        no_answer_s=request.no_answer_s,
        user=request.user,
        local_uri=request.from_uri,
    )


def _without_tag(address: str) -> str:
    return parse_name_addr(address).address if address else ""


def _our_address(board: Switchboard, user: str) -> str:
    """Who calls, where nobody says: the first account, else the script at our address."""
    accounts = board.settings.register
    if accounts:
        return f"<{accounts[0].uri.partition(';')[0]}>"
    host = host_port(board.settings.public_ip or the_host().local_sip_ip, 0)
    return f"<sip:{user}@{host}>" if user else f"<sip:{host}>"


def _as_request(request: DialRequest) -> EmptyRequest:
    """The call as if it came in: what the script is chosen by."""
    view = EmptyRequest()
    view.r_uri, view.hdrs = request.r_uri, request.hdrs
    try:
        view.user = parse_uri(request.r_uri).decoded_user
    except RemoteProtocolError:  # checked by whoever asked; nobody is found by it
        view.user = ""
    return view


def _refuse(
    board: Switchboard, name: str, application: str, target: Target, refusal: Refusal
) -> None:
    """A call that does not begin, shown as one that failed."""
    log.error(
        "%s is not called: %s",
        target.uri,
        refusal.sentence,
        extra={"leg": name, "script": application},
    )
    board.publish(
        LegStarted(
            leg=name,
            direction="out",
            script=application,
            generation=0,
            peer=parse_name_addr(target.to).uri,
            call_id=target.call_id,
            request_uri=target.uri,
            local_tag=target.local_tag,
        )
    )
    board.publish(LegEnded(name, "engine", refusal.code, refusal.sentence, 0.0))


class _Caller:
    """`DialOwner` of a session's first leg: what the script hears of its call (ivr-api §2.5)."""

    def leg_ringing(self, leg: Leg, reply: SipResponse, *, agreed: bool) -> None:
        """`onSipReply`, `onRinging`; early media is heard."""
        session = leg.session
        status = EARLY if reply.code > 100 else PROCEEDING
        session.step(lambda: setattr(leg.dialog, "status", status))
        if agreed and session.media is None:
            session.early_media(leg)
        elif agreed:
            session.media_changed(leg)
        _tell_reply(leg, reply)
        if reply.code > 100:
            session.tell("onRinging", reply.code, reply.reason)

    def leg_answered(self, leg: Leg, reply: SipResponse, *, agreed: bool) -> None:
        """`onSessionStart`, then `onSipReply`."""
        session = leg.session
        if session.order is not None:
            session.order.handle.settle(reply.code, reply.reason)
        # ivr-api §3.5: on such a leg `invite_req` has nothing but the peer's description.
        heard = EmptyRequest()
        heard.body = reply.description.decode("utf-8", "replace")
        leg.invite_req = heard
        session.step(lambda: setattr(leg.dialog, "status", CONNECTED))
        if agreed and session.media is not None:
            session.media_changed(leg)
        session.established(leg, ReplyFacts(reply).hdrs)
        _tell_reply(leg, reply)

    def leg_failed(self, leg: Leg, code: int, reason: str, reply: SipResponse | None) -> None:
        """`onSipReply`, `onFailed`; the session ends, unless the script keeps it."""
        session = leg.session
        if session.order is not None:
            session.order.handle.settle(code, reason)
        session.fall_silent()
        if session.abandoned:
            session.finish()
            return
        session.step(lambda: setattr(leg.dialog, "status", DISCONNECTED))
        if reply is not None:
            _tell_reply(leg, reply)

        def decide(outcome: Outcome) -> None:
            if outcome.default_runs:
                by = "callee" if reply is not None or code == 408 else "engine"
                session.stop(by, f"{code} {reason}")
            else:
                session.step(session.warn_of_being_kept)

        if session.stopping:
            session.settle()
        else:
            session.tell("onFailed", code, reason, done=decide)


def _tell_reply(leg: Leg, response: SipResponse) -> None:
    reply = IvrSipReply(ReplyFacts(response))
    asked = IvrSipRequest.copy_of(RequestFacts(leg.call.invite_request))
    leg.session.tell("onSipReply", asked, reply, old_args=(reply,))
