"""Threads of `createThread` that compute: shorter turns, and a line of the log that names them."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ivrbench.clock import ManualClock
from ivrbench.engine.scripts.threads import (
    LOOK_S,
    NAMED_AFTER,
    SHORTEST_TURN_S,
    TURNS_S,
    ScriptThread,
    ThreadWatch,
    start_threads,
)
from tests.engine.scripts.bench import DEADLINE_S, SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.scripts.bench import Bench

WAITS = "import sys\ndef work():\n    sys.gate.wait()\nfor _ in range({0}): createThread(work)\n"
TURN_S = 0.001


class Watched:
    """A watch on threads of a script that wait; the test says what they compute."""

    def __init__(self, bench: Bench, count: int) -> None:
        bench.write("menu.py", SCRIPT + WAITS.format(count))
        bench.library.load_all()
        generation = bench.serving("menu")
        start_threads(generation)
        self.threads = generation.threads
        self.clock = ManualClock()
        self.watch = ThreadWatch(self.clock)
        self.watch.add(generation)
        self.watch.add(generation)

    def look(self, times: int = 1) -> None:
        """Let it look after a second, so often."""
        for _ in range(times):
            self.clock.advance(LOOK_S)
            self.watch.look()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What the threads wait for; the interpreter's turns are as before in the end."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    made = threading.Event()
    monkeypatch.setattr(sys, "gate", made, raising=False)
    yield made
    made.set()
    sys.setswitchinterval(before)


@pytest.mark.parametrize(
    ("computing", "turn_s"),
    [(0, TURN_S), (2, TURN_S), (10, TURNS_S / 10), (50, SHORTEST_TURN_S)],
)
def test_turns(
    bench: Bench,
    gate: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    computing: int,
    turn_s: float,
) -> None:
    """The more threads compute, the shorter is the turn of each; never longer than before."""
    watched = Watched(bench, 50)
    busy = watched.threads[:computing]
    monkeypatch.setattr(ScriptThread, "computed_s", lambda t: 0.03 if t in busy else 0.001)
    watched.look()
    assert sys.getswitchinterval() == pytest.approx(turn_s)
    monkeypatch.setattr(ScriptThread, "computed_s", lambda _: 0.0)
    watched.look()
    assert sys.getswitchinterval() == pytest.approx(TURN_S)


def test_named_once(
    bench: Bench,
    gate: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who computes for some seconds is told with file and line; who does a little is not."""
    watched = Watched(bench, 2)
    busy = watched.threads[0]
    monkeypatch.setattr(ScriptThread, "computed_s", lambda t: 0.9 if t is busy else 0.01)
    watched.look(NAMED_AFTER - 1)
    assert "computes" not in caplog.text
    watched.look(NAMED_AFTER)
    (line,) = [r.getMessage() for r in caplog.records if "computes" in r.getMessage()]
    assert line.startswith("thread work of menu@1 computes all the time (90 % of a core")
    assert f"{bench.folder}/menu.py:8" in line


def test_a_little_is_not_told(
    bench: Bench,
    gate: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thread that looks after something every now and then disturbs nobody."""
    watched = Watched(bench, 1)
    monkeypatch.setattr(ScriptThread, "computed_s", lambda _: 0.05)
    watched.look(2 * NAMED_AFTER)
    assert "computes" not in caplog.text


def test_threads_that_have_ended_are_forgotten(bench: Bench, gate: threading.Event) -> None:
    """Nothing is looked at any more, and nothing is left of what they were given."""
    watched = Watched(bench, 3)
    assert watched.watch.is_needed
    gate.set()
    for thread in watched.threads:
        thread.join(DEADLINE_S)
    watched.look()
    assert not watched.watch.is_needed
    assert [thread.computed_s() for thread in watched.threads] == [0.0, 0.0, 0.0]


def test_processor_time_is_that_of_the_thread(bench: Bench, gate: threading.Event) -> None:
    """Computed is computed, whatever the machine does beside it."""
    text = (
        "import sys, time\ndef work():\n    while time.thread_time() < 0.02: pass\n"
        "    sys.gate.wait()\ncreateThread(work)\n"
    )
    bench.write("menu.py", SCRIPT + text)
    bench.library.load_all()
    start_threads(bench.serving("menu"))
    (thread,) = bench.serving("menu").threads
    computed_s = 0.0
    while computed_s < 0.02:
        computed_s += thread.computed_s()
    assert thread.is_alive()


def test_the_library_looks(
    bench: Bench, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there are threads, whether or not scripts change."""
    looked = threading.Semaphore(0)
    monkeypatch.setattr("ivrbench.engine.scripts.library.LOOK_S", 0.01)
    monkeypatch.setattr(ThreadWatch, "look", lambda _: looked.release())
    bench.write("menu.py", SCRIPT + WAITS.format(1))
    bench.library.load_all()
    bench.library.start_threads()
    assert looked.acquire(timeout=DEADLINE_S)
    assert looked.acquire(timeout=DEADLINE_S)
