"""ScriptThreads: threads of scripts take turns with the loop; nothing depends on the machine.

Either the loop runs or one thread does, never two at a time. A thread has its turn until it ends
or waits: for a moment (`time.sleep`), for another thread (`Event`, `Queue`, `join`) or for the
loop. Who waits is given the next turn by the loop, in the order things happened. So the order of
everything is the same in every run, however busy the machine is.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
import weakref
from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi.running import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.clock import ManualClock
    from ivrbench.testing.loop import VirtualLoop

__all__ = ["BenchClosed", "ScriptThreads", "Turn", "Waiter", "here", "mine", "of_loop", "turn_of"]

REAL_START: Final = threading.Thread.start
REAL_LOCK: Final = threading.Lock

COMES_BACK_WITHIN_S: Final = 20.0
"""Only a thread that hangs or computes for ever gets there."""
LAST_TURNS: Final = 10
"""What a thread gets at the end of a test to come to its own end."""

_turns: dict[int, Turn] = {}
"""By the thread's number: those that take turns."""
turn_of: weakref.WeakKeyDictionary[threading.Thread, Turn] = weakref.WeakKeyDictionary()
_itself = threading.local()
"""`starts` is set while a thread starts another: it waits for that in real time."""
_active: list[ScriptThreads] = []
"""Those whose benches are open."""


class BenchClosed(BaseException):
    """The test is over: unwinds a thread that waits. Scripts that catch `Exception` let it pass."""


class Turn:
    """One thread that takes turns."""

    def __init__(self, threads: ScriptThreads) -> None:
        self.threads = threads
        self.go = REAL_LOCK()
        self.back = REAL_LOCK()
        for lock in (self.go, self.back):
            lock.acquire()
        self.over = False
        self.joined_by: list[Waiter] = []


class Waiter:
    """What a thread waits with, once: for time to pass or for somebody's `release`."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._awake = False
        self.released = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Let others run. Gives False if the time passed first."""
        if self.released or (timeout_s is not None and timeout_s < 0):
            return self.released
        threads = self._turn.threads
        handle = None
        if timeout_s is not None:
            # The loop's thread waits for this one, so the loop may be touched from here.
            handle = threads.loop.call_later(timeout_s, self._wake)
        threads.park(self._turn)
        if handle is not None:
            handle.cancel()
        return self.released

    def release(self) -> None:
        """What was waited for happened; from any thread."""
        self.released = True
        self._turn.threads.soon(self._wake)

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._turn.threads.resume(self._turn)


class ScriptThreads:
    """The threads of one bench.

    Args:
        loop: who they take turns with.
        clock: its clock.
    """

    def __init__(self, loop: VirtualLoop, clock: ManualClock) -> None:
        self.loop = loop
        self.clock = clock
        self.patience_s = COMES_BACK_WITHIN_S
        """Real seconds a turn may take; then the others go on without it."""
        self.on_stuck: Callable[[str], object] = lambda where: None
        """Called, on the loop's thread, with a sentence about a thread that did not come back."""
        self.astray: set[Turn] = set()
        """Threads that have not come back; while there are any, time is real."""
        self.loops: list[asyncio.AbstractEventLoop] = []
        """Of the scripts' own; closed in the end, so that none waits for the collector."""
        self._all: dict[Turn, threading.Thread] = {}
        self.closed = False
        _active.append(self)

    # --- a thread's life ----------------------------------------------------------------------

    def start(self, thread: threading.Thread) -> None:
        """Start a thread that takes turns."""
        self._adopt(thread)
        before, _itself.starts = getattr(_itself, "starts", False), True
        try:
            REAL_START(thread)
        finally:
            _itself.starts = before

    def _adopt(self, thread: threading.Thread) -> None:
        turn = turn_of[thread] = Turn(self)
        self._all[turn] = thread
        run = thread.run

        def run_in_turns() -> None:
            number = threading.get_ident()
            _turns[number] = turn
            turn.go.acquire()
            try:
                if not self.closed:
                    run()
            except BenchClosed:
                pass
            finally:
                turn.over = True
                del _turns[number], self._all[turn]
                for waiter in turn.joined_by:
                    waiter.release()
                turn.back.release()

        thread.run = run_in_turns  # type: ignore[method-assign]
        self.soon(self.resume, turn)

    def park(self, turn: Turn) -> None:
        """End a turn, in its thread; returns with the next one.

        Raises:
            BenchClosed: the test is over.
        """
        turn.back.release()
        turn.go.acquire()
        if self.closed:
            raise BenchClosed

    def resume(self, turn: Turn) -> None:
        """Give a thread its turn and wait until it has had it; on the loop's thread."""
        if turn in self.astray:
            self.astray.discard(turn)
            turn.back.acquire()  # it has come back since
        if turn.over:
            return
        turn.go.release()
        if not turn.back.acquire(timeout=self.patience_s):
            self.astray.add(turn)
            self.on_stuck(self._where(turn))

    def look_for_strays(self) -> bool:
        """Whether threads are still astray; those that have come to their end are not."""
        self.astray = {turn for turn in self.astray if not turn.over}
        return bool(self.astray)

    def soon(self, function: Callable[..., object], *args: object) -> None:
        """Have something called on the loop; from any thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def close(self) -> None:
        """End the threads that are left."""
        self.closed = True
        # That the end of a test ends threads is nothing to tell.
        log = logging.getLogger("ivrbench.script")
        log.disabled, was_disabled = True, log.disabled
        for _ in range(LAST_TURNS):
            for turn in set(self._all) - self.astray:
                self.resume(turn)
        for loop in self.loops:
            loop.set_exception_handler(lambda loop, context: None)  # nor what it left undone
            if not loop.is_running():
                loop.close()
        log.disabled = was_disabled
        _active.remove(self)

    def _where(self, turn: Turn) -> str:
        thread = self._all.get(turn)
        frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None
        stack = "".join(traceback.format_stack(frame)[-4:]) if frame is not None else ""
        name = thread.name if thread is not None else "a thread"
        return (
            f"{name} of a script has not come back for {self.patience_s:g} s of real time: it "
            "computes, waits for somebody outside, or by a clock that is not virtual "
            f"(docs/testing.md, Virtual time); it is here:\n{stack}"
        )

    # --- for the thread that runs -------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """`time.sleep` of a script."""
        turn = mine()
        if turn is None:
            # A handler that is `async def`, or a script that loads: it holds everything up.
            self.clock.advance(seconds)
        else:
            Waiter(turn).wait(seconds)


def mine() -> Turn | None:
    """The turn of the thread that runs, None if it takes none."""
    return None if getattr(_itself, "starts", False) else _turns.get(threading.get_ident())


def here() -> ScriptThreads | None:
    """Those of the bench whose script is running here, None if no script is."""
    turn = _turns.get(threading.get_ident())
    if turn is not None:
        return turn.threads
    if current.get() is None or not _active:
        return None
    return of_loop() or _active[-1]


def of_loop() -> ScriptThreads | None:
    """Those of the virtual loop that runs in this thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return next((threads for threads in _active if threads.loop is loop), None)
