"""The screens about a script, in a real terminal on a real engine: attributes, console, versions,
templates, the ladder's files."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import ScriptLoaded

from .lab.engine import Engine
from .lab.screen import Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

PIN = """
    from ivr import *

    HINT_TIMER = 1
    VERSION = {version}


    class Caller:
        def __init__(self, name):
            self.name = name

        def __repr__(self):
            raise RuntimeError("the Inspector must not run this")


    class IvrDialog(IvrDialogBase):
        keys = ""

        def onSessionStart(self):
            self.caller = Caller("eva")
            self.setTimer(HINT_TIMER, 600)

        def onDtmf(self, key, duration):
            self.keys += str(key)

        def onBye(self):
            self.stopSession()
    """


@pytest.fixture(autouse=True)
def _terminal(network: Network, need: Callable[[str], None]) -> None:
    need("tmux")


@pytest.fixture
async def bench(
    tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Engine, Screen]]:
    """A workbench with an engine of its own, and a test call that is up."""
    columns, lines = getattr(request, "param", (120, 36))
    engine = Engine(tmp_path / "engine", {"pin": PIN.format(version=1)})
    command = ["env", "EDITOR=true", sys.executable, "-m", "ivrbench", *engine.arguments]
    async with aclosing(engine), Screen(command, tmp_path / "screens", columns, lines) as screen:
        await engine.connect(engine.socket, lambda: None)
        await engine.ready()
        there = ("@1", "ok") if columns > 100 else ("Scripts ▸ 1",)
        await screen.until("Legs", "engine ● up", *there)
        await screen.press("c")
        await engine.until_leg("up")
        await screen.until("KEYS→DTMF")
        yield engine, screen
        await screen.press("C-q")
        assert await screen.until_ended() == 0


@pytest.mark.parametrize("bench", [(120, 36), (80, 24)], ids=["120x36", "80x24"], indirect=True)
async def test_inspector(bench: tuple[Engine, Screen]) -> None:
    """Values change with each key, can be stepped back through, and answer lines of Python."""
    _, screen = bench
    await screen.press("1", "2")
    await screen.until("KEYS→DTMF", "1 2")
    await screen.press("F6")
    text = await screen.until("self.dialog", "keys", "'12'", "was '1'", "Caller(name='eva')")
    assert "RuntimeError" not in text
    await screen.press("Left")
    await screen.until("after event", "'1'", "was ''")
    await screen.press("End")
    await screen.press(":")
    await screen.until("KEYS→console")
    for line, answer in (
        ("self.keys * 2", "'1212'"),
        ("self.stopSession()", "refused: stopSession() may change the call"),
        ("!self.keys = 'by hand'", "None"),
        ("len(self.keys)", "7"),
    ):
        await screen.press("-l", line)
        await screen.press("Enter")
        await screen.until(line[:20], answer)
    await screen.until("touched by hand")
    await screen.press("Escape")
    await screen.until("self.dialog", "'by hand'")
    await screen.press("F4")
    await screen.until("by hand:")


async def test_versions_and_templates(bench: tuple[Engine, Screen]) -> None:
    """A saved version is compared, pinned and gone back to; a template is written and loads."""
    engine, screen = bench
    await screen.press("Escape")
    await screen.press("F5")
    await screen.until("pin@1 serving", "def onSessionStart")
    engine.save("pin", PIN.format(version=2))
    await screen.until("pin@2 serving since")
    await screen.press("d")
    await screen.until("diff @1 → @2", "-VERSION = 1", "+VERSION = 2")
    await screen.press("d", "b")
    await screen.until("pin@1 serves new calls; pin@2 loaded and does not")
    await screen.press("j")
    await screen.until("@1 serving ─")
    await screen.press("p")
    await screen.until("pin@1 is pinned", "PINNED")
    engine.save("pin", PIN.format(version=3))
    await screen.until("held", "pin@3 loaded and does not")
    await screen.press("p")
    await screen.until("pin@3 serving since")
    await screen.press("+")
    await screen.until("New script from a template", "hello")
    await screen.press("1")
    await screen.until("Name of the script")
    await screen.press("Enter")
    await screen.until("hello@1 serving", "async def onSessionStart")
    await engine.until_event(ScriptLoaded, script="hello")


async def test_ladder_of_a_real_call_as_pcap(
    bench: tuple[Engine, Screen], need: Callable[[str], None]
) -> None:
    """What is saved opens in tshark: the call's messages, each a readable SIP message."""
    need("tshark")
    _, screen = bench
    await screen.press("Escape")
    await screen.press("F3")
    await screen.until("INVITE (SDP)", "200 OK (SDP)", "ACK", "RTP")
    await screen.press("s")
    await screen.until("Save the ladder")
    await screen.press("p")
    text = await screen.until("saved /", ".pcap")
    path = next(word for word in text.split() if word.endswith(".pcap"))
    rows = await asyncio.to_thread(dissected, Path(path))
    assert rows[0] == "INVITE"
    assert {"100", "200", "ACK"} <= set(rows)


def dissected(path: Path) -> list[str]:
    """Method or status of each packet as tshark reads it; the file is gone afterwards."""
    command = ["tshark", "-r", str(path), "-d", "udp.port==1-65535,sip", "-T", "fields"]
    command += ["-e", "sip.Method", "-e", "sip.Status-Code"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    path.unlink()
    return [line.strip() for line in done.stdout.splitlines()]
