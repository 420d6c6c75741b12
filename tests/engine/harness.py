"""A whole engine in one process and in virtual time: scripts, SIP and audio, without a socket."""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ivrbench import scriptapi
from ivrbench.clock import ManualClock
from ivrbench.config import Settings
from ivrbench.engine.host import ScriptHost
from ivrbench.engine.library import ScriptLibrary
from ivrbench.engine.media_link import MediaLink, Worker
from ivrbench.engine.registry import Registry
from ivrbench.engine.switchboard import Switchboard
from ivrbench.errors import MediaError
from ivrbench.media.client import InlineMedia
from ivrbench.media.disk import FdFile
from ivrbench.media.memory import MemoryNetwork
from ivrbench.media.messages import OpenRecorder
from ivrbench.media.plane import TICK_S
from ivrbench.observe import events
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.rtp.dtmf import dtmf_packets
from ivrbench.rtp.packet import RtpPacket, parse_rtp
from ivrbench.sip import events as sip
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.flow import Flow
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.tokens import CountingTokens

from .virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ivrbench.engine.cdr import CdrFile
    from ivrbench.engine.session import Session
    from ivrbench.media.messages import Command
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest, SipResponse

__all__ = ["Bench", "Caller", "sdp"]

ENGINE = ("192.0.2.1", 5060)
CALLER = ("192.0.2.99", 5060)
FRAME_MS = 20
LATENCY_S = 0.001


def sdp(
    port: int = 40_000, *, formats: str = "0 8 101", direction: str = "", ip: str = CALLER[0]
) -> bytes:
    """An offer or answer of one audio stream."""
    lines = ["v=0", f"o=- 1 1 IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0"]
    lines.append(f"m=audio {port} RTP/AVP {formats}")
    if "101" in formats.split():
        lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"]
    if direction:
        lines.append(f"a={direction}")
    return "\r\n".join([*lines, ""]).encode()


class _MemoryPool:
    """`PortPool` of ports in memory."""

    def __init__(self, network: MemoryNetwork, ip: str, low: int, high: int) -> None:
        self._network, self._ip = network, ip
        self._free = deque(range(low, high, 2))
        self.in_use = 0

    def allocate(self) -> _MemoryPair:
        if not self._free:
            raise MediaError("all RTP ports are taken")
        self.in_use += 1
        return _MemoryPair(self, self._free.popleft())

    def give_back(self, port: int) -> None:
        self.in_use -= 1
        self._free.append(port)

    def detach(self, port: int) -> object:
        return self._network.pair(self._ip, port)


class _MemoryPair:
    """`PortPair` of the pool above."""

    def __init__(self, pool: _MemoryPool, port: int) -> None:
        self._pool: _MemoryPool | None = pool
        self.port = port

    def detach(self) -> object:
        assert self._pool is not None, "a pair that was given back is not used again"
        return self._pool.detach(self.port)

    def release(self) -> None:
        if self._pool is not None:
            self._pool.give_back(self.port)
            self._pool = None


class _Media(InlineMedia):
    """Sockets in memory, but files on the disk."""

    def send(self, command: Command, fds: Sequence[Any] = ()) -> None:
        if isinstance(command, OpenRecorder):
            fds = [FdFile(fds[0])]
        super().send(command, fds)


