"""Leg: one SIP call of a session, its dialog as scripts see it, and its offer and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.observe.events import LegChanged
from ivrbench.sip.events import EndCause

from .headers import knows_100rel
from .media.leg_media import LegMedia
from .part import Part
from .views import DialogFacts, EmptyRequest, RequestFacts

if TYPE_CHECKING:
    from ivrbench.observe.events import MediaAgreed
    from ivrbench.sdp.negotiate import Agreement
    from ivrbench.sdp.session import OfferAnswer
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest

    from .dialling import Dialling, Target
    from .media.call import Seat
    from .session import Session

__all__ = ["LOST", "Headers", "Leg"]

Headers = tuple[tuple[str, str], ...]

SDP: Final = "application/sdp"
CONNECTED: Final = 5
EARLY: Final = 4
PROCEEDING: Final = 2
DISCONNECTED: Final = 0
DISCONNECTING: Final = 6

LOST: Final = frozenset(
    {
        EndCause.ACK_TIMED_OUT,
        EndCause.PRACK_TIMED_OUT,
        EndCause.SESSION_EXPIRED,
        EndCause.TIMED_OUT,
        EndCause.DROPPED,
    }
)
"""The peer went away without a word: the session ends, whatever its script thinks."""


class Leg(Part):
    """One side of a session: the party it talks to, who called us or whom we call.

    Everything here happens on the loop. A leg that we call is made with its target and then placed
    by `dialling.place`.

    Args:
        session: whose leg it is.
        name: "c12"; the other leg of a two-legged call is "c12b".
        call: the SIP call that came in; None for a leg that we call.
        target: whom we call.

    Attributes:
        placed: the SIP call; None while no INVITE of ours is out.
        dialog: what the script sees as `self.dialog`.
        invite_req: what it sees as `self.invite_req`.
        last_request: what `sendReply` answers.
        audio: its ports, offer and answer.
        dialling: at work until a leg that we call is answered or has failed.
        down: True once the SIP call is over.
        answered_s: loop time of the 200, 0.0 before.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        call: InviteCall | None = None,
        target: Target | None = None,
    ) -> None:
        super().__init__(session)
        self.name = name
        self.placed = call
        self.target = target
        known = target.known if target is not None else {}
        self.dialog = DialogFacts(call, session.board.settings.outbound_proxy, known)
        self.invite_req: RequestFacts | EmptyRequest = EmptyRequest()
        self.last_request: SipRequest | None = None
        self.audio = LegMedia(session.board)
        self.dialling: Dialling | None = None
        self.down = False
        self.answered_s = 0.0
        self.final_code = 0
        self.state = "trying"
        self._offer_sent: SipRequest | None = None
        """The INVITE whose 2xx or reliable 183 held our offer, until its ACK or PRACK."""
        self._offered_early = False
        """Our offer went out in a 183: the 200 has none."""
        self._unanswered: set[SipRequest] = set()
        if call is not None:
            call.owner, call.label.name = self, self.name

    def __repr__(self) -> str:
        call = self.placed.state if self.placed is not None else "not placed"
        return f"<Leg {self.name} {call} {self.state}>"

    @property
    def call(self) -> InviteCall:
        """The SIP call.

        Raises:
            LocalProtocolError: no INVITE of ours is out yet.
        """
        if self.placed is None:
            raise LocalProtocolError("the call has not been placed yet")
        return self.placed

    @property
    def seat(self) -> Seat | None:
        """Its ports, as long as no worker has them."""
        return self.audio.seat

    @seat.setter
    def seat(self, seat: Seat | None) -> None:
        self.audio.seat = seat

    @property
    def sdp(self) -> OfferAnswer | None:
        """Offer and answer; None without audio."""
        return self.audio.sdp

    @property
    def peer_role(self) -> str:
        """ "caller" or "callee": who is at the other end."""
        return "caller" if self.target is None else "callee"

    @property
    def caller(self) -> str:
        """Who calls, as in From."""
        return self.dialog.remote_party if self.target is None else self.target.from_

    @property
    def called(self) -> str:
        """The URI that was called."""
        return self.call.invite_request.uri if self.target is None else self.target.uri

    def take(self, call: InviteCall) -> None:
        """An INVITE of ours is out; there may have been others, to places that failed."""
        self.placed = self.dialog.call = call
        call.owner, call.label.name = self, self.name

    def let_go(self) -> None:
        """The session is over: nothing more of the SIP call comes here."""
        if self.dialling is not None:
            self.dialling.close()
        if self.placed is not None:
            # The core remembers a call for half a minute; it need not keep all this alive.
            self.placed.owner = None
        self.audio.close()

    # --- requests of the peer -----------------------------------------------------------------

    def expect_reply(self, request: SipRequest) -> None:
        """A request came that we owe an answer."""
        self._unanswered.add(request)

    @property
    def first_invite(self) -> SipRequest | None:
        """The INVITE that made it; None while none of ours is out."""
        return self.placed.invite_request if self.placed is not None else None

    def owes_reply(self, request: SipRequest | None) -> bool:
        """True until the request got its final answer."""
        return request in self._unanswered and not self.down

    def forget(self, method: str) -> None:
        """No answer of ours is owed any more: it was cancelled, or somebody else gave it."""
        self._unanswered = {r for r in self._unanswered if r.method != method}

    def reply(
        self, request: SipRequest, code: int, reason: str = "", headers: Headers = ()
    ) -> None:
        """Answer a request; session descriptions are added where they belong.

        Raises:
            SdpError: offer and answer do not fit; nothing was sent.
            LocalProtocolError: the request has its answer, or this one cannot be sent.
        """
        if not self.owes_reply(request):
            raise LocalProtocolError(f"the {request.method} has been answered already")
        body = b""
        if request.method == "INVITE" and (code == 183 or 200 <= code < 300):
            body = self._describe(request, code)
        elif request.method in ("UPDATE", "PRACK") and request.description and 200 <= code < 300:
            body = self._describe(request, code)
        self.pass_on(request, code, reason, headers, body)
        if self._offer_sent is not None:
            return
        if request is not self.call.invite_request:
            if body and 200 <= code < 300:
                self._media_changed()
        elif 200 <= code < 300:
            self.session.established(self)
        elif body:
            self.session.early_media(self)

    def pass_on(
        self,
        request: SipRequest,
        code: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        kind: str = SDP,
    ) -> None:
        """Answer a request, with a body that may be of the other party.

        Raises:
            LocalProtocolError: the request has its answer, or this one cannot be sent.
        """
        if request is self.call.invite_request:
            self._reply_initial(code, reason, headers, body)
        else:
            now = self.session.board.now()
            self.call.respond(request, code, reason, headers, body, kind if body else "", now=now)
        if code >= 200:
            self._unanswered.discard(request)

    def refuse(self, code: int, reason: str = "", headers: Headers = ()) -> None:
        """Refuse the initial INVITE, if it still can be."""
        if self.owes_reply(self.call.invite_request):
            self.reply(self.call.invite_request, code, reason, headers)

    def _reply_initial(self, code: int, reason: str, headers: Headers, body: bytes) -> None:
        now, kind = self.session.board.now(), SDP if body else ""
        if code < 200:
            self.call.provisional(code, reason, headers, body, kind, now=now)
            self.dialog.status = EARLY if code > 100 else PROCEEDING
            self.change("early", code, reason)
            return
        self.final_code = code
        if code >= 300:
            self.call.reject(code, reason, headers, now=now)
            self.dialog.status = DISCONNECTED
            return
        self.call.accept(headers, body, kind, now=now)
        self.answered_s = now
        self.dialog.status = CONNECTED
        self.change("held" if self.audio.is_held else "up", code, reason or "OK")

    # --- offer and answer ---------------------------------------------------------------------

    @property
    def agreement(self) -> Agreement | None:
        """What offer and answer agreed on last."""
        return self.audio.agreement

    def open_media(self) -> None:
        """Reserve ports and read the INVITE's offer, before the script hears of the call.

        Raises:
            SdpError: 400, the offer cannot be read.
            MediaError: no port is free.
        """
        self.audio.open(self.call.dialog.flow.local[0])
        offer = self.call.invite_request.description
        if offer:
            self.audio.receive_first_offer(offer)

    def receive_answer(self, request: SipRequest) -> bool:
        """Take the ACK or PRACK that belongs to an INVITE without offer.

        Returns:
            True if offer and answer are complete with it.

        Raises:
            SdpError: the answer cannot be used.
        """
        sdp = self.audio.sdp
        if self._offer_sent is None or sdp is None or not request.description:
            return False
        first = self._offer_sent is self.call.invite_request
        self._offer_sent = None
        sdp.receive_answer(request.description)
        if not first:
            self._media_changed()
        return first

    @property
    def awaits_answer(self) -> bool:
        """True while our offer in a 2xx or 183 waits for its ACK or PRACK."""
        return self._offer_sent is not None

    def drop_offer(self) -> None:
        """The ACK brought no answer; the last agreement stands."""
        self._offer_sent = None
        self.audio.withdraw_offer()

    def _describe(self, request: SipRequest, code: int) -> bytes:
        """Our description for a reply to this INVITE, UPDATE or PRACK."""
        audio = self.audio
        if audio.sdp is None:
            raise SdpError("No RTP port is left for this call.", status_hint=503)
        if request is self.call.invite_request and audio.problem is not None:
            raise audio.problem
        if not request.description:
            return self._offer(audio.sdp, request, code)
        if request is self.call.invite_request:
            agreement = audio.agreement
            assert agreement is not None, "the offer was read when it came"
            return agreement.local_sdp
        return audio.receive_offer(request.description)

    def _offer(self, sdp: OfferAnswer, request: SipRequest, code: int) -> bytes:
        """Our offer for a reply to an INVITE without one."""
        if request is self.call.invite_request and self._offered_early:
            return b""
        if code < 200:
            if not knows_100rel(request):
                return b""  # RFC 3261 §13.2.1: an unreliable 183 cannot hold the offer
            self._offered_early = True
        body = sdp.make_offer()
        self._offer_sent = request
        return body

    def answer_offer(self, offer: bytes) -> bytes:
        """Answer the offer in the 2xx to a re-INVITE of ours.

        Raises:
            SdpError: it cannot be answered.
        """
        answer = self.audio.receive_offer(offer)
        self._media_changed()
        return answer

    def _media_changed(self) -> None:
        if self is self.session.leg:
            self.session.media_changed(self)
        self.hold(is_held=self.audio.is_held)

    def hold(self, *, is_held: bool) -> None:
        """The peer put the call on hold, or took it back, or said the same again."""
        state = "held" if is_held else "up"
        if self.answered_s and state != self.state:
            if self is self.session.leg:
                self.session.tell("onHold" if is_held else "onResume")
            self.change(state)

    def agreed_event(self) -> MediaAgreed | None:
        """The agreement as an event, None if there is none."""
        return self.audio.agreed_event(self.name)

    # --- requests of ours ---------------------------------------------------------------------

    def refer(self, headers: Headers) -> None:
        """Ask the peer to call somebody else; only on a call that is up (ivr-api §2.2)."""
        if self.dialog.status == CONNECTED:
            self.send_request("REFER", headers)

    def send_request(
        self, method: str, headers: Headers, body: bytes = b"", content_type: str = ""
    ) -> None:
        """Send a request of the script's within the dialog."""
        now = self.session.board.now()
        if method == "BYE":
            self.call.bye(headers, now=now)
        elif method == "INVITE":
            self.call.reinvite(b"", headers, "", now=now)
        else:
            self.call.request(method, headers, body, content_type, now=now)

    def bye(self, headers: Headers = ()) -> None:
        """BYE, CANCEL or 487, whichever fits the state."""
        if self.down:
            return
        if self.dialling is not None:
            self.dialling.cancel(headers)
            return
        if not self.call.is_caller and self.owes_reply(self.call.invite_request):
            self.final_code = 487
        self.change("ending")
        self.dialog.status = DISCONNECTING
        self.call.bye(headers, now=self.session.board.now())

    def drop(self) -> None:
        """End the SIP call without a message to the peer."""
        if self.placed is not None:
            self.placed.drop(now=self.session.board.now())
        elif self.dialling is not None:
            self.dialling.cancel()

    def over(self) -> None:
        """The SIP call is over; what was reserved for its audio is given back."""
        self.down = True
        self.audio.close()

    def change(self, state: str, code: int = 0, reason: str = "") -> None:
        """Tell of a new signalling state."""
        if state != self.state or code:
            self.state = state
            self.session.board.publish(LegChanged(self.name, state, code, reason))
