"""Every screen and state as text, at both sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe import events as ev
from ivrbench.tui.bindings import SCREENS
from ivrbench.tui.theme import ROLES
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, workbench
from tests.tui.fake_engine import (
    PIN_COLLECT,
    bench_events,
    call_events,
    ladder_events,
    loaded,
    script_events,
)

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from tests.tui.fake_engine import FakeEngine

both_sizes = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


@both_sizes
async def test_bench(engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion) -> None:
    """Scripts in every state, live and done legs, a test call with a playlist, the log."""
    engine.play(bench_events())
    async with workbench(engine, size) as (app, _):
        assert screen_text(app) == screens


@both_sizes
async def test_empty(engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion) -> None:
    """No script, no call: what to do."""
    engine.publish(ev.ListenerChanged("udp", "127.0.0.1", 5080, up=True))
    async with workbench(engine, size) as (app, _):
        assert screen_text(app) == screens


async def test_no_call_yet(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """Scripts but no call: how to make one."""
    engine.play(script_events())
    async with workbench(engine, NARROW) as (app, _):
        assert screen_text(app) == screens


@both_sizes
async def test_engine_down(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """The engine stopped: why, and what can be done; what was there stays in sight."""
    engine.play(bench_events())
    async with workbench(engine, size) as (app, pilot):
        engine.die()
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


@both_sizes
async def test_script_failed(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """The line is marked, the traceback is beside it, the older version serves."""
    engine.play(bench_events())
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("f5", "n")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


@both_sizes
async def test_ladder(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """Both legs of a call, RTP, a key with its handler, a script call, a retransmission."""
    engine.play(ladder_events())
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("f3")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


@both_sizes
async def test_call(engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion) -> None:
    """The test phone's levels, keys sent and got, what the script does, the parts of a delay."""
    async with workbench(engine, size) as (app, pilot):
        engine.play(call_events())
        await pilot.press("f4")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


@both_sizes
async def test_health(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """Clock, SIP, ports, scripts, and how well this screen keeps up."""
    engine.play(bench_events())
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("f9")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_script_failed_side(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """On a narrow screen traceback and versions take the place of the source."""
    engine.play(bench_events())
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("f5", "n", "s")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_script_healthy(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """Which version serves, its handlers with their times, the older ones."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        app.model.select_script("pin_collect")
        await pilot.press("f5")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


@both_sizes
async def test_log_filtered(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """While a filter is typed the strip says who has the keyboard."""
    engine.play(bench_events())
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("f7", "slash", *"level", "greater_than_sign", "equals_sign", *"warn")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_log_with_details(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """Tracebacks in full."""
    engine.play(bench_events())
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("f7", "enter")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_scripts_drawer(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """On a narrow screen `s` shows the scripts."""
    engine.play(bench_events())
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("s")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_zoom(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """`z` fills the screen with the focused pane."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("tab", "z")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_ascii(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """Every state is readable without Unicode."""
    engine.play(bench_events())
    async with workbench(engine, ascii_only=True) as (app, _):
        text = screen_text(app)
        assert text.isascii()
        assert text == screens


async def test_no_colour_says_the_same(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said by colour alone: the text without colour is the text with it."""
    engine.play(bench_events())
    async with workbench(engine) as (app, _):
        with_colour = screen_text(app)
    monkeypatch.setenv("NO_COLOR", "1")
    async with workbench(engine) as (app, _):
        assert app.no_color
        assert screen_text(app) == with_colour


async def test_themes_can_be_read(engine: FakeEngine) -> None:
    """The text is the same, and no role has the colour of its background."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        before = screen_text(app)
        for theme in ("ansi-dark", "ansi-light", "textual-light", "solarized-light", "nord"):
            app.theme = theme
            await settle(app, pilot, engine)
            assert screen_text(app) == before
            pane = app.screen.query_one("#log")
            for role in ROLES:
                ink = pane.get_component_rich_style(f"line--{role}")
                paper = ink.bgcolor or pane.rich_style.bgcolor
                assert ink.color is not None
                # The terminal's own two colours are both called "default".
                assert ink.color != paper or ink.color.is_default, (theme, role)


async def test_too_small(engine: FakeEngine) -> None:
    """Below 80×24 a sentence says so, until there is room again."""
    async with workbench(engine, (79, 24)) as (app, pilot):
        for size, is_enough in (((79, 24), False), ((80, 23), False), ((80, 24), True)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot, engine)
            assert ("ivrbench needs a terminal of 80×24" in screen_text(app)) is not is_enough
            assert ("Legs" in screen_text(app)) is is_enough


async def test_help_explains_every_screen(engine: FakeEngine) -> None:
    """F1 says what the screen means and lists its keys; esc goes back."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        for _, mode, _ in SCREENS:
            app.action_go(mode)
            await settle(app, pilot, engine)
            await pilot.press("f1")
            await settle(app, pilot, engine)
            assert f"Help: {mode.title()}" in screen_text(app)
            await pilot.press("escape")
            await settle(app, pilot, engine)
            assert "Help:" not in screen_text(app)


def reload_states() -> list[tuple[str, list[ev.Event], tuple[str, ...]]]:
    """Outcomes of a reload, and what the scripts pane says."""
    menu = "/home/dev/scripts/menu.py"
    bad = ev.ScriptFailed("menu", 2, menu, 3, "SyntaxError", "bad", "", "", 1, PIN_COLLECT)
    none = ev.ScriptFailed("menu", 1, menu, 3, "SyntaxError", "bad", "", "", 0, PIN_COLLECT)
    return [
        ("registered", [loaded("menu", 1)], ("✓ ok",)),
        ("failed", [loaded("menu", 1), bad], ("✗ @2 bad", "serving @1")),
        ("never loaded", [none], ("✗ none", "calls are refused")),
        ("repaired", [loaded("menu", 1), bad, loaded("menu", 3)], ("✓ ok", "@3")),
        ("helper", [loaded("menu", 1, is_helper=True)], ("menu (helper)", "✓ ok")),
        (
            "slow",
            [ev.ScriptLoading("menu", 1, menu, 4, 3.0)],
            ("… load 3 s", "at line 4"),
        ),
        (
            "deleted",
            [
                loaded("menu", 1),
                ev.LegStarted("c1", "in", "menu", 1, "sip:a@b", "i", "u", "t"),
                ev.ScriptRemoved("menu", 1),
            ],
            ("⌫ deleted", "serving @1 to 1 call"),
        ),
    ]


async def test_reload_states(engine: FakeEngine) -> None:
    """Each outcome of a reload is a mark with words on both screens."""
    async with workbench(engine) as (app, pilot):
        for name, events, words in reload_states():
            engine.start()
            engine.publish(*events)
            engine.cut()
            app.action_go("bench")
            await settle(app, pilot, engine)
            text = screen_text(app)
            assert [word for word in words if word not in text] == [], name
            app.action_go("script")
            await settle(app, pilot, engine)
            assert words[0][:1] in screen_text(app).splitlines()[3], name
