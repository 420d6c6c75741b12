"""Log lines, filtered."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ivrbench.observe.events import LogWritten, Stamped
from ivrbench.tui.filter import FOLLOWS_LEG, LEVELS, Subject
from ivrbench.tui.text import Line, Span, clean, clock_time, fit, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.tui.model import Model

__all__ = ["LogLines", "latest_log_lines", "log_title"]

LOAD_SOURCES = ("load", "watch", "config")
"""Sources of the reload log."""

_ROLES = ("bad", "warn", "", "dim")


def log_title(model: Model) -> str:
    """Which levels are shown, and of which call if it is the selected one's."""
    level = model.log_level
    name = LEVELS[level]
    text = f"{name} only" if level == 0 else f"{name}+"
    if FOLLOWS_LEG in model.log_filter.text.split():
        text = f"only {_chosen(model) or 'the selected call'} {model.glyphs.dot} {text}"
    return text


def latest_log_lines(
    model: Model, width: int, height: int, *, sources: tuple[str, ...] = (), leg: str = ""
) -> list[Line]:
    """The newest lines that fit, oldest first.

    Args:
        model: for the log, the level and the filter.
        width: cells of a line.
        height: lines wanted.
        sources: show these, whatever level and filter say.
        leg: show those of this leg, whatever level and filter say.
    """
    found: list[Line] = []
    for stamped in reversed(model.history.logs.events):
        event = stamped.event
        if not isinstance(event, LogWritten):
            continue
        if leg:
            is_shown = event.leg in (leg, f"{leg}b")
        else:
            is_shown = event.source in sources if sources else _is_shown(model, stamped, event)
        if is_shown:
            found.append(_log_line(model, stamped.at_s, event, width))
            if len(found) >= height:
                break
    return found[::-1]


def _is_shown(model: Model, stamped: Stamped, event: LogWritten) -> bool:
    if event.level > model.log_level:
        return False
    if not model.log_filter:
        return True
    return model.log_filter.matches(
        Subject(
            text=f"{event.text} {event.detail}",
            leg=event.leg,
            selected=_chosen(model),
            script=event.script,
            source=event.source,
            level=event.level,
            age_s=model.history.at_s - stamped.at_s,
        )
    )


def _chosen(model: Model) -> str:
    leg = model.inspected_leg
    return leg.name if leg is not None else ""


def _log_line(model: Model, at_s: float, event: LogWritten, width: int) -> Line:
    level = min(max(event.level, 0), 3)
    head: list[Span] = [
        (clock_time(at_s, model.zone, milliseconds=width >= 70) + " ", "dim"),
        (f"{LEVELS[level]:5} ", _ROLES[level]),
        (fit(event.source, 6) + " ", "dim"),
    ]
    if event.leg and not event.text.startswith(event.leg):
        head.append((f"{event.leg} ", "accent"))
    taken = sum(len(text) for text, _ in head)
    return line(*head, (fit(event.text, max(0, width - taken)), _ROLES[level]))


class LogLines:
    """All lines that pass the filter, kept between draws so that only new ones cost.

    Attributes:
        lines: what is shown, oldest first.
        matching: how many log entries that are.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.matching = 0
        self._made_for: tuple[object, ...] = ()
        self._counts: list[tuple[int, int]] = []
        """Sequence number and number of lines of each entry shown."""
        self._seq = 0

    def update(self, model: Model, width: int) -> None:
        """Bring the lines up to date."""
        made_for = (
            id(model.history),
            model.log_filter.text,
            _chosen(model),
            model.log_level,
            model.log_details,
            model.noise_lines,
            model.glyphs,
            width,
        )
        if made_for != self._made_for:
            self._made_for = made_for
            self.lines, self._counts, self._seq = [], [], 0
        events = model.history.logs.events
        self._forget(events[0].seq if events else model.history.seq + 1)
        # The newest are at the right end: walk back to what is known, then forward.
        new = 0
        for stamped in reversed(events):
            if stamped.seq <= self._seq:
                break
            new += 1
        for stamped in islice(events, len(events) - new, None):
            self._add(model, stamped, width)
        self.matching = len(self._counts)

    def newer_than(self, seq: int) -> int:
        """How many entries shown came after the one with this number."""
        return sum(1 for shown, _ in self._counts if shown > seq)

    def _forget(self, oldest_seq: int) -> None:
        entries = lines = 0
        for seq, count in self._counts:
            if seq >= oldest_seq:
                break
            entries += 1
            lines += count
        del self._counts[:entries]
        del self.lines[:lines]

    def _add(self, model: Model, stamped: Stamped, width: int) -> None:
        self._seq = stamped.seq
        event = stamped.event
        if not isinstance(event, LogWritten) or not _is_shown(model, stamped, event):
            return
        lines = [_log_line(model, stamped.at_s, event, width)]
        detail = event.detail.rstrip().splitlines()
        if detail:
            shown = detail if model.log_details else detail[-1:]
            lines += [_detail_line(model.glyphs.draw, text, n == 0) for n, text in enumerate(shown)]
        self.lines += lines
        self._counts.append((stamped.seq, len(lines)))


def _detail_line(draw: Callable[[str], str], text: str, is_first: bool) -> Line:
    return line(("  ╰ " if is_first else "    ", "dim"), (clean(draw(text)), "dim"))
