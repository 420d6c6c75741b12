"""Registrations over real sockets, at a registrar written by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ivrbench.clock import SystemClock
from ivrbench.config import Account, Settings
from ivrbench.engine.scripts.registry import Registry
from ivrbench.engine.signalling import binding as module
from ivrbench.engine.signalling.dns import Resolver
from ivrbench.engine.signalling.registrations import Registrations
from ivrbench.engine.signalling.routing import Router
from ivrbench.engine.signalling.transports import Transports
from ivrbench.engine.switchboard import Switchboard
from ivrbench.observe.events import Event, RegistrationChanged
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.sip import stun
from ivrbench.sip.auth_server import AuthOutcome, DigestServer
from ivrbench.sip.compose import response_block, response_bytes, tagged
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest
from ivrbench.sip.parser import parse_message
from ivrbench.sip.tokens import RandomTokens

from ..nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.net

IP = "127.0.0.1"


def granted(request: SipRequest) -> tuple[int, str]:
    return 200, f"Contact: {request.header('contact')}\r\n"


class Registrar(asyncio.DatagramProtocol):
    """Answers each REGISTER with what `answer` says: a status and header lines.

    Attributes:
        answer: status 0 gives no answer at all.
        got: the REGISTERs, in order.
        pinged: keepalives.
    """

    def __init__(self, answer: Callable[[SipRequest], tuple[int, str]] = granted) -> None:
        self.answer = answer
        self.got: asyncio.Queue[SipRequest] = asyncio.Queue()
        self.pinged: asyncio.Queue[bytes] = asyncio.Queue()
        self.mapped: tuple[str, int] | None = None

    async def open(self, port: int = 0) -> Registrar:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(IP, port))
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.startswith(b"REGISTER"):
            self.pinged.put_nowait(data)
            message = stun.parse(data)
            if message is not None and self.mapped is not None:
                self.transport.sendto(stun.response(message.transaction_id, self.mapped), addr)
            return
        self.transport.sendto(self.reply(data, Flow("udp", (IP, self.port), addr)), addr)

    def reply(self, data: bytes, flow: Flow) -> bytes:
        request = parse_message(data)
        assert isinstance(request, SipRequest)
        request.check()
        self.got.put_nowait(request)
        code, extra = self.answer(request)
        if not code:
            return b"\r\n"
        return response_bytes(code, "", tagged(response_block(request, flow), request, "r"), extra)


class Lab:
    """A switchboard with real transports, and what became of the accounts."""

    def __init__(self, nameserver: NameServer) -> None:
        loop = asyncio.get_running_loop()
        clock = SystemClock()
        self.changes: asyncio.Queue[RegistrationChanged] = asyncio.Queue()
        self.settings = Settings()
        self.transports = Transports(
            lambda data, flow: self.board.receive(data, flow),
            self._failed,
            lambda: self.board.settle(),
        )
        hub = Hub(clock, History(), lambda *_: None)
        self.board = Switchboard(
            self.settings, loop, clock, hub, Registry(lambda _: None), self.transports.send
        )
        self.board.publish = self._publish
        router = Router(Resolver([IP], nameserver.port), self.transports)
        self.registrations = Registrations(self.board, router, self.transports)
        self.board.on_outcome = self.registrations.take

    def _failed(self, flow: Flow, reason: str) -> None:
        self.board.flow_failed(flow, reason)
        self.registrations.flow_failed(flow, reason)

    def _publish(self, event: Event) -> None:
        if isinstance(event, RegistrationChanged):
            self.changes.put_nowait(event)

    def register(self, uri: str, user: str = "", password: str = "") -> None:
        accounts = (Account(uri, user, password),) if uri else ()
        self.settings = replace(self.settings, register=accounts)
        self.board.apply(self.settings)
        self.registrations.apply(self.settings)

    async def until(self, state: str) -> RegistrationChanged:
        while (change := await self.changes.get()).state != state:
            pass
        return change


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Everything, closed in the end."""
    async with NameServer() as nameserver:
        lab = Lab(nameserver)
        await lab.transports.open("udp", IP, 0)
        yield lab
        await lab.registrations.close(0.0)
    lab.transports.close()
    lab.board.pool.close()
    lab.board.close()
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left, timeout=5)


@pytest.fixture
async def registrar() -> AsyncIterator[Registrar]:
    """A registrar that grants everything."""
    registrar = await Registrar().open()
    yield registrar
    registrar.transport.close()


async def test_register_and_take_it_back(lab: Lab, registrar: Registrar) -> None:
    """The registrar gets our address; when the engine ends it is told to forget it."""
    uri = f"sip:bench@{IP}:{registrar.port}"
    lab.register(uri)
    request = await registrar.got.get()
    listener = lab.transports.listeners[0]
    assert request.uri == f"sip:{IP}:{registrar.port}"
    assert request.to.uri == f"sip:bench@{IP}"
    assert request.header("contact").startswith(f"<sip:bench@{IP}:{listener.port}>;")
    assert (await lab.until("registered")) == RegistrationChanged(uri, "registered", "", 600)
    lab.registrations.leave()
    assert (await registrar.got.get()).header("expires") == "0"
    await lab.until("not registered")
    await lab.registrations.close(5.0)


