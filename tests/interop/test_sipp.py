"""SIPp calls the engine: plain calls, load, TCP, CANCEL, re-INVITE, retransmission, loss."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import EngineReported, KeyReceived, LogWritten, SipTraced

from .lab.engine import Engine
from .lab.sipp import run_sipp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SCRIPTS = {
    "answer": """
        from ivr import *
        class IvrDialog(IvrDialogBase):
            def onSessionStart(self):
                pass
        """,
    "hangup": """
        from ivr import *
        class IvrDialog(IvrDialogBase):
            def onSessionStart(self):
                self.stopSession()
        """,
    "collects": """
        from log import *
        from ivr import *
        class IvrDialog(IvrDialogBase):
            def onSessionStart(self):
                self.keys = []
            def onDtmf(self, key, duration):
                self.keys.append("%d:%d" % (key, duration))
            def onBye(self):
                ivr.log(2, "keys " + " ".join(self.keys))
                self.stopSession()
        """,
    "thinks": """
        from ivr import *
        import time
        class IvrDialog(IvrDialogBase):
            def onInvite(self, hdrs):
                time.sleep(2)
                return True
        """,
    "rings": """
        from ivr import *
        import time
        class IvrDialog(IvrDialogBase):
            def onInvite(self, hdrs):
                self.sendReply(180, "Ringing", "")
                time.sleep(2)
                return True
        """,
}


@pytest.fixture
async def engine(
    tmp_path: Path, network: Network, need: Callable[[str], None]
) -> AsyncIterator[Engine]:
    """An engine with the scripts above, on the tests' network."""
    need("sipp")
    async with Engine(tmp_path / "engine", SCRIPTS) as engine:
        yield engine


async def no_port_is_left(engine: Engine) -> None:
    """Every RTP port is free again, as the engine reports from now on."""
    n_old = len(engine.seen(EngineReported))
    await engine.until(
        lambda _: any(r.ports_used == 0 for r in engine.seen(EngineReported)[n_old:]) or None
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_calls_end_by_the_caller(engine: Engine, tmp_path: Path, transport: str) -> None:
    """INVITE, 200, ACK, BYE, 200, over both transports; all ports free afterwards."""
    result = await run_sipp(engine, "call", tmp_path, calls=10, transport=transport)
    assert (result.exit_code, result.successful) == (0, 10), result.errors
    legs = await engine.until_done(10)
    assert {(leg.ended.by, leg.ended.code) for leg in legs if leg.ended} == {("caller", 200)}
    await no_port_is_left(engine)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_calls_end_by_the_script(engine: Engine, tmp_path: Path, transport: str) -> None:
    """`stopSession()` sends BYE to the caller."""
    result = await run_sipp(
        engine, "called_off", tmp_path, script="hangup", calls=10, transport=transport
    )
    assert (result.exit_code, result.successful) == (0, 10), result.errors
    legs = await engine.until_done(10)
    assert {leg.ended.by for leg in legs if leg.ended} == {"script"}
    await no_port_is_left(engine)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_load_of_200_calls(engine: Engine, tmp_path: Path, transport: str) -> None:
    """200 calls up at the same time, none fails, none leaves a port or a leg behind."""
    load = run_sipp(
        engine,
        "call",
        tmp_path,
        calls=200,
        per_s=50,
        hold_ms=8_000,
        transport=transport,
        within_s=90,
    )
    calling = asyncio.create_task(load)
    await engine.until(lambda state: len(state.live) == 200 or None)
    result = await calling
    assert (result.exit_code, result.successful, result.failed) == (0, 200, 0), result.errors
    await engine.until_done(200)
    await no_port_is_left(engine)


async def test_cancel_while_the_script_thinks(engine: Engine, tmp_path: Path) -> None:
    """CANCEL during `onInvite`: 200 to it, 487 to the INVITE, and no call comes of it later."""
    result = await run_sipp(engine, "cancel", tmp_path, script="rings", calls=5)
    assert (result.exit_code, result.successful) == (0, 5), result.errors
    legs = await engine.until_done(5)
    assert {leg.ended.code for leg in legs if leg.ended} == {487}
    await no_port_is_left(engine)


async def test_hold_and_resume(engine: Engine, tmp_path: Path) -> None:
    """re-INVITE sendonly is answered recvonly, sendrecv resumes; the session version goes up."""
    result = await run_sipp(engine, "hold", tmp_path, calls=3)
    assert (result.exit_code, result.successful) == (0, 3), result.errors
    await engine.until_done(3)
    await no_port_is_left(engine)


async def test_repeated_invite_makes_one_call(engine: Engine, tmp_path: Path) -> None:
    """A repeated INVITE is a retransmission, no second call; 200 is repeated until the ACK."""
    result = await run_sipp(engine, "twice", tmp_path, script="thinks")
    assert (result.exit_code, result.successful) == (0, 1), result.errors
    (leg,) = await engine.until_done(1)
    assert engine.state.done_total == 1
    again = engine.seen(SipTraced, leg=leg.name, sent=True, retransmission=True)
    assert any(event.summary.startswith("200") for event in again)


async def test_keys_by_info(engine: Engine, tmp_path: Path) -> None:
    """SIP INFO with `dtmf-relay` and with `dtmf` bodies, blanks tolerated, lengths kept."""
    result = await run_sipp(engine, "info", tmp_path, script="collects")
    assert (result.exit_code, result.successful) == (0, 1), result.errors
    await engine.until_done(1)
    (line,) = [e.text for e in engine.seen(LogWritten, source="script") if "keys " in e.text]
    assert re.findall(r"(\d+):(\d+)", line)[:2] == [("1", "160"), ("2", "250")]
    assert [key for key, _ in re.findall(r"(\d+):(\d+)", line)] == ["1", "2", "3", "11"]
    assert {event.source for event in engine.seen(KeyReceived)} == {"INFO"}


async def test_unknown_script_is_404(engine: Engine, tmp_path: Path) -> None:
    """A script nobody wrote: 404, and the workbench shows the refused call."""
    result = await run_sipp(engine, "unknown", tmp_path, script="nobody")
    assert (result.exit_code, result.successful) == (0, 1), result.errors
    (leg,) = await engine.until_done(1)
    assert leg.ended
    assert leg.ended.code == 404


async def test_ten_percent_loss(
    engine: Engine, tmp_path: Path, lossless: Network, need: Callable[[str], None]
) -> None:
    """With every tenth packet lost in both directions, retransmissions bring each call through."""
    need("own network")
    need("nft")
    lossless.lose(10)
    result = await run_sipp(engine, "call", tmp_path, calls=50, per_s=10, within_s=120)
    dropped = lossless.dropped()
    lossless.lose_nothing()
    assert (result.exit_code, result.successful) == (0, 50), result.errors
    assert dropped > 20
    assert result.retransmissions > 0
    # SIPp takes a repeated 200 to its INVITE for that to its BYE. Where ACK and BYE were lost, we
    # wait 32 s for the one and then as long for the answer to our own BYE.
    await engine.until_done(50, within_s=90)
    await no_port_is_left(engine)
