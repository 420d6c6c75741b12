"""Client and server of the control socket, joined by a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from ivrbench.clock import ManualClock
from ivrbench.errors import EngineGone, IvrbenchError
from ivrbench.observe import events as ev
from ivrbench.observe import wire
from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import Answered, Command, HangUp, Stop, Watch
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.observe.serve import serve_connection
from ivrbench.observe.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

KEY = ev.KeyReceived("c1", 1, 100, "INFO")


class Engine:
    """A hub with connections over socket pairs."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.hub = Hub(self.clock, History())
        self.commands: list[Command] = []
        self.serving: list[asyncio.Task[None]] = []
        self.handle: Callable[[Command], Awaitable[Answered]] = self.agree

    async def agree(self, command: Command) -> Answered:
        self.commands.append(command)
        return Answered(command.request, ok=True, text="done")

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The client's end of a new connection."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        self.serving.append(
            asyncio.create_task(
                serve_connection(reader, writer, self.hub, lambda command: self.handle(command))
            )
        )
        return await asyncio.open_connection(sock=theirs)

    async def client(self) -> ControlClient:
        return ControlClient(*await self.streams())

    async def close(self) -> None:
        for task in self.serving:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    await engine.close()


async def events_of(client: ControlClient, n_events: int) -> list[ev.Stamped]:
    got: list[ev.Stamped] = []
    while len(got) < n_events:
        batch = await anext(client)
        assert isinstance(batch, list)
        got += batch
    return got


async def test_snapshot_then_events_then_answers(engine: Engine) -> None:
    """The first message is the state, everything after it follows in order."""
    engine.hub.publish(KEY)
    client = await engine.client()
    snapshot = await anext(client)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.seq == 1
    for _ in range(3):
        engine.hub.publish(KEY)
    assert [s.seq for s in await events_of(client, 3)] == [2, 3, 4]
    answered = await client.request(HangUp("c1"))
    assert answered == Answered(1, ok=True, text="done")
    assert engine.commands == [HangUp("c1", request=1)]
    await client.close()
    with pytest.raises(EngineGone):
        await client.request(HangUp("c1"))


async def test_last_words_of_an_engine(engine: Engine) -> None:
    """What was published before the engine closes is sent, also right behind what was sent."""
    client = await engine.client()
    await anext(client)
    engine.hub.publish(KEY)
    await events_of(client, 1)
    engine.hub.publish(KEY)
    await engine.close()
    (last,) = await events_of(client, 1)
    assert last.seq == 2
    with pytest.raises(EngineGone):
        await anext(client)
    await client.close()


