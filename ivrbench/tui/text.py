"""Lines of text with meaning attached: what the views make and the widgets draw.

No Textual here: a view can be tested, and printed, without a terminal.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

__all__ = [
    "Column",
    "Line",
    "Span",
    "cells",
    "clean",
    "clock_time",
    "count",
    "fit",
    "line",
    "minutes",
    "row",
    "seconds",
    "split_title",
    "wrap",
]

Span = tuple[str, str]
"""Text and its role: "", or one of `theme.ROLES`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a pane."""

    spans: tuple[Span, ...] = ()
    key: str = ""
    """What it stands for when it can be selected, such as a leg's name; "" if it cannot."""
    selected: bool = False

    @property
    def text(self) -> str:
        """Without the roles."""
        return "".join(text for text, _ in self.spans)


@dataclass(frozen=True, slots=True)
class Column:
    """A cell of a row: its text, its width in terminal cells, its role and its side."""

    text: str
    width: int
    role: str = ""
    right: bool = False


def line(*spans: Span | str, key: str = "", selected: bool = False) -> Line:
    """A line from spans, cleaned; a bare string has no role."""
    with_roles = ((s, "") if isinstance(s, str) else s for s in spans)
    return Line(tuple((clean(text), role) for text, role in with_roles), key, selected)


def row(columns: Sequence[Column], *, key: str = "", selected: bool = False) -> Line:
    """A line of cells, each cut and padded to its width, one blank between them."""
    spans: list[Span] = []
    for column in columns:
        if column.width > 0:
            text = fit(column.text, column.width, right=column.right)
            spans.append((text + " ", column.role))
    return Line(tuple(spans), key, selected)


def cells(text: str) -> int:
    """How many terminal cells the text takes."""
    if text.isascii():
        return len(text)
    return sum(_cell_width(character) for character in text)


def _cell_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clean(text: str) -> str:
    """The text without what would move the cursor or change colours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else "\ufffd" for c in text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad to exactly `width` cells; a cut is shown by an ellipsis."""
    text = clean(text)
    taken = cells(text)
    if taken > width:
        text, taken = _cut(text, width)
    blanks = " " * (width - taken)
    return blanks + text if right else text + blanks


def _cut(text: str, width: int) -> tuple[str, int]:
    if width <= 0:
        return "", 0
    kept, taken = [], 0
    for character in text:
        character_width = _cell_width(character)
        if taken + character_width > width - 1:
            break
        kept.append(character)
        taken += character_width
    return "".join(kept) + "…", taken + 1


def split_title(left: str, right: str, width: int, rule: str) -> str:
    """A border's title with text at both ends and the border's own line between.

    Args:
        left: text at the left.
        right: text at the right, "" for none; goes first when room is short.
        width: cells inside the corners.
        rule: the border's horizontal character.
    """
    room = width - 4
    left = fit(left, min(cells(left), room)) if room > 0 else ""
    if not right or cells(left) + cells(right) + 4 > room:
        return left
    return f"{left} {rule * (room - cells(left) - cells(right) - 2)} {right}"


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` characters, cut between words where it can be."""
    lines, current = [], ""
    for word in clean(text).split():
        for part in (word[at : at + width] for at in range(0, len(word), max(1, width))):
            if current and len(current) + 1 + len(part) > width:
                lines.append(current)
                current = part
            else:
                current = f"{current} {part}".strip()
    return [*lines, current]


def count(number: int, noun: str) -> str:
    """A number and its noun, one or many: "1 call", "2 calls"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def minutes(elapsed_s: float) -> str:
    """A duration as people say it: "0:42", "1:03:05"."""
    whole_s = max(0, int(elapsed_s))
    hours, rest = divmod(whole_s, 3600)
    if hours:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{rest // 60}:{rest % 60:02}"


def seconds(length_ms: int) -> str:
    """A length of audio: "2.1"."""
    return f"{max(0, length_ms) / 1000:.1f}"


def clock_time(at_s: float, zone: tzinfo | None, *, milliseconds: bool = False) -> str:
    """Wall-clock time of day.

    Args:
        at_s: seconds since 1970.
        zone: None for the machine's own.
        milliseconds: as in the log.
    """
    try:
        at = datetime.fromtimestamp(at_s, zone)
    except (OverflowError, ValueError, OSError):
        return "--:--:--"
    return at.strftime("%H:%M:%S") + (f".{at.microsecond // 1000:03}" if milliseconds else "")
