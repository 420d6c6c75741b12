"""MemoryBudget: from readings of the engine's memory to who is let in, and who is stopped.

A script shares the engine's memory, and no thread of it can be limited by itself. What the system
can limit is what the whole process maps from now on, so that limit is moved along: as much as there
is left, and a reserve above it. One piece that is too large fails there at once. Code that takes
small ones is stopped when the limit is reached; the reserve is for what it takes until then, and
for the loop, which must never be the one to fail.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

__all__ = ["MIB", "Level", "Look", "MemoryBudget", "Reading"]

MIB: Final = 1 << 20
FULL_SHARE: Final = 0.90
"""From here on no new calls come in."""
ROOMY_SHARE: Final = 0.85
"""Below this they do again: a bit less, so that it does not change with every call."""
RESERVE_SHARE: Final = 0.25
"""The reserve above the limit."""
LEAST_RESERVE_BYTES: Final = 64 * MIB
FASTEST_BYTES_S: Final = 1.5e9
"""As fast as a thread can fill memory, and somewhat more."""
LOOK_S: Final = 0.25
"""From one look to the next where there is much left."""
SHORTEST_LOOK_S: Final = 0.01


class Level(enum.Enum):
    """How much memory is left."""

    ROOMY = "roomy"
    FULL = "full"
    """New calls are refused."""
    SPENT = "spent"
    """Half the reserve is gone: handlers are not called any more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The engine's memory at one moment."""

    used_bytes: int
    """Private memory that is there, in RAM or swapped out."""
    data_bytes: int
    """Private memory that is mapped, touched or not: what RLIMIT_DATA is about."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a reading means."""

    level: Level
    used_bytes: int
    limit_bytes: int
    data_limit_bytes: int
    """What RLIMIT_DATA is to be until the next look."""
    is_over: bool
    """Code of scripts that takes more is to be stopped."""
    next_s: float
    """Seconds until the next look."""


class MemoryBudget:
    """Keeps the level.

    Args:
        limit_bytes: what the engine may use.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.level = Level.ROOMY
        self.full_from = int(limit_bytes * FULL_SHARE)
        """Bytes in use from which on no new calls come in."""
        self.roomy_below = int(limit_bytes * ROOMY_SHARE)
        """Bytes in use below which they do again."""
        reserve_bytes = max(LEAST_RESERVE_BYTES, int(limit_bytes * RESERVE_SHARE))
        self._end = limit_bytes + reserve_bytes
        self._spent_from = limit_bytes + reserve_bytes // 2

    def look(self, reading: Reading) -> Look:
        """Take a reading."""
        used_bytes = reading.used_bytes
        self.level = self._level_at(used_bytes)
        left_bytes = self.limit_bytes - used_bytes
        return Look(
            self.level,
            used_bytes,
            self.limit_bytes,
            reading.data_bytes + max(0, self._end - used_bytes),
            left_bytes <= 0,
            min(LOOK_S, max(SHORTEST_LOOK_S, left_bytes / FASTEST_BYTES_S)),
        )

    def _level_at(self, used_bytes: int) -> Level:
        if used_bytes >= self._spent_from:
            return Level.SPENT
        if used_bytes >= self.limit_bytes and self.level is Level.SPENT:
            return Level.SPENT
        if used_bytes >= self.full_from:
            return Level.FULL
        if used_bytes >= self.roomy_below and self.level is not Level.ROOMY:
            return Level.FULL
        return Level.ROOMY
