"""What keys do, and who has the keyboard."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from textual import events

from ivrbench.observe import commands
from ivrbench.observe import events as ev
from ivrbench.tui import bindings, script_keys
from ivrbench.tui.model import Model
from ivrbench.tui.views.pages import down_lines
from ivrbench.tui.widgets.filter_line import FilterLine
from ivrbench.tui.widgets.pane import Pane
from ivrbench.tui.widgets.rows import Rows
from tests.tui.conftest import (
    NARROW,
    WIDE,
    Process,
    screen_text,
    settle,
    strip_text,
    until,
    workbench,
)
from tests.tui.fake_engine import bench_events, leg_up, loaded, mailbox_failed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.fake_engine import FakeEngine


def pressed(engine: FakeEngine) -> str:
    """Keys that reached the engine."""
    told = (c for c in engine.asked if isinstance(c, commands.TellPhone) and c.verb == "press")
    return "".join(c.argument for c in told)


def test_every_binding_can_be_remapped_and_explained() -> None:
    """Ids are unique; each key has words for the footer and the help."""
    every = [binding for group in bindings.GROUPS for binding in group]
    ids = [binding.id for binding in every]
    assert len(ids) == len(set(ids))
    assert all(binding.id and binding.description and binding.tooltip for binding in every)


def test_no_key_means_two_things_on_one_screen() -> None:
    """What a list, its screen and the application take does not overlap, but by intention."""
    app = {key for binding in bindings.APP for key in binding.key.split(",")}
    for screen in (bindings.BENCH, script_keys.SCRIPT, bindings.LOG):
        own = [key for binding in screen for key in binding.key.split(",")]
        assert len(own) == len(set(own))
        assert not app & set(own)


async def test_keys_reach_the_call_only_while_the_strip_says_so(engine: FakeEngine) -> None:
    """No call: nothing. A test call has the keyboard until esc; K gives it back."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("5")
        await settle(app, pilot, engine)
        assert pressed(engine) == ""
        await pilot.press("c")
        await settle(app, pilot, engine)
        assert "KEYS→DTMF" in strip_text(app)
        await pilot.press("1", "asterisk", "number_sign", "A")
        await settle(app, pilot, engine)
        assert pressed(engine) == "1*#A"
        assert "sent 1 * # A" in strip_text(app)
        await pilot.press("escape", "2")
        await settle(app, pilot, engine)
        assert "KEYS→DTMF" not in strip_text(app)
        assert pressed(engine) == "1*#A"
        await pilot.press("K", "3")
        await settle(app, pilot, engine)
        assert pressed(engine) == "1*#A3"


async def test_keys_go_to_the_call_from_every_screen(engine: FakeEngine) -> None:
    """Reading the log does not take the keyboard from the call."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        for screen in ("f5", "f7", "f2"):
            await pilot.press(screen)
            await settle(app, pilot, engine)
            engine.clock.advance(0.2)  # type: ignore[attr-defined]  # quicker, it would be one key
            await pilot.press("7")
        await settle(app, pilot, engine)
        assert pressed(engine) == "777"


@pytest.mark.parametrize("screen", ["f2", "f7"])
async def test_digits_in_a_filter_are_no_keys(engine: FakeEngine, screen: str) -> None:
    """The filter has the keyboard and the strip says so; esc clears, then gives it back."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        await pilot.press(screen)
        await settle(app, pilot, engine)
        await pilot.press("slash", "1", "2")
        await settle(app, pilot, engine)
        assert "KEYS→filter" in strip_text(app)
        assert "KEYS→DTMF" not in strip_text(app)
        assert pressed(engine) == ""
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert "KEYS→filter" in strip_text(app)
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert "KEYS→DTMF" in strip_text(app)


async def test_a_test_call_ends_and_the_keyboard_is_free(engine: FakeEngine) -> None:
    """The script hung up: digits go nowhere."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        engine.publish(ev.LegEnded("c21", "script", 200, "BYE", 1.0))
        await settle(app, pilot, engine)
        assert "test call" not in strip_text(app)
        await pilot.press("1")
        await settle(app, pilot, engine)
        assert pressed(engine) == ""


async def test_a_call_that_is_refused_is_said(engine: FakeEngine) -> None:
    """The engine's sentence goes on the strip."""
    engine.publish(loaded("menu", 1))
    engine.refuses = "503: the limit of 5 calls is reached"
    async with workbench(engine) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        assert "503: the limit of 5 calls is reached" in strip_text(app)
        assert "dialling" not in strip_text(app)


