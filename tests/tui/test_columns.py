"""Columns of the list of legs: chosen, shown, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.tui.columns import columns_file, read_columns
from ivrbench.tui.model import Model
from ivrbench.tui.views.leg_columns import COLUMNS, USUAL, sizes_of
from ivrbench.tui.views.legs import leg_lines
from tests.tui.conftest import strip_text, workbench
from tests.tui.fake_engine import FakeEngine, bench_events
from tests.tui.test_call import press

if TYPE_CHECKING:
    from pathlib import Path


def header(text: str) -> str:
    """The words above the legs."""
    return next(row for row in text.splitlines() if " leg " in row and "state" in row)


async def test_columns_come_and_go_and_are_kept(engine: FakeEngine, tmp_path: Path) -> None:
    """o asks; each choice is seen at once and asks on; the next workbench has them too."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "o")
        assert "[x] dir" in text
        assert "[ ] codec" in text
        text = await press(app, pilot, engine, "1", "5", "escape")
        assert "codec" in header(text)
        assert " dir " not in header(text)
        assert "PCMU" in text
    file = tmp_path / "ivrbench" / "columns.toml"
    kept = 'legs = ["leg", "script", "peer", "codec", "state", "time", "now"]\n'
    assert file.read_text() == kept
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine)
        assert "codec" in header(text)
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        assert "codec" in entries["View: columns…"].help
        entries["View: columns…"].callback()
        text = await press(app, pilot, engine, "u", "escape")
        assert "codec" not in header(text)
    assert read_columns(file) == (USUAL, "")


async def test_file_that_cannot_be_used_or_written(engine: FakeEngine, tmp_path: Path) -> None:
    """It is said; the usual columns are there, and a choice counts until the end."""
    (tmp_path / "ivrbench" / "columns.toml").mkdir(parents=True)
    async with workbench(engine) as (app, pilot):
        assert "columns.toml" in strip_text(app)
        assert app.model.leg_columns == USUAL
        await press(app, pilot, engine, "o", "1", "escape")
        assert "not kept" in strip_text(app)
        assert "dir" not in app.model.leg_columns


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('legs = ["leg", "colour"]', "not ['leg', 'colour']"),
        ("legs = 3", "not 3"),
        ("legs = [", "columns.toml: "),
        ("legs = [[1]]", "not [[1]]"),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, text: str, why: str) -> None:
    """The usual columns, and a sentence with those that there are."""
    file = tmp_path / "columns.toml"
    file.write_text(text)
    columns, problem = read_columns(file)
    assert columns == USUAL
    assert why in problem


def test_what_a_file_says(tmp_path: Path) -> None:
    """In their own order; the name is always there; a file that is not there says nothing."""
    file = tmp_path / "columns.toml"
    assert read_columns(file) == (USUAL, "")
    file.write_text('legs = ["now", "keys", "began"]')
    assert read_columns(file) == (("leg", "began", "keys", "now"), "")
    file.write_text("")
    assert read_columns(file) == (USUAL, "")
    assert columns_file({"HOME": "/home/dev"}).parts[-3:] == (".config", "ivrbench", "columns.toml")


@pytest.mark.parametrize("shown", [tuple(COLUMNS), ("leg",), ("leg", "peer"), ("leg", "now")])
@pytest.mark.parametrize("width", [1, 40, 78, 200])
def test_any_columns_at_any_width(shown: tuple[str, ...], width: int) -> None:
    """Each has a width, and rows of all legs are made of them."""
    engine = FakeEngine()
    engine.play(bench_events())
    model = Model(history=engine.hub.history, leg_columns=shown)
    sizes = sizes_of(model, shown, width)
    assert len(sizes) == len(shown)
    assert min(sizes) >= 0
    lines = leg_lines(model, engine.clock.wall(), width)
    n_legs = len(model.history.live) + len(model.history.done)
    assert sum(1 for each in lines if each.key) == n_legs
