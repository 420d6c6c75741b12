"""Base of all messages between engine and media worker."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Message"]


class Message(Struct, frozen=True, array_like=True, tag=True):
    """Immutable, compact on the wire, told apart by class name."""
