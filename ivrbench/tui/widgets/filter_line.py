"""Where a filter is typed."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message
from textual.widgets import Input

from ivrbench.tui.bindings import FILTER

__all__ = ["FilterLine"]


class FilterLine(Input):
    """One line for a filter. While it has the focus the keyboard is its own.

    Args:
        id: widget id.
    """

    BINDINGS = [*FILTER]
    OWNER = "filter"
    """What the strip says has the keyboard."""

    @dataclass
    class Left(Message):
        """The person is done typing."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def action_leave(self) -> None:
        """Clear what was typed; with nothing typed, leave."""
        if self.value:
            self.value = ""
        else:
            self.post_message(self.Left())

    def action_keep(self) -> None:
        """Leave with the filter as it is."""
        self.post_message(self.Left())
