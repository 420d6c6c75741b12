"""A question before something that cannot be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from ivrbench.tui.bindings import ASK
from ivrbench.tui.text import cells, fit, line
from ivrbench.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from ivrbench.tui.text import Line
    from ivrbench.tui.theme import Glyphs

__all__ = ["AskScreen", "Choice"]

Choice = tuple[str, str, str]
"""Key, value, and what it does."""


class AskScreen(ModalScreen[str]):
    """Gives the value of the choice, "" for none.

    Args:
        title: the question.
        text: what to know before answering.
        choices: what can be done.
        glyphs: for the cursor.
        selected: value of the choice under the cursor, "" for the first.
    """

    BINDINGS = [*ASK]

    def __init__(
        self, title: str, text: str, choices: list[Choice], glyphs: Glyphs, selected: str = ""
    ) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = [*choices, ("esc", "", "change nothing")]
        self._glyphs = glyphs
        self._selected = selected or self._choices[0][1]

    def compose(self) -> ComposeResult:
        """A box with a row for each choice."""
        yield Rows(id="ask", hints="enter choose  esc change nothing", classes="pane dialog")

    def on_mount(self) -> None:
        """Show the question."""
        rows = self.query_one(Rows)
        rows.glyphs = self._glyphs
        rows.styles.height = len(self._choices) + 5
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        rows = self.query_one(Rows)
        rows.titles(self._title)
        text = fit(self._text, min(cells(self._text), max(0, rows.room.width - 2)))
        lines: list[Line] = [line(f" {text}"), line("")]
        for key, value, label in self._choices:
            selected = value == self._selected
            cursor = self._glyphs.cursor if selected else " "
            lines.append(
                line(
                    f" {cursor} ",
                    (f"{key:4}", "accent"),
                    label,
                    key=value or "-",
                    selected=selected,
                )
            )
        rows.show(lines)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        """Another choice."""
        self._selected = "" if message.key == "-" else message.key
        self._draw()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        """It is decided."""
        self.action_choose("" if message.key == "-" else message.key)

    def on_key(self, event: events.Key) -> None:
        """A choice's own key decides at once."""
        for key, value, _ in self._choices:
            if event.key == key:
                event.stop()
                self.action_choose(value)

    def action_choose(self, value: str) -> None:
        """Close with this answer."""
        self.dismiss(value)
