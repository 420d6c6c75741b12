"""Leg: one SIP call of a session, its dialog as scripts see it, and its offer and answer."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.observe.events import LegChanged, MediaAgreed
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sdp.session import OfferAnswer, OfferAnswerState
from ivrbench.sip.events import EndCause
from ivrbench.sip.flow import host_port

from .media_terms import capabilities_of, security_of
from .views import DialogFacts, EmptyRequest, RequestFacts

if TYPE_CHECKING:
    from ivrbench.sdp.negotiate import Agreement
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest

    from .media_call import Seat
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

_session_ids = itertools.count(1)


class Leg:
    """One side of a session: the party it talks to.

    Everything here happens on the loop.

    Attributes:
        name: "c12".
        call: the SIP call.
        dialog: what the script sees as `self.dialog`.
        invite_req: what it sees as `self.invite_req`.
        last_request: what `sendReply` answers.
        down: True once the SIP call is over.
        answered_s: loop time of the 200, 0.0 before.
    """

    def __init__(self, session: Session, name: str, call: InviteCall) -> None:
        self.session = session
        self.name = name
        self.call = call
        self.dialog = DialogFacts(call, session.board.settings.outbound_proxy)
        self.invite_req: RequestFacts | EmptyRequest = EmptyRequest()
        self.last_request: SipRequest | None = None
        self.down = False
        self.answered_s = 0.0
        self.final_code = 0
        self.state = "trying"
        self.seat: Seat | None = None
        self.sdp: OfferAnswer | None = None
        self.sdp_problem: SdpError | None = None
        self._offer_sent: SipRequest | None = None
        """The INVITE whose 2xx or reliable 183 held our offer, until its ACK or PRACK."""
        self._offered_early = False
        """Our offer went out in a 183: the 200 has none."""
        self._unanswered: set[SipRequest] = set()
        call.owner = self

    def __repr__(self) -> str:
        return f"<Leg {self.name} {self.call.state} {self.state}>"

    # --- requests of the peer -----------------------------------------------------------------

    def expect_reply(self, request: SipRequest) -> None:
        """A request came that we owe an answer."""
        self._unanswered.add(request)

    def owes_reply(self, request: SipRequest) -> bool:
        """True until the request got its final answer."""
        return request in self._unanswered and not self.down

    def forget_invites(self) -> None:
        """An INVITE was cancelled: no answer is owed any more."""
        self._unanswered = {r for r in self._unanswered if r.method != "INVITE"}

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
        elif request.method in ("UPDATE", "PRACK") and request.body and 200 <= code < 300:
            body = self._describe(request, code)
        if request is self.call.invite_request:
            self._reply_initial(code, reason, headers, body)
        else:
            self._respond(request, code, reason, headers, body)
        if code >= 200:
            self._unanswered.discard(request)

    def confirm(self, request: SipRequest) -> None:
        """Answer the PRACK that brought the answer to our offer: there is nothing to describe."""
        self._respond(request, 200, "", (), b"")
        self._unanswered.discard(request)

    def refuse(self, code: int, reason: str = "", headers: Headers = ()) -> None:
        """Refuse the initial INVITE, if it still can be."""
        if self.owes_reply(self.call.invite_request):
            self.reply(self.call.invite_request, code, reason, headers)

    def _reply_initial(self, code: int, reason: str, headers: Headers, body: bytes) -> None:
        now = self.session.board.now()
        kind = SDP if body else ""
        if code < 200:
            self.call.provisional(code, reason, headers, body, kind, now=now)
            self.dialog.status = EARLY if code > 100 else PROCEEDING
            self.change("early", code, reason)
            if body and self._offer_sent is None:
                self.session.early_media(self)
            return
        self.final_code = code
        if code >= 300:
            self.call.reject(code, reason, headers, now=now)
            self.dialog.status = DISCONNECTED
            return
        self.call.accept(headers, body, kind, now=now)
        self.answered_s = now
        self.dialog.status = CONNECTED
        self.change("held" if self.is_held else "up", code, reason or "OK")
        if self._offer_sent is None:
            self.session.established(self)

    def _respond(
        self, request: SipRequest, code: int, reason: str, headers: Headers, body: bytes
    ) -> None:
        now = self.session.board.now()
        self.call.respond(request, code, reason, headers, body, SDP if body else "", now=now)
        if body and 200 <= code < 300 and self._offer_sent is None:
            self._media_changed()

    # --- offer and answer ---------------------------------------------------------------------

    @property
    def agreement(self) -> Agreement | None:
        """What offer and answer agreed on last."""
        return self.sdp.agreement if self.sdp else None

    @property
    def is_held(self) -> bool:
        """The peer asked us to send nothing."""
        agreement = self.agreement
        return agreement is not None and not agreement.direction.sends

    def open_media(self) -> None:
        """Reserve ports and read the INVITE's offer, before the script hears of the call.

        An offer that nothing can be agreed on is kept as `sdp_problem` until the answer is due.

        Raises:
            SdpError: 400, the offer cannot be read.
            MediaError: no port is free.
        """
        board = self.session.board
        settings = board.settings
        ip = settings.media_ip or self.call.dialog.flow.local[0]
        self.seat = board.media.reserve(ip)
        session_id = int(board.clock.wall()) << 20 | next(_session_ids) & 0xFFFFF
        security = security_of(settings, board.media.certificate)
        local = LocalMedia(settings.public_ip or ip, self.seat.port, session_id, security=security)
        codecs = capabilities_of(settings.codec_order, board.media.room)
        self.sdp = OfferAnswer(local, codecs, our_order=bool(settings.codec_order))
        body = self.call.invite_request.body
        if not body:
            return
        try:
            self.sdp.receive_offer(body)
        except SdpError as exc:
            if exc.status_hint == 400:
                raise
            self.sdp_problem = exc

    def receive_answer(self, request: SipRequest) -> bool:
        """Take the ACK or PRACK that belongs to an INVITE without offer.

        Returns:
            True if offer and answer are complete with it.

        Raises:
            SdpError: the answer cannot be used.
        """
        if self._offer_sent is None or self.sdp is None or not request.body:
            return False
        first = self._offer_sent is self.call.invite_request
        self._offer_sent = None
        self.sdp.receive_answer(request.body)
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
        if self.sdp is not None and self.sdp.state is OfferAnswerState.OFFER_SENT:
            self.sdp.withdraw_offer()

    def _describe(self, request: SipRequest, code: int) -> bytes:
        """Our description for a reply to this INVITE, UPDATE or PRACK."""
        if self.sdp is None:
            raise SdpError("No RTP port is left for this call.", status_hint=503)
        if request is self.call.invite_request and self.sdp_problem is not None:
            raise self.sdp_problem
        if not request.body:
            return self._offer(request, code)
        if request is self.call.invite_request:
            agreement = self.sdp.agreement
            assert agreement is not None, "the offer was read when it came"
            return agreement.local_sdp
        return self._answer_again(request.body)

    def _offer(self, request: SipRequest, code: int) -> bytes:
        """Our offer for a reply to an INVITE without one."""
        assert self.sdp is not None, "only a call with media gets here"
        if request is self.call.invite_request and self._offered_early:
            return b""
        if code < 200:
            if not _knows_100rel(request):
                return b""  # RFC 3261 §13.2.1: an unreliable 183 cannot hold the offer
            self._offered_early = True
        body = self.sdp.make_offer()
        self._offer_sent = request
        return body

    def _answer_again(self, offer: bytes) -> bytes:
        """Answer a later offer, with the codec in use if the peer still has it."""
        assert self.sdp is not None, "only a call with media gets here"
        agreed, all_codecs = self.sdp.agreement, self.sdp.capabilities
        if agreed is not None:
            # A codec that changes in mid-call costs a re-encoding of every prompt that waits.
            self.sdp.capabilities = tuple(c for c in all_codecs if c.same_format(agreed.codec))
            try:
                return self.sdp.receive_offer(offer).local_sdp
            except SdpError as exc:
                if exc.status_hint == 400:
                    raise
            finally:
                self.sdp.capabilities = all_codecs
        return self.sdp.receive_offer(offer).local_sdp

    def answer_offer(self, offer: bytes) -> bytes:
        """Answer the offer in the 2xx to a re-INVITE of ours.

        Raises:
            SdpError: it cannot be answered.
        """
        if self.sdp is None:
            raise SdpError("this call has no audio", status_hint=488)
        answer = self._answer_again(offer)
        self._media_changed()
        return answer

    def _media_changed(self) -> None:
        self.session.media_changed(self)
        if self.answered_s:
            state = "held" if self.is_held else "up"
            if state != self.state:
                self.session.tell("onHold" if self.is_held else "onResume")
            self.change(state)

    def agreed_event(self) -> MediaAgreed | None:
        """The agreement as an event, None if there is none."""
        agreement = self.agreement
        if agreement is None or self.sdp is None:
            return None
        local = self.sdp.local
        return MediaAgreed(
            leg=self.name,
            codec=agreement.codec.name.upper(),
            clock_rate_hz=agreement.codec.clock_rate_hz,
            payload_type=agreement.codec.payload_type,
            ptime_ms=agreement.ptime_ms,
            dtmf_payload_type=-1 if agreement.dtmf_pt is None else agreement.dtmf_pt,
            local=host_port(local.address, local.rtp_port),
            remote=host_port(*agreement.remote_rtp),
            direction=agreement.direction.value,
        )

    # --- requests of ours ---------------------------------------------------------------------

    def refer(self, headers: Headers) -> None:
        """Ask the peer to call somebody else; only on a call that is up (ivr-api §2.2)."""
        if self.dialog.status == CONNECTED:
            self.send_request("REFER", headers)

    def send_request(self, method: str, headers: Headers) -> None:
        """Send a request of the script's within the dialog, without body."""
        now = self.session.board.now()
        if method == "BYE":
            self.call.bye(headers, now=now)
        elif method == "INVITE":
            self.call.reinvite(b"", headers, "", now=now)
        else:
            self.call.request(method, headers, now=now)

    def bye(self, headers: Headers = ()) -> None:
        """BYE, CANCEL or 487, whichever fits the state."""
        if self.down:
            return
        if not self.call.is_caller and self.owes_reply(self.call.invite_request):
            self.final_code = 487
        self.change("ending")
        self.dialog.status = DISCONNECTING
        self.call.bye(headers, now=self.session.board.now())

    def over(self) -> None:
        """The SIP call is over; what was reserved for its audio is given back."""
        self.down = True
        if self.seat is not None:
            self.seat.release()
            self.seat = None

    def change(self, state: str, code: int = 0, reason: str = "") -> None:
        """Tell of a new signalling state."""
        if state != self.state or code:
            self.state = state
            self.session.board.publish(LegChanged(self.name, state, code, reason))


def _knows_100rel(request: SipRequest) -> bool:
    """The caller takes reliable provisional responses (RFC 3262 §3)."""
    return any("100rel" in request.elements(name) for name in ("require", "supported"))
