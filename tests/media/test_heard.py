"""What is remembered of calls to hide gaps with."""

from __future__ import annotations

import numpy as np

from ivrbench.media.heard import Heard

ROWS = np.array([2, 5, 7])


def frames(value: int) -> np.ndarray:
    """A frame of two samples for each row: the value plus ten times the row."""
    return np.repeat(value + 10 * ROWS, 2).reshape(3, 2).astype(np.int16)


def came(*rows: int) -> np.ndarray:
    """All rows' frames came, but those of some."""
    return ~np.isin(ROWS, rows)


def test_the_last_frames_come_in_order_and_gaps_are_left_out() -> None:
    """Two frames before a gap; between two gaps one frame follows what came before the first."""
    heard = Heard(2, 4)
    for value in (1, 2, 3):
        heard.add(ROWS, frames(value), came())
    assert heard.of(5).tolist() == [52, 52, 53, 53]
    heard.add(ROWS, frames(4), came(5))
    heard.add(ROWS, frames(5), came())
    assert heard.of(5).tolist() == [53, 53, 55, 55]
    assert heard.of(7).tolist() == [74, 74, 75, 75]


def test_who_was_not_listened_to_begins_with_silence() -> None:
    """A row that is forgotten, or new, has nothing before it; others keep what they have."""
    heard = Heard(2, 4)
    heard.add(ROWS, frames(1), came())
    heard.add(ROWS, frames(2), came())
    heard.forget(2)
    assert heard.of(2).tolist() == [0, 0, 0, 0]
    assert heard.of(3).tolist() == [0, 0, 0, 0]
    assert heard.of(5).tolist() == [51, 51, 52, 52]
