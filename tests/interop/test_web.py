"""`ivrbench --web` in a real browser."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from .lab.browser import READ_TEXT, Browser
from .lab.engine import Engine
from .lab.processes import PATIENCE_S, children_of, ended
from .lab.screen import Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
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
PROGRAM = [sys.executable, "-m", "ivrbench"]


@pytest.fixture(autouse=True)
def _browser(network: Network, need: Callable[[str], None]) -> None:
    need("chromium")


@asynccontextmanager
async def web_view(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process, and the address it printed."""
    process = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "--web", "--port", "0", *arguments), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        yield process, line.partition("The workbench is at ")[2].strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_page_shows_the_screen_and_takes_keys(tmp_path: Path) -> None:
    """What a terminal shows is in the page, word for word; without the token there is nothing."""
    async with Engine(tmp_path / "engine", WAITS) as engine:
        attach = ["--attach", str(engine.socket)]
        async with web_view(*attach) as (process, url), Browser(tmp_path / "browser") as browser:
            await browser.visit(url.partition("?")[0])
            await browser.until("with the token in it", script=READ_TEXT)
            await browser.visit(url)
            # The heavy frame shows that the page has the keyboard, without a click.
            await browser.until("waits", "@1", "ok", "┏━ Legs")
            assert "token" not in str(await browser.evaluate("location.href"))
            assert engine.process is not None
            for pid in children_of(process.pid):
                # No view's command line or environment holds the token.
                for name in ("cmdline", "environ"):
                    assert url.partition("token=")[2] not in read(pid, name)
            size = "window.caught.cols + 'x' + window.caught.rows"
            columns, lines = map(int, str(await browser.evaluate(size)).split("x"))
            async with Screen(
                [*PROGRAM, *attach], tmp_path / "screens", columns=columns, lines=lines
            ) as screen:
                await screen.until("waits", "@1", "ok")
                await until_alike(browser, screen)
            picture = await browser.screenshot()
            assert picture.stat().st_size > 10_000, "an empty page is smaller"
            await browser.press("F7", "F7", 118)
            await browser.until("INFO  load", "following")
            await browser.press("F2", "F2", 113)
            await browser.until("[F2 Bench]", "┏━ Legs")
            await browser.press("c")
            await engine.until_leg("up")
            await browser.until("KEYS→DTMF")
        assert engine.process.returncode is None


async def test_view_with_an_engine_of_its_own_ends_it(tmp_path: Path) -> None:
    """Killed, it leaves neither its engine nor a page's workbench behind."""
    engine = Engine(tmp_path / "engine", WAITS)
    async with aclosing(engine), web_view(*engine.arguments) as (process, url):
        await engine.connect(engine.socket, lambda: process.returncode)
        await engine.ready()
        async with Browser(tmp_path / "browser") as browser:
            await browser.visit(url)
            await browser.until("waits", "@1", "ok")
            pids = children_of(process.pid)
            assert len(pids) == 2
            os.kill(process.pid, signal.SIGKILL)
            for pid in pids:
                await ended(pid)


async def until_alike(browser: Browser, screen: Screen) -> None:
    """Wait until a page and a terminal show the same: either may still be drawing."""
    text = page = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not text or frame_of(page) != frame_of(text):
                await asyncio.sleep(0.05)  # neither has an event for what it shows
                text, page = screen.text(), await browser.shown()
    except TimeoutError:
        raise AssertionError(f"{page}\nis not\n{text}") from None


def frame_of(screen: str) -> list[str]:
    """Lines of a screen that are the same on each: no clock, no figures."""
    lines = [line.rstrip() for line in screen.splitlines()]
    return [line for line in lines if "waits" in line or "F2 Bench" in line or "Scripts" in line]


def read(pid: int, name: str) -> str:
    """A file of a process."""
    with open(f"/proc/{pid}/{name}", errors="replace") as file:
        return file.read()
