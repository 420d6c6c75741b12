"""Loudness of PCM in dBFS: 0 is the RMS of a full-scale square wave, a full sine reads -3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FLOOR_DBFS", "FULL_SCALE", "level_dbfs"]

FULL_SCALE: Final = 32_768.0
FLOOR_DBFS: Final = -96.0
"""What silence reads: about one step of 16-bit PCM."""
_FLOOR_POWER: Final = 10.0 ** (FLOOR_DBFS / 10)


def level_dbfs(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the loudness of each row of samples.

    Args:
        pcm: samples in the last axis, at least one; any number of axes before it.

    Returns:
        dBFS between `FLOOR_DBFS` and 0, one for each row.
    """
    wide = pcm.astype(np.float32)
    power = np.einsum("...i,...i->...", wide, wide) / pcm.shape[-1]
    power *= np.float32(FULL_SCALE**-2)
    levels: NDArray[np.float32] = 10 * np.log10(np.maximum(power, np.float32(_FLOOR_POWER)))
    return levels
