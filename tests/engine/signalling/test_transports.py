"""SIP sockets, on loopback."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.signalling.transports import PortTaken
from ivrbench.sip.flow import Flow

from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.net

MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Transports that are closed in the end."""
    wire = Wire()
    yield wire
    wire.transports.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
async def test_datagrams_both_ways(wire: Wire, ip: str) -> None:
    """The flow of a datagram leads its answer back."""
    listener = await wire.transports.open("udp", ip, 0)
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.bind((ip, 0))
        peer.sendto(MESSAGE, (ip, listener.port))
        data, flow = await wire.got.get()
        assert data == MESSAGE
        assert flow == Flow("udp", (ip, listener.port), (ip, peer.getsockname()[1]))
        wire.transports.send(b"answer", flow)
        assert peer.recv(100) == b"answer"


async def test_wildcard_listener_shows_its_concrete_address(wire: Wire) -> None:
    """Via and Contact are made from the flow's local address: 0.0.0.0 would lead nowhere."""
    listener = await wire.transports.open("udp", "0.0.0.0", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.sendto(MESSAGE, ("127.0.0.1", listener.port))
        _, flow = await wire.got.get()
        assert flow.local == ("127.0.0.1", listener.port)
        wire.transports.send(b"answer", flow)
        assert peer.recv(100) == b"answer"


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
async def test_connections_both_ways(wire: Wire, ip: str) -> None:
    """Messages are cut out of the stream; the answer goes back on the same connection."""
    listener = await wire.transports.open("tcp", ip, 0)
    reader, writer = await asyncio.open_connection(ip, listener.port)
    writer.write(MESSAGE + MESSAGE[:20])
    data, flow = await wire.got.get()
    assert data == MESSAGE
    assert flow.connection_id > 0
    writer.write(MESSAGE[20:])
    assert (await wire.got.get())[0] == MESSAGE
    wire.transports.send(b"answer", flow)
    assert await reader.readexactly(6) == b"answer"
    writer.write(b"\r\n\r\n")
    assert await reader.readexactly(2) == b"\r\n", "RFC 5626 §3.5.1: a ping is answered"
    writer.close()
    assert (await wire.failed.get())[0] == flow
    wire.transports.send(b"too late", flow)
    assert (await wire.failed.get())[1] == "the connection is closed"


async def test_stream_that_cannot_be_followed_is_closed(wire: Wire) -> None:
    """Without a Content-Length nobody knows where the next message begins."""
    listener = await wire.transports.open("tcp", "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"OPTIONS sip:x SIP/2.0\r\nTo: x\r\n\r\nBYE ...\r\n\r\n")
    assert await reader.read() == b""
    assert (await wire.failed.get())[1]
    writer.close()


async def test_dialling_out(wire: Wire) -> None:
    """A flow without a connection makes one; both messages of one turn go through it."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.put_nowait(await reader.readexactly(6))
        writer.write(MESSAGE)
        await reader.read()
        writer.close()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    flow = Flow("tcp", ("127.0.0.1", 0), ("127.0.0.1", port))
    wire.transports.send(b"one", flow)
    wire.transports.send(b"two", flow)
    assert await arrived.get() == b"onetwo"
    assert (await wire.got.get())[0] == MESSAGE
    wire.transports.close()
    await ended.wait()
    server.close()


async def test_dialling_where_nobody_listens(wire: Wire) -> None:
    """The failure comes back with the flow, nothing is raised."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        flow = Flow("tcp", ("127.0.0.1", 0), unused.getsockname())
        wire.transports.send(b"hello", flow)
        assert (await wire.failed.get())[0] == flow


async def test_port_taken(wire: Wire) -> None:
    """The sentence names transport, address and port, and says what can be done."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            await wire.transports.open("udp", "127.0.0.1", port)
        assert f"udp:127.0.0.1:{port}: port in use" in str(caught.value)
        listener = await wire.transports.open("udp", "127.0.0.1", port, next_free=True)
        assert port < listener.port < port + 100
        assert listener.wanted_port == port


async def test_address_that_is_not_ours(wire: Wire) -> None:
    """Another reason than a taken port is said as it is."""
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1:5060: Cannot assign requested address"):
        await wire.transports.open("tcp", "192.0.2.1", 5060)
