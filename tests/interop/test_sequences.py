"""Handlers in the order of the documented sequences, with SIPp at the other end (ivr-api §2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import HandlerCalled, SipTraced

from .lab.engine import Engine
from .lab.sipp import run_sipp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

WITNESS = """
from ivr import *
class Witness(IvrDialogBase):
    def onSipRequest(self, req):
        pass
    def onInvite(self, hdrs):
        return True
    def onStart(self):
        pass
    def onSessionStart(self):
        pass
    def onEmptyQueue(self):
        pass
    def onDtmf(self, key, duration):
        pass
    def onSipReply(self, req, reply):
        pass
    def onAudioCleared(self):
        pass
    def onBye(self):
        return True
class IvrDialog(Witness):
"""

SCRIPTS = {
    "answer": WITNESS + "    pass\n",
    "thinks": WITNESS
    + "    def onInvite(self, hdrs):\n        self.sendReply(180, 'Ringing', '')\n",
    "hangup": WITNESS + "    def onSessionStart(self):\n        self.stopSession()\n",
}

SEQUENCES = {
    ("call", "answer"): (
        "onSipRequest INVITE, onInvite, onStart, onSessionStart, onSipRequest ACK, "
        "onSipRequest BYE, onBye, onAudioCleared",
        "< INVITE, > 100, > 200, < ACK, < BYE, > 200",
    ),
    ("called_off", "hangup"): (
        "onSipRequest INVITE, onInvite, onStart, onSessionStart, onSipRequest ACK, "
        "onSipReply BYE, 200 OK, onAudioCleared",
        "< INVITE, > 100, > 200, < ACK, > BYE, < 200",
    ),
    ("cancel", "thinks"): (
        "onSipRequest INVITE, onInvite, onSipRequest CANCEL",
        "< INVITE, > 100, > 180, < CANCEL, > 200, > 487, < ACK",
    ),
    ("hold", "answer"): (
        "onSipRequest INVITE, onInvite, onStart, onSessionStart, onSipRequest ACK, "
        "onSipRequest INVITE, onInvite, onSipRequest ACK, "
        "onSipRequest INVITE, onInvite, onSipRequest ACK, onSipRequest BYE, onBye, onAudioCleared",
        "< INVITE, > 100, > 200, < ACK, < INVITE, > 100, > 200, < ACK, "
        "< INVITE, > 100, > 200, < ACK, < BYE, > 200",
    ),
}
"""Scenario and script: handlers, messages."""


@pytest.fixture
async def engine(
    tmp_path: Path, network: Network, need: Callable[[str], None]
) -> AsyncIterator[Engine]:
    """An engine with the scripts above."""
    need("sipp")
    async with Engine(tmp_path / "engine", SCRIPTS) as engine:
        yield engine


def handlers(engine: Engine, leg: str) -> str:
    """What was called, with the method or code where there is one."""
    told = []
    for event in engine.seen(HandlerCalled, leg=leg):
        what = {"onSipRequest": event.arguments, "onSipReply": event.arguments}
        told.append(f"{event.handler} {what.get(event.handler, '')}".strip())
    return ", ".join(told)


def messages(engine: Engine, leg: str) -> str:
    """What went over the wire, each once."""
    traced = [event for event in engine.seen(SipTraced, leg=leg) if not event.retransmission]
    return ", ".join(f"{'>' if e.sent else '<'} {e.summary.split(' ')[0]}" for e in traced)


async def until_messages(engine: Engine, leg: str, n_messages: int) -> None:
    """SIPp is done once it has sent its last message, which may still be on its way."""
    await engine.until(lambda _: messages(engine, leg).count(",") + 1 >= n_messages or None)


async def test_sequences(engine: Engine, tmp_path: Path) -> None:
    """Whole calls: handlers of each, and messages of each, in their order; nothing else comes."""
    for number, ((scenario, script), (called, sent)) in enumerate(SEQUENCES.items(), start=1):
        result = await run_sipp(engine, scenario, tmp_path, script=script)
        assert (result.exit_code, result.successful) == (0, 1), (scenario, result.errors)
        legs = await engine.until_done(number)
        leg = legs[-1].name
        await until_messages(engine, leg, sent.count(",") + 1)
        assert handlers(engine, leg) == called, scenario
        assert messages(engine, leg) == sent, scenario
