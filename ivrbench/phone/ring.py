"""Ring: a few frames between the call and the sound card, each of which has a clock of its own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import soxr

if TYPE_CHECKING:
    from .voice import Frame

__all__ = ["FRAMES_PER_S", "Resampler", "Ring"]

FRAMES_PER_S: Final = 50
"""Frames are of 20 ms, at any sample rate."""
MAX_FRAMES: Final = 6  # 120 ms: beyond that the oldest is dropped, so that delay never grows
AHEAD_FRAMES: Final = 2  # 40 ms are collected before the first is given: what two clocks may differ
SPARE_AFTER: Final = 100  # 2 s
TAPS: Final = 65
PASSED: Final = 0.9
"""Of half the lower rate: above it the filter begins to work."""


class Ring:
    """Frames in one direction; one thread puts, another takes, and neither ever waits.

    It runs empty where the taker's clock is faster, or the putter was late: then frames are
    collected again before the next is given, so that one gap does not become many. Frames that
    are always too many, as after such a gap, are dropped again.
    """

    def __init__(self) -> None:
        # deque: its append and popleft are atomic, so no lock is held in the sound card's thread.
        self._frames: deque[bytes] = deque(maxlen=MAX_FRAMES)
        self._flowing = False
        self._taken = 0
        self._fewest = MAX_FRAMES

    def __len__(self) -> int:
        """Frames waiting."""
        return len(self._frames)

    def put(self, frame: bytes) -> None:
        """Add one; the oldest goes if there are too many."""
        self._frames.append(frame)

    def take(self) -> bytes | None:
        """The oldest frame, None while there is none to give."""
        if not self._flowing and len(self._frames) < AHEAD_FRAMES:
            return None
        try:
            frame = self._frames.popleft()
        except IndexError:
            self._flowing = False
            return None
        self._flowing = True
        self._spare()
        return frame

    def _spare(self) -> None:
        """Drop one frame if so many were never needed for `SPARE_AFTER` frames."""
        self._taken += 1
        self._fewest = min(self._fewest, len(self._frames))
        if self._taken < SPARE_AFTER:
            return
        if self._fewest >= AHEAD_FRAMES:
            self._frames.popleft()
        self._taken, self._fewest = 0, MAX_FRAMES


class Resampler:
    """Frames of one sample rate as frames of another, without delay to speak of.

    The better filters of the library hold back 30 to 110 ms: what `audio.resample` has is for
    files, and for streams that nobody waits for.

    Args:
        from_hz: rate of what is put in.
        to_hz: rate of what comes out.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self.rates_hz = (from_hz, to_hz)
        # Any: the resampling library has no types.
        self._stream: Any = None
        if from_hz != to_hz:
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="QQ")
        self._low_pass = _low_pass(from_hz, to_hz) if to_hz < from_hz else None
        self._before: npt.NDArray[np.float64] = np.zeros(TAPS - 1)
        self._frame_samples = to_hz // FRAMES_PER_S
        self._waiting: Frame = np.zeros(0, np.int16)

    def put(self, samples: Frame) -> list[Frame]:
        """Take samples in; the whole frames that are ready."""
        if self._low_pass is not None:
            known = np.concatenate((self._before, samples.astype(np.float64)))
            self._before = known[-(TAPS - 1) :]
            filtered = np.convolve(known, self._low_pass, mode="valid")
            samples = np.clip(np.rint(filtered), -32_768, 32_767).astype(np.int16)
        if self._stream is not None:
            samples = self._stream.resample_chunk(samples)
        waiting = np.concatenate((self._waiting, samples))
        whole = len(waiting) // self._frame_samples * self._frame_samples
        self._waiting = waiting[whole:]
        return list(waiting[:whole].reshape(-1, self._frame_samples))


def _low_pass(from_hz: int, to_hz: int) -> npt.NDArray[np.float64]:
    """A filter that keeps what the lower rate can carry: a windowed sinc, 0.7 ms at 48 kHz."""
    at = np.arange(TAPS) - (TAPS - 1) / 2
    share = PASSED * to_hz / from_hz
    taps = np.sinc(share * at) * np.hamming(TAPS)
    return np.asarray(taps / taps.sum())
