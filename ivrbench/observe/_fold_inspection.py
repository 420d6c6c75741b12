"""How events about a dialog object's attributes change a `History`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.observe._fold_legs import keep_fact
from ivrbench.observe.inspection import CallTouched, InspectionStep, InspectionView, LegInspected

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.events import Stamped
    from ivrbench.observe.history import History

__all__ = ["FOLDS", "MAX_STEPS", "MAX_STEP_CHARS"]

MAX_STEPS = 200
"""Of one leg: as many as its timeline has events."""
MAX_STEP_CHARS = 65_536
"""Of one leg: 200 steps × about 330 characters."""


def _inspected(history: History, stamped: Stamped, event: LegInspected) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        return
    step = InspectionStep(stamped.seq, stamped.at_s, event.call, event.changes)
    if leg.inspected is None or event.is_whole:
        leg.inspected = InspectionView()
        leg.inspected.begin(step)
    else:
        leg.inspected.add(step, MAX_STEPS, MAX_STEP_CHARS)


def _touched(history: History, stamped: Stamped, event: CallTouched) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        leg.touched_at_s = leg.touched_at_s or stamped.at_s
        keep_fact(leg, stamped)


FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {
    LegInspected: _inspected,
    CallTouched: _touched,
}
"""By event class, hence `Any`."""
