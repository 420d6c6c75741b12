"""The Ladder screen: what its keys do, and the files it writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ivrbench.observe import hub
from ivrbench.tui.views.ladder import picture
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, workbench
from tests.tui.fake_engine import ladder_events, parted_events, two_call_events

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from textual.pilot import Pilot

    from ivrbench.tui.app import Workbench
    from tests.tui.fake_engine import FakeEngine


def text_of(path: Path) -> str:
    return path.read_text()


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


async def test_messages_of_a_script_call_are_folded(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """enter on the call shows them, f shows or hides all; looking for a text finds them too."""
    monkeypatch.chdir(tmp_path)
    engine.play(parted_events())
    async with workbench(engine, WIDE) as (app, pilot):
        text = await press(app, pilot, engine, "f3")
        assert "▸ 6 messages" in text
        n_messages = text.count("re-INVITE")
        text = await press(app, pilot, engine, "k", "k", "k")
        assert "6 messages below it: enter shows them" in text
        text = await press(app, pilot, engine, "enter")
        assert "▾ 6 messages" in text
        assert text.count("re-INVITE") == n_messages + 2
        text = await press(app, pilot, engine, "f")
        assert "▸ 6 messages" in text
        text = await press(app, pilot, engine, "f")
        assert "▾ 6 messages" in text
        await press(app, pilot, engine, "f", "s", "m")
        (saved,) = os.listdir(tmp_path)
        assert text_of(tmp_path / saved).count("<summary>") == sum(
            row.sip is not None for row in picture(app.model, "c12")[1].rows
        )
        text = await press(app, pilot, engine, "slash", *"8 INVITE", "enter")
        assert text.count("re-INVITE (SDP)") >= 1


async def test_marked_calls_have_one_ladder(engine: FakeEngine) -> None:
    """space on the Bench marks them, enter or l shows them, x and n go back to one call."""
    engine.play(two_call_events())
    async with workbench(engine, WIDE) as (app, pilot):
        text = await press(app, pilot, engine, "space")
        assert "*c13" in text
        assert "enter one ladder of 1 call " in text
        text = await press(app, pilot, engine, "space")
        assert "*c12" in text
        assert app.model.marked_legs == ("c13", "c12")
        text = await press(app, pilot, engine, "enter")
        assert "c13 + c12 + c12b  (3 legs of 2 calls)" in text
        assert "test phone, bob" in text or "bob@10.0.0.8, test" in text
        text = await press(app, pilot, engine, "x")
        assert "c13 + c12  (2 legs of 2 calls)" in text
        text = await press(app, pilot, engine, "n")
        assert "legs of" not in text
        assert not app.model.marked_legs


async def test_marks_are_taken_away(engine: FakeEngine) -> None:
    """space on a marked call, esc for all of them; a leg that is forgotten is none."""
    engine.play(two_call_events())
    async with workbench(engine, NARROW) as (app, pilot):
        await press(app, pilot, engine, "space", "k", "space")
        assert not app.model.marked_legs
        await press(app, pilot, engine, "space", "space")
        app.model.marked_legs += ("c99",)
        assert len(app.model.ladder_legs) == 2
        await press(app, pilot, engine, "escape")
        assert not app.model.marked_legs
        assert app.current_mode == "bench"
