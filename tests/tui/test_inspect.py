"""Inspect (F6): values after each event, what changed, the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe import commands
from ivrbench.observe import events as ev
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, strip_text, workbench
from tests.tui.fake_engine import leg_up, loaded
from tests.tui.inspect_events import FILE, inspect_events

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from tests.tui.fake_engine import FakeEngine


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
async def test_inspect(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """Groups of values, the timeline with what each handler changed, the console, the log."""
    engine.play(inspect_events())
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("f6")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_inspect_side(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """On a narrow screen events and console take the place of the values."""
    engine.play(inspect_events())
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("f6", "s")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_stepping_back_shows_the_values_of_then(engine: FakeEngine) -> None:
    """Left and right go through the events; end is now; what came since is not shown."""
    engine.play(inspect_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("f6")
        await settle(app, pilot, engine)
        assert "'1234'" in screen_text(app)
        await pilot.press("left", "left", "left", "left")
        await settle(app, pilot, engine)
        shown = screen_text(app)
        assert "after event 6" in shown
        assert "● was '123'" in shown
        await pilot.press("left")
        await settle(app, pilot, engine)
        assert "● was '12'" in screen_text(app)
        assert "at 0:10" in screen_text(app), "a timer of then is told by when it was due"
        await pilot.press("end")
        await settle(app, pilot, engine)
        assert "now" in screen_text(app).splitlines()[2]
        await pilot.press("tab", "up")
        await settle(app, pilot, engine)
        assert app.model.inspect.seq
        await pilot.press("escape")
        assert app.model.inspect.seq == 0


async def test_values_open_are_filtered_and_copied(engine: FakeEngine) -> None:
    """Enter opens an object; f keeps what changed; / finds; y copies the value."""
    engine.play(inspect_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("f6")
        await settle(app, pilot, engine)
        await pilot.press("down", "down", "down", "down", "down", "enter")
        await settle(app, pilot, engine)
        assert app.model.inspect.row == "self.caller"
        assert "number       '1001'" in screen_text(app)
        await pilot.press("y")
        assert "Caller(name='Eva'" in app.clipboard
        await pilot.press("slash", *"cseq", "enter")
        await settle(app, pilot, engine)
        tree = [text[:48] for text in screen_text(app).splitlines()[3:26]]
        assert any("cseq" in text for text in tree)
        assert not any("caller" in text for text in tree)
        await pilot.press("escape", "left", "left", "left", "f")
        await settle(app, pilot, engine)
        tree = [text[:48] for text in screen_text(app).splitlines()[3:26]]
        assert any("state" in text for text in tree)
        assert not any("caller" in text for text in tree)


async def test_console(engine: FakeEngine) -> None:
    """`:` types; the strip says who has the keyboard; ! goes as permission to change."""
    engine.play(inspect_events())
    engine.results = {"self.keys": "'1234'", "self.flush()": "None"}
    async with workbench(engine) as (app, pilot):
        await pilot.press("f6", "colon")
        await settle(app, pilot, engine)
        assert "KEYS→console" in strip_text(app)
        await pilot.press(*"self.keys", "enter")
        await settle(app, pilot, engine)
        await pilot.press(*"!self.flush()", "enter")
        await settle(app, pilot, engine)
        await pilot.press(*"nonsense", "enter", "up", "up")
        await settle(app, pilot, engine)
        lines = [c for c in engine.asked if isinstance(c, commands.Evaluate)]
        assert [(c.leg, c.text, c.may_change) for c in lines] == [
            ("c12", "self.keys", False),
            ("c12", "self.flush()", True),
            ("c12", "nonsense", False),
        ]
        shown = screen_text(app)
        assert ">>> self.keys" in shown
        assert "refused: this changes" in shown
        assert ">>> !self.flush()" in shown
        await pilot.press("escape", "escape")
        await settle(app, pilot, engine)
        assert "KEYS" not in strip_text(app)


async def test_the_shown_leg_is_watched(engine: FakeEngine) -> None:
    """Only while it is shown: what nobody looks at costs nothing."""
    engine.publish(loaded("menu", 1), *leg_up("c1", "menu", 1, "sip:bob@10.0.0.8"))
    async with workbench(engine) as (app, pilot):
        assert engine.hub.inspected == frozenset()
        await pilot.press("f6")
        await settle(app, pilot, engine)
        assert engine.hub.inspected == {"c1"}
        assert "after its next event" in screen_text(app)
        engine.publish(ev.LegEnded("c1", "caller", 200, "BYE", 1.0))
        await settle(app, pilot, engine)
        assert engine.hub.inspected == frozenset()
        assert "inspect = all" in screen_text(app)
        await pilot.press("f2")


async def test_editing_opens_the_handler(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the line of the event under the cursor."""
    edited: list[tuple[str, int]] = []
    engine.play(inspect_events())
    async with workbench(engine) as (app, pilot):
        monkeypatch.setattr(app, "edit", lambda file, line: edited.append((file, line)))
        await pilot.press("f6", "e", "left", "left", "e")
        await settle(app, pilot, engine)
        assert edited == [(FILE, 97)]


async def test_no_call_at_all(engine: FakeEngine) -> None:
    """Every key answers."""
    async with workbench(engine) as (app, pilot):
        await pilot.press("f6", "left", "right", "e", "y", "f", "n", "enter", "escape", "escape")
        await pilot.press("f6", "colon", "x", "enter")
        await settle(app, pilot, engine)
        assert "no call selected" in screen_text(app)


async def test_every_screen_zooms(engine: FakeEngine) -> None:
    """z fills the screen with the focused pane, esc brings the others back."""
    engine.play(inspect_events())
    async with workbench(engine) as (app, pilot):
        for mode in ("bench", "ladder", "call", "script", "inspect", "health"):
            app.action_go(mode)
            await settle(app, pilot, engine)
            n_borders = screen_text(app).count("┌")
            await pilot.press("z")
            await settle(app, pilot, engine)
            zoomed = screen_text(app)
            assert n_borders > 0
            assert zoomed.count("┌") == 0, mode
            assert zoomed.count("┏") == 1, mode
            assert len(zoomed.splitlines()[2].rstrip()) == 120, mode
            await pilot.press("escape")
            await settle(app, pilot, engine)
            assert screen_text(app).count("┌") == n_borders, mode


async def test_screens_made_beforehand_leave_the_keyboard_where_it_is(engine: FakeEngine) -> None:
    """They have a widget with the focus too, but nobody types there yet."""
    engine.play(inspect_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("f6", "colon")
        await settle(app, pilot, engine)
        assert "KEYS→console" in strip_text(app)
        await app.prepare_screens()
        await settle(app, pilot, engine)
        app.get_screen_stack("bench")[0].query_one("#legs").focus()
        await settle(app, pilot, engine)
        assert "KEYS→console" in strip_text(app)
        await pilot.press("escape", "escape", "f2")
        await settle(app, pilot, engine)
        assert "KEYS" not in strip_text(app)
