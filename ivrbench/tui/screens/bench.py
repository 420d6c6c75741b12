"""Bench (F2): what is loaded, who is calling, what is playing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input, Label

from ivrbench.tui.bindings import BENCH
from ivrbench.tui.columns import ask_columns
from ivrbench.tui.filter import Filter
from ivrbench.tui.saved_filters import choose_filter
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.text import Line, line
from ivrbench.tui.views.leg import leg_summary, media_lines, playlist_lines
from ivrbench.tui.views.legs import leg_lines, legs_hints, legs_title
from ivrbench.tui.views.log import latest_log_lines, log_title
from ivrbench.tui.views.pages import empty_lines
from ivrbench.tui.views.scripts import failed_count, script_lines
from ivrbench.tui.widgets.filter_line import FilterLine
from ivrbench.tui.widgets.pane import Pane
from ivrbench.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = ["BenchScreen"]


class BenchScreen(FrameScreen):
    """Scripts, legs, the selected leg's playlist and media, and the log."""

    MODE = "bench"
    BINDINGS = [*BENCH]
    AUTO_FOCUS = "#legs"

    _filters_log = False

    def body(self) -> ComposeResult:
        """Panes from top to bottom."""
        with Horizontal(id="top"):
            yield Rows(id="scripts", hints="r reload  L reload all  enter open")
            yield Rows(id="legs")
        with Horizontal(id="middle"):
            yield Pane(id="playlist")
            yield Pane(id="media")
        yield Pane(id="summary")
        yield Pane(id="log", hints="/ filter  v level  e errors only  F7 full screen")
        with Horizontal(id="filter-bar"):
            yield Label("", id="filter-label")
            yield FilterLine(id="filter")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show what is visible."""
        self._draw_scripts(model)
        self._draw_legs(model, now_s)
        leg = model.selected_leg
        self._draw_leg(model, leg)
        log = self.query_one("#log", Pane)
        if log.display:
            right = f"{log_title(model)} {model.glyphs.dot} following"
            log.titles("Log", _filter_title(model.log_filter, right))
            log.show(latest_log_lines(model, log.room.width, log.room.height))

    def _draw_scripts(self, model: Model) -> None:
        scripts = self.query_one("#scripts", Rows)
        if scripts.display:
            scripts.titles(f"Scripts  {len(model.history.scripts)}")
            scripts.show(script_lines(model, scripts.room.width))

    def _draw_legs(self, model: Model, now_s: float) -> None:
        legs = self.query_one("#legs", Rows)
        if not legs.display:
            return
        right = _filter_title(model.legs_filter, "")
        if self.has_class("-narrow"):
            failed, glyphs = failed_count(model), model.glyphs
            bad = f" {glyphs.dot} {failed} {glyphs.bad}" if failed else ""
            right = f"{right} s Scripts {glyphs.open} {len(model.history.scripts)}{bad}".strip()
        legs.titles(legs_title(model), right)
        legs.hints(legs_hints(model))
        if model.history.live or model.history.done:
            legs.show(leg_lines(model, now_s, legs.room.width))
        else:
            legs.show(empty_lines(model))

    def _draw_leg(self, model: Model, leg: LegView | None) -> None:
        nothing: list[Line] = [line(("  no call selected", "dim"))]
        name = leg.name if leg else ""
        for pane, title, view in (
            (self.query_one("#playlist", Pane), "playlist", playlist_lines),
            (self.query_one("#media", Pane), "media", media_lines),
        ):
            if pane.display and pane.room.width:
                pane.titles(f"{name} {title}".strip())
                room = pane.room
                pane.show(view(model, leg, room.width, room.height) if leg else nothing)
        summary = self.query_one("#summary", Pane)
        if summary.display and summary.room.width:
            keys = f"keys {' '.join(leg.keys[-12:])}" if leg and leg.keys else ""
            summary.titles(name or "no call", keys)
            summary.show(leg_summary(model, leg, summary.room.width) if leg else nothing)

    # --- choices ------------------------------------------------------------------------

    @on(Rows.Moved, "#legs")
    def choose_leg(self, message: Rows.Moved) -> None:
        """The panes follow the selected leg."""
        self.bench.model.leg = message.key
        self.bench.draw_now()

    @on(Rows.Opened, "#legs")
    def open_leg(self) -> None:
        """The ladder of its call, or of the calls that are marked."""
        self.bench.action_go("ladder")

    def action_mark(self) -> None:
        """Mark the selected leg, or not, and go to the next one."""
        leg = self.bench.model.selected_leg
        if leg is not None:
            self.bench.model.mark_leg(leg.name)
            self.query_one("#legs", Rows).action_move(1)
            self.bench.draw_now()

    @on(Rows.Moved, "#scripts")
    def choose_script(self, message: Rows.Moved) -> None:
        """The selected script is the one that is called."""
        self.bench.model.select_script(message.key)
        self.bench.draw_now()

    @on(Rows.Opened, "#scripts")
    def open_script(self, message: Rows.Opened) -> None:
        """Its source and its state."""
        self.bench.model.select_script(message.key)
        self.bench.action_go("script")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The drawer is for narrow screens: on wide ones the scripts are always there."""
        if action == "toggle_scripts":
            return self.has_class("-narrow")
        return super().check_action(action, parameters)

    def action_columns(self) -> None:
        """Show more or fewer facts of each leg."""
        ask_columns(self.bench)

    def action_toggle_scripts(self) -> None:
        """On a narrow screen: scripts instead of legs, and back."""
        self.toggle_class("-scripts")
        self.query_one("#scripts" if self.has_class("-scripts") else "#legs").focus()
        self.call_after_refresh(self.draw)

    def action_level(self) -> None:
        """More levels, round to errors."""
        model = self.bench.model
        model.log_level = (model.log_level + 1) % 4
        self.bench.draw_now()

    def action_errors(self) -> None:
        """Only errors, and back."""
        model = self.bench.model
        model.log_level = 2 if model.log_level == 0 else 0
        self.bench.draw_now()

    def action_copy(self) -> None:
        """The selected row of the focused pane, or all of it."""
        pane = self.focused
        if isinstance(pane, Pane):
            chosen = [content for content in pane.lines if content.selected] or pane.lines
            self.bench.copy("\n".join(content.text.rstrip() for content in chosen))

    # --- filter -------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type a filter for the log if it has the focus, else for the legs."""
        self._filters_log = self.focused is self.query_one("#log")
        model = self.bench.model
        current = model.log_filter if self._filters_log else model.legs_filter
        self.query_one("#filter-label", Label).update(
            f" {'log' if self._filters_log else 'legs'} filter: "
        )
        self.add_class("-filtering")
        typed = self.query_one("#filter", FilterLine)
        typed.value = current.text
        self.give_keys_to(typed)

    def action_saved_filters(self) -> None:
        """A filter that has a name, or a name for this one; for the log if it has the focus."""
        self._filters_log = self.focused is self.query_one("#log")
        model = self.bench.model
        current = model.log_filter if self._filters_log else model.legs_filter
        choose_filter(self.bench, current.text, self.use_filter)

    def use_filter(self, text: str) -> None:
        """As if it had been typed."""
        model = self.bench.model
        if self._filters_log:
            model.log_filter = Filter(text)
        else:
            model.legs_filter = Filter(text)
        self.bench.draw_now()

    @on(Input.Changed, "#filter")
    def apply_filter(self, message: Input.Changed) -> None:
        """What is shown follows the typing."""
        self.use_filter(message.value)

    @on(FilterLine.Left)
    def leave_filter(self) -> None:
        """The keyboard goes back to the pane."""
        self.remove_class("-filtering")
        self.query_one("#log" if self._filters_log else "#legs").focus()

    def step_back(self) -> bool:
        """Undo one thing: the drawer, the marks, or the filters."""
        model = self.bench.model
        if self.has_class("-scripts"):
            self.action_toggle_scripts()
        elif model.marked_legs:
            model.marked_legs = ()
            self.bench.draw_now()
        elif model.legs_filter or model.log_filter:
            model.legs_filter = model.log_filter = Filter()
            self.bench.draw_now()
        else:
            return False
        return True


def _filter_title(shown: Filter, otherwise: str) -> str:
    if shown.error:
        return f"filter: {shown.error}"
    return f"filter: {shown.text}" if shown.text else otherwise
