"""The called side for the phone's tests: our own endpoint as a UAS, and a network in memory."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.codecs.g711 import LAWS
from ivrbench.phone.call import PhoneCall
from ivrbench.phone.facts import Ended, Fact
from ivrbench.phone.keys import parse_keys
from ivrbench.phone.rtp_stream import RtpStream, StreamIdentity
from ivrbench.phone.settings import CallSettings
from ivrbench.phone.voice import Frame, Voice, silent_voice
from ivrbench.rtp.dtmf import DtmfReceiver, KeyReleased, key_name
from ivrbench.rtp.packet import RtpPacket, parse_rtp
from ivrbench.rtp.rtcp import is_rtcp
from ivrbench.sdp.negotiate import LocalMedia
from ivrbench.sdp.session import OfferAnswer
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import Event, InviteReceived, ReinviteReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.tokens import CountingTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.auth import Credentials
    from ivrbench.sip.invite import InviteCall

PHONE = ("127.0.0.1", 6000)
PHONE_RTP = ("127.0.0.1", 6002)
PEER = ("127.0.0.1", 5060)
PEER_RTP = ("127.0.0.1", 4000)
URI = "sip:hello@127.0.0.1"
DELAY_S = 0.001
"""How long a message is on its way."""


class Peer:
    """The called side; a test drives it by its endpoint and `call`.

    Args:
        answer_code: what an INVITE is answered with; 0 leaves it to the test.
        media: where it receives audio.
        keys: False leaves telephone-event out of the answer.
    """

    def __init__(
        self, answer_code: int = 200, media: LocalMedia | None = None, *, keys: bool = True
    ) -> None:
        self.endpoint = Endpoint(tokens=CountingTokens("peer"))
        self.offer_answer = OfferAnswer(media or LocalMedia(PEER_RTP[0], PEER_RTP[1], 1))
        self.answer_code = answer_code
        self.keys = keys
        self._call: InviteCall | None = None
        self.events: list[Event] = []
        self.audio: list[RtpPacket] = []
        self.sequence = 100
        self._dtmf = DtmfReceiver()

    @property
    def called(self) -> bool:
        """True once a call came."""
        return self._call is not None

    @property
    def call(self) -> InviteCall:
        """The call that came."""
        assert self._call is not None, "no call came"
        return self._call

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take a SIP message and answer a new call."""
        self.endpoint.receive(data, flow, now)
        self.take_events(now)

    def take_events(self, now: float) -> None:
        """Keep what happened; answer a new call as told."""
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, InviteReceived):
                self._call = event.call
                if 200 <= self.answer_code < 300:
                    self.answer(now)
                elif self.answer_code:
                    event.call.reject(self.answer_code, now=now)
            elif isinstance(event, ReinviteReceived):
                body = self.offer_answer.receive_offer(event.request.body).local_sdp
                event.call.respond(
                    event.request, 200, body=body, content_type="application/sdp", now=now
                )

    def answer(self, now: float) -> None:
        """Accept the call with an answer to its offer."""
        body = self.offer_answer.receive_offer(self.call.invite_request.body).local_sdp
        if not self.keys:
            lines = body.replace(b"0 101", b"0").split(b"\r\n")
            body = b"\r\n".join(line for line in lines if b":101" not in line)
        self.call.accept(body=body, content_type="application/sdp", now=now)

    def receive_rtp(self, data: bytes, now: float) -> None:
        """Take an RTP packet of the phone."""
        packet = parse_rtp(data)
        assert packet is not None
        self.audio.append(packet)
        if packet.payload_type == 101:
            self._dtmf.receive(packet.payload, packet.timestamp, now)

    def keys_heard(self) -> list[tuple[str, int]]:
        """(key, milliseconds) of all keys pressed up to now."""
        found = []
        while (event := self._dtmf.next_event()) is not None:
            if isinstance(event, KeyReleased):
                found.append((key_name(event.key), event.duration_ms))
        return found

    def say(self, value: int = 6000) -> bytes:
        """The next RTP packet of a voice that is all one value."""
        self.sequence += 1
        payload = LAWS["PCMU"].encode(np.full(160, value, np.int16)).tobytes()
        return RtpPacket(0, self.sequence, self.sequence * 160, 9, payload).to_bytes()

    def of(self, kind: type[Event]) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(order=True)
class _OnTheWay:
    at_s: float
    number: int
    deliver: Callable[[], None] = field(compare=False)


