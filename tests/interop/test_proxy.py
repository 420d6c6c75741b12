"""Calls through a proxy, both ways: by every transport, to several phones at once, and to us as one
of several servers.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.commands import DialOut
from ivrbench.observe.events import HandlerCalled, RegistrationChanged, SipTraced
from tests.engine.certificates import Certificates

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.kamailio import Kamailio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

TALKS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onBye(self):
            self.stopSession()
    """
RINGS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onInvite(self, hdrs):
            self.sendReply(180, "Ringing", "")
    """
ANSWERS_WHEN_TOLD = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onInvite(self, hdrs):
            pass
        def onUser1(self):
            self.answer()
        def onBye(self):
            self.stopSession()
    """
FROM = "sip:ivr@127.0.0.1"
"""The proxy asks this one for a password."""


@pytest.fixture(autouse=True)
def _peers(network: Network, need: Callable[[str], None]) -> None:
    need("kamailio")
    need("baresip")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def phone_at(folder: Path, says: Path, proxy: Kamailio, transport: str = "udp") -> Baresip:
    """A phone that registers as `desk`."""
    address = proxy.address(transport).partition(";")[0]
    return Baresip(folder, says, transport=transport, address=f"desk@{address}")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "ws"])
async def test_call_out(
    tmp_path: Path, caller_wav: Path, certificates: Certificates, transport: str
) -> None:
    """407, then the call by the way there is to the proxy, 180 and 200 of the phone behind it; the
    phone's BYE comes back the same way.
    """
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    async with proxy, phone_at(tmp_path / "phone", caller_wav, proxy) as phone:
        await phone.registered()
        conf = (
            f"outbound_proxy = sip:{proxy.address(transport)}\ntls_ca = {certificates.ca}\n"
            "user = ivr\npassword = secret\n"
        )
        async with Engine(tmp_path / "engine", {"talks": TALKS}, conf) as engine:
            uri = f"sip:desk@127.0.0.1:{proxy.port}"
            await engine.ask(DialOut(script="talks", uri=uri, from_=FROM))
            # A proxy of several processes drops a 180 that it reads after the 200.
            await engine.until_event(SipTraced, summary="180 Ringing")
            await phone.answer()
            leg = await engine.until_leg("up")
            await phone.hang_up()
            await engine.until_done(1)
            traced = engine.seen(SipTraced, leg=leg.name)
        # RFC 3261 §18.1.1: with Proxy-Authorization the INVITE is too large for a datagram.
        too_large = {"tcp"} if transport == "udp" else set()
        assert {event.transport for event in traced} - too_large == {transport}
        came = [event.summary for event in traced if not event.sent]
        assert "407 Proxy Authentication Required" in came
        assert "180 Ringing" in came
        assert came[-1] == "BYE"
        assert "Traceback" not in engine.log_tail()


async def test_phone_that_refuses(
    tmp_path: Path, caller_wav: Path, certificates: Certificates
) -> None:
    """486 comes through, is confirmed hop by hop, and nothing of the call is left."""
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    async with proxy, phone_at(tmp_path / "phone", caller_wav, proxy) as phone:
        await phone.registered()
        async with Engine(tmp_path / "engine", {"talks": TALKS}) as engine:
            uri = f"sip:desk@127.0.0.1:{proxy.port}"
            await engine.ask(DialOut(script="talks", uri=uri))
            await phone.event("CALL_INCOMING")
            await phone.command("hangup")
            (leg,) = await engine.until_done(1)
            assert leg.code == 486
            sent = engine.seen(SipTraced, sent=True, leg=leg.name, retransmission=False)
            assert [event.summary for event in sent] == ["INVITE (SDP)", "ACK"]


async def test_call_that_is_forked(
    tmp_path: Path, caller_wav: Path, certificates: Certificates
) -> None:
    """Two phones have the same address: both ring, each with a tag of its own; one answers, and
    that one is talked to.
    """
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    async with (
        proxy,
        phone_at(tmp_path / "first", caller_wav, proxy) as first,
        phone_at(tmp_path / "second", caller_wav, proxy, "tcp") as second,
    ):
        await first.registered()
        await second.registered()
        async with Engine(tmp_path / "engine", {"talks": TALKS}) as engine:
            uri = f"sip:desk@127.0.0.1:{proxy.port}"
            await engine.ask(DialOut(script="talks", uri=uri))
            await first.event("CALL_INCOMING")
            await engine.until(lambda _: len(ringing(engine)) == 2 or None)
            await second.answer()
            await first.event("CALL_CLOSED")
            assert len(ringing(engine)) == 2
            await engine.until_leg("up")
            await second.hang_up()
            (leg,) = await engine.until_done(1)
            assert leg.code == 200


def ringing(engine: Engine) -> set[bytes]:
    """Who rings: their addresses, each with its tag."""
    raws = [event.raw for event in engine.seen(SipTraced, summary="180 Ringing")]
    return {raw.partition(b"\r\nTo: ")[2].partition(b"\r\n")[0] for raw in raws}


async def test_one_of_two_servers(
    tmp_path: Path, caller_wav: Path, certificates: Certificates
) -> None:
    """The proxy forks a call to two engines: the one that only rings gets CANCEL, and is done.

    The other answers when the ringing is through: a proxy of several processes cancels nobody whose
    180 it reads while it reads the 200.
    """
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    async with proxy:
        conf = f"register = sip:menu@{proxy.address('udp')}\npassword = secret\n"
        slow = Engine(tmp_path / "slow", {"menu": RINGS}, conf)
        quick = Engine(tmp_path / "quick", {"menu": ANSWERS_WHEN_TOLD}, conf)
        phone = Baresip(tmp_path / "phone", caller_wav)
        async with slow, quick, phone:
            for engine in (slow, quick):
                await engine.until_event(RegistrationChanged, state="registered")
            await phone.start_call("menu", proxy.port)
            await phone.event("CALL_RINGING")
            await quick.until_event(HandlerCalled, handler="onInvite")
            assert quick.process is not None, "started above"
            quick.process.send_signal(signal.SIGUSR1)
            await phone.event("CALL_ESTABLISHED")
            (cancelled,) = await slow.until_done(1)
            assert cancelled.code == 487
            await quick.until_leg("up")
            await phone.hang_up()
            (leg,) = await quick.until_done(1)
            assert leg.code == 200
