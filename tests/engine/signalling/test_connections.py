"""Connections: limits, time-outs, reuse, and large requests that leave UDP."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.signalling import connection as one
from ivrbench.engine.signalling import connections as many
from ivrbench.engine.signalling.connection import Connection
from ivrbench.engine.signalling.framing import StreamFraming, WebSocketFraming
from ivrbench.engine.signalling.large_requests import MAX_DATAGRAM_REQUEST_BYTES
from ivrbench.engine.signalling.transports import Transports
from ivrbench.sip.flow import Flow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ivrbench.engine.signalling.framing import Framing

IP = "127.0.0.1"
MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"
LARGE = (
    b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nSubject: "
    + b"x" * MAX_DATAGRAM_REQUEST_BYTES
    + b"\r\nContent-Length: 0\r\n\r\n"
)


class Wire:
    """Transports and what came through them."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.failed: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        self.admitted = True
        self.transports = Transports(
            lambda data, flow: self.got.put_nowait((data, flow)),
            lambda flow, reason: self.failed.put_nowait((flow, reason)),
            lambda: None,
            admit=lambda _: self.admitted,
        )


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Transports that are closed in the end."""
    wire = Wire()
    yield wire
    wire.transports.close()
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left, timeout=5)


async def refused(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


@pytest.mark.net
@pytest.mark.parametrize("why", ["MAX_PER_SOURCE", "MAX_CONNECTIONS", "banned"])
async def test_too_many_connections(wire: Wire, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """One connection beyond a limit is closed; when another has gone there is room again."""
    listener = await wire.transports.open("tcp", IP, 0)
    if why != "banned":
        monkeypatch.setattr(many, why, 1)
    _, first = await asyncio.open_connection(IP, listener.port)
    first.write(MESSAGE)
    flow = (await wire.got.get())[1]
    wire.admitted = why != "banned"
    reader, second = await asyncio.open_connection(IP, listener.port)
    assert await refused(reader)
    second.close()
    assert wire.transports.connections.refused == 1
    wire.admitted = True
    first.close()
    assert (await wire.failed.get())[0] == flow
    await asyncio.sleep(0)
    _, third = await asyncio.open_connection(IP, listener.port)
    third.write(MESSAGE)
    assert (await wire.got.get())[0] == MESSAGE
    third.close()


@pytest.mark.net
async def test_request_waiting_on_a_dialled_connection_hears_of_its_end(wire: Wire) -> None:
    """Who sent on a flow without a connection knows it by that flow, not by the connection's."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, IP, 0)
    flow = Flow("tcp", (IP, 5060), server.sockets[0].getsockname())
    wire.transports.send(MESSAGE, flow)
    gone = [await wire.failed.get(), await wire.failed.get()]
    assert [failed.connection_id > 0 for failed, _ in gone] == [True, False]
    assert gone[1][0] == flow
    await ended.wait()
    server.close()


@pytest.mark.net
@pytest.mark.parametrize(("sent_by", "taken"), [(IP, True), ("192.0.2.9", False)])
async def test_alias_makes_the_connection_reach_the_listening_port(
    wire: Wire, sent_by: str, taken: bool
) -> None:
    """RFC 5923: a request to where the peer listens goes by its connection, for its address."""
    listener = await wire.transports.open("tcp", IP, 0)
    reader, writer = await asyncio.open_connection(IP, listener.port)
    via = f"Via: SIP/2.0/TCP {sent_by}:5999;branch=z9hG4bKx;alias\r\n".encode()
    writer.write(MESSAGE.replace(b"Content", via + b"Content"))
    await wire.got.get()
    to_listener = Flow("tcp", (IP, 5060), (sent_by, 5999))
    assert (wire.transports.connections.find(to_listener) is not None) == taken
    if taken:
        wire.transports.send(MESSAGE, to_listener)
        assert await reader.readexactly(len(MESSAGE)) == MESSAGE
    writer.close()
    await wire.failed.get()
    assert wire.transports.connections.find(to_listener) is None


@pytest.mark.net
async def test_large_request_goes_by_tcp(wire: Wire) -> None:
    """RFC 3261 §18.1.1: beyond 1300 bytes TCP is used, and Via says so; no copy is sent again."""
    server = await asyncio.start_server(lambda r, w: queue.put_nowait((r, w)), IP, 0)
    queue: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    listener = await wire.transports.open("udp", IP, 0)
    flow = Flow("udp", (IP, listener.port), server.sockets[0].getsockname())
    wire.transports.send(LARGE, flow)
    wire.transports.send(LARGE, flow)
    reader, writer = await queue.get()
    assert await reader.readexactly(len(LARGE)) == LARGE.replace(b"0/UDP", b"0/TCP")
    wire.transports.send(LARGE, flow)
    wire.transports.send(LARGE.replace(b"INVITE", b"PUBLISH"), flow)
    assert (await reader.readexactly(7)) == b"PUBLISH"
    writer.write(b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await wire.got.get())[1].transport == "tcp"
    writer.close()
    server.close()


