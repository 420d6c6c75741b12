"""What happens in conference rooms: who comes and goes, and who speaks."""

from __future__ import annotations

from ivrbench.observe._event import EventBase

__all__ = ["RoomEvent", "RoomJoined", "RoomLeft", "SpeakerChanged"]


class RoomJoined(EventBase, frozen=True):
    """A call came into a conference room."""

    leg: str
    room: str
    """Its name."""
    members: int
    """Calls in the room, this one among them."""


class RoomLeft(EventBase, frozen=True):
    """A call left a conference room."""

    leg: str
    room: str
    members: int
    """Calls that are still in the room."""


class SpeakerChanged(EventBase, frozen=True):
    """Somebody else speaks in a conference room."""

    leg: str
    """Who speaks now."""
    room: str


RoomEvent = RoomJoined | RoomLeft | SpeakerChanged
