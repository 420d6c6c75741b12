"""Reels: where the samples of recordings wait for the disk, so that many can be taken at once."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.ring import as_items

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
        self._windows: NDArray[np.void] | None = None
        """The samples from each place on, as long as the frames taken last; each one item."""
        self.filled = np.zeros(0, np.int64)
        """How much waits in each."""
        self._limit = np.zeros(0, np.int64)
        """How much each may hold until its recorder has as much as it may take."""
        self._bound = np.zeros(0, np.int64)
        """Up to here each may be filled without a closer look; -1 for one that pauses."""
        self._held: set[int] = set()
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
            self._limit = np.concatenate([self._limit, np.zeros(new - old, np.int64)])
            self._bound = np.concatenate([self._bound, np.zeros(new - old, np.int64)])
            self._owners += [None] * (new - old)
            self._free = list(range(old, new))
        slot = heapq.heappop(self._free)
        self._owners[slot] = recorder
        self.filled[slot], self._limit[slot] = 0, limit
        self.hold(slot, False)
        return slot

    def leave(self, slot: int) -> None:
        """Give a slot back."""
        self._owners[slot] = None
        heapq.heappush(self._free, slot)

    def left(self, slot: int) -> int:
        """How much may still be recorded with a slot."""
        return int(self._limit[slot] - self.filled[slot])

    def hold(self, slot: int, held: bool) -> None:
        """Let a slot take no frames, or go on."""
        (self._held.add if held else self._held.discard)(slot)
        self._bound[slot] = -1 if held else min(self.size, int(self._limit[slot]) - 1)

    def emptied(self, slot: int) -> None:
        """What waited in a slot has been handed to the disk."""
        self._limit[slot] -= self.filled[slot]
        self.filled[slot] = 0
        self.hold(slot, slot in self._held)

    def take(self, slots: NDArray[np.int64], frames: NDArray[np.int16]) -> list[int]:
        """Take a frame for each of some recorders.

        Returns:
            The places in `slots` of those that did not: they pause, or come to their limit by it.
        """
        n = frames.shape[1]
        filled = self.filled[slots]
        left_out = []
        for place in np.flatnonzero(filled + n > self._bound[slots]).tolist():
            if not self._has_room(int(slots[place]), n):
                left_out.append(place)
            filled[place] = self.filled[slots[place]]
        if left_out:
            slots, frames = np.delete(slots, left_out), np.delete(frames, left_out, axis=0)
            filled = np.delete(filled, left_out)
        size = n * frames.itemsize
        if self._windows is None or self._windows.itemsize != size:
            windows = np.lib.stride_tricks.sliding_window_view(
                self.samples.reshape(-1), n, writeable=True
            )
            self._windows = as_items(windows, size)[:, 0]
        self._windows[slots * self.size + filled] = as_items(frames, size)[:, 0]
        self.filled[slots] = filled + n
        return left_out

    def _has_room(self, slot: int, n: int) -> bool:
        """Whether a frame may be taken with a slot, after what waits has been handed over."""
        if self._bound[slot] >= 0 and self.filled[slot] + n > self.size:
            owner = self._owners[slot]
            assert owner is not None, "who records has a recorder"
            owner.hand_over()
        return bool(self.filled[slot] + n <= self._bound[slot])
