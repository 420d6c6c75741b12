"""How the monitoring store of scripts changes a `History` (ivr-api §1.1: monitorLog and others)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.observe._fold_legs import keep_fact
from ivrbench.observe.events import MonitorChanged, Stamped
from ivrbench.observe.snapshot import MonitorView

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.history import History

__all__ = ["FOLDS"]

MAX_ENTRIES = 500
"""Calls kept; finished ones fall out first, then the oldest."""
MAX_PROPERTIES = 50
"""Of one call."""
MAX_VALUES = 50
"""Of one property that is added to."""


def _changed(history: History, stamped: Stamped, event: MonitorChanged) -> None:
    entry = history.monitor.get(event.callid)
    if entry is None:
        if event.finished and not event.name:
            return
        entry = _new_entry(history, event.callid)
    entry.at_s = stamped.at_s
    entry.leg = event.leg or entry.leg
    if event.finished:
        entry.finished = True
    elif event.name in entry.values or len(entry.values) < MAX_PROPERTIES:
        before = entry.values.get(event.name, []) if event.added else []
        entry.values[event.name] = [*before, event.value][-MAX_VALUES:]
    leg = history.leg(event.leg)
    if leg is not None:
        keep_fact(leg, stamped)


def _new_entry(history: History, callid: str) -> MonitorView:
    entries = history.monitor
    if len(entries) >= MAX_ENTRIES:
        finished = (name for name, entry in entries.items() if entry.finished)
        del entries[next(finished, next(iter(entries)))]
    entry = entries[callid] = MonitorView()
    return entry


FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {MonitorChanged: _changed}
"""By event class, hence `Any`."""
