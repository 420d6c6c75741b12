"""Signals to the server reach the scripts of all calls (ivr-api §2.3)."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from .lab.engine import Engine
from .lab.sipp import run_sipp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

SCRIPT = """
from ivr import *
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        monitorLogAdd("signals", "got", "call")
    def onUser1(self):
        monitorLogAdd("signals", "got", "user1")
    def onUser2(self):
        monitorLogAdd("signals", "got", "user2")
    def onServerShutdown(self):
        monitorLogAdd("signals", "got", "shutdown")
        self.stopSession()
"""


async def test_signals(tmp_path: Path, network: Network, need: Callable[[str], None]) -> None:
    """SIGUSR1, SIGUSR2, and SIGTERM, which ends the call by BYE and then the server."""
    need("sipp")
    async with Engine(tmp_path / "engine", {"hangup": SCRIPT}) as engine:
        got: list[str] = []

        async def until(what: str) -> None:
            got.append(what)
            await engine.until(
                lambda s: "signals" in s.monitor and s.monitor["signals"].values["got"] == got
            )

        calling = asyncio.create_task(run_sipp(engine, "called_off", tmp_path, script="hangup"))
        await until("call")
        assert engine.process is not None
        for number, name in ((signal.SIGUSR1, "user1"), (signal.SIGUSR2, "user2")):
            engine.process.send_signal(number)
            await until(name)
        engine.process.send_signal(signal.SIGTERM)
        await until("shutdown")
        result = await calling
        assert (result.exit_code, result.successful) == (0, 1), result.errors
        assert await engine.process.wait() == 0