class Bench:
    """An engine, its scripts and the callers of a test; close it in the end.

    Args:
        folder: an empty directory for the scripts.
        scripts: text of each by name; `NAME.conf` is a file's name as it is.
        tokens: tags and branches; None: predictable ones.
        settings: fields of `Settings` that differ from the default.
    """

    def __init__(
        self,
        folder: Path,
        scripts: dict[str, str],
        *,
        cdr: CdrFile | None = None,
        **settings: object,
    ) -> None:
        self.clock = ManualClock()
        self.loop = VirtualLoop(self.clock)
        asyncio.set_event_loop(None)
        self.folder = folder
        for name, text in scripts.items():
            (folder / (name if "." in name else f"{name}.py")).write_text(text)
        self.settings = Settings(script_path=folder, **settings)  # type: ignore[arg-type]
        self.told: list[events.Event] = []
        self.hub = Hub(self.clock, History())
        self.network = MemoryNetwork()
        self.lose: Callable[[bytes], bool] = lambda data: False
        """Decides which SIP messages get lost."""
        self._arrival_s = 0.0
        self._stations: dict[tuple[str, int], Callable[[bytes, Flow], None]] = {}
        self.run(self._open(cdr))

    async def _open(self, cdr: CdrFile | None) -> None:
        registry = Registry(self._publish_from_thread)
        self.board = Switchboard(
            self.settings,
            self.loop,
            self.clock,
            self.hub,
            registry,
            self.send,
            tokens=CountingTokens("e"),
            cdr=cdr,
        )
        self.board.publish = self._publish
        self.board.media = MediaLink(
            self.board,
            lambda ip, low, high: _MemoryPool(self.network, ip, low, high),  # type: ignore[arg-type, return-value]
        )
        await self.new_worker()
        self.loop.busy = self._thread_is_at_work
        self._stations[ENGINE] = self._deliver
        scriptapi.install(ScriptHost(self.board, *ENGINE))
        self.library = ScriptLibrary(
            self.folder, [self.folder], registry, self._publish_from_thread, self.clock
        )
        self.library.load_all(wait=True)
        self._tick()

    async def new_worker(self) -> None:
        """A media worker comes up."""
        self.media = _Media(lambda _: None, random_source=random.Random(1))
        worker = self.worker = Worker(1, self.media)
        self.media.on_events = lambda e: self.board.media.receive(worker, e)
        self.board.media.add(worker)

    def close(self) -> None:
        """End everything; nothing may be left over."""
        for session in list(self.board.sessions.values()):
            session.hang_up("engine", "the test is over")
        self.board.settle()
        self.run(asyncio.sleep(0.1))
        self.library.close()
        self.board.pool.close()
        self.board.close()
        self._ticker.cancel()
        self.run(self.media.close())
        self.loop.close()

    def let_go_of_thread(self, reached: str) -> None:
        """Let time pass although a handler runs, once it said `reached` and called the engine."""
        self.loop.busy = lambda: bool(self.board.pool.busy) and reached not in self.said()

    def hold_on_to_threads(self) -> None:
        """Time stands still again while a handler runs."""
        self.loop.busy = self._thread_is_at_work

    def _thread_is_at_work(self) -> bool:
        # A script that closes a recording waits for the media, which needs time to pass.
        if any(s.playlist.recordings.closing for s in self.board.sessions.values()):
            return False
        return bool(self.board.pool.busy or self.board.media.encoding)

    # --- time ---------------------------------------------------------------------------------

    def run(self, what: object) -> None:
        """Run the loop until a coroutine is done."""
        self.loop.run_until_complete(what)  # type: ignore[arg-type]

    def wait(self, seconds: float = 0.1) -> None:
        """Let virtual time pass."""
        self.run(asyncio.sleep(seconds))

    def until(self, condition: Callable[[], object], within_s: float = 60.0) -> None:
        """Let virtual time pass until something is true."""
        end = self.clock.now() + within_s
        while not condition():
            assert self.clock.now() < end, f"it did not happen within {within_s} s"
            self.wait(TICK_S)

    def _tick(self) -> None:
        self.media.pump(self.clock.now())
        self._ticker = self.loop.call_later(TICK_S, self._tick)

    # --- the network --------------------------------------------------------------------------

    def attach(self, address: tuple[str, int], receive: Callable[[bytes, Flow], None]) -> None:
        """Somebody takes SIP at this address."""
        self._stations[address] = receive

    def send(self, data: bytes, flow: Flow) -> None:
        """Carry one SIP message."""
        receive = self._stations.get(flow.remote)
        if receive is not None and not self.lose(data):
            back = Flow(flow.transport, flow.remote, flow.local)
            # Time does not move while a handler runs: the order of things is always the same.
            # The loop does not keep the order of equal times, so no two are equal.
            self._arrival_s = max(self.clock.now() + LATENCY_S, self._arrival_s + 1e-6)
            self.loop.call_at(self._arrival_s, receive, data, back)

    def _deliver(self, data: bytes, flow: Flow) -> None:
        self.board.receive(data, flow)
        self.board.settle()

    # --- what happened ------------------------------------------------------------------------

    def _publish(self, event: events.Event) -> object:
        self.told.append(event)
        return self.hub.publish(event)

    def _publish_from_thread(self, event: events.Event) -> None:
        if self.board.inbox.on_loop:
            self._publish(event)
        else:
            self.board.inbox.post(self._publish, event)

    def of(self, kind: type[events.Event], leg: str = "c1") -> list[events.Event]:
        """The events of one kind of a leg."""
        return [e for e in self.told if isinstance(e, kind) and getattr(e, "leg", leg) == leg]

    def handlers(self, leg: str = "c1") -> list[str]:
        """Handlers of a leg in order: "onDtmf(1, 100)"; one that raised has a "!" behind it."""
        return [
            f"{e.handler}({e.arguments})" + "!" * isinstance(e, events.HandlerRaised)
            for e in self.told
            if isinstance(e, (events.HandlerCalled, events.HandlerRaised))
            and e.leg == leg
            and e.handler != "__new__"
        ]

    def story(self, leg: str = "c1") -> list[str]:
        """Messages and handlers of a leg in order: "< INVITE (SDP)", "onInvite", "> 200 OK"."""
        told = []
        for event in self.told:
            if getattr(event, "leg", "") != leg:
                continue
            if isinstance(event, events.SipTraced):
                again = " again" if event.retransmission else ""
                told.append(f"{'>' if event.sent else '<'} {event.summary}{again}")
            elif isinstance(event, (events.HandlerCalled, events.HandlerRaised)):
                mark = "!" if isinstance(event, events.HandlerRaised) else ""
                what = f"({event.arguments})" if event.handler == "onSipRequest" else ""
                told.append(f"{event.handler}{what}{mark}")
        return told

    @property
    def session(self) -> Session:
        """The only session there is."""
        (session,) = self.board.sessions.values()
        return session

    def said(self) -> list[Any]:
        """What the scripts appended to their global `said`."""
        lines: list[Any] = []  # Any: scripts say what they like
        for name in self.board.registry.names():
            generation = self.board.registry.serving(name)
            assert generation is not None, "it is served"
            lines += getattr(generation.module, "said", [])
        return lines

    def ended(self, leg: str = "c1") -> events.LegEnded | None:
        """How a leg ended, None if it did not."""
        ends = [e for e in self.told if isinstance(e, events.LegEnded) and e.leg == leg]
        assert len(ends) <= 1, "a leg ends once"
        return ends[0] if ends else None

    def nothing_left(self) -> bool:
        """Every call gave everything back."""
        board = self.board
        live = sum(
            g.live_calls for n in board.registry.names() for g in board.registry.generations(n)
        )
        left = (
            len(board.sessions),
            len(board.by_local_tag),
            board.media.ports_in_use,
            live,
            self.worker.seats,
            len(self.worker.calls),
            len(self.worker.recorders),
            self.media.plane.n_calls,
            self.media.plane.n_recorders,
            board.endpoint.stats().calls,
        )
        return not any(left)


