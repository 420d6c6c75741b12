"""Calls become tests (R), and the Cases screen (F8) runs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import ControlError
from ivrbench.observe import events as ev
from ivrbench.observe.commands import PlaceTestCall
from ivrbench.tui import cases as cases_module
from ivrbench.tui.case_call import case_call
from ivrbench.tui.cases import Case, Cases, delete_case, find_cases, run_cases
from ivrbench.tui.redial import ANY_PROMPT, Moment
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, strip_text, until, workbench
from tests.tui.fake_engine import leg_up, loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syrupy.assertion import SnapshotAssertion

    from tests.tui.fake_engine import FakeEngine

TWO = '''"""Recorded calls of menu."""


def test_hours(bench):
    """It says when it is open."""
    call = bench.dial("menu")
    call.answered()


def test_other(bench):
    bench.dial("other").answered()
'''
MESSAGE = [
    "ivrbench.errors.ExpectationFailed: expected  the script plays hours.wav within 5 s",
    "got       directions.wav",
    "script    onDtmf(1, 100)  menu.py:48",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workbench is started in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two() -> Path:
    """A file of two cases."""
    path = Path("tests/calls/test_menu.py")
    path.parent.mkdir(parents=True)
    path.write_text(TWO)
    return path


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which cases were run; the first of them fails."""
    ran: list[list[str]] = []

    async def run(cases: Sequence[Case], script_path: str, wall: Callable[[], float]) -> None:
        ran.append([case.name for case in cases])
        for number, case in enumerate(cases):
            case.state, case.ran_at_s, case.took_s = ("failed", "ok")[number > 0], wall(), 0.2
            case.message = [] if number else list(MESSAGE)

    monkeypatch.setattr("ivrbench.tui.case_runs.run_cases", run)
    return ran


def write_empty(path: Path) -> None:
    path.parent.mkdir()
    path.touch()


def text_of(path: Path) -> str:
    return path.read_text()


def write(path: Path, text: str) -> None:
    path.write_text(text)


def menu_call() -> list[ev.Event]:
    """A call of menu with a key, over."""
    return [
        loaded("menu", 1),
        *leg_up("c1", "menu", 1, "sip:bob@10.0.0.8"),
        ev.ItemEnqueued("c1", 1, "", "/s/wav/main.wav", "", 3000),
        ev.ItemStarted("c1", 1),
        ev.KeyReceived("c1", 1, 100, "RFC 4733"),
        ev.LegChanged("c1", "ending"),
        ev.LegEnded("c1", "caller", 200, "the caller hung up", 2.0),
    ]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
async def test_cases(
    engine: FakeEngine,
    size: tuple[int, int],
    screens: SnapshotAssertion,
    two: Path,
    runs: list[list[str]],
) -> None:
    """The files, how each case ran, and what was different."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("f8", "a")
        await until(app, pilot, engine, "FAIL")
        assert runs == [["test_hours", "test_other"]]
        assert screen_text(app) == screens


async def test_no_case_yet(engine: FakeEngine) -> None:
    """The empty screen says how to get one."""
    async with workbench(engine) as (app, pilot):
        await pilot.press("f8")
        await settle(app, pilot, engine)
        assert "No case yet." in screen_text(app)
        await pilot.press("a", "enter", "e", "X")
        await settle(app, pilot, engine)


async def test_one_case_runs(engine: FakeEngine, two: Path, runs: list[list[str]]) -> None:
    """Enter runs the one under the cursor; y copies what it said."""
    async with workbench(engine) as (app, pilot):
        await pilot.press("f8")
        await settle(app, pilot, engine)
        await pilot.press("down", "enter")
        await until(app, pilot, engine, "FAIL")
        assert runs == [["test_other"]]
        await pilot.press("y")
        assert "directions.wav" in app.clipboard


async def test_a_failed_case_stands_at_its_script(
    engine: FakeEngine, two: Path, runs: list[list[str]]
) -> None:
    """On the Bench its row says so; F8 says which lines are new, and d shows them."""
    engine.publish(loaded("menu", 1, source="one\ntwo\nthree\n"))
    async with workbench(engine) as (app, pilot):
        engine.publish(loaded("menu", 2, source="one\n2\n2b\nthree\n"))
        await until(app, pilot, engine, "1 case ✗")
        await pilot.press("f8")
        await until(app, pilot, engine, "since     @2 changed lines 2-3 (d shows the diff)")
        await pilot.press("d")
        await until(app, pilot, engine, "diff @1 → @2")
        assert "+2b" in screen_text(app)


async def test_a_case_is_heard(engine: FakeEngine, two: Path) -> None:
    """The test phone calls its script; what it cannot do is said."""
    write(two, TWO.replace('"menu"', '"menu", params={"pin": "1"}'))
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await pilot.press("f8")
        await settle(app, pilot, engine)
        await pilot.press("l")
        await until(app, pilot, engine, "test_hours without its params")
        asked = [each for each in engine.asked if isinstance(each, PlaceTestCall)]
        assert [each.target for each in asked] == ["menu"]
        assert app.current_mode == "call"


async def test_cases_run_when_their_script_was_loaded_again(
    engine: FakeEngine, two: Path, runs: list[list[str]]
) -> None:
    """Only those of that script, on every screen, unless w turned that off."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        engine.publish(loaded("menu", 2))
        await until(app, pilot, engine, "1 case failed: test_hours")
        assert runs == [["test_hours"]]
        await pilot.press("f8", "w")
        await settle(app, pilot, engine)
        assert "run on reload [off]" in screen_text(app)
        engine.publish(loaded("menu", 3))
        await settle(app, pilot, engine)
        assert len(runs) == 1


