"""Rooms: calls that hear each other, two that are connected or any number in a conference."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.media import messages
from ivrbench.media.bank import Bank, saturated
from ivrbench.media.floor import Floor
from ivrbench.media.lane import TICK_MS
from ivrbench.media.mixing import Member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.call import Call
    from ivrbench.media.outbox import Outbox
    from ivrbench.media.recorder import Recorder

__all__ = ["Room", "RoomTable"]

FRAME_TICKS: Final = 4
"""A room's own business is done every 20 ms: clips, recording, who speaks."""
CLIP_RATE_HZ: Final = 16_000
"""Rate of clips that a room hears, see `PlayInRoom`."""
LOWEST_HZ: Final = 8000


class Room:
    """A room's members and what else goes on in it.

    Args:
        number: the engine's; below 0: two calls that are connected.
        bank: where it is mixed.
    """

    def __init__(self, number: int, bank: Bank) -> None:
        self.number = number
        self.bank = bank
        self.row = bank.open_room()
        self.calls: dict[int, Call] = {}
        """Members by their slot."""
        self.clips: deque[messages.PlayInRoom] = deque()
        self.clip_at = 0
        """Play position in the first clip, in samples."""
        self.voice: Member | None = None
        """Says the clips."""
        self.recorder: Recorder | None = None
        self.recorded_samples = 0
        self.speaker = -1
        """Slot of who speaks."""

    def __repr__(self) -> str:
        return f"Room({self.number}, {len(self.calls)} calls, {self.bank!r})"

    @property
    def recorded_ms(self) -> int:
        """How much of it has been recorded."""
        rate_hz = self.recorder.rate_hz if self.recorder is not None else 0
        return self.recorded_samples * 1000 // rate_hz if rate_hz else 0


