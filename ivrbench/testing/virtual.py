"""VirtualEngine: a whole engine in this process and in virtual time, without a socket.

The SIP core, the sessions, the scripts in threads and the media plane are those that serve real
calls; the network is in memory, and where all of them wait, time jumps.
"""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from ivrbench import scriptapi
from ivrbench.clock import ManualClock
from ivrbench.engine.media.link import MediaLink, Worker
from ivrbench.engine.scripts.host import ScriptHost
from ivrbench.engine.scripts.library import ScriptLibrary
from ivrbench.engine.scripts.pool import ScriptPool
from ivrbench.engine.scripts.registry import Registry
from ivrbench.engine.scripts.threads import start_threads
from ivrbench.engine.signalling.routing import Router
from ivrbench.engine.switchboard import Switchboard
from ivrbench.media.client import InlineMedia
from ivrbench.media.disk import FdFile
from ivrbench.media.messages import OpenRecorder
from ivrbench.media.plane import TICK_S
from ivrbench.observe import events
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.sip.resolve import Candidate
from ivrbench.sip.tokens import CountingTokens
from ivrbench.testing.loop import VirtualLoop
from ivrbench.testing.network import MemoryPorts, VirtualNetwork
from ivrbench.testing.patches import REAL_SLEEP, follow_virtual_time, leave_virtual_time
from ivrbench.testing.threads import ScriptThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ivrbench.config import Settings
    from ivrbench.engine.cdr import CdrFile
    from ivrbench.media.messages import Command, MediaEvent
    from ivrbench.sip.flow import Address, Flow
    from ivrbench.sip.uri import SipUri

__all__ = ["ENGINE", "MediaOnDisk", "VirtualEngine"]

ENGINE = ("192.0.2.1", 5060)
"""The engine's address (RFC 5737)."""
SIP_PORT = 5060

_Result = TypeVar("_Result")


class MediaOnDisk(InlineMedia):
    """Sockets in memory, but files on the disk."""

    def send(self, command: Command, fds: Sequence[Any] = ()) -> None:
        if isinstance(command, OpenRecorder):
            fds = [FdFile(fds[0])]
        super().send(command, fds)


class _Pool(ScriptPool):
    """Each handler in a thread that takes turns: which of them computes does not matter."""

    turns: ScriptThreads

    def _has_turn(self) -> bool:
        return self._handed_over < self.threads

    def _hand_over(self) -> None:
        while self._queued and self._has_turn():
            self._handed_over += 1
            mailbox = self._queued.popleft()

            def work(mailbox: Any = mailbox) -> None:
                outcome = mailbox.run()
                if not self.turns.closed:  # else the test is over, and ended it where it waited
                    self.inbox.post(mailbox.finish, outcome)

            name = f"script-{mailbox.generation.script}"
            self.turns.start(threading.Thread(target=work, name=name, daemon=True))


class _Listener:
    ip = ENGINE[0]


class _Transports:
    """The engine's one socket, as its router sees it."""

    listeners = (_Listener(),)

    def local(self, transport: str, remote_ip: str) -> Address | None:
        return ENGINE if transport == "udp" else None


class _Names:
    """DNS in a dict."""

    def __init__(self) -> None:
        self.places: dict[str, list[Address]] = {}
        self.any_name = False

    async def candidates(
        self, uri: SipUri, usable: Sequence[str], versions: Sequence[int]
    ) -> list[Candidate]:
        if uri.host[0].isdigit():
            return [Candidate("udp", uri.host, uri.port or SIP_PORT)]
        if self.any_name and uri.host not in self.places:
            self.places[uri.host] = [(f"198.51.100.{len(self.places) + 1}", uri.port or SIP_PORT)]
        return [Candidate("udp", *place) for place in self.places.get(uri.host, [])]


