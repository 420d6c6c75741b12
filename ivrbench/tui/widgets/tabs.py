"""The line that names the screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from ivrbench.tui.bindings import SCREENS
from ivrbench.tui.text import Span, line
from ivrbench.tui.widgets.line import OneLine

if TYPE_CHECKING:
    from textual import events

__all__ = ["Tabs"]


class Tabs(OneLine):
    """Screens with their F-keys; the current one in brackets. A click goes there."""

    @dataclass
    class Chosen(Message):
        """A screen was clicked."""

        mode: str

    def __init__(self, current: str) -> None:
        super().__init__(id="tabs")
        spans: list[Span] = [(" ", "")]
        self._spots: list[tuple[int, int, str]] = []
        at = 1
        for key, mode, title in SCREENS:
            label = f"{key} {title}"
            text = f"[{label}] " if mode == current else f" {label}  "
            spans.append((text, "head" if mode == current else "dim"))
            self._spots.append((at, at + len(text), mode))
            at += len(text)
        self.show(line(*spans))

    def on_click(self, event: events.Click) -> None:
        """Go to the screen under the pointer."""
        for start, end, mode in self._spots:
            if start <= event.x < end:
                self.post_message(self.Chosen(mode))