async def test_hanging_up_a_test_call_does_not_ask(engine: FakeEngine) -> None:
    """It is ours: its caller hangs up, as a recorded test will say."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        await pilot.press("h")
        await settle(app, pilot, engine)
        assert engine.asked[-1] == commands.TellPhone("c21", "hangup")
        (done,) = app.model.history.done.values()
        assert done.ended is not None
        assert done.ended.by == "caller"


async def test_a_phone_that_does_not_hang_up_is_cut(engine: FakeEngine) -> None:
    """The second time the engine ends the call."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        engine.deaf = True
        await pilot.press("h")
        await settle(app, pilot, engine)
        assert app.model.test_call is not None
        await pilot.press("h")
        await settle(app, pilot, engine)
        assert engine.asked[-1] == commands.HangUp("c21")
        assert app.model.test_call is None


async def test_hanging_up_somebody_asks(engine: FakeEngine) -> None:
    """A caller is not cut off by one key."""
    engine.publish(loaded("menu", 1), *leg_up("c3", "menu", 1, "sip:bob@10.0.0.8"))
    async with workbench(engine) as (app, pilot):
        await pilot.press("h")
        await settle(app, pilot, engine)
        assert "Hang up c3?" in screen_text(app)
        assert "sip:bob@10.0.0.8 is on menu" in screen_text(app)
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert engine.asked == []
        await pilot.press("h")
        await settle(app, pilot, engine)
        await pilot.press("y")
        await settle(app, pilot, engine)
        assert engine.asked == [commands.HangUp("c3")]


async def test_rows_are_chosen_by_keys_and_mouse(engine: FakeEngine) -> None:
    """The panes follow; the levels asked for are those of the leg in sight."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("j")
        await settle(app, pilot, engine)
        assert app.model.leg == "c11"
        assert "c11 playlist" in screen_text(app)
        assert engine.clients[0].feed.watch.legs == ("c11",)
        await pilot.click("#legs", offset=(6, 3))
        await settle(app, pilot, engine)
        assert app.model.leg == "c11"
        await pilot.press("up", "up", "up")
        await settle(app, pilot, engine)
        assert app.model.leg == "c12"


async def test_opening_a_script_shows_it(engine: FakeEngine) -> None:
    """Enter on a script goes to its source."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        app.screen.query_one("#scripts").focus()
        await pilot.press("j", "j", "enter")
        await settle(app, pilot, engine)
        assert (app.current_mode, app.model.script) == ("script", "mailbox")
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert app.current_mode == "bench"


async def test_script_commands(engine: FakeEngine) -> None:
    """Reload, reload all, roll back to the newest good version before."""
    engine.publish(loaded("menu", 1), loaded("menu", 2))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await pilot.press("f5")
        await settle(app, pilot, engine)
        await pilot.press("r", "L", "b")
        await settle(app, pilot, engine)
        assert engine.asked == [
            commands.ReloadScripts("menu"),
            commands.ReloadScripts(),
            commands.RollBack("menu", 1),
        ]


async def test_choosing_a_generation_shows_its_source(engine: FakeEngine) -> None:
    """And `b` takes the chosen one."""
    engine.publish(*(loaded("menu", n, source=f"version = {n}\n") for n in (1, 2, 3)))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await pilot.press("f5")
        await settle(app, pilot, engine)
        assert "version = 3" in screen_text(app)
        await pilot.press("j", "j")
        await settle(app, pilot, engine)
        assert "version = 1" in screen_text(app)
        await pilot.press("b")
        await settle(app, pilot, engine)
        assert engine.asked == [commands.RollBack("menu", 1)]


async def test_a_reload_that_fails_keeps_the_row_serving(engine: FakeEngine) -> None:
    """Mark and news at once; news go away after 8 s, the mark stays."""
    engine.publish(loaded("mailbox", 4))
    async with workbench(engine) as (app, pilot):
        engine.publish(mailbox_failed())
        await settle(app, pilot, engine)
        assert "mailbox@5 FAILED line 12 KeyError" in strip_text(app)
        assert "@4 keeps serving" in strip_text(app)
        assert "serving @4" in screen_text(app)
        engine.clock.advance(9.0)  # type: ignore[attr-defined]
        await settle(app, pilot, engine)
        assert "FAILED" not in strip_text(app)
        assert "✗ @5 bad" in screen_text(app)


