"""Programs beside the workbench, in whose place these tests have short ones of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.tui import beside
from tests.tui.conftest import screen_text, strip_text, until, workbench
from tests.tui.test_call import press

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.fake_engine import FakeEngine


def say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let a program be started that says its arguments by this line of Python."""
    monkeypatch.setattr(beside, "PROGRAM", (sys.executable, "-c", f"import sys, time; {text}"))


@pytest.mark.parametrize(("code", "verdict"), [(0, "all of them load"), (1, "not all of them")])
async def test_check(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, code: int, verdict: str
) -> None:
    """What it printed is on a page; the engine is not asked for anything."""
    say(monkeypatch, f"print('menu.py:3 looked at'); print(sys.argv); sys.exit({code})")
    async with workbench(engine) as (app, pilot):
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        entries["Script: check (import only)"].callback()
        await until(app, pilot, engine, f"Import only: {verdict}")
        text = screen_text(app)
        assert "menu.py:3 looked at" in text
        assert "--script-path=/home/dev/scripts" in text
        assert not engine.asked
        text = await press(app, pilot, engine, "escape")
        assert "Import only" not in text


async def test_browser_view(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its address is said and copied; asked again, it is the same one; it ends with us."""
    say(
        monkeypatch,
        "print('The workbench is at http://127.0.0.1:8123/?token=' + sys.argv[1][-3:], flush=True);"
        " time.sleep(600)",
    )
    async with workbench(engine) as (app, pilot):
        app.control_socket = "/tmp/abc"
        for _ in range(2):
            entries = {c.title: c for c in app.get_system_commands(app.screen)}
            entries["Engine: open browser view"].callback()
            await until(app, pilot, engine, "copied: http://127.0.0.1:8123/?token=abc")
            app.say("")
        running = app.beside._web
        assert running is not None
        assert running.poll() is None
    assert running.poll() is not None
    assert (tmp_path / "ivrbench" / "clip.txt").read_text().endswith("token=abc")


async def test_browser_view_that_does_not_start(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first line that it says is why."""
    say(monkeypatch, "print('the browser view is not installed')")
    async with workbench(engine) as (app, pilot):
        app.beside.browse()
        await until(app, pilot, engine, "the browser view is not installed")
        say(monkeypatch, "pass")
        app.beside.close()
        app.beside.browse()
        await until(app, pilot, engine, "the browser view did not start")
        assert strip_text(app)
