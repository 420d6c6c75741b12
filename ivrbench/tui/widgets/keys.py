"""The keys that work now, in the last line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.text import Span, cells, line
from ivrbench.tui.widgets.line import OneLine

if TYPE_CHECKING:
    from textual import events
    from textual.binding import Binding
    from textual.screen import Screen

__all__ = ["KeyLine"]

_ORDER = ("help", "palette", "filter", "log.filter", "pane.", "script.", "call.", "keys.")
"""Beginnings of ids in the order they are shown; the others follow, `quit` is last."""


class KeyLine(OneLine):
    """Key and word for each binding that is shown; a click does it."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._spots: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Follow the focus and whatever else changes the keys."""
        self.screen.bindings_updated_signal.subscribe(self, self._update)
        self._update(self.screen)

    def on_resize(self) -> None:
        """What does not fit is left out."""
        self._update(self.screen)

    def on_click(self, event: events.Click) -> None:
        """As if the key had been pressed."""
        for start, end, key in self._spots:
            if start <= event.x < end:
                self.app.simulate_key(key)

    def _update(self, screen: Screen[object]) -> None:
        spans: list[Span] = [(" ", "")]
        self._spots = []
        at = 1
        for binding in self._fitting(_shown(screen)):
            key = self.app.get_key_display(binding)
            length = cells(key) + 1 + cells(binding.description)
            self._spots.append((at, at + length, binding.key))
            spans += [(key, "accent"), (f" {binding.description}  ", "")]
            at += length + 2
        self.show(line(*spans))

    def _fitting(self, bindings: list[Binding]) -> list[Binding]:
        """As many as fit; those in the middle go first, the palette has them all."""
        kept = list(bindings)
        while kept and self._width(kept) > self.size.width and len(kept) > 3:
            del kept[-2]
        return kept

    def _width(self, bindings: list[Binding]) -> int:
        keys = (cells(self.app.get_key_display(b)) + cells(b.description) + 3 for b in bindings)
        return sum(keys) - 1


def _shown(screen: Screen[object]) -> list[Binding]:
    by_id: dict[str, Binding] = {}
    for entry in screen.active_bindings.values():
        binding = entry.binding
        if binding.show and entry.enabled and binding.id:
            by_id.setdefault(binding.id, binding)
    return sorted(by_id.values(), key=lambda binding: _place(binding.id or ""))


def _place(id: str) -> int:
    if id == "quit":
        return len(_ORDER) + 1
    return next((n for n, start in enumerate(_ORDER) if id.startswith(start)), len(_ORDER))
