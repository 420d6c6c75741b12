"""The ladder as lines of text, and the message, or two of them compared, beside it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ivrbench.observe.ladder import added_by_script, build_ladder, copies, legs_of
from ivrbench.observe.sipmessage import MessageText, repeated_by
from ivrbench.tui.text import Line, Span, cells, clock_time, count, fit, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ivrbench.observe.ladder import Ladder, Row
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = [
    "TIMES",
    "LadderChoice",
    "diff_lines",
    "ladder_lines",
    "ladder_title",
    "message_lines",
    "picture",
    "selected_row",
    "shown_rows",
]

TIMES = ("Δ time", "since start", "clock")
"""What the times at the left mean."""
MIN_GAP = 12
"""Cells between two columns at least; a picture of many legs is then wider than the pane."""
NOTE_WIDTH = 12
NARROW_NOTE_WIDTH = 10
_EDGE = 1
"""Cells beside the outer columns; their names reach over the times and the notes."""
_BESIDE = 18
"""Cells right of our column when it is the last, for what the script does."""


@dataclass
class LadderChoice:
    """What the person chose on the Ladder screen."""

    row: str = ""
    """Key of the selected row, "" for the last."""
    marks: tuple[str, ...] = ()
    """Keys of marked messages; two of them are compared."""
    times: int = 0
    """Index into `TIMES`."""
    sdp_only: bool = False
    media: bool = True
    script: bool = True
    joined: bool = True
    """All legs of the call, not only the selected one."""
    whole: bool = False
    """Long lines of the message go on below instead of being cut."""
    find: str = ""
    unfolded: tuple[str, ...] = ()
    """Keys of the script's calls whose messages are shown."""


def picture(model: Model, *names: str) -> tuple[list[LegView], Ladder]:
    """The ladder of these legs as the person wants it: each with its whole call, or alone."""
    found = (legs_of(model.history, name, joined=model.ladder.joined) for name in names)
    legs = list({leg.name: leg for call in found for leg in call}.values())
    return legs, build_ladder(legs)


def ladder_title(model: Model, ladder: Ladder) -> tuple[str, str]:
    """Titles: which legs; the mode of time and the filters that are on."""
    choice = model.ladder
    left = " + ".join(ladder.legs) or "no call"
    if len(ladder.legs) > 1:
        calls = "one call" if ladder.calls == 1 else f"{ladder.calls} calls"
        left += f"  ({count(len(ladder.legs), 'leg')} of {calls})"
    right = [TIMES[choice.times]]
    right += ["SDP only"] if choice.sdp_only else []
    right += [] if choice.media else ["no media"]
    right += [] if choice.script else ["no script calls"]
    right += [f"find {choice.find}"] if choice.find else []
    right += [f"{ladder.dropped} dropped"] if ladder.dropped else []
    return left, f" {model.glyphs.dot} ".join(right)


def shown_rows(choice: LadderChoice, ladder: Ladder) -> list[Row]:
    """The rows that pass the filters."""
    return [row for row in ladder.rows if _is_shown(choice, row)]


def _is_shown(choice: LadderChoice, row: Row) -> bool:
    if row.under and not choice.find and not choice.sdp_only:
        return row.under in choice.unfolded or not choice.script
    if choice.sdp_only and (row.sip is None or "(SDP)" not in row.label):
        return False
    if row.kind in ("rtp", "key") and not choice.media:
        return False
    if row.kind in ("call", "error") and not choice.script:
        return False
    if not choice.find:
        return True
    text = row.sip.raw.decode("utf-8", "replace") if row.sip else f"{row.label} {row.beside}"
    return choice.find.lower() in text.lower()


def ladder_lines(model: Model, ladder: Ladder, width: int) -> list[Line]:
    """Two lines of names and addresses, then a line for each row."""
    choice = model.ladder
    rows = shown_rows(choice, ladder)
    note_width = NOTE_WIDTH if width >= 90 else NARROW_NOTE_WIDTH
    time_width = 12 if choice.times == 2 else 8
    room = max(20, width - time_width - note_width - 3)
    places = _places(ladder, room)
    centres = [time_width + 3 + place for place in places]
    lines = [
        line((_names([c.name for c in ladder.columns], centres, width), "head")),
        line((_names([c.address for c in ladder.columns], centres, width), "dim")),
    ]
    selected = selected_row(choice, rows)
    at_key = selected.key if selected is not None else ""
    rows = [_with_fold(model, row) for row in rows]
    before_s = start_s = rows[0].at_s if rows else 0.0
    for row in rows:
        at = _time(model, row.at_s, before_s, start_s)
        before_s = row.at_s
        spans: list[Span] = [
            (model.glyphs.cursor if row.key == at_key else " ", "accent"),
            ("*" if row.key in choice.marks else " ", "warn"),
            (f"{at:>{time_width}} ", "dim"),
            (_draw(row, ladder, places, room), _role(row)),
            (fit(row.note, note_width), _note_role(row)),
        ]
        lines.append(line(*spans, key=row.key, selected=row.key == at_key))
    if not rows:
        text = "nothing passes the filters" if ladder.rows else "no message yet"
        lines.append(line((f"   {text}", "dim")))
    return lines


