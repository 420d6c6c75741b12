"""One line of the frame: status, tabs, strip."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from ivrbench.tui.text import Line
from ivrbench.tui.theme import UNICODE, Glyphs
from ivrbench.tui.widgets.pane import LINE_CLASSES, draw_line

if TYPE_CHECKING:
    from rich.style import Style
    from textual.strip import Strip

__all__ = ["OneLine"]


class OneLine(Widget):
    """A line without a box."""

    COMPONENT_CLASSES: ClassVar[set[str]] = LINE_CLASSES

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.glyphs: Glyphs = UNICODE
        self._line = Line()

    def show(self, content: Line) -> None:
        """Replace the line."""
        if content != self._line:
            self._line = content
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line at 0; this widget has no other."""
        styles: dict[str, Style] = {
            name.removeprefix("line--"): self.get_component_rich_style(name, partial=True)
            for name in LINE_CLASSES
        }
        content = self._line if y == 0 else Line()
        return draw_line(content, styles, self.rich_style, self.glyphs, self.size.width)
