"""Rooms: the conference rooms of all scripts, and which media workers each of them spans.

A room lives on every worker that has a member of it. One of them is its home; a trunk joins each
other one with it: a call of either worker that is a member of the room there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.observe.rooms import RoomJoined, RoomLeft, SpeakerChanged

from .bridge import Trunk

if TYPE_CHECKING:
    from ..switchboard import Switchboard
    from .call import Prompt
    from .link import MediaLink, Worker
    from .stay import Stay

__all__ = ["CLIP_FORM", "Room", "Rooms"]

log = logging.getLogger("ivrbench.call")

CLIP_FORM: Final = "linear16000"
"""How prompts that a room is to hear lie in the arena."""
TRUNK_RATE_HZ: Final = 16_000


class Room:
    """One room.

    Args:
        rooms: all of them.
        name: the scripts' name for it.
        number: the workers'.
        home: the worker that all others are joined with.
    """

    def __init__(self, rooms: Rooms, name: str, number: int, home: Worker) -> None:
        self._rooms = rooms
        self.name = name
        self.number = number
        self.home = home
        self.stays: dict[Stay, Worker] = {}
        """Who is in it, or is to be once its turn in a playlist comes."""
        self.clips: dict[int, Prompt] = {}
        """What it hears or is to hear, by item."""
        self._trunks: dict[Worker, Trunk] = {}
        self._loudest: dict[Worker, int] = {}
        """The call that speaks at each worker, as that worker sees it."""
        self.speaker = 0

    def __repr__(self) -> str:
        return f"<Room {self.name!r} ({self.number}), {len(self.stays)} calls>"

    @property
    def members(self) -> list[Stay]:
        """Who is in it now."""
        return [stay for stay in self.stays if stay.is_there]

    def seat(self, stay: Stay, worker: Worker) -> None:
        """Somebody of this worker is to come in."""
        self.stays[stay] = worker
        self._span()

    def unseat(self, stay: Stay) -> None:
        """Somebody does not come, or has left."""
        self.stays.pop(stay, None)
        self._span()

    def _span(self) -> None:
        """Join all workers that have members, and no others."""
        workers = set(self.stays.values())
        if workers and self.home not in workers:
            self._unlink(set(self._trunks))
            self.home = next(iter(workers))
        broken = {worker for worker, trunk in self._trunks.items() if trunk.is_broken}
        self._unlink(set(self._trunks) - workers | broken)
        for worker in workers - {self.home, *self._trunks}:
            if not worker.gone and not self.home.gone:
                self._link(worker)

    def _link(self, worker: Worker) -> None:
        try:
            trunk = Trunk(self._rooms.link, (self.home, worker), TRUNK_RATE_HZ)
        except MediaError as exc:
            log.error("room %r: members hear only some of the others: %s", self.name, exc)
            return
        self._trunks[worker] = trunk
        for end, number in zip(trunk.ends, trunk.numbers, strict=True):
            joining = messages.PlayItem(
                number, 1, None, 0, room=self.number, hears=True, speaks=True
            )
            end.media.send(joining)

    def _unlink(self, workers: set[Worker]) -> None:
        for worker in workers:
            self._trunks.pop(worker).close()

    def close(self) -> None:
        """Nobody is in it any more."""
        self._unlink(set(self._trunks))
        for prompt in self.clips.values():
            prompt.release()
        self.clips.clear()

    def heard(self, worker: Worker, call: int) -> Stay | None:
        """A worker says who speaks there; gives who speaks in the room, if that is news."""
        self._loudest[worker] = call
        loudest = self._loudest.get(self.home, 0)
        for other, trunk in self._trunks.items():
            if loudest == trunk.numbers[0]:
                loudest = self._loudest.get(other, 0)
        speaker = next((s for s in self.stays if s.call_number == loudest), None)
        if speaker is None or loudest == self.speaker:
            return None
        self.speaker = loudest
        return speaker


class Rooms:
    """All rooms, by name.

    Args:
        board: the engine.
        link: its workers.
    """

    def __init__(self, board: Switchboard, link: MediaLink) -> None:
        self._board = board
        self.link = link
        self._by_name: dict[str, Room] = {}
        self._by_number: dict[int, Room] = {}
        self._last_item = 0

    def __repr__(self) -> str:
        return f"<Rooms {list(self._by_name.values())}>"

    def __len__(self) -> int:
        return len(self._by_name)

    def enter(self, stay: Stay, worker: Worker) -> Room:
        """The room that somebody goes to, which begins with its first member."""
        room = self._by_name.get(stay.name)
        if room is None:
            room = Room(self, stay.name, self.link.next_number(), worker)
            self._by_name[room.name] = self._by_number[room.number] = room
        room.seat(stay, worker)
        return room

    def leave(self, room: Room, stay: Stay) -> None:
        """Somebody is not to be there any more; with the last one the room is over."""
        workers = set(room.stays.values())
        room.unseat(stay)
        for worker in workers - set(room.stays.values()):
            worker.media.send(messages.CloseRoom(room.number))
        if not room.stays:
            room.close()
            del self._by_name[room.name], self._by_number[room.number]

    def joined(self, room: Room, stay: Stay) -> None:
        """Somebody is there."""
        self._board.publish(RoomJoined(stay.leg_name, room.name, len(room.members)))

    def left(self, room: Room, stay: Stay) -> None:
        """Somebody was there."""
        self._board.publish(RoomLeft(stay.leg_name, room.name, len(room.members)))

    def announce(self, room: Room, worker: Worker, prompt: Prompt) -> None:
        """Let a room hear a prompt, which lies in this worker's arena in `CLIP_FORM`."""
        self._last_item += 1
        room.clips[self._last_item] = prompt
        worker.media.send(
            messages.PlayInRoom(room.number, self._last_item, prompt.clip.offset, prompt.n_samples)
        )

    def flush(self, room: Room) -> None:
        """Drop all that a room hears or is to hear besides its members."""
        for worker in set(room.stays.values()):
            worker.media.send(messages.FlushRoom(room.number))

    # --- what the workers tell ----------------------------------------------------------------

    def clip_ended(self, worker: Worker, event: messages.RoomItemEnded) -> None:
        """A clip is over."""
        room = self._by_number.get(event.room)
        prompt = room.clips.pop(event.item, None) if room is not None else None
        if prompt is not None:
            prompt.release()

    def speaker_changed(self, worker: Worker, event: messages.SpeakerChanged) -> None:
        """Somebody else speaks: tell the scripts of all members."""
        room = self._by_number.get(event.room)
        speaker = room.heard(worker, event.call) if room is not None else None
        if room is None or speaker is None:
            return
        self._board.publish(SpeakerChanged(speaker.leg_name, room.name))
        for stay in room.members:
            stay.tell_speaker(speaker.local_tag)
