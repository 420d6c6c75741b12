"""Where lines of Python are typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from ivrbench.tui.script_keys import CONSOLE
from ivrbench.tui.widgets.filter_line import FilterLine

if TYPE_CHECKING:
    from textual import events

__all__ = ["ConsoleLine"]

MAX_HISTORY = 100


class ConsoleLine(FilterLine):
    """One line, with those typed before on the arrow keys."""

    BINDINGS = [*CONSOLE]
    OWNER = "console"

    @dataclass
    class Typed(Message):
        """The person pressed enter."""

        text: str

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._before: list[str] = []
        self._at = 0

    async def _on_key(self, event: events.Key) -> None:
        """Enter works at once: as a binding it would come behind keys typed after it."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.action_run()
        else:
            await super()._on_key(event)

    def action_run(self) -> None:
        """Give the line away and begin a new one."""
        text = self.value.strip()
        if text:
            self._before = [*self._before[-MAX_HISTORY:], text]
            self._at = len(self._before)
            self.value = ""
            self.post_message(self.Typed(text))

    def action_history(self, step: int) -> None:
        """A line typed before, or the empty one after the last."""
        self._at = max(0, min(self._at + step, len(self._before)))
        self.value = self._before[self._at] if self._at < len(self._before) else ""
        self.cursor_position = len(self.value)
