"""PhoneCall: one call as a caller makes it, without sockets and clock."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ivrbench.errors import LocalProtocolError, SdpError
from ivrbench.rtp.info import DTMF_RELAY
from ivrbench.sdp.description import Direction
from ivrbench.sdp.session import OfferAnswer, OfferAnswerState
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import (
    AckReceived,
    ByeReceived,
    CallEnded,
    EndCause,
    Event,
    InviteReceived,
    ProvisionalReceived,
    ReinviteReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.invite import CallState, InviteCall
from ivrbench.sip.refer import refer_headers
from ivrbench.sip.settings import EndpointSettings

from .facts import Answered, Ended, Fact, MediaChanged, Noted, Progressed
from .frame_clock import FrameClock
from .heard import HeardFacts
from .key_sender import KeySender
from .requests import METHODS, answer_request
from .rtp_stream import FRAME_S, RtpStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sdp.negotiate import Agreement
    from ivrbench.sip.flow import Address, Flow
    from ivrbench.sip.message import SipRequest
    from ivrbench.sip.tokens import Tokens

    from .settings import CallSettings

__all__ = ["USER_AGENT", "PhoneCall"]

USER_AGENT: Final = "ivrbench test phone"
"""The engine knows the test phone by this header and a loopback source."""
HANG_UP_WAIT_S: Final = 5.0
"""How long the phone waits for the answer to its BYE or CANCEL; RFC 3261 would wait for 32 s."""


class PhoneCall:
    """One outgoing call: signalling and audio; `keys` are pressed after its answer.

    Call `dial` once. After any call into it: send what `sip_to_send`, `rtp_to_send` and
    `rtcp_to_send` give, take facts until `next_fact()` is None, and call `on_deadline(now)` when
    `deadline()` has come. `Ended` is the last fact.

    Args:
        settings: whom to call, and how.
        stream: the audio, made for the same call.
        tokens: where tags and branches come from; None: the system's randomness.
    """

    def __init__(
        self, settings: CallSettings, stream: RtpStream, *, tokens: Tokens | None = None
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._endpoint = Endpoint(
            EndpointSettings(user_agent=USER_AGENT, allowed_methods=METHODS), tokens=tokens
        )
        self._offer_answer = OfferAnswer(settings.media, stream.codecs)
        self.keys = KeySender(stream, settings.keys_by, self._send_info)
        self.keys.add(settings.keys)
        self._facts: deque[Fact] = deque()
        self._call: InviteCall | None = None
        self._dialled_s = 0.0
        self._answered_s: float | None = None
        self._frames = FrameClock(FRAME_S)
        self._hang_up_s: float | None = None
        self._hung_up_s: float | None = None
        self._final = (0, "")
        self._failure = ""
        self._trouble = ""
        self._heard = HeardFacts(stream, self._since_answer)
        self.held = False  # True: we put the other side on hold

    def dial(self, now: float) -> None:
        """Send the INVITE.

        Raises:
            LocalProtocolError: the URI cannot be sent.
        """
        settings = self._settings
        assert settings.flow is not None, "there is a way to whom we call"
        self._dialled_s = now
        self._call = self._endpoint.invite(
            settings.uri,
            settings.flow,
            settings.from_,
            f"<{settings.uri}>",
            body=self._offer_answer.make_offer(),
            credentials=settings.credentials,
            call_id=settings.call_id,
            now=now,
        )
        self._take_events(now)

    @property
    def peer_uri(self) -> str:
        """The other side's address."""
        return self._settings.uri

    def receive_sip(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one SIP message."""
        self._endpoint.receive(data, flow, now)
        self._take_events(now)

    def receive_rtp(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram of the RTP port."""
        self._stream.receive_rtp(data, source, now)
        self._facts.extend(self._heard.take())

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram of the RTCP port."""
        self._stream.receive_rtcp(data, source, now)

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        """A message could not be delivered by `flow`, or its connection closed."""
        self._failure = reason
        self._endpoint.flow_failed(flow, now, reason)
        self._take_events(now)

    def hold(self, on: bool, now: float) -> None:
        """Put the other side on hold by a re-INVITE, or take it off; not while one is pending.

        Raises:
            LocalProtocolError: the call is not up.
        """
        if self._call is None or self._answered_s is None:
            raise LocalProtocolError("the call is not up")
        if on != self.held and not self._call.invite_pending:
            wanted = Direction.SENDONLY if on else Direction.SENDRECV
            self._call.reinvite(self._offer_answer.make_offer(wanted), now=now)
            self.held = on
            self._take_events(now)

    def transfer(self, uri: str, now: float) -> None:
        """Ask the other side to call `uri` instead; once it has arrived there, we hang up.

        Raises:
            LocalProtocolError: the call is not up, or the URI cannot be sent.
        """
        if self._call is None or self._answered_s is None:
            raise LocalProtocolError("the call is not up")
        headers = refer_headers(f"<{uri}>", f"<{self._call.dialog.local_uri}>")
        self._call.request("REFER", headers, now=now)
        self._facts.append(Noted(f"asked the other side to call {uri}"))

    def hang_up(self, now: float) -> None:
        """End the call, whatever its state: BYE, or CANCEL before the answer.

        `Ended` follows, at the latest after `HANG_UP_WAIT_S`.
        """
        if self._call is not None and self._hung_up_s is None:
            self._hung_up_s = now
            self._hang_up_s = None
            self._frames.stop()
            self._call.bye(now=now)
            self._take_events(now)

    def sip_to_send(self) -> list[tuple[bytes, Flow]]:
        """SIP messages to send now; each is given once."""
        return self._endpoint.to_send()

    def rtp_to_send(self) -> list[tuple[bytes, Address]]:
        """RTP packets to send now; each is given once."""
        return self._stream.rtp_to_send()

    def rtcp_to_send(self) -> list[tuple[bytes, Address]]:
        """RTCP packets to send now; each is given once."""
        return self._stream.rtcp_to_send()

    def next_fact(self) -> Fact | None:
        """The oldest fact not taken yet, None if there is none."""
        return self._facts.popleft() if self._facts else None

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called, None if nothing is due ever."""
        give_up_s = None if self._hung_up_s is None else self._hung_up_s + HANG_UP_WAIT_S
        times = (self._endpoint.deadline(), self._frames.deadline(), self._hang_up_s, give_up_s)
        return min((time for time in times if time is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due: SIP timers, audio frames, the end of the call."""
        self._endpoint.on_deadline(now)
        self._run_frames(now)
        if self._hang_up_s is not None and self._hang_up_s <= now:
            self.hang_up(now)
        if self._hung_up_s is not None and self._hung_up_s + HANG_UP_WAIT_S <= now:
            self._give_up(now)
        self._take_events(now)

    def _give_up(self, now: float) -> None:
        if self._call is not None:
            self._facts.append(Noted("the other side did not answer the hang-up"))
            self._call.drop(now=now)

    # -- audio ---------------------------------------------------------------------------

    def _run_frames(self, now: float) -> None:
        skipped = self._frames.skip(now)
        if skipped:
            self._stream.skip(skipped)
        while self._frames.take(now):
            self._run_frame(now)

    def _run_frame(self, now: float) -> None:
        if self._answered_s is not None and self._stream.sending:
            fact = self.keys.run_frame(now)
            if fact is not None:
                self._facts.append(fact)
        self._stream.run_frame(now)
        self._facts.extend(self._heard.take())

    def _send_info(self, body: bytes, now: float) -> None:
        assert self._call is not None, "frames run while there is a call"
        self._call.request("INFO", body=body, content_type=DTMF_RELAY, now=now)

    def _agree(self, agreement: Agreement, now: float) -> None:
        self._stream.agree(agreement, now)
        self._frames.start(now)

    def _since_answer(self, at_s: float) -> float:
        # Early media comes while the answer is still ahead: below zero, from the INVITE on.
        return at_s - self._answered_s if self._answered_s is not None else self._dialled_s - at_s

    # -- signalling ----------------------------------------------------------------------

    def _take_events(self, now: float) -> None:
        while (event := self._endpoint.next_event()) is not None:
            self._take(event, now)

    def _take(self, event: Event, now: float) -> None:
        if (handler := _HANDLERS.get(type(event))) is not None:
            handler(self, event, now)

    def _on_provisional(self, event: ProvisionalReceived, now: float) -> None:
        response = event.response
        if self._answered_s is None:  # not of a re-INVITE
            self._facts.append(Progressed(response.code, response.reason, now - self._dialled_s))
        described = response.body and response.content_type == "application/sdp"
        if described and self._offer_answer.state is OfferAnswerState.OFFER_SENT:
            self._take_answer(response.body, now)

    def _on_response(self, event: ResponseReceived, now: float) -> None:
        response = event.response
        if event.call is not self._call or self._call is None:
            return
        if event.request is not self._call.invite_request:
            if event.request.method == "INVITE":
                self._on_reoffer_answered(event, now)
            if response.code >= 300:
                self._facts.append(
                    Noted(f"{event.request.method} got {response.code} {response.reason}")
                )
            return
        self._final = (response.code, response.reason)
        if 200 <= response.code < 300 and self._call.state is CallState.CONNECTED:
            self._on_answer(event, now)

    def _on_reoffer_answered(self, event: ResponseReceived, now: float) -> None:
        """Our re-INVITE was answered: hold it is, or it is not."""
        if event.response.code < 300:
            self._take_answer(event.response.body, now)
        else:
            self._offer_answer.withdraw_offer()
            self.held = not self.held

    def _on_answer(self, event: ResponseReceived, now: float) -> None:
        response = event.response
        self._answered_s = now
        if self._settings.for_s is not None:
            self._hang_up_s = now + self._settings.for_s
        # RFC 6337 §3.1.1: a 200 after a provisional answer repeats it: one reading is enough.
        if self._offer_answer.state is OfferAnswerState.OFFER_SENT:
            self._take_answer(response.body, now)
        if self._offer_answer.agreement is not None:
            self._facts.append(
                Answered(
                    response.code,
                    response.reason,
                    now - self._dialled_s,
                    self._offer_answer.agreement,
                )
            )

    def _take_answer(self, body: bytes, now: float) -> None:
        try:
            agreement = self._offer_answer.receive_answer(body)
        except SdpError as exc:
            self._trouble = f"the answer's session description cannot be used: {exc}"
            self.hang_up(now)
        else:
            self._agree(agreement, now)

    def _on_timeout(self, event: RequestTimedOut, now: float) -> None:
        if self._call is not None and event.request is self._call.invite_request:
            response = event.response
            self._final = (response.code, self._failure or response.reason)
        else:
            self._facts.append(Noted(f"{event.request.method} was not answered"))

    def _on_reinvite(self, event: ReinviteReceived, now: float) -> None:
        self._answer_offer(event.call, event.request, now)

    def _answer_offer(self, call: InviteCall, request: SipRequest, now: float) -> None:
        """Answer a re-INVITE or an UPDATE; one without an offer gets ours (RFC 3261 §14.2)."""
        try:
            if not request.body:
                body = self._offer_answer.make_offer()
            else:
                agreement = self._offer_answer.receive_offer(request.body)
                body = agreement.local_sdp
        except SdpError as exc:
            call.respond(request, exc.status_hint, now=now)
            self._facts.append(Noted(f"{request.method} refused: {exc}"))
            return
        call.respond(request, 200, body=body, content_type="application/sdp", now=now)
        if request.body:
            self._agree(agreement, now)
            self._facts.append(MediaChanged(agreement))

    def _on_ack(self, event: AckReceived, now: float) -> None:
        if self._offer_answer.state is OfferAnswerState.OFFER_SENT:
            self._take_answer(event.request.body, now)
            if self._offer_answer.agreement is not None:
                self._facts.append(MediaChanged(self._offer_answer.agreement))

    def _on_request(self, event: RequestReceived, now: float) -> None:
        request, call = event.request, event.call
        if call is None:
            self._endpoint.respond(request, 481, now=now)
        elif request.method == "UPDATE" and request.body:
            self._answer_offer(call, request, now)
        else:
            told, arrived = answer_request(call, request, now)
            self._facts.append(told)
            if arrived:
                self.hang_up(now)

    def _on_invite(self, event: InviteReceived, now: float) -> None:
        event.call.reject(486, now=now)
        self._facts.append(Noted("another call came in and was refused: 486 Busy Here"))

    def _on_bye(self, event: ByeReceived, now: float) -> None:
        # The stream stops with the BYE; CallEnded follows.
        self._frames.stop()

    def _on_ended(self, event: CallEnded, now: float) -> None:
        if event.call is not self._call:
            return
        self._frames.stop()
        self._stream.end(now)
        code, reason = self._final
        answered_s = self._answered_s
        over_s = now if self._hung_up_s is None else self._hung_up_s
        cause = event.cause
        if cause is EndCause.DROPPED:
            cause = EndCause.CANCEL_SENT if answered_s is None else EndCause.BYE_SENT
        self._call = self._hang_up_s = self._hung_up_s = None
        self._facts.append(
            Ended(
                cause=cause,
                code=code,
                reason=reason,
                answered=answered_s is not None,
                duration_s=0.0 if answered_s is None else over_s - answered_s,
                figures=self._stream.figures(),
                trouble=self._trouble,
            )
        )


# Any: each handler takes its own event class, which the table's key guarantees.
_HANDLERS: Final[dict[type[Event], Callable[[PhoneCall, Any, float], None]]] = {
    ProvisionalReceived: PhoneCall._on_provisional,
    ResponseReceived: PhoneCall._on_response,
    RequestTimedOut: PhoneCall._on_timeout,
    ReinviteReceived: PhoneCall._on_reinvite,
    AckReceived: PhoneCall._on_ack,
    RequestReceived: PhoneCall._on_request,
    InviteReceived: PhoneCall._on_invite,
    ByeReceived: PhoneCall._on_bye,
    CallEnded: PhoneCall._on_ended,
}
