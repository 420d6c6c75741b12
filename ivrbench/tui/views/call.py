"""The test phone: its call, its levels, what the script does with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.observe.events import (
    ApiCalled,
    HandlerCalled,
    HandlerRaised,
    ItemEnded,
    ItemStarted,
    KeyReceived,
    LegChanged,
    LegEnded,
    LegWarned,
    MediaRestored,
    MonitorChanged,
    RecordingEnded,
)
from ivrbench.observe.feel import key_name
from ivrbench.observe.inspection import CallTouched
from ivrbench.tui.text import Line, Span, cells, fit, line, minutes, seconds
from ivrbench.tui.views.feel import way_text
from ivrbench.tui.views.inspect import changes_text
from ivrbench.tui.views.leg import CLIP_DBFS, is_slow, meter, monitored
from ivrbench.tui.views.rooms import room_text
from ivrbench.tui.views.stuck import stuck_lines, stuck_place

if TYPE_CHECKING:
    from ivrbench.observe.events import Stamped
    from ivrbench.observe.snapshot import LegView, PhoneView
    from ivrbench.tui.model import Model

__all__ = [
    "KEYPAD",
    "call_lines",
    "call_title",
    "event_line",
    "keypad_lines",
    "last_place",
    "level_history_lines",
    "script_lines",
    "sent_lines",
]

KEYPAD = ("123A", "456B", "789C", "*0#D")
LETTERS = {
    **{"2": "abc", "3": "def", "4": "ghi", "5": "jkl", "6": "mno"},
    **{"7": "pqrs", "8": "tuv", "9": "wxyz", "0": "+"},
}
NO_SIGNAL_S = 5.0
LOST_AFTER_S = 2.0
"""A key that the script has not got by then is called lost."""
NARROW = 60
"""Below so many cells a pane says less."""
_FOLDERS = re.compile(r"/[^\s,'\"()]*/")
SPARKS = "▁▂▃▄▅▆▇█"
HISTORY_S = 20.0


def keypad_lines(model: Model, width: int, height: int) -> list[Line]:
    """The pad; `widgets.keypad` knows where each key is."""
    glyphs = model.glyphs
    if height < 14 or width < 30:
        gap = max(3, (width - 2) // 4)
        lines: list[Line] = []
        for row in KEYPAD:
            text = "".join(f"{key:^{gap}}" for key in row)
            lines += [line((text, "head")), line("")]
        return lines[:-1]
    top, middle, bottom = ("┌───────┬───────┬───────┐", "├───────┼───────┼───────┤", "└" + "─" * 7)
    bottom = "└───────┴───────┴───────┘"
    lines = [line((f" {glyphs.draw(top)}", "dim"))]
    for n, row in enumerate(KEYPAD):
        keys: list[Span] = [(" │", "dim")]
        letters: list[Span] = [(" │", "dim")]
        for key in row[:3]:
            keys += [(f"{key:^7}", "head"), ("│", "dim")]
            letters += [(f"{LETTERS.get(key, ''):^7}", "dim"), ("│", "dim")]
        lines += [line(*keys, (f"   {row[3]}", "head")), line(*letters)]
        lines.append(line((f" {middle if n < 3 else bottom}", "dim")))
    return lines


def sent_lines(model: Model, width: int) -> list[Line]:
    """What was sent, and what the script got."""
    phone, leg = model.phone, model.phone_leg
    if phone is None or not phone.keys:
        return [line((" sent   nothing yet", "dim"))]
    sent = " ".join(key.name for key in phone.keys)
    got = " ".join(leg.keys) if leg is not None else ""
    room = max(4, width - 9)
    lines = [line((" sent   ", "dim"), (sent[-room:], ""))]
    if leg is None or leg.started.direction == "out":
        return lines
    old = model.history.at_s - phone.keys[-1].at_s > LOST_AFTER_S
    differs = got != sent and (old or not sent.startswith(got))
    lines.append(line((" got    ", "dim"), (got[-room:], "bad" if differs else "ok")))
    if differs:
        lines.append(line((f" {model.glyphs.warn} the script got other keys", "bad")))
    return lines


def call_title(model: Model, now_s: float) -> tuple[str, str]:
    """Titles of the call's pane."""
    phone, leg = model.phone, model.phone_leg
    if phone is None:
        return "no call yet", ""
    name = (
        f"{leg.name} {model.glyphs.dot} {leg.started.script}@{leg.started.generation}"
        if leg
        else ""
    )
    whom = phone.rang.caller if phone.rang is not None else phone.started.target
    left = name or f"{phone.name} {model.glyphs.dot} {whom}"
    glyphs = model.glyphs
    if phone.ended is not None:
        return left, f"{glyphs.ok if phone.ended.answered else glyphs.bad} over"
    if phone.is_level_test:
        word = "over" if phone.ended is not None else "15 s, h ends it"
        return f"{phone.name} {glyphs.dot} level test", word
    if phone.is_ringing:
        return left, f"{glyphs.waiting} rings"
    answered = phone.after_ms("200") is not None
    if not answered:
        return left, f"{glyphs.waiting} calling"
    since_s = leg.answered_at_s if leg is not None and leg.answered_at_s else phone.at_s
    word = f"{glyphs.up} IN CALL"
    if phone.switches is not None and phone.switches.held:
        word = f"{glyphs.held} ON HOLD"
    muted = "  muted" if phone.switches is not None and phone.switches.muted else ""
    return left, f"{word}{muted}  {minutes(now_s - since_s)}"


