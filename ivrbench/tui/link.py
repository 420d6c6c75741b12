"""The connection to the engine: keeps the model up to date, comes back when it was cut."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from ivrbench.errors import EngineGone
from ivrbench.observe.commands import Answered, Command, Watch
from ivrbench.observe.snapshot import Snapshot, WholeLegs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ivrbench.clock import Clock
    from ivrbench.observe.events import Stamped
    from ivrbench.tui.model import Model

__all__ = ["Client", "Link"]

RETRY_S = 1.0
"""How often to look for an engine that is down."""


class Client(Protocol):
    """What the link needs of a `ControlClient`."""

    def __aiter__(self) -> AsyncIterator[Snapshot | WholeLegs | list[Stamped]]:
        """A snapshot, then lists of events and legs; `EngineGone` at the end."""

    async def request(self, command: Command) -> Answered:
        """Ask, and wait for the answer."""

    async def close(self) -> None:
        """Leave."""


class Link:
    """Reads from the engine into the model as long as the workbench runs.

    Args:
        model: kept up to date.
        connect: makes a connection; raises `EngineGone` if there is no engine.
        clock: when the engine was lost.
        changed: called after the model changed.
        lost: called when the engine is not there any more, and again after each `again()` that
            found none.
    """

    def __init__(
        self,
        model: Model,
        connect: Callable[[], Awaitable[Client]],
        clock: Clock,
        changed: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._model = model
        self.connect = connect
        self._clock = clock
        self._changed = changed
        self._lost = lost
        self._client: Client | None = None
        self._again = asyncio.Event()
        self._watched: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    async def run(self) -> None:
        """Connect, read, and connect again, until cancelled."""
        reason = ""
        while True:
            try:
                client = await self.connect()
            except EngineGone as error:
                # Cut for being slow and refused now: the first reason says more.
                self._lose(reason or str(error))
                reason = ""
                await self._wait()
                continue
            reason = await self._read(client)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self._again.wait()
        if self._again.is_set():
            self._again.clear()
            self._model.link = "connecting"
            self._changed()

    def again(self) -> None:
        """Look for the engine now."""
        self._again.set()

    async def ask(self, command: Command) -> Answered:
        """Ask the engine; that there is none is an answer too."""
        if self._client is None:
            return Answered(0, ok=False, text="the engine is not there")
        try:
            return await self._client.request(command)
        except EngineGone as error:
            return Answered(0, ok=False, text=str(error))

    def wants_watch(self, legs: tuple[str, ...], inspected: tuple[str, ...] = ()) -> bool:
        """True if the engine has to be told that these legs are watched, and these inspected."""
        return (legs, inspected) != self._watched and self._client is not None

    async def watch(self, legs: tuple[str, ...], inspected: tuple[str, ...] = ()) -> None:
        """Ask for the levels of these legs only, and for the attributes of these."""
        self._watched = (legs, inspected)
        await self.ask(Watch(legs, inspected=inspected))

    async def _read(self, client: Client) -> str:
        self._client, self._watched = client, ((), ())
        try:
            async for message in client:
                if isinstance(message, Snapshot):
                    self._model.take_snapshot(message)
                elif isinstance(message, WholeLegs):
                    self._model.history.take_whole(message.legs)
                else:
                    self._model.take_events(message)
                self._changed()
        except EngineGone as gone:
            return str(gone)
        finally:
            self._client = None
            await client.close()
        return "the engine closed the connection"

    def _lose(self, reason: str) -> None:
        was_down = self._model.link == "down"
        self._model.lose_engine(reason, self._clock.wall())
        self._changed()
        if not was_down:
            self._lost()
