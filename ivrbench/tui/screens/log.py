"""Log (F7): everything that was logged, filtered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input, Label

from ivrbench.tui.bindings import LOG
from ivrbench.tui.filter import FOLLOWS_LEG, WORDS, Filter
from ivrbench.tui.outside import save_new
from ivrbench.tui.saved_filters import choose_filter
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.text import clock_time
from ivrbench.tui.views.log import LogLines, log_title
from ivrbench.tui.widgets.filter_line import FilterLine
from ivrbench.tui.widgets.follow import Follow

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.model import Model

__all__ = ["LogScreen"]


class LogScreen(FrameScreen):
    """A filter, and the lines that pass it."""

    MODE = "log"
    BINDINGS = [*LOG]
    AUTO_FOCUS = "#lines"

    def __init__(self) -> None:
        super().__init__()
        self._log_lines = LogLines()
        self._paused_at_seq = 0

    def body(self) -> ComposeResult:
        """Filter above, lines below."""
        with Horizontal(id="filter-box"):
            yield FilterLine(id="filter")
            yield Label("", id="count")
        yield Follow(id="lines", hints=WORDS)

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the lines that pass."""
        pane = self.query_one(Follow)
        shown = self._log_lines
        shown.update(model, pane.room.width)
        if pane.is_following:
            self._paused_at_seq = model.history.seq
            state = "following"
        else:
            newer = shown.newer_than(self._paused_at_seq)
            state = f"paused {model.glyphs.dot} {newer} newer {model.glyphs.down}"
        pane.titles("Log", f"{log_title(model)} {model.glyphs.dot} {state}")
        pane.show(list(shown.lines))
        total = len(model.history.logs.events)
        count = model.log_filter.error or f"{shown.matching} of {total} lines"
        self.query_one("#count", Label).update(f" {count}  esc ".replace("[", "\\["))

    def action_filter(self) -> None:
        """Type a filter."""
        self.give_keys_to(self.query_one(FilterLine))

    def action_saved_filters(self) -> None:
        """A filter that has a name, or a name for this one."""
        choose_filter(self.bench, self.bench.model.log_filter.text, self.use_filter)

    def action_follow_leg(self) -> None:
        """Only lines of the selected call, whichever that is, or of all."""
        terms = self.bench.model.log_filter.text.split()
        others = [term for term in terms if not term.startswith("leg:")]
        self.use_filter(" ".join(others if FOLLOWS_LEG in terms else [FOLLOWS_LEG, *others]))

    def use_filter(self, text: str) -> None:
        """As if it had been typed."""
        # The model first: a screen that is shown again takes what is typed from there.
        self.bench.model.log_filter = Filter(text)
        self.query_one(FilterLine).value = text
        self.bench.draw_now()

    def action_level(self) -> None:
        """More levels, round to errors."""
        model = self.bench.model
        model.log_level = (model.log_level + 1) % 4
        self.bench.draw_now()

    def action_details(self) -> None:
        """Whole tracebacks, or their last line."""
        model = self.bench.model
        model.log_details = not model.log_details
        self.bench.draw_now()

    def action_save(self) -> None:
        """All lines shown, next to where the workbench was started."""
        bench = self.bench
        at = clock_time(bench.clock.wall(), bench.model.zone).replace(":", "")
        draw = bench.model.glyphs.draw
        text = "".join(f"{draw(content.text.rstrip())}\n" for content in self._log_lines.lines)
        try:
            path = save_new(Path.cwd(), f"log-{at}.txt", text.encode())
        except OSError as error:
            bench.say(f"not saved: {error.strerror or error}", "bad")
        else:
            bench.say(f"saved {path}", "ok")

    def action_copy(self) -> None:
        """All lines shown."""
        self.bench.copy("\n".join(content.text.rstrip() for content in self._log_lines.lines))

    def on_screen_resume(self) -> None:
        """The filter may have been typed on another screen."""
        self.query_one(FilterLine).value = self.bench.model.log_filter.text
        super().on_screen_resume()

    @on(Input.Changed, "#filter")
    def apply_filter(self, message: Input.Changed) -> None:
        """What is shown follows the typing."""
        self.bench.model.log_filter = Filter(message.value)
        self.bench.draw_now()

    @on(FilterLine.Left)
    def leave_filter(self) -> None:
        """The keyboard goes back to the lines."""
        self.query_one(Follow).focus()

    def step_back(self) -> bool:
        """Undo one thing: the filter."""
        typed = self.query_one(FilterLine)
        had_text = bool(typed.value)
        typed.value = ""
        return had_text