def call_lines(model: Model, width: int) -> list[Line]:
    """Set-up times, codec, levels in both directions, the state of the packets."""
    phone, leg = model.phone, model.phone_leg
    if phone is None:
        return [
            line(("c calls the script named at the left; d dials anything else.", "dim")),
            line(("The call is real: SIP, codec, RTP, keys and jitter buffer.", "dim")),
        ]
    lines = [line((fit(_steps(model, phone, width), width), ""))]
    media = leg.media if leg is not None else None
    if media is not None:
        keys = (
            f"telephone-event pt {media.dtmf_payload_type}"
            if media.dtmf_payload_type >= 0
            else "keys as INFO"
        )
        text = f"{media.codec}/{media.clock_rate_hz}  ptime {media.ptime_ms} ms  {keys}"
        lines.append(line((fit(text, width), "dim")))
    measured = phone.measured
    if measured is not None:
        lines += _level(
            model, "you", measured.out_dbfs, measured.out_peak_dbfs, width, is_ours=True
        )
        lines += _level(model, "ivr", measured.in_dbfs, measured.in_peak_dbfs, width)
        if not phone.is_level_test:
            lines += _packets(phone, leg, width)
    notes = [step.text for step in phone.steps if step.step == "note"]
    if phone.ended is not None:
        lines.append(line((fit(phone.ended.text, width), "ok" if phone.ended.answered else "bad")))
    elif notes:
        lines.append(line((fit(f"{model.glyphs.warn} {notes[-1]}", width), "warn")))
    return lines


def _steps(model: Model, phone: PhoneView, width: int) -> str:
    """How long each step of the set-up took; on a narrow screen only the last response's."""
    if phone.is_level_test:
        return "speak: you is the microphone; ivr is a soft beep at the loudspeaker"
    codes = [step for step in phone.steps if step.step.isdigit()]
    if width < NARROW:
        codes = codes[-1:]
    first = "INVITE" if phone.rang is None else phone.rang.caller
    parts = [first, *(f"{step.step} {step.after_ms:.0f} ms" for step in codes)]
    packet = phone.after_ms("packet")
    if packet is not None:
        parts.append(f"first audio {abs(packet):.0f} ms")
    sound = phone.after_ms("sound")
    if sound is not None:
        parts.append(f"sound {abs(sound):.0f} ms")
    return f" {model.glyphs.arrow} ".join(parts)


