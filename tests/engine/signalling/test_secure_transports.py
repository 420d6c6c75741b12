"""TLS and WebSocket, on loopback: certificates on both sides, frames of both kinds."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from ivrbench.engine.signalling.tls import tls_contexts
from ivrbench.errors import ConfigError
from ivrbench.sip.flow import Flow

from ..certificates import Certificates
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ivrbench.config import Settings

pytestmark = pytest.mark.net

IP = "127.0.0.1"
SIP = Subprotocol("sip")
MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"
UNREADABLE = b"MESSAGE sip:x SIP/2.0\r\nContent-Length: 2\r\n\r\n\xff\xfe"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One authority for all tests here: making one takes a while."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def wires() -> AsyncIterator[Callable[..., Wire]]:
    """Makes transports that are closed in the end."""
    made: list[Wire] = []

    def make(settings: Settings | None = None) -> Wire:
        made.append(Wire(tls_contexts(settings) if settings is not None else None))
        return made[-1]

    yield make
    for wire in made:
        wire.transports.close()
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left, timeout=5)


async def test_tls_between_two_engines(
    certificates: Certificates, wires: Callable[..., Wire]
) -> None:
    """The side that connects checks the name it wants; both then use the one connection."""
    ours, theirs = (
        wires(certificates.settings("pbx.example")),
        wires(certificates.settings("sip.example")),
    )
    listener = await theirs.transports.open("tls", IP, 0)
    flow = Flow("tls", (IP, 5061), (IP, listener.port), host="sip.example")
    ours.transports.send(MESSAGE, flow)
    data, back = await theirs.got.get()
    assert (data, back.transport, back.connection_id > 0) == (MESSAGE, "tls", True)
    theirs.transports.send(MESSAGE, back)
    data, came_by = await ours.got.get()
    assert data == MESSAGE
    assert (came_by.local, came_by.remote) == (flow.local, flow.remote)
    ours.transports.send(MESSAGE, flow)
    assert (await theirs.got.get())[1] == back, "the connection is used again"


@pytest.mark.parametrize("name", ["other.example", ""])
async def test_server_with_another_name_gets_nothing(
    certificates: Certificates, wires: Callable[..., Wire], name: str
) -> None:
    """RFC 5922 §7.1: neither another name nor the bare address fits this certificate."""
    theirs = wires(certificates.settings("sip.example"))
    listener = await theirs.transports.open("tls", IP, 0)
    flow = Flow("tls", (IP, 5061), (IP, listener.port), host=name)
    ours = wires(certificates.settings("pbx.example"))
    ours.transports.send(MESSAGE, flow)
    failed, reason = await ours.failed.get()
    assert failed == flow
    assert "certificate is not accepted" in reason
    careless = wires(certificates.settings("pbx.example", verify_server=False))
    careless.transports.send(MESSAGE, flow)
    assert (await theirs.got.get())[0] == MESSAGE


async def test_connection_checked_for_one_name_does_not_serve_another(
    certificates: Certificates, wires: Callable[..., Wire]
) -> None:
    """RFC 5923 §9: two domains at one address need a connection each."""
    theirs = wires(certificates.settings("one.example", "two.example"))
    listener = await theirs.transports.open("tls", IP, 0)
    ours = wires(certificates.settings("pbx.example"))
    one = Flow("tls", (IP, 5061), (IP, listener.port), host="one.example")
    ours.transports.send(MESSAGE, one)
    first = (await theirs.got.get())[1]
    ours.transports.send(MESSAGE, replace(one, host="two.example"))
    assert (await theirs.got.get())[1] != first


async def test_client_has_to_show_a_certificate_where_asked(
    certificates: Certificates, wires: Callable[..., Wire]
) -> None:
    """`tls_verify_client`: without a certificate of the authority not one byte gets in."""
    wire = wires(certificates.settings("sip.example", verify_client=True))
    listener = await wire.transports.open("tls", IP, 0)
    reader, writer = await asyncio.open_connection(
        IP, listener.port, ssl=certificates.client(), server_hostname="sip.example"
    )
    writer.write(MESSAGE)
    # TLS 1.3: the client learns only now that it was refused, by an alert or by the end.
    with contextlib.suppress(OSError):
        assert await reader.read() == b""
    writer.transport.abort()
    _, writer = await asyncio.open_connection(
        IP, listener.port, ssl=certificates.client("bob.example"), server_hostname="sip.example"
    )
    writer.write(MESSAGE)
    assert (await wire.got.get())[0] == MESSAGE
    assert wire.got.empty()
    writer.transport.abort()


async def test_plain_text_on_a_tls_port(
    certificates: Certificates, wires: Callable[..., Wire]
) -> None:
    """A peer without TLS is closed, and the next one is served."""
    wire = wires(certificates.settings("sip.example"))
    listener = await wire.transports.open("tls", IP, 0)
    reader, writer = await asyncio.open_connection(IP, listener.port)
    writer.write(MESSAGE)
    await reader.read()
    writer.close()
    _, writer = await asyncio.open_connection(
        IP, listener.port, ssl=certificates.client(), server_hostname="sip.example"
    )
    writer.write(MESSAGE)
    assert (await wire.got.get())[0] == MESSAGE
    writer.transport.abort()


def test_certificates_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    """The sentence names the file, at start-up rather than at the first handshake."""
    good = certificates.settings("sip.example")
    with pytest.raises(ConfigError, match=r"tls_cert: /gone\.pem: No such file"):
        tls_contexts(replace(good, tls_cert="/gone.pem"))  # type: ignore[arg-type]
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"tls_cert: .*text\.pem: no certificate with its"):
        tls_contexts(replace(good, tls_cert=text))
    with pytest.raises(ConfigError, match=r"tls_ca: .*text\.pem: no certificates in PEM"):
        tls_contexts(replace(good, tls_ca=text))
    with pytest.raises(ConfigError, match=r"tls_key: .*gone: No such file"):
        tls_contexts(replace(good, tls_key=tmp_path / "gone"))


@pytest.mark.parametrize("secure", [False, True])
async def test_websocket_both_ways(
    certificates: Certificates, wires: Callable[..., Wire], secure: bool
) -> None:
    """RFC 7118: text and binary frames each hold one message; ours are text where they can be."""
    wire = wires(certificates.settings("127.0.0.1"))
    transport = "wss" if secure else "ws"
    listener = await wire.transports.open(transport, IP, 0)
    ssl = certificates.client() if secure else None
    async with connect(
        f"{transport}://{IP}:{listener.port}/", subprotocols=[SIP], ssl=ssl
    ) as browser:
        assert browser.subprotocol == SIP
        await browser.send(MESSAGE.decode())
        data, flow = await wire.got.get()
        assert (data, flow.transport) == (MESSAGE, transport)
        await browser.send(UNREADABLE)
        assert (await wire.got.get())[0] == UNREADABLE
        await browser.send([MESSAGE[:10], MESSAGE[10:]])
        assert (await wire.got.get())[0] == MESSAGE
        wire.transports.send(MESSAGE, flow)
        wire.transports.send(UNREADABLE, flow)
        assert await browser.recv() == MESSAGE.decode()
        assert await browser.recv() == UNREADABLE
        await (await browser.ping())
        await browser.send("\r\n\r\n")
        assert await browser.recv() == "\r\n", "what SIP stacks in browsers do for a ping"
    assert (await wire.failed.get())[0] == flow


async def test_websocket_for_something_else_is_refused(wires: Callable[..., Wire]) -> None:
    """RFC 7118 §4.1: without the subprotocol `sip` the handshake is refused."""
    wire = wires()
    listener = await wire.transports.open("ws", IP, 0)
    with pytest.raises(InvalidStatus, match="400"):
        await connect(f"ws://{IP}:{listener.port}/", subprotocols=[Subprotocol("chat")])
    reader, writer = await asyncio.open_connection(IP, listener.port)
    writer.write(MESSAGE)
    await reader.read()
    writer.close()
    assert wire.got.empty()


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_websocket_between_two_engines(
    certificates: Certificates, wires: Callable[..., Wire], transport: str
) -> None:
    """Messages sent while the handshake is under way go out after it, in order."""
    ours = wires(certificates.settings("pbx.example"))
    theirs = wires(certificates.settings("sip.example"))
    listener = await theirs.transports.open(transport, IP, 0)
    flow = Flow(transport, (IP, 0), (IP, listener.port), host="sip.example")
    ours.transports.send(MESSAGE, flow)
    ours.transports.send(UNREADABLE, flow)
    assert (await theirs.got.get())[0] == MESSAGE
    data, back = await theirs.got.get()
    assert data == UNREADABLE
    theirs.transports.send(MESSAGE, back)
    assert (await ours.got.get())[0] == MESSAGE


async def test_websocket_server_that_is_none(wires: Callable[..., Wire]) -> None:
    """A web server that knows no WebSocket: the message comes back as failed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, IP, 0)
    wire = wires()
    flow = Flow("ws", (IP, 0), server.sockets[0].getsockname())
    wire.transports.send(MESSAGE, flow)
    reasons = {await wire.failed.get() for _ in range(2)}
    assert flow in {failed for failed, _ in reasons}
    assert any("WebSocket handshake" in reason for _, reason in reasons)
    server.close()
