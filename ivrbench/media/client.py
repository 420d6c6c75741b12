"""The engine's side of the media plane: a worker process, or a plane in the same process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ivrbench
from ivrbench.errors import MediaError
from ivrbench.media.arena import PromptArena
from ivrbench.media.channel import MessageSender, decode_events, receive_packet
from ivrbench.media.memory import MemoryPoller
from ivrbench.media.messages import WorkerReady
from ivrbench.media.plane import TICK_S, MediaPlane
from ivrbench.media.sockets import UdpPoller
from ivrbench.media.worker import attach

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from ivrbench.media.disk import DirectWriter
    from ivrbench.media.messages import Command, MediaEvent

__all__ = ["InlineMedia", "Media", "MediaClient", "MediaSettings"]

START_S = 15.0
"""A worker that has not said it is ready by then has failed."""
STOP_S = 2.0
"""A worker that has not ended by then is killed."""
MAX_PACKETS_A_TURN = 16
"""Packets of events read in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """What a worker is started with."""

    prompt_memory_mb: int = 64
    """Size of the prompt arena in megabytes."""


class Media(Protocol):
    """What the engine uses; `MediaClient` and `InlineMedia` are one."""

    arena: PromptArena
    exited: asyncio.Future[str]
    """Done with a sentence when the media plane is not there any more."""
    on_events: Callable[[list[MediaEvent]], None]

    def send(self, command: Command, fds: Sequence[Any] = ()) -> None:
        """Give a command. Descriptors become the media plane's, which closes them."""

    async def close(self) -> None:
        """End all calls and the media plane."""


