"""Figures: what became of the calls, counted from the engine's events."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from ivrbench.observe.events import LegChanged, LegEnded, LegStarted, MediaEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.observe.events import Stamped

__all__ = ["Figures", "Spread", "spread_of"]

UP: Final = frozenset({"up", "held"})


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure is spread over the calls."""

    median: float
    p95: float
    p99: float
    worst: float


def spread_of(values: Sequence[float], *, low_is_bad: bool = False) -> Spread | None:
    """The spread of values, None of none; the percentiles are counted towards the bad side."""
    if not values:
        return None
    ordered = sorted(values, reverse=low_is_bad)
    median, p95, p99, worst = (
        ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95, 0.99, 1.0)
    )
    return Spread(median, p95, p99, worst)


class Figures:
    """All calls of a run.

    Attributes:
        placed: calls begun.
        answered: with 200.
        failures: (code, reason) → calls that were not answered.
        cut: calls that were ended before their time, by the other side as a rule.
        set_up_ms: from dialling to the answer, one an answered call.
        sent: packets we sent.
        received: packets that came.
        lost: packets that did not come.
        jitter_ms: one a call that heard something; so are `mos` and `rtt_ms`.
    """

    def __init__(self) -> None:
        self.placed = self.answered = self.cut = 0
        self.failures: Counter[tuple[int, str]] = Counter()
        self.set_up_ms: list[float] = []
        self.jitter_ms: list[float] = []
        self.rtt_ms: list[float] = []
        self.mos: list[float] = []
        self.sent = self.received = self.lost = self.late = 0
        self._began_s: dict[str, float] = {}
        self._up: set[str] = set()

    @property
    def failed(self) -> int:
        """Calls that were not answered."""
        return self.failures.total()

    @property
    def live(self) -> int:
        """Calls that are not over."""
        return len(self._began_s)

    @property
    def lost_percent(self) -> float:
        """Of the packets that should have come."""
        expected = self.received + self.lost
        return 100 * self.lost / expected if expected else 0.0

    def take(self, stamped: Stamped) -> None:
        """Count one event."""
        count = _COUNTED.get(type(stamped.event))
        if count is not None:
            count(self, stamped.event, stamped.at_s)

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """All of it; milliseconds, packets, calls."""
        spreads = {
            "set_up_ms": spread_of(self.set_up_ms),
            "jitter_ms": spread_of(self.jitter_ms),
            "rtt_ms": spread_of(self.rtt_ms),
            "mos": spread_of(self.mos, low_is_bad=True),
        }
        return {
            "placed": self.placed,
            "answered": self.answered,
            "failed": self.failed,
            "cut": self.cut,
            "failures": [
                {"code": code, "reason": reason, "calls": calls}
                for (code, reason), calls in self.failures.most_common()
            ],
            "packets": {
                "sent": self.sent,
                "received": self.received,
                "lost": self.lost,
                "late": self.late,
                "lost_percent": round(self.lost_percent, 3),
            },
        } | {name: spread and asdict(spread) for name, spread in spreads.items()}

    def _started(self, event: LegStarted, at_s: float) -> None:
        self.placed += 1
        self._began_s[event.leg] = at_s

    def _changed(self, event: LegChanged, at_s: float) -> None:
        began_s = self._began_s.get(event.leg)
        if event.state in UP and event.leg not in self._up and began_s is not None:
            self._up.add(event.leg)
            self.answered += 1
            self.set_up_ms.append((at_s - began_s) * 1000)

    def _ended(self, event: LegEnded, at_s: float) -> None:
        self._began_s.pop(event.leg, None)
        if event.leg not in self._up:
            self.failures[event.code, event.reason] += 1
        elif event.by != "script":
            self.cut += 1
        self._up.discard(event.leg)

    def _heard(self, event: MediaEnded, at_s: float) -> None:
        self.sent += event.sent
        self.received += event.received
        self.lost += event.lost
        self.late += event.late
        if event.received:
            self.jitter_ms.append(event.jitter_ms)
            self.mos.append(event.mos)
        if event.rtt_ms >= 0:
            self.rtt_ms.append(event.rtt_ms)


_COUNTED: Final[dict[type, Callable[..., None]]] = {
    LegStarted: Figures._started,
    LegChanged: Figures._changed,
    LegEnded: Figures._ended,
    MediaEnded: Figures._heard,
}
