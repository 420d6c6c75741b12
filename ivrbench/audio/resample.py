"""Change of sample rate for whole recordings, by soxr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import soxr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["resample"]


def resample(pcm: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    """Return mono audio at another sample rate, without delay.

    Args:
        pcm: one axis of samples.
        from_hz: their rate.
        to_hz: the rate wanted; the same rate returns `pcm` itself.
    """
    if from_hz == to_hz or not len(pcm):
        return pcm
    resampled: NDArray[np.int16] = soxr.resample(pcm, from_hz, to_hz, quality="HQ")
    return resampled
