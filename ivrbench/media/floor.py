"""Who speaks in each room of a bank, told when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.activity import LoudestSpeaker
from ivrbench.audio.levels import FLOOR_DBFS, level_dbfs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ivrbench.media.bank import Bank
    from ivrbench.media.rooms import Room

__all__ = ["FRAME_MS", "Floor"]

FRAME_MS: Final = 20
FIRST_SPEAKERS: Final = 64


class Floor:
    """Watches the members of one bank.

    Args:
        bank: the bank.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._loudest = LoudestSpeaker(FIRST_SPEAKERS)
        self._arranged: NDArray[np.int64] | None = None
        self._rooms: list[Room] = []
        """As the bank has arranged them."""
        self._seats = np.empty(0, np.int64)
        """Which of them each of the bank's `order` is in."""
        self._speakers = np.empty(0, np.int64)
        """The slot of who speaks in each, -1 for nobody."""

    def __repr__(self) -> str:
        return f"Floor({self._bank!r})"

    def forget(self, slot: int) -> None:
        """A member has left."""
        self._loudest.reset(slot)

    def listen(self, tick: int, rooms: Iterable[Room], mute: Iterable[int]) -> list[Room]:
        """Take the last 20 ms.

        Args:
            tick: the present one, which is settled.
            rooms: all there are.
            mute: slots that are nobody: those of clips.

        Returns:
            The rooms in which somebody else speaks now: `speaker` says who.
        """
        bank = self._bank
        if bank.rooms is not self._arranged:
            self._arrange(rooms)
        levels = level_dbfs(bank.voices(tick, bank.rate_hz * FRAME_MS // 1000))
        for slot in mute:
            levels[bank.order == slot] = FLOOR_DBFS
        now = self._loudest.process(bank.order, levels, bank.starts, self._seats, self._speakers)
        changed = np.flatnonzero(now != self._speakers).tolist()
        self._speakers = now
        for index in changed:
            self._rooms[index].speaker = int(now[index])
        return [self._rooms[index] for index in changed]

    def _arrange(self, rooms: Iterable[Room]) -> None:
        bank = self._bank
        self._arranged = bank.rooms
        by_row = {room.row: room for room in rooms if room.bank is bank}
        self._rooms = [by_row[row] for row in bank.rooms.tolist()]
        self._seats = np.repeat(
            np.arange(len(bank.rooms)), np.diff(bank.starts, append=len(bank.order))
        )
        self._speakers = np.array([room.speaker for room in self._rooms], np.int64)
        self._loudest.make_room(int(bank.order.max(initial=-1)) + 1)