async def test_a_handler_that_raises_is_said_once(engine: FakeEngine) -> None:
    """Per script and line: a loop of errors does not cover the strip for ever."""
    raised = ev.HandlerRaised(
        "c3",
        1,
        "menu",
        1,
        "onDtmf",
        "1, 100",
        "KeyError",
        "'x'",
        "tb",
        "/s/menu.py",
        9,
        1.0,
        "the call goes on",
    )
    engine.publish(loaded("menu", 1), *leg_up("c3", "menu", 1, "sip:bob@10.0.0.8"))
    async with workbench(engine) as (app, pilot):
        engine.publish(raised)
        await settle(app, pilot, engine)
        assert "c3 onDtmf raised KeyError · menu.py:9 · the call goes on" in strip_text(app)
        assert "! onDtmf raised KeyError, menu.py:9 " in screen_text(app)
        engine.clock.advance(9.0)  # type: ignore[attr-defined]
        engine.publish(raised)
        await settle(app, pilot, engine)
        assert "raised KeyError" not in strip_text(app)
        assert "! onDtmf raised KeyError, menu.py:9  (2 exceptions in all)" in screen_text(app)


async def test_filters_narrow_the_list(engine: FakeEngine) -> None:
    """While typing, and after leaving it with enter; esc takes it back."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("slash", *"bob", "enter")
        await settle(app, pilot, engine)
        legs = [text for text in screen_text(app).splitlines() if "@10.0.0" in text]
        assert all("bob" in text for text in legs)
        assert "filter: bob" in screen_text(app)
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert "filter: bob" not in screen_text(app)
        assert "anna" in screen_text(app)


async def test_scrolling_the_log_pauses_it(engine: FakeEngine) -> None:
    """New lines are counted, end follows again."""
    engine.publish(*(ev.LogWritten(2, "call", f"line {n}") for n in range(60)))
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("f7")
        await settle(app, pilot, engine)
        assert "line 59" in screen_text(app)
        await pilot.press("pageup")
        await settle(app, pilot, engine)
        engine.publish(ev.LogWritten(2, "call", "newest"))
        await settle(app, pilot, engine)
        assert "paused · 1 newer" in screen_text(app)
        assert "newest" not in screen_text(app)
        await pilot.press("end")
        await settle(app, pilot, engine)
        assert "newest" in screen_text(app)
        assert "following" in screen_text(app)


async def test_log_level_keys(engine: FakeEngine) -> None:
    """`e` shows errors only, `v` steps through the levels."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("e")
        await settle(app, pilot, engine)
        assert "ERROR only" in screen_text(app)
        assert "lost 1 packet" not in screen_text(app)
        await pilot.press("v")
        await settle(app, pilot, engine)
        assert "lost 1 packet" in screen_text(app)


async def test_copy_writes_the_file_too(engine: FakeEngine, tmp_path: Path) -> None:
    """For terminals that do not take OSC 52."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("y")
        await settle(app, pilot, engine)
        assert "c12" in (tmp_path / "ivrbench" / "clip.txt").read_text()
        assert app.clipboard.startswith("▌ c12")
        assert "copied" in strip_text(app)


async def test_editing_opens_the_line(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`e` gives the file and the line to the editor."""
    engine.publish(loaded("mailbox", 4), mailbox_failed())
    async with workbench(engine) as (app, pilot):
        edited: list[tuple[str, int]] = []
        monkeypatch.setattr(app, "edit", lambda file, line: edited.append((file, line)))
        await pilot.press("f5")
        await settle(app, pilot, engine)
        await pilot.press("e")
        assert edited == [("/home/dev/scripts/mailbox.py", 12)]


async def test_screens_by_brackets_and_mouse(engine: FakeEngine) -> None:
    """Keyboards without F-keys, and people with a mouse."""
    async with workbench(engine) as (app, pilot):
        await pilot.press("right_square_bracket")
        assert app.current_mode == "ladder"
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert app.current_mode == "health"
        await settle(app, pilot, engine)
        await pilot.click("#tabs", offset=(4, 0))
        await settle(app, pilot, engine)
        assert app.current_mode == "bench"


