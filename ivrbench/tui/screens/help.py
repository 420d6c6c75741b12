"""Help (F1): what the screen means, and every key that works there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from ivrbench.tui.bindings import HELP
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.text import Line
    from ivrbench.tui.theme import Glyphs

__all__ = ["HelpScreen"]


class HelpScreen(ModalScreen[None]):
    """A page to read.

    Args:
        title: of the screen it explains.
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
        pane.titles(f"Help: {self._title}")
        pane.show(self._lines)
