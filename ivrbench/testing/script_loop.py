"""ScriptLoop: the event loop of a script's own `asyncio.run`, in virtual time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Final

from ivrbench.testing.threads import Waiter, mine

if TYPE_CHECKING:
    from ivrbench.testing.threads import ScriptThreads

__all__ = ["ScriptLoop"]

SLICE_S: Final = 0.01
"""Where sockets are waited for, time is real; the others have a turn this often."""


class _Selector(selectors.DefaultSelector):
    """Waits in virtual time; with sockets that somebody outside may write to, in real time too."""

    def __init__(self, threads: ScriptThreads) -> None:
        super().__init__()
        self._threads = threads
        self._waiter: Waiter | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        end_s = None if timeout is None else self._threads.clock.now() + timeout
        ready = super().select(0)
        while not ready and (end_s is None or self._threads.clock.now() < end_s):
            left_s = None if end_s is None else end_s - self._threads.clock.now()
            if len(self.get_map()) > 1:  # one is the loop's own, to be woken by
                left_s = SLICE_S if left_s is None else min(left_s, SLICE_S)
                ready = super().select(left_s)
                if ready:
                    break
            self._pass_time(left_s)
            ready = super().select(0)
        return ready

    def wake(self) -> None:
        """Somebody has given the loop something to do."""
        if self._waiter is not None:
            self._waiter.release()

    def _pass_time(self, seconds: float | None) -> None:
        turn = mine()
        if turn is None:  # a script that loads: it holds everything up
            assert seconds is not None, "the script waits for something that will never happen"
            self._threads.clock.advance(seconds)
            return
        self._waiter = Waiter(turn)
        try:
            self._waiter.wait(seconds)
        finally:
            self._waiter = None


class ScriptLoop(asyncio.SelectorEventLoop):
    """A loop in a thread that takes turns.

    Args:
        threads: those of its bench.
    """

    def __init__(self, threads: ScriptThreads) -> None:
        self._turns = _Selector(threads)
        self._clock = threads.clock
        super().__init__(self._turns)
        threads.loops.append(self)

    def time(self) -> float:
        return self._clock.now()

    def _write_to_self(self) -> None:
        super()._write_to_self()  # type: ignore[misc]  # what `call_soon_threadsafe` wakes it by
        self._turns.wake()
