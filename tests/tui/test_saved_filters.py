"""Filters with names, and the one that follows the selected call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import ConfigError
from ivrbench.observe import events as ev
from ivrbench.tui.filter import Filter, Subject
from ivrbench.tui.saved_filters import filters_file, read_filters, save_filter
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, strip_text, workbench
from tests.tui.fake_engine import bench_events

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from ivrbench.tui.app import Workbench
    from tests.tui.fake_engine import FakeEngine


async def press(app: Workbench, pilot: Pilot[str], engine: FakeEngine, *keys: str) -> str:
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot, engine)
    return screen_text(app)


def test_names_and_texts_of_any_kind_are_kept(tmp_path: Path) -> None:
    """Quotes, backslashes and letters of any language; an empty one is forgotten."""
    path = tmp_path / "new" / "filters.toml"
    assert read_filters(path) == {}
    save_filter(path, "only\t«errors»", 'level>=error "a b" /\\d+ [x]/')
    save_filter(path, "quiet", "-rtp")
    assert read_filters(path) == {
        "only\t«errors»": 'level>=error "a b" /\\d+ [x]/',
        "quiet": "-rtp",
    }
    save_filter(path, "quiet", "")
    assert list(read_filters(path)) == ["only\t«errors»"]


def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    """Somebody wrote it by hand: it is not written over."""
    path = tmp_path / "filters.toml"
    path.write_text("quiet = -rtp\n")
    with pytest.raises(ConfigError, match="filters.toml"):
        save_filter(path, "more", "x")
    assert path.read_text() == "quiet = -rtp\n"
    path.write_text("quiet = 3\n")
    assert read_filters(path) == {}


async def test_save_use_and_forget(engine: FakeEngine) -> None:
    """On the Log: F saves what was typed, and brings it back; the palette has it too."""
    engine.play(bench_events())
    async with workbench(engine, WIDE) as (app, pilot):
        await press(app, pilot, engine, "f7", "F")
        assert "no filter is saved" in strip_text(app)
        await press(app, pilot, engine, "slash", *"leg:c12", "enter", "F", "s", *"mine", "enter")
        assert "filter mine saved" in strip_text(app)
        assert read_filters(filters_file(os.environ)) == {"mine": "leg:c12"}
        await press(app, pilot, engine, "F", "0")
        assert app.model.log_filter.text == ""
        text = await press(app, pilot, engine, "F")
        assert "mine:  leg:c12" in text
        await press(app, pilot, engine, "1")
        assert app.model.log_filter.text == "leg:c12"
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "Filter: mine" in titles
        await press(app, pilot, engine, "F", "f")
        assert read_filters(filters_file(os.environ)) == {}


async def test_the_legs_take_them_too(engine: FakeEngine) -> None:
    """On the Bench they are for the pane that has the keyboard."""
    save_filter(filters_file(os.environ), "bob", "bob")
    engine.play(bench_events())
    async with workbench(engine, NARROW) as (app, pilot):
        text = await press(app, pilot, engine, "F", "1")
        assert "filter: bob" in text
        assert "anna" not in text


def test_a_term_for_the_selected_call() -> None:
    """`leg:.` is the selected call with its other leg, and nothing while there is none."""
    term = Filter("leg:.")
    assert term.matches(Subject("x", leg="c1", selected="c1"))
    assert term.matches(Subject("x", leg="c1b", selected="c1"))
    assert not term.matches(Subject("x", leg="c2", selected="c1"))
    assert not term.matches(Subject("x", leg="", selected=""))


async def test_the_log_follows_the_selected_call(engine: FakeEngine) -> None:
    """f on the Log, and off again; another call chosen elsewhere is followed, the title says so."""
    engine.play(bench_events())
    engine.publish(ev.LogWritten(2, "script", "of twelve", "c12"))
    engine.publish(ev.LogWritten(2, "script", "of nine", "c9"))
    async with workbench(engine, WIDE) as (app, pilot):
        app.model.leg = "c12"
        text = await press(app, pilot, engine, "f7", "f")
        assert "only c12" in text
        assert "of twelve" in text
        assert "of nine" not in text
        app.model.leg = "c9"
        text = await press(app, pilot, engine, "f2", "f7")
        assert "only c9" in text
        assert "of nine" in text
        assert "of twelve" not in text
        text = await press(app, pilot, engine, "f")
        assert "of twelve" in text