async def test_the_palette_has_every_command(engine: FakeEngine) -> None:
    """By name; those that cannot run say why."""
    engine.publish(loaded("menu", 1), loaded("menu", 2))
    async with workbench(engine) as (app, pilot):
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        assert entries["Call: hang up"].help == "no live call selected"
        for title in ("Call: dial menu", "Script: roll back menu to @1", "Engine: drain", "Quit"):
            assert title in entries
        entries["Call: dial menu"].callback()
        await settle(app, pilot, engine)
        (placed,) = engine.asked
        assert isinstance(placed, commands.PlaceTestCall)
        assert placed.target == "menu"
        await pilot.press("ctrl+p")
        await settle(app, pilot, engine)
        await pilot.press(*"dial menu")
        await until(app, pilot, engine, "Call: dial menu")


async def test_noise_on_standard_error_is_in_the_log(engine: FakeEngine) -> None:
    """Where one looks for it, while the workbench runs."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("f7")
        await settle(app, pilot, engine)
        app.draw_now()  # so that the next drawing has to wait
        thread = threading.Thread(target=app.take_noise, args=("ALSA lib pcm.c: no such device",))
        thread.start()
        thread.join()
        await settle(app, pilot, engine)
        assert "ALSA lib pcm.c: no such device" in screen_text(app)


async def test_remapped_keys_and_clashes(engine: FakeEngine, tmp_path: Path) -> None:
    """A key of the person's own works, the old one does not; a clash is said once."""
    folder = tmp_path / "ivrbench"
    folder.mkdir()
    (folder / "keys.toml").write_text('call.dial = "f12"\nzoom = "r"\n')
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        said = strip_text(app)
        await pilot.press("c", "f12")
        await settle(app, pilot, engine)
        assert [type(c).__name__ for c in engine.asked] == ["PlaceTestCall"]
        assert "r is wanted by zoom and script" in said


@pytest.mark.parametrize(
    ("screen", "key", "size"),
    [
        *(("f2", "slash", WIDE), ("f3", "slash", NARROW), ("f7", "slash", NARROW)),
        *(("f6", "slash", WIDE), ("f6", "colon", WIDE), ("f6", "colon", NARROW)),
    ],
)
async def test_fast_typing_is_no_command(
    engine: FakeEngine, screen: str, key: str, size: tuple[int, int]
) -> None:
    """Keys that come right behind the one that opens a line belong to the line."""
    engine.publish(loaded("menu", 1), *leg_up("c1", "menu", 1, "test phone"))
    async with workbench(engine, size) as (app, pilot):
        await pilot.press(screen)
        await settle(app, pilot, engine)
        app.post_message(events.Key(key, None))
        for letter in "hcr":
            app.post_message(events.Key(letter, letter))
        await settle(app, pilot, engine)
        typed = app.screen.focused
        assert isinstance(typed, FilterLine)
        assert typed.value == "hcr"
        assert engine.asked == []


async def test_what_is_below_is_counted(engine: FakeEngine) -> None:
    """A pane says how many lines do not fit, until one has scrolled to the end."""
    engine.publish(*(loaded(f"s{n:02}", 1) for n in range(30)))
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("s")
        await settle(app, pilot, engine)
        rows = app.screen.query_one("#scripts", Rows)
        assert f"{31 - rows.room.height} more ▼" in screen_text(app)
        await pilot.press(*["pagedown"] * 6)
        await settle(app, pilot, engine)
        assert "more ▼" not in screen_text(app).split("┌")[0]


async def test_help_on_a_narrow_screen_keeps_paragraphs(engine: FakeEngine) -> None:
    """Lines of one paragraph flow; no word stands alone where a line used to end."""
    async with workbench(engine, NARROW) as (app, pilot):
        await pilot.press("f1")
        await settle(app, pilot, engine)
        shown = [content.text.strip() for content in app.screen.query_one("#help", Pane).lines]
        assert "Running calls keep the one they started with." in " ".join(shown)
        assert "they" not in shown


def test_how_the_engine_ended_is_said_in_words() -> None:
    """A signal by its name: who has not the numbers by heart needs no manual."""
    for code, said in ((1, "exit code 1"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")):
        model = Model(engine_exit=code)
        assert down_lines(model, 0.0, 60)[0].text.strip() == said
