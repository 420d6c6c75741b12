"""Timers of one session, set by its script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["ScriptTimers"]

AT_ONCE_S: Final = 0.005
"""A timer this short, or negative, fires without being armed at all."""
LONGEST_S: Final = 366 * 86_400.0
"""One year; what is longer is clipped."""


class ScriptTimers:
    """One timer per id; setting an id again replaces it.

    Args:
        loop: whose clock they run on.
        fired: called with the id.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fired: Callable[[int], None]) -> None:
        self._loop = loop
        self._fired = fired
        self._handles: dict[int, asyncio.TimerHandle] = {}

    def set(self, timer_id: int, seconds: float) -> None:
        """Arm or re-arm."""
        self.remove(timer_id)
        if not seconds > AT_ONCE_S:  # also true of "not a number"
            self._fired(timer_id)
            return
        delay_s = min(seconds, LONGEST_S)
        self._handles[timer_id] = self._loop.call_later(delay_s, self._due, timer_id)

    def remove(self, timer_id: int) -> None:
        """Disarm; one that fired already still arrives."""
        handle = self._handles.pop(timer_id, None)
        if handle is not None:
            handle.cancel()

    def due(self) -> dict[int, float]:
        """When each armed timer fires, in the loop's time."""
        return {timer_id: handle.when() for timer_id, handle in self._handles.items()}

    def close(self) -> None:
        """The call is over: none fires any more."""
        self.clear()
        self._fired = _nobody

    def clear(self) -> None:
        """Disarm all."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()

    def _due(self, timer_id: int) -> None:
        del self._handles[timer_id]
        self._fired(timer_id)


def _nobody(timer_id: int) -> None:
    """The call is over."""
