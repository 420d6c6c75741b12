"""Levels of one direction: how loud it was lately, and where sound begins and ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.levels import FLOOR_DBFS, FULL_SCALE

if TYPE_CHECKING:
    from .voice import Frame

__all__ = ["SOUND_RMS", "LevelWindow", "SoundEdges", "dbfs"]

SOUND_RMS: Final = FULL_SCALE * 10 ** (-50 / 20)  # -50 dBFS: louder than comfort noise
QUIET_FRAMES: Final = 5  # 100 ms: shorter gaps are within a word


def dbfs(amplitude: float) -> float:
    """An amplitude of 16-bit samples in dBFS."""
    if amplitude <= 0:
        return FLOOR_DBFS
    return max(20 * math.log10(amplitude / FULL_SCALE), FLOOR_DBFS)


class LevelWindow:
    """RMS and peak of the frames since the last look."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._peak = self._samples = 0

    def add(self, frame: Frame) -> float:
        """Take one frame; gives its energy, the sum of its squares."""
        wide = frame.astype(np.float64)
        energy = float(wide @ wide)
        self._energy += energy
        self._peak = max(self._peak, int(np.abs(wide).max(initial=0)))
        self._samples += len(frame)
        return energy

    def take(self) -> tuple[float, float]:
        """RMS and peak in dBFS, and begin anew."""
        rms = math.sqrt(self._energy / self._samples) if self._samples else 0.0
        peak = self._peak
        self._energy, self._peak, self._samples = 0.0, 0, 0
        return dbfs(rms), dbfs(peak)


class SoundEdges:
    """Finds where sound begins and ends."""

    def __init__(self) -> None:
        self._sounding = False
        self._quiet_frames = 0
        self._quiet_since_s = 0.0

    def hear(self, loud: bool, now: float) -> tuple[bool, float] | None:
        """Take one frame.

        Returns:
            (True, when) where sound began, (False, when) where it ended, None in between.
        """
        if loud:
            self._quiet_frames = 0
            if not self._sounding:
                self._sounding = True
                return True, now
            return None
        if self._quiet_frames == 0:
            self._quiet_since_s = now
        self._quiet_frames += 1
        if self._sounding and self._quiet_frames >= QUIET_FRAMES:
            self._sounding = False
            return False, self._quiet_since_s
        return None
