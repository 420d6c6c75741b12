"""Help (F1): what the screen means, and every key that works there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from ivrbench.tui.bindings import HELP
from ivrbench.tui.text import cells, line, wrap
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.text import Line
    from ivrbench.tui.theme import Glyphs

__all__ = ["HelpScreen"]

_INDENT = " " * 13
"""Of a line that goes on with an explanation."""
_NAMED = re.compile(r" \S.{0,9}?\s{2,}")
_PROSE = re.compile(r" \S")
_HEAD = re.compile(r" \S.{0,9}?\s{2,}|\s+")
"""A term before its explanation, or the indentation of one that goes on."""


class HelpScreen(ModalScreen[None]):
    """A page to read.

    Args:
        title: of the page.
        lines: the page.
        glyphs: for drawing.
    """

    BINDINGS = [*HELP]

    def __init__(self, title: str, lines: list[Line], glyphs: Glyphs) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """One box."""
        yield Pane(id="help", hints="esc close  up/down scroll", classes="pane dialog")

    def on_mount(self) -> None:
        """Show it when its size is known."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        pane = self.query_one(Pane)
        pane.glyphs = self._glyphs
        pane.titles(self._title)
        width = pane.room.width
        lines = self._lines
        if any(cells(content.text) > width for content in lines):
            lines = [part for content in _joined(lines) for part in _wrapped(content, width)]
        pane.show(lines)


def _joined(lines: list[Line]) -> list[Line]:
    """Explanations of several lines, and paragraphs, as one line each."""
    joined: list[Line] = []
    for content in lines:
        text, before = content.text, joined[-1] if joined else None
        is_indented = text.startswith(_INDENT) and bool(text.strip())
        goes_on = before is not None and bool(before.text.strip()) and is_indented
        if before is not None and (goes_on or (_is_prose(before) and _is_prose(content))):
            joined[-1] = line(*before.spans, f" {text.strip()}")
        else:
            joined.append(content)
    return joined


def _is_prose(content: Line) -> bool:
    """True for a line that is part of a paragraph: no heading, no name before it, not indented."""
    text = content.text
    has_role = any(role for _, role in content.spans)
    return _PROSE.match(text) is not None and _NAMED.match(text) is None and not has_role


def _wrapped(content: Line, width: int) -> list[Line]:
    """A line that is too long goes on below, where its explanation began."""
    if cells(content.text) <= width:
        return [content]
    text = content.text
    head = _HEAD.match(text)
    indent = " " * (len(head[0]) if head else 1)
    parts = wrap(text[len(indent) :], max(10, width - len(indent)))
    first = line((text[: len(indent)], content.spans[0][1]), parts[0])
    return [first, *(line(indent + part) for part in parts[1:])]