async def test_login(lab: Lab, registrar: Registrar) -> None:
    """RFC 3261 §22: the challenge is answered; a wrong password is told, and not tried again."""
    guard = DigestServer(
        "example.org", {"own": "right"}.get, b"k" * 16, RandomTokens(), algorithms=("MD5",)
    )

    def answer(request: SipRequest) -> tuple[int, str]:
        verdict = guard.check(request, 1.0)
        if verdict.outcome is AuthOutcome.PROVED:
            return granted(request)
        return 401, guard.challenge(1.0)

    registrar.answer = answer
    lab.register(f"sip:bench@{IP}:{registrar.port}", "own", "right")
    assert (await lab.until("registered")).expires_s == 600
    lab.register(f"sip:other@{IP}:{registrar.port}", "own", "wrong")
    assert (await lab.until("waiting")).reason == "401 Unauthorized"


async def test_next_address_where_one_is_dead(lab: Lab, registrar: Registrar) -> None:
    """RFC 3263 §4.3: nobody takes TCP at the first place, so the next one is asked at once."""
    places = [("tcp", IP, 1), ("udp", IP, registrar.port)]
    find = lab.registrations.router.find

    async def both(uri: str, route: tuple[str, ...] = ()) -> object:
        ways = await find(f"sip:{IP}:{places[0][2]};transport=tcp")
        ways._flows += (await find(f"sip:{IP}:{places[1][2]}"))._flows
        return ways

    lab.registrations.router.find = both  # type: ignore[method-assign, assignment]
    lab.register("sip:bench@example.org")
    assert (await registrar.got.get()).header("via").startswith("SIP/2.0/UDP")
    assert (await lab.until("registered")).expires_s == 600


async def test_registrar_that_is_not_there(lab: Lab) -> None:
    """The reason is a sentence: no such name, nobody at the port."""
    lab.register("sip:bench@nowhere.invalid")
    assert "nowhere.invalid leads to no address" in (await lab.until("waiting")).reason
    lab.register(f"sip:bench@{IP}:1;transport=tcp")
    assert (await lab.until("waiting")).reason == "the registrar cannot be reached"


async def test_connection_that_closes_is_made_again(lab: Lab, registrar: Registrar) -> None:
    """Calls come by the connection the REGISTER went by: a new one is registered soon."""
    connections: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(registrar.reply(request, Flow("tcp", (IP, 1), (IP, 2), 1)))
        connections.put_nowait(writer)

    server = await asyncio.start_server(serve, IP, 0)
    port = server.sockets[0].getsockname()[1]
    lab.register(f"sip:bench@{IP}:{port};transport=tcp")
    await lab.until("registered")
    first = await registrar.got.get()
    (await connections.get()).close()
    assert (await lab.until("waiting")).reason == "the other side closed the connection"
    await lab.until("registered")
    again = await registrar.got.get()
    assert (again.call_id, again.cseq) == (first.call_id, first.cseq + 1)
    (await connections.get()).close()
    server.close()


async def test_keepalives_over_udp(
    lab: Lab, registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5626 §4.4.2: STUN where the registrar knows it; a new address is registered at once."""
    monkeypatch.setattr(module, "DATAGRAM_KEEP_ALIVE_S", 0.0)
    registrar.answer = lambda request: (200, "Require: outbound\r\n")
    registrar.mapped = ("192.0.2.7", 1)
    lab.register(f"sip:bench@{IP}:{registrar.port}")
    await registrar.got.get()
    assert stun.is_stun(await registrar.pinged.get())
    await registrar.pinged.get()
    registrar.mapped = ("192.0.2.7", 2)
    assert (await registrar.got.get()).cseq == 2


async def test_dead_way_over_udp(
    lab: Lab, registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STUN that is not answered any more: the registration is made anew."""
    monkeypatch.setattr(module, "DATAGRAM_KEEP_ALIVE_S", 0.0)
    registrar.answer = lambda request: (200, "Require: outbound\r\n")
    lab.register(f"sip:bench@{IP}:{registrar.port}")
    change = await lab.until("waiting")
    assert change.reason == "the registrar does not answer keepalives"
    assert registrar.pinged.qsize() >= module.MAX_UNANSWERED


async def test_plain_keepalive(lab: Lab, registrar: Registrar) -> None:
    """A registrar without RFC 5626 gets line ends: they keep the NAT open and ask nothing."""
    lab.register(f"sip:bench@{IP}:{registrar.port}")
    assert await registrar.pinged.get() == b"\r\n\r\n"


async def test_account_that_is_taken_out_of_the_file(lab: Lab, registrar: Registrar) -> None:
    """A changed `ivr.conf` takes the address back, without touching the others."""
    lab.register(f"sip:bench@{IP}:{registrar.port}")
    await lab.until("registered")
    await registrar.got.get()
    lab.register("")
    assert (await registrar.got.get()).header("expires") == "0"


@pytest.mark.parametrize(("line", "every_s"), [("Flow-Timer: 50\r\n", 40.0), ("", 100.0)])
async def test_keepalives_as_the_registrar_wants(
    lab: Lab, registrar: Registrar, line: str, every_s: float
) -> None:
    """RFC 5626 §4.4.1: a Flow-Timer decides how often a connection is pinged, not too late."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(registrar.reply(request, Flow("tcp", (IP, 1), (IP, 2), 1)))
        await reader.read()
        writer.close()

    registrar.answer = lambda request: (200, granted(request)[1] + line)
    server = await asyncio.start_server(serve, IP, 0)
    port = server.sockets[0].getsockname()[1]
    lab.register(f"sip:bench@{IP}:{port};transport=tcp")
    await lab.until("registered")
    (connection,) = lab.transports.connections._by_id.values()
    assert connection.keep_alive_s == every_s
    server.close()
