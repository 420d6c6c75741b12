"""How strong chosen frequencies are in many frames at once.

The figures are those of the Goertzel filter; a product with a matrix of sines gives them for all
frames and frequencies in one step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.levels import FLOOR_DBFS, FULL_SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["tone_levels_dbfs"]


def tone_levels_dbfs(
    frames: NDArray[np.int16],
    frequencies_hz: Sequence[float],
    *,
    rate_hz: int = SAMPLE_RATE_HZ,
) -> NDArray[np.float32]:
    """Return the level of each frequency in each row of samples.

    Args:
        frames: samples in the last axis; any number of axes before it.
        frequencies_hz: what to look for. Frequencies nearer to each other than the rate divided
            by the samples in a row cannot be told apart.
        rate_hz: the sample rate.

    Returns:
        dBFS on the scale of `level_dbfs`, so that a lone sine reads the same there and here;
        the last axis is that of the frequencies.
    """
    samples = frames.shape[-1]
    basis = _basis(tuple(frequencies_hz), samples, rate_hz)
    spectrum = (frames.astype(np.float32) / np.float32(FULL_SCALE)) @ basis
    count = len(frequencies_hz)
    # A sine of amplitude a gives |sum| = a·samples/2 and has the power a²/2.
    power = (spectrum[..., :count] ** 2 + spectrum[..., count:] ** 2) * (2 / samples**2)
    levels: NDArray[np.float32] = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DBFS / 10)))
    return levels.astype(np.float32)


@lru_cache(maxsize=16)
def _basis(frequencies_hz: tuple[float, ...], samples: int, rate_hz: int) -> NDArray[np.float32]:
    phase = 2 * np.pi * np.outer(np.arange(samples), frequencies_hz) / rate_hz
    return np.hstack([np.cos(phase), np.sin(phase)]).astype(np.float32)
