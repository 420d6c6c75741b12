"""Mixing for conference rooms and recordings, exact to the sample.

Rows are frames of members at one sample rate; members of other rates are resampled before and
after. Rooms are runs of rows that lie together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Mix", "interleave", "mix_rooms"]


class Mix(NamedTuple):
    """What is heard in some rooms in one frame."""

    heard: NDArray[np.int16]
    """By member: everybody of the room but oneself."""
    rooms: NDArray[np.int16]
    """By room: everybody, for recordings and listeners."""


def mix_rooms(
    frames: NDArray[np.int16],
    starts: NDArray[np.intp],
    muted: NDArray[np.bool_] | None = None,
) -> Mix:
    """Mix each room: members hear the sum of the others, saturated, never wrapped.

    Args:
        frames: what each member says; a row each, those of a room together.
        starts: the first row of each room, rising, the first being 0; no room is empty.
        muted: members that are not heard by others, though they hear them; None for none.

    Returns:
        The mix for each member and for each room.
    """
    said = frames.astype(np.int32)
    if muted is not None:
        said[muted] = 0
    sums = np.add.reduceat(said, starts, axis=0)
    sizes = np.diff(starts, append=len(frames))
    return Mix(_saturated(np.repeat(sums, sizes, axis=0) - said), _saturated(sums))


def interleave(caller: NDArray[np.int16], ivr: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return stereo samples for a recording: the caller left, the IVR right.

    Args:
        caller: what the caller said; samples in the last axis.
        ivr: what was said to the caller, of the same shape.
    """
    return np.stack([caller, ivr], axis=-1).reshape(*caller.shape[:-1], -1)


def _saturated(wide: NDArray[np.int32]) -> NDArray[np.int16]:
    np.clip(wide, -32_768, 32_767, out=wide)
    return wide.astype(np.int16)
