"""Where audio lies in the jitter buffers of a lane of G.711, and how numpy copies it quickly."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.lane import Lane

__all__ = ["as_items", "ring_places"]


def ring_places(lane: Lane, rows: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of a frame of each of some rows, where the blocks of all rings lie in one line.

    Args:
        lane: whose rows.
        rows: which.
        ts: where their frames begin, on the clock of `play`.

    Returns:
        For each row the places of two blocks in `ring` and `fresh`.
    """
    places: NDArray[np.int64] = _pairs(lane.ring_blocks)[ts // lane.block % lane.ring_blocks]
    places += (rows * lane.ring_blocks)[:, None]
    return places


def as_items(octets: NDArray[Any], size: int) -> NDArray[np.void]:
    """The same memory, with `size` bytes of the last axis as one item.

    When numpy picks some rows it copies an item at once, but arrays within rows octet by octet.
    """
    items: NDArray[np.void] = octets.view(np.dtype((np.void, size)))
    return items


@cache
def _pairs(n_blocks: int) -> NDArray[np.int64]:
    """Each block of a ring and the one after it."""
    blocks = np.arange(n_blocks)
    return np.stack([blocks, (blocks + 1) % n_blocks], axis=1)
