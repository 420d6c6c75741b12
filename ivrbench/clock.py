"""The clock seam: code above the protocol layers asks a `Clock`, tests pass a `ManualClock`."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Two readings: a monotonic one for intervals, the wall clock for people."""

    def now(self) -> float:
        """Seconds of a monotonic clock; only differences mean something."""

    def wall(self) -> float:
        """Seconds since 1970 (UTC), for log lines and CDRs."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class ManualClock:
    """A clock that moves only when told to; for tests.

    Args:
        now_s: first monotonic reading.
        wall_s: first wall reading.
    """

    def __init__(self, now_s: float = 1000.0, wall_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._wall_s = wall_s

    def now(self) -> float:
        return self._now_s

    def wall(self) -> float:
        return self._wall_s

    def advance(self, seconds: float) -> None:
        """Move both readings on by `seconds`."""
        self._now_s += seconds
        self._wall_s += seconds
