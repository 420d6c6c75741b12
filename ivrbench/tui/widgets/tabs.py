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
        self._current = current
        self._spots: list[tuple[int, int, str]] = []

    def on_resize(self) -> None:
        """Closer together where there is less room."""
        wide = [(mode, f"{key} {title}", " ") for key, mode, title in SCREENS]
        total = sum(len(label) + 3 for _, label, _ in wide)
        close = [(mode, f"{key}{title}", "") for key, mode, title in SCREENS]
        self._draw(wide if total < self.size.width else close)

    def _draw(self, labels: list[tuple[str, str, str]]) -> None:
        spans: list[Span] = [(" ", "")]
        self._spots = []
        at = 1
        for mode, label, gap in labels:
            text = f"[{label}]{gap}" if mode == self._current else f" {label} {gap}"
            spans.append((text, "head" if mode == self._current else "dim"))
            self._spots.append((at, at + len(text), mode))
            at += len(text)
        self.show(line(*spans))

    def on_click(self, event: events.Click) -> None:
        """Go to the screen under the pointer."""
        for start, end, mode in self._spots:
            if start <= event.x < end:
                self.post_message(self.Chosen(mode))
