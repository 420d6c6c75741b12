"""UserAgent: a telephone of a test, as SIP sees it: our SIP core on the other side of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.sip import events as sip
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.tokens import CountingTokens
from ivrbench.testing.descriptions import codecs_named, describe, understand
from ivrbench.testing.sound import Ear, Mouth

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from ivrbench.sip.flow import Address, Flow
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest, SipResponse
    from ivrbench.testing.network import Network

__all__ = ["UserAgent"]


class UserAgent:
    """One telephone, which calls the engine or is called by it.

    Args:
        network: where it is.
        address: its SIP address; None: any that is free.
        rtp_port: its RTP port; 0: any.
        codecs: names of what it offers, best first.
        keys: it offers telephone-event.

    Attributes:
        call: the call it has, or had.
        events: what the SIP core told, in order.
        got: replies and requests of the engine in short: "100", "200", "BYE".
        replies: all responses.
        described: the engine's last session description.
        requests: all requests of the engine.
        answers: codes for requests within the call, by method; else 200.
        on_change: called after anything came.
    """

    def __init__(
        self,
        network: Network,
        address: Address | None = None,
        rtp_port: int = 0,
        *,
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        keys: bool = True,
    ) -> None:
        self.network = network
        self.flow: Flow = network.join(self._receive, address)
        self.codecs = codecs_named(codecs)
        self.offers_keys = keys
        self.mouth = Mouth(network, self.codecs)
        self.ear = Ear(network, self.codecs)
        self.audio = network.open_audio(self.flow.local[0], self.ear.receive, rtp_port)
        self.mouth.port = self.audio
        self.endpoint = Endpoint(
            EndpointSettings(user_agent="caller"),
            tokens=CountingTokens(f"u{self.audio.address[1]}"),
        )
        self.call: InviteCall | None = None
        self.events: list[sip.Event] = []
        self.got: list[str] = []
        self.described = ""
        self.replies: list[SipResponse] = []
        self.requests: list[SipRequest] = []
        self.answers: dict[str, int] = {}
        self.answers_early_offers = True
        self.on_change: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None

    # --- doing --------------------------------------------------------------------------------

    def sdp(self, direction: str = "") -> bytes:
        """An offer or answer of its own."""
        return describe(self.audio.address, self.codecs, keys=self.offers_keys, direction=direction)

    def invite(
        self,
        user: str = "app",
        *,
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
        uri: str = "",
        caller: str = "",
    ) -> InviteCall:
        """Call the engine.

        Args:
            user: the user part of the Request-URI: the script's name.
            body: the offer; `b""`: none; None: its own.
            headers: more of them.
            uri: another Request-URI.
            caller: the From header's value.
        """
        host = self.network.engine[0]
        self.call = self.endpoint.invite(
            uri or f"sip:{user}@{host}",
            self.flow,
            caller or f'"Ann" <sip:ann@{self.flow.local[0]}>',
            f"<sip:{user}@{host}>",
            headers,
            self.sdp() if body is None else body,
            now=self.network.now(),
        )
        self.settle()
        return self.call

    def act(self, action: Callable[[InviteCall, float], object]) -> None:
        """Do something with the call: `action(call, now)`."""
        assert self.call is not None, "call first"
        action(self.call, self.network.now())
        self.settle()

    def settle(self) -> None:
        """Take what the SIP core tells, send what it wants to send, mind its timer."""
        now = self.network.now()
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
            self._note(event, now)
        for data, flow in self.endpoint.to_send():
            self.network.send(data, flow)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.endpoint.deadline()
        if deadline is not None:
            self._timer = self.network.loop.call_later(max(0.0, deadline - now), self._due)
        self.on_change()

    def close(self) -> None:
        """Leave."""
        if self._timer is not None:
            self._timer.cancel()
        self.mouth.close()
        self.audio.close()

    # --- what came ----------------------------------------------------------------------------

    def last_request(self, method: str) -> SipRequest:
        """The last request of a method the engine sent."""
        return next(r for r in reversed(self.requests) if r.method == method)

    def answer_late(self, call: InviteCall, now: float) -> None:
        """Our INVITE had no offer: the 200 has it, the ACK brings the answer."""
        call.ack(self.late_answer(), "application/sdp", now=now)

    def late_answer(self) -> bytes:
        """What the ACK brings."""
        return self.sdp()

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.endpoint.receive(data, flow, self.network.now())
        self.settle()

    def _due(self) -> None:
        self._timer = None
        self.endpoint.on_deadline(self.network.now())
        self.settle()

    def _note(self, event: sip.Event, now: float) -> None:
        if isinstance(event, (sip.ProvisionalReceived, sip.ResponseReceived)):
            self.got.append(str(event.response.code))
            self.replies.append(event.response)
            self._agree(event.response.body_text())
            if event.call is not None and event.request.method == "INVITE":
                self._take_response(event.call, event.request, event.response, now)
        elif isinstance(event, sip.ByeReceived):
            self._take_request(event.request)
        elif isinstance(event, sip.InviteReceived):
            self._agree(event.request.body_text())
        elif isinstance(event, (sip.RequestReceived, sip.ReinviteReceived)):
            self._take_request(event.request)
            if event.call is not None:
                self._respond(event.call, event.request, now)
        elif isinstance(event, sip.AckReceived):
            self._agree(event.request.body_text())
        elif isinstance(event, sip.CallEnded):
            self.mouth.close()

    def _take_request(self, request: SipRequest) -> None:
        self.got.append(request.method)
        self.requests.append(request)
        self._agree(request.body_text())

    def _respond(self, call: InviteCall, request: SipRequest, now: float) -> None:
        code = self.answers.get(request.method, 200)
        with_body = request.method == "INVITE" or (request.method == "UPDATE" and request.body)
        body = self.sdp() if with_body and code < 300 else b""
        kind = "application/sdp" if body else ""
        call.respond(request, code, "", (), body, kind, now=now)

    def _take_response(
        self, call: InviteCall, request: SipRequest, response: SipResponse, now: float
    ) -> None:
        if not response.body or request.body:
            return
        if response.code >= 200:
            self.answer_late(call, now)
        elif self.answers_early_offers:
            call.prack(response, self.sdp(), now=now)

    def _agree(self, body: str) -> None:
        self.described = body or self.described
        described = understand(body)
        if described is not None:
            self.mouth.agree(described)
