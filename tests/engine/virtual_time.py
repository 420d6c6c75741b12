"""An asyncio loop on a clock of its own: waiting takes no time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.clock import ManualClock

__all__ = ["VirtualLoop"]

THREAD_ANSWERS_WITHIN_S = 20.0
"""Real seconds a script's thread may take; only a test that hangs gets there."""


class _Selector(selectors.DefaultSelector):
    """Waits for threads in real time and for timers not at all."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.busy: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.busy():
            ready = super().select(THREAD_ANSWERS_WITHIN_S)
            assert ready, "a thread of a script did not come back"
            return ready
        assert timeout is not None, "the test waits for something that will never happen"
        self.clock.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still while anything is to be done, and jumps when nothing is.

    Args:
        clock: its clock.

    Attributes:
        busy: tells whether a thread is at work; then the clock does not move.
    """

    def __init__(self, clock: ManualClock) -> None:
        self._virtual_clock = clock
        self._virtual_selector = _Selector(clock)
        super().__init__(self._virtual_selector)

    def time(self) -> float:
        return self._virtual_clock.now()

    @property
    def busy(self) -> Callable[[], bool]:
        return self._virtual_selector.busy

    @busy.setter
    def busy(self, busy: Callable[[], bool]) -> None:
        self._virtual_selector.busy = busy
