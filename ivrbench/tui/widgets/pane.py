"""A box of lines with titles in its border."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ivrbench.tui.text import Line, cells, fit, split_title
from ivrbench.tui.theme import ROLES, UNICODE, Glyphs

if TYPE_CHECKING:
    from rich.style import Style
    from textual.selection import Selection

__all__ = ["LINE_CLASSES", "Pane", "draw_line"]

LINE_CLASSES = {f"line--{role}" for role in (*ROLES, "selected")}
"""Component classes that give roles their look."""


def draw_line(
    content: Line, styles: dict[str, Style], base: Style, glyphs: Glyphs, width: int
) -> Strip:
    """A line as the terminal gets it, exactly `width` cells wide."""
    if content.selected:
        base += styles["selected"]
    segments = [
        Segment(glyphs.draw(text), base + styles[role] if role else base)
        for text, role in content.spans
    ]
    return Strip(segments).adjust_cell_length(width, base).simplify()


class Pane(ScrollView, can_focus=True):
    """Lines in a box. `show()` redraws only those that changed.

    Args:
        id: widget id.
        hints: keys that work here, in the lower border.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = LINE_CLASSES

    def __init__(self, *, id: str, hints: str = "", classes: str = "pane") -> None:
        super().__init__(id=id, classes=classes)
        self.glyphs: Glyphs = UNICODE
        self.lines: list[Line] = []
        self._titles = ("", "")
        self._hints = hints
        self._styles: dict[str, Style] = {}

    @property
    def room(self) -> Size:
        """Cells for lines: width and height inside the border."""
        return self.scrollable_content_region.size

    def titles(self, left: str, right: str = "") -> None:
        """Set the texts in the upper border, at the left and at the right."""
        self._titles = (left, right)
        self._draw_border()

    def hints(self, text: str) -> None:
        """Set the text in the lower border."""
        self._hints = text
        self._draw_border()

    def show(self, lines: list[Line]) -> None:
        """Replace the lines."""
        before, self.lines = self.lines, lines
        size = Size(self.room.width, len(lines))
        if size != self.virtual_size:
            self.virtual_size = size
        self._draw_border()
        if len(before) != len(lines):
            self.refresh()
            return
        top, height = self.scroll_offset.y, self.room.height
        for y in range(top, min(len(lines), top + height)):
            if before[y] != lines[y]:
                self.refresh(Region(0, y - top, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line of what is visible."""
        width = self.room.width
        base = self.rich_style
        at = y + self.scroll_offset.y
        if at >= len(self.lines):
            return Strip.blank(width, base)
        strip = draw_line(self.lines[at], self._line_styles(), base, self.glyphs, width)
        # The offsets tell a mouse that selects text where it is.
        return self._marked(strip, at, width).apply_offsets(0, at)

    def _marked(self, strip: Strip, at: int, width: int) -> Strip:
        """The line with what the mouse has selected of it."""
        selection = self.text_selection
        span = selection.get_span(at) if selection is not None else None
        if span is None:
            return strip
        start, end = span[0], width if span[1] < 0 else span[1]
        style = self.screen.get_component_rich_style("screen--selection")
        chosen = strip.crop(start, end).apply_style(style)
        return Strip.join((strip.crop(0, start), chosen, strip.crop(end, width)))

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, for the clipboard."""
        draw = self.glyphs.draw
        return selection.extract("\n".join(draw(one.text.rstrip()) for one in self.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show it."""
        self.refresh()

    def bring_into_view(self, at: int) -> None:
        """Scroll as little as needed to show the line with this index."""
        top, height = self.scroll_offset.y, self.room.height
        if not top <= at < top + height:
            target = at if at < top else at - height + 1
            self.scroll_to(y=target, animate=False, immediate=True, force=True)

    def notify_style_update(self) -> None:
        """The theme changed: look the styles up again."""
        self._styles = {}
        super().notify_style_update()

    def on_resize(self) -> None:
        """The border's texts fill its width."""
        self._draw_border()

    def on_focus(self) -> None:
        """Show in the border that the keyboard is here."""
        self._draw_border()

    def on_blur(self) -> None:
        """Show in the border that it is not."""
        self._draw_border()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say how much is below."""
        super().watch_scroll_y(old_value, new_value)
        self._draw_border()

    @property
    def _below(self) -> int:
        """Lines below those that are seen."""
        height = self.room.height
        return max(0, len(self.lines) - round(self.scroll_y) - height) if height > 1 else 0

    def _line_styles(self) -> dict[str, Style]:
        if not self._styles:
            self._styles = {
                name.removeprefix("line--"): self.get_component_rich_style(name, partial=True)
                for name in LINE_CLASSES
            }
        return self._styles

    def _draw_border(self) -> None:
        width = self.outer_size.width
        # A heavy border says without colour where the keyboard is; in ASCII a star does.
        rule = "━" if self.has_focus and not self.glyphs.is_ascii else self.glyphs.rule
        left, right = (self.glyphs.draw(title) for title in self._titles)
        if self.has_focus and self.glyphs.is_ascii:
            left = f"* {left}"
        # Brackets would be read as markup.
        title = split_title(left, right, width - 2, rule).replace("[", "\\[")
        if self.border_title != title:
            self.border_title = title
        more = f"{self._below} more {self.glyphs.down}" if self._below else ""
        hints = self._hints
        if more:  # keys can be looked up, what is out of sight cannot
            hints = fit(hints, min(cells(hints), max(0, width - cells(more) - 10)))
        hints = self.glyphs.draw(hints)
        hints = split_title(hints, more, width - 2, rule) if hints else more
        hints = hints.replace("[", "\\[")
        if self.border_subtitle != hints:
            self.border_subtitle = hints
