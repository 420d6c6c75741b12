"""ScriptPool: the bounded threads that handlers of all calls run in.

Threads that compute share one interpreter lock with the engine's loop, which has to queue up for it
behind all of them. So only a few handlers that compute run at once; those that wait for something
(a database, `time.sleep`) do not count, and may fill all the threads.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ivrbench.engine.memory.brake import OUT_OF_MEMORY
from ivrbench.scriptapi.running import Where, current

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from ivrbench.clock import Clock
    from ivrbench.engine.inbox import Inbox
    from ivrbench.engine.outcome import Outcome
    from ivrbench.engine.scripts.runner import Mailbox

__all__ = ["SLOW_AFTER_S", "ScriptPool"]

SLOW_AFTER_S: Final = 0.02
"""A handler that runs longer is reported while it runs (`HandlerStarted`)."""
COMPUTE_AT_ONCE: Final = 4
"""So many handlers that compute run at the same time."""
BEGIN_AT_ONCE: Final = 16
"""So many may begin at the same time while none is known to compute."""
SAMPLE_S: Final = 0.02
"""How often it is looked at who computes: each of 16 threads has had a turn by then."""
AGAIN_S: Final = 0.05
"""A thread for which there is no memory waits so long for some."""
COMPUTES_S: Final = 0.0005
"""Who has used so much processor time since then computes."""


class _Worker:
    """One thread."""

    def __init__(self) -> None:
        self.clock_id = 0
        """Clock of its processor time; 0 until it runs."""
        self.cpu_s = 0.0
        self.computes = False

    def sample(self) -> None:
        """See whether it has computed since the last time."""
        if self.clock_id:
            now_s = time.clock_gettime(self.clock_id)
            self.computes = now_s - self.cpu_s > COMPUTES_S
            self.cpu_s = now_s


class ScriptPool:
    """The threads that handlers run in.

    Made and used on the loop's thread, except where a method says otherwise.

    Args:
        loop: the engine's loop.
        inbox: how threads reach the loop; what a handler posts there is carried out before the
            handler's own outcome is delivered.
        clock: for the time handlers take.
        threads: how many may run at once; further calls wait in the order they came.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, inbox: Inbox, clock: Clock, threads: int
    ) -> None:
        self.loop = loop
        self.inbox = inbox
        self.clock = clock
        self.threads = threads
        self.calls_handlers = True
        """False: memory is spent, and what happens by default happens."""
        self._workers: list[_Worker] = []
        self._ready: queue.SimpleQueue[Mailbox | None] = queue.SimpleQueue()
        self._queued: deque[Mailbox] = deque()
        """Calls that have no turn yet."""
        self._handed_over = 0
        """Calls that have a thread, or get the next."""
        self._fresh = 0
        """Of these, begun since the last look at who computes."""
        self._sampled_s = -SAMPLE_S
        self._retry: asyncio.TimerHandle | None = None
        self._running: dict[Mailbox, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def busy(self) -> int:
        """Threads running a handler now."""
        return self._handed_over

    @property
    def waiting(self) -> int:
        """Calls with a handler due that has not begun."""
        return len(self._queued)

    def close(self) -> None:
        """Let idle threads end; one that is stuck in a handler ends with the process."""
        self._closed = True
        for timer in (self._watch, self._retry):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        for _ in self._workers:
            self._ready.put(None)

    def check_running(self) -> None:
        """Report handlers that have run long; called by a timer while any run."""
        self._watch = None
        for mailbox in list(self._running):
            mailbox.report_if_slow()
        if self._running and not self._closed:
            self._watch = self.loop.call_later(SLOW_AFTER_S, self.check_running)

    def dispatch(self, mailbox: Mailbox) -> None:
        """Have the current call of a mailbox run in a thread."""
        self._queued.append(mailbox)
        self.watch(mailbox)
        self._hand_over()

    def thread_is_free(self) -> None:
        """A dispatched call has left its thread."""
        self._handed_over -= 1
        if self._queued:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give threads to those whose turn it is; look again soon if that is not all."""
        while self._queued and self._has_turn():
            if self._handed_over >= len(self._workers) and not self._hire():
                break
            self._handed_over += 1
            self._fresh += 1
            self._ready.put(self._queued.popleft())
        if self._queued and self._retry is None and not self._closed:
            self._retry = self.loop.call_later(SAMPLE_S, self._look_again)

    def _hire(self) -> bool:
        """One thread more; False where there is no memory for its stack."""
        worker = _Worker()
        name = f"script-{len(self._workers) + 1}"
        try:
            threading.Thread(target=self._work, args=(worker,), name=name, daemon=True).start()
        except (RuntimeError, MemoryError):  # "can't start new thread"
            return False
        self._workers.append(worker)
        return True

    def _look_again(self) -> None:
        self._retry = None
        self._hand_over()

    def _has_turn(self) -> bool:
        if self._handed_over < min(COMPUTE_AT_ONCE, self.threads):
            return True
        if self._handed_over >= self.threads:
            return False
        now_s = self.clock.now()
        if now_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s, self._fresh = now_s, 0
            for worker in self._workers:
                worker.sample()
        computing = sum(worker.computes for worker in self._workers)
        most = COMPUTE_AT_ONCE if computing else BEGIN_AT_ONCE
        return computing + self._fresh < most

    def watch(self, mailbox: Mailbox) -> None:
        """Its handler runs; report it if that takes long."""
        self._running[mailbox] = None
        if self._watch is None and not self._closed:
            self._watch = self.loop.call_later(SLOW_AFTER_S, self.check_running)

    def unwatch(self, mailbox: Mailbox) -> None:
        """It has returned."""
        self._running.pop(mailbox, None)

    def start_task(
        self, mailbox: Mailbox, coroutine: Coroutine[Any, Any, None], where: Where
    ) -> None:
        """Run an `async def` handler on the loop."""
        self.watch(mailbox)
        context = contextvars.copy_context()
        context.run(current.set, where)
        task = self.loop.create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _work(self, worker: _Worker) -> None:
        worker.clock_id = time.pthread_getcpuclockid(threading.get_ident())
        while (mailbox := self._ready.get()) is not None:
            outcome: Outcome | None = None
            while mailbox is not None:
                try:
                    outcome = outcome or mailbox.run()
                    self.inbox.post(mailbox.finish, outcome)
                    mailbox = outcome = None  # an idle thread keeps no call alive
                except OUT_OF_MEMORY:  # no handler's: that has come with its outcome
                    time.sleep(AGAIN_S)
