"""Who speaks and who is silent, for many calls at once; state arrays are indexed by slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.levels import FLOOR_DBFS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SILENCE_DBFS", "LoudestSpeaker", "SilenceDetector"]

SILENCE_DBFS: Final = -50.0
"""Below this nobody speaks: a quiet voice on a telephone is 15 dB above, line noise below."""
SPEECH_DBFS: Final = -42.0
ATTACK: Final = 0.4  # of the difference, each frame: a word is noticed within 60 ms
DECAY: Final = 0.05  # and kept over the pauses between words
LEAD_DB: Final = 6.0  # how much louder somebody must be to take over


class SilenceDetector:
    """Tells when a call has been silent for as long as it was asked to."""

    def __init__(self, slots: int, threshold_dbfs: float = SILENCE_DBFS) -> None:
        """Make room for calls.

        Args:
            slots: how many.
            threshold_dbfs: a frame below is silent.
        """
        self._threshold_dbfs = threshold_dbfs
        self._limit_ms = np.zeros(slots, np.int64)  # 0: nobody asked
        self._silent_ms = np.zeros(slots, np.int64)

    def make_room(self, slots: int) -> None:
        """There are so many slots now, or more."""
        more = np.zeros(max(0, slots - len(self._limit_ms)), np.int64)
        self._limit_ms = np.concatenate([self._limit_ms, more])
        self._silent_ms = np.concatenate([self._silent_ms, more])

    def watch(self, slot: int, limit_ms: int) -> None:
        """Tell when this call has been silent for so long, from now on; 0 for never."""
        self._limit_ms[slot] = limit_ms
        self._silent_ms[slot] = 0

    def process(
        self, slots: NDArray[np.intp], levels_dbfs: NDArray[np.float32], frame_ms: int
    ) -> NDArray[np.intp]:
        """Take the levels of the next frame of some calls.

        Args:
            slots: whose they are.
            levels_dbfs: from `level_dbfs`.
            frame_ms: length of the frame.

        Returns:
            The slots whose silence has just become long enough: once, until they are heard again.
        """
        before = self._silent_ms[slots]
        after = np.where(levels_dbfs < self._threshold_dbfs, before + frame_ms, 0)
        self._silent_ms[slots] = after
        limit = self._limit_ms[slots]
        return slots[(limit > 0) & (before < limit) & (after >= limit)]


class LoudestSpeaker:
    """Tells who speaks in each room, without changing its mind at every word."""

    def __init__(self, slots: int) -> None:
        """Make room for members.

        Args:
            slots: how many there can be in all rooms.
        """
        self._smooth_dbfs = np.full(slots, FLOOR_DBFS, np.float32)

    def make_room(self, slots: int) -> None:
        """There are so many slots now, or more."""
        if slots > len(self._smooth_dbfs):
            more = np.full(max(slots, len(self._smooth_dbfs)), FLOOR_DBFS, np.float32)
            self._smooth_dbfs = np.concatenate([self._smooth_dbfs, more])

    def reset(self, slot: int) -> None:
        """Forget a member that left."""
        if slot < len(self._smooth_dbfs):
            self._smooth_dbfs[slot] = FLOOR_DBFS

    def process(
        self,
        slots: NDArray[np.intp],
        levels_dbfs: NDArray[np.float32],
        starts: NDArray[np.intp],
        rooms: NDArray[np.intp],
        speakers: NDArray[np.intp],
    ) -> NDArray[np.intp]:
        """Take the levels of the next frame.

        Args:
            slots: the members, those of a room together.
            levels_dbfs: their levels; the floor for who is muted.
            starts: where each room begins in `slots`, as for `mix_rooms`.
            rooms: which of the rooms each of `slots` is in.
            speakers: who spoke in each room so far, -1 for nobody.

        Returns:
            The slot of who speaks in each room now, -1 while nobody has.
        """
        smooth = self._smooth_dbfs[slots]
        smooth += (levels_dbfs - smooth) * np.where(levels_dbfs > smooth, ATTACK, DECAY)
        self._smooth_dbfs[slots] = smooth
        # Who speaks keeps the floor until somebody is clearly louder.
        claim = smooth + np.where(slots == speakers[rooms], LEAD_DB, 0)
        loudest = np.maximum.reduceat(claim, starts)[rooms]
        winners = (claim == loudest) & (smooth > SPEECH_DBFS)
        now = speakers.copy()
        # Assigned in reverse order, so that of two as loud the first wins.
        now[rooms[winners][::-1]] = slots[winners][::-1]
        return now
