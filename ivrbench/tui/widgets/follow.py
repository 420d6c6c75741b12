"""A pane that stays at its newest line until it is scrolled away from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.bindings import FOLLOW
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from ivrbench.tui.text import Line

__all__ = ["Follow"]


class Follow(Pane):
    """Lines that grow at the end."""

    BINDINGS = [*FOLLOW]
    is_following = True

    def show(self, lines: list[Line]) -> None:
        """Replace the lines; stay at the end if that is where it was."""
        super().show(lines)
        if self.is_following:
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up pauses, reaching the end follows again."""
        super().watch_scroll_y(old_value, new_value)
        self.is_following = new_value >= self.max_scroll_y

    def action_follow(self) -> None:
        """Back to the newest line."""
        self.is_following = True
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True, force=True)
