"""`ivrbench --serve` as a process, watched through its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ivrbench.errors import EngineGone
from ivrbench.observe.client import ControlClient
from ivrbench.observe.history import History
from ivrbench.observe.snapshot import LegView, Snapshot, WholeLegs

from .processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ivrbench.observe.commands import Answered, Command
    from ivrbench.observe.events import Event, Stamped

__all__ = ["Engine", "Watcher"]

T = TypeVar("T")


class Watcher:
    """The state behind a control socket, kept up to date.

    Args:
        log_tail: gives text to show when something awaited does not come.
    """

    def __init__(self, log_tail: Callable[[], str]) -> None:
        self.state = History()
        self.events: list[Stamped] = []
        """Every event since the connection, oldest first."""
        self._log_tail = log_tail
        self._news = asyncio.Event()
        self._client: ControlClient | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(self, path: Path, ended: Callable[[], int | None]) -> None:
        """Connect as soon as the socket answers; `ended` tells the exit code of a dead engine."""
        async with asyncio.timeout(PATIENCE_S):
            while self._client is None:
                try:
                    self._client = await ControlClient.connect(str(path))
                except EngineGone:
                    code = ended()
                    assert code is None, f"the engine ended with {code}\n{self._log_tail()}"
                    await asyncio.sleep(0.01)
        self._reading = asyncio.create_task(self._read(self._client))
        await self.until(lambda state: state.engine.pid or None)

    async def aclose(self) -> None:
        """Leave the engine alone."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._client is not None:
            await self._client.close()

    async def ask(self, command: Command) -> Answered:
        """Ask the engine to do something, which it has to do."""
        assert self._client is not None, "connected before"
        answered = await self._client.request(command)
        assert answered.ok, answered.text
        return answered

    async def until(
        self, condition: Callable[[History], T | None], within_s: float = PATIENCE_S
    ) -> T:
        """Wait until the condition gives something, and return that."""
        try:
            async with asyncio.timeout(within_s):
                while not (found := condition(self.state)):
                    self._news.clear()
                    await self._news.wait()
                return found
        except TimeoutError:
            legs = [*self.state.live.values(), *self.state.done.values()]
            shown = " ".join(f"{leg.name}:{leg.state}:{leg.code}" for leg in legs)
            raise AssertionError(
                f"not seen within {within_s} s; legs {shown or 'none'}\n{self._log_tail()}"
            ) from None

    async def until_event(
        self, kind: type[Event], within_s: float = PATIENCE_S, **fields: object
    ) -> Any:
        """Wait for an event of this kind whose fields have these values."""

        def find(_: History) -> Event | None:
            return next(iter(self.seen(kind, **fields)), None)

        return await self.until(find, within_s)

    def seen(self, kind: type[Event], **fields: object) -> list[Any]:
        """Events of this kind so far whose fields have these values."""
        return [
            stamped.event
            for stamped in self.events
            if isinstance(stamped.event, kind)
            and all(getattr(stamped.event, name) == value for name, value in fields.items())
        ]

    async def until_done(self, n_legs: int, within_s: float = PATIENCE_S) -> list[LegView]:
        """Wait until this many legs are over and none is left; return the finished ones."""
        await self.until(lambda s: s.done_total >= n_legs and not s.live, within_s)
        return list(self.state.done.values())

    async def until_leg(self, state: str, within_s: float = PATIENCE_S) -> LegView:
        """Wait for the only leg that is live to be in this state."""

        def find(history: History) -> LegView | None:
            return next((leg for leg in history.live.values() if leg.state == state), None)

        return await self.until(find, within_s)

    async def _read(self, client: ControlClient) -> None:
        with contextlib.suppress(EngineGone):
            async for message in client:
                if isinstance(message, Snapshot):
                    self.state = History.resume(message)
                elif isinstance(message, WholeLegs):
                    self.state.take_whole(message.legs)
                else:
                    for stamped in message:
                        self.events.append(stamped)
                        self.state.apply(stamped)
                self._news.set()


class Engine(Watcher):
    """An engine with scripts of its own in `folder`; `async with` starts and stops it.

    Args:
        folder: an empty folder for scripts, settings, socket and log.
        scripts: source text by script name.
        conf: further lines of `ivr.conf`.
        more: further options on the command line.
    """

    def __init__(
        self, folder: Path, scripts: Mapping[str, str], conf: str = "", more: Sequence[str] = ()
    ) -> None:
        super().__init__(self.log_tail)
        self.scripts = folder / "scripts"
        self.socket = folder / "control.sock"
        self.log_path = folder / "engine.log"
        self.conf = folder / "ivr.conf"
        self._more = more
        self.process: asyncio.subprocess.Process | None = None
        self.scripts.mkdir(parents=True)
        for name, source in scripts.items():
            self.save(name, source)
        self.conf.write_text(f"script_path = scripts\nmax_shutdown_time = 2\nloglevel = 3\n{conf}")

    def save(self, name: str, source: str) -> None:
        """Write a script, as editors do: at no moment is there half of it."""
        new = self.scripts.parent / f"{name}.new"
        new.write_text(textwrap.dedent(source))
        os.replace(new, self.scripts / f"{name}.py")

    @property
    def arguments(self) -> list[str]:
        """Command line of an engine or workbench on this folder."""
        return [
            *("--config", str(self.conf)),
            *("--control-socket", str(self.socket)),
            *("--listen", "udp:127.0.0.1:0"),
            *("--listen", "tcp:127.0.0.1:0"),
            *self._more,
        ]

    def port(self, transport: str = "udp") -> int:
        """Where it takes SIP."""
        listeners = self.state.engine.listeners.values()
        return next(found.port for found in listeners if found.transport == transport and found.up)

    def log_tail(self, n_lines: int = 60) -> str:
        """The end of the engine's log."""
        if not self.log_path.exists():
            return "(no log)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-n_lines:])

    async def ready(self) -> None:
        """Wait until it listens and every script was tried once."""
        names = {path.stem for path in self.scripts.glob("*.py")}
        n_listeners = self.arguments.count("--listen")
        await self.until(
            lambda s: sum(found.up for found in s.engine.listeners.values()) >= n_listeners
        )
        await self.until(lambda s: names <= {n for n, v in s.scripts.items() if v.generations})

    async def __aenter__(self) -> Self:
        with self.log_path.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ivrbench", "--serve", *self.arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        process = self.process
        try:
            await self.connect(self.socket, lambda: process.returncode)
            await self.ready()
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
        assert self.process is not None, "entered before"
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(PATIENCE_S):
                code = await self.process.wait()
        except TimeoutError:
            await self._kill()
            raise AssertionError(f"SIGTERM did not end the engine\n{self.log_tail()}") from None
        if exc[0] is None:
            assert code == 0, f"the engine ended with {code}\n{self.log_tail()}"

    async def _kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
