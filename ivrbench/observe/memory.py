"""What happens as memory runs short."""

from __future__ import annotations

from msgspec import Struct

from ivrbench.observe._event import EventBase

__all__ = ["MemoryChanged", "MemoryUser"]


class MemoryUser(Struct, frozen=True):
    """A version of a script that has calls."""

    script: str
    """"menu@3"."""
    calls: int
    handlers: tuple[tuple[str, int], ...] = ()
    """Handlers that run now, "onDtmf at menu.py:7", and how many of each."""


class MemoryChanged(EventBase, frozen=True):
    """The engine's memory is short, or is not any more."""

    state: str
    """"roomy"; "full": new calls are refused; "spent": handlers are not called any more either."""
    used_mb: int
    """MiB in use, without media workers and prompts."""
    limit_mb: int
    """What it may be (`max_memory_mb`)."""
    users: tuple[MemoryUser, ...] = ()
    """Who may have it, those with the most calls first."""
    refused: int = 0
    """Calls that were refused since memory got short."""
