"""Change of sample rate, for whole recordings and for streams, by soxr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StreamResampler", "resample"]

_QUALITY: Final = "HQ"  # costs hardly more than the lesser ones


def resample(pcm: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    """Return mono audio at another sample rate, without delay.

    Args:
        pcm: one axis of samples.
        from_hz: their rate.
        to_hz: the rate wanted; the same rate returns `pcm` itself.
    """
    if from_hz == to_hz or not len(pcm):
        return pcm
    resampled: NDArray[np.int16] = soxr.resample(pcm, from_hz, to_hz, quality=_QUALITY)
    return resampled


class StreamResampler:
    """Changes the sample rate of audio that comes in pieces; what comes out comes a bit later."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Begin a stream; the same rate costs nothing."""
        self._stream = (
            None
            if from_hz == to_hz
            else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=_QUALITY)
        )

    def resample(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return what is ready when this piece has come."""
        if self._stream is None:
            return pcm
        ready: NDArray[np.int16] = self._stream.resample_chunk(pcm)
        return ready

    def flush(self) -> NDArray[np.int16]:
        """Return what is left at the end of the stream, once."""
        rest = np.empty(0, np.int16)
        if self._stream is not None:
            rest = self._stream.resample_chunk(rest, last=True)
            self._stream = None
        return rest
