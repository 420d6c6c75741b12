"""Several flows of one telephone (RFC 5626): ours at Kamailio, baresip's at ours; and several
telephones of one user in their turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.commands import DialOut
from ivrbench.observe.events import RegistrationChanged, SipTraced
from tests.engine.certificates import Certificates

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.kamailio import Kamailio
from .lab.network import IP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

STAYS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onBye(self):
            self.stopSession()
    """


@pytest.fixture(autouse=True)
def _network(network: Network) -> None:
    """All of it stays on a loopback of its own."""


class Relay:
    """Passes TCP connections on to a port, until it does not any more.

    Args:
        port: of this machine.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[asyncio.StreamWriter] = []
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Listen; the port taken."""
        self._server = await asyncio.start_server(self._take, IP, 0)
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """End all connections there are."""
        for each in self._ends:
            each.close()
        self._ends.clear()

    def close(self) -> None:
        """Take no more, and end those there are."""
        self._server.close()
        self.cut()
        for each in self._passing:
            each.cancel()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(IP, self._to)
        self._ends += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
        except OSError:
            pass
        sink.close()


async def account(engine: Engine, reason: str) -> RegistrationChanged:
    """The engine's only account, registered, once what is said of it begins like that."""

    def find(_: object) -> RegistrationChanged | None:
        views = engine.state.engine.registrations.values()
        found = (v for v in views if v.state == "registered" and v.reason.startswith(reason))
        return next((v for v in found if bool(v.reason) == bool(reason)), None)

    return await engine.until(find)


def registered_by(engine: Engine) -> set[tuple[str, int]]:
    """reg-id and port of the REGISTERs that went out with an address to bind."""
    return {
        (event.raw.partition(b";reg-id=")[2][:1].decode(), int(event.remote.rpartition(":")[2]))
        for event in engine.seen(SipTraced, sent=True)
        if event.raw.startswith(b"REGISTER") and b";expires=0" not in event.raw
    }


async def test_our_flows_at_kamailio(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """Two flows, one through each proxy; one that is cut is there again within a second, and while
    one is dead calls come, once, and go by the other.
    """
    need("kamailio")
    need("baresip")
    cert = Certificates(tmp_path).file("127.0.0.1")
    phone = Baresip(tmp_path / "phone", caller_wav)
    async with Kamailio(tmp_path / "proxy", cert, outbound=True) as proxy:
        relay = Relay(proxy.port)
        port = await relay.open()
        conf = (
            f"register = sip:menu@{IP}:{proxy.port};transport=tcp\npassword = secret\n"
            f"outbound_proxy = sip:{IP}:{port};transport=tcp\n"
            f"backup_proxies = sip:{IP}:{proxy.port};transport=tcp\n"
        )
        async with Engine(tmp_path / "engine", {"menu": STAYS}, conf) as engine, phone:
            await engine.until(lambda _: len(registered_by(engine)) == 2 or None)
            assert registered_by(engine) == {("1", port), ("2", proxy.port)}
            await account(engine, "")
            relay.cut()
            await account(engine, "way 1: the other side closed the connection")
            await account(engine, "")
            relay.close()
            await account(engine, "way 1: the registrar cannot be reached")
            await phone.dial("menu", proxy.port)
            await engine.until_leg("up")
            await phone.hang_up()
            await engine.until_done(1)
            invites = [e for e in engine.seen(SipTraced, sent=False) if b"INVITE " in e.raw[:7]]
            assert len(invites) == 1, "one telephone rings once, however many flows it has"
            uri = f"sip:nobody@{IP}:{proxy.port};transport=tcp"
            sender = f"sip:menu@{IP}"
            await engine.ask(DialOut(script="menu", uri=uri, from_=sender))
            await engine.until_done(2)
            sent = [e for e in engine.seen(SipTraced, sent=True) if b"INVITE " in e.raw[:7]]
            assert {e.remote for e in sent} == {f"{IP}:{proxy.port}"}
            assert b";ob>" in sent[0].raw
            assert b"Route: <sip:%s:%d;transport=tcp;lr>" % (IP.encode(), proxy.port) in sent[0].raw
            assert "Traceback" not in engine.log_tail()


async def test_flows_of_baresip_at_ours(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """baresip registers by UDP and by TCP: one telephone, called once, by the newest flow."""
    need("baresip")
    (tmp_path / "users").write_text("ann = secret\n")
    conf = f"users = {tmp_path / 'users'}\n"
    async with Engine(tmp_path / "engine", {"menu": STAYS}, conf) as engine:
        flows = ";sipnat=outbound" + "".join(
            f';outbound{n}="sip:{IP}:{engine.port(transport)};transport={transport}"'
            for n, transport in (("", "udp"), ("2", "tcp"))
        )
        address = f"ann@{IP}:{engine.port()}"
        async with Baresip(tmp_path / "phone", caller_wav, address=address, more=flows) as phone:

            def granted(_: object) -> set[tuple[str, str]] | None:
                found = {
                    (event.transport, reg_id)
                    for event in engine.seen(SipTraced, sent=True, summary="200 OK")
                    for reg_id in ("1", "2")
                    if b"reg-id=" + reg_id.encode() in event.raw and b"\r\nFlow-Timer:" in event.raw
                }
                return found if len({transport for transport, _ in found}) == 2 else None

            await engine.until(granted)
            await engine.ask(DialOut(script="menu", uri=f"sip:ann@{IP}:{engine.port()}"))
            await phone.answer()
            await engine.until_leg("up")
            await phone.hang_up()
            (leg,) = await engine.until_done(1)
    assert leg.code == 200
    traced = engine.seen(SipTraced, sent=True, retransmission=False)
    assert [event.summary.split()[0] for event in traced].count("INVITE") == 1


async def test_baresips_in_their_turn(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """RFC 3261 §16.6: the telephone with the higher q rings alone; the other when that one is
    busy.
    """
    need("baresip")
    (tmp_path / "users").write_text("ann = secret\n")
    conf = f"users = {tmp_path / 'users'}\n"
    async with Engine(tmp_path / "engine", {"menu": STAYS}, conf) as engine:
        address = f"ann@{IP}:{engine.port()}"
        desk, cell = (
            Baresip(tmp_path / q, caller_wav, address=address, more=f";regq={q}")
            for q in ("0.9", "0.3")
        )
        (cell.folder / "uuid").write_text("8dcb79a4-3bd2-4cb7-a3d1-000000000002")
        async with desk, cell:
            await desk.registered()
            await cell.registered()
            await engine.ask(DialOut(script="menu", uri=f"sip:{address}"))
            await desk.event("CALL_INCOMING")
            await desk.command("hangup")
            await cell.answer()
            await engine.until_leg("up")
            await cell.hang_up()
            (leg,) = await engine.until_done(1)
    assert leg.code == 200
    traced = engine.seen(SipTraced, retransmission=False)
    story = [e.summary.split()[0] for e in traced if e.summary[:3] in ("INV", "180", "486")]
    assert story == ["INVITE", "180", "486", "INVITE", "180"]
