"""What follows from readings, for whole calls: who is refused, who is named, what is told."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.engine.memory import guard as memory_guard
from ivrbench.engine.memory.budget import MIB, Level, Look, MemoryBudget, Reading
from ivrbench.engine.memory.guard import MemoryGuard
from ivrbench.engine.metrics import Metrics
from ivrbench.engine.reports import Reporter
from ivrbench.observe.events import SipTraced
from ivrbench.observe.memory import MemoryChanged, MemoryUser
from tests.engine.calls.conftest import make_bench
from tests.engine.calls.texts import script
from tests.engine.harness import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.calls.conftest import MakeBench
    from tests.engine.harness import Bench

__all__ = ["make_bench"]  # The fixture of the calls' folder.

LIMIT_MB = 1000
KEEPS = script("""
def onDtmf(self, key, ms):
    said.append(key)
    time.sleep(5)
def onBye(self):
    said.append("bye")
""")
"""A script that keeps a call whose caller hung up."""


class FakeWatch:
    """In the place of the thread that looks."""

    def __init__(
        self, read: object, take: Callable[[Look], None], limit: object, stop_busiest: object
    ) -> None:
        self.take = take
        self.budget = MemoryBudget(LIMIT_MB * MIB)
        self.closed = False
        self.applied: list[int] = []

    def apply(self, limit_bytes: int) -> None:
        self.applied.append(limit_bytes // MIB)

    def close(self) -> None:
        self.closed = True

    def look_at(self, used_mb: int) -> Level:
        """A look, as by the thread."""
        look = self.budget.look(Reading(used_mb * MIB, 2 * used_mb * MIB))
        self.take(look)
        return look.level


class Guarded:
    """An engine with a guard."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.guard = MemoryGuard(bench.board)
        self.guard.apply(dataclasses.replace(bench.settings, max_memory_mb=LIMIT_MB))
        watch: Any = self.guard._watch
        assert isinstance(watch, FakeWatch)
        self.watch = watch

    def look_at(self, used_mb: int) -> None:
        """So much is in use now."""
        self.watch.look_at(used_mb)
        self.bench.wait()

    def changes(self) -> list[MemoryChanged]:
        """What was told."""
        return [event for event in self.bench.told if isinstance(event, MemoryChanged)]


