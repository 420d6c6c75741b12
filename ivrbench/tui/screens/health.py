"""Health (F9): does the engine keep up, and who is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal

from ivrbench.tui.bindings import HEALTH
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.views.health import health_panes, warning
from ivrbench.tui.widgets.line import OneLine
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.model import Model

__all__ = ["HealthScreen"]


class HealthScreen(FrameScreen):
    """Six panes and a sentence."""

    MODE = "health"
    BINDINGS = [*HEALTH]
    AUTO_FOCUS = "#clock"

    def body(self) -> ComposeResult:
        """Three rows of two."""
        for row in (("clock", "traffic"), ("listeners", "ports"), ("threads", "screen")):
            with Horizontal(classes="health-row"):
                for name in row:
                    yield Pane(id=name)
        yield OneLine(id="warning")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the last report."""
        for name, title, lines in health_panes(model, now_s):
            pane = self.query_one(f"#{name}", Pane)
            pane.titles(title)
            pane.show(lines)
        self.query_one("#warning", OneLine).show(warning(model))

    def action_copy(self) -> None:
        """All panes as text."""
        pages = health_panes(self.bench.model, self.bench.clock.wall())
        texts = [
            f"{title}\n" + "\n".join(f"  {one.text}" for one in page) for _, title, page in pages
        ]
        self.bench.copy("\n".join(texts))

    def step_back(self) -> bool:
        """Nothing of this screen is to be undone."""
        return False
