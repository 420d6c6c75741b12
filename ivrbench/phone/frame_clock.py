"""FrameClock: when each audio frame is due, on a beat that never drifts."""

from __future__ import annotations

from typing import Final

__all__ = ["FrameClock"]

MAX_LATE_FRAMES: Final = 3
"""A frame later than this is left out: a burst would only fill the other side's buffer."""


class FrameClock:
    """Counts frames from a first moment, so that rounding and late calls never add up.

    Args:
        frame_s: length of a frame in seconds.
    """

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._first_s: float | None = None
        self._frames = 0

    def start(self, now: float) -> None:
        """The first frame is due now; does nothing if the clock runs."""
        if self._first_s is None:
            self._first_s = now
            self._frames = 0

    def stop(self) -> None:
        """No more frames."""
        self._first_s = None

    def deadline(self) -> float | None:
        """When the next frame is due, None if the clock does not run."""
        return None if self._first_s is None else self._first_s + self._frames * self._frame_s

    def skip(self, now: float) -> int:
        """Leave out the frames there is no time for.

        Returns:
            how many.
        """
        due_s = self.deadline()
        if due_s is None or now - due_s <= MAX_LATE_FRAMES * self._frame_s:
            return 0
        skipped = int((now - due_s) / self._frame_s)
        self._frames += skipped
        return skipped

    def take(self, now: float) -> bool:
        """Move on by one frame if one is due."""
        due_s = self.deadline()
        if due_s is None or due_s > now:
            return False
        self._frames += 1
        return True
