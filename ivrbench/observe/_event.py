"""The base of all events."""

from __future__ import annotations

from msgspec import Struct


class EventBase(Struct, frozen=True, tag=True):
    """Immutable, told apart by class name on the wire."""
