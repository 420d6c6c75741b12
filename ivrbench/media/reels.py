"""Reels: where the samples of recordings wait for the disk, so that many can be taken at once."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.recorder import Recorder

__all__ = ["BLOCK_MS", "UNLIMITED", "Reels"]

BLOCK_MS = 1000
"""Handed to the disk at once. Less often would lose more in a crash."""
UNLIMITED = 1 << 60
"""Samples; more than any disk holds."""
FIRST_SLOTS = 16


class Reels:
    """A second of samples for each recorder of one sample rate and number of channels.

    Args:
        rate_hz: the rate.
        channels: 1 or 2; their samples lie in turn.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self.size = rate_hz * BLOCK_MS // 1000 * channels
        """Room in each, in samples of all channels."""
        self.samples = np.zeros((0, self.size), np.int16)
        self._windows: NDArray[np.int16] | None = None
        """The samples from each place on, as long as the frames taken last."""
        self.filled = np.zeros(0, np.int64)
        """How much waits in each."""
        self.left = np.zeros(0, np.int64)
        """How much may still be recorded with each."""
        self.held = np.zeros(0, np.bool_)
        """Which of them pause."""
        self._owners: list[Recorder | None] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """Slots in use."""
        return len(self._owners) - len(self._free)

    def enter(self, recorder: Recorder, limit: int) -> int:
        """A slot for a recorder that may take so many samples in all."""
        if not self._free:
            old = len(self._owners)
            new = max(FIRST_SLOTS, 2 * old)
            more = np.zeros((new - old, self.size), np.int16)
            self.samples = np.concatenate([self.samples, more])
            self._windows = None
            self.filled = np.concatenate([self.filled, np.zeros(new - old, np.int64)])
            self.left = np.concatenate([self.left, np.zeros(new - old, np.int64)])
            self.held = np.concatenate([self.held, np.zeros(new - old, np.bool_)])
            self._owners += [None] * (new - old)
            self._free = list(range(old, new))
        slot = heapq.heappop(self._free)
        self._owners[slot] = recorder
        self.filled[slot], self.left[slot], self.held[slot] = 0, limit, False
        return slot

    def leave(self, slot: int) -> None:
        """Give a slot back."""
        self._owners[slot] = None
        self.left[slot] = 0
        heapq.heappush(self._free, slot)

    def take(self, slots: NDArray[np.int64], frames: NDArray[np.int16]) -> None:
        """Take a frame for each of some recorders, none of which comes to its limit by it."""
        n = frames.shape[1]
        for slot in slots[self.filled[slots] + n > self.size].tolist():
            owner = self._owners[slot]
            assert owner is not None, "who records has a recorder"
            owner.hand_over()
        at = slots * self.size + self.filled[slots]
        if self._windows is None or self._windows.shape[1] != n:
            self._windows = np.lib.stride_tricks.sliding_window_view(
                self.samples.reshape(-1), n, writeable=True
            )
        self._windows[at] = frames
        self.filled[slots] += n
        self.left[slots] -= n
