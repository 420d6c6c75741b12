"""What was heard of calls lately, to hide a gap with."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Heard"]


class Heard:
    """The last frames of a lane's listeners; kept as they are, since few will have a gap.

    Args:
        n_frames: how many are remembered of each.
        n_samples: how much of them is wanted.
    """

    def __init__(self, n_frames: int, n_samples: int) -> None:
        self._n_samples = n_samples
        self._periods: deque[tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.bool_]]]
        self._periods = deque(maxlen=n_frames)
        """Listeners, their frames, and which of these really came."""
        self._before: dict[int, NDArray[np.int16]] = {}
        """Of rows that had a gap: what was heard before it."""

    def __repr__(self) -> str:
        return f"Heard({len(self._periods)} periods, {len(self._before)} rows had gaps)"

    def add(
        self, listeners: NDArray[np.int64], pcm: NDArray[np.int16], came: NDArray[np.bool_]
    ) -> None:
        """Remember this period.

        Args:
            listeners: the rows that are listened to, in order.
            pcm: a frame of each; will not be changed any more.
            came: which of the frames are not made up.
        """
        self._periods.append((listeners, pcm, came))

    def of(self, row: int) -> NDArray[np.int16]:
        """What came of a row last, gaps left out; to be asked for at the beginning of each gap."""
        frames: list[NDArray[np.int16]] = []
        for listeners, pcm, came in reversed(self._periods):
            index = int(np.searchsorted(listeners, row))
            if index == len(listeners) or listeners[index] != row or not came[index]:
                break
            frames.insert(0, pcm[index])
        before = self._before.get(row)
        if before is None:
            before = np.zeros(self._n_samples, np.int16)
        heard = self._before[row] = np.concatenate([before, *frames])[-self._n_samples :]
        return heard

    def forget(self, row: int) -> None:
        """Nobody listens to a row any more: what is heard next does not follow from it."""
        self._before.pop(row, None)
        for listeners, _, came in self._periods:
            came[listeners == row] = False