class RoomTable:
    """All rooms of a plane. A room is mixed at the rate of the best member it ever had.

    Args:
        arena: the prompts' bytes.
        outbox: where events go.
    """

    def __init__(self, arena: NDArray[np.uint8], outbox: Outbox) -> None:
        self._clips = arena.view(np.int16)
        self._outbox = outbox
        self._rooms: dict[int, Room] = {}
        self._banks: dict[tuple[int, bool], Bank] = {}
        self._floors: dict[Bank, Floor] = {}
        self._tick = 0
        self._active: set[int] = set()
        """Rooms where more goes on than calls: clips, recordings."""

    def __repr__(self) -> str:
        return f"RoomTable({len(self)} rooms)"

    def __len__(self) -> int:
        return len(self._rooms)

    # -- who is where

    def connect(self, call: Call, other: Call | None) -> None:
        """Let two calls hear each other, or a call be alone."""
        if other is None or other is call:
            if call.member is not None and call.member.room < 0:
                self.leave(call)
            return
        for each in (call, other):
            self.leave(each)
            each.left_room("the call was connected with another")
        number = -min(call.number, other.number)
        for each in (call, other):
            self.join(number, each)

    def join(self, number: int, call: Call, *, hears: bool = True, speaks: bool = True) -> None:
        """Bring a call into a room; it leaves the one it is in."""
        self.leave(call)
        room = self._room(number)
        if call.lane.codec.rate_hz > room.bank.rate_hz:
            self._move(room, call.lane.codec.rate_hz)
        self._sit(room, call, Member(number, room.bank, 0, hears, speaks))

    def leave(self, call: Call) -> None:
        """Take a call out of its room; who is left of two is alone."""
        member = call.member
        if member is None:
            return
        room = self._rooms[member.room]
        self._stand_up(room, call, member)
        if room.number < 0:
            for other in list(room.calls.values()):
                self._stand_up(room, other, other.member)
            self._drop(room)
        elif not room.calls and not self._is_used(room):
            self._drop(room)

    def mute(self, call: Call, muted: bool) -> None:
        """Let the others in a room not hear a call, or again."""
        if call.member is not None:
            call.member.muted = muted
            call.lane.members_changed = True

    def refit(self, call: Call) -> None:
        """A member's codec changed."""
        if call.member is not None:
            room = self._rooms[call.member.room]
            if call.lane.codec.rate_hz > room.bank.rate_hz:
                self._move(room, call.lane.codec.rate_hz)

    def close(self, number: int) -> None:
        """A room is over."""
        room = self._rooms.get(number)
        if room is None:
            return
        calls = list(room.calls.values())
        for call in calls:
            self._stand_up(room, call, call.member)
        self.flush(number, "closed")
        self.record(number, None, "closed")
        if number in self._rooms:
            self._drop(room)
        for call in calls:  # now that it is gone: the next item may want a room of this number
            call.left_room("the room was closed")

    def close_all(self) -> None:
        """All rooms are over."""
        for number in list(self._rooms):
            self.close(number)

    def _room(self, number: int) -> Room:
        room = self._rooms.get(number)
        if room is None:
            room = self._rooms[number] = Room(number, self._bank(LOWEST_HZ, number))
        return room

    def _bank(self, rate_hz: int, number: int) -> Bank:
        """Connected calls have banks of their own: there, nobody asks who speaks."""
        key = (rate_hz, number > 0)
        bank = self._banks.get(key)
        if bank is None:
            bank = self._banks[key] = Bank(rate_hz)
            bank.settle(self._tick)
        return bank

    def _settle_down(self, room: Room) -> None:
        """Nothing may go on in a room any more; one without calls is over."""
        if not self._is_used(room):
            self._active.discard(room.number)
            if not room.calls and room.number in self._rooms:
                self._drop(room)

    def _is_used(self, room: Room) -> bool:
        return bool(room.clips) or room.voice is not None or room.recorder is not None

    def _drop(self, room: Room) -> None:
        del self._rooms[room.number]
        self._active.discard(room.number)
        room.bank.close_room(room.row)

    def _sit(self, room: Room, call: Call, member: Member) -> None:
        member.bank, member.slot = room.bank, room.bank.enter(room.row)
        room.calls[member.slot] = call
        call.member = member
        call.lane.members[call.row] = member
        call.lane.members_changed = True

    def _stand_up(self, room: Room, call: Call, member: Member | None) -> None:
        assert member is not None, "who is in a room is a member"
        del room.calls[member.slot]
        room.bank.leave(member.slot)
        if room.speaker == member.slot:
            room.speaker = -1
        floor = self._floors.get(room.bank)
        if floor is not None:
            floor.forget(member.slot)
        call.member = None
        call.lane.members.pop(call.row, None)
        call.lane.members_changed = True

    def _move(self, room: Room, rate_hz: int) -> None:
        """Mix a room at another rate from now on."""
        old, seated = room.bank, [(call, call.member) for call in room.calls.values()]
        if room.voice is not None:
            old.leave(room.voice.slot)
            room.voice = None
        for call, member in seated:
            self._stand_up(room, call, member)
        old.close_room(room.row)
        room.bank = self._bank(rate_hz, room.number)
        room.row = room.bank.open_room()
        for call, member in seated:
            assert member is not None, "who is in a room is a member"
            self._sit(room, call, member)

    # -- clips and recording

    def play(self, command: messages.PlayInRoom) -> None:
        """Let a room hear a clip."""
        self._room(command.room).clips.append(command)
        self._active.add(command.room)

    def flush(self, number: int, reason: str = "flushed") -> None:
        """Drop a room's clips."""
        room = self._rooms.get(number)
        if room is None:
            return
        while room.clips:
            self._clip_over(room, reason)
        self._hush(room)

    def record(self, number: int, recorder: Recorder | None, reason: str = "stopped") -> None:
        """Record a room, or no more."""
        room = self._room(number) if recorder is not None else self._rooms.get(number)
        if room is None:
            return
        old, recorded_ms = room.recorder, room.recorded_ms
        room.recorder, room.recorded_samples = recorder, 0
        if recorder is not None:
            recorder.in_use = True
            self._active.add(number)
        if old is not None:
            old.in_use = False
            event = messages.RoomRecorded(number, old.number, reason, recorded_ms)
            token = self._outbox.token()
            self._outbox.say_in_order(-old.number, event, token)
            old.seal(token)
        self._settle_down(room)

    def recorder_gone(self, recorder: Recorder, reason: str) -> None:
        """What a room is recorded into is over."""
        for room in self._rooms.values():
            if room.recorder is recorder:
                self.record(room.number, None, reason)
                return

    def _clip_over(self, room: Room, reason: str) -> None:
        clip = room.clips.popleft()
        room.clip_at = 0
        self._outbox.say(messages.RoomItemEnded(room.number, clip.item, reason))

    def _hush(self, room: Room) -> None:
        """Nothing more is said by clips."""
        if room.voice is not None:
            room.bank.leave(room.voice.slot)
            room.voice = None
        self._settle_down(room)

    # -- a tick

    def settle(self, tick: int) -> None:
        """Bring all rooms up to this tick; before any call sends in it."""
        self._tick = tick
        for (_, conference), bank in self._banks.items():
            bank.settle(tick)
            if conference and len(bank) and tick % FRAME_TICKS == 0:
                self._find_speakers(bank, tick)
        for room in [self._rooms[number] for number in self._active if number in self._rooms]:
            if (tick + room.number) % FRAME_TICKS == 0:
                if room.recorder is not None:
                    self._record(room, room.recorder, tick)
                if room.clips:
                    self._say_clip(room, tick)
                elif room.voice is not None:  # its last words have been heard
                    self._hush(room)

    def _record(self, room: Room, recorder: Recorder, tick: int) -> None:
        rate_hz = room.bank.rate_hz
        pcm = room.bank.in_room(room.row, tick, _frame_samples(rate_hz))
        room.recorded_samples += recorder.write(pcm, rate_hz, pcm)
        if recorder.full:
            self.record(room.number, None, "recorded")

    def _say_clip(self, room: Room, tick: int) -> None:
        """Put down the next 20 ms of what the room is to hear."""
        clip, bank = room.clips[0], room.bank
        if room.voice is None:
            room.voice = Member(room.number, bank, bank.enter(room.row))
        start = clip.offset_bytes // 2 + room.clip_at
        samples = min(_frame_samples(CLIP_RATE_HZ), clip.n_samples - room.clip_at)
        frame = np.zeros(_frame_samples(CLIP_RATE_HZ), np.int16)
        frame[:samples] = self._clips[start : start + samples]
        slots = np.array([room.voice.slot])
        frames = frame[None, :]
        if bank.rate_hz != CLIP_RATE_HZ:
            wide = bank.changer(CLIP_RATE_HZ, bank.rate_hz).process(slots, frames)
            frames = saturated(wide)
        bank.say(slots, tick, frames)
        room.clip_at += samples
        if room.clip_at >= clip.n_samples:
            self._clip_over(room, "played")

    def _find_speakers(self, bank: Bank, tick: int) -> None:
        """Tell who speaks in each room of a bank, where that has changed."""
        floor = self._floors.get(bank)
        if floor is None:
            floor = self._floors[bank] = Floor(bank)
        voices = [self._rooms[number].voice for number in self._active if number in self._rooms]
        clips = [voice.slot for voice in voices if voice is not None and voice.bank is bank]
        for room in floor.listen(tick, self._rooms.values(), clips):
            number = room.calls[room.speaker].number
            self._outbox.say(messages.SpeakerChanged(room.number, number, self._outbox.now))


def _frame_samples(rate_hz: int) -> int:
    return rate_hz * FRAME_TICKS * TICK_MS // 1000
