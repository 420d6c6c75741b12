"""MemoryWatch: a thread that looks at the engine's memory, and moves the system's limit along.

It is a thread of its own, as the loop has other things to do in the moment in which a script fills
all the memory there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import resource
import threading
import time
from typing import TYPE_CHECKING, Final

from .budget import LOOK_S, SHORTEST_LOOK_S, Level, MemoryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from .budget import Look, Reading

__all__ = ["DataLimit", "MemoryWatch"]

log = logging.getLogger("ivrbench.engine")

TRIM_S: Final = 1.0
"""While memory is short, free pieces are given back to the system this often: some ms each."""
COLLECT_S: Final = 1.0
"""Cycles are collected while memory is short, but not more often than this,"""
COLLECT_SHARE: Final = 0.05
"""nor for more than this share of the time: it stops all threads, for about a second where there
are millions of objects."""


class DataLimit:
    """RLIMIT_DATA of this process: what it may map. Programs it starts begin with the same."""

    def __init__(self) -> None:
        self._hard = resource.getrlimit(resource.RLIMIT_DATA)[1]

    def set(self, n_bytes: int) -> None:
        """Let no more than this be mapped."""
        if self._hard != resource.RLIM_INFINITY:
            n_bytes = min(n_bytes, self._hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, self._hard))

    def lift(self) -> None:
        """No limit any more, but for the one we were started with."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (self._hard, self._hard))


class MemoryWatch:
    """Looks until it is closed.

    Args:
        read: gives a reading.
        take: called with each look, in the watch's thread.
        limit: the system's.
        stop_busiest: stops code of a script that takes memory.
        now: seconds, monotonic.
    """

    def __init__(
        self,
        read: Callable[[], Reading],
        take: Callable[[Look], None],
        limit: DataLimit,
        stop_busiest: Callable[[], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._take = take
        self._limit = limit
        self._stop_busiest = stop_busiest
        self._now = now
        self._budget: MemoryBudget | None = None
        self._trimmed_s = self._collect_at_s = float("-inf")
        self._closed = False
        self._thread: threading.Thread | None = None

    def apply(self, limit_bytes: int) -> None:
        """Keep to this limit from the next look on; 0: none any more."""
        before, self._budget = self._budget, MemoryBudget(limit_bytes) if limit_bytes else None
        if self._budget is not None:
            if before is not None:
                self._budget.level = before.level
            self.look()
        elif before is not None:
            self._limit.lift()
        if self._thread is None and self._budget is not None:
            self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more, and take the limit off."""
        self._closed = True
        if self._budget is not None:
            self._budget = None
            self._limit.lift()

    def look(self) -> float:
        """Take one reading, and do what it asks for.

        Returns:
            Seconds until the next one.
        """
        budget = self._budget
        if budget is None:
            return LOOK_S
        try:
            return self._look(budget)
        except MemoryError:
            return SHORTEST_LOOK_S  # the next one may have more luck

    def _look(self, budget: MemoryBudget) -> float:
        reading = self._read()
        if reading.used_bytes >= budget.roomy_below:
            reading = self._give_back(budget, reading)
        look = budget.look(reading)
        self._limit.set(look.data_limit_bytes)
        if look.is_over:
            self._stop_busiest()
        self._take(look)
        return look.next_s

    def _give_back(self, budget: MemoryBudget, reading: Reading) -> Reading:
        """Memory is short: free what only waits to be freed. Gives the reading afterwards."""
        now_s = self._now()
        is_short = reading.used_bytes >= budget.full_from
        collects = is_short and now_s >= self._collect_at_s
        trims = collects or (
            (is_short or budget.level is not Level.ROOMY) and now_s - self._trimmed_s >= TRIM_S
        )
        if collects:
            gc.collect()
            ended_s = self._now()
            self._collect_at_s = ended_s + max(COLLECT_S, (ended_s - now_s) / COLLECT_SHARE)
        if trims:
            self._trimmed_s = now_s
            _trim()
            return self._read()
        return reading

    def _run(self) -> None:
        next_s = LOOK_S
        while not self._closed:
            time.sleep(next_s)
            next_s = self.look()


def _trim() -> None:
    """Give free pieces of the C library's heaps back, where the library can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
