"""The list of legs: those alive, then those that are over."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from ivrbench.observe.events import HandlerRaised
from ivrbench.tui.filter import Subject
from ivrbench.tui.text import Column, Line, count, line, minutes, row
from ivrbench.tui.views.stuck import stuck_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = ["leg_keys", "leg_lines", "legs_hints", "legs_title", "now_text"]

MAX_SHOWN = 300
"""Live legs listed at once; a filter finds the others."""
MAX_SHOWN_DONE = 100

_LEG, _DIR, _SCRIPT, _STATE, _TIME = 5, 3, 15, 8, 6


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
    widths = _widths(model, width)
    texts = ("leg", "dir", "script@gen", "peer", "state", "time", "now")
    lines = [_row("", texts, widths, ("head",) * 7)]
    live = list(islice(_live(model), MAX_SHOWN + 1))
    for leg in live[:MAX_SHOWN]:
        lines.append(_live_row(model, leg, now_s, widths))
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
        lines += [_done_row(model, leg, widths) for leg in done]
    return lines


def _widths(model: Model, width: int) -> tuple[int, int, int]:
    """Widths of leg, which has room for marks, and of peer and now, which share what is left."""
    leg = _LEG + bool(model.marked_legs)
    room = width - 2 - (leg + _DIR + _SCRIPT + _STATE + _TIME) - 7
    peer = max(8, min(room // 2, 30))
    return leg, peer, max(0, room - peer)


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
def _row(
    marker: str,
    texts: tuple[str, ...],
    widths: tuple[int, int, int],
    roles: tuple[str, ...],
    *,
    key: str = "",
) -> Line:
    leg, peer, now = widths
    sizes = (leg, _DIR, _SCRIPT, peer, _STATE, _TIME, now)
    columns = [Column(marker, 1, "accent")]
    columns += [Column(t, size, role) for t, size, role in zip(texts, sizes, roles, strict=True)]
    return row(columns, key=key, selected=bool(marker))


def _live_row(model: Model, leg: LegView, now_s: float, widths: tuple[int, int, int]) -> Line:
    started = leg.started
    is_second = started.pair in model.history.live
    state, role = _state(model, leg)
    script = model.glyphs.dot if is_second else _script_text(leg)
    texts = (
        _mark(model, leg)
        + (f"{model.glyphs.branch}{leg.name[len(started.pair) :]}" if is_second else leg.name),
        started.direction,
        script,
        _short_peer(started.peer),
        state,
        minutes(now_s - (leg.answered_at_s or leg.at_s)),
        now_text(model, leg),
    )
    now_role = "warn" if leg.running and not leg.running.waits else ""
    return _row(
        _marker(model, leg), texts, widths, ("", "", "", "", role, "", now_role), key=leg.name
    )


def _done_row(model: Model, leg: LegView, widths: tuple[int, int, int]) -> Line:
    started, ended = leg.started, leg.ended
    is_good = ended is not None and 200 <= ended.code < 300
    state = f"{model.glyphs.ok} done" if is_good else f"{model.glyphs.bad} {leg.code or 'lost'}"
    how = ""
    if ended is not None:
        how = f"by {ended.by}" if is_good else ended.reason or f"by {ended.by}"
    texts = (
        _mark(model, leg) + leg.name,
        started.direction,
        _script_text(leg),
        _short_peer(started.peer),
        state,
        minutes(ended.duration_s if ended else 0.0),
        how,
    )
    role = "dim" if is_good else "bad"
    return _row(
        _marker(model, leg), texts, widths, ("dim",) * 4 + (role, "dim", "dim"), key=leg.name
    )


def _mark(model: Model, leg: LegView) -> str:
    return "*" if leg.name in model.marked_legs else ""


def _marker(model: Model, leg: LegView) -> str:
    return model.glyphs.cursor if leg is model.selected_leg else ""


def _script_text(leg: LegView) -> str:
    generation = leg.started.generation
    return f"{leg.started.script}@{generation}" if generation else leg.started.script


def _short_peer(peer: str) -> str:
    return peer.removeprefix("sip:")


def _state(model: Model, leg: LegView) -> tuple[str, str]:
    glyphs = model.glyphs
    return {
        "up": (f"{glyphs.up} up", "ok"),
        "held": (f"{glyphs.held} hold", "warn"),
        "early": (f"{glyphs.waiting} ring", "warn"),
        "trying": (f"{glyphs.waiting} new", "warn"),
        "ending": (f"{glyphs.waiting} end", "dim"),
    }.get(leg.state, (leg.state, ""))


def now_text(model: Model, leg: LegView) -> str:
    """What the leg is doing, in a few words."""
    glyphs = model.glyphs
    running = leg.running
    if running is not None and not running.waits:
        return f"{glyphs.busy} {running.handler}() {running.elapsed_ms / 1000:.1f} s"
    item = leg.playing
    if item is None and running is not None:
        return f"{running.handler}() waits"
    if item is None and leg.joined:
        return f"with {leg.joined}, direct" if leg.is_direct else f"with {leg.joined}"
    if item is None:
        return "silence" if leg.state == "up" else "-"
    if item.enqueued.record and not item.enqueued.play:
        return f"{glyphs.record} rec {_base(item.enqueued.record)}"
    return f"{glyphs.play} {_base(item.enqueued.play) or item.enqueued.label}"


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
