"""A pane whose lines can be selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from ivrbench.tui.bindings import ROWS
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual import events

    from ivrbench.tui.text import Line

__all__ = ["Rows"]


class Rows(Pane):
    """Lines of which those with a key can be selected; the model says which one is."""

    BINDINGS = [*ROWS]

    @dataclass
    class Moved(Message):
        """The person chose another row."""

        rows: Rows
        key: str

        @property
        def control(self) -> Rows:
            return self.rows

    @dataclass
    class Opened(Message):
        """The person wants to see more of the selected row."""

        rows: Rows
        key: str

        @property
        def control(self) -> Rows:
            return self.rows

    def show(self, lines: list[Line]) -> None:
        """Replace the lines; the selected one stays visible when the selection moved."""
        before = self._selected_key()
        super().show(lines)
        if self._selected_key() != before:
            self._follow_selection()

    def action_move(self, step: int) -> None:
        """Select another row."""
        keys = [content.key for content in self.lines if content.key]
        if not keys:
            return
        selected = self._selected_key()
        at = keys.index(selected) + step if selected in keys else 0
        self.post_message(self.Moved(self, keys[max(0, min(at, len(keys) - 1))]))

    def action_page(self, direction: int) -> None:
        """Select a row one page on."""
        self.action_move(direction * max(1, self.room.height - 1))

    def action_open(self) -> None:
        """Open the selected row."""
        key = self._selected_key()
        if key:
            self.post_message(self.Opened(self, key))

    def on_click(self, event: events.Click) -> None:
        """A click selects, a double click opens."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        at = offset.y + self.scroll_offset.y
        if at < len(self.lines) and self.lines[at].key:
            message = self.Opened if event.chain > 1 else self.Moved
            self.post_message(message(self, self.lines[at].key))

    def _selected_key(self) -> str:
        return next((content.key for content in self.lines if content.selected), "")

    def _follow_selection(self) -> None:
        at = next((n for n, content in enumerate(self.lines) if content.selected), None)
        if at is not None:
            # The first row brings the header back into view.
            self.bring_into_view(0 if at <= 1 else at)