class MediaClient:
    """A media worker process and the socket to it. Make one with `await MediaClient.start()`.

    Attributes:
        arena: the prompts.
        on_events: called in the loop with each packet's events.
        exited: done when the worker has ended, with a sentence about how.
        ready: what the worker said at its start.
        heard_s: when it last said something, on the loop's clock.
    """

    ready: WorkerReady

    def __init__(
        self,
        arena: PromptArena,
        channel: socket.socket,
        process: subprocess.Popen[bytes],
        on_events: Callable[[list[MediaEvent]], None],
    ) -> None:
        self.arena = arena
        self.on_events = on_events
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[str] = self._loop.create_future()
        self._channel = channel
        self._process = process
        self._sender = MessageSender(channel)
        self._flushing = False
        self.heard_s = self._loop.time()
        self._started: asyncio.Future[WorkerReady] = self._loop.create_future()
        self._ending: asyncio.Task[None] | None = None
        self._loop.add_reader(channel, self._read)

    def __repr__(self) -> str:
        state = "gone" if self.exited.done() else "up"
        return f"MediaClient(pid {self._process.pid}, {state}, {len(self._sender)} unsent)"

    @classmethod
    async def start(
        cls,
        settings: MediaSettings,
        on_events: Callable[[list[MediaEvent]], None],
        arena: PromptArena | None = None,
    ) -> MediaClient:
        """Start a worker and wait until it is ready.

        Args:
            settings: its settings.
            on_events: called with each packet's events, the worker's `WorkerReady` first.
            arena: the prompts of a worker that died; None: it begins with none.

        Raises:
            MediaError: the worker did not start.
        """
        kept = arena is not None
        if arena is None:
            arena = PromptArena(settings.prompt_memory_mb)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        process = _spawn(theirs, arena)
        theirs.close()
        client = cls(arena, ours, process, on_events)
        try:
            async with asyncio.timeout(START_S):
                await asyncio.wait(
                    (client._started, client.exited), return_when=asyncio.FIRST_COMPLETED
                )
        except TimeoutError:
            process.kill()
        if not client._started.done():
            how = await client.exited
            if not kept:
                arena.close()
            raise MediaError(f"the media worker did not start: {how}")
        client.ready = client._started.result()
        return client

    def send(self, command: Command, fds: Sequence[int] = ()) -> None:
        """Give a command; all of one turn of the loop travel together.

        Args:
            command: what to do.
            fds: descriptors for it; they become the worker's and are closed here once sent.
        """
        self._sender.add(command, fds)
        if self.exited.done():
            self._sender.drop()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def kill(self) -> None:
        """End the worker at once; `exited` tells when it is gone."""
        self._process.kill()

    async def close(self) -> None:
        """Close the socket, which ends the worker, and wait for that."""
        if self._ending is None:
            self._flush()
            self._gone()
        if self._ending is not None:
            await self._ending
        self.arena.close()

    def _flush(self) -> None:
        if self.exited.done() or self._channel.fileno() < 0:
            self._sender.drop()
        elif self._sender.flush():
            self._flushing = False
            self._loop.remove_writer(self._channel)
        else:
            self._loop.add_writer(self._channel, self._flush)

    def _read(self) -> None:
        for _ in range(MAX_PACKETS_A_TURN):
            packet = receive_packet(self._channel)
            if packet is None:
                return
            data, _ = packet
            self.heard_s = self._loop.time()
            if not data:
                self._gone()
                return
            events = decode_events(data)
            if not self._started.done() and isinstance(events[0], WorkerReady):
                self._started.set_result(events[0])
            self.on_events(events)

    def _gone(self) -> None:
        """The worker ended, or is to end."""
        if self._ending is None:
            self._loop.remove_reader(self._channel)
            self._loop.remove_writer(self._channel)
            self._channel.close()
            self._sender.drop()
            self._ending = self._loop.create_task(self._await_exit())

    async def _await_exit(self) -> None:
        try:
            status = await self._loop.run_in_executor(None, self._process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = await self._loop.run_in_executor(None, self._process.wait)
        how = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
        self.exited.set_result(f"media worker {self._process.pid} {how}")


class InlineMedia:
    """A media plane in this process, moved by `pump`; for tests in virtual time.

    Args:
        on_events: called from `pump` with the events of each tick.
        memory: sockets are those of a `MemoryNetwork`, passed to `send` in place of
            descriptors; False: descriptors of real sockets.
        prompt_memory_mb: size of the prompt arena.
        arena: the prompts of a plane that is gone; None: it begins with none.
        writer: writes the recordings; by default at once.
        random_source: for SSRCs and intervals.
    """

    def __init__(
        self,
        on_events: Callable[[list[MediaEvent]], None],
        *,
        memory: bool = True,
        prompt_memory_mb: int = 4,
        arena: PromptArena | None = None,
        writer: DirectWriter | None = None,
        random_source: random.Random | None = None,
    ) -> None:
        self.arena = arena if arena is not None else PromptArena(prompt_memory_mb)
        self.on_events = on_events
        self.exited: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.plane = MediaPlane(
            self.arena.memory,
            MemoryPoller() if memory else UdpPoller(),
            writer=writer,
            random_source=random_source,
        )
        self._memory = memory
        self._waiting: list[tuple[Command, Sequence[Any]]] = []
        self._next_s: float | None = None

    def __repr__(self) -> str:
        return f"InlineMedia({self.plane!r})"

    def send(self, command: Command, fds: Sequence[Any] = ()) -> None:
        """Give a command; it is obeyed at the next tick."""
        self._waiting.append((command, fds))

    def pump(self, now: float) -> None:
        """Do all ticks that are due by `now` (seconds)."""
        if self._next_s is None:
            self._next_s = now
        while self._next_s <= now:
            self._obey(self._next_s)
            events = self.plane.tick(self._next_s)
            self._next_s += TICK_S
            if events:
                self.on_events(events)

    def skip_idle(self, n_ticks: int) -> int:
        """Leave out the next ticks as far as nothing is to be done in them.

        Args:
            n_ticks: so many at most; no packet may come before the last of them.

        Returns:
            How many were left out.
        """
        if self._waiting or self._next_s is None:
            return 0
        skipped = self.plane.skip_idle(n_ticks)
        for _ in range(skipped):  # as `pump` counts, to the last bit
            self._next_s += TICK_S
        return skipped

    async def close(self) -> None:
        """End all calls; their last events come before this returns."""
        now = self._next_s if self._next_s is not None else 0.0
        self._obey(now)
        events = self.plane.close(now)
        if events:
            self.on_events(events)
        self.arena.close()
        if not self.exited.done():
            self.exited.set_result("media plane closed")

    def _obey(self, now: float) -> None:
        waiting, self._waiting = self._waiting, []
        for command, fds in waiting:
            attached = fds if self._memory else attach(command, fds)[0]
            self.plane.apply(command, now, attached)


def _spawn(channel: socket.socket, arena: PromptArena) -> subprocess.Popen[bytes]:
    package_root = str(Path(ivrbench.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    fds = (channel.fileno(), arena.fd)
    process = subprocess.Popen(
        # -P: the directory we were started in, perhaps full of scripts, is not searched.
        [sys.executable, "-P", "-m", "ivrbench.media.worker"]
        + ["--channel", str(fds[0]), "--arena", str(fds[1])],
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
    )
    # What limits the scripts' memory is the engine's alone.
    with contextlib.suppress(OSError):
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (hard, hard))
    return process
