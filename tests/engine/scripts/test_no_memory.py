"""Handlers that run out of memory: what they had collected is gone before anybody is told."""

from __future__ import annotations

import gc
import linecache
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.memory.brake import OutOfMemory, brake
from ivrbench.engine.outcome import Call, Outcome, let_go_of_locals, raised_event
from ivrbench.engine.scripts import pool as script_pool
from ivrbench.observe.events import ScriptFailed
from tests.engine.handlers import Harness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ivrbench.observe.events import HandlerRaised
    from tests.engine.scripts.bench import Bench

COLLECTS = """
class Big:
    def __del__(self):
        sys.gone.append(1)
{keyword} onDtmf(self, key, ms):
    collected = [self.Big() for n in range(3)]
    self.ask(collected)
def ask(self, more):
    {statement}
"""


@pytest.fixture
async def run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    monkeypatch.setattr(sys, "gone", [], raising=False)
    harness = Harness(bench, threads=2)
    yield harness
    harness.pool.close()


def gone() -> int:
    """How many of the objects that a handler collected are no more."""
    found: list[int] = sys.gone  # type: ignore[attr-defined]
    return len(found)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed here is freed at once."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize(
    "statement",
    [
        "raise MemoryError",
        "bytes((1 << 62) - 1)",
        "try: raise MemoryError\n    except MemoryError as exc: raise OSError('no') from exc",
        "try: raise MemoryError\n    except MemoryError: raise OSError('no')",
    ],
)
async def test_what_it_had_collected_goes_at_once(
    run: Harness, keyword: str, statement: str
) -> None:
    """Before the loop is told; where it was is still known."""
    steps: list[int] = []
    mailbox = run.script(COLLECTS.format(keyword=keyword, statement=statement))
    told: list[HandlerRaised] = []

    def done(outcome: Outcome) -> None:
        steps.append(gone())
        told.append(raised_event("c1", outcome, mailbox.generation, ""))
        run.done(outcome)

    mailbox.post(Call("onDtmf", (1, 100)), done)
    await run.outcome("onDtmf")
    assert steps == [3]
    (event,) = told
    assert event.error_type in ("MemoryError", "OSError")
    source = linecache.getline(mailbox.generation.file, event.line)
    assert statement.splitlines()[-1].strip() in source


@pytest.mark.usefixtures("no_collector")
async def test_other_exceptions_keep_their_frames(run: Harness) -> None:
    """Until they have been told of, as ever."""
    kept: list[int] = []
    mailbox = run.script(COLLECTS.format(keyword="def", statement="raise ValueError"))

    def done(outcome: Outcome) -> None:
        kept.append(gone())
        run.done(outcome)

    mailbox.post(Call("onDtmf", (1, 100)), done)
    await run.outcome("onDtmf")
    assert kept == [0]


def test_frames_that_still_run() -> None:
    """An exception may have come a long way, through code that goes on: that keeps what it has."""
    kept = [1, 2, 3]
    try:
        try:
            raise MemoryError
        except MemoryError as exc:
            raise OSError("no") from exc
    except OSError as exc:
        let_go_of_locals(exc)
    assert kept == [1, 2, 3]


async def test_the_sentence(run: Harness) -> None:
    """It names the setting, unless the exception has words of its own."""
    mailbox = run.script("def onBye(self):\n    raise MemoryError")
    outcome = await run.call(mailbox, "onBye")
    assert raised_event("c1", outcome, mailbox.generation, "").message == (
        "there is no more memory, see max_memory_mb"
    )
    outcome = Outcome(Call("onBye"), True, raised=MemoryError("cannot allocate 8 GiB"))
    assert raised_event("c1", outcome, mailbox.generation, "").message == "cannot allocate 8 GiB"


async def test_no_memory_where_the_time_is_taken(
    run: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that returned has returned: it is not run again."""
    mailbox = run.script("def onBye(self):\n    sys.gone.append(1)\n    return 5")
    readings = iter([0.0])

    def now() -> float:
        try:
            return next(readings)
        except StopIteration:
            raise MemoryError from None

    await run.call(mailbox, "onSessionStart")
    with monkeypatch.context() as patch:
        patch.setattr(run.clock, "now", now)
        patch.setattr(run.pool, "watch", lambda mailbox: None)
        mailbox.post(Call("onBye"), run.done)
        outcome = await run.outcome("onBye")
    assert (outcome.returned, gone(), outcome.elapsed_s) == (5, 1, 0.0)


@pytest.mark.parametrize("error", [MemoryError, OutOfMemory])
async def test_an_exception_that_comes_late(
    run: Harness, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """One meant for a handler that has just returned: it ran once, and its outcome comes once."""
    late = [error()]
    leave = brake.leave

    def leave_late() -> None:
        if late:
            raise late.pop()
        leave()

    mailbox = run.script("def onBye(self):\n    sys.gone.append(1)\n    return 7")
    monkeypatch.setattr(brake, "leave", leave_late)
    monkeypatch.setattr(script_pool, "AGAIN_S", 0.0)
    outcome = await run.call(mailbox, "onBye")
    assert (outcome.returned, outcome.raised, gone(), late) == (7, None, 1, [])
    assert (run.pool.busy, list(run.outcomes)) == (0, [])
    again = await run.call(mailbox, "onBye")
    assert (again.returned, gone()) == (7, 2)


def test_threads_and_loads_can_be_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs code of a script has entered it, and has left it afterwards."""
    told: list[tuple[str, bool]] = []
    monkeypatch.setattr(sys, "tell", lambda what: told.append((what, is_inside())), raising=False)
    bench.write(
        "menu.py",
        "from ivr import *\nimport sys\nsys.tell('load')\n"
        "def work():\n    sys.tell('thread')\n"
        "createThread(work)\nclass IvrDialog(IvrDialogBase):\n    pass\n",
    )
    bench.library.load_all()
    bench.library.start_threads()
    for thread in bench.serving("menu").threads:
        thread.join(20.0)
    assert told == [("load", True), ("thread", True)]
    assert not brake._threads


def is_inside() -> bool:
    """This thread runs code of a script."""
    return threading.get_ident() in brake._threads


def test_a_load_that_failed_keeps_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the module had collected goes with it; the sentence stays, and says why."""
    monkeypatch.setattr(sys, "gone", [], raising=False)
    bench.write(
        "menu.py",
        "import sys\nclass Big:\n    def __del__(self):\n        sys.gone.append(1)\n"
        "kept = [Big()]\nraise MemoryError\n",
    )
    bench.library.load_all()
    gc.collect()
    assert gone() == 1
    (failed,) = bench.events.of(ScriptFailed)
    assert (failed.line, failed.error_type) == (6, "MemoryError")
    assert failed.message == "there is no more memory, see max_memory_mb"
