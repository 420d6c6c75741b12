"""Handlers: serial for each call, in a bounded pool, nothing gets out (architecture §2, §10)."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.engine.outcome import (
    Call,
    Outcome,
    called_event,
    raised_event,
    started_event,
)
from tests.engine.handlers import BLOCK, Harness, reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ivrbench.observe.events import HandlerRaised
    from tests.engine.scripts.bench import Bench


@pytest.fixture
async def run(bench: Bench) -> AsyncIterator[Harness]:
    harness = Harness(bench, threads=2)
    yield harness
    harness.pool.close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """`sys.gate`, for handlers to block on; `sys.reached` tells that one does."""
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    monkeypatch.setattr(sys, "reached", threading.Semaphore(0), raising=False)
    return gate


async def test_a_handler_runs_in_a_thread_and_returns(run: Harness) -> None:
    """What it returned, where it is written, how long it took."""
    mailbox = run.script("def onDtmf(self, key, duration):\n    return key, threading.get_ident()")
    outcome = await run.call(mailbox, "onDtmf", 1, 100)
    assert (outcome.defined, outcome.raised) == (True, None)
    assert outcome.returned != (1, threading.get_ident())
    assert isinstance(outcome.returned, tuple)
    assert outcome.returned[0] == 1
    assert (outcome.file, outcome.line) == (str(run.bench.folder / "menu.py"), 4)


@pytest.mark.parametrize(
    ("returned", "default"),
    [("True", True), ("None", False), ("1", False), ("False", False), ("'x'", False)],
)
async def test_default_actions(run: Harness, returned: str, default: bool) -> None:
    """Rule 1: exactly the object True lets the default run; 1 is not True."""
    mailbox = run.script(f"def onBye(self):\n    return {returned}")
    outcome = await run.call(mailbox, "onBye")
    assert outcome.default_runs is default
    event = called_event("c1", outcome)
    assert event.default == ("ran" if default else "suppressed")
    assert event.returned == returned


def test_an_exception_suppresses_the_default() -> None:
    """Rule 1, and handlers without a default action say nothing of it."""
    assert not Outcome(Call("onBye"), defined=True, raised=ValueError()).default_runs
    assert called_event("c1", Outcome(Call("onTimer", (1,)), defined=True)).default == ""


async def test_a_missing_handler_costs_no_thread(run: Harness) -> None:
    """`done` is called at once, in order, even when posted from within another."""
    mailbox = run.script("def onBye(self): pass")
    order: list[str] = []

    def again(outcome: Outcome) -> None:
        order.append("first")
        mailbox.post(Call("onTimer"), lambda o: order.append(f"second {o.defined}"))
        order.append("posted")

    mailbox.post(Call(""), again)
    assert order == ["first", "posted", "second False"]
    assert (run.pool.busy, len(run.pool._workers)) == (0, 0)


async def test_base_class_methods_are_no_handlers(run: Harness) -> None:
    """onRtpTimeout has a base implementation; the engine does the same without a thread."""
    mailbox = run.script("pass")
    assert not (await run.call(mailbox, "onRtpTimeout")).defined


async def test_handlers_of_the_object_and_of_getattr(run: Harness) -> None:
    """Looked up on the object each time: attributes set later, `__getattr__`, mixins."""
    mailbox = run.script(
        "def onDtmf(self, key, duration):\n"
        "    self.onTimer = lambda id: id + 1\n"
        "def __getattr__(self, name):\n"
        "    if name == 'onBye': return lambda: 'dynamic'\n"
        "    raise AttributeError(name, name=name, obj=self)"
    )
    assert (await run.call(mailbox, "onDtmf", 1, 1)).raised is None
    assert (await run.call(mailbox, "onTimer", 4)).returned == 5
    assert (await run.call(mailbox, "onBye")).returned == "dynamic"
    assert not (await run.call(mailbox, "onEmptyQueue")).defined


async def test_a_handler_that_is_not_callable_is_a_type_error(run: Harness) -> None:
    """Counted as suppressed, as in the reference server."""
    mailbox = run.script("onBye = 5\nonTimer = None")
    for handler in ("onBye", "onTimer"):
        outcome = await run.call(mailbox, handler)
        assert isinstance(outcome.raised, TypeError)
        assert str(outcome.raised).startswith(f"{handler} is no function, but ")
        assert not outcome.default_runs


async def test_an_attribute_error_inside_a_handler_is_reported(run: Harness) -> None:
    """It is not mistaken for a missing handler."""
    mailbox = run.script("def onBye(self): self.onBye_typo()")
    outcome = await run.call(mailbox, "onBye")
    assert outcome.defined
    assert isinstance(outcome.raised, AttributeError)


@pytest.mark.parametrize("statement", ["sys.exit(3)", "raise KeyboardInterrupt", "1/0"])
async def test_whatever_is_raised_stays_in_the_handler(run: Harness, statement: str) -> None:
    """architecture §10: `sys.exit()` ends nothing but the handler."""
    mailbox = run.script(
        f"def onBye(self):\n    {statement}\nasync def onTimer(self, id):\n    {statement}"
    )
    told: list[HandlerRaised] = []

    def tell(outcome: Outcome) -> None:
        told.append(raised_event("c1", outcome, mailbox.generation, "the call goes on"))

    for handler, args in (("onBye", ()), ("onTimer", (1,))):
        mailbox.post(Call(handler, args), tell)
        outcome = await run.call(mailbox, "onEmptyQueue")
        event = told[-1]
        line = 5 if handler == "onBye" else 7
        assert (event.file, event.line) == (str(run.bench.folder / "menu.py"), line)
        assert event.error_type in ("SystemExit", "KeyboardInterrupt", "ZeroDivisionError")
        assert event.traceback.splitlines()[1].startswith('  File "menu.py@')
        assert statement in event.traceback
        assert not outcome.defined


async def test_handlers_of_one_call_are_serial(run: Harness, gate: threading.Event) -> None:
    """While one blocks, the next waits, another call's does not; outcomes come in order."""
    mailbox = run.script(
        f"def onDtmf(self, key, duration):\n    {BLOCK}\ndef onTimer(self, id): pass"
    )
    other = run.mailbox()
    mailbox.post(Call("onDtmf", (1, 2)), run.done)
    mailbox.post(Call("onTimer", (1,)), run.done)
    mailbox.post(Call("onBye"), run.done)
    assert reached()
    other.post(Call("onTimer", (2,)), run.done)
    assert (await run.outcome("onTimer")).call.args == (2,)
    gate.set()
    handlers = [(await run.outcome(name)).call for name in ("onDtmf", "onTimer", "onBye")]
    assert [call.number for call in handlers] == [2, 3, 4]


