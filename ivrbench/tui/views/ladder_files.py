"""The ladder as files to share: text, Markdown and SVG."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from ivrbench.observe.pcap import capture
from ivrbench.observe.sipmessage import MessageText
from ivrbench.tui.text import clock_time, count
from ivrbench.tui.views.ladder import ladder_lines, shown_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.observe.ladder import Ladder, Row
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = ["FORMATS", "ladder_file"]

TEXT_WIDTH = 110
_ROW_PX = 22
_COLUMN_PX = 230
_LEFT_PX = 150
_TOP_PX = 64
_COLOURS = {"sip": "#1d4ed8", "rtp": "#6b7280", "key": "#b45309", "call": "#7c3aed"}


def _text(model: Model, legs: Sequence[LegView], ladder: Ladder) -> bytes:
    lines = [one.text.rstrip() for one in ladder_lines(model, ladder, TEXT_WIDTH)]
    return "\n".join([_heading(model, legs), "", *(text[2:] for text in lines), ""]).encode()


def _markdown(model: Model, legs: Sequence[LegView], ladder: Ladder) -> bytes:
    lines = [f"# {_heading(model, legs)}", "", "```text"]
    lines += [one.text.rstrip()[2:] for one in ladder_lines(model, ladder, TEXT_WIDTH)]
    lines += ["```", ""]
    # What is folded in the picture too: every message is worth a look.
    opened = replace(model.ladder, unfolded=tuple(row.key for row in ladder.rows if row.below))
    for row in shown_rows(opened, ladder):
        if row.sip is None:
            continue
        at = clock_time(row.at_s, model.zone, milliseconds=True)
        way = "to" if row.sip.sent else "from"
        text = MessageText(row.sip.raw)
        lines += ["<details>", f"<summary>{at} {escape(row.label)} {way} {row.sip.remote}"]
        lines += ["</summary>", "", "```text", *text.head, "", *text.body, "```", "</details>", ""]
    return "\n".join(lines).encode()


def _svg(model: Model, legs: Sequence[LegView], ladder: Ladder) -> bytes:
    rows = shown_rows(model.ladder, ladder)
    width = _LEFT_PX + _COLUMN_PX * len(ladder.columns) + 140
    height = _TOP_PX + _ROW_PX * (len(rows) + 1)
    places = [_LEFT_PX + _COLUMN_PX * n for n in range(len(ladder.columns))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="monospace" font-size="12">',
        f"<title>{escape(_heading(model, legs))}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for column, x in zip(ladder.columns, places, strict=True):
        parts += [
            f'<text x="{x}" y="18" text-anchor="middle" font-weight="bold">'
            f"{escape(column.name)}</text>",
            f'<text x="{x}" y="34" text-anchor="middle" fill="#555">'
            f"{escape(column.address)}</text>",
            f'<line x1="{x}" y1="42" x2="{x}" y2="{height - 8}" stroke="#bbb"/>',
        ]
    start_s = rows[0].at_s if rows else 0.0
    for n, row in enumerate(rows):
        y = _TOP_PX + _ROW_PX * n
        parts.append(f'<text x="8" y="{y + 4}" fill="#555">{row.at_s - start_s:9.3f}</text>')
        parts += _svg_row(row, places, y)
        note = escape(row.note)
        parts.append(f'<text x="{width - 130}" y="{y + 4}" fill="#555">{note}</text>')
    return "\n".join([*parts, "</svg>", ""]).encode()


def _svg_row(row: Row, places: list[int], y: int) -> list[str]:
    colour = _COLOURS.get(row.kind, "#b91c1c")
    if row.start == row.end:
        x = places[row.start] + 8
        label = f"{row.label} ▸ {count(row.below, 'message')}" if row.below else row.label
        return [f'<text x="{x}" y="{y + 4}" fill="{colour}">{escape(label)}</text>']
    start, end = places[row.start], places[row.end]
    tip = -8 if end > start else 8
    parts = [
        f'<line x1="{start}" y1="{y}" x2="{end}" y2="{y}" stroke="{colour}" '
        f'stroke-width="{3 if row.kind == "rtp" else 1}"/>',
        f'<polygon points="{end},{y} {end + tip},{y - 4} {end + tip},{y + 4}" fill="{colour}"/>',
        f'<text x="{(start + end) // 2}" y="{y - 4}" text-anchor="middle" fill="{colour}">'
        f"{escape(row.label)}</text>",
    ]
    if row.beside:
        x = max(start, end) + 8
        parts.append(f'<text x="{x}" y="{y + 4}">{escape(row.beside)}</text>')
    return parts


def _pcap(model: Model, legs: Sequence[LegView], ladder: Ladder) -> bytes:
    messages = [stamped for leg in legs for stamped in leg.sip]
    return capture(sorted(messages, key=lambda stamped: stamped.seq))


def _heading(model: Model, legs: Sequence[LegView]) -> str:
    if not legs:
        return "ivrbench"
    names = " + ".join(leg.name for leg in legs)
    calls = [leg.started for leg in legs if not leg.started.pair] or [legs[0].started]
    told = (f"{call.script}@{call.generation} · call-id {call.call_id}" for call in calls)
    return " · ".join([names, *told])


FORMATS: dict[str, Callable[[Model, Sequence[LegView], Ladder], bytes]] = {
    "pcap": _pcap,
    "txt": _text,
    "md": _markdown,
    "svg": _svg,
}
"""By file name extension."""


def ladder_file(model: Model, legs: Sequence[LegView], ladder: Ladder, extension: str) -> bytes:
    """The ladder as a file of one of `FORMATS`."""
    return FORMATS[extension](model, legs, ladder)
