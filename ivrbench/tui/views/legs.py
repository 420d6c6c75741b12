"""The list of legs: those alive, then those that are over."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from ivrbench.observe.events import HandlerRaised
from ivrbench.tui.filter import Subject
from ivrbench.tui.text import Column, Line, count, line, row
from ivrbench.tui.views.leg_columns import leg_spans, sizes_of, titles_of
from ivrbench.tui.views.stuck import stuck_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model
    from ivrbench.tui.text import Span

__all__ = ["leg_keys", "leg_lines", "legs_hints", "legs_title"]

MAX_SHOWN = 300
"""Live legs listed at once; a filter finds the others."""
MAX_SHOWN_DONE = 100


def legs_title(model: Model) -> str:
    """How many are alive and how many were."""
    done = model.history.done_total
    past = f" {model.glyphs.dot} {done} done" if done else ""
    return f"Legs  {len(model.history.live)} live{past}"


def legs_hints(model: Model) -> str:
    """What the keys do there: once legs are marked, what can be done with them."""
    n_marked = len(model.marked_legs)
    if not n_marked:
        return "c call  h hang up  i inspect  l ladder  R test  space mark  / filter"
    return f"enter one ladder of {count(n_marked, 'call')}  space mark  esc no marks"


def leg_keys(model: Model) -> list[str]:
    """Names of the legs listed, in their order."""
    return [leg.name for leg in (*_live(model), *_done(model))]


def leg_lines(model: Model, now_s: float, width: int) -> list[Line]:
    """A header, the live legs newest first, each with its notes, and the done ones."""
    shown = model.leg_columns
    sizes = sizes_of(model, shown, width)
    lines = [_row("", tuple((title, "head") for title in titles_of(shown)), sizes)]
    live = list(islice(_live(model), MAX_SHOWN + 1))
    for leg in live[:MAX_SHOWN]:
        lines.append(_leg_row(model, leg, sizes, now_s))
        lines += [
            line((f"  {model.glyphs.branch} {note}", role)) for note, role in _notes(model, leg)
        ]
    if len(live) > MAX_SHOWN:
        more = len(model.history.live) - MAX_SHOWN
        lines.append(line((f"  … {more} more, / filters", "dim")))
    done = list(islice(_done(model), MAX_SHOWN_DONE))
    if done:
        rule = model.glyphs.rule
        lines.append(line((f"  {rule * 2} done {rule * max(0, width - 12)}", "dim")))
        lines += [_leg_row(model, leg, sizes, now_s) for leg in done]
    return lines


def _live(model: Model) -> Iterator[LegView]:
    """Newest first, the second leg of a pair below its first."""
    seconds: dict[str, list[LegView]] = {}
    for leg in model.history.live.values():
        if leg.started.pair in model.history.live:
            seconds.setdefault(leg.started.pair, []).append(leg)
    for leg in reversed(model.history.live.values()):
        if leg.started.pair in model.history.live:
            continue
        for one in (leg, *seconds.get(leg.name, ())):
            if _shown(model, one):
                yield one


def _done(model: Model) -> Iterator[LegView]:
    return (leg for leg in reversed(model.history.done.values()) if _shown(model, leg))


def _shown(model: Model, leg: LegView) -> bool:
    if not model.legs_filter:
        return True
    started = leg.started
    text = f"{leg.name} {started.script} {started.peer} {leg.state} {leg.code} {leg.reason}"
    return model.legs_filter.matches(
        Subject(
            text=f"{text} {leg.warning}",
            leg=leg.name,
            script=started.script,
            level=0 if leg.raised else 1 if leg.warning else 2,
            age_s=model.history.at_s - leg.at_s,
        )
    )


# Most rows are the same at the next drawing, a tenth of a second later.
@lru_cache(maxsize=2 * (MAX_SHOWN + MAX_SHOWN_DONE))
def _row(marker: str, spans: tuple[Span, ...], sizes: tuple[int, ...], *, key: str = "") -> Line:
    columns = [Column(marker, 1, "accent")]
    columns += [Column(text, size, role) for (text, role), size in zip(spans, sizes, strict=True)]
    return row(columns, key=key, selected=bool(marker))


def _leg_row(model: Model, leg: LegView, sizes: tuple[int, ...], now_s: float) -> Line:
    marker = model.glyphs.cursor if leg is model.selected_leg else ""
    spans = tuple(leg_spans(model, leg, model.leg_columns, now_s))
    return _row(marker, spans, sizes, key=leg.name)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _raised(leg: LegView) -> str:
    """What a handler raised last, and where."""
    events = (stamped.event for stamped in reversed(leg.timeline))
    last = next((event for event in events if isinstance(event, HandlerRaised)), None)
    times = count(leg.raised, "exception")
    if last is None:
        return times
    text = f"{last.handler} raised {last.error_type}, {_base(last.file)}:{last.line}"
    return text if leg.raised == 1 else f"{text}  ({times} in all)"


def _notes(model: Model, leg: LegView) -> Iterator[tuple[str, str]]:
    script = model.history.scripts.get(leg.started.script)
    serving = script.serving if script else None
    if serving is not None and 0 < leg.started.generation < serving.generation:
        yield f"old generation: started before @{serving.generation} was loaded", "dim"
    stuck = stuck_note(leg)
    if stuck:
        yield stuck, "warn"
    if leg.raised:
        yield f"{model.glyphs.warn} {_raised(leg)}", "bad"
    if leg.warning:
        yield f"{model.glyphs.warn} {leg.warning}", "warn"
