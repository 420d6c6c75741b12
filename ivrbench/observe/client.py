"""The other end of the control socket, for the workbench, the command line and tests."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from ivrbench.errors import ControlError, EngineGone
from ivrbench.observe import wire
from ivrbench.observe.commands import Answered, Command

if TYPE_CHECKING:
    from ivrbench.observe.events import Stamped
    from ivrbench.observe.snapshot import Snapshot, WholeLegs

__all__ = ["ControlClient"]

MAX_WAITING_BATCHES = 100
"""Batches read ahead of the consumer; then the engine has to wait, and at last cuts us."""
_READ_BYTES = 262_144


class ControlClient:
    """A connection to a running engine.

    Iterate over it for a `Snapshot` first and lists of `Stamped` events after it, with `WholeLegs`
    among them where brief legs are watched; `request()` works beside that. Both raise `EngineGone`
    when the engine is not there any more.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._messages: asyncio.Queue[Snapshot | WholeLegs | list[Stamped] | None] = asyncio.Queue(
            MAX_WAITING_BATCHES
        )
        self._answers: dict[int, asyncio.Future[Answered]] = {}
        self._requests = 0
        self._gone: EngineGone | None = None
        writer.write(wire.frame(wire.Hello(wire.PROTOCOL_VERSION)))
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def connect(cls, path: str) -> ControlClient:
        """Connect to the control socket at `path`.

        Raises:
            EngineGone: nobody listens there.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise EngineGone(f"no engine at {path}: {error.strerror or error}") from error
        return cls(reader, writer)

    def __aiter__(self) -> ControlClient:
        return self

    async def __anext__(self) -> Snapshot | WholeLegs | list[Stamped]:
        """The next message.

        Raises:
            EngineGone: the engine is not there any more.
        """
        message = None
        if self._gone is None or not self._messages.empty():
            message = await self._messages.get()
        if message is None:
            raise self._gone or EngineGone("the connection to the engine is closed")
        return message

    async def request(self, command: Command) -> Answered:
        """Ask the engine to do something, and wait for its answer.

        Args:
            command: its `request` number is set here.

        Raises:
            EngineGone: the engine went away before it answered.
        """
        if self._gone is not None:
            raise self._gone
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._writer.write(wire.frame(msgspec.structs.replace(command, request=number)))
            return await answer
        finally:
            del self._answers[number]

    async def close(self) -> None:
        """Leave; the engine goes on."""
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        self._leave(EngineGone("the connection to the engine is closed"))
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = wire.FrameReader(wire.MAX_MESSAGE_BYTES)
        gone = EngineGone("the engine closed the connection")
        try:
            while data := await reader.read(_READ_BYTES):
                for body in frames.feed(data):
                    await self._take(wire.decode_server(body))
        except EngineGone as rejected:
            gone = rejected
        except ControlError as error:
            gone = EngineGone(str(error))
        except OSError as error:
            gone = EngineGone(f"the connection to the engine broke: {error.strerror or error}")
        self._leave(gone)
        self._writer.close()
        await self._messages.put(None)

    async def _take(self, message: wire.ServerMessage) -> None:
        match message:
            case Answered():
                answer = self._answers.get(message.request)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            case wire.Batch():
                await self._messages.put(message.events)
            case wire.Rejected():
                raise EngineGone(message.text)
            case _:
                await self._messages.put(message)

    def _leave(self, gone: EngineGone) -> None:
        self._gone = self._gone or gone
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self._gone)