def _level(
    model: Model, name: str, dbfs: float, peak_dbfs: float, width: int, *, is_ours: bool = False
) -> list[Line]:
    word, role = "ok", "ok"
    if peak_dbfs >= CLIP_DBFS:
        word, role = "CLIP", "bad"
    elif is_ours and _says_nothing(model):
        word, role = "silence", "dim"
    elif model.quiet_s(is_ours=is_ours) >= NO_SIGNAL_S:
        word, role = f"no signal {model.quiet_s(is_ours=is_ours):.0f} s", "warn"
    bar = (meter(model, dbfs, max(8, width - 38)), "accent")
    label = f"{name} {dbfs:4.0f} "
    lines = [line((label, ""), bar, (f" peak {peak_dbfs:3.0f}  ", "dim"), (word, role))]
    return [*lines, line((" " * len(label), ""), bar)] if model.big_meters else lines


def _says_nothing(model: Model) -> bool:
    switches = model.phone.switches if model.phone is not None else None
    return switches is not None and (switches.muted or switches.voice == "silence")


def _packets(phone: PhoneView, leg: LegView | None, width: int) -> list[Line]:
    measured = phone.measured
    assert measured is not None, "asked only then"
    total = measured.received + measured.lost
    lost = measured.lost / total if total > 0 else 0.0
    parts = [f"lost {lost:.1%}", f"jitter {measured.jitter_ms:.1f} ms"]
    if measured.rtt_ms >= 0:
        parts.append(f"rtt {measured.rtt_ms:.1f} ms")
    whose = "" if width < NARROW else "phone "
    parts.append(f"{whose}buffer {measured.buffer_ms} ms")
    way = way_text(phone, leg, width)
    return [line(fit("  ".join(parts), width)), *([line(fit(way, width))] if way else [])]


# --- what the script does ---------------------------------------------------------------------


def script_lines(model: Model, width: int) -> list[Line]:
    """Everything the script did in this call, oldest first."""
    leg = model.script_leg
    if leg is None:
        text = "this call is not one of ours: no script" if model.phone else "no call yet"
        return [line((f"  {text}", "dim"))]
    every = (event_line(model, leg, stamped, width) for stamped in leg.timeline)
    lines = [content for content in every if content is not None]
    return [*lines, *stuck_lines(model, leg, width)]


def last_place(model: Model) -> tuple[str, int] | None:
    """File and line where the call's script is, or was last; None if it has not run."""
    leg = model.script_leg
    stuck = stuck_place(leg) if leg is not None else None
    if stuck is not None:
        return str(Path(model.history.engine.script_path) / stuck[0]), stuck[1]
    for stamped in reversed(leg.timeline) if leg is not None else ():
        event = stamped.event
        if isinstance(event, HandlerCalled | HandlerRaised | ApiCalled) and event.line:
            return event.file, event.line
    return None


def event_line(model: Model, leg: LegView, stamped: Stamped, width: int) -> Line | None:
    """One thing that happened in a call, None if it is not worth a line."""
    text, place, role = _happened(model, stamped, leg)
    if not text:
        return None
    at = f"{stamped.at_s - leg.at_s:8.3f}  "
    room = max(0, width - cells(at) - cells(place) - 1)
    return line((at, "dim"), (fit(text, room), role), (f" {place}", "dim"))