@pytest.fixture(autouse=True)
def _no_thread(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(memory_guard, "MemoryWatch", FakeWatch)
    monkeypatch.setattr(memory_guard, "DataLimit", lambda: None)


def test_new_calls_are_refused_until_it_falls(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """503 with Retry-After, counted; those that are up go on; then they come in again."""
    bench = make_bench({"app": KEEPS, "hello": script("pass")})
    guarded = Guarded(bench)
    metrics = Metrics(bench.board)
    first, other, third = (Caller(bench, (f"192.0.2.{n}", 5060), n * 200) for n in (90, 91, 92))
    first.dial("hello")
    other.dial("hello")
    third.dial()
    third.press(4)
    guarded.look_at(940)
    (full,) = guarded.changes()
    assert (full.state, full.used_mb, full.limit_mb, full.refused) == ("full", 940, 1000, 0)
    hello, app = full.users
    assert hello == MemoryUser("hello@1", 2)
    ((handler, count),) = app.handlers
    assert (app.script, app.calls, count) == ("app@1", 1, 1)
    assert handler == "onDtmf at app.py:7"
    late = Caller(bench, ("192.0.2.93", 5060), 19_000)
    late.dial("hello")
    assert late.got[-1].startswith("503")
    answer = next(e for e in bench.told if isinstance(e, SipTraced) and e.summary[:3] == "503")
    assert b"Retry-After: 10\r\n" in answer.raw
    first.press(1)
    first.bye()
    guarded.look_at(870)
    assert bench.board.admission.memory.is_full
    page = metrics.text()
    assert "ivrbench_memory_full 1" in page
    assert "ivrbench_memory_refused_total 1" in page
    assert f"ivrbench_memory_used_bytes {870 * MIB}" in page
    assert f"ivrbench_memory_limit_bytes {LIMIT_MB * MIB}" in page
    guarded.look_at(800)
    late.dial("hello")
    assert late.got[-1].startswith("200")
    assert [(e.state, e.refused) for e in guarded.changes()] == [("full", 0), ("roomy", 1)]
    lines = [line for line in caplog.messages if line.startswith("memory:")]
    assert lines == [
        "memory: at most 1000 MB (max_memory_mb)",
        "memory: 940 of 1000 MB in use (max_memory_mb): new calls are refused until it is less "
        "than 850; calls of hello@1: 2, app@1: 1 (1 in onDtmf at app.py:7)",
        "memory: 800 of 1000 MB in use, new calls come in again; refused: 1",
    ]
    guarded.look_at(940)
    assert guarded.changes()[-1].refused == 0, "each time is counted for itself"
    for caller in (other, third, late):
        caller.bye()
    bench.session.hang_up("engine", "the test is over")
    bench.wait(10.0)


def test_calls_of_ours_are_refused_too(make_bench: MakeBench) -> None:
    """`dialout` has failed with 503 when it returns."""
    placing = script("""
def onSessionStart(self):
    handle = IvrUAC().dialout("u", "app", "sip:a@192.0.2.98", "<sip:i@h>", "sip:m@h", "<sip:a@h>")
    said.append(handle.code)
def onInvite(self, hdrs):
    self.setTimer(1, 1)
def onTimer(self, number):
    self.sendReply(200, "OK", "")
""")
    bench = make_bench(placing)
    guarded = Guarded(bench)
    caller = Caller(bench)
    caller.invite("app")
    bench.wait(0.5)
    guarded.look_at(940)
    bench.wait(2.0)
    assert bench.said() == [503]
    caller.bye()


def test_handlers_are_not_called_where_it_is_spent(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """What happens by default happens, so calls end that the script would have kept."""
    bench = make_bench(KEEPS)
    guarded = Guarded(bench)
    caller, other = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    caller.dial()
    other.dial()
    guarded.look_at(940)
    guarded.look_at(1200)
    caller.press(1)
    caller.bye()
    bench.wait(1.0)
    assert bench.ended("c1") is not None
    assert bench.said() == []
    guarded.look_at(940)
    other.press(2)
    assert bench.said() == [2]
    assert [event.state for event in guarded.changes()] == ["full", "spent", "full"]
    assert [line[:32] for line in caplog.messages if line.startswith("memory:")][2:] == [
        "memory: 1200 of 1000 MB in use a",
        "memory: 940 of 1000 MB in use: h",
    ]
    other.bye()
    bench.wait(6.0)
    bench.session.hang_up("engine", "the test is over")
    bench.wait(1.0)


def test_nobody_has_a_call(make_bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    """Then it is a module or a thread; the sentence says that there is no call."""
    bench = make_bench(script("pass"))
    guarded = Guarded(bench)
    guarded.look_at(950)
    assert caplog.messages[-1].endswith(
        "than 850; no script has a call: a module or a thread keeps it"
    )


def test_health_reports_it(make_bench: MakeBench) -> None:
    """What is used and what may be; the history keeps the last change."""
    bench = make_bench(script("pass"))
    guarded = Guarded(bench)
    guarded.look_at(950)
    reporter = Reporter(bench.board)
    report = reporter.report()
    reporter.close()
    assert (report.memory_mb, report.memory_limit_mb) == (950, 1000)
    memory = bench.hub.history.engine.memory
    assert memory is not None
    assert memory.state == "full"


def test_another_setting(make_bench: MakeBench) -> None:
    """0 lets calls in at once; what was seen under the old limit counts no more."""
    bench = make_bench(script("pass"))
    guarded = Guarded(bench)
    guarded.look_at(950)
    guarded.guard.apply(dataclasses.replace(bench.settings, max_memory_mb=LIMIT_MB))
    guarded.guard.apply(dataclasses.replace(bench.settings, max_memory_mb=0))
    guarded.look_at(990)
    memory = bench.board.admission.memory
    assert (memory.is_full, memory.limit_bytes) == (False, 0)
    assert guarded.watch.applied == [LIMIT_MB, 0]
    guarded.guard.close()
    assert guarded.watch.closed


def test_no_readings_here(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the system does not say, there is no limit, and the log says so."""

    def reader() -> None:
        raise OSError("no status")

    monkeypatch.setattr(memory_guard, "MemoryReader", reader)
    bench = make_bench(script("pass"))
    guard = MemoryGuard(bench.board)
    guard.apply(dataclasses.replace(bench.settings, max_memory_mb=LIMIT_MB))
    guard.close()
    assert caplog.messages[-1] == "max_memory_mb has no effect on this system: no status"
    assert bench.board.admission.memory.limit_bytes == 0
