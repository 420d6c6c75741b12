"""What is said at a leg about the conference room it is in."""

from __future__ import annotations

from ivrbench.observe.rooms import RoomJoined, RoomLeft, SpeakerChanged

__all__ = ["room_text"]


def room_text(event: object) -> str:
    """A room's event in words, "" if it is none."""
    match event:
        case RoomJoined():
            return f"in room {event.room} with {_others(event.members - 1)}"
        case RoomLeft():
            return f"left room {event.room}, {_others(event.members)} still there"
        case SpeakerChanged():
            return f"speaks in room {event.room}"
        case _:
            return ""


def _others(n: int) -> str:
    return "nobody" if not n else "one other" if n == 1 else f"{n} others"
