"""Transfers with baresip and pjsua2: the engine sends a caller on, and is asked to call."""

from __future__ import annotations

import asyncio
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import HandlerCalled, SipTraced

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.network import IP, free_port
from .lab.processes import PATIENCE_S, always_in_time
from .lab.scripts import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SENDS_ON = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.setTimer(1, 0.5)
        def onTimer(self, id):
            self.transfer(config["to"])
        def onTransfer(self, code, reason):
            return True
    """

IS_ASKED = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onRefer(self, uri, replaces):
            self.setTimer(1, 0.2)
        def onTimer(self, id):
            self.refer_progress(200)
        def onBye(self):
            self.stopSession()
    """


CONNECTS = """
    from ivr import *
    up = []
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            if self.getSessionParams():
                up.append(self)
            else:
                self.handle = IvrUAC().dialout(
                    "", "connects", config["to"], "", "sip:ivr@127.0.0.1", "", "", "", ["second"])
                self.setTimer(1, 0.1)
        def onTimer(self, id):
            if up:
                self.transfer(self.handle)
            else:
                self.setTimer(1, 0.1)
        def onTransfer(self, code, reason):
            return True
    """

TAKES_OVER = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onRefer(self, uri, replaces):
            IvrUAC().dialout("", "takes_over", uri, "", "sip:ivr@127.0.0.1", "", "",
                             "Replaces: " + replaces + "\\r\\n", ["second"])
            self.setTimer(1, 0.5)
        def onTimer(self, id):
            self.refer_progress(200)
    """
PJSUA = Path(__file__).parent / "lab" / "pjsua_transfer.py"


@pytest.fixture(autouse=True)
def _network(network: Network) -> None:
    """All of it stays on a loopback of its own."""


@pytest.mark.parametrize(
    ("mode", "name", "text"),
    [
        ("follow", "connects", CONNECTS),
        ("ask", "takes_over", TAKES_OVER),
    ],
)
async def test_attended_transfer(tmp_path: Path, mode: str, name: str, text: str) -> None:
    """RFC 5589 §7, RFC 3891: the call with Bob goes on with another in the place of who made it:
    Ann instead of us, and us instead of Ann."""
    if find_spec("pjsua2") is None:
        pytest.skip("pjsua2 is missing: pip install pjsua2-python")
    engine = Engine(tmp_path / "engine", {name: text})
    port = free_port(socket.SOCK_DGRAM)
    settings(engine.conf.parent, name, to=f"sip:bob@{IP}:{port}")
    async with engine:
        phones = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PJSUA), mode, f"sip:{name}@{IP}:{engine.port()}", str(port)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=always_in_time,
        )
        async with asyncio.timeout(PATIENCE_S):
            said = (await phones.communicate())[0].decode(errors="replace")
        assert phones.returncode == 0, said
        legs = await engine.until_done(2)
        handler = "onTransfer" if mode == "follow" else "onRefer"
        told = await engine.until_event(HandlerCalled, handler=handler)
        assert told.arguments.startswith("200" if mode == "follow" else f"'sip:bob@{IP}:{port}")
    assert [leg.ended.code for leg in legs if leg.ended is not None] == [200, 200]


async def test_caller_is_sent_on(
    tmp_path: Path, caller_wav: Path, need: Callable[[str], None]
) -> None:
    """REFER is followed: the caller talks to the other phone, and we hang up."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"sends_on": SENDS_ON})
    ann, bob = (Baresip(tmp_path / name, caller_wav) for name in ("ann", "bob"))
    settings(engine.conf.parent, "sends_on", to=f"sip:caller@{IP}:{bob.port}")
    async with engine, ann, bob:
        await ann.dial("sends_on", engine.port())
        await bob.answer()
        (leg,) = await engine.until_done(1)
        told = await engine.until_event(HandlerCalled, handler="onTransfer")
        assert told.arguments.startswith("200")
        assert leg.ended is not None
        assert (leg.ended.by, leg.ended.reason) == ("script", "the call was transferred")
        await bob.hang_up()


async def test_asked_to_call(tmp_path: Path, caller_wav: Path, need: Callable[[str], None]) -> None:
    """A REFER of the phone is taken, and it hears that the call went well."""
    need("baresip")
    engine = Engine(tmp_path / "engine", {"is_asked": IS_ASKED})
    phone = Baresip(tmp_path / "phone", caller_wav)
    async with engine, phone:
        await phone.dial("is_asked", engine.port())
        await phone.command("transfer", "sip:bob@192.0.2.50")
        told = await engine.until_event(HandlerCalled, handler="onRefer")
        assert told.arguments == "'sip:bob@192.0.2.50', ''"
        await engine.until(
            lambda _: any(b"SIP/2.0 200 OK" in e.raw for e in notifies(engine)) or None
        )
        assert engine.seen(SipTraced, summary="202 Accepted")
        assert [b"active" in e.raw for e in notifies(engine)] == [True, False]


def notifies(engine: Engine) -> list[SipTraced]:
    """What the phone was told."""
    sent = engine.seen(SipTraced, sent=True, retransmission=False)
    return [e for e in sent if e.raw.startswith(b"NOTIFY ")]
