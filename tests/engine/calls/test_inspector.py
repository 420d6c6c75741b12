"""Attributes of the dialog object after each handler, and lines of the console between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.engine import console
from ivrbench.engine.console import Consoles
from ivrbench.observe.commands import Answered, Evaluate, Watch
from ivrbench.observe.events import ApiCalled, HandlerCalled
from ivrbench.observe.inspection import CallTouched, LegInspected
from tests.engine.harness import Caller

from .texts import script

if TYPE_CHECKING:
    from tests.engine.calls.conftest import MakeBench
    from tests.engine.harness import Bench

PIN = """
HINT_TIMER = 1
keys = ""
def onSessionStart(self):
    self.state = 0
    self.setTimer(1, 10)
def onDtmf(self, key, duration):
    self.keys += str(key)
    if key == 9:
        del self.state
def helper(self):
    return 5
@property
def shout(self):
    return self.keys.upper()
"""


def changes(bench: Bench) -> list[dict[str, tuple[str, str]]]:
    """What changed each time: old and new text of the script's own attributes."""
    return [
        {
            change.path: (change.was, change.value.text if change.value else "")
            for change in event.changes
            if change.path.startswith(("self.", "timers."))
        }
        for event in bench.told
        if isinstance(event, LegInspected)
    ]


def test_attributes_after_each_handler(make_bench: MakeBench) -> None:
    """tui §10: the first look tells everything, later ones what the handler changed."""
    bench = make_bench(script(PIN), inspect="all")
    caller = Caller(bench)
    caller.dial()
    for key in (1, 9):
        caller.press(key)
    first, one, nine = changes(bench)
    assert first["self.keys"] == ("", "''")
    assert first["self.state"] == ("", "0")
    assert first["self.HINT_TIMER"] == ("", "1")
    assert first["timers.1"][1].startswith("10.")
    assert one == {"self.keys": ("''", "'1'")}
    assert nine == {"self.keys": ("'1'", "'19'"), "self.state": ("0", "")}
    looks = [n for n, e in enumerate(bench.told) if isinstance(e, LegInspected)]
    after = bench.told[looks[-1] + 1]
    assert isinstance(after, HandlerCalled)
    look = bench.told[looks[-1]]
    assert isinstance(look, LegInspected)
    assert look.call == after.call
    leg = bench.hub.history.live["c1"]
    assert leg.inspected is not None
    values = leg.inspected.at(bench.hub.history.seq)
    assert values["self.keys"].text == "'19'"
    assert values["dialog.status_str"].text == "'Connected'"
    assert values["invite_req."].text.startswith("INVITE, ")
    assert "self.state" not in values
    step = leg.inspected.step_of(look.call)
    assert step is not None
    assert leg.inspected.at(step.seq - 1)["self.keys"].text == "'1'"
    caller.bye()


def test_calls_that_nobody_watches_are_not_looked_at(make_bench: MakeBench) -> None:
    """`inspect = watched`: it costs nothing until a workbench shows the leg."""
    bench = make_bench(script(PIN))
    caller = Caller(bench)
    caller.dial()
    assert changes(bench) == []
    _, feed = bench.hub.connect(lambda: None)
    bench.hub.watch(feed, Watch(inspected=("c1",)))
    caller.press(1)
    assert changes(bench)[0]["self.keys"] == ("", "'1'")
    bench.hub.watch(feed, Watch())
    caller.press(1)
    assert len(changes(bench)) == 1
    caller.bye()


def test_test_calls_are_looked_at(make_bench: MakeBench) -> None:
    """They are the developer's: what happened before the Inspector was opened is there."""
    bench = make_bench(script(PIN))
    caller = Caller(bench)
    caller.dial(headers=(("User-Agent", "ivrbench test phone"),))
    assert changes(bench)[0]["self.state"] == ("", "0")
    caller.bye()


def test_waiting_handlers_are_looked_at(make_bench: MakeBench) -> None:
    """An `async def` handler that runs for the whole call shows what it has done so far."""
    body = """
async def onSessionStart(self):
    self.step = 1
    self.got = await self.collect(1, 60)
    self.step = 2
    await self.collect(1, 60)
"""
    bench = make_bench(script(body), inspect="all", console="yes")
    caller = Caller(bench)
    caller.dial()
    assert changes(bench)[-1]["self.step"] == ("", "1")
    caller.press(5)
    assert changes(bench)[-1] == {"self.step": ("1", "2"), "self.got": ("", "'5'")}
    assert evaluate(bench, "self.step").text == "2"
    caller.bye()


# --- the console ------------------------------------------------------------------------------


def evaluate(bench: Bench, text: str, *, may_change: bool = False, leg: str = "c1") -> Answered:
    """Type a line."""
    answers: list[Answered] = []
    consoles = Consoles(bench.board)

    async def ask() -> None:
        answers.append(await consoles.evaluate(Evaluate(leg, text, may_change)))

    task = bench.loop.create_task(ask())
    bench.until(task.done)
    task.result()
    return answers[0]


