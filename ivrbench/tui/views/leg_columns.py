"""Columns of the list of legs: which there are, how wide, what stands in them, and in what role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.tui.text import clock_time, minutes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model
    from ivrbench.tui.text import Span

__all__ = ["COLUMNS", "USUAL", "leg_spans", "sizes_of", "titles_of"]

COLUMNS: Final = {
    "leg": "its name",
    "dir": "in or out",
    "script": "script and version",
    "began": "time of day",
    "peer": "the other side",
    "codec": "of its audio",
    "keys": "keys the caller pressed",
    "state": "up, ringing, how it ended",
    "time": "how long",
    "call-id": "its Call-ID",
    "now": "what it does, or who ended it",
}
"""All there are, in their order, and what each is about."""
USUAL: Final = ("leg", "dir", "script", "peer", "state", "time", "now")
_TITLES: Final = {"script": "script@gen"}
_WIDTHS: Final = {
    **{"leg": 5, "dir": 3, "script": 15, "began": 8, "codec": 6, "keys": 8},
    **{"state": 8, "time": 6, "call-id": 20},
}
"""Cells; peer and now share what is left."""
MIN_PEER, MAX_PEER = 8, 30


def titles_of(shown: Sequence[str]) -> tuple[str, ...]:
    """The words above the columns."""
    return tuple(_TITLES.get(name, name) for name in shown)


def sizes_of(model: Model, shown: Sequence[str], width: int) -> tuple[int, ...]:
    """How wide each column is; that of the names has room for marks."""
    sizes = {name: _WIDTHS.get(name, 0) for name in shown}
    sizes["leg"] = _WIDTHS["leg"] + bool(model.marked_legs)
    room = max(0, width - 2 - sum(sizes.values()) - len(sizes))
    if "peer" in sizes:
        sizes["peer"] = max(MIN_PEER, min(room // 2 if "now" in sizes else room, MAX_PEER))
    if "now" in sizes:
        sizes["now"] = max(0, room - sizes.get("peer", 0))
    return tuple(sizes.values())


def leg_spans(model: Model, leg: LegView, shown: Sequence[str], now_s: float) -> list[Span]:
    """Text and role of a leg in each column."""
    if leg.ended is None:
        return [_LIVE[name](model, leg, now_s) for name in shown]
    return [_done(name, _DONE.get(name, _LIVE[name])(model, leg, now_s)) for name in shown]


def _done(name: str, span: Span) -> Span:
    return span if name == "state" else (span[0], "dim")


def _name(model: Model, leg: LegView, _: float) -> Span:
    mark = "*" if leg.name in model.marked_legs else ""
    pair = leg.started.pair
    if leg.ended is None and pair in model.history.live:
        return f"{mark}{model.glyphs.branch}{leg.name[len(pair) :]}", ""
    return mark + leg.name, ""


def _script(model: Model, leg: LegView, _: float) -> Span:
    if leg.ended is None and leg.started.pair in model.history.live:
        return model.glyphs.dot, ""
    generation = leg.started.generation
    return f"{leg.started.script}@{generation}" if generation else leg.started.script, ""


def _state(model: Model, leg: LegView, _: float) -> Span:
    glyphs = model.glyphs
    return {
        "up": (f"{glyphs.up} up", "ok"),
        "held": (f"{glyphs.held} hold", "warn"),
        "early": (f"{glyphs.waiting} ring", "warn"),
        "trying": (f"{glyphs.waiting} new", "warn"),
        "ending": (f"{glyphs.waiting} end", "dim"),
    }.get(leg.state, (leg.state, ""))


def _now(model: Model, leg: LegView, _: float) -> Span:
    return _now_text(model, leg), "warn" if leg.running and not leg.running.waits else ""


def _now_text(model: Model, leg: LegView) -> str:
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


def _is_good(leg: LegView) -> bool:
    return leg.ended is not None and 200 <= leg.ended.code < 300


def _state_done(model: Model, leg: LegView, _: float) -> Span:
    if _is_good(leg):
        return f"{model.glyphs.ok} done", "dim"
    return f"{model.glyphs.bad} {leg.code or 'lost'}", "bad"


def _how(_: Model, leg: LegView, __: float) -> Span:
    ended = leg.ended
    if ended is None:
        return "", ""
    return f"by {ended.by}" if _is_good(leg) else ended.reason or f"by {ended.by}", ""


_LIVE: Final[dict[str, Callable[[Model, LegView, float], Span]]] = {
    "leg": _name,
    "dir": lambda _, leg, __: (leg.started.direction, ""),
    "script": _script,
    "began": lambda model, leg, _: (clock_time(leg.at_s, model.zone), ""),
    "peer": lambda _, leg, __: (leg.started.peer.removeprefix("sip:"), ""),
    "codec": lambda _, leg, __: (leg.media.codec if leg.media is not None else "-", ""),
    "keys": lambda _, leg, __: (leg.keys[-8:], ""),
    "state": _state,
    "time": lambda _, leg, now_s: (minutes(now_s - (leg.answered_at_s or leg.at_s)), ""),
    "call-id": lambda _, leg, __: (leg.started.call_id, ""),
    "now": _now,
}
_DONE: Final[dict[str, Callable[[Model, LegView, float], Span]]] = {
    "state": _state_done,
    "time": lambda _, leg, __: (minutes(leg.ended.duration_s if leg.ended else 0.0), ""),
    "now": _how,
}
