"""Silence of callers: told to scripts that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.levels import level_dbfs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.lane import Lane

__all__ = ["silent_rows", "watch_silence"]


def watch_silence(lane: Lane, row: int, limit_ms: int) -> None:
    """Tell when a row has been silent for so long, from now on; 0: not any more."""
    lane.silences.make_room(lane.capacity)
    lane.silences.watch(row, limit_ms)
    if limit_ms > 0:
        lane.hushed[row] = limit_ms
    else:
        lane.hushed.pop(row, None)


def silent_rows(lane: Lane, pcm: NDArray[np.int16]) -> list[int]:
    """The rows whose silence has just become long enough.

    Args:
        lane: whose rows.
        pcm: this period's frames; a row for each of the listeners.
    """
    rows = np.array(sorted(lane.hushed), np.int64)
    rows = rows[lane.hears[rows]]  # who is held, or not listened to, is not silent
    levels = level_dbfs(pcm[np.searchsorted(lane.listeners, rows)])
    quiet: list[int] = lane.silences.process(rows, levels, lane.ptime_ms).tolist()
    return quiet
