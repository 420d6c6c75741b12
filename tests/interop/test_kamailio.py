"""The engine at a provider: registered at Kamailio by every transport, called through it, and
taken out of its list when it ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import RegistrationChanged, SipTraced
from tests.engine.certificates import Certificates

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.kamailio import Kamailio
from .lab.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

STAYS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onBye(self):
            self.stopSession()
    """

LINGERS = (
    STAYS
    + """
        def onServerShutdown(self):
            pass
    """
)


@pytest.fixture(autouse=True)
def _peers(network: Network, need: Callable[[str], None]) -> None:
    need("kamailio")
    need("baresip")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def registration(engine: Engine, state: str) -> RegistrationChanged:
    """The engine's only account, once it is there."""
    return await engine.until(
        lambda s: next((r for r in s.engine.registrations.values() if r.state == state), None)
    )


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "ws"])
async def test_registered_and_called_through_the_registrar(
    tmp_path: Path, caller_wav: Path, certificates: Certificates, transport: str
) -> None:
    """REGISTER with a password; a call to our address comes by the way it went, with
    Record-Route; its BYE takes the same way; the address is taken back at the end.
    """
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    account = f"sip:menu@{proxy.address(transport)}"
    conf = f"register = {account}\npassword = secret\ntls_ca = {certificates.ca}\n"
    engine = Engine(tmp_path / "engine", {"menu": STAYS}, conf)
    phone = Baresip(tmp_path / "phone", caller_wav)
    async with proxy:
        async with engine, phone:
            change = await registration(engine, "registered")
            assert change.account == account
            assert change.expires_s > 0
            await phone.dial("menu", proxy.port)
            leg = await engine.until_leg("up")
            await phone.hang_up()
            await engine.until_done(1)
            assert leg.started.script == "menu"
            calls = [e for e in engine.seen(SipTraced) if b"INVITE sip:menu@" in e.raw[:20]]
            assert {call.transport for call in calls} == {transport}
            assert b"\r\nRecord-Route:" in calls[0].raw
        assert "Traceback" not in engine.log_tail()


async def test_wrong_password(tmp_path: Path, certificates: Certificates) -> None:
    """The workbench says why nothing comes: 401, and the account."""
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    conf = f"register = sip:menu@{proxy.address('udp')}\npassword = guess\n"
    async with proxy, Engine(tmp_path / "engine", {"menu": STAYS}, conf) as engine:
        change = await registration(engine, "waiting")
        assert change.reason == "401 Unauthorized"


async def test_proxy_that_shows_another_name(tmp_path: Path, certificates: Certificates) -> None:
    """TLS to a server whose certificate is for somebody else: no password is sent there."""
    proxy = Kamailio(tmp_path / "proxy", certificates.file("other.example"))
    conf = (
        f"register = sip:menu@{proxy.address('tls')}\npassword = secret\n"
        f"tls_ca = {certificates.ca}\n"
    )
    async with proxy, Engine(tmp_path / "engine", {"menu": STAYS}, conf) as engine:
        change = await registration(engine, "waiting")
        assert change.reason == "the registrar cannot be reached"
        assert "certificate is not accepted" in engine.log_tail()


async def test_front_proxy_stops_sending_calls_while_we_drain(
    tmp_path: Path, caller_wav: Path, certificates: Certificates
) -> None:
    """Probed by OPTIONS: 200 while we serve, 503 from SIGTERM on; the call that is up stays up
    as long as it is allowed to.
    """
    engine = Engine(tmp_path / "engine", {"menu": LINGERS}, "max_shutdown_time = 30\n")
    phone = Baresip(tmp_path / "phone", caller_wav)
    async with engine, phone:
        serves = f"sip:127.0.0.1:{engine.port()}"
        async with Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"), serves) as proxy:
            await engine.until_event(SipTraced, summary="200 OK", sent=True)
            await phone.dial("menu", proxy.port)
            await engine.until_leg("up")
            assert engine.process is not None
            engine.process.terminate()
            await engine.until_event(SipTraced, summary="503 Service Unavailable", sent=True)
            assert engine.state.live, "the call goes on"
            await phone.hang_up()
            async with asyncio.timeout(PATIENCE_S):
                assert await engine.process.wait() == 0