async def test_the_pool_is_bounded_and_fair(run: Harness, gate: threading.Event) -> None:
    """Two threads: the third and fourth call wait, and are served in the order they came."""
    run.script(f"def onBye(self):\n    {BLOCK}\ndef onTimer(self, id): return id")
    boxes = [run.mailbox() for _ in range(4)]
    for box in boxes[:2]:
        box.post(Call("onBye"), run.done)
    assert reached()
    assert reached()
    for number, box in enumerate(boxes[2:]):
        box.post(Call("onTimer", (number,)), run.done)
    assert (run.pool.busy, run.pool.waiting) == (2, 2)
    gate.set()
    assert [(await run.outcome("onTimer")).returned for _ in range(2)] in ([0, 1], [1, 0])
    await run.call(boxes[0], "")
    assert run.pool.waiting == 0


async def test_what_a_handler_posts_comes_before_its_outcome(run: Harness) -> None:
    """Commands reach the loop first: the engine knows of them when the handler has returned."""
    mailbox = run.script("def onBye(self): self.flush()\nasync def onTimer(self, id): self.flush()")
    order: list[str] = []
    mailbox.port.flush = lambda: run.inbox.post(order.append, "flush")  # type: ignore[method-assign]

    def done(outcome: Outcome) -> None:
        order.append("done")
        run.done(outcome)

    for handler, args in (("onBye", ()), ("onTimer", (1,))):
        mailbox.post(Call(handler, args), done)
        await run.outcome(handler)
    assert order == ["flush", "done"] * 2


