"""What the selected leg plays, sounds like, and makes its script do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe.events import (
    ApiCalled,
    HandlerCalled,
    HandlerRaised,
    KeyReceived,
    LegChanged,
    LegsJoined,
    LegWarned,
    MediaRestored,
    MonitorChanged,
    Stamped,
)
from ivrbench.observe.history import KEY_NAMES
from ivrbench.observe.inspection import CallTouched
from ivrbench.tui.text import Column, Line, Span, cells, fit, line, row, seconds
from ivrbench.tui.views.monitor import leg_entry_lines
from ivrbench.tui.views.rooms import room_text
from ivrbench.tui.views.stuck import stuck_lines

if TYPE_CHECKING:
    from ivrbench.observe.events import LegMeasured
    from ivrbench.observe.snapshot import ItemView, LegView
    from ivrbench.tui.model import Model

__all__ = ["is_slow", "leg_summary", "media_lines", "meter", "monitored", "playlist_lines"]

QUIETEST_DBFS = -60.0
"""The left end of a meter."""
CLIP_DBFS = -0.5
SLOW_HANDLER_MS = 20.0
"""A handler that takes longer is marked: its call waits for it."""


def playlist_lines(model: Model, leg: LegView, width: int, height: int) -> list[Line]:
    """Items playing and queued, then how the last ones ended."""
    room = width - cells(model.glyphs.record) - 8 - 16 - 4
    file_width = max(8, room)
    lines = [_item_row(model, ("", "item", "file", "at / length"), file_width, "head")]
    waiting = [item for item in leg.items if not item.is_over]
    for number, item in enumerate(waiting, 1):
        lines += _waiting_lines(model, leg, item, number, file_width, width)
    if not waiting and leg.ended is None:
        hears = f"hears {leg.joined}" if leg.joined else "silence: nothing is queued"
        lines.append(line((f"  {hears}", "dim")))
    done = [item for item in reversed(leg.items) if item.is_over]
    free = height - len(lines) - 1
    if done and free > 0:
        lines.append(line(""))
        lines += [_done_item(model, item, width) for item in done[:free]]
    return lines


def _item_row(
    model: Model, texts: tuple[str, str, str, str], file_width: int, role: str = ""
) -> Line:
    return row(
        (
            Column(texts[0], cells(model.glyphs.record), role or "accent"),
            Column(texts[1], 8, role),
            Column(texts[2], file_width, role),
            Column(texts[3], 16, role, right=True),
        )
    )


def _waiting_lines(
    model: Model, leg: LegView, item: ItemView, number: int, file_width: int, width: int
) -> list[Line]:
    is_playing = item.state == "playing"
    mark = model.glyphs.play if is_playing else ""
    label = item.enqueued.label or str(number)
    lines = []
    position_ms, recorded_ms = _position(leg, item)
    if item.enqueued.play:
        name = item.enqueued.play.rpartition("/")[2] + (" (loop)" if item.enqueued.loop else "")
        at = (
            _at_length(position_ms, item.enqueued.length_ms)
            if is_playing
            else (_length(item.enqueued.length_ms))
        )
        lines.append(_item_row(model, (mark, label, name, at), file_width))
    if item.enqueued.record:
        mark = model.glyphs.record if is_playing else ""
        limit_ms = item.enqueued.record_limit_ms
        limit = f"max {seconds(limit_ms)} s" if limit_ms >= 0 else ""
        at = f"{seconds(recorded_ms)} s {limit}".strip() if is_playing else limit
        lines.append(_item_row(model, (mark, "REC", item.enqueued.record, at), file_width))
    if is_playing and item.enqueued.play and item.enqueued.length_ms > 0:
        lines.append(_progress(model, position_ms / item.enqueued.length_ms, width))
    if item.enqueued.note:
        lines.append(line((f"    {item.enqueued.note}", "dim")))
    return lines


def _position(leg: LegView, item: ItemView) -> tuple[int, int]:
    measured = leg.measured
    if measured is None or measured.item != item.enqueued.item:
        return 0, 0
    return measured.position_ms, measured.recorded_ms


def _at_length(position_ms: int, length_ms: int) -> str:
    if length_ms < 0:
        return f"{seconds(position_ms)} s"
    return f"{seconds(min(position_ms, length_ms))} / {seconds(length_ms)} s"


def _length(length_ms: int) -> str:
    return f"{seconds(length_ms)} s" if length_ms >= 0 else "endless"


def _progress(model: Model, share: float, width: int) -> Line:
    share = min(1.0, max(0.0, share))
    room = max(4, width - 14)
    full = round(share * room)
    glyphs = model.glyphs
    bar = glyphs.full * full + " " * (room - full)
    return line(("    ", ""), (bar, "accent"), (f"  {share:4.0%}", ""))


def _done_item(model: Model, item: ItemView, width: int) -> Line:
    enqueued = item.enqueued
    name = (enqueued.play or enqueued.record).rpartition("/")[2]
    is_bad = item.state == "error"
    ended = {
        "played": f"{seconds(item.played_ms)} s  played",
        "recorded": f"{seconds(item.recorded_ms)} s  recorded",
        "flushed": f"flushed at {seconds(max(item.played_ms, item.recorded_ms))} s",
        "closed": f"cut off at {seconds(max(item.played_ms, item.recorded_ms))} s",
        "error": f"{model.glyphs.bad} error",
    }.get(item.state, item.state)
    because = (
        f" by {item.because}"
        if item.because.startswith("key")
        else (f": {item.because}" if item.because else "")
    )
    text = f"  done  {fit(enqueued.label, 12)} {name}  {ended}{because}"
    return line((fit(text, width), "bad" if is_bad else "dim"))


def meter(model: Model, dbfs: float, width: int) -> str:
    """A level as a bar of `width` cells, ends included."""
    glyphs = model.glyphs
    room = max(1, width - 2)
    share = (dbfs - QUIETEST_DBFS) / -QUIETEST_DBFS
    full = round(min(1.0, max(0.0, share)) * room)
    return glyphs.bar_left + glyphs.full * full + glyphs.empty * (room - full) + glyphs.bar_right


def media_lines(model: Model, leg: LegView, width: int, height: int) -> list[Line]:
    """Levels, RTP counters, keys, and what the script did about them."""
    measured = leg.measured
    codec = leg.media.codec if leg.media else "-"
    peak_in = measured.in_peak_dbfs if measured else 0.0
    peak_out = measured.out_peak_dbfs if measured else 0.0
    lines = [
        _level(model, f"in  {codec:5}", width, measured.in_dbfs if measured else None, peak_in),
        _level(model, f"out {codec:5}", width, measured.out_dbfs if measured else None, peak_out),
    ]
    lines += _counters(measured, leg)
    lines += [_keys(leg), *leg_entry_lines(model, leg, width)]
    stuck = stuck_lines(model, leg, width, height - len(lines))
    free = height - len(lines) - len(stuck)
    if free > 0:
        lines += _timeline(model, leg, width, free)
    return [*lines, *stuck]


def _level(model: Model, label: str, width: int, dbfs: float | None, peak_dbfs: float) -> Line:
    if dbfs is None:
        return line(label, ("  no level yet", "dim"))
    word = " CLIP" if peak_dbfs >= CLIP_DBFS else ""
    return line(
        f"{label} {dbfs:4.0f} dBFS ",
        (meter(model, dbfs, max(8, width - 36)), "bad" if word else "ok"),
        f" peak {peak_dbfs:4.0f}",
        (word, "bad"),
    )


def _counters(measured: LegMeasured | None, leg: LegView) -> list[Line]:
    if measured is None:
        far = leg.media.remote if leg.media else ""
        return [line((f"RTP with {far}" if far else "no RTP yet", "dim"))]
    total = measured.received + measured.lost
    share = measured.lost / total if total > 0 else 0.0
    first = (
        f"rx {measured.received} lost {measured.lost} ({share:.1%})  "
        f"jitter {measured.jitter_ms:.1f} ms  late {measured.late}"
    )
    second = f"tx {measured.sent}"
    if measured.rtt_ms >= 0:
        second += f"  rtcp rtt {measured.rtt_ms:.1f} ms"
    second += f"  buffer {measured.buffer_ms} ms"
    spans: list[Span] = [(second, "")]
    if measured.foreign:
        spans.append((f"  {measured.foreign} from strangers dropped", "warn"))
    return [line((first, "warn" if share > 0.01 else "")), line(*spans)]


def _keys(leg: LegView) -> Line:
    if leg.last_key is None:
        return line(("keys  none yet", "dim"))
    last = leg.last_key
    keys = " ".join(leg.keys[-12:])
    return line(
        (f"keys  {keys}", ""),
        (f"   {last.source}   last: {leg.keys[-1:]} ({last.duration_ms} ms)", "dim"),
    )


def _timeline(model: Model, leg: LegView, width: int, height: int) -> list[Line]:
    lines: list[Line] = []
    for stamped in reversed(leg.timeline):
        text, role = _happened(model, stamped)
        if text:
            at_s = stamped.at_s - leg.at_s
            lines.append(line((f"{at_s:8.3f}  ", "dim"), (fit(text, max(0, width - 10)), role)))
            if len(lines) == height:
                break
    return lines[::-1]


def _happened(model: Model, stamped: Stamped) -> Span:
    event = stamped.event
    glyphs = model.glyphs
    match event:
        case KeyReceived():
            key = KEY_NAMES[event.key] if 0 <= event.key < len(KEY_NAMES) else "?"
            return f"key {key}  {event.duration_ms} ms  {event.source}", "accent"
        case HandlerCalled():
            return _called(model, event)
        case HandlerRaised():
            text = (
                f"{glyphs.bad} {event.handler}({event.arguments}) raised {event.error_type}: "
                f"{event.message}  :{event.line}"
            )
            return text, "bad"
        case ApiCalled():
            return f"  {event.name}({event.arguments})  :{event.line}", ""
        case MonitorChanged():
            return f"  {monitored(event)}", "dim"
        case CallTouched():
            return f"{glyphs.warn} by hand: {event.text}", "warn"
        case LegChanged():
            return f"{event.state} {event.code or ''} {event.reason}".rstrip(), "dim"
        case LegWarned(text=text) if text:
            return f"{glyphs.warn} {text}", "warn"
        case _:
            return _other(event)


def _called(model: Model, event: HandlerCalled) -> Span:
    glyphs = model.glyphs
    default = f" (default {event.default})" if event.default else ""
    slow = f"  {glyphs.warn} blocked" if is_slow(event) else ""
    text = (
        f"{event.handler}({event.arguments}) {glyphs.arrow} {event.returned}{default}"
        f"  {event.elapsed_ms:.0f} ms  :{event.line}{slow}"
    )
    return text, "warn" if slow else ""


def _other(event: object) -> tuple[str, str]:
    if isinstance(event, LegsJoined):
        way = ", their audio past us" if event.past_us else ""
        return f"  talks with {event.other}{way}" if event.other else "  hears us again", "dim"
    if isinstance(event, MediaRestored):
        return f"audio is back after {event.away_ms} ms: {event.reason}", "warn"
    return f"  {room_text(event)}".rstrip(), "dim"


def is_slow(event: HandlerCalled) -> bool:
    """It held its call up; an `async def` that waits does not."""
    return event.elapsed_ms > SLOW_HANDLER_MS and not event.waited


def monitored(event: MonitorChanged) -> str:
    """What a script wrote into the monitoring store."""
    if event.finished:
        return "monitor: finished"
    return f"monitor: {event.name} {'+' if event.added else '='} {event.value}"


def leg_summary(model: Model, leg: LegView, width: int) -> list[Line]:
    """Levels and playlist in two lines, for a narrow screen."""
    measured = leg.measured
    if measured is None:
        first = line(("no RTP yet", "dim"))
    else:
        total = measured.received + measured.lost
        lost = measured.lost / total if total > 0 else 0.0
        first = line(
            (f"in {measured.in_dbfs:4.0f} dBFS {meter(model, measured.in_dbfs, 12)}  ", ""),
            (f"out {measured.out_dbfs:4.0f} {meter(model, measured.out_dbfs, 12)}  ", ""),
            (f"lost {lost:.1%}  jitter {measured.jitter_ms:.1f} ms", ""),
        )
    waiting = [item for item in leg.items if not item.is_over]
    parts = []
    for item in waiting:
        enqueued = item.enqueued
        name = (enqueued.play or enqueued.record).rpartition("/")[2]
        name = f"REC {name}" if enqueued.record and not enqueued.play else name
        if item.state == "playing":
            position_ms, recorded_ms = _position(leg, item)
            at = (
                _at_length(position_ms, enqueued.length_ms)
                if enqueued.play
                else (f"{seconds(recorded_ms)} s")
            )
            parts.append(f"{model.glyphs.play} {name} {at}")
        else:
            parts.append(f"then {name}")
    second = line((fit("  ".join(parts) or "silence: nothing is queued", width), ""))
    return [first, second]