async def test_a_command_that_fails_is_answered(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of ours becomes the answer; a defect too, and is logged. The client stays."""

    async def refuse(command: Command) -> Answered:
        if isinstance(command, Stop):
            raise ZeroDivisionError("oops")
        raise IvrbenchError("no such leg: c9")

    engine.handle = refuse
    client = await engine.client()
    assert await client.request(HangUp("c9")) == Answered(1, ok=False, text="no such leg: c9")
    answered = await client.request(Stop())
    assert (answered.ok, "oops" in answered.text) == (False, True)
    assert "command Stop failed" in caplog.text
    await client.close()


async def test_watch_is_answered_by_the_connection(engine: Engine) -> None:
    """It concerns what this client gets; when the client goes, nobody watches."""
    heard: list[tuple[frozenset[str], bool]] = []
    engine.hub.on_watch = lambda legs, all_legs: heard.append((legs, all_legs))
    client = await engine.client()
    assert (await client.request(Watch(("c1",)))).ok
    await client.close()
    await engine.serving[0]
    assert heard == [(frozenset({"c1"}), False), (frozenset(), False)]
    assert engine.hub.clients == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x02{}",
        wire.frame(HangUp("c1")),
        wire.frame(wire.Hello(wire.PROTOCOL_VERSION)) * 2,
        wire.frame(wire.Hello(wire.PROTOCOL_VERSION)) + b"\xff\xff\xff\xff",
    ],
)
async def test_garbage_cuts_the_client_and_is_counted(engine: Engine, garbage: bytes) -> None:
    """Nobody else notices."""
    good = await engine.client()
    await anext(good)
    reader, writer = await engine.streams()
    writer.write(garbage)
    with contextlib.suppress(ConnectionError):
        await reader.read()
    await engine.serving[1]
    assert engine.hub.clients_garbled == 1
    assert engine.hub.clients == 1
    engine.hub.publish(KEY)
    assert len(await events_of(good, 1)) == 1
    writer.close()
    await good.close()


async def test_looking_whether_somebody_is_there_is_no_garbage(engine: Engine) -> None:
    """Connecting and leaving without a word is nothing to warn of."""
    _, writer = await engine.streams()
    writer.close()
    await engine.serving[0]
    assert engine.hub.clients_garbled == 0


async def test_another_version_is_told_so(engine: Engine) -> None:
    """The sentence says what to do."""
    reader, writer = await engine.streams()
    writer.write(wire.frame(wire.Hello(99)))
    message = wire.decode_server((await reader.read())[4:])
    assert isinstance(message, wire.Rejected)
    assert "client version 99" in message.text
    writer.close()


async def test_a_client_that_is_too_slow_is_cut_and_comes_back(engine: Engine) -> None:
    """It gets the state anew and has lost nothing that the state holds."""
    client = await engine.client()
    await anext(client)
    engine.hub.publish(KEY)
    engine.clock.advance(11.0)
    engine.hub.publish(KEY)
    with pytest.raises(EngineGone):
        await events_of(client, 1)
    again = await engine.client()
    snapshot = await anext(again)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.seq == 2
    await client.close()
    await again.close()


async def test_an_engine_that_dies_ends_iteration_and_requests(engine: Engine) -> None:
    """Both raise `EngineGone`, so that nobody waits for ever."""
    never = asyncio.Event()

    async def hang(command: Command) -> Answered:
        await never.wait()
        return Answered(command.request, ok=True)

    engine.handle = hang
    client = await engine.client()
    await anext(client)
    request = asyncio.create_task(client.request(HangUp("c1")))
    await asyncio.sleep(0)
    await engine.close()
    with pytest.raises(EngineGone):
        await request
    with pytest.raises(EngineGone):
        await anext(client)
    with pytest.raises(EngineGone):
        await anext(client)
    await client.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (wire.frame(wire.Rejected("use the same ivrbench for both")), "use the same ivrbench"),
        (b"\x00\x00\x00\x01\xff", "the engine sent an unknown message"),
        (b"\xff\xff\xff\xff", "bytes, .* are allowed"),
        (wire.frame(Answered(99, ok=True)), "the engine closed the connection"),
    ],
)
async def test_a_client_says_why_it_ended(said: bytes, reason: str) -> None:
    """Refused, not our protocol, or just gone; an answer nobody waits for is no reason."""
    ours, theirs = socket.socketpair()
    client = ControlClient(*await asyncio.open_connection(sock=ours))
    _, writer = await asyncio.open_connection(sock=theirs)
    writer.write(said)
    await writer.drain()
    writer.write_eof()
    with pytest.raises(EngineGone, match=reason):
        await anext(client)
    writer.close()
    await client.close()


@pytest.mark.net
async def test_over_a_real_socket(engine: Engine, tmp_path: Path) -> None:
    """`connect` takes the path of a Unix socket."""
    path = str(tmp_path / "s")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(reader, writer, engine.hub, engine.handle)

    async with await asyncio.start_unix_server(serve, path):
        client = await ControlClient.connect(path)
        assert [type(message) async for message in _first(client)] == [Snapshot]
        await client.close()


async def _first(client: ControlClient) -> AsyncIterator[object]:
    async for message in client:
        yield message
        return


async def test_many_commands_wait_their_turn(engine: Engine) -> None:
    """Sixteen at a time: a client cannot fill the engine with tasks."""
    running = most = 0

    async def slow(command: Command) -> Answered:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return Answered(command.request, ok=True)

    engine.handle = slow
    client = await engine.client()
    answers = await asyncio.gather(*(client.request(HangUp(f"c{n}")) for n in range(100)))
    assert all(answer.ok for answer in answers)
    assert 1 < most <= 16
    await client.close()


async def test_nobody_at_the_socket() -> None:
    """The sentence names the path."""
    with pytest.raises(EngineGone, match="no engine at /nowhere/at/all"):
        await ControlClient.connect("/nowhere/at/all")
