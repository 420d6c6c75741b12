"""Levels of the calls somebody watches, between two reports."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.levels import FLOOR_DBFS, FULL_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Meter"]


class Meter:
    """Mean and peak of one direction since the last `take()`."""

    __slots__ = ("_n", "_peak", "_squares")

    def __init__(self) -> None:
        self._squares = 0.0
        self._peak = 0
        self._n = 0

    def add(self, pcm: NDArray[np.int16]) -> None:
        """Take a frame into account."""
        wide = pcm.astype(np.float64)
        self._squares += float(wide @ wide)
        self._peak = max(self._peak, int(np.abs(wide).max(initial=0.0)))
        self._n += len(pcm)

    def take(self) -> tuple[float, float]:
        """Root mean square and peak in dB below full scale, and start anew."""
        rms = math.sqrt(self._squares / self._n) if self._n else 0.0
        levels = (_dbfs(rms), _dbfs(self._peak))
        self._squares, self._peak, self._n = 0.0, 0, 0
        return levels


def _dbfs(amplitude: float) -> float:
    if amplitude <= 0:
        return FLOOR_DBFS
    return max(FLOOR_DBFS, round(20 * math.log10(amplitude / FULL_SCALE), 1))
