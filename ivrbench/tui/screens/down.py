"""The engine stopped: why, and what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from ivrbench.tui.bindings import DOWN
from ivrbench.tui.views.pages import down_lines
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from ivrbench.clock import Clock
    from ivrbench.tui.model import Model

__all__ = ["DownScreen"]


class DownScreen(ModalScreen[str]):
    """Closes by itself when the engine is back. Gives "log" or "quit", or None.

    Args:
        model: says why.
        clock: for how long.
        again: starts the engine again, or looks for it again.
    """

    BINDINGS = [*DOWN]

    def __init__(self, model: Model, clock: Clock, again: Callable[[], None]) -> None:
        super().__init__()
        self._model = model
        self._clock = clock
        self._again = again

    def compose(self) -> ComposeResult:
        """One box."""
        start = "start again" if self._model.can_restart else "look again"
        hints = f"r {start}  l last log  esc look around  q quit"
        yield Pane(id="down", hints=hints, classes="pane dialog")

    def on_mount(self) -> None:
        """Show it when its size is known."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Show why, and for how long."""
        if not self.query(Pane):
            return  # pushed, but not composed yet
        pane = self.query_one(Pane)
        pane.glyphs = self._model.glyphs
        pane.titles("The engine stopped" if self._model.can_restart else "No engine there")
        lines = down_lines(self._model, self._clock.wall(), max(20, pane.room.width - 2))
        pane.styles.height = len(lines) + 3
        pane.show(lines)

    def action_again(self) -> None:
        """Start or look again."""
        self._again()

    def action_look(self) -> None:
        """Read the log."""
        self.dismiss("log")

    def action_quit(self) -> None:
        """Leave."""
        self.dismiss("quit")
