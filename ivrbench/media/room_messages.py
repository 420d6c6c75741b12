"""Messages about calls that hear each other: two that are connected, and conference rooms.

A room has a number that the engine chose. It begins with the first message that names it and is
over when `CloseRoom` says so; calls come and go with `PlayItem` and `CloseCall`.
"""

from __future__ import annotations

from ivrbench.media._message import Message

__all__ = [
    "CloseRoom",
    "ConnectCalls",
    "FlushRoom",
    "MuteMember",
    "PlayInRoom",
    "RecordRoom",
    "RoomItemEnded",
    "RoomRecorded",
    "SpeakerChanged",
]


class ConnectCalls(Message, frozen=True):
    """Two calls of this worker hear each other from now on, whatever their codecs.

    What a call's playlist plays is mixed in, for that call alone. Keys are reported as ever. A
    call is connected with one other at most, and in no room at the same time: it leaves the one
    before.
    """

    call: int
    other: int
    """0: apart again; so is whoever it was connected with."""


class MuteMember(Message, frozen=True):
    """Let a call not be heard by the others of its room, or again; see `PlayItem.muted`."""

    call: int
    item: int
    """The item that brings it there, queued or current."""
    muted: bool


class PlayInRoom(Message, frozen=True):
    """Let all members of a room hear a clip, after those that play already."""

    room: int
    item: int
    """Chosen by the engine, unique within the room."""
    offset_bytes: int
    """Of a clip in the form "linear16000"."""
    n_samples: int


class FlushRoom(Message, frozen=True):
    """Drop all clips that a room hears or is to hear."""

    room: int


class RecordRoom(Message, frozen=True):
    """Record what a room hears in all."""

    room: int
    recorder: int
    """0: no more; the file stays open."""


class CloseRoom(Message, frozen=True):
    """The room is over: clips and the recording end, who is still in it hears nothing more."""

    room: int


class RoomItemEnded(Message, frozen=True):
    """A clip of `PlayInRoom` is over."""

    room: int
    item: int
    reason: str
    """"played", "flushed" or "closed"."""


class RoomRecorded(Message, frozen=True):
    """The recording of a room is over; the recorder is to be closed."""

    room: int
    recorder: int
    reason: str
    """"recorded" (limit reached), "stopped", "closed" or "error"."""
    recorded_ms: int


class SpeakerChanged(Message, frozen=True):
    """Somebody else speaks in a room."""

    room: int
    call: int
    at_s: float
