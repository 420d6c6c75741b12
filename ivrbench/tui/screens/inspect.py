"""Inspect (F6): a live dialog object, what it was after each event, and a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label

from ivrbench.observe.commands import Evaluate
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.script_keys import INSPECT, STEPS
from ivrbench.tui.views import inspect as views
from ivrbench.tui.views.legs import leg_keys
from ivrbench.tui.views.log import latest_log_lines
from ivrbench.tui.widgets.console_line import ConsoleLine
from ivrbench.tui.widgets.filter_line import FilterLine
from ivrbench.tui.widgets.follow import Follow
from ivrbench.tui.widgets.pane import Pane
from ivrbench.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.model import Model

__all__ = ["InspectScreen", "StepRows"]


class StepRows(Rows):
    """Rows on which the arrows to the left and right go from event to event."""

    BINDINGS = [*STEPS]


class InspectScreen(FrameScreen):
    """Values at the left; events and console at the right; the call's log below."""

    MODE = "inspect"
    HALVES = ("#tree", "#moments")
    BINDINGS = [*INSPECT]
    AUTO_FOCUS = "#tree"

    def body(self) -> ComposeResult:
        """Three panes and the log."""
        with Horizontal(id="inspect-top"):
            yield StepRows(id="tree", hints="/ find  f only changed  y copy")
            with Vertical(id="inspect-side"):
                yield StepRows(id="moments")
                with Vertical(id="console", classes="pane"):
                    yield Follow(id="said", classes="bare")
                    with Horizontal(id="console-bar"):
                        yield Label(">>> ", id="console-prompt")
                        yield ConsoleLine(id="console-line")
        yield Pane(id="leg-log")
        with Horizontal(id="find-bar"):
            yield Label(" find: ", id="find-label")
            yield FilterLine(id="find")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the object of the selected leg."""
        leg = model.inspected_leg
        found = views.moments(leg)
        tree = self.query_one("#tree", Rows)
        tree.titles(*views.inspect_title(model, leg, found))
        tree.show(views.tree_lines(model, leg, now_s, tree.room.width))
        steps = self.query_one("#moments", Rows)
        if steps.display and steps.room.width:
            moment = views.selected_moment(model, found)
            at = found.index(moment) + 1 if moment is not None else 0
            place = views.place_of(moment)
            steps.titles("Timeline", f"event {at} of {len(found)}")
            keys = "left/right step  end now"
            steps.hints(f"{keys}  e edit {place}" if place else keys)
            steps.show(views.moment_lines(model, leg, steps.room.width))
        self._draw_console(model)
        log = self.query_one("#leg-log", Pane)
        if log.display and log.room.width:
            log.titles(f"{leg.name} log only" if leg else "Log")
            name = leg.name if leg else "-"
            log.show(latest_log_lines(model, log.room.width, log.room.height, leg=name))

    def _draw_console(self, model: Model) -> None:
        box, said = self.query_one("#console"), self.query_one("#said", Follow)
        if not box.display or not said.room.width:
            return
        draw = model.glyphs.draw
        box.border_title = draw("Console  between two events")
        box.border_subtitle = "read only, ! changes the call  up/down history"
        said.show(views.console_lines(model, model.inspected_leg, said.room.width))

    # --- values ---------------------------------------------------------------------------

    @on(Rows.Moved, "#tree")
    def choose_value(self, message: Rows.Moved) -> None:
        """Another value."""
        self.bench.model.inspect.row = message.key
        self.bench.draw_now()

    @on(Rows.Opened, "#tree")
    def open_value(self, message: Rows.Opened) -> None:
        """Show its parts, or hide them."""
        self.bench.model.inspect.open ^= {message.key}
        self.bench.draw_now()

    def action_changed_only(self) -> None:
        """Only what the event changed, and all again."""
        choice = self.bench.model.inspect
        choice.changed_only = not choice.changed_only
        self.bench.draw_now()

    def action_copy(self) -> None:
        """The selected line, or the whole tree."""
        lines = self.query_one("#tree", Rows).lines
        chosen = [content for content in lines if content.selected] or lines
        self.bench.copy("\n".join(content.text.strip() for content in chosen))

    # --- events ---------------------------------------------------------------------------

    @on(Rows.Moved, "#moments")
    def choose_moment(self, message: Rows.Moved) -> None:
        """The values after another event; the last one follows what comes."""
        found = views.moments(self.bench.model.inspected_leg)
        is_last = bool(found) and str(found[-1].seq) == message.key
        self.bench.model.inspect.seq = 0 if is_last else int(message.key)
        self.bench.draw_now()

    def action_step(self, step: int) -> None:
        """One event back or on."""
        model = self.bench.model
        found = views.moments(model.inspected_leg)
        moment = views.selected_moment(model, found)
        if moment is None:
            return
        at = max(0, min(found.index(moment) + step, len(found) - 1))
        model.inspect.seq = 0 if at == len(found) - 1 else found[at].seq
        self.bench.draw_now()

    def action_now(self) -> None:
        """The values as they are now."""
        self.bench.model.inspect.seq = 0
        self.bench.draw_now()

    def action_step_leg(self, step: int) -> None:
        """Another call, in the order of the Bench."""
        model = self.bench.model
        keys, leg = leg_keys(model), model.selected_leg
        if keys:
            at = keys.index(leg.name) if leg is not None and leg.name in keys else -step
            model.leg = keys[(at + step) % len(keys)]
            model.inspect.seq = 0
            self.bench.draw_now()

    def action_edit(self) -> None:
        """The script where the event's handler is."""
        model = self.bench.model
        moment = views.selected_moment(model, views.moments(model.inspected_leg))
        if moment is None or not moment.line:
            self.bench.say("this event has no line of the script", "warn")
        else:
            self.bench.edit(moment.file, moment.line)

    # --- the console ----------------------------------------------------------------------

    def action_type(self) -> None:
        """The keyboard to the console."""
        self.add_class("-side")
        self.give_keys_to(self.query_one(ConsoleLine))
        self.call_after_refresh(self.draw)

    @on(ConsoleLine.Typed)
    def evaluate(self, message: ConsoleLine.Typed) -> None:
        """Ask the engine."""
        leg = self.bench.model.inspected_leg
        if leg is None:
            self.bench.say("no call selected", "warn")
            return
        entry = views.ConsoleEntry(leg.name, message.text)
        self.bench.model.inspect.type_line(entry)
        self.query_one("#said", Follow).is_following = True
        self.bench.draw_now()
        self.bench.run_worker(self._ask(entry), group="console")

    async def _ask(self, entry: views.ConsoleEntry) -> None:
        text = entry.text
        command = Evaluate(entry.leg, text.removeprefix("!").strip(), text.startswith("!"))
        answered = await self.bench.link.ask(command)
        result = views.ConsoleEntry(entry.leg, text, answered.text, answered.ok)
        self.bench.model.inspect.answer(entry, result)
        self.bench.draw_now()

    # --- find and back --------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type what names or values shall contain."""
        self.add_class("-filtering")
        typed = self.query_one("#find", FilterLine)
        typed.value = self.bench.model.inspect.find
        self.give_keys_to(typed)

    @on(Input.Changed, "#find")
    def apply_filter(self, message: Input.Changed) -> None:
        """What is shown follows the typing."""
        self.bench.model.inspect.find = message.value
        self.bench.draw_now()

    @on(FilterLine.Left)
    def leave_line(self, message: FilterLine.Left) -> None:
        """The keyboard goes back to the values."""
        self.remove_class("-filtering")
        self.remove_class("-side")
        self.query_one("#tree").focus()
        self.call_after_refresh(self.draw)

    def step_back(self) -> bool:
        """Undo one thing: side pane, the text looked for, the filter, the event."""
        choice = self.bench.model.inspect
        if self.has_class("-narrow") and self.has_class("-side"):
            self.action_toggle_side()
        elif choice.find or choice.changed_only:
            choice.find, choice.changed_only = "", False
            self.bench.draw_now()
        elif choice.seq:
            self.action_now()
        else:
            return False
        return True
