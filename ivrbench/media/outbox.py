"""Events on their way to the engine, held back where the disk has to confirm something first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from ivrbench.media.messages import ItemEnded, MediaEvent, RecorderClosed

if TYPE_CHECKING:
    from ivrbench.media.disk import DiskReport

__all__ = ["Outbox"]


class Outbox:
    """Collects the events of a tick.

    An `ItemEnded` of a recording waits until the file is complete; what must not overtake it
    (further ends, the empty queue, the end of the call) waits behind it. Keys do not wait.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Time of the present tick, for the events."""
        self._events: list[MediaEvent] = []
        self._held: dict[int, deque[tuple[int, MediaEvent]]] = {}
        self._waiting_for: dict[int, int] = {}
        self._last_token = 0

    def token(self) -> int:
        """A fresh number to ask the disk for a report with."""
        self._last_token += 1
        return self._last_token

    def say(self, event: MediaEvent) -> None:
        """Send an event at once."""
        self._events.append(event)

    def say_in_order(self, key: int, event: MediaEvent, token: int = 0) -> None:
        """Send an event after the earlier ones of the same key.

        Args:
            key: a call (> 0), or the negative number of a recorder.
            event: what to send.
            token: not before the disk reported this one; 0 = nothing to wait for.
        """
        held = self._held.get(key)
        if held is None and not token:
            self._events.append(event)
            return
        if held is None:
            held = self._held[key] = deque()
        held.append((token, event))
        if token:
            self._waiting_for[token] = key

    def confirm(self, report: DiskReport) -> None:
        """The disk has finished, or failed at, what an event waits for."""
        key = self._waiting_for.pop(report.token, None)
        if key is None:
            return
        held = self._held[key]
        for index, (token, event) in enumerate(held):
            if token == report.token:
                held[index] = (0, _with_outcome(event, report))
        while held and not held[0][0]:
            self._events.append(held.popleft()[1])
        if not held:
            del self._held[key]

    def take(self) -> list[MediaEvent]:
        """All events that may go, and forget them."""
        events, self._events = self._events, []
        return events


def _with_outcome(event: MediaEvent, report: DiskReport) -> MediaEvent:
    if isinstance(event, RecorderClosed):
        rate_hz = report.sink.rate_hz
        return msgspec.structs.replace(
            event, n_bytes=report.n_bytes, error=report.error, rate_hz=rate_hz
        )
    if isinstance(event, ItemEnded) and report.error:
        return msgspec.structs.replace(event, reason="error", error=report.error)
    return event