async def test_a_case_is_deleted_after_a_question(engine: FakeEngine, two: Path) -> None:
    """And only it."""
    async with workbench(engine) as (app, pilot):
        await pilot.press("f8")
        await settle(app, pilot, engine)
        await pilot.press("X", "escape")
        await settle(app, pilot, engine)
        assert text_of(two) == TWO
        await pilot.press("X", "d")
        await settle(app, pilot, engine)
        assert "test_hours" not in text_of(two)
        assert "test_other" in text_of(two)
        assert "test_hours" not in screen_text(app)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
async def test_record(
    engine: FakeEngine, size: tuple[int, int], screens: SnapshotAssertion
) -> None:
    """The test as it would be written, with what it checks."""
    engine.play((float(number), event) for number, event in enumerate(menu_call()))
    async with workbench(engine, size) as (app, pilot):
        await pilot.press("R")
        await settle(app, pilot, engine)
        assert screen_text(app) == screens


async def test_a_call_is_written_down(engine: FakeEngine) -> None:
    """Boxes change the test; enter writes it; the Cases screen has it."""
    engine.publish(*menu_call())
    async with workbench(engine) as (app, pilot):
        await pilot.press("R", "tab", "end", *"_again", "tab", "space")
        await settle(app, pilot, engine)
        assert "call.plays" not in screen_text(app)
        await pilot.press("ctrl+s")
        await settle(app, pilot, engine)
        source = text_of(Path("tests/calls/test_menu.py"))
        assert "def test_menu_1_caller_hangs_up_again(bench: Bench)" in source
        assert "plays" not in source
        assert 'call.press("1")' in source
        assert "wrote test_menu_1_caller_hangs_up_again" in strip_text(app)
        await pilot.press("f8")
        await settle(app, pilot, engine)
        assert "test_menu_1_caller_hangs_up_again" in screen_text(app)


async def test_a_name_that_pytest_would_not_find(engine: FakeEngine) -> None:
    """The question stays, and says what is wrong; esc writes nothing."""
    engine.publish(*menu_call())
    async with workbench(engine) as (app, pilot):
        await pilot.press("R", "tab", "home", "x", "enter")
        await settle(app, pilot, engine)
        assert "! test_… in letters, digits and _" in screen_text(app)
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert not find_cases(Path("tests/calls"))[0]


async def test_a_call_that_goes_on_is_no_case_yet(engine: FakeEngine) -> None:
    """A sentence."""
    engine.publish(*menu_call()[:-2])
    async with workbench(engine) as (app, pilot):
        await pilot.press("R")
        await settle(app, pilot, engine)
        assert "c1 is not over yet" in strip_text(app)


# --- without a screen -------------------------------------------------------------------------


