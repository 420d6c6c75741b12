"""Dialling: a call of ours, from a URI to a leg that is answered, or to the reason why there is
none (RFC 3263, RFC 3261 §13.2).
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, MediaError, SdpError
from ivrbench.observe.events import LegStarted
from ivrbench.sip.events import (
    CallEnded,
    ProvisionalReceived,
    Redirected,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.invite import CallState

from .signalling.logins import login_of
from .signalling.routing import SILENT_S, wants_another_way
from .target import NO_ANSWER_S, SDP, DialOwner, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.auth import Credentials
    from ivrbench.sip.events import Event
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipResponse

    from .leg import Headers, Leg
    from .signalling.location import Phones
    from .signalling.routing import Ways
    from .switchboard import Switchboard

__all__ = ["NO_ANSWER_S", "DialOwner", "Dialling", "Target", "place"]

log = logging.getLogger("ivrbench.call")

GIVEN_UP: Final = 487
NO_ANSWER: Final = 408
UNREACHABLE: Final = 503
NOT_ACCEPTABLE: Final = 488
CANNOT_BE_SENT: Final = 400


def place(board: Switchboard, leg: Leg, owner: DialOwner) -> None:
    """Call `leg.target`. Returns at once; all that follows comes to `owner`."""
    target, session = leg.target, leg.session
    assert target is not None, "a leg that came in is not placed"
    board.publish(
        LegStarted(
            leg=leg.name,
            direction="out",
            script=session.generation.script,
            generation=session.generation.number,
            peer=parse_name_addr(target.to).uri,
            call_id=target.call_id,
            request_uri=target.uri,
            local_tag=target.local_tag,
            pair="" if leg is session.leg else session.leg.name,
        )
    )
    leg.dialling = Dialling(board, leg, target, owner)
    leg.dialling.start()


class Dialling:
    """One leg being called.

    Args:
        board: the engine.
        leg: the leg.
        target: whom.
        owner: who is told.
    """

    def __init__(self, board: Switchboard, leg: Leg, target: Target, owner: DialOwner) -> None:
        self._board = board
        self._leg = leg
        self._target = target
        self._owner = owner
        self._uri = target.uri
        self._ways: Ways | None = None
        self._phones: Phones | None = None
        """Where the callee is a user of ours, not called yet."""
        self._finding: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        """Running while this place has said nothing and there is another one."""
        self._given_up: tuple[int, str] | None = None
        self._problem: tuple[int, str] | None = None
        """Why a redirect could not be followed."""
        self._reply: SipResponse | None = None
        self._goes_on = False
        """The next place is tried when the call to the last one has ended."""
        self._rang = False
        self._over = False

    def __repr__(self) -> str:
        return f"<Dialling {self._uri} {self._leg!r}>"

    def start(self) -> None:
        """Look for the way."""
        self._timer = self._board.loop.call_later(self._target.no_answer_s, self._unanswered)
        self._look(self._uri, self._found, self._lost)

    def cancel(self, headers: Headers = ()) -> None:
        """Give up: CANCEL, or whatever fits; `leg_failed` comes when it is over."""
        self._give_up(GIVEN_UP, "given up before the answer", headers)

    def close(self) -> None:
        """Stop without a word to anybody."""
        self._over = True
        self._leg.dialling = None
        if self._timer is not None:
            self._timer.cancel()
        self._stop_finding()
        self._heard()

    # --- the way there ------------------------------------------------------------------------

    def _look(self, uri: str, found: Callable[[Ways], None], lost: Callable[[str], None]) -> None:
        self._finding.add(self._board.loop.create_task(self._find(uri, found, lost)))

    def _stop_finding(self) -> None:
        for task in self._finding:
            task.cancel()
        self._finding.clear()

    async def _find(
        self, uri: str, found: Callable[[Ways], None], lost: Callable[[str], None]
    ) -> None:
        target, router = self._target, self._board.router
        route = self._board.route_from(target.from_)
        try:
            if next_hop := self._board.callee_hop or target.next_hop:
                ways = await router.find(next_hop)
            else:
                ways = await router.find(uri, route)
        except (LocalProtocolError, OSError) as exc:
            tell = partial(lost, str(exc))
        else:
            tell = partial(found, ways)
        task = asyncio.current_task()
        assert task is not None, "it runs"
        self._finding.discard(task)
        tell()
        self._board.settle()

    def _found(self, ways: Ways) -> None:
        self._uri = self._choose(self._uri, ways)
        self._send()

    def _choose(self, uri: str, ways: Ways) -> str:
        """The Request-URI: that of a phone if the way leads back to us and is for a user."""
        self._ways = ways
        phones = self._phones = self._board.location.phones(uri, ways)
        if phones is None:
            return uri
        self._ways = ways.replaced(phones.first.flow, phones.first.route)
        return phones.first.uri

    def _lost(self, reason: str) -> None:
        self._give_up(UNREACHABLE, reason)

    def _follow(self, uri: str, ways: Ways) -> None:
        target, call = self._choose(uri, ways), self._leg.call
        assert self._ways is not None, "just chosen"
        call.follow(self._ways.flow, uri, target, now=self._board.now())
        self._call_others(call)

    def _lost_on(self, uri: str, reason: str) -> None:
        """A redirect leads nowhere; another phone may still answer."""
        self._problem = (UNREACHABLE, reason)
        self._leg.call.follow(None, uri, now=self._board.now())

    def _silent(self) -> None:
        """Not even a 100: call the next place; an answer of this one is taken back if it comes."""
        self._silence = None
        ways, before = self._ways, self._leg.call
        assert ways is not None, "the INVITE went there"
        if ways.next():
            self._send(instead_of=before)
            if self._leg.placed is not before:
                before.owner = None
            self._board.settle()

    def _heard(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _send(self, instead_of: InviteCall | None = None) -> None:
        """Send the INVITE to the place that is next."""
        ways, target, before = self._ways, self._target, self._leg.placed
        assert ways is not None, "a way was found"
        try:
            body = self._body(ways)
            call = self._board.endpoint.invite(
                self._uri,
                ways.flow,
                target.from_,
                target.to,
                target.headers,
                body,
                target.content_type if body else "",
                now=self._board.now(),
                local_tag=target.local_tag,
                call_id=target.call_id,
                cseq=before.dialog.next_cseq if before else 0,
                max_forwards=target.max_forwards,
                contact=self._board.contact_from(target.from_, ways.flow),
                route=ways.route,
                credentials=self._credentials(),
                instead_of=instead_of,
                spares=self._phones.spares if self._phones else (),
            )
        except (MediaError, LocalProtocolError) as exc:
            code = UNREACHABLE if isinstance(exc, MediaError) else CANNOT_BE_SENT
            self._give_up(code, str(exc))
        else:
            self._sent(call, ways)

    def _sent(self, call: InviteCall, ways: Ways) -> None:
        self._leg.take(call)
        self._call_others(call)
        if ways.more:
            self._silence = self._board.loop.call_later(SILENT_S, self._silent)

    def _call_others(self, call: InviteCall) -> None:
        phones, self._phones = self._phones, None
        for ways, turn in phones.others if phones else ():
            try:
                self._board.endpoint.also_invite(call, ways, turn, now=self._board.now())
            except LocalProtocolError as exc:
                log.warning("%s: %s", ways[0].uri, exc, extra={"leg": self._leg.name})

    def _body(self, ways: Ways) -> bytes:
        if self._target.body is not None:
            return self._target.body
        audio = self._leg.audio
        audio.open(self._phones.local_ip if self._phones else ways.flow.local[0])
        return b"" if self._target.late_offer else audio.make_first_offer()

    def _credentials(self) -> Credentials:
        target = self._target
        login = target.login
        if login is not None:
            return lambda _: login
        settings = self._board.settings
        addresses = (target.uri, target.from_, target.next_hop, settings.outbound_proxy)
        return login_of(settings, addresses)

    # --- what comes back ----------------------------------------------------------------------

    def receive(self, event: Event) -> bool:
        """Take an event of the call; False if it is none of the INVITE's."""
        handle = _EVENTS.get(type(event))
        request = getattr(event, "request", None)
        if handle is None or request not in (None, self._leg.call.invite_request):
            return False
        self._heard()
        handle(self, event)
        return True

    def _provisional(self, event: ProvisionalReceived) -> None:
        leg, reply = self._leg, event.response
        if reply.code > 100:
            self._rang = True
            if leg.state != "ending":
                leg.change("early", reply.code, reply.reason)
        agreed = False
        try:
            agreed = self._describe_early(reply)
        except SdpError as exc:
            log.warning("%d %s: %s", reply.code, reply.reason, exc, extra={"leg": leg.name})
        self._owner.leg_ringing(leg, reply, agreed=agreed)

    def _describe_early(self, reply: SipResponse) -> bool:
        """Take the description of a 1xx; True if offer and answer are complete with it."""
        audio, description = self._leg.audio, reply.description
        if not description or self._target.body is not None:
            return False
        if not self._target.late_offer:
            return audio.receive_first_answer(description)
        if not reply.has("rseq"):
            return False  # RFC 3261 §13.2.1: an unreliable 1xx cannot hold the offer
        answer = audio.receive_offer(description)
        self._leg.call.prack(reply, answer, now=self._board.now())
        return True

    def _replied(self, event: ResponseReceived | RequestTimedOut) -> None:
        reply = event.response
        if 200 <= reply.code < 300:
            self._answered(reply)
            return
        self._reply = reply
        sent_on = self._leg.call.dialog.remote_target != self._uri
        reached = self._rang or sent_on or self._given_up is not None
        # RFC 3263 §4.3: the next place, unless somebody was reached at this one.
        if not reached and wants_another_way(event) and self._ways is not None:
            self._goes_on = self._ways.next()

    def _answered(self, reply: SipResponse) -> None:
        leg, now = self._leg, self._board.now()
        try:
            agreed = self._target.body is None and self._describe(reply)
        except SdpError as exc:
            leg.call.ack(now=now)
            self._give_up(exc.status_hint, f"the call was answered, but: {exc}")
            return
        self.close()
        leg.answered_s = now
        leg.final_code = 200
        leg.change("held" if leg.audio.is_held else "up", reply.code, reply.reason)
        self._owner.leg_answered(leg, reply, agreed=agreed)

    def _describe(self, reply: SipResponse) -> bool:
        """Take the description of the 2xx, if it has one; True if it changed anything."""
        audio, description = self._leg.audio, reply.description
        late = self._target.late_offer and audio.agreement is None
        if not description:
            if audio.agreement is None:
                raise SdpError("it has no session description.", status_hint=NOT_ACCEPTABLE)
            return False
        if late:
            answer = audio.receive_offer(description)
            self._leg.call.ack(answer, SDP, now=self._board.now())
            return True
        return not self._target.late_offer and audio.receive_first_answer(description)

    def _redirected(self, event: Redirected) -> None:
        self._uri = uri = event.uri
        self._look(uri, partial(self._follow, uri), partial(self._lost_on, uri))

    def _ended(self, event: CallEnded) -> None:
        if self._goes_on:
            self._goes_on = False
            self._send()
        else:
            self._fail()

    # --- giving up ----------------------------------------------------------------------------

    def _unanswered(self) -> None:
        self._timer = None
        self._give_up(NO_ANSWER, f"no answer within {self._target.no_answer_s:g} s")
        self._board.settle()

    def _give_up(self, code: int, reason: str, headers: Headers = ()) -> None:
        self._given_up = self._given_up or (code, reason)
        self._goes_on = False
        self._heard()
        leg = self._leg
        leg.change("ending")
        self._stop_finding()
        if leg.placed is not None and not _is_over(leg):
            leg.placed.bye(headers, now=self._board.now())
        else:
            self._board.inbox.post(self._fail)

    def _fail(self) -> None:
        if self._over:
            return
        self.close()
        leg, reply = self._leg, self._reply
        code, reason = self._given_up or (GIVEN_UP, "the call is over")
        if self._given_up is None and reply is not None:
            code, reason = reply.code, reply.reason
            if self._problem is not None and 300 <= code < 400:
                code, reason = self._problem
        leg.final_code = code
        leg.over()
        log.info("%s not reached: %d %s", self._uri, code, reason, extra={"leg": leg.name})
        self._owner.leg_failed(leg, code, reason, reply)


def _is_over(leg: Leg) -> bool:
    return leg.call.state is CallState.DISCONNECTED


_EVENTS: Final[dict[type, Callable[..., None]]] = {
    ProvisionalReceived: Dialling._provisional,
    ResponseReceived: Dialling._replied,
    RequestTimedOut: Dialling._replied,
    Redirected: Dialling._redirected,
    CallEnded: Dialling._ended,
}
