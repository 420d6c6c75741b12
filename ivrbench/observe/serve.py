"""One client of the control socket, as the engine sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from ivrbench.errors import ControlError, IvrbenchError
from ivrbench.observe import wire
from ivrbench.observe.commands import Answered, Command, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from ivrbench.observe.hub import Feed, Hub

__all__ = ["serve_connection"]

HELLO_WITHIN_S = 5.0
BATCH_INTERVAL_S = 0.01
"""Events of this long go out together: at most 100 writes a second per client."""
MAX_PENDING_COMMANDS = 16
_READ_BYTES = 65_536

_log = logging.getLogger("ivrbench.observe")


async def serve_connection(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    hub: Hub,
    handle_command: Callable[[Command], Awaitable[Answered]],
) -> None:
    """Serve one client until it goes, sends garbage, or is too slow. Closes the writer.

    `Watch` is answered here; every other command goes to `handle_command`, several at a time.

    Args:
        reader: the client's side of an accepted connection.
        writer: its other half.
        hub: gives snapshot and events.
        handle_command: carries a command out; an `IvrbenchError` it raises becomes the answer.
    """
    messages = _messages(reader)
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            hello = await anext(messages, None)
        if hello is None:
            return  # somebody looked whether we are here
        refusal = _check_hello(hello)
        if refusal:
            writer.write(wire.frame(wire.Rejected(refusal)))
            await writer.drain()
        else:
            await _serve(messages, writer, hub, handle_command)
    except ControlError as error:
        hub.clients_garbled += 1
        _log.warning("control socket: %s; connection cut", error)
    except (OSError, TimeoutError):
        pass  # it went away, or never said who it is: nothing to tell it
    finally:
        await messages.aclose()
        # What a client that was cut has not read yet is not worth waiting for.
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()
        else:
            writer.close()


def _check_hello(message: wire.ClientMessage) -> str:
    if not isinstance(message, wire.Hello):
        raise ControlError("the first message is not Hello")
    if message.version != wire.PROTOCOL_VERSION:
        return (
            f"this engine speaks version {wire.PROTOCOL_VERSION} of the control protocol, "
            f"the client version {message.version}: use the same ivrbench for both"
        )
    return ""


async def _messages(reader: asyncio.StreamReader) -> AsyncGenerator[wire.ClientMessage]:
    frames = wire.FrameReader(wire.MAX_COMMAND_BYTES)
    while data := await reader.read(_READ_BYTES):
        for body in frames.feed(data):
            yield wire.decode_client(body)


async def _serve(
    messages: AsyncIterator[wire.ClientMessage],
    writer: asyncio.StreamWriter,
    hub: Hub,
    handle_command: Callable[[Command], Awaitable[Answered]],
) -> None:
    ready = asyncio.Event()
    snapshot, feed = hub.connect(ready.set)
    writer.write(snapshot)
    receiving = asyncio.create_task(_receive(messages, hub, feed, handle_command))
    sending = asyncio.create_task(_send(writer, feed, ready))
    try:
        done, _ = await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        hub.disconnect(feed)
        for task in (receiving, sending):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _send(writer: asyncio.StreamWriter, feed: Feed, ready: asyncio.Event) -> None:
    try:
        while True:
            await ready.wait()
            ready.clear()
            if feed.is_cut:
                return
            writer.writelines(feed.take())
            await writer.drain()
            await asyncio.sleep(BATCH_INTERVAL_S)
    except asyncio.CancelledError:
        # The engine stops: how its last calls ended, and why.
        if not (feed.is_cut or writer.is_closing()):
            writer.writelines(feed.take())
        raise


async def _receive(
    messages: AsyncIterator[wire.ClientMessage],
    hub: Hub,
    feed: Feed,
    handle_command: Callable[[Command], Awaitable[Answered]],
) -> None:
    pending: set[asyncio.Task[None]] = set()
    try:
        async for message in messages:
            if isinstance(message, wire.Hello):
                raise ControlError("a second Hello")
            if isinstance(message, Watch):
                hub.watch(feed, message)
                feed.answer(Answered(message.request, ok=True))
                continue
            if len(pending) >= MAX_PENDING_COMMANDS:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(_answer(message, feed, handle_command))
            pending.add(task)
            task.add_done_callback(pending.discard)
    finally:
        for task in pending:
            task.cancel()


async def _answer(
    command: Command, feed: Feed, handle_command: Callable[[Command], Awaitable[Answered]]
) -> None:
    try:
        answered = await handle_command(command)
    except IvrbenchError as error:
        answered = Answered(command.request, ok=False, text=str(error))
    except Exception as error:
        _log.exception("command %s failed", type(command).__name__)
        text = f"{type(command).__name__} failed in the engine: {error!r}"
        answered = Answered(command.request, ok=False, text=text)
    feed.answer(answered)
