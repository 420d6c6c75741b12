"""Silence and the loudest speaker."""

from __future__ import annotations

import numpy as np

from ivrbench.audio.activity import LoudestSpeaker, SilenceDetector

QUIET, LOUD = -70.0, -20.0


def test_silence_is_told_once_when_it_is_long_enough() -> None:
    """Each call has its own limit; sound starts the count anew."""
    detector = SilenceDetector(4)
    detector.watch(1, 60)
    detector.watch(3, 40)
    slots = np.array([1, 2, 3])

    def told(*levels: float) -> list[int]:
        heard = detector.process(slots, np.array(levels, np.float32), 20)
        return [int(slot) for slot in heard]

    assert told(QUIET, QUIET, QUIET) == []
    assert told(QUIET, QUIET, QUIET) == [3]
    assert told(QUIET, QUIET, LOUD) == [1]
    assert told(QUIET, QUIET, QUIET) == []
    assert told(LOUD, QUIET, QUIET) == [3]
    assert [told(QUIET, QUIET, QUIET) for _ in range(3)] == [[], [], [1]]
    detector.watch(1, 0)
    assert [told(QUIET, QUIET, QUIET) for _ in range(9)] == [[]] * 9


class Room:
    """Two rooms: slots 5, 0, 2 and slots 7, 1."""

    def __init__(self) -> None:
        self.loudest = LoudestSpeaker(8)
        self.speakers = np.array([-1, -1])

    def hear(self, frames: int, *levels: float) -> list[int]:
        """Let everybody be so loud for so many frames; returns who speaks."""
        for _ in range(frames):
            self.speakers = self.loudest.process(
                np.array([5, 0, 2, 7, 1]),
                np.array(levels, np.float32),
                np.array([0, 3]),
                np.array([0, 0, 0, 1, 1]),
                self.speakers,
            )
        return [int(slot) for slot in self.speakers]


def test_nobody_speaks_at_first() -> None:
    """Noise is no speaker."""
    assert Room().hear(50, QUIET, QUIET, QUIET, QUIET, -55) == [-1, -1]


def test_who_is_loud_speaks_and_keeps_the_floor() -> None:
    """A speaker is noticed within 100 ms, stays one over a pause, and yields to a louder one."""
    room = Room()
    assert room.hear(5, QUIET, LOUD, QUIET, QUIET, QUIET) == [0, -1]
    assert room.hear(10, QUIET, QUIET, QUIET, LOUD, QUIET) == [0, 7]
    assert room.hear(20, LOUD - 8, LOUD - 10, QUIET, QUIET, QUIET) == [0, 7]
    assert room.hear(20, LOUD, LOUD - 10, QUIET, QUIET, QUIET) == [5, 7]
    assert room.hear(500, QUIET, QUIET, QUIET, QUIET, QUIET) == [5, 7]


def test_of_two_as_loud_the_first_speaks() -> None:
    """And goes on to; one who left is forgotten."""
    room = Room()
    assert room.hear(30, LOUD, LOUD, LOUD, QUIET, QUIET) == [5, -1]
    room.loudest.reset(5)
    assert room.hear(1, QUIET, LOUD, LOUD, QUIET, QUIET) == [0, -1]