def _happened(model: Model, stamped: Stamped, leg: LegView) -> tuple[str, str, str]:
    """Text, what stands at the right, and role of an event; no text: not shown."""
    event, glyphs = stamped.event, model.glyphs
    match event:
        case KeyReceived():
            text = f"key {key_name(event.key)}  {event.duration_ms} ms"
            return text, event.source, "accent"
        case HandlerCalled():
            slow = is_slow(event)
            default = f" (default {event.default})" if event.default else ""
            text = f"{event.handler}({event.arguments}) {glyphs.arrow} {event.returned}{default}"
            text += f"   {changes_text(model, leg, event.call)}".rstrip()
            mark = f"{glyphs.warn} " if slow else ""
            right = f"{_place(event.file, event.line)} {mark}{event.elapsed_ms:4.0f} ms"
            return text, right, "warn" if slow else "head"
        case HandlerRaised():
            text = f"{glyphs.bad} {event.handler}({event.arguments}) raised {event.error_type}"
            return f"{text}: {event.message}", _place(event.file, event.line), "bad"
        case ApiCalled():
            arguments = _FOLDERS.sub("", event.arguments)
            return f"  {event.name}({arguments})", _place(event.file, event.line), ""
        case MonitorChanged():
            return f"  {monitored(event)}", "", "dim"
        case CallTouched():
            return f"{glyphs.warn} by hand: {event.text}", event.result[:30], "warn"
        case _:
            return _audio_happened(model, stamped, leg)


def _audio_happened(model: Model, stamped: Stamped, leg: LegView) -> tuple[str, str, str]:
    event, glyphs = stamped.event, model.glyphs
    match event:
        case ItemStarted(item=item):
            name = _item_name(leg, item)
            return f"  {glyphs.play} {name}", "", "accent"
        case ItemEnded(reason=reason) if reason != "played":
            name = _item_name(leg, event.item)
            because = f" by {event.because}" if event.because else ""
            text = f"  {name} {reason} at {seconds(event.played_ms)} s{because}"
            return text, "", "bad" if reason == "error" else "dim"
        case RecordingEnded():
            return f"  recorded {event.file}", f"{seconds(event.length_ms)} s", ""
        case MediaRestored():
            return f"audio is back on {event.local}: {event.reason}", f"{event.away_ms} ms", "warn"
        case LegChanged():
            return f"{event.state} {event.code or ''} {event.reason}".rstrip(), "", "dim"
        case LegWarned(text=text) if text:
            return f"{glyphs.warn} {text}", "", "warn"
        case LegEnded():
            return f"over: by {event.by} {event.code} {event.reason}", "", "dim"
        case _:
            return f"  {room_text(event)}".rstrip(), "", "dim"


def _item_name(leg: LegView, number: int) -> str:
    for item in reversed(leg.items):
        if item.enqueued.item == number:
            play, record = item.enqueued.play, item.enqueued.record
            return play.rpartition("/")[2] or f"REC {record.rpartition('/')[2]}"
    return str(number)


def _place(file: str, line_number: int) -> str:
    return f"{file.rpartition('/')[2]}:{line_number}" if line_number else ""


# --- the last 20 seconds ------------------------------------------------------------------------


def level_history_lines(model: Model, width: int) -> list[Line]:
    """Both levels of the last 20 s, the keys below: dead air and barge-in can be seen."""
    room = max(10, width - 5)
    end_s = model.levels[-1][0] if model.levels else 0.0
    rows: list[Line] = []
    for name, which in (("you", 1), ("ivr", 2)):
        columns = [-100.0] * room
        for sample in model.levels:
            at = room - 1 - int((end_s - sample[0]) / HISTORY_S * room)
            if 0 <= at < room:
                columns[at:] = [sample[which]] * (room - at)
        text = "".join(_spark(dbfs) for dbfs in columns)
        rows.append(line((f"{name}  ", "dim"), (text, "accent")))
    keys = [" "] * room
    for pressed in model.phone.keys if model.phone else ():
        at = room - 1 - int((end_s - pressed.at_s) / HISTORY_S * room)
        if 0 <= at < room:
            keys[at] = pressed.name
    rows.append(line(("key  ", "dim"), ("".join(keys), "head")))
    return rows


def _spark(dbfs: float) -> str:
    share = min(1.0, max(0.0, (dbfs + 60) / 60))
    return SPARKS[min(len(SPARKS) - 1, int(share * len(SPARKS)))]
