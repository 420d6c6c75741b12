"""The mixing bank: what members of rooms said lately, and what each room sounds like in all.

All rooms of one sample rate are mixed at once. Time is counted in ticks of the plane, the same for
all calls: in tick t a call of 20 ms packets puts down what is heard from tick t to t + 4, whatever
its phase. So everything before tick t is complete when t begins, and who sends a packet in t gets
the sound of the time just over: people hear each other later by the length of their own packets.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ivrbench.audio.rate_change import RateChanger
from ivrbench.media.lane import TICK_MS
from ivrbench.media.ring import as_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bank", "saturated"]

RING_TICKS: Final = 32
"""Length of the rings."""
AHEAD_TICKS: Final = 12
"""Packets of 60 ms: so far ahead something may be put down, and so far back be asked for."""
FIRST_SLOTS: Final = 16
INT16_MIN, INT16_MAX = -32_768, 32_767
TURNS: Final = np.arange(2 * RING_TICKS) % RING_TICKS
"""Places in the rings, twice round: a slice from anywhere goes as far as is needed."""

assert 2 * AHEAD_TICKS < RING_TICKS, "what is asked for must not have been overwritten"


class Bank:
    """Members of rooms at one sample rate; each has a slot.

    Args:
        rate_hz: the rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._block = rate_hz * TICK_MS // 1000
        # A tick's samples of all members lie together: they are needed together.
        self._said = np.zeros((RING_TICKS, 0, self._block), np.int16)
        self._sums = np.zeros((RING_TICKS, 0, self._block), np.int32)
        self._free: list[int] = []
        self._free_rooms: list[int] = []
        self._room_of: dict[int, int] = {}
        self._changers: dict[tuple[int, int], RateChanger] = {}
        self._tick: int | None = None
        """What came before it is summed up."""
        self._changed = True
        self.order = np.empty(0, np.int64)
        """All slots, those of a room together."""
        self.starts = np.empty(0, np.int64)
        """Where in `order` each room begins."""
        self.rooms = np.empty(0, np.int64)
        """The room of each of `starts`."""
        self._ends = np.empty(0, np.int64)
        self.sums_of = np.zeros(0, np.int64)
        """The room of each slot."""

    def __repr__(self) -> str:
        return f"Bank({self.rate_hz} Hz, {len(self)} members)"

    def __len__(self) -> int:
        """Slots in use."""
        return len(self._room_of)

    # -- who is there

    def open_room(self) -> int:
        """A row for the sums of a room."""
        if not self._free_rooms:
            n = self._sums.shape[1]
            self._sums = _wider(self._sums)
            self._free_rooms = list(range(n, self._sums.shape[1]))
        room = heapq.heappop(self._free_rooms)
        self._sums[:, room] = 0
        return room

    def close_room(self, room: int) -> None:
        """Give a room's row back; its members have left."""
        heapq.heappush(self._free_rooms, room)

    def enter(self, room: int) -> int:
        """A slot for a member of a room; it has said nothing yet."""
        if not self._free:
            n = self._said.shape[1]
            self._said = _wider(self._said)
            self.sums_of = np.resize(self.sums_of, self._said.shape[1])
            self._free = list(range(n, self._said.shape[1]))
        slot = heapq.heappop(self._free)
        self._said[:, slot] = 0
        self._room_of[slot] = room
        self.sums_of[slot] = room
        for changer in self._changers.values():
            changer.reset(slot)
        self._changed = True
        return slot

    def leave(self, slot: int) -> None:
        """Give a slot back."""
        del self._room_of[slot]
        heapq.heappush(self._free, slot)
        self._changed = True

    def changer(self, from_hz: int, to_hz: int) -> RateChanger:
        """What brings members' audio from one rate to another; slots are those of the bank."""
        changer = self._changers.get((from_hz, to_hz))
        if changer is None:
            changer = self._changers[from_hz, to_hz] = RateChanger(from_hz, to_hz)
        return changer

    # -- sound

    def settle(self, tick: int) -> None:
        """Sum up what was said before this tick; once for each tick, before anything is heard."""
        if self._changed:
            self._rearrange()
        if self._tick is None:
            self._tick = tick - 1
        for done in range(max(self._tick, tick - RING_TICKS), tick):
            if len(self.order):
                self._sums[done % RING_TICKS, self.rooms] = self._room_sums(done)
            # Whoever says nothing in that time is silent in it.
            self._said[(done + 1 + AHEAD_TICKS) % RING_TICKS] = 0
        self._tick = tick

    def say(self, slots: NDArray[np.int64], tick: int, frames: NDArray[Any]) -> None:
        """Put down what members say from `tick` on; a row for each, integers of any size."""
        said = frames if frames.dtype == np.int16 else saturated(frames)
        blocks = said.shape[1] // self._block
        rows, at = self._rows(self._said, slots, tick, blocks)
        rows[at] = said.view(rows.dtype)

    def heard(self, slots: NDArray[np.int64], tick: int, samples: int) -> NDArray[np.int32]:
        """What members heard just before `tick`: everybody of their room but themselves.

        Args:
            slots: which members.
            tick: the present one, which is settled.
            samples: how many.

        Returns:
            A row for each, not saturated.
        """
        blocks = samples // self._block
        sums, at = self._rows(self._sums, self.sums_of[slots], tick - blocks, blocks)
        heard = sums.take(at).view(np.int32)
        said, at = self._rows(self._said, slots, tick - blocks, blocks)
        heard -= said.take(at).view(np.int16)
        return heard

    def in_room(self, room: int, tick: int, samples: int) -> NDArray[np.int16]:
        """What was heard in a room just before `tick`, of all members together."""
        blocks = samples // self._block
        sums, at = self._rows(self._sums, np.array([room]), tick - blocks, blocks)
        return saturated(sums.take(at).view(np.int32)[0])

    def voices(self, tick: int, samples: int) -> NDArray[np.int16]:
        """What each of `order` said just before `tick`."""
        blocks = samples // self._block
        said, at = self._rows(self._said, self.order, tick - blocks, blocks)
        return said.take(at).view(np.int16)

    def _room_sums(self, tick: int) -> NDArray[np.int32]:
        """What is said in each room, by differences of running sums: faster than `reduceat`."""
        running = np.empty((len(self.order) + 1, self._block), np.int32)
        running[0] = 0
        running[1:] = self._said[tick % RING_TICKS].take(self.order, axis=0)
        np.add.accumulate(running, axis=0, out=running)
        sums: NDArray[np.int32] = running.take(self._ends, axis=0)
        sums -= running.take(self.starts, axis=0)
        return sums

    def _rearrange(self) -> None:
        self._changed = False
        slots = np.array(list(self._room_of), np.int64)
        rooms = np.array(list(self._room_of.values()), np.int64)
        by_room = np.argsort(rooms, kind="stable")
        self.order = slots[by_room]
        self.rooms, self.starts = np.unique(rooms[by_room], return_index=True)
        self._ends = np.append(self.starts[1:], len(slots))

    def _rows(
        self, ring: NDArray[Any], places: NDArray[np.int64], tick: int, blocks: int
    ) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """A ring as one item for each place and tick, and which of them are wanted."""
        turn = tick % RING_TICKS
        turns = TURNS[turn : turn + blocks] * ring.shape[1]
        items = as_items(ring, self._block * ring.itemsize).reshape(-1)
        return items, places[:, None] + turns


def saturated(wide: NDArray[Any]) -> NDArray[np.int16]:
    """Samples of 16 bits: what is too loud is as loud as can be."""
    # In two steps: `np.clip` takes several times as long to begin.
    samples: NDArray[np.int16] = np.minimum(np.maximum(wide, INT16_MIN), INT16_MAX).astype(np.int16)
    return samples


def _wider(old: NDArray[Any]) -> NDArray[Any]:
    """Twice as many places in each tick."""
    ticks, n, block = old.shape
    new = np.zeros((ticks, max(FIRST_SLOTS, 2 * n), block), old.dtype)
    new[:, :n] = old
    return new
