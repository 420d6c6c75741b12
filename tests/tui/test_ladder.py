"""The Ladder screen: what its keys do, and the files it writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ivrbench.observe import hub
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, workbench
from tests.tui.fake_engine import ladder_events

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from textual.pilot import Pilot

    from ivrbench.tui.app import Workbench
    from tests.tui.fake_engine import FakeEngine


async def press(app: Workbench, pilot: Pilot[str], engine: FakeEngine, *keys: str) -> str:
    """What is on the screen after these keys."""
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot, engine)
    return screen_text(app)


async def test_message_marks_and_filters(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One walk over the screen: message, script headers, diff, filters, times, files, copy."""
    monkeypatch.chdir(tmp_path)
    engine.play(ladder_events())
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "f3", *["up"] * 8)
        assert "retransmitted once: timer A, after 500 ms" in text
        assert "X-Pin: 1234  ◂ script" in text
        assert "connectCallee() at pin_collect.py:97" in text

        text = await press(app, pilot, engine, "space", *["up"] * 10, "space")
        assert "diff of the two marks" in text
        assert "- INVITE sip:pin_collect@bench SIP/2.0" in text
        assert "+ INVITE sip:conf@10.0.0.5 SIP/2.0" in text
        text = await press(app, pilot, engine, "escape")
        assert "diff of" not in text

        text = await press(app, pilot, engine, "d")
        assert "SDP only" in text
        assert "100 Trying" not in text
        text = await press(app, pilot, engine, "d", "m", "a")
        assert "RTP PCMU" not in text
        assert "connectCallee(" not in text
        text = await press(app, pilot, engine, "m", "a", "x")
        assert "test phone" not in text.splitlines()[3]
        text = await press(app, pilot, engine, "x", "w", "w")
        assert "12:00:04." in text
        text = await press(app, pilot, engine, "slash", *"ringing", "enter")
        assert "180 Ringing" in text
        assert "100 Trying" not in text
        text = await press(app, pilot, engine, "escape", "y")
        assert app.clipboard.startswith("INVITE")

        for key, name in (("p", "pcap"), ("t", "txt"), ("m", "md"), ("v", "svg"), ("t", "txt")):
            text = await press(app, pilot, engine, "s", key)
            assert f".{name}" in text
        assert sorted(os.listdir(tmp_path)) == [
            "c12-120000-2.txt",
            "c12-120000.md",
            "c12-120000.pcap",
            "c12-120000.svg",
            "c12-120000.txt",
            "ivrbench",
        ]
    assert "RETRANS 1" in (tmp_path / "c12-120000.txt").read_text()
    assert "X-Pin: 1234" in (tmp_path / "c12-120000.md").read_text()


async def test_narrow_screen_shows_one_of_both(engine: FakeEngine) -> None:
    """Enter opens the message in place of the ladder, esc goes back; n goes to the next leg."""
    engine.play(ladder_events())
    async with workbench(engine, NARROW) as (app, pilot):
        text = await press(app, pilot, engine, "f3", "up", "enter")
        assert "sent 12:00:05.468" in text
        assert "RTP PCMU" not in text
        text = await press(app, pilot, engine, "escape")
        assert "RTP PCMU" in text
        app.model.ladder.joined = False
        text = await press(app, pilot, engine, "n")
        assert "c12 " in text.splitlines()[2]
        assert "RTP PCMU" in text


async def test_width_keys_are_keys_while_a_call_has_the_keyboard(engine: FakeEngine) -> None:
    """9 and 0 are digits then; < and > still move the border."""
    engine.play(ladder_events())
    async with workbench(engine) as (app, pilot):
        await press(app, pilot, engine, "f3", "K", "9", "less_than_sign")
        assert app.model.sent_keys == "9"
        await press(app, pilot, engine, "escape", "9")
        assert app.model.sent_keys == "9"
        assert app.screen.query_one("#message").outer_size.width == 46 - 2 * 6


async def test_text_can_be_selected_with_the_mouse(engine: FakeEngine) -> None:
    """Of a message, over several lines; what is selected is marked, and ctrl+c copies it."""
    engine.play(ladder_events())
    async with workbench(engine) as (app, pilot):
        await press(app, pilot, engine, "f3", *["up"] * 8)
        before = screen_text(app)
        await pilot.mouse_down("#message", offset=(2, 5))
        await pilot.hover("#message", offset=(12, 6))
        await pilot.mouse_up("#message", offset=(12, 6))
        await settle(app, pilot, engine)
        selected = app.screen.get_selected_text()
        assert selected is not None
        first, second = selected.splitlines()
        assert first in before
        assert second in before
        light = str.maketrans("┃━┏┓┗┛", "│─┌┐└┘")
        assert screen_text(app).translate(light) == before.translate(light), "colours tell"
        await pilot.press("ctrl+c")
        assert app.clipboard == selected


async def test_a_leg_that_came_in_brief(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a busy engine most legs come without their messages: a look at one fetches them."""
    monkeypatch.setattr(hub, "MAX_WHOLE_LEGS", 0)
    engine.play(ladder_events())
    async with workbench(engine, WIDE) as (app, pilot):
        await pilot.press("f3")
        await settle(app, pilot, engine)
        assert "INVITE" in screen_text(app)
        assert not any(leg.brief for leg in app.model.history.live.values())