async def test_async_handlers_run_on_the_loop(run: Harness, gate: threading.Event) -> None:
    """Still serial with the others; also behind a decorator or a partial."""
    mailbox = run.script(
        "async def onDtmf(self, key, duration):\n"
        "    await asyncio.sleep(0)\n"
        "    return threading.get_ident(), getAppParam('a')\n"
        "@functools.lru_cache\n"
        "def onTimer(self, id):\n"
        "    return self.onDtmf(id, id)\n"
        "def onBye(self): return 'bye'"
    )
    for handler, args in (("onDtmf", (1, 2)), ("onTimer", (1,))):
        mailbox.post(Call(handler, args), run.done)
        mailbox.post(Call("onBye"), run.done)
        outcome = await run.outcome(handler)
        assert outcome.returned == (threading.get_ident(), "1")
        assert (await run.outcome("onBye")).returned == "bye"
    outcome = await run.call(mailbox, "onDtmf")
    assert isinstance(outcome.raised, TypeError)


async def test_arguments_of_every_generation(run: Harness) -> None:
    """Older scripts get the argument list of their time."""
    mailbox = run.script(
        "def onSessionStart(self, hdrs): return hdrs\ndef onSipReply(self, reply): return reply"
    )
    outcome = await run.call(mailbox, "onSessionStart", old_args=("X: 1\r\n",))
    assert outcome.returned == "X: 1\r\n"
    assert (await run.call(mailbox, "onSipReply", 1, 2, old_args=(2,))).returned == 2


async def test_a_handlers_own_new_runs_in_a_thread(run: Harness, gate: threading.Event) -> None:
    """It is the script's code; without one the dialog is made at once."""
    plain = run.script("pass")
    assert plain.dialog is not None
    run.outcomes.clear()
    mailbox = run.script(
        "def __new__(cls, capsule):\n"
        "    sys.gate.wait()\n"
        "    return super().__new__(cls, capsule)\n"
        "def onBye(self): return 1"
    )
    mailbox.post(Call("onBye"), run.done)
    assert mailbox.dialog is None
    gate.set()
    assert (await run.outcome("onBye")).returned == 1


@pytest.mark.parametrize("body", ["raise ValueError('x')", "return 5"])
async def test_a_dialog_that_cannot_be_made(run: Harness, body: str) -> None:
    """The outcome says why, and no handler is defined."""
    mailbox = run.script(f"def __new__(cls, capsule):\n    {body}\ndef onBye(self): pass")
    outcome = await run.outcome("__new__")
    assert isinstance(outcome.raised, ValueError | TypeError)
    assert not (await run.call(mailbox, "onBye")).defined


async def test_a_stuck_handler_is_told_with_its_line(run: Harness, gate: threading.Event) -> None:
    """After 20 ms, then every second; the stack shows where it hangs."""
    mailbox = run.script(f"def onDtmf(self, key, duration):\n    x = 1\n    {BLOCK}")
    mailbox.post(Call("onDtmf", (1, 100)), run.done)
    assert reached()
    run.clock.advance(0.019)
    run.pool.check_running()
    assert run.slow == []
    for step_s in (0.002, 0.9, 0.2):
        run.clock.advance(step_s)
        run.pool.check_running()
    assert [round(running.elapsed_s, 3) for running in run.slow] == [0.021, 1.121]
    running = run.slow[0]
    assert (running.line, running.file) == (6, str(run.bench.folder / "menu.py"))
    assert running.stack.startswith('  File "menu.py@1", line 6, in onDtmf')
    event = started_event("c1", running)
    assert (event.handler, event.call, event.line, round(event.elapsed_ms)) == ("onDtmf", 2, 6, 21)
    assert event.stack == "", "nobody looks at 20 ms"
    assert started_event("c1", run.slow[1]).stack == run.slow[1].stack != ""
    gate.set()
    await run.outcome("onDtmf")
    assert mailbox.running() is None


