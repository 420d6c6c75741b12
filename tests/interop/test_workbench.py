"""The workbench in a real terminal: attached, left, its terminal closed, its engine killed."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from .lab.engine import Engine
from .lab.processes import ended, parent_of
from .lab.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

WAITS = {
    "waits": """
        from ivr import *
        class IvrDialog(IvrDialogBase):
            pass
        """
}
WORKBENCH = [sys.executable, "-m", "ivrbench"]


@pytest.fixture(autouse=True)
def _terminal(network: Network, need: Callable[[str], None]) -> None:
    need("tmux")


async def test_attached_workbench_leaves_the_engine_alone(tmp_path: Path) -> None:
    """`--attach` shows an engine that runs; leaving does not end it."""
    async with Engine(tmp_path / "engine", WAITS) as engine:
        command = [*WORKBENCH, "--attach", str(engine.socket)]
        async with Screen(command, tmp_path / "screens") as screen:
            await screen.until("waits", "@1", "ok")
            await screen.press("C-q")
            assert await screen.until_ended() == 0
        assert engine.process is not None
        assert engine.process.returncode is None


async def test_closed_terminal_stops_the_engine(tmp_path: Path) -> None:
    """An engine that nobody sees any more must not hold the port."""
    engine = Engine(tmp_path / "engine", WAITS)
    async with aclosing(engine):
        async with Screen([*WORKBENCH, *engine.arguments], tmp_path / "screens") as screen:
            await engine.connect(engine.socket, lambda: None)
            await engine.ready()
            await screen.until("waits")
            pid = engine.state.engine.pid
        await ended(pid)


async def test_killed_workbench_leaves_no_engine(tmp_path: Path) -> None:
    """SIGKILL leaves it no last word: its engine sees the pipe between them end."""
    engine = Engine(tmp_path / "engine", WAITS)
    async with aclosing(engine):
        async with Screen([*WORKBENCH, *engine.arguments], tmp_path / "screens") as screen:
            await engine.connect(engine.socket, lambda: None)
            await engine.ready()
            await screen.until("waits")
            pid = engine.state.engine.pid
            os.kill(parent_of(pid), signal.SIGKILL)
            await ended(pid)


async def test_dead_engine_is_shown_and_started_again(tmp_path: Path) -> None:
    """The workbench survives its engine, says how it ended, and starts another."""
    engine = Engine(tmp_path / "engine", WAITS)
    command = [*WORKBENCH, *engine.arguments]
    async with Screen(command, tmp_path / "screens") as screen:
        async with aclosing(engine):
            await engine.connect(engine.socket, lambda: None)
            await engine.ready()
            await screen.until("waits", "ok")
            os.kill(engine.state.engine.pid, signal.SIGKILL)
        await screen.until("The engine stopped", "start again")
        await screen.press("r")
        await screen.until("waits", "@1", "ok", "engine ● up")
        await screen.press("C-q")
        assert await screen.until_ended() == 0


async def test_engine_that_cannot_start_ends_the_workbench(tmp_path: Path) -> None:
    """A mistake in the settings is told in the shell, with its exit code, not on a screen."""
    (tmp_path / "ivr.conf").write_text("sip_port = many\n")
    command = [*WORKBENCH, "--config", str(tmp_path / "ivr.conf")]
    # The file's path stands in the line too, however long it is here.
    async with Screen(command, tmp_path / "screens", columns=400) as screen:
        await screen.until("sip_port: expected a whole number")
        assert await screen.until_ended() == 2