@pytest.mark.net
async def test_large_request_to_a_peer_without_tcp(wire: Wire) -> None:
    """A peer that refuses TCP gets the request by UDP after all, the next one at once."""
    listener = await wire.transports.open("udp", IP, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((IP, 0))
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        flow = Flow("udp", (IP, listener.port), peer.getsockname())
        wire.transports.send(LARGE, flow)
        assert await loop.sock_recv(peer, 65_535) == LARGE
        wire.transports.send(LARGE, flow)
        assert peer.recv(65_535) == LARGE
        response = LARGE.replace(b"INVITE sip:x SIP/2.0", b"SIP/2.0 200 OK")
        wire.transports.send(response, flow)
        assert peer.recv(65_535) == response, "responses stay on the way the request came"
    assert wire.failed.empty()


@pytest.mark.net
async def test_local_address_for_via_and_contact(wire: Wire) -> None:
    """The listener of the same transport and IP version; without one the peer cannot connect."""
    transports = wire.transports
    assert transports.local("udp", IP) is None
    assert transports.local("tls", IP) == (IP, 0)
    v4 = await transports.open("udp", "0.0.0.0", 0)
    v6 = await transports.open("udp", "::1", 0)
    assert transports.local("udp", "127.0.0.2") == (IP, v4.port)
    assert transports.local("udp", "::1") == ("::1", v6.port)


class _Pipe(asyncio.Transport):
    """A connection's transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5060), "sockname": ("192.0.2.2", 5060)})
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def abort(self) -> None:
        self.aborted = True


class Aging:
    """A connection, its clock and what it said."""

    def __init__(self, framing: Framing | None = None) -> None:
        self.now = 100.0
        self.pipe = _Pipe()
        self.messages: list[bytes] = []
        self.connection = Connection(lambda: self.now, self, "tcp", framing or StreamFraming())
        self.connection.connection_made(self.pipe)

    def joined(self, connection: Connection) -> int:
        return 1

    def deliver(self, connection: Connection, message: bytes) -> None:
        self.messages.append(message)

    def left(self, connection: Connection, reason: str) -> None:
        """Nothing is kept."""

    def settled(self) -> None:
        """Nothing is kept."""

    def after(self, seconds: float, in_use: bool = False) -> bool:
        """Whether it is cut when that much time has passed."""
        self.now += seconds
        self.connection.check(self.now, in_use)
        return self.pipe.aborted


def test_connection_that_says_nothing_is_cut() -> None:
    """It holds a place somebody else could use."""
    aging = Aging()
    assert not aging.after(one.FIRST_MESSAGE_WITHIN_S)
    assert aging.after(0.1)


def test_half_a_message_is_not_waited_for_long() -> None:
    """A byte a second must not keep a connection: what counts is when the message began."""
    aging = Aging()
    aging.connection.data_received(MESSAGE)
    for byte in MESSAGE[:31]:
        aging.connection.data_received(bytes([byte]))
        assert not aging.after(1.0)
    aging.connection.data_received(MESSAGE[31:33])
    assert aging.after(1.1)
    assert aging.messages == [MESSAGE]


def test_idle_connection_is_cut_unless_a_call_lives_on_it() -> None:
    """A call may be silent for hours."""
    aging = Aging()
    aging.connection.data_received(MESSAGE)
    assert not aging.after(one.IDLE_S + 1, in_use=True)
    assert aging.after(0.0)


def test_websocket_handshake_has_to_come() -> None:
    """A connection to a WebSocket port that does not speak it is cut early."""
    aging = Aging(WebSocketFraming.server())
    assert not aging.after(one.HANDSHAKE_WITHIN_S)
    assert aging.after(0.1, in_use=True)


def test_keepalive_that_is_answered() -> None:
    """RFC 5626 §4.4.1: a ping when it is due; a single line end back is the answer."""
    aging = Aging()
    aging.connection.keep_alive_s = 60.0
    assert not aging.after(59.0, in_use=True)
    assert aging.pipe.written == b""
    assert not aging.after(1.0, in_use=True)
    assert aging.pipe.written == b"\r\n\r\n"
    aging.now += 1.0
    aging.connection.data_received(b"\r\n")
    assert not aging.after(59.0, in_use=True)
    assert aging.pipe.written == b"\r\n\r\n" * 2
    aging.now += 1.0
    aging.connection.data_received(b"\r\n" + MESSAGE)
    assert aging.messages == [MESSAGE]
    assert aging.pipe.written == b"\r\n\r\n" * 2, "an answer is not taken for half a ping"


def test_keepalive_that_is_not_answered() -> None:
    """The registration has to move to another connection."""
    aging = Aging()
    aging.connection.keep_alive_s = 60.0
    assert not aging.after(60.0, in_use=True)
    assert not aging.after(one.PONG_WITHIN_S, in_use=True)
    assert aging.after(0.1, in_use=True)


def test_peer_that_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not read would fill our memory."""
    aging = Aging()
    monkeypatch.setattr(one, "MAX_UNSENT_BYTES", 100)
    aging.connection.send(b"x" * 100)
    assert not aging.pipe.aborted
    aging.connection.send(b"x")
    assert aging.pipe.aborted
