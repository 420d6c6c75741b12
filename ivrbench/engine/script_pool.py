"""ScriptPool: the bounded threads that handlers of all calls run in."""

from __future__ import annotations

import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from ivrbench.scriptapi.running import Where, current

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from ivrbench.clock import Clock
    from ivrbench.engine.inbox import Inbox
    from ivrbench.engine.runner import Mailbox

__all__ = ["SLOW_AFTER_S", "ScriptPool"]

SLOW_AFTER_S: Final = 0.02
"""A handler that runs longer is reported while it runs (`HandlerStarted`)."""


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
        self._started = 0
        self._ready: queue.SimpleQueue[Mailbox | None] = queue.SimpleQueue()
        self._in_flight = 0
        self._running: dict[Mailbox, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def busy(self) -> int:
        """Threads running a handler now."""
        return min(self._in_flight, self.threads)

    @property
    def waiting(self) -> int:
        """Calls with a handler due and no thread for it."""
        return max(0, self._in_flight - self.threads)

    def close(self) -> None:
        """Let idle threads end; one that is stuck in a handler ends with the process."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        for task in self._tasks:
            task.cancel()
        for _ in range(self._started):
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
        self._in_flight += 1
        if self._in_flight > self._started and self._started < self.threads:
            self._started += 1
            name = f"script-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._ready.put(mailbox)
        self.watch(mailbox)

    def thread_is_free(self) -> None:
        """A dispatched call has left its thread."""
        self._in_flight -= 1

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

    def _work(self) -> None:
        while (mailbox := self._ready.get()) is not None:
            self.inbox.post(mailbox.finish, mailbox.run())
            del mailbox  # an idle thread keeps no call alive