async def test_a_handler_stuck_for_5_s_is_logged(
    run: Harness, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with its stack; the next call is counted anew."""
    mailbox = run.script(f"def onTimer(self, id):\n    {BLOCK}")
    for calls in (1, 2):
        gate.clear()
        mailbox.post(Call("onTimer", (1,)), run.done)
        assert reached()
        for _ in range(7):
            run.clock.advance(1.0)
            run.pool.check_running()
        texts = [r.getMessage() for r in caplog.records if "has not returned" in r.getMessage()]
        assert len(texts) == calls
        assert texts[0].startswith("onTimer has not returned after 5 s; it is at ")
        assert "menu.py:5, and its call waits\n  File" in texts[0]
        gate.set()
        await run.outcome("onTimer")
        run.outcomes.clear()


async def test_a_slow_async_handler_is_told_too(run: Harness) -> None:
    """Without a line, since no thread executes it."""
    mailbox = run.script("async def onTimer(self, id):\n    await id.wait()")
    event = asyncio.Event()
    mailbox.post(Call("onTimer", (event,)), run.done)
    run.clock.advance(0.05)
    run.pool.check_running()
    assert [(running.call.handler, running.line) for running in run.slow] == [("onTimer", 0)]
    event.set()
    await run.outcome("onTimer")


async def test_a_closed_mailbox_drops_what_has_not_begun(
    run: Harness, gate: threading.Event
) -> None:
    """The running handler ends; its dialog is let go after it."""
    mailbox = run.script(f"def onBye(self):\n    {BLOCK}\ndef onTimer(self, id): pass")
    idle = run.mailbox()
    idle.close()
    assert idle.dialog is None
    mailbox.post(Call("onBye"), run.done)
    mailbox.post(Call("onTimer", (1,)), run.done)
    assert reached()
    mailbox.close()
    mailbox.post(Call("onTimer", (2,)), run.done)
    assert mailbox.dialog is not None
    gate.set()
    await run.outcome("onBye")
    assert mailbox.dialog is None
    assert not run.outcomes


async def test_a_call_that_ended_while_it_waited_for_a_thread(
    run: Harness, gate: threading.Event
) -> None:
    """Its handler does not run any more."""
    run.script(f"def onBye(self):\n    {BLOCK}\ndef onTimer(self, id): return 1 / 0")
    first, second, third = (run.mailbox() for _ in range(3))
    for box in (first, second):
        box.post(Call("onBye"), run.done)
    assert reached()
    assert reached()
    third.post(Call("onTimer", (1,)), run.done)
    third.close()
    gate.set()
    outcome = await run.outcome("onTimer")
    assert (outcome.defined, outcome.raised) == (False, None)


async def test_a_fault_in_one_calls_engine_side_does_not_stop_the_others(run: Harness) -> None:
    """An exception out of `done` is told to the loop; the mailbox goes on."""
    mailbox = run.script("def onBye(self): pass")
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    mailbox.post(Call("onBye"), lambda _: 1 / 0)  # type: ignore[arg-type]
    await run.call(mailbox, "onBye")
    assert told[0]["message"] == "the outcome of onBye was not taken"


async def test_an_error_that_cannot_be_printed(run: Harness) -> None:
    """Its class name is shown."""
    mailbox = run.script(
        "class E(Exception):\n    def __str__(self): return 1/0\ndef onBye(self): raise self.E"
    )
    event = raised_event("c1", await run.call(mailbox, "onBye"), mailbox.generation, "")
    assert (event.error_type, event.message) == ("E", "")
    assert "E" in event.traceback


async def test_a_call_with_wrong_arguments_has_the_handlers_line(run: Harness) -> None:
    """The exception has no frame of the script: its `def` is shown."""
    mailbox = run.script("def onBye(self, extra): pass")
    event = raised_event("c1", await run.call(mailbox, "onBye"), mailbox.generation, "")
    assert event.line == 4
    assert event.traceback.startswith("TypeError")
