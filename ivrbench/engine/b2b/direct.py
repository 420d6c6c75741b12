"""DirectAudio: the parties send each other audio past us; we carry their descriptions (RFC 3264,
RFC 3725)."""

from __future__ import annotations

import logging
from dataclasses import replace as replaced
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, SdpError

from .headers import response_headers
from .sdp import Description, is_same_media, on_hold, puts_on_hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.events import ProvisionalReceived, RequestTimedOut, ResponseReceived
    from ivrbench.sip.message import SipRequest, SipResponse

    from ..dialling import Target
    from ..leg import Leg
    from ..session import Session
    from .callee import Callee

__all__ = ["DirectAudio", "Party"]

log = logging.getLogger("ivrbench.call")

SDP: Final = "application/sdp"
RINGING: Final = 180
PENDING: Final = 491
AGAIN_S: Final = 0.2
"""Between tries to send an offer to a party whose dialog is busy with another."""
MAX_TRIES: Final = 50
MAX_ROUNDS: Final = 3
"""Offers in a row until both know the same; phones that never agree are left alone."""


class Party:
    """One party's descriptions: what it said of its audio, and what it was told of the other's.

    Args:
        session: the session.
        leg: the party's leg.
        told: numbers what it is told.
    """

    def __init__(self, session: Session, leg: Leg, told: Description) -> None:
        self.leg = leg
        self.told = told
        self.heard = b""
        """Its own last description."""
        self._session = session
        self._offered: SipRequest | None = None
        self._is_ours = False
        """What is told last, or waits to be, is of our own audio."""
        self._turn = 0
        """Counts what was to be sent: a later one takes the place of one that waits."""
        self._done: Callable[[bytes | None], None] = _ignore

    @property
    def is_busy(self) -> bool:
        """An offer or an INVITE is on its way, or it was not answered yet."""
        leg, call = self.leg, self.leg.call
        waits = call.invite_pending or call.offer_sent or call.offer_received
        return waits or leg.awaits_answer or not leg.answered_s

    def tell(self, body: bytes) -> bytes:
        """A description of the other party as it is sent to this one.

        RFC 3264 §8: one count of versions, whether it is told of the other's audio or of ours.
        """
        sdp, told = self.leg.sdp, self.told
        if sdp is not None:
            told.version = max(told.version, sdp.local.session_version)
        sent = told.tell(body)
        if sdp is not None:
            sdp.local = replaced(sdp.local, session_version=told.version)
        return sent

    def offer(self, body: bytes, done: Callable[[bytes | None], None]) -> None:
        """Send the other party's description in a re-INVITE, as soon as the dialog allows.

        What waited to be sent before is not sent any more.

        Args:
            body: of the other party.
            done: called with the party's answer, None if it refused.
        """
        self._is_ours = False
        self._when_free(lambda: self._send(self.tell(body), done), lambda: done(None))

    def forget_offers(self) -> None:
        """What waits to be told of the other party is of no use any more."""
        if not self._is_ours:
            self._turn += 1

    def _when_free(self, send: Callable[[], None], fail: Callable[[], None]) -> None:
        self._turn += 1
        self._attempt(self._turn, MAX_TRIES, send, fail)

    def _attempt(
        self, turn: int, tries: int, send: Callable[[], None], fail: Callable[[], None]
    ) -> None:
        board = self._session.board
        if turn != self._turn or self.leg.down or self._session.over:
            return
        if not self.is_busy:
            send()
        elif tries:
            board.loop.call_later(AGAIN_S, self._attempt, turn, tries - 1, send, fail)
        else:
            fail()
        board.inbox.post(_ignore, None)  # what is to be sent goes out, also when a timer was due

    def _send(self, body: bytes, done: Callable[[bytes | None], None]) -> None:
        self._done = done
        try:
            self._offered = self.leg.call.reinvite(body, now=self._session.board.now())
        except LocalProtocolError as exc:  # it is hanging up
            log.info("re-INVITE: %s", exc, extra={"leg": self.leg.name})
            done(None)

    def replied(self, event: ProvisionalReceived | ResponseReceived | RequestTimedOut) -> bool:
        """A reply came; True if it was to such an offer, so that nobody else takes it."""
        if self._offered is None or event.request is not self._offered:
            return False
        response = event.response
        if response.code >= 200:
            self._offered = None
            accepted = response.code < 300 and bool(response.description)
            done, self._done = self._done, _ignore
            done(response.description if accepted else None)
        return True

    def take_audio_back(self) -> None:
        """Offer our own audio to the caller: from now on it hears the playlist."""
        self._is_ours = True
        self._when_free(self._send_ours, lambda: self._ours_answered(None))

    def _send_ours(self) -> None:
        sdp = self.leg.sdp
        assert sdp is not None, "a leg of a session has ports"
        self._send(sdp.make_offer(), self._ours_answered)

    def _ours_answered(self, answer: bytes | None) -> None:
        leg, sdp = self.leg, self.leg.sdp
        assert sdp is not None, "the offer was made"
        self.told.sent = b""
        try:
            if answer is None:
                raise SdpError("the caller refused our audio")
            sdp.receive_answer(answer)
        except SdpError as exc:
            leg.audio.withdraw_offer()
            log.warning("%s", exc, extra={"leg": leg.name})
            return
        self.heard = answer or b""
        self._session.audio_came_back(leg)


