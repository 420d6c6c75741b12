"""Change between 8, 16 and 48 kHz for many live streams at once, with hardly any delay.

soxr (`resample.py`) is better and cheaper for whole files, but keeps 40 to 170 ms of a stream in
its filters: too much where people talk to each other. Here a stream is late by 2 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["RateChanger"]

TAPS: Final = 32
"""Length of the filter in samples of the lower rate."""
PASSED: Final = 0.92
"""Of the lower rate's band; 3.7 of 4 kHz."""
KAISER_BETA: Final = 7.0  # what is cut off is 70 dB down
FIRST_SLOTS: Final = 16


class RateChanger:
    """Streams from one rate to another; each has a slot, which holds the end of its last frame.

    Args:
        from_hz: rate of what comes.
        to_hz: rate of what is wanted; one is a multiple of the other.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        low, high = sorted((from_hz, to_hz))
        self._ratio = high // low
        assert self._ratio * low == high, f"{from_hz} and {to_hz} Hz have no whole ratio"
        self._up = to_hz > from_hz
        taps = _low_pass(self._ratio)
        # Newest sample last. Going up, each of the new samples has its own filter.
        self._kernel = taps.reshape(TAPS, self._ratio)[::-1] if self._up else taps[::-1]
        self._kernel = np.ascontiguousarray(self._kernel / self._kernel.sum(axis=0), np.float32)
        kept = TAPS - 1 if self._up else TAPS * self._ratio - self._ratio
        self._last = np.zeros((FIRST_SLOTS, kept), np.float32)

    def reset(self, slot: int) -> None:
        """Another stream has the slot."""
        if slot < len(self._last):
            self._last[slot] = 0

    def process(
        self, slots: NDArray[np.int64] | Sequence[int], frames: NDArray[Any]
    ) -> NDArray[np.int32]:
        """Take the next frame of some streams.

        Args:
            slots: which streams.
            frames: a row of samples for each, integers of any size; as many as make whole samples
                of the other rate.

        Returns:
            A row for each; not saturated.
        """
        slots = np.asarray(slots, np.int64)
        if len(slots) and int(slots.max()) >= len(self._last):
            grown = np.zeros((2 * int(slots.max()), self._last.shape[1]), np.float32)
            grown[: len(self._last)] = self._last
            self._last = grown
        joined = np.concatenate([self._last[slots], frames.astype(np.float32)], axis=1)
        self._last[slots] = joined[:, -self._last.shape[1] :]
        length = len(self._kernel)
        windows = np.lib.stride_tricks.sliding_window_view(joined, length, axis=1)
        if not self._up:
            windows = windows[:, :: self._ratio]
        changed = np.ascontiguousarray(windows) @ self._kernel
        out: NDArray[np.int32] = np.rint(changed).astype(np.int32).reshape(len(slots), -1)
        return out


def _low_pass(ratio: int) -> NDArray[np.float64]:
    """The filter at the higher rate, before it is scaled: what both rates can carry passes."""
    n = TAPS * ratio
    at = (np.arange(n) - (n - 1) / 2) / ratio
    taps: NDArray[np.float64] = np.sinc(PASSED * at) * np.kaiser(n, KAISER_BETA)
    return taps
