"""What scripts wrote into the monitoring store: at the call it is about, and all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.text import Line, clean, clock_time, fit, line

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import LegView, MonitorView
    from ivrbench.tui.model import Model

__all__ = ["entry_text", "leg_entry_lines", "monitor_texts"]


def entry_text(entry: MonitorView) -> str:
    """Its properties: "state = menu  key = 1, 2"."""
    texts = [f"{name} = {', '.join(values)}" for name, values in entry.values.items()]
    return clean("  ".join([*texts, *(["finished"] if entry.finished else [])]))


def leg_entry_lines(model: Model, leg: LegView, width: int) -> list[Line]:
    """One line with what is known of a leg, none if its script wrote nothing."""
    entry = model.history.monitor.get(leg.started.local_tag)
    if entry is None:
        return []
    return [line(("notes ", "dim"), (fit(entry_text(entry), max(0, width - 6)), ""))]


def monitor_texts(model: Model) -> list[str]:
    """Every entry, that which changed last at the end."""
    entries = sorted(model.history.monitor.items(), key=lambda item: item[1].at_s)
    return [
        f"{clock_time(entry.at_s, model.zone)}  {entry.leg or clean(callid)}  {entry_text(entry)}"
        for callid, entry in entries
    ] or ["no script wrote into the monitoring store"]
