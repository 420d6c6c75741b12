"""A bench for the engine's own tests: scripts given as text, and looks at what nobody else sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.config import Settings
from ivrbench.media.plane import TICK_S
from ivrbench.observe import events
from ivrbench.testing.agent import UserAgent
from ivrbench.testing.stage import Stage
from ivrbench.testing.virtual import ENGINE, VirtualEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ivrbench.engine.cdr import CdrFile
    from ivrbench.engine.media.link import Worker
    from ivrbench.engine.session import Session
    from ivrbench.media.client import InlineMedia
    from ivrbench.sip.flow import Flow
    from ivrbench.sip.invite import InviteCall
    from ivrbench.testing.network import VirtualNetwork
    from ivrbench.testing.sound import Heard

__all__ = ["CALLER", "ENGINE", "Bench", "Caller", "sdp"]

CALLER = ("192.0.2.99", 5060)
FRAME_MS = 20


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


class Bench(Stage):
    """An engine, its scripts and the callers of a test; close it in the end.

    Args:
        folder: an empty directory for the scripts.
        scripts: text of each by name; `NAME.conf` is a file's name as it is.
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
        self.folder = folder
        for name, text in scripts.items():
            (folder / (name if "." in name else f"{name}.py")).write_text(text)
        self.settings = Settings(script_path=folder, **settings)  # type: ignore[arg-type]
        super().__init__()
        early: list[events.Event] = []
        self._note: Callable[[events.Event], None] = early.append
        self.engine = engine = VirtualEngine(self.settings, lambda event: self._note(event), cdr)
        self._run = engine.run
        self.network: VirtualNetwork = engine.network
        self.board, self.library, self.hub = engine.board, engine.library, engine.hub
        self.clock, self.loop = engine.clock, engine.loop
        for event in early:
            self.note(event)
        self._note = self.note

    def close(self) -> None:
        """End everything; nothing may be left over."""
        self.engine.close()

    def until(self, condition: Callable[[], object], within_s: float = 60.0) -> None:
        """Let time pass until something is true, and until what was sent by then has arrived."""
        super().until(condition, within_s)
        self.wait(TICK_S)

    @property
    def worker(self) -> Worker:
        """The media worker that came up last."""
        return self.engine.worker

    @property
    def media(self) -> InlineMedia:
        """Its media plane."""
        return self.engine.media

    async def new_worker(self) -> None:
        """A media worker comes up."""
        await self.engine.new_worker()

    def kill_worker(self) -> None:
        """The media worker dies without a word, and its sockets with it."""
        for call in list(self.media.plane._calls.values()):
            for port in call.keying.ports:
                port.close()
        self.media.pump = lambda now: None  # type: ignore[method-assign]
        self.media.send = lambda command, fds=(): None  # type: ignore[method-assign]
        self.board.media.lost(self.worker, "killed by signal 9")

    def replace_worker(self) -> None:
        """The next media worker comes up."""
        self.run(self.engine.new_worker(self.worker))

    @property
    def lose(self) -> Callable[[bytes], bool]:
        """Decides which SIP messages get lost."""
        return self.network.lose

    @lose.setter
    def lose(self, decide: Callable[[bytes], bool]) -> None:
        self.network.lose = decide

    def attach(self, address: tuple[str, int], receive: Callable[[bytes, Flow], None]) -> None:
        """Somebody takes SIP at this address."""
        self.network.join(receive, address)

    def send(self, data: bytes, flow: Flow) -> None:
        """Carry one SIP message."""
        self.network.send(data, flow)

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
        board, engine = self.board, self.engine
        live = sum(
            g.live_calls for n in board.registry.names() for g in board.registry.generations(n)
        )
        left = (
            len(board.sessions),
            len(board.by_local_tag),
            board.media.ports_in_use,
            live,
            engine.worker.seats,
            len(engine.worker.calls),
            len(engine.worker.recorders),
            engine.media.plane.n_calls,
            engine.media.plane.n_recorders,
            board.endpoint.stats().calls,
        )
        return not any(left)


class Caller(UserAgent):
    """A user agent that calls the engine and notes what comes back.

    Args:
        bench: the engine.
        address: where it is.
        rtp_port: where its audio is.
    """

    def __init__(
        self, bench: Bench, address: tuple[str, int] = CALLER, rtp_port: int = 40_000
    ) -> None:
        super().__init__(bench.network, address, rtp_port)
        self.bench = bench
        self.on_change = bench.changed
        self.rtp_port = rtp_port

    @property
    def last_body(self) -> str:
        """The engine's last session description."""
        return self.described

    @property
    def engine_rtp(self) -> tuple[str, int]:
        """Where the engine wants audio."""
        assert self.mouth.remote is not None, "it said where"
        return self.mouth.remote

    @property
    def reinvite_code(self) -> int:
        """How it answers a re-INVITE."""
        return self.answers.get("INVITE", 200)

    @reinvite_code.setter
    def reinvite_code(self, code: int) -> None:
        self.answers["INVITE"] = code

    @property
    def heard(self) -> list[Heard]:
        """Packets that came."""
        return self.ear.packets

    def heard_since(self, at_s: float) -> list[Heard]:
        """Packets since a moment."""
        return [heard for heard in self.heard if heard.at_s >= at_s]

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
        self.act(action)
        self.bench.wait()

    def request(self, method: str, body: bytes = b"", content_type: str = "") -> None:
        """Send a request in the dialog and wait."""
        self.do(lambda call, now: call.request(method, (), body, content_type, now=now))

    def speak(self, seconds: float, value: int = 0x55) -> None:
        """Send audio in real (virtual) time."""
        for _ in range(round(seconds * 1000 / FRAME_MS)):
            self.send_packet(0, bytes([value]) * 160)
            self.bench.wait(FRAME_MS / 1000)

    def press(self, key: int, duration_ms: int = 100) -> None:
        """Press a key by RFC 4733, in virtual time."""
        self.bench.run(self.mouth.press(key, duration_ms))

    def send_packet(
        self, pt: int, payload: bytes, marker: bool = False, timestamp: int | None = None
    ) -> None:
        """Send one packet."""
        self.mouth.send(pt, payload, marker, timestamp)
