"""The keypad: a pane whose keys can be clicked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from ivrbench.tui.model import DTMF_KEYS
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual import events

__all__ = ["Keypad"]


class Keypad(Pane):
    """Each key is where its character is drawn, and some way around it."""

    @dataclass
    class Pressed(Message):
        """A key was clicked."""

        key: str

    def on_click(self, event: events.Click) -> None:
        """Press the key nearest to the pointer in its line, or in the line above."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        for y in (offset.y, offset.y - 1):
            text = self.lines[y].text if 0 <= y < len(self.lines) else ""
            if text.lstrip().startswith("sent"):
                return
            keys = [(abs(x - offset.x), c) for x, c in enumerate(text) if c in DTMF_KEYS]
            if len(keys) == 4:
                self.post_message(self.Pressed(min(keys)[1]))
                return
