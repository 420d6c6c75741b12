"""Call (F4): the test phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical

from ivrbench.tui.bindings import CALL
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.text import line
from ivrbench.tui.views import call as views
from ivrbench.tui.views.dial import dial_lines
from ivrbench.tui.views.feel import feel_text
from ivrbench.tui.views.leg import playlist_lines
from ivrbench.tui.widgets.follow import Follow
from ivrbench.tui.widgets.keypad import Keypad
from ivrbench.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.model import Model

__all__ = ["CallScreen"]

_HINTS = "h hang up  m mute  x hold  t transfer  ^T type keys  s save what was heard"


class CallScreen(FrameScreen):
    """Dial box and keypad at the left; the call and what its script does at the right."""

    MODE = "call"
    BINDINGS = [*CALL]
    AUTO_FOCUS = "#doing"

    def body(self) -> ComposeResult:
        """Two columns."""
        with Horizontal(id="call-top"):
            with Vertical(id="phone"):
                yield Pane(id="dial", hints="c call  r redial")
                yield Keypad(id="keypad", hints="^T type a string of keys")
            with Vertical(id="talk"):
                yield Pane(id="call", hints=_HINTS)
                yield Follow(id="doing", hints="end follow  e edit at the last line")
                with Horizontal(id="call-bottom"):
                    yield Pane(id="call-playlist")
                    yield Pane(id="history")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the phone, its call, and the call's script."""
        self.set_class(model.big_meters, "-big-meters")
        dial, pad = self.query_one("#dial", Pane), self.query_one("#keypad", Keypad)
        dial.titles("Dial")
        dial.show(dial_lines(model, dial.room.width))
        pad.titles("Keys")
        keys = views.keypad_lines(model, pad.room.width, pad.room.height)
        pad.show([*keys, line(""), *views.sent_lines(model, pad.room.width)])
        call = self.query_one("#call", Pane)
        call.titles(*views.call_title(model, now_s))
        call.show(views.call_lines(model, call.room.width))
        doing = self.query_one("#doing", Follow)
        feel = feel_text(model, doing.room.width - 16)
        doing.titles("Script" if feel else "What the script does", feel)
        doing.show(views.script_lines(model, doing.room.width))
        self._draw_bottom(model)

    def _draw_bottom(self, model: Model) -> None:
        playlist, history = self.query_one("#call-playlist", Pane), self.query_one("#history", Pane)
        if not playlist.display or not playlist.room.width:
            return
        leg = model.phone_leg
        playlist.titles("Playlist")
        nothing = [line(("  no call", "dim"))]
        room = playlist.room
        playlist.show(playlist_lines(model, leg, room.width, room.height) if leg else nothing)
        history.titles("Levels", "dBFS, last 20 s")
        history.show(views.level_history_lines(model, history.room.width))

    def on_keypad_pressed(self, message: Keypad.Pressed) -> None:
        """A key was clicked: it goes to the call, whoever has the keyboard."""
        model = self.bench.model
        if model.phone_is_up:
            model.send_key(message.key)
            self.bench.calling.tell("press", message.key)
        else:
            self.bench.say("no test call is up: c makes one", "warn")
        self.bench.draw_now()

    # --- keys ---------------------------------------------------------------------------

    def action_call(self) -> None:
        """Call whom the dial box names."""
        target = self.bench.model.dial_target
        if target:
            self.bench.calling.dial(target)
        else:
            self.bench.calling.ask_target()

    def action_dial_to(self) -> None:
        """Call somebody else."""
        self.bench.calling.ask_target()

    def action_mute(self) -> None:
        """The caller's voice off, and on."""
        self.bench.calling.toggle("mute")

    def action_hold(self) -> None:
        """Put the script on hold by a re-INVITE, and take it off."""
        self.bench.calling.toggle("hold")

    def action_way(self) -> None:
        """RFC 4733, INFO, in-band."""
        self.bench.calling.next_way()

    def action_voice(self) -> None:
        """What the caller says."""
        self.bench.calling.ask_voice()

    def action_sound(self) -> None:
        """Microphone, loudspeaker, or no sound card."""
        self.bench.cards.ask()

    def action_codec(self) -> None:
        """What is offered next time."""
        self.bench.calling.next_codec()

    def action_transfer(self) -> None:
        """Send the script on to somebody else."""
        self.bench.calling.ask_transfer()

    def action_refuse(self) -> None:
        """Refuse the call that rings."""
        self.bench.answering.ask_refusal()

    def action_takes(self) -> None:
        """What becomes of calls that scripts make."""
        self.bench.answering.ask_takes()

    def action_next_phone(self) -> None:
        """Another of several test calls."""
        self.bench.calling.next_phone()

    def action_network(self) -> None:
        """Loss, delay, jitter."""
        self.bench.calling.ask_network()

    def action_edit(self) -> None:
        """The script, at the line where it was last."""
        model = self.bench.model
        place = views.last_place(model)
        if place is None:
            self.bench.say("no call of a script of ours yet", "warn")
        else:
            self.bench.edit(*place)

    def action_save(self) -> None:
        """What was heard, as a file."""
        self.bench.calling.save_heard()

    def action_copy(self) -> None:
        """What the script did."""
        lines = self.query_one("#doing", Follow).lines
        self.bench.copy("\n".join(content.text.rstrip() for content in lines))

    def step_back(self) -> bool:
        """Nothing of this screen is to be undone."""
        return False
