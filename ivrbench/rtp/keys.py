"""One report per key press, however many ways the key arrives (RFC 4733, SIP INFO, in-band).

`KeyAggregator` takes what each source saw and reports every press once.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from ivrbench.rtp.dtmf import KeyPressed, KeyReleased

__all__ = ["KeyAggregator", "KeyReported", "KeySource", "ReportAt"]

SAME_PRESS_S: Final = 0.2  # two sources that see one press differ by less than this
MAX_INFO_WAIT_MS: Final = 1000  # as the reference server: an INFO key lasts no longer


class KeySource(enum.Enum):
    """Where a key was seen."""

    RTP = "rtp"
    """RFC 4733 packets."""
    INFO = "info"
    """A SIP INFO request."""
    INBAND = "inband"
    """Tones in the audio."""


class ReportAt(enum.Enum):
    """When a key is reported."""

    PRESS = "press"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class KeyReported:
    """A key was pressed, once."""

    key: int
    """Key number."""
    duration_ms: int
    """How long it was down; 0 if reported at the press."""
    source: KeySource
    """Who saw it first."""


@dataclass(slots=True)
class _Press:
    """One press as far as it is known; each source sees it once at most."""

    key: int
    first_source: KeySource
    last_s: float
    sources: set[KeySource] = field(default_factory=set)
    down: set[KeySource] = field(default_factory=set)
    durations_ms: dict[KeySource, int] = field(default_factory=dict)
    reported: bool = False

    @property
    def duration_ms(self) -> int:
        # RTP and tones measure; an INFO only claims.
        for source in (KeySource.RTP, KeySource.INBAND, KeySource.INFO):
            if source in self.durations_ms:
                return self.durations_ms[source]
        return 0


class KeyAggregator:
    """Merges what the sources of one call saw into one report per press.

    Two sights of one key are one press if they come from different sources and within 200 ms of
    each other; two from the same source are always two presses. Call `next_event` until it
    returns None after each `receive…` and `on_deadline`, and `on_deadline` when `deadline` passes.
    """

    def __init__(self, settle_ms: int = 0, report: ReportAt = ReportAt.RELEASE) -> None:
        """Begin with no key down.

        Args:
            settle_ms: how long a released key is held back for other sources to join in; 0
                reports at the key's end, 200 is what the reference server does. Without
                effect if keys are reported at the press.
            report: whether a key is reported when it goes down or up.
        """
        self.settle_s = settle_ms / 1000
        self.report = report
        self._presses: deque[_Press] = deque()  # oldest first
        self._events: deque[KeyReported] = deque()

    def __repr__(self) -> str:
        pending = [press.key for press in self._presses if not press.reported]
        return f"<KeyAggregator at {self.report.value} pending={pending}>"

    def receive(self, event: KeyPressed | KeyReleased, source: KeySource, now: float) -> None:
        """Take what a source saw.

        Args:
            event: the key that went down or up.
            source: who saw it.
            now: when, seconds.
        """
        if isinstance(event, KeyPressed):
            self._receive_press(event.key, source, now)
        else:
            self._receive_release(event, source, now)

    def receive_info(self, key: int, duration_ms: int, now: float) -> None:
        """Take a key from a SIP INFO, which tells press and length in one.

        Args:
            key: key number.
            duration_ms: how long the sender says it is down.
            now: when the INFO came, seconds.
        """
        self._receive_press(key, KeySource.INFO, now)
        # With a settling time the key is taken to last as long as the INFO says, as the
        # reference server does, so that a slower RFC 4733 sight of the same press can join.
        lasts_s = min(duration_ms, MAX_INFO_WAIT_MS) / 1000 if self.settle_s else 0.0
        self._receive_release(KeyReleased(key, duration_ms), KeySource.INFO, now + lasts_s)

    def next_event(self) -> KeyReported | None:
        """Return the next key to report, None if that was all."""
        return self._events.popleft() if self._events else None

    def deadline(self) -> float | None:
        """Return when `on_deadline` wants to be called, None if no key is held back."""
        waiting = [press.last_s for press in self._presses if self._is_settling(press)]
        return min(waiting) + self.settle_s if waiting else None

    def on_deadline(self, now: float) -> None:
        """Report the keys whose settling time is over."""
        for press in self._presses:
            if self._is_settling(press) and now >= press.last_s + self.settle_s:
                self._report(press)
        self._forget(now)

    def flush(self) -> None:
        """Report every key still held back or down: no more will be heard of them."""
        for press in self._presses:
            self._report(press)
        self._presses.clear()

    def _receive_press(self, key: int, source: KeySource, now: float) -> None:
        self._forget(now)
        press = self._find(key, source, now)
        if press is None:
            # As the reference server: another press ends the wait of the ones before it.
            for earlier in self._presses:
                if not earlier.down:
                    self._report(earlier)
            press = _Press(key, source, now)
            self._presses.append(press)
        press.sources.add(source)
        press.down.add(source)
        press.last_s = max(press.last_s, now)
        if self.report is ReportAt.PRESS:
            self._report(press)

    def _receive_release(self, event: KeyReleased, source: KeySource, now: float) -> None:
        for press in self._presses:
            if press.key == event.key and source in press.down:
                press.down.discard(source)
                press.durations_ms[source] = event.duration_ms
                press.last_s = max(press.last_s, now)
                if not press.down and (not self.settle_s or len(press.sources) == len(KeySource)):
                    self._report(press)
                return

    def _find(self, key: int, source: KeySource, now: float) -> _Press | None:
        """Return the oldest press that the sight may belong to."""
        for press in self._presses:
            if press.key == key and source not in press.sources and self._is_recent(press, now):
                return press
        return None

    def _is_recent(self, press: _Press, now: float) -> bool:
        return bool(press.down) or now - press.last_s <= SAME_PRESS_S

    def _is_settling(self, press: _Press) -> bool:
        return not press.reported and not press.down

    def _report(self, press: _Press) -> None:
        if press.reported:
            return
        press.reported = True
        at_press = self.report is ReportAt.PRESS
        duration_ms = 0 if at_press else press.duration_ms
        self._events.append(KeyReported(press.key, duration_ms, press.first_source))

    def _forget(self, now: float) -> None:
        self._presses = deque(
            press for press in self._presses if not press.reported or self._is_recent(press, now)
        )