def _with_fold(model: Model, row: Row) -> Row:
    """A call of the script with how many messages it made."""
    if not row.below:
        return row
    glyph = model.glyphs.opened if row.key in model.ladder.unfolded else model.glyphs.open
    return replace(row, beside=f"{glyph} {count(row.below, 'message')}")


def selected_row(choice: LadderChoice, rows: Sequence[Row]) -> Row | None:
    """The row the person chose, else the last one."""
    return next((row for row in rows if row.key == choice.row), rows[-1] if rows else None)


def _places(ladder: Ladder, room: int) -> list[int]:
    """The cell of each column's vertical line."""
    n_gaps = max(1, len(ladder.columns) - 1)
    right = _BESIDE if ladder.us == len(ladder.columns) - 1 else _EDGE
    gap = max(MIN_GAP, (room - _EDGE - right) // n_gaps)
    return [_EDGE + n * gap for n in range(len(ladder.columns))]


def _names(names: list[str], centres: list[int], width: int) -> str:
    """Texts centred above their columns, moved a little where they would not fit."""
    text = ""
    for n, (name, centre) in enumerate(zip(names, centres, strict=True)):
        space = centres[n + 1] - centre if n + 1 < len(centres) else MIN_GAP + NOTE_WIDTH
        name = fit(name, min(cells(name), max(4, space - 1)))
        start = min(centre - cells(name) // 2, width - cells(name))
        text += " " * max(bool(text), start - cells(text)) + name
    return fit(text, width)


def _time(model: Model, at_s: float, before_s: float, start_s: float) -> str:
    if model.ladder.times == 2:
        return clock_time(at_s, model.zone, milliseconds=True)
    if model.ladder.times == 1:
        return f"{at_s - start_s:.3f}"
    return f"{at_s - before_s:+.3f}"


def _draw(row: Row, ladder: Ladder, places: list[int], room: int) -> str:
    """The row's part of the picture, exactly `room` cells."""
    cells_ = [" "] * max(room, places[-1] + 1)
    for place in places:
        cells_[place] = "│"
    us = places[ladder.us]
    if row.start == row.end:
        _write_inside(cells_, row, ladder, us)
    else:
        _write_arrow(cells_, row, places[row.start], places[row.end])
    if row.beside and (row.start != row.end or ladder.us < len(places) - 1):
        end = len(cells_) if ladder.us == len(places) - 1 else places[ladder.us + 1]
        _write(cells_, us + 2, row.beside, end - us - 3)
    return fit("".join(cells_), room)


def _write(cells_: list[str], at: int, text: str, room: int) -> None:
    """Write over the picture; wide characters, which headers may bring, become `?`."""
    narrow = "".join(c if cells(c) == 1 else "?" for c in fit(text, min(cells(text), max(0, room))))
    cells_[at : at + len(narrow)] = narrow


def _write_inside(cells_: list[str], row: Row, ladder: Ladder, us: int) -> None:
    """What the script does: beside our line, on the side where there is room."""
    if ladder.us == len(ladder.columns) - 1:
        _write(cells_, us + 2, f"{row.label}  {row.beside}".rstrip(), len(cells_) - us - 2)
    else:
        text = fit(row.label, min(cells(row.label), us))
        _write(cells_, us - cells(text), text, us)


def _write_arrow(cells_: list[str], row: Row, start: int, end: int) -> None:
    low, high = min(start, end), max(start, end)
    shaft = "═" if row.kind == "rtp" else "─"
    cells_[low + 1 : high] = shaft * (high - low - 1)
    label = f" {fit(row.label, min(cells(row.label), max(1, high - low - 7)))} "
    _write(cells_, low + 4, label, high - low - 5)
    if start < end:
        cells_[high - 1] = "▶"
    else:
        cells_[low + 1] = "◀"


def _role(row: Row) -> str:
    if row.sip is not None:
        code = row.label[:1] if row.label[:3].isdigit() else ""
        return {"": "", "1": "dim", "2": "ok", "3": "warn"}.get(code, "bad")
    return {"rtp": "dim", "key": "accent", "call": "accent", "error": "bad"}.get(row.kind, "")


def _note_role(row: Row) -> str:
    return "warn" if row.note.startswith("RETRANS") else "dim"


# --- the message beside it ---------------------------------------------------------------------


def message_lines(
    model: Model, legs: Sequence[LegView], ladder: Ladder, row: Row | None, width: int
) -> list[Line]:
    """The selected row in full: a message with its headers marked, or what is known of it."""
    if row is None:
        return [line(("nothing selected", "dim"))]
    if row.sip is None:
        return _plain_lines(model, row, width)
    sip = row.sip
    way = "sent" if sip.sent else "received"
    at = clock_time(row.at_s, model.zone, milliseconds=True)
    lines = [line((f"{way} {at}  {sip.transport}  {len(sip.raw)} bytes", "head"))]
    between = f"{sip.local} → {sip.remote}" if sip.sent else f"{sip.remote} → {sip.local}"
    lines.append(line((fit(between, width), "dim")))
    lines += _repeat_lines(ladder, row)
    lines.append(line(""))
    given = added_by_script(legs, sip)
    text = MessageText(sip.raw)
    lines += list(_head_lines(model, text, set(given), width))
    if text.body:
        lines.append(line(""))
        for content in text.body:
            lines += _cut(model, content, width, "")
    if given:
        lines.append(line(""))
        lines.append(line(("◂ script = the script gave this header:", "warn")))
        places = dict.fromkeys(
            f"  {call.name}() at {call.file.rpartition('/')[2]}:{call.line}"
            for call in given.values()
        )
        lines += [line((place, "warn")) for place in places]
    return lines


def _repeat_lines(ladder: Ladder, row: Row) -> list[Line]:
    same = copies(ladder, row)
    if len(same) < 2 or row.sip is None:
        return []
    times = ", ".join(
        f"{(later.at_s - earlier.at_s) * 1000:.0f} ms"
        for earlier, later in zip(same, same[1:], strict=False)
    )
    often = {2: "once", 3: "twice"}.get(len(same), f"{len(same) - 1} times")
    return [line((f"retransmitted {often}: {repeated_by(row.sip)}, after {times}", "warn"))]


def _head_lines(model: Model, text: MessageText, given: set[str], width: int) -> Iterator[Line]:
    yield from _cut(model, text.head[0], width, "accent")
    for content in text.head[1:]:
        name, colon, value = content.partition(":")
        mark = "  ◂ script" if content in given else ""
        if model.ladder.whole and cells(content) > width:
            yield from _cut(model, content + mark, width, "")
            continue
        room = max(0, width - cells(name) - 1 - cells(mark))
        shown = fit(value, min(cells(value), room))
        yield line((name + colon, "head"), (shown, ""), (mark, "warn"))


def _cut(model: Model, text: str, width: int, role: str) -> list[Line]:
    if not model.ladder.whole:
        return [line((fit(text, min(cells(text), width)), role))]
    width = max(1, width)
    return [line((text[at : at + width], role)) for at in range(0, max(1, len(text)), width)]


def _plain_lines(model: Model, row: Row, width: int) -> list[Line]:
    at = clock_time(row.at_s, model.zone, milliseconds=True)
    lines = [line((f"{at}  {row.leg}", "head")), line("")]
    lines += [line(fit(text, width)) for text in (row.label, row.beside, row.note) if text]
    if row.below:
        verb = "hides" if row.key in model.ladder.unfolded else "shows"
        text = f"{count(row.below, 'message')} below it: enter {verb} them"
        lines += [line(""), line(fit(text, width))]
    return lines


def diff_lines(first: Row, second: Row, width: int) -> list[Line]:
    """Two messages, line by line: what only one of them has is marked."""
    assert first.sip is not None, "only messages are marked"
    assert second.sip is not None, "only messages are marked"
    one, two = MessageText(first.sip.raw), MessageText(second.sip.raw)
    left, right = [*one.head, "", *one.body], [*two.head, "", *two.body]
    lines = [
        line((fit(f"- {first.leg} {first.label}", width), "bad")),
        line((fit(f"+ {second.leg} {second.label}", width), "ok")),
        line(""),
    ]
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, low, high, low_2, high_2 in matcher.get_opcodes():
        if tag == "equal":
            lines += [line((fit(f"  {text}", width), "dim")) for text in left[low:high]]
            continue
        lines += [line((fit(f"- {text}", width), "bad")) for text in left[low:high]]
        lines += [line((fit(f"+ {text}", width), "ok")) for text in right[low_2:high_2]]
    return lines
