"""Ladder (F3): every message of a call, its media, keys and script calls in one picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input, Label

from ivrbench.tui.bindings import LADDER
from ivrbench.tui.leg_files import LADDERS, save_ladder
from ivrbench.tui.screens.ask import AskScreen
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.views import ladder as views
from ivrbench.tui.views.legs import leg_keys
from ivrbench.tui.widgets.filter_line import FilterLine
from ivrbench.tui.widgets.pane import Pane
from ivrbench.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.observe.ladder import Ladder, Row
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = ["LadderScreen"]

MESSAGE_WIDTHS = (24, 100)
"""Narrowest and widest the message's pane can be made."""
_HINTS = "enter message  d SDP  m media  w time  x legs  space mark  s save"


class LadderScreen(FrameScreen):
    """The ladder of the selected leg, the selected message beside it."""

    MODE = "ladder"
    BINDINGS = [*LADDER]
    AUTO_FOCUS = "#ladder"
    BROWSES_PAUSED = True

    _message_width = 46
    _legs: list[LegView]
    _ladder: Ladder
    _rows: list[Row]

    def __init__(self) -> None:
        super().__init__()
        self._legs, self._rows = [], []

    def body(self) -> ComposeResult:
        """Ladder and message side by side."""
        with Horizontal(id="ladder-top"):
            yield Rows(id="ladder", hints=_HINTS)
            yield Pane(id="message")
        with Horizontal(id="find-bar"):
            yield Label(" find: ", id="find-label")
            yield FilterLine(id="find")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the selected leg's call."""
        if not self.is_paused:
            self._legs, self._ladder = views.picture(model, *model.ladder_legs)
        self._rows = views.shown_rows(model.ladder, self._ladder)
        rows = self.query_one("#ladder", Rows)
        if rows.display and rows.room.width:
            rows.titles(*views.ladder_title(model, self._ladder))
            rows.show(views.ladder_lines(model, self._ladder, rows.room.width))
        self._draw_message(model)

    def _draw_message(self, model: Model) -> None:
        pane = self.query_one("#message", Pane)
        if not pane.display or not pane.room.width:
            return
        width = pane.room.width
        # The digits are the call's while it has the keyboard.
        keys = "< >" if model.keys_owner == "call" else "9/0"
        pane.hints(f"t hide  {keys} width  y copy  r whole lines")
        marked = [row for row in self._ladder.rows if row.key in model.ladder.marks]
        if len(marked) == 2:
            pane.titles("diff of the two marks")
            pane.show(views.diff_lines(marked[0], marked[1], width))
            return
        row = views.selected_row(model.ladder, self._rows)
        pane.titles(f"{row.label}  ({row.leg})" if row else "message")
        pane.show(views.message_lines(model, self._legs, self._ladder, row, width))

    # --- choices ------------------------------------------------------------------------

    @on(Rows.Moved, "#ladder")
    def choose_row(self, message: Rows.Moved) -> None:
        """The message beside it follows; the last row stays the last one."""
        last = self._rows[-1].key if self._rows else ""
        self.bench.model.ladder.row = "" if message.key == last else message.key
        self.bench.draw_now()

    @on(Rows.Opened, "#ladder")
    def open_row(self, message: Rows.Opened) -> None:
        """Read the message; of a call of the script, show the messages it made."""
        row = views.selected_row(self.bench.model.ladder, self._rows)
        if row is not None and row.below:
            self.bench.model.ladder.row = row.key
            self._unfold(row.key)
            return
        self.remove_class("-hide-message")
        self.add_class("-show-message")
        self.query_one("#message").focus()
        self.call_after_refresh(self.draw)

    def action_last(self) -> None:
        """Follow what comes."""
        self.bench.model.ladder.row = ""
        self.bench.draw_now()

    def action_mark(self) -> None:
        """Mark the selected message, or take its mark away; a third mark begins anew."""
        choice = self.bench.model.ladder
        row = views.selected_row(choice, self._rows)
        if row is None or row.sip is None:
            self.bench.say("only messages can be compared", "warn")
            return
        if row.key in choice.marks:
            choice.marks = tuple(key for key in choice.marks if key != row.key)
        else:
            choice.marks = (row.key,) if len(choice.marks) == 2 else (*choice.marks, row.key)
        self.bench.draw_now()

    def action_times(self) -> None:
        """The next meaning of the times at the left."""
        choice = self.bench.model.ladder
        choice.times = (choice.times + 1) % len(views.TIMES)
        self.bench.draw_now()

    def action_fold(self) -> None:
        """Hide the messages that calls of the script made, or show all of them."""
        keys = [row.key for row in self._ladder.rows if row.below]
        if keys:
            are_open = set(keys) & set(self.bench.model.ladder.unfolded)
            self._unfold(*(are_open or keys))
        else:
            self.bench.say("no call of the script made a re-INVITE here", "warn")

    def _unfold(self, *keys: str) -> None:
        choice = self.bench.model.ladder
        choice.unfolded = tuple(set(choice.unfolded) ^ set(keys))
        self.bench.draw_now()

    def action_sdp(self) -> None:
        """Only messages with a session description, and back."""
        choice = self.bench.model.ladder
        choice.sdp_only = not choice.sdp_only
        self.bench.draw_now()

    def action_media(self) -> None:
        """RTP and keys, or not."""
        choice = self.bench.model.ladder
        choice.media = not choice.media
        self.bench.draw_now()

    def action_script(self) -> None:
        """What the script called, or not."""
        choice = self.bench.model.ladder
        choice.script = not choice.script
        self.bench.draw_now()

    def action_legs(self) -> None:
        """The whole call, or the selected leg alone."""
        choice = self.bench.model.ladder
        choice.joined = not choice.joined
        self.bench.draw_now()

    def action_whole(self) -> None:
        """Long lines go on below, or are cut."""
        choice = self.bench.model.ladder
        choice.whole = not choice.whole
        self.bench.draw_now()

    def action_step_leg(self, step: int) -> None:
        """The ladder of another leg, in the order of the Bench."""
        model = self.bench.model
        keys, leg = leg_keys(model), model.selected_leg
        if keys:
            at = keys.index(leg.name) if leg is not None and leg.name in keys else -step
            model.leg, model.marked_legs = keys[(at + step) % len(keys)], ()
            model.ladder.row, model.ladder.marks = "", ()
            self.is_paused = False
            self.bench.draw_now()

    # --- the message's pane ----------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a call has the keyboard its digits are digits: < and > are left for the width."""
        if action == "width" and self.bench.model.keys_owner == "call":
            return False
        return super().check_action(action, parameters)

    def action_side(self) -> None:
        """The message, or more room for the ladder."""
        self.toggle_class("-show-message" if self.has_class("-narrow") else "-hide-message")
        self.query_one("#ladder").focus()
        self.call_after_refresh(self.draw)

    def action_width(self, step: int) -> None:
        """As `action_border`, on keys that belong to a call while it has the keyboard."""
        self.action_border(step)

    def action_border(self, step: int) -> None:
        """Move the border between ladder and message."""
        low, high = MESSAGE_WIDTHS
        self._message_width = max(low, min(self._message_width + step, high))
        if self.has_class("-wide"):
            self.query_one("#message").styles.width = self._message_width
            self.call_after_refresh(self.draw)

    def action_copy(self) -> None:
        """The message as it was on the wire, or the diff."""
        row = views.selected_row(self.bench.model.ladder, self._rows)
        if row is not None and row.sip is not None and len(self.bench.model.ladder.marks) < 2:
            self.bench.copy(row.sip.raw.decode("utf-8", "replace"))
        else:
            pane = self.query_one("#message", Pane)
            self.bench.copy("\n".join(content.text.rstrip() for content in pane.lines))

    # --- files --------------------------------------------------------------------------

    def action_save(self) -> None:
        """Ask as what."""
        if not self._legs:
            self.bench.say("there is no call to save", "warn")
            return
        question = AskScreen(
            f"Save the ladder of {', '.join(self._ladder.legs[:4])}",
            f"In {Path.cwd()}",
            list(LADDERS),
            self.bench.model.glyphs,
        )
        self.bench.push_screen(question, partial(self._save, self._legs, self._ladder))

    def _save(self, legs: list[LegView], ladder: Ladder, extension: str | None) -> None:
        if extension:
            save_ladder(self.bench, legs, ladder, extension)

    # --- find ---------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type what the rows shall contain."""
        self.add_class("-filtering")
        typed = self.query_one("#find", FilterLine)
        typed.value = self.bench.model.ladder.find
        self.give_keys_to(typed)

    @on(Input.Changed, "#find")
    def apply_filter(self, message: Input.Changed) -> None:
        """What is shown follows the typing."""
        self.bench.model.ladder.find = message.value
        self.bench.draw_now()

    @on(FilterLine.Left)
    def leave_filter(self) -> None:
        """The keyboard goes back to the ladder."""
        self.remove_class("-filtering")
        self.query_one("#ladder").focus()

    def step_back(self) -> bool:
        """Undo one thing: the message on a narrow screen, marks, the text looked for."""
        choice = self.bench.model.ladder
        if self.has_class("-narrow") and self.has_class("-show-message"):
            self.action_side()
        elif choice.marks or choice.find:
            choice.marks, choice.find = (), ""
            self.bench.draw_now()
        else:
            return False
        return True