@dataclass(slots=True)
class Heard:
    """One packet the caller got."""

    at_s: float
    packet: RtpPacket


class Caller:
    """A user agent that calls the engine and notes what comes back.

    Args:
        bench: the engine.
        address: where it is.
        rtp_port: where its audio is.
    """

    def __init__(
        self, bench: Bench, address: tuple[str, int] = CALLER, rtp_port: int = 40_000
    ) -> None:
        self.bench = bench
        self.flow = Flow("udp", address, ENGINE)
        self.endpoint = Endpoint(
            EndpointSettings(user_agent="caller"), tokens=CountingTokens(f"u{rtp_port}")
        )
        self.audio, self.rtcp = bench.network.pair(address[0], rtp_port)
        self.rtp_port = rtp_port
        self.events: list[sip.Event] = []
        self.got: list[str] = []
        """Replies and requests of the engine: "100", "200", "BYE"."""
        self.replies: list[SipResponse] = []
        self.heard: list[Heard] = []
        self.call: InviteCall | None = None
        self.answers_early_offers = True
        self._sequence = 0
        self._timestamp = 0
        self._timer: asyncio.TimerHandle | None = None
        bench.attach(address, self._receive)
        self._listen()

    def sdp(self, direction: str = "") -> bytes:
        """An offer or answer of its own."""
        return sdp(self.rtp_port, direction=direction, ip=self.flow.local[0])

    # --- SIP ----------------------------------------------------------------------------------

    def invite(
        self,
        user: str = "app",
        *,
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
        uri: str = "",
    ) -> InviteCall:
        """Call the engine; `body=b""` sends no offer."""
        self.call = self.endpoint.invite(
            uri or f"sip:{user}@192.0.2.1",
            self.flow,
            '"Ann" <sip:ann@192.0.2.99>',
            f"<sip:{user}@192.0.2.1>",
            headers,
            self.sdp() if body is None else body,
            now=self.bench.clock.now(),
        )
        self._settle()
        return self.call

    def dial(self, user: str = "app", **how: object) -> None:
        """Call and wait for the answer."""
        self.invite(user, **how)  # type: ignore[arg-type]
        self.bench.until(lambda: any(code >= "200" for code in self.got))
        self.bench.wait()

    def bye(self) -> None:
        """Hang up and wait until it is over."""
        self.do(lambda call, now: call.bye(now=now))

    def do(self, action: Callable[[InviteCall, float], object]) -> None:
        """Do something with the call, and let 0.1 s pass."""
        assert self.call is not None, "call first"
        action(self.call, self.bench.clock.now())
        self._settle()
        self.bench.wait()

    def request(self, method: str, body: bytes = b"", content_type: str = "") -> None:
        """Send a request in the dialog and wait."""
        self.do(lambda call, now: call.request(method, (), body, content_type, now=now))

    @property
    def last_body(self) -> str:
        """The session description that came last."""
        bodies = [r.body_text() for r in self.replies if r.body]
        return bodies[-1] if bodies else ""

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.endpoint.receive(data, flow, self.bench.clock.now())
        self._settle()

    def _settle(self) -> None:
        now = self.bench.clock.now()
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
            self._note(event, now)
        for data, flow in self.endpoint.to_send():
            self.bench.send(data, flow)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.endpoint.deadline()
        if deadline is not None:
            self._timer = self.bench.loop.call_later(max(0.0, deadline - now), self._due)

    def _due(self) -> None:
        self._timer = None
        self.endpoint.on_deadline(self.bench.clock.now())
        self._settle()

    def _note(self, event: sip.Event, now: float) -> None:
        if isinstance(event, (sip.ProvisionalReceived, sip.ResponseReceived)):
            self.got.append(str(event.response.code))
            self.replies.append(event.response)
            if event.call is not None and event.request.method == "INVITE":
                self._take_offer(event.call, event.request, event.response, now)
        elif isinstance(event, sip.ByeReceived):
            self.got.append("BYE")
        elif isinstance(event, (sip.RequestReceived, sip.ReinviteReceived)):
            self.got.append(event.request.method)
            if event.call is not None:
                body = self.sdp() if event.request.method == "INVITE" else b""
                kind = "application/sdp" if body else ""
                event.call.respond(event.request, 200, "", (), body, kind, now=now)

    def _take_offer(
        self, call: InviteCall, request: SipRequest, response: SipResponse, now: float
    ) -> None:
        if not response.body or request.body:
            return
        if response.code >= 200:
            self.answer_late(call, now)
        elif self.answers_early_offers:
            call.prack(response, self.sdp(), now=now)

    def answer_late(self, call: InviteCall, now: float) -> None:
        """Our INVITE had no offer: the 200 has it, the ACK brings the answer."""
        call.ack(self.late_answer(), "application/sdp", now=now)

    def late_answer(self) -> bytes:
        """What the ACK brings; tests replace it."""
        return self.sdp()

    def last_request(self, method: str) -> SipRequest:
        """The last request of a method the engine sent."""
        requests = [
            e.request
            for e in self.events
            if isinstance(e, (sip.RequestReceived, sip.ReinviteReceived, sip.ByeReceived))
        ]
        return next(r for r in reversed(requests) if r.method == method)

    # --- audio --------------------------------------------------------------------------------

    @property
    def engine_rtp(self) -> tuple[str, int]:
        """Where the engine wants audio, from its last description."""
        ports = re.findall(r"^m=audio (\d+)", self.last_body, re.M)
        return ENGINE[0], int(ports[-1])

    def speak(self, seconds: float, value: int = 0x55) -> None:
        """Send audio in real (virtual) time."""
        for _ in range(round(seconds * 1000 / FRAME_MS)):
            self.send_packet(0, bytes([value]) * 160)
            self._timestamp += 160
            self.bench.wait(FRAME_MS / 1000)

    def press(self, key: int, duration_ms: int = 100, pt: int = 101) -> None:
        """Press a key by RFC 4733, in virtual time."""
        began = self._timestamp
        for event in dtmf_packets(key, duration_ms):
            at = (began + event.timestamp_offset) & 0xFFFFFFFF
            self.send_packet(pt, event.payload, event.marker, at)
            self._timestamp += 160
            self.bench.wait(FRAME_MS / 1000)

    def send_packet(
        self, pt: int, payload: bytes, marker: bool = False, timestamp: int | None = None
    ) -> None:
        """Send one packet."""
        at = self._timestamp if timestamp is None else timestamp
        packet = RtpPacket(pt, self._sequence, at, 0x1234, payload, marker)
        self._sequence = self._sequence + 1 & 0xFFFF
        self.audio.send_to(packet.to_bytes(), self.engine_rtp)

    def _listen(self) -> None:
        while (datagram := self.audio.receive()) is not None:
            packet = parse_rtp(datagram.data)
            assert packet is not None, "the engine sends RTP"
            self.heard.append(Heard(self.bench.clock.now(), packet))
        self.bench.loop.call_later(TICK_S, self._listen)

    def heard_since(self, at_s: float) -> list[Heard]:
        """Packets since a moment."""
        return [heard for heard in self.heard if heard.at_s >= at_s]
