"""What the keys do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, cast

from textual.app import App, SuspendNotSupported
from textual.filter import Monochrome, NoColor

from ivrbench.observe.commands import ReloadScripts
from ivrbench.tui import bindings
from ivrbench.tui.leaving import change, hang_up, leave
from ivrbench.tui.model import DTMF_KEYS
from ivrbench.tui.new_script import ask_template
from ivrbench.tui.outside import clipboard_file, editor_command
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.screens.help import HelpScreen
from ivrbench.tui.theme import ASCII, UNICODE
from ivrbench.tui.views.help import help_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import SystemCommand
    from textual.binding import Binding
    from textual.screen import Screen

    from ivrbench.observe.commands import Command
    from ivrbench.tui.app import Workbench
    from ivrbench.tui.model import Model
    from ivrbench.tui.widgets.tabs import Tabs

__all__ = ["Actions"]


class Actions(App[str]):
    """The part of the workbench that answers keys, clicks and the command palette."""

    BINDINGS = [*bindings.APP]
    model: Model

    @property
    def workbench(self) -> Workbench:
        """This application, with its own type."""
        return cast("Workbench", self)

    def draw_now(self) -> None:
        """Draw what changed."""
        raise NotImplementedError

    def say(self, text: str, role: str = "") -> None:
        """Put a sentence on the strip."""
        raise NotImplementedError

    def ask(self, command: Command) -> None:
        """Ask the engine to do something."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """DTMF keys work only while the strip says so."""
        if action == "press":
            return self.model.keys_owner == "call"
        return super().check_action(action, parameters)

    # --- screens ------------------------------------------------------------------------

    def action_go(self, mode: str) -> None:
        """Another screen."""
        if mode != self.current_mode:
            self.switch_mode(mode)

    def action_step_screen(self, step: int) -> None:
        """The next screen, going round."""
        modes = [mode for _, mode, _ in bindings.SCREENS]
        self.action_go(modes[(modes.index(self.current_mode) + step) % len(modes)])

    def on_tabs_chosen(self, message: Tabs.Chosen) -> None:
        """A screen's name was clicked."""
        self.action_go(message.mode)

    async def action_back(self) -> None:
        """Undo one thing: filter or zoom, the call's keyboard, the screen."""
        screen = self.screen
        if isinstance(screen, FrameScreen) and screen.is_paused:
            screen.action_pause()
            return
        if isinstance(screen, FrameScreen) and screen.has_class("-zoom"):
            screen.action_zoom()
            return
        if isinstance(screen, FrameScreen) and screen.step_back():
            return
        if self.model.keys_to_call:
            self.model.keys_to_call = False
            self.draw_now()
        else:
            self.action_go("bench")

    # --- calls --------------------------------------------------------------------------

    def action_press(self, key: str) -> None:
        """A key for the test call."""
        if key in DTMF_KEYS:
            self.workbench.calling.press(key)

    def action_give_keys(self) -> None:
        """The keyboard to the test call."""
        if self.model.give_keys():
            self.draw_now()
        else:
            self.say("no test call is up: c calls the selected script", "warn")

    def action_dial(self) -> None:
        """Call the selected script."""
        script = self.model.selected_script
        if script is None:
            self.say("there is no script to call", "warn")
        elif script.is_helper:
            self.say(f"{script.name} is a helper, not an application", "warn")
        else:
            self.dial(script.name)

    def dial(self, name: str) -> None:
        """Call a script with the test phone; it is the selected one from now on."""
        if name in self.model.history.scripts:
            self.model.select_script(name)
        self.workbench.calling.dial(name)

    def action_answer(self) -> None:
        """Answer the call that rings at the test phone."""
        self.workbench.answering.answer()

    def action_redial(self) -> None:
        """The last test call again, with the same keys."""
        self.workbench.calling.redial()

    def action_redial_on_reload(self) -> None:
        """That after each good reload, or not."""
        self.workbench.calling.toggle_redial_on_reload()

    def action_type_keys(self) -> None:
        """A string of keys for the test call."""
        self.workbench.calling.ask_keys()

    def action_hang_up(self) -> None:
        """End the selected call; not a test call: ask first."""
        hang_up(self.workbench)

    def action_record(self) -> None:
        """Write the selected call down as a test."""
        self.workbench.case_runs.record()

    async def action_leave(self) -> None:
        """Leave; ask what becomes of calls that are not ours."""
        await leave(self.workbench)

    # --- scripts ------------------------------------------------------------------------

    def action_reload(self) -> None:
        """Load the selected script again."""
        script = self.model.selected_script
        name = script.name if script else ""
        self.change(ReloadScripts(name), f"load {name or 'all scripts'} again")

    def action_reload_all(self) -> None:
        """Load every script again."""
        self.change(ReloadScripts(), "load all scripts again")

    def action_new_script(self) -> None:
        """Write one from a template."""
        ask_template(self.workbench)

    def change(self, command: Command, what: str) -> None:
        """Change what callers get; an engine that is not ours asks first.

        Args:
            command: the change.
            what: it in words: "roll menu back to @3".
        """
        change(self.workbench, command, what)

    def open_script(self, name: str) -> None:
        """Show a script."""
        self.model.select_script(name)
        self.action_go("script")
        self.draw_now()

    # --- help, palette, clipboard, editor -----------------------------------------------

    def action_help(self) -> None:
        """What this screen means."""
        screen = self.screen
        if isinstance(screen, FrameScreen):
            # A binding with two keys comes twice.
            keys = list(dict.fromkeys((self.get_key_display(b), b.tooltip) for b in _bound(screen)))
            path = self.model.history.engine.script_path
            lines = help_lines(screen.MODE, keys, path, self.model.glyphs)
            self.push_screen(HelpScreen(f"Help: {screen.MODE.title()}", lines, self.model.glyphs))

    def action_ascii(self) -> None:
        """ASCII signs instead of Unicode, and back."""
        self.model.glyphs = UNICODE if self.model.glyphs.is_ascii else ASCII
        for screen in self.screen_stack:
            screen.set_class(self.model.glyphs.is_ascii, "-ascii")
        self.call_after_refresh(self.draw_now)

    def action_plain_colours(self) -> None:
        """Grey only, as with NO_COLOR, and back."""
        plain = [each for each in self._filters if isinstance(each, Monochrome | NoColor)]
        for each in plain:
            self._filters.remove(each)
        if not plain:
            self._filters.append(NoColor() if self.native_ansi_color else Monochrome())
        self.refresh_css(animate=False)

    def action_bigger_meters(self) -> None:
        """Two rows for each level of the test call, and back."""
        self.model.big_meters = not self.model.big_meters
        self.action_go("call")
        self.call_after_refresh(self.draw_now)

    def action_clear_done(self) -> None:
        """Take the calls that are over off the screen."""
        self.model.history.done.clear()
        self.draw_now()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette."""
        from ivrbench.tui import palette  # not before somebody opens it

        return palette.commands(self.workbench)

    def copy(self, text: str) -> None:
        """To the clipboard, and to a file for terminals that do not take it."""
        self.copy_to_clipboard(text)
        file = clipboard_file(os.environ)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            self.say(f"copied; {file} could not be written: {error.strerror}", "warn")
        else:
            self.say(f"copied, also to {file}")

    def edit(self, file: str, line: int) -> None:
        """Give the terminal to the person's editor."""
        command = editor_command(os.environ, file, line)
        try:
            with self.suspend():
                # Ours are pipes: what is on the screen is not to be written over.
                out, err = sys.__stdout__, sys.__stderr__
                subprocess.run(command, check=False, stdout=out, stderr=err)
        except OSError as error:
            self.say(f"{command[0]} does not start: {error.strerror}. Set $EDITOR.", "bad")
        except SuspendNotSupported:
            self.say(f"there is no editor in a browser: open {file}, line {line}", "warn")
        self.refresh()


def _bound(screen: FrameScreen) -> list[Binding]:
    """Bindings that work on the screen now, without the keys of the phone."""
    active = (entry.binding for entry in screen.active_bindings.values())
    return [binding for binding in active if binding.tooltip and "dtmf" not in (binding.id or "")]
