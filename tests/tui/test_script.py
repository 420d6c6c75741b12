"""Script (F5): colours, versions compared, pinned and gone back to, new ones from templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.observe import commands
from ivrbench.observe import events as ev
from ivrbench.tui.new_script import TEMPLATES, template_text, write_script
from ivrbench.tui.text import cells
from ivrbench.tui.views.highlight import coloured_lines, fit_spans
from tests.tui.conftest import Process, screen_text, settle, strip_text, workbench
from tests.tui.fake_engine import PIN_COLLECT, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.fake_engine import FakeEngine


def roles(source: str) -> list[tuple[str, str]]:
    """Texts with a role."""
    return [span for spans in coloured_lines(source) for span in spans if span[1]]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("def onBye(self): # end", ["keyword def", "head onBye", "keyword self", "comment # end"]),
        ("x = 'a # b'", ["string 'a # b'"]),
        ('"a\\"b" + 5', ['string "a\\"b"', "number 5"]),
        ("'''one\ntwo''' if x", ["string '''one", "string two'''", "keyword if"]),
        ("a = 'never closed\nb = 1", ["string 'never closed", "number 1"]),
        ("@property", ["accent @property"]),
        ("rb'x'", ["string rb'x'"]),
    ],
)
def test_colours(source: str, shown: list[str]) -> None:
    """What a reader looks for; also in what does not compile."""
    assert [f"{role} {text}" for text, role in roles(source)] == shown


@given(
    st.lists(st.sampled_from([*"'\"\\#@ \nab1é\t", '"""', "def ", "rb'"]), max_size=40).map("".join)
)
def test_colours_lose_no_text(source: str) -> None:
    """Every character of every source is shown."""
    lines = ["".join(text for text, _ in spans) for spans in coloured_lines(source)]
    assert lines == source.expandtabs(4).splitlines()
    for spans in coloured_lines(source):
        assert cells("".join(text for text, _ in fit_spans(spans, 17))) == 17


def test_a_huge_source_is_shown_without_colours() -> None:
    """Colouring must not keep a key waiting."""
    assert roles("x = 'a'\n" * 6_000) == []


async def test_a_diff_of_two_versions(engine: FakeEngine) -> None:
    """`d` shows what changed, `d` or esc the source again; space marks any other version."""
    sources = ("a\nb\n", "a\nc\n", "a\nd\n")
    engine.publish(*(loaded("menu", n, source=text) for n, text in enumerate(sources, 1)))
    async with workbench(engine) as (app, pilot):
        await pilot.press("f5", "d")
        await settle(app, pilot, engine)
        assert "diff @2 → @3" in screen_text(app)
        assert "│-c" in screen_text(app)
        assert "│+d" in screen_text(app)
        await pilot.press("escape", "j", "j", "space", "k", "k", "d")
        await settle(app, pilot, engine)
        assert "diff @1 → @3" in screen_text(app)
        assert "│-b" in screen_text(app)
        assert "* @1" in screen_text(app)
        await pilot.press("j", "j", "space", "escape", "d")
        await settle(app, pilot, engine)
        assert "no version before" in strip_text(app)


async def test_pinning(engine: FakeEngine) -> None:
    """`p` pins the chosen version; what loads after it is held; `p` again lets go."""
    engine.publish(loaded("menu", 1), loaded("menu", 2))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await pilot.press("f5", "j", "p")
        await settle(app, pilot, engine)
        assert engine.asked == [commands.PinScript("menu", 1)]
        engine.publish(loaded("menu", 1, because="rolled back"), ev.ScriptPinned("menu", 1))
        engine.publish(loaded("menu", 3, is_held=True))
        await settle(app, pilot, engine)
        shown = screen_text(app)
        assert "menu@1 is pinned and serves new calls; menu@3 loaded and does not." in shown
        assert "PINNED" in shown
        assert "held" in shown
        await pilot.press("p")
        await settle(app, pilot, engine)
        assert engine.asked[-1] == commands.PinScript("menu", 0)
        app.action_go("bench")
        await settle(app, pilot, engine)
        assert "pinned: @3 does not serve" in screen_text(app)


async def test_going_back_keeps_the_order_of_versions(engine: FakeEngine) -> None:
    """@1 serves again; @2 stays the newest, and what to do is said."""
    engine.publish(loaded("menu", 1), loaded("menu", 2), loaded("menu", 1, because="rolled back"))
    async with workbench(engine) as (app, pilot):
        await pilot.press("f5")
        await settle(app, pilot, engine)
        assert "menu@1 serves new calls; menu@2 loaded and does not." in screen_text(app)
        script = engine.hub.history.scripts["menu"]
        assert [(g.generation, g.state) for g in script.generations] == [
            (1, "serving"),
            (2, "retired"),
        ]


async def test_an_engine_of_somebody_else_asks_first(engine: FakeEngine) -> None:
    """Read-mostly when attached: what changes for callers is asked for."""
    engine.publish(loaded("menu", 1), loaded("menu", 2))
    async with workbench(engine) as (app, pilot):
        await pilot.press("f5", "b")
        await settle(app, pilot, engine)
        assert "Roll menu back to @1?" in screen_text(app)
        await pilot.press("escape", "r", "y")
        await settle(app, pilot, engine)
        assert engine.asked == [commands.ReloadScripts("menu")]


