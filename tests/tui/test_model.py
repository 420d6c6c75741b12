"""The reducer and the views, without Textual."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.observe import events as ev
from ivrbench.observe.history import History
from ivrbench.observe.memory import MemoryChanged, MemoryUser
from ivrbench.tui.filter import Filter, Subject
from ivrbench.tui.model import Model
from ivrbench.tui.text import Line, cells
from ivrbench.tui.theme import ASCII, UNICODE, Glyphs
from ivrbench.tui.views import (
    call,
    dial,
    feel,
    frame,
    health,
    inspect,
    ladder,
    ladder_files,
    legs,
    log,
    pages,
    script,
    scripts,
)
from ivrbench.tui.views import leg as leg_views
from tests.observe.strategies import stamped_lists
from tests.tui.fake_engine import FakeEngine, leg_up, loaded, report


def every_line(model: Model, now_s: float, width: int) -> list[Line]:
    """All that any screen would show."""
    lines = [frame.status_line(model, now_s, width), frame.strip_line(model, now_s, width)]
    lines += scripts.script_lines(model, width)
    lines += legs.leg_lines(model, now_s, width)
    lines += log.latest_log_lines(model, width, 20)
    leg, chosen = model.selected_leg, model.selected_script
    if leg is not None:
        lines += leg_views.playlist_lines(model, leg, width, 12)
        lines += leg_views.media_lines(model, leg, width, 12)
        lines += leg_views.leg_summary(model, leg, width)
    lines += [*dial.dial_lines(model, 36), *call.sent_lines(model, 36)]
    lines += [*call.call_lines(model, width), *call.script_lines(model, width)]
    lines += [*call.level_history_lines(model, width), *call.keypad_lines(model, 36, width // 5)]
    call.call_title(model, now_s)
    feel.feel_text(model, width)
    lines += [text for _, _, page in health.health_panes(model, now_s) for text in page]
    lines += ladder_pages(model, leg.name if leg else "", width)
    lines += inspect_pages(model, now_s, width)
    if chosen is not None:
        generation = model.selected_generation
        lines += script.banner_lines(model, chosen, width)
        lines += script.generation_lines(model, chosen, width)
        lines += script.source_lines(model, generation, width)
        if generation is not None:
            lines += script.handler_lines(model, generation, width)
            if generation.failed is not None:
                lines += script.traceback_lines(model, chosen, generation.failed, width)
        script.source_title(model, chosen)
        script.rollback_target(model)
    return lines


def inspect_pages(model: Model, now_s: float, width: int) -> list[Line]:
    """The values now and after the first event, the events, the console."""
    leg = model.inspected_leg
    found = inspect.moments(leg)
    lines = [*inspect.console_lines(model, leg, width)]
    for seq in (0, found[0].seq if found else 0):
        model.inspect.seq = seq
        inspect.inspect_title(model, leg, found)
        lines += inspect.tree_lines(model, leg, now_s, width)
        lines += inspect.moment_lines(model, leg, width)
    return lines


def ladder_pages(model: Model, name: str, width: int) -> list[Line]:
    """The ladder, its last message, and a diff."""
    found, picture = ladder.picture(model, name)
    rows = ladder.shown_rows(model.ladder, picture)
    ladder.ladder_title(model, picture)
    lines = ladder.ladder_lines(model, picture, width)
    lines += ladder.message_lines(model, found, picture, rows[-1] if rows else None, width)
    messages = [row for row in rows if row.sip]
    if messages:
        lines += ladder.diff_lines(messages[0], messages[-1], width)
    return lines


@settings(max_examples=80, deadline=None)
@given(
    stamped_lists(25),
    st.sampled_from([UNICODE, ASCII]),
    st.sampled_from([38, 58, 80, 120]),
    st.sampled_from(["", "c1", "c1b"]),
    st.sampled_from(["", "menu"]),
)
def test_any_prefix_of_any_events_can_be_shown(
    stamped: list[ev.Stamped], glyphs: Glyphs, width: int, leg: str, chosen: str
) -> None:
    """Whatever the engine says, in whatever order, the workbench shows something."""
    model = Model(glyphs=glyphs, zone=UTC, leg=leg, script=chosen, dialling=True)
    for one in stamped:
        model.take_events([one])
        every_line(model, one.at_s, width)
    for content in every_line(model, 1e9, width):
        assert content.text.isprintable()
    found, picture = ladder.picture(model, leg)
    for extension in ladder_files.FORMATS:
        ladder_files.ladder_file(model, found, picture, extension)
    model.lose_engine("gone", 1e9)
    pages.down_lines(model, 1e9 + 5, width)
    every_line(model, 1e9 + 5, width)


@settings(max_examples=30, deadline=None)
@given(stamped_lists(25))
def test_log_lines_grow_as_if_made_at_once(stamped: list[ev.Stamped]) -> None:
    """Keeping lines between draws changes nothing."""
    model = Model(zone=UTC, log_level=3)
    grown = log.LogLines()
    for one in stamped:
        model.take_events([one])
        grown.update(model, 80)
    anew = log.LogLines()
    anew.update(model, 80)
    assert grown.lines == anew.lines
    assert grown.matching == anew.matching


def test_log_lines_forget_with_the_ring() -> None:
    """A day of logging does not grow the memory of the log screen."""
    model = Model(zone=UTC)
    kept = log.LogLines()
    for seq in range(1, 2_500):
        text = ev.LogWritten(2, "call", f"line {seq}", detail="a\nb" if seq % 2 else "")
        model.take_events([ev.Stamped(seq, 0.0, text)])
        if seq % 100 == 0:
            kept.update(model, 80)
    kept.update(model, 80)
    assert kept.matching == len(model.history.logs.events) == 2_000
    assert len(kept.lines) == 3_000


@given(st.text(max_size=30), st.integers(0, 40))
def test_fit_is_exact(text: str, width: int) -> None:
    """Columns stay in line whatever a caller is called."""
    from ivrbench.tui.text import fit

    assert cells(fit(text, width)) == width


def test_lines_fill_the_width_they_are_given() -> None:
    """Rows, status and strip are as wide as the pane, also with wide characters."""
    engine = FakeEngine()
    engine.publish(loaded("menu", 1), *leg_up("c1", "menu", 1, "sip:東京タワー株式会社電話@x"))
    model = Model(zone=UTC, history=engine.hub.history, link="up")
    for width in (78, 120):
        assert cells(frame.status_line(model, 0.0, width).text) == width
        assert cells(frame.strip_line(model, 0.0, width).text) == width
        rows = [one for one in legs.leg_lines(model, 0.0, width) if one.key]
        assert [cells(one.text) for one in rows] == [width]


def test_two_hundred_live_legs_and_more() -> None:
    """The list is bounded; what is left out is said."""
    engine = FakeEngine()
    for number in range(400):
        engine.publish(*leg_up(f"c{number}", "menu", 1, "sip:a@b"))
    model = Model(history=engine.hub.history)
    lines = legs.leg_lines(model, 0.0, 78)
    assert len(lines) < 310
    assert "100 more" in lines[-1].text
    model.legs_filter = Filter("leg:c7")
    assert [one.key for one in legs.leg_lines(model, 0.0, 78) if one.key] == ["c7"]


@pytest.mark.parametrize(
    ("text", "subject", "passes"),
    [
        ("", Subject("anything"), True),
        ("pin retry", Subject("PIN then retry"), True),
        ("pin retry", Subject("PIN"), False),
        ('"PIN retry"', Subject("a PIN retry 1"), True),
        ('"PIN retry"', Subject("a pin retry 1"), False),
        ('"PIN ret', Subject("a PIN retry"), True),
        ("-noise", Subject("noise"), False),
        ("!noise", Subject("quiet"), True),
        ("/retry [12]/", Subject("Retry 2"), True),
        ("-/retry [12]/", Subject("retry 2"), False),
        ("leg:c12", Subject("", leg="c12"), True),
        ("leg:c12", Subject("", leg="c12b"), True),
        ("leg:c12", Subject("", leg="c121"), False),
        ("-leg:c12", Subject("", leg="c1"), True),
        ("leg:", Subject("", leg="c1"), True),
        ("script:menu", Subject("", script="menu"), True),
        ("script:menu@4", Subject("", script="menu"), True),
        ("script:menu", Subject("", script="menu2"), False),
        ("src:rtp", Subject("", source="rtp"), True),
        ("src:rtp", Subject("", source="sip"), False),
        ("level>=warn", Subject("", level=0), True),
        ("level>=warning", Subject("", level=2), False),
        ("level<=info", Subject("", level=1), False),
        ("level:debug", Subject("", level=3), True),
        ("level=error", Subject("", level=1), False),
        ("since:2m", Subject("", age_s=119), True),
        ("since:2m", Subject("", age_s=121), False),
        ("12:30:45", Subject("at 12:30:45"), True),
    ],
)
def test_filter(text: str, subject: Subject, passes: bool) -> None:
    """Every word of the language."""
    typed = Filter(text)
    assert typed.error == ""
    assert typed.matches(subject) is passes


@pytest.mark.parametrize("text", ["/[/", "level>=loud", "level>=", "since:x", "since:5y"])
def test_filter_says_what_it_ignores(text: str) -> None:
    """Half a filter, as while typing, lets everything through and says why."""
    typed = Filter(f"{text} word")
    assert typed.error
    assert typed.matches(Subject("a word"))
    assert not typed.matches(Subject("nothing"))


@given(st.text(max_size=30))
def test_any_typing_is_a_filter(text: str) -> None:
    """No key raises."""
    Filter(text).matches(Subject("a text", leg="c1"))


def test_selection_survives_what_it_stood_on() -> None:
    """A leg that fell out of the history, a script that was deleted: the next one is shown."""
    model = Model(leg="c1", script="gone")
    assert model.selected_leg is None
    assert model.selected_script is None
    assert not model.step_script(1)
    engine = FakeEngine()
    engine.publish(loaded("b", 1), loaded("a", 1), *leg_up("c2", "a", 1, "sip:x@y"))
    model.history = engine.hub.history
    assert model.selected_script is engine.hub.history.scripts["a"]
    assert model.selected_leg is engine.hub.history.live["c2"]
    assert model.step_script(1)
    assert model.script == "b"
    assert not model.step_script(1, failed=True)


def test_a_test_call_seen_before_its_answer() -> None:
    """The engine may tell of the leg before or after it answers the command."""
    engine = FakeEngine()
    model = Model(history=engine.hub.history)
    model.dialling = True
    stamped = [engine.hub.publish(event) for event in leg_up("c1", "menu", 1, "test phone")]
    model.history = History()
    model.take_events(stamped)
    assert (model.test_leg, model.keys_owner, model.dialling) == ("c1", "call", False)
    model.follow_test_call("c1")
    assert model.keys_owner == "call"
    model.filter_owner = "log"
    assert model.keys_owner == "filter"


def test_a_snapshot_takes_the_keyboard_from_a_call_that_is_gone() -> None:
    """After a restart nothing is sent to a leg of the same name."""
    model = Model(test_leg="c1", keys_to_call=True)
    model.take_snapshot(History().snapshot())
    assert (model.test_leg, model.keys_to_call, model.link) == ("", False, "up")


def test_model_and_views_do_not_load_textual() -> None:
    """They can be used and tested without a terminal."""
    code = (
        "import sys, ivrbench.tui.model, ivrbench.tui.views.frame, ivrbench.tui.views.legs, "
        "ivrbench.tui.views.leg, ivrbench.tui.views.log, ivrbench.tui.views.script, "
        "ivrbench.tui.views.pages, ivrbench.tui.views.help, "
        "ivrbench.tui.views.call, ivrbench.tui.views.ladder_files, ivrbench.tui.redial\n"
        "assert not {'textual', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("busy_ms", [0.0, 1e-306, 0.01])
def test_room_for_calls_is_not_measured_by_idle_ticks(busy_ms: float) -> None:
    """Health divides by what calls cost; next to nothing is no measure."""
    engine = FakeEngine()
    engine.publish(msgspec.structs.replace(report(), busy_ms_per_tick=busy_ms))
    pages = health.health_panes(Model(zone=UTC, history=engine.hub.history), 0.0)
    text = "\n".join(row.text for _, _, page in pages for row in page)
    assert "no leg to measure with" in text


def test_memory_that_runs_short() -> None:
    """Health shows how much is used, and while it is short who may have it; without a limit no."""
    engine = FakeEngine()
    model = Model(zone=UTC, history=engine.hub.history)

    def shown() -> str:
        pages = health.health_panes(model, 0.0)
        lines = [row.text for _, _, page in pages for row in page]
        return "\n".join([*lines, health.warning(model).text])

    engine.publish(report())
    assert "memory" not in shown()
    engine.publish(msgspec.structs.replace(report(), memory_mb=460, memory_limit_mb=512))
    assert "memory 460 of 512 MB" in shown()
    assert "memory is short" not in shown()
    users = (MemoryUser("menu@3", 12, (("onDtmf at menu.py:7", 2),)), MemoryUser("hello@1", 1))
    engine.publish(MemoryChanged("full", 470, 512, users))
    assert "memory is short, new calls are refused: menu@3 12 calls, hello@1 1 call" in shown()
    engine.publish(MemoryChanged("full", 470, 512))
    assert "refused: no script has a call" in shown()
    engine.publish(MemoryChanged("roomy", 300, 512, refused=3))
    assert "memory is short" not in shown()
