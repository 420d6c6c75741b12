"""Transfers with baresip: the engine sends a caller on to another phone, and is asked to call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import HandlerCalled, SipTraced

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.network import IP
from .lab.scripts import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

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


@pytest.fixture(autouse=True)
def _peer(network: Network, need: Callable[[str], None]) -> None:
    need("baresip")


async def test_caller_is_sent_on(tmp_path: Path, caller_wav: Path) -> None:
    """REFER is followed: the caller talks to the other phone, and we hang up."""
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


async def test_asked_to_call(tmp_path: Path, caller_wav: Path) -> None:
    """A REFER of the phone is taken, and it hears that the call went well."""
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
    return [e for e in engine.seen(SipTraced) if e.sent and e.raw.startswith(b"NOTIFY ")]
