"""The question before a call becomes a test (R): what of it is kept out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from ivrbench.observe import events as ev
from tests.tui.conftest import screen_text, settle, workbench
from tests.tui.test_cases import menu_call, text_of

if TYPE_CHECKING:
    from tests.tui.fake_engine import FakeEngine


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workbench is started in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def pin_call() -> list[ev.Event]:
    """A call of menu that asks for a PIN."""
    call = menu_call()
    keys = [ev.KeyReceived("c1", key, 100, "RFC 4733") for key in (4, 7, 1, 1, 11)]
    asks = ev.ItemEnqueued("c1", 1, "", "/s/wav/pin.wav", "", 3000)
    return [*call[:-5], asks, call[-4], *keys, *call[-2:]]


async def test_a_number_is_hidden(engine: FakeEngine) -> None:
    """In the test and in the name that was made up for it; a name one wrote stays."""
    engine.publish(*pin_call())
    async with workbench(engine) as (app, pilot):
        await pilot.press("R")
        await settle(app, pilot, engine)
        assert "! numbers pressed after pin.wav are in the test, unless hidden" in screen_text(app)
        assert "test_menu_4711hash_caller_hangs_up" in screen_text(app)
        await pilot.click("#check-masks")
        await settle(app, pilot, engine)
        assert 'call.press("1111#")' in screen_text(app)
        assert "test_menu_1111hash_caller_hangs_up" in screen_text(app)
        assert "4711" not in screen_text(app).partition("Record c1")[2].partition("Log")[0]
        await pilot.click("#check-masks")
        await pilot.press("shift+tab")
        app.screen.query_one("#record-name", Input).value = "test_it"
        await pilot.click("#check-masks")
        await settle(app, pilot, engine)
        await pilot.press("ctrl+s")
        await settle(app, pilot, engine)
        source = text_of(Path("tests/calls/test_menu.py"))
        assert "def test_it(" in source
        assert "4711" not in source