async def test_pytest_runs_them(two: Path) -> None:
    """In a process of its own: which failed, and why."""
    write(two, "def test_good(): pass\n\ndef test_bad():\n    assert 1 == 2, 'no\\nwonder'\n")
    cases, _ = find_cases(two.parent)
    await run_cases(cases, "scripts", lambda: 5.0)
    assert [(case.name, case.state, case.ran_at_s) for case in cases] == [
        ("test_good", "ok", 5.0),
        ("test_bad", "failed", 5.0),
    ]
    assert cases[1].message[:2] == ["AssertionError: no", "  wonder"]


async def test_what_cannot_be_run_says_why(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that went away meanwhile; a Python without pytest."""
    cases, _ = find_cases(two.parent)
    write(two, "")
    with pytest.raises(ControlError, match="pytest did not run"):
        await run_cases(cases, "scripts", lambda: 5.0)
    assert [case.state for case in cases] == ["", ""]
    assert "pip install pytest" in cases_module._why_nothing_ran(
        f"{sys.executable}: No module named pytest"
    )


def test_files_that_cannot_be_read_are_named(two: Path) -> None:
    """The others are shown; results survive another look."""
    (two.parent / "test_broken.py").write_text("def (")
    cases = Cases()
    cases.look()
    assert [case.name for case in cases.rows] == ["test_hours", "test_other"]
    assert "test_broken.py:1 cannot be read" in cases.problem
    cases.rows[0].state = "ok"
    cases.look()
    assert cases.rows[0].state == "ok"


def test_a_case_as_a_call(two: Path) -> None:
    """Keys at their moments after the prompts; without prompts after the answer."""
    steps = """
def test_it(bench):
    call = bench.dial("menu")
    call.answered()
    call.waits(2)
    call.plays("main.wav")
    call.waits(1.5)
    call.press("12")
    call.plays("Good bye, dear caller")
    callee = call.connects("sip:bob@example.org")
    call.press("#")
    call.hangs_up()
"""
    write(two, steps)
    call = case_call(find_cases(two.parent)[0][0])
    assert call.script == "menu"
    assert call.left_out == ["connects"]
    assert call.moments == [
        Moment("1", 1, "main.wav", 1.5),
        Moment("2", 1, "main.wav", 1.68),
        Moment("#", 2, "", 0.0),
    ]
    write(two, steps.replace("call.plays", "call.hears"))
    moments = case_call(find_cases(two.parent)[0][0]).moments
    assert [(m.n_prompts, m.after_s) for m in moments][0] == (ANY_PROMPT, 3.5)
    write(two, "def test_it(bench, name):\n    bench.dial(name)\n")
    with pytest.raises(ControlError, match="does not say by name"):
        case_call(find_cases(two.parent)[0][0])


def test_deleting_what_is_not_there(two: Path) -> None:
    """A sentence, and the file stays."""
    case = Case(two, "test_gone", 1, "menu")
    with pytest.raises(ControlError, match="not in .* any more"):
        delete_case(case)
    assert text_of(two) == TWO


async def test_places_in_what_was_said_are_opened(
    engine: FakeEngine, two: Path, runs: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """enter below opens the script at the line it was at; each place once, files that are there."""
    write_empty(Path("scripts/menu.py"))
    engine.hub.history.engine.script_path = "scripts"
    engine.publish(loaded("menu", 1))
    monkeypatch.setattr(
        sys.modules[__name__],
        "MESSAGE",
        [*MESSAGE, "  4.2  menu.py@7:48 onDtmf", "  4.4  tests/calls/test_menu.py:7", "gone.py:3"],
    )
    opened: list[tuple[str, int]] = []
    async with workbench(engine, WIDE) as (app, pilot):
        monkeypatch.setattr(app, "edit", lambda file, line: opened.append((file, line)))
        await pilot.press("f8", "enter")
        await settle(app, pilot, engine)
        assert "enter opens menu.py:48" in screen_text(app)
        await pilot.press("tab", "enter", "down")
        await settle(app, pilot, engine)
        assert "enter opens tests/calls/test_menu.py:7" in screen_text(app)
        await pilot.press("enter", "down", "enter")
        await settle(app, pilot, engine)
        assert opened == [("scripts/menu.py", 48), ("tests/calls/test_menu.py", 7)]
        assert "there is no gone.py in scripts" in strip_text(app)