class VirtualEngine:
    """One engine; close it.

    Args:
        settings: with the folder of the scripts.
        tell: called with each event, in the loop's thread.
        cdr: call records; None: none.
        wall_s: what the wall clock says at the beginning, seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[events.Event], object],
        cdr: CdrFile | None = None,
        wall_s: float = 1_700_000_000.0,
    ) -> None:
        self.settings = settings
        self.clock = ManualClock(wall_s=wall_s)
        self.loop = VirtualLoop(self.clock)
        self.threads = ScriptThreads(self.loop, self.clock)
        follow_virtual_time()
        self.network = VirtualNetwork(self.loop, ENGINE)
        self._names = _Names()
        self.hub = Hub(self.clock, History())
        self._tell = tell
        self._told_by_media = False
        self._faults: list[str] = []
        self.loop.set_exception_handler(self._failed)
        self.threads.on_stuck = self._note_fault
        self.on_fault: Callable[[], object] = lambda: None
        """Called when something went wrong that `run` will raise."""
        self.registry = Registry(self._publish_from_thread)
        self.board = self._make_board(cdr)
        self.run(self.new_worker())
        self._tick_s = self.clock.now()
        self.loop.until = self._move_on
        self.network.join(self._receive, ENGINE)
        scriptapi.install(ScriptHost(self.board, *ENGINE))
        folders = settings.script_config_dirs
        self.library = ScriptLibrary(
            settings.script_path, folders, self.registry, self._publish_from_thread, self.clock
        )
        self.library.load_all(wait=True)
        self.run(asyncio.sleep(0))

    def _make_board(self, cdr: CdrFile | None) -> Switchboard:
        board = Switchboard(
            self.settings,
            self.loop,
            self.clock,
            self.hub,
            self.registry,
            self.network.send,
            tokens=CountingTokens("e"),
            cdr=cdr,
        )
        board.publish = self._publish
        board.router = Router(self._names, _Transports())  # type: ignore[arg-type]
        pool = _Pool(self.loop, board.inbox, self.clock, self.settings.script_threads)
        pool.turns = self.threads
        board.pool = pool
        board.media = MediaLink(
            board,
            lambda ip, low, high: MemoryPorts(self.network.rtp, ip, low, high),  # type: ignore[arg-type, return-value]
        )
        return board

    async def new_worker(self, died: Worker | None = None) -> None:
        """A media worker comes up, perhaps in the place of one that died."""
        arena = died.media.arena if died is not None else None
        self.media = MediaOnDisk(lambda _: None, arena=arena, random_source=random.Random(1))
        worker = self.worker = died or Worker(1, self.media)

        def receive(told: list[MediaEvent]) -> None:
            self._told_by_media = True
            self.board.media.receive(worker, told)

        self.media.on_events = receive
        if died is None:
            self.board.media.add(worker)
        else:
            self.board.media.replaced(worker, self.media)

    @property
    def names(self) -> dict[str, list[Address]]:
        """Where host names lead: addresses, the first to be tried first."""
        return self._names.places

    def let_any_name_lead_somewhere(self) -> None:
        """A name that is not in `names` gets an address of its own (RFC 5737)."""
        self._names.any_name = True

    def close(self) -> None:
        """End everything; nothing may be left over."""
        for session in list(self.board.sessions.values()):
            session.hang_up("engine", "the test is over")
        self.board.settle()
        self.run(asyncio.sleep(0.1))
        self.threads.close()
        self.library.close()
        self.board.pool.close()
        self.board.close()
        self.run(self.media.close())
        self.run(asyncio.sleep(0))
        self.loop.close()
        leave_virtual_time()

    # --- time ---------------------------------------------------------------------------------

    def run(self, what: Coroutine[Any, Any, _Result]) -> _Result:
        """Run the loop until a coroutine is done.

        Raises:
            AssertionError: a fault in the engine, or a thread of a script that does not come back.
        """
        result = self.loop.run_until_complete(what)
        if self._faults:
            faults, self._faults = self._faults, []
            raise AssertionError("\n".join(faults))
        return result

    def _move_on(self, at_s: float) -> None:
        """Let the media plane have its ticks until a moment, or until it tells something."""
        self._told_by_media = False
        if self.threads.look_for_strays():
            at_s = min(at_s, self.clock.now() + TICK_S)
            REAL_SLEEP(at_s - self.clock.now())
        while not self._told_by_media:
            # What the ticks bring about may be due before what all waited for.
            until_s = min(at_s, self.loop.soonest_s)
            if self._tick_s > until_s:
                self._advance(until_s)
                return
            for _ in range(self.media.skip_idle(int((until_s - self._tick_s) / TICK_S))):
                self._tick_s += TICK_S
            self._advance(self._tick_s)
            self.media.pump(self._tick_s)
            self._tick_s += TICK_S

    def _advance(self, to_s: float) -> None:
        ahead_s = to_s - self.clock.now()
        if ahead_s > 0:
            self.clock.advance(ahead_s)

    # --- wires --------------------------------------------------------------------------------

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.board.receive(data, flow)
        self.board.settle()

    def _publish(self, event: events.Event) -> object:
        self._tell(event)
        if isinstance(event, events.ScriptLoaded):
            self._start_threads(event.script)
        return self.hub.publish(event)

    def _publish_from_thread(self, event: events.Event) -> None:
        if self.board.inbox.on_loop:
            self._publish(event)
        else:
            self.board.inbox.post(self._publish, event)

    def _start_threads(self, script: str) -> None:
        """Those a script asked for by `createThread`."""
        generation = self.registry.serving(script)
        if generation is not None:
            start_threads(generation)

    @property
    def is_faulty(self) -> bool:
        """Something went wrong that `run` will raise."""
        return bool(self._faults)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._note_fault(f"{context['message']}: {context.get('exception')!r}")

    def _note_fault(self, text: str) -> None:
        self._faults.append(text)
        self.on_fault()