@pytest.fixture
def call(make_bench: MakeBench) -> tuple[Bench, Caller]:
    """A call that is up, and its bench with a console."""
    bench = make_bench(script(PIN), console="yes")
    caller = Caller(bench)
    caller.dial()
    return bench, caller


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("self.keys", "''"),
        ("self.state + 1", "1"),
        ("self.invite_req.method", "'INVITE'"),
        ("self.dialog.status_str", "'Connected'"),
        ("[k for k in vars(self) if k == 'state']", "['state']"),
        ("self.shout", "''"),
        ("said", "[]"),
        ("sorted([3, 1])", "[1, 3]"),
        ("'x' * 9000", None),
    ],
)
def test_lines_that_look(call: tuple[Bench, Caller], text: str, result: str | None) -> None:
    """Expressions over the dialog object and the script's own names."""
    bench, caller = call
    answer = evaluate(bench, text)
    assert answer.ok
    assert answer.text == result if result else len(answer.text) <= 2_000
    assert bench.hub.history.live["c1"].touched_at_s == 0.0
    caller.bye()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "self.flush()",
            "(self.flush)()",
            "getattr(self, 'flush')()",
            "[f() for f in [self.mute]]",
        ),
        *("self.state = 1", "(x := 1)", "del self.state", "import os", "self.helper()"),
        *("self.keys.__class__, self.stopSession()", "vars(self).update(a=1)", "said.append(1)"),
        *("setattr(self, 'state', 5)", "self.vars.setdefault('a', 1)", "def f(): pass"),
    ],
)
def test_lines_that_change_are_refused(call: tuple[Bench, Caller], text: str) -> None:
    """tui §10: what calls a method of the dialog or assigns needs the prefix."""
    bench, caller = call
    answer = evaluate(bench, text)
    assert not answer.ok
    assert answer.text.startswith("refused: ")
    assert "Prefix with !" in answer.text
    assert bench.session.mailbox.dialog.state == 0  # type: ignore[union-attr]
    assert [e.name for e in bench.of(ApiCalled)] == ["setTimer"]
    caller.bye()


def test_lines_that_may_change(call: tuple[Bench, Caller]) -> None:
    """They do, the call is marked, and names stay for the next line."""
    bench, caller = call
    assert evaluate(bench, "self.state = 5; self.state * 2", may_change=True).text == "10"
    assert evaluate(bench, "self.flush()", may_change=True).text == "None"
    leg = bench.hub.history.live["c1"]
    assert leg.touched_at_s > 0
    touched = [e for e in bench.told if isinstance(e, CallTouched)]
    assert [(e.text, e.result) for e in touched] == [
        ("self.state = 5; self.state * 2", "10"),
        ("self.flush()", "None"),
    ]
    evaluate(bench, "self.stopSession()", may_change=True)
    bench.until(lambda: bench.ended() is not None)


def test_names_stay_from_line_to_line(call: tuple[Bench, Caller]) -> None:
    """Of one call; `self` is always its dialog object."""
    bench, caller = call
    consoles = Consoles(bench.board)

    async def type_lines() -> list[str]:
        lines = ("x = 6; self = None", "x * 7 + self.state")
        return [(await consoles.evaluate(Evaluate("c1", line, True))).text for line in lines]

    task = bench.loop.create_task(type_lines())
    bench.until(task.done)
    assert task.result() == ["None", "42"]
    caller.bye()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 /", "SyntaxError: invalid syntax"),
        ("nothing", "NameError: name 'nothing' is not defined"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("exit(3)", "SystemExit: 3"),
        ("x" * 5_000, "the line is longer"),
        ("", "there is nothing"),
        ("await self.play('a')", "SyntaxError: 'await' outside function"),
    ],
)
def test_lines_that_fail(call: tuple[Bench, Caller], text: str, sentence: str) -> None:
    """The call goes on; the error is the answer."""
    bench, caller = call
    answer = evaluate(bench, text, may_change=bool(text))
    assert not answer.ok
    assert sentence in answer.text
    caller.press(1)
    assert evaluate(bench, "self.keys").text == "'1'"
    caller.bye()


def test_a_line_that_computes_for_ever_is_interrupted(
    call: tuple[Bench, Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call goes on."""
    monkeypatch.setattr(console, "MAX_RUN_S", 0.01)
    bench, caller = call
    bench.engine.threads.patience_s = 0.05
    bench.engine.threads.on_stuck = lambda where: None
    answer = evaluate(bench, "while True: pass", may_change=True)
    assert not answer.ok
    assert answer.text.startswith("interrupted")
    caller.press(1)
    assert evaluate(bench, "self.keys").text == "'1'"
    caller.bye()


def test_the_console_is_off_in_a_server(make_bench: MakeBench) -> None:
    """Unless `console = yes`."""
    bench = make_bench(script(PIN))
    caller = Caller(bench)
    caller.dial()
    answer = evaluate(bench, "self.keys")
    assert not answer.ok
    assert "console = yes" in answer.text
    caller.bye()


def test_a_call_that_is_over(call: tuple[Bench, Caller]) -> None:
    """Is said so."""
    bench, caller = call
    caller.bye()
    assert evaluate(bench, "self.keys").text == "c1 is not up any more"
    assert evaluate(bench, "self.keys", leg="c7").text == "c7 is not up any more"


def test_a_busy_call_drops_the_line(make_bench: MakeBench) -> None:
    """A handler that does not return: the line must not come later, as a surprise."""
    body = """
keys = ""
def onDtmf(self, key, duration):
    said.append("in")
    self.removeTimers()
    go.wait(10)
"""
    text = "import threading\ngo = threading.Event()\n" + script(body)
    bench = make_bench(text, console="yes")
    caller = Caller(bench)
    caller.dial()
    caller.press(1)
    answer = evaluate(bench, "self.keys = 'late'", may_change=True)
    assert answer.text == "onDtmf has not returned: the line was dropped. Try again when it has"
    bench.session.generation.module.go.set()
    bench.until(lambda: bench.session.mailbox.call is None)
    assert evaluate(bench, "self.keys").text == "''"
    assert not [e for e in bench.told if isinstance(e, CallTouched)]
    caller.bye()