def _ignore(answer: bytes | None) -> None:
    """Nobody waits for the answer."""


class DirectAudio:
    """Each party is told the other one's description.

    Args:
        callee: the second party.
    """

    def __init__(self, callee: Callee) -> None:
        self._callee = callee
        self._b2b = callee.b2b
        self._session = session = callee.session
        self._near = self._b2b.near or _near_party(session)
        self._b2b.near = self._near
        number = session.board.media.next_session_id()
        told = Description(number, 0, self._near.told.address)
        self._far = Party(session, callee.leg, told)
        self._is_late_early = False
        """A reliable 1xx brought the callee's offer; its PRACK put it on hold for now."""
        self._late: tuple[SipRequest, Party] | None = None
        """A request without offer whose ACK brings the answer that the other party waits for."""
        self._told_early = b""

    def prepare(self, target: Target) -> Target:
        """What the INVITE is to be: with the caller's description."""
        heard = self._near.heard = self._near.heard or _heard_from(self._session.leg)
        return replaced(target, body=self._far.tell(heard) if heard else b"")

    # --- the callee's answer ------------------------------------------------------------------

    def progressed(self, reply: SipResponse, *, agreed: bool) -> None:
        """A 1xx of the callee; what it says of its audio is kept for the answer."""
        description = reply.description
        is_late = not self._near.heard
        self._far.heard = description or self._far.heard
        if is_late and description and reply.has("rseq"):
            self._hold_early(reply)
        invite = self._b2b.waiting_invite
        if invite is None or reply.code < RINGING:
            return
        body = b"" if is_late or not description else self._near.tell(description)
        self._told_early = body or self._told_early
        headers = response_headers(reply)
        self._session.leg.pass_on(invite, reply.code, reply.reason, headers, body)

    def _hold_early(self, reply: SipResponse) -> None:
        """RFC 3262 §5: the offer in a reliable 1xx wants its answer now, the caller's comes later.

        An answer with the offer's own formats and no audio fits every offer (RFC 3264 §6.1).
        """
        self._is_late_early = True
        answer = on_hold(self._far.tell(reply.description))
        self._callee.leg.call.prack(reply, answer, now=self._session.board.now())

    def answered(self, reply: SipResponse) -> None:
        """The 2xx: its description goes to the caller, in a 200 or a re-INVITE.

        Raises:
            SdpError: there never was a description.
        """
        session, far = self._session, self._far
        far.heard = reply.description or far.heard
        if not far.heard:
            raise SdpError("it has no session description.")
        self._b2b.audio_went_away()
        self._b2b.tell_joined(self._callee, past_us=True)
        invite = self._b2b.waiting_invite
        if invite is None:
            self.join()
            return
        body = self._near.tell(far.heard)
        headers = response_headers(reply)
        if not self._near.heard:
            self._late = (invite, far)
        session.leg.pass_on(invite, reply.code, reply.reason, headers, body)
        session.begun()
        if self._told_early and not is_same_media(body, self._told_early):
            # RFC 3261 §13.2.1: to the caller the first description it got is the answer.
            self.join()

    # --- both learn the same ------------------------------------------------------------------

    def join(self) -> None:
        """Tell each what the other said, until nothing is new (`disconnectAudio()`, an answer)."""
        self._b2b.audio_went_away()
        self._b2b.tell_joined(self._callee, past_us=True)
        self._offer_near(MAX_ROUNDS)

    def _offer_near(self, rounds: int) -> None:
        self._near.offer(self._far.heard, lambda answer: self._near_answered(answer, rounds))

    def _near_answered(self, answer: bytes | None, rounds: int) -> None:
        if self._callee.is_over or not self._callee.is_up:
            return
        if answer is None:
            self._callee.fail("the caller refused the callee's audio")
            return
        self._near.heard = answer
        if rounds and not is_same_media(answer, self._far.told.sent):
            self._far.offer(answer, lambda again: self._far_answered(again, rounds - 1))

    def _far_answered(self, answer: bytes | None, rounds: int) -> None:
        if answer is None:
            log.warning("the callee refused the caller's answer", extra=self._extra)
            return
        self._far.heard = answer
        if rounds and not is_same_media(answer, self._near.told.sent):
            self._offer_near(rounds)

    @property
    def _extra(self) -> dict[str, str]:
        return {"leg": self._callee.leg.name}

    def part(self) -> None:
        """`connectAudio()`: the caller's audio comes here, the callee is put on hold."""
        self._b2b.tell_joined(None)
        self._near.take_audio_back()
        if self._near.heard:
            self._far.offer(on_hold(self._near.heard), _ignore)

    def apart(self) -> None:
        """The second party is leaving; where the caller's audio goes then, the script says."""
        self._b2b.tell_joined(None)
        self._near.forget_offers()
        self._far.forget_offers()

    def over(self) -> bool:
        """The callee's call is over; there was no audio of it here."""
        return False

    def join_media(self) -> None:
        """The caller has audio here: for its playlist, the callee has no part in it."""

    # --- requests of both ---------------------------------------------------------------------

    def relays(self, leg: Leg, request: SipRequest, other: Leg) -> bool:
        """Send an INVITE or UPDATE to the other party, with what it says of its audio."""
        here, there = self._sides(leg)
        description = request.description
        body = b""
        if description:
            here.heard = description
            body = there.tell(description)
        elif request.method == "INVITE":
            self._late = (request, there)

        def describe(response: SipResponse) -> bytes:
            said = response.description
            if description:
                leg.hold(is_held=puts_on_hold(description))
            if said:
                there.heard = said
            return here.tell(said) if said else b""

        self._b2b.relay.send(leg, request, other, body, describe)
        return True

    def asked(self, request: SipRequest) -> None:
        """A re-INVITE or UPDATE of the callee while nothing is relayed: it is told the same."""
        leg, told = self._callee.leg, self._far.told
        if request.description:
            self._far.heard = request.description
        body = told.sent if request.description or request.method == "INVITE" else b""
        leg.pass_on(request, 200, "", (), body)

    def replied(
        self, leg: Leg, event: ProvisionalReceived | ResponseReceived | RequestTimedOut
    ) -> bool:
        """A reply came; True if it was to an offer made here."""
        return leg is self._callee.leg and self._far.replied(event)

    def acked(self, leg: Leg, request: SipRequest) -> None:
        """An ACK came: the answer to an offer of the other party goes on to it."""
        late = self._late
        if late is None or request.cseq != late[0].cseq or leg is late[1].leg:
            return
        self._late = None
        here, there = self._sides(leg)
        if not request.description:
            self._callee.fail("an ACK brought no answer to the other party's offer")
            return
        here.heard = request.description
        if self._is_late_early:
            self._is_late_early = False
            there.offer(request.description, _ignore)
            return
        body = there.tell(request.description)
        there.leg.call.ack(body, SDP, now=self._session.board.now())

    def presses(self, leg: Leg) -> bool:
        """No key goes through us."""
        return False

    def pressed(self, leg: Leg, key: int, duration_ms: int) -> None:
        """Keys go with the audio, past us."""

    def _sides(self, leg: Leg) -> tuple[Party, Party]:
        near, far = self._near, self._far
        return (near, far) if leg is near.leg else (far, near)


def _near_party(session: Session) -> Party:
    """The caller, who has seen descriptions of our own audio before."""
    sdp = session.leg.sdp
    assert sdp is not None, "a call that came in has ports"
    local = sdp.local
    told = Description(local.session_id, local.session_version, local.address)
    return Party(session, session.leg, told)


def _heard_from(leg: Leg) -> bytes:
    """The caller's description: of its INVITE, or what it said last."""
    if leg.sdp is not None and leg.sdp.remote_sdp:
        return leg.sdp.remote_sdp
    return leg.call.invite_request.description if leg.target is None else b""
