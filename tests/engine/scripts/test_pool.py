"""Turns: handlers that wait fill all the threads, handlers that compute do not."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.outcome import Call
from ivrbench.engine.scripts import pool as script_pool
from ivrbench.engine.scripts.pool import BEGIN_AT_ONCE, COMPUTE_AT_ONCE, SAMPLE_S
from tests.engine.handlers import BLOCK, Harness, reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.engine.scripts.bench import Bench

THREADS = 40
FIRST = COMPUTE_AT_ONCE + BEGIN_AT_ONCE


class Turns:
    """A pool whose time and whose samples the test decides."""

    def __init__(self, bench: Bench, patch: pytest.MonkeyPatch) -> None:
        self.computing: Callable[[int], bool] = lambda number: False
        """Whether the thread of this number computes."""
        self.harness = Harness(bench, THREADS)
        self.pool = self.harness.pool
        patch.setattr(script_pool._Worker, "sample", lambda worker: self._sample(worker))

    def _sample(self, worker: script_pool._Worker) -> None:
        worker.computes = self.computing(self.pool._workers.index(worker))

    def pass_time(self) -> None:
        """Let a sample be due, and the pool look again."""
        self.harness.clock.advance(2 * SAMPLE_S)
        self.pool._look_again()

    def block(self, count: int) -> None:
        """So many calls get a handler that blocks."""
        self.harness.script(f"def onBye(self):\n    {BLOCK}")
        for _ in range(count):
            self.harness.mailbox().post(Call("onBye"), self.harness.done)


@pytest.fixture
async def turns(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Turns]:
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    monkeypatch.setattr(sys, "reached", threading.Semaphore(0), raising=False)
    made = Turns(bench, monkeypatch)
    yield made
    gate.set()
    made.pool.close()


async def test_handlers_that_wait_fill_the_threads(turns: Turns) -> None:
    """Twenty at once, sixteen more whenever nobody computes; never more than there are."""
    turns.block(50)
    assert (turns.pool.busy, turns.pool.waiting) == (FIRST, 50 - FIRST)
    turns.pass_time()
    assert turns.pool.busy == FIRST + BEGIN_AT_ONCE
    turns.pass_time()
    assert (turns.pool.busy, turns.pool.waiting) == (THREADS, 10)


async def test_handlers_that_compute_wait_for_each_other(turns: Turns) -> None:
    """While four compute nobody begins; those that wait for something do not count."""
    turns.block(30)
    turns.computing = lambda number: True
    turns.pass_time()
    assert turns.pool.busy == FIRST
    turns.computing = lambda number: number < COMPUTE_AT_ONCE - 1
    turns.pass_time()
    assert turns.pool.busy == FIRST + 1


async def test_a_few_always_run(turns: Turns) -> None:
    """Four may run whatever they do: a call alone never waits for a look at the clock."""
    turns.block(COMPUTE_AT_ONCE)
    turns.computing = lambda number: True
    turns.pass_time()
    assert turns.pool.busy == COMPUTE_AT_ONCE
    for _ in range(COMPUTE_AT_ONCE):
        assert reached()
    sys.gate.set()  # type: ignore[attr-defined]
    for _ in range(COMPUTE_AT_ONCE):
        await turns.harness.outcome("onBye")
    turns.block(COMPUTE_AT_ONCE)
    assert turns.pool.waiting == 0


def test_processor_time_tells_who_computes() -> None:
    """A thread's own clock: one that does nothing has not computed, one that does has."""
    worker = script_pool._Worker()
    worker.sample()
    assert not worker.computes
    worker.clock_id = time.pthread_getcpuclockid(threading.get_ident())
    worker.sample()
    while time.clock_gettime(worker.clock_id) < worker.cpu_s + 2 * SAMPLE_S:
        pass
    worker.sample()
    assert worker.computes


async def test_no_memory_for_a_thread(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call keeps its turn, and gets a thread as soon as one can be had."""
    turns.block(1)
    for error in (RuntimeError("can't start new thread"), MemoryError()):
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", lambda _, error=error: _raise(error))
            before = turns.pool.busy
            turns.harness.mailbox().post(Call("onBye"), turns.harness.done)
            assert (turns.pool.busy, turns.pool.waiting) == (before, 1)
        turns.pass_time()
        assert (turns.pool.busy, turns.pool.waiting) == (before + 1, 0)


async def test_no_memory_to_hand_an_outcome_back(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread tries again; the handler ran once, and its outcome comes once."""
    inbox, failures = turns.harness.inbox, [MemoryError(), MemoryError()]
    original = inbox.post

    def post(function: Callable[..., object], *args: object) -> None:
        if failures:
            raise failures.pop()
        original(function, *args)

    monkeypatch.setattr(inbox, "post", post)
    monkeypatch.setattr(script_pool, "AGAIN_S", 0.0)
    mailbox = turns.harness.script("def onBye(self):\n    return 7")
    outcome = await turns.harness.call(mailbox, "onBye")
    assert (outcome.returned, failures, turns.pool.busy) == (7, [], 0)
    assert not turns.harness.outcomes


def _raise(error: BaseException) -> None:
    raise error
