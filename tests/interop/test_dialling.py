"""The engine calls: SIPp, baresip, and through Kamailio, which wants a password."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.commands import DialOut
from ivrbench.observe.events import LegEnded, SipTraced
from tests.engine.certificates import Certificates

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.kamailio import Kamailio
from .lab.network import IP, free_port
from .lab.processes import PATIENCE_S
from .lab.scripts import PLAYS, settings
from .lab.sipp import sipp_at
from .lab.sound import likeness, read_wav, speechlike, tone, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SHORT = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.setTimer(1, 0.2)
        def onTimer(self, id):
            self.stopSession()
    """
HANGS_UP_WHEN_TOLD = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onUser1(self):
            self.stopSession()
    """


async def test_sipp_answers(tmp_path: Path, network: Network, need: Callable[[str], None]) -> None:
    """Three calls, one from the command line: ringing, answer, ACK, and our BYE."""
    need("sipp")
    port = free_port(socket.SOCK_DGRAM)
    async with sipp_at(port, "uas", tmp_path, "-m", "3") as sipp:
        async with Engine(tmp_path / "engine", {"short": SHORT}) as engine:
            uri = f"sip:uas@{IP}:{port}"
            for _ in range(2):
                await engine.ask(DialOut(script="short", uri=uri))
            command = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ivrbench", "dial", "short", uri),
                *("--control-socket", str(engine.socket)),
                stdout=asyncio.subprocess.PIPE,
            )
            told = (await command.communicate())[0].decode()
            assert command.returncode == 0
            assert told.endswith("180 Ringing\n200 OK\n")
            legs = await engine.until_done(3)
            async with asyncio.timeout(PATIENCE_S):
                assert await sipp.wait() == 0
    assert [leg.ended and (leg.ended.by, leg.ended.code) for leg in legs] == [("script", 200)] * 3
    assert {leg.started.direction for leg in legs} == {"out"}


@pytest.mark.parametrize(
    ("conf", "encryption"),
    [
        ("srtp = off", ""),
        ("srtp = required", "srtp"),
        ("srtp = required\nsrtp_offer = dtls", "dtls_srtp"),
    ],
)
async def test_baresip_hears_the_prompt(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None], conf: str, encryption: str
) -> None:
    """It rings, answers, and hears the prompt, encrypted where that is required."""
    need("baresip")
    is_dtls = encryption == "dtls_srtp"
    prompt = speechlike(6.0 if is_dtls else 3.0)
    engine = Engine(tmp_path / "engine", {"plays": PLAYS}, f"{conf}\n")
    beep = write_wav(tmp_path / "beep.wav", tone(1000.0, 0.5))
    told = write_wav(tmp_path / "p.wav", prompt)
    settings(engine.conf.parent, "plays", prompt=told, beep=beep)
    phone = Baresip(tmp_path / "phone", caller_wav, encryption=encryption)
    async with engine, phone:
        await engine.ask(DialOut(script="plays", uri=f"sip:caller@{IP}:{phone.port}"))
        await phone.answer()
        (leg,) = await engine.until_done(1)
        await phone.event("CALL_CLOSED")
    assert leg.ended is not None
    assert (leg.ended.by, leg.ended.code) == ("script", 200)
    # What is played while DTLS still agrees on keys is not heard: half a second on an idle machine.
    prompt = prompt[8000 // 2 if is_dtls else 0 :]
    assert likeness(read_wav(phone.heard()), prompt) > 0.9


async def test_through_a_proxy_that_wants_a_password(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """407, the INVITE again with the account's password, Record-Route followed by our BYE."""
    need("kamailio")
    need("baresip")
    phone = Baresip(tmp_path / "phone", caller_wav)
    certificates = Certificates(tmp_path)
    cert = certificates.file("127.0.0.1")
    proxy = Kamailio(tmp_path / "proxy", cert)
    conf = f"user = ivr\npassword = secret\noutbound_proxy = sip:{IP}:{proxy.port}\n"
    scripts = {"told": HANGS_UP_WHEN_TOLD}
    async with phone, proxy, Engine(tmp_path / "engine", scripts, conf) as engine:
        uri = f"sip:caller@{IP}:{phone.port}"
        await engine.ask(DialOut(script="told", uri=uri, from_="sip:ivr@provider.example"))
        await phone.answer()
        assert engine.process is not None, "started above"
        engine.process.send_signal(signal.SIGUSR1)
        (leg,) = await engine.until_done(1)
        assert leg.ended is not None
        assert (leg.ended.by, leg.ended.code) == ("script", 200)
        assert engine.seen(SipTraced, summary="407 Proxy Authentication Required")
        byes = [e for e in engine.seen(SipTraced) if e.sent and e.raw.startswith(b"BYE ")]
        assert byes[0].raw.count(b"\r\nRoute:") == 1


async def test_wrong_password_at_a_proxy(tmp_path: Path, need: Callable[[str], None]) -> None:
    """The second 407 is the refusal, and the engine is free of the call."""
    need("kamailio")
    certificates = Certificates(tmp_path)
    proxy = Kamailio(tmp_path / "proxy", certificates.file("127.0.0.1"))
    conf = "user = ivr\npassword = wrong\n"
    async with proxy, Engine(tmp_path / "engine", {"short": SHORT}, conf) as engine:
        uri = f"sip:caller@{IP}:{proxy.port}"
        await engine.ask(DialOut(script="short", uri=uri, from_="sip:ivr@provider.example"))
        ended = await engine.until_event(LegEnded)
        assert (ended.by, ended.code) == ("callee", 407)
        assert not engine.state.live