class Network:
    """Phone and peer in virtual time, 1 ms apart.

    Args:
        peer: the called side.
        keys: pressed once the call is up.
        for_s: when the phone hangs up.
        voice: what it says.
        talking: True lets the peer send a packet every 20 ms while its call is up.
        lost: numbers of the peer's packets that never arrive.
        credentials: who the phone is where a password is asked for.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        keys: str = "",
        for_s: float | None = None,
        voice: Voice | None = None,
        talking: bool = False,
        lost: frozenset[int] = frozenset(),
        credentials: Credentials | None = None,
    ) -> None:
        self.now = 1000.0
        self.peer = peer
        self.heard: list[Frame] = []
        self.facts: list[Fact] = []
        self.fact_times_s: list[float] = []
        self.stream = RtpStream(
            voice or silent_voice(),
            (self.heard.append,),
            identity=StreamIdentity(1, 1, 0, "phone"),
        )
        settings = CallSettings(
            uri=URI,
            flow=Flow("udp", PHONE, PEER),
            media=LocalMedia(PHONE_RTP[0], PHONE_RTP[1], 1),
            from_="<sip:phone@127.0.0.1>",
            keys=parse_keys(keys),
            for_s=for_s,
            credentials=credentials,
        )
        self.phone = PhoneCall(settings, self.stream, tokens=CountingTokens("phone"))
        self.sip_from_phone: list[bytes] = []
        self.rtp_times_s: list[float] = []
        self.talking = talking
        self._lost = lost
        self._said = 0
        self._next_word_s = self.now
        self._way: list[_OnTheWay] = []
        self._count = 0

    def dial(self) -> Network:
        """Begin the call."""
        self.phone.dial(self.now)
        self._collect()
        return self

    def run(self, seconds: float) -> Network:
        """Let virtual time pass."""
        end_s = self.now + seconds
        while (at_s := self._next_s()) <= end_s:
            self.now = max(self.now, at_s)
            while self._way and self._way[0].at_s <= self.now:
                heapq.heappop(self._way).deliver()
            self.phone.on_deadline(self.now)
            self.peer.endpoint.on_deadline(self.now)
            self.peer.take_events(self.now)
            self._talk()
            self._collect()
        self.now = end_s
        return self

    def do(self, action: Callable[[float], object]) -> Network:
        """Let one side do something now."""
        action(self.now)
        self._collect()
        return self

    @property
    def ended(self) -> Ended:
        """The last fact."""
        fact = self.facts[-1]
        assert isinstance(fact, Ended), self.facts
        return fact

    def of(self, kind: type[Fact]) -> list[Fact]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def methods(self) -> list[str]:
        """First words of what the phone sent."""
        return [data.split(b" ", 1)[0].decode() for data in self.sip_from_phone]

    def _next_s(self) -> float:
        times = [self.phone.deadline(), self.peer.endpoint.deadline()]
        times.append(self._way[0].at_s if self._way else None)
        times.append(self._next_word_s if self.talking else None)
        return min((time for time in times if time is not None), default=float("inf"))

    def _talk(self) -> None:
        if not self.talking or self.now < self._next_word_s:
            return
        self._next_word_s = self.now + 0.02
        if self.peer.called and self.peer.offer_answer.agreement is not None:
            data = self.peer.say()
            self._said += 1
            if self._said not in self._lost:
                self._send(lambda: self.phone.receive_rtp(data, PEER_RTP, self.now))

    def _collect(self) -> None:
        to_peer, to_phone = Flow("udp", PEER, PHONE), Flow("udp", PHONE, PEER)
        for data, _ in self.phone.sip_to_send():
            self.sip_from_phone.append(data)
            self._send(partial(self._at_peer, data, to_peer))
        for data, _ in self.peer.endpoint.to_send():
            self._send(partial(self._at_phone, data, to_phone))
        for data, remote in self.phone.rtp_to_send():
            assert remote == PEER_RTP
            if is_rtcp(data):
                continue
            self.rtp_times_s.append(self.now)
            self._send(partial(self._audio_at_peer, data))
        self.phone.rtcp_to_send()
        while (fact := self.phone.next_fact()) is not None:
            self.facts.append(fact)
            self.fact_times_s.append(self.now)

    def _at_peer(self, data: bytes, flow: Flow) -> None:
        self.peer.receive(data, flow, self.now)

    def _at_phone(self, data: bytes, flow: Flow) -> None:
        self.phone.receive_sip(data, flow, self.now)

    def _audio_at_peer(self, data: bytes) -> None:
        self.peer.receive_rtp(data, self.now)

    def _send(self, deliver: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._way, _OnTheWay(self.now + DELAY_S, self._count, deliver))