async def test_new_script_from_a_template(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which template, what name; it is written and opened in the editor."""
    edited: list[tuple[str, int]] = []
    async with workbench(engine) as (app, pilot):
        app.model.history.engine.script_path = str(tmp_path)
        monkeypatch.setattr(app, "edit", lambda file, line: edited.append((file, line)))
        await pilot.press("n")
        await settle(app, pilot, engine)
        assert "New script from a template" in screen_text(app)
        await pilot.press("2")
        await settle(app, pilot, engine)
        await pilot.press("_", "1", "enter")
        await settle(app, pilot, engine)
        assert (tmp_path / "menu_1.py").read_text() == template_text("menu")
        assert edited == [(str(tmp_path / "menu_1.py"), 1)]
        assert app.current_mode == "script"
        await pilot.press("plus", "2")
        await settle(app, pilot, engine)
        await pilot.press("_", "1", "enter")
        await settle(app, pilot, engine)
        assert "there is a menu_1 already" in strip_text(app)


async def test_a_script_folder_elsewhere_is_said(engine: FakeEngine) -> None:
    """Attached over a forwarded socket: the folder is on the other machine."""
    async with workbench(engine) as (app, pilot):
        await pilot.press("n")
        await settle(app, pilot, engine)
        assert "not on this machine" in strip_text(app)


@pytest.mark.parametrize("name", ["", "a b", "../x", "1st", "x.y"])
def test_names_that_no_script_can_have(tmp_path: Path, name: str) -> None:
    """Calls could not find it, or it would lie elsewhere."""
    with pytest.raises(ValueError, match="make a script's name"):
        write_script(tmp_path, name, "hello")
    assert list(tmp_path.iterdir()) == []


def test_templates_are_sources() -> None:
    """Each compiles and has a dialog class."""
    for _, name, _ in TEMPLATES:
        text = template_text(name)
        compile(text, name, "exec")
        assert "class IvrDialog(IvrDialogBase):" in text


async def test_editing_opens_what_is_in_view(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a mistake: the first line that is shown."""
    edited: list[tuple[str, int]] = []
    engine.publish(loaded("menu", 1, source=PIN_COLLECT * 10))
    async with workbench(engine) as (app, pilot):
        monkeypatch.setattr(app, "edit", lambda file, line: edited.append((file, line)))
        await pilot.press("f5")
        await settle(app, pilot, engine)
        app.screen.query_one("#source").scroll_to(y=30, animate=False, immediate=True)
        await pilot.press("e")
        assert edited == [("/home/dev/scripts/menu.py", 31)]


async def test_a_paused_view_stands_still(engine: FakeEngine) -> None:
    """p on the Bench and the ladder, space too in the log; esc goes on; events go on meanwhile."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        for mode, key in (("bench", "p"), ("log", "space"), ("ladder", "p")):
            app.action_go(mode)
            await settle(app, pilot, engine)
            await pilot.press(key)
            text = f"line while {mode} is paused"
            engine.publish(ev.LogWritten(2, "call", text), ev.LogWritten(2, "call", "two"))
            await settle(app, pilot, engine)
            assert "view paused · 2 events since" in strip_text(app)
            assert text not in screen_text(app)
            await pilot.press("escape")
            await settle(app, pilot, engine)
            assert "paused" not in strip_text(app)
            assert (text in screen_text(app)) is (mode != "ladder")


async def test_the_log_is_saved(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown, filter and level as they are."""
    monkeypatch.chdir(tmp_path)
    engine.publish(ev.LogWritten(2, "call", "c1 INVITE"), ev.LogWritten(3, "sip", "details"))
    async with workbench(engine) as (app, pilot):
        await pilot.press("f7")
        await settle(app, pilot, engine)
        await pilot.press("s")
        await settle(app, pilot, engine)
        assert "saved" in strip_text(app)
    text = (tmp_path / "log-120000.txt").read_text()
    assert "c1 INVITE" in text
    assert "details" not in text


async def test_commands_of_the_palette_that_only_look(engine: FakeEngine) -> None:
    """Versions of one's own, log level, diagnostics for a report."""
    engine.publish(loaded("menu", 1), loaded("menu", 2), loaded("menu", 3))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        assert {"Script: roll back menu to @1", "Script: roll back menu to @2"} <= set(entries)
        entries["Script: pin menu to @3"].callback()
        entries["View: log level debug"].callback()
        entries["Engine: copy diagnostics"].callback()
        await settle(app, pilot, engine)
        assert engine.asked == [commands.PinScript("menu", 3)]
        assert app.model.log_level == 3
        assert "ivrbench 0.1.0, engine pid 4121" in app.clipboard
        assert "Listeners" in app.clipboard
        engine.publish(ev.ScriptPinned("menu", 3))
        await settle(app, pilot, engine)
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        assert "Script: unpin menu" in entries
