"""The workbench: a Textual application on an engine's control socket."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
from collections import deque
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from ivrbench.clock import Clock, SystemClock
from ivrbench.errors import IvrbenchError
from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import Command, PlaceTestCall, TellPhone
from ivrbench.tui.actions import Actions
from ivrbench.tui.answering import Answering
from ivrbench.tui.beside import Beside
from ivrbench.tui.bindings import SCREENS
from ivrbench.tui.calling import Calling
from ivrbench.tui.cards import Cards
from ivrbench.tui.case_runs import CaseRuns
from ivrbench.tui.columns import columns_file, read_columns
from ivrbench.tui.keymap import keys_file, read_keys
from ivrbench.tui.link import Link
from ivrbench.tui.model import Model
from ivrbench.tui.news import News
from ivrbench.tui.screens.down import DownScreen
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.terminal import guarded_terminal, speaks_unicode
from ivrbench.tui.theme import ASCII, UNICODE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import tzinfo
    from typing import Any

    from textual.screen import Screen

    from ivrbench.tui.engine import EngineProcess
    from ivrbench.tui.link import Client

__all__ = ["Workbench", "run"]

PREPARE_INTERVAL_S = 0.15
"""Between two screens that are made beforehand: keys are answered meanwhile."""
MAX_KEYS_ON_WAY = 200
"""Keys of which is remembered who got them: more than a terminal sends at once."""
DRAW_INTERVAL_S = 0.1
"""The screen is drawn at most this often for what the engine says."""


def _screen_of(mode: str) -> Callable[[], Screen[Any]]:
    """What makes the screen of a mode; its module is loaded only then: the first frame shows the
    Bench alone."""

    def make() -> Screen[Any]:
        module = import_module(f"ivrbench.tui.screens.{mode}")
        screen: Screen[Any] = getattr(module, f"{mode.title()}Screen")()
        return screen

    return make


class Workbench(Actions):
    """Shows an engine and passes on what the person wants.

    Its result says what becomes of the engine: "stop", "drain", "keep", or "detach" if it is
    not ours to decide.

    Args:
        connect: makes a connection to the control socket.
        engine: the engine's process if it is ours, None if somebody else's.
        clock: for times shown; tests pass one that stands still.
        ascii_only: draw with ASCII only.
        zone: time zone of times shown, None for the machine's.
    """

    TITLE = "ivrbench"
    CSS_PATH = Path(__file__).parent / "styles" / "workbench.tcss"
    # Screens of any result type: Textual's own annotation.
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        mode: _screen_of(mode) for _, mode, _ in SCREENS
    }
    DEFAULT_MODE = "bench"
    control_socket = ""
    """Path of the engine's, for programs that are started beside."""
    prepares_screens = False
    """Make all screens soon after the start."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        engine: EngineProcess | None = None,
        *,
        clock: Clock | None = None,
        ascii_only: bool = False,
        zone: tzinfo | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.clock = clock or SystemClock()
        self.engine = engine
        self.model = Model(glyphs=ASCII if ascii_only else UNICODE, zone=zone)
        self.model.can_restart = engine is not None
        self.link = Link(self.model, connect, self.clock, self.request_draw, self._show_down)
        self.calling = Calling(self)
        self.answering = Answering(self)
        self.cards = Cards(self)
        self.beside = Beside(self)
        self.case_runs = CaseRuns(self)
        self._key_targets: deque[tuple[events.Key, Widget | None]] = deque(maxlen=MAX_KEYS_ON_WAY)
        self._draw_due = False
        self._drawn_at_s = 0.0
        self._owner_shown = ""
        self._loop_of_screen: asyncio.AbstractEventLoop | None = None
        self._context_of_screen = contextvars.Context()
        self._page_had_focus = self._was_blurred = False

    def on_load(self) -> None:
        """Let tasks begin when it is their turn, on every Python alike.

        Textual lets them begin at once from Python 3.12 on. A mode's screen is then made before
        it is on the stack, and the first widget that asks for the application's screen raises.
        """
        asyncio.get_running_loop().set_task_factory(None)
        # What a crash leaves belongs on the terminal: on standard error it would be noise.
        self.error_console.file = sys.__stderr__ or sys.stderr

    def on_unmount(self) -> None:
        """Leave nothing behind."""
        self.calling.forget()
        self.beside.close()

    def on_mount(self) -> None:
        """Connect, and keep the clock on the screen going."""
        self._loop_of_screen = asyncio.get_running_loop()
        self._context_of_screen = contextvars.copy_context()
        keys, problems = read_keys(keys_file(os.environ))
        self.set_keymap(keys)
        self.model.leg_columns, problem = read_columns(columns_file(os.environ))
        for text in [*problems[:1], *([problem] if problem else [])]:
            self.say(text, "warn")
        self.run_worker(self.link.run(), name="link")
        self.set_interval(1.0, self.request_draw)
        if self.prepares_screens:
            self.run_worker(self.prepare_screens(), name="prepare")

    async def prepare_screens(self) -> None:
        """Make the screens before they are asked for: the first look is as quick as the next."""
        for mode in self.MODES:
            await asyncio.sleep(PREPARE_INTERVAL_S)
            # Textual has no public way; without this one they are made when they are shown.
            with contextlib.suppress(AttributeError):
                if mode not in self._screen_stacks:
                    await self._init_mode(mode)
                    self._screen_stacks[mode][0]._css_update_count = self._css_update_count

    # --- typing -------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Keys that were typed behind the one that opened a line belong to that line.

        They were on their way to another widget when it got the keyboard, and come back from
        there as if they were commands.
        """
        if isinstance(event, events.Key):
            if not event.is_forwarded:
                self._key_targets.append((event, self.focused))
            elif isinstance(self.focused, Input) and self._was_for_another(event):
                again = events.Key(event.key, event.character)
                again._set_forwarded()
                self.focused.post_message(again)
                return
        await super().on_event(event)

    def _was_for_another(self, event: events.Key) -> bool:
        targets = (target for key, target in self._key_targets if key is event)
        return next(targets, self.focused) is not self.focused

    # --- drawing ------------------------------------------------------------------------

    def on_app_focus(self) -> None:
        """The terminal, or the page, has the keyboard."""
        self._page_had_focus = True

    def on_app_blur(self, event: events.AppBlur) -> None:
        """It has not. What Textual supposes of a page as it starts counts only before the page says
        where the keyboard is: on a busy machine that comes first.
        """
        if self.is_web and self._page_had_focus and not self._was_blurred:
            event.prevent_default()
        self._was_blurred = True

    def watch_app_focus(self, focus: bool) -> None:
        """A page of a browser has not the keyboard while it is made: nothing has the focus then."""
        if focus and self.is_running and self.screen.focused is None:
            wanted = self.screen.query(self.screen.AUTO_FOCUS or "*").results(Widget)
            self.screen.set_focus(next((widget for widget in wanted if widget.focusable), None))

    def request_draw(self) -> None:
        """Draw soon: at once, unless that was less than `DRAW_INTERVAL_S` ago."""
        if self._draw_due or not self.is_running:
            return
        self._draw_due = True
        wait_s = self._drawn_at_s + DRAW_INTERVAL_S - self.clock.now()
        if wait_s <= 0:
            self.call_later(self.draw_now)
        else:
            self.set_timer(wait_s, self.draw_now)

    def draw_now(self) -> None:
        """Draw what changed; what the person does is not kept waiting."""
        self._draw_due = False
        if not self.is_running:
            return
        self._drawn_at_s = self.clock.now()
        self.calling.tick()
        self.case_runs.tick()
        for screen in reversed(self.screen_stack):
            if isinstance(screen, DownScreen):
                self._draw_down(screen)
            elif isinstance(screen, FrameScreen):
                screen.draw()
                break
        if self.model.keys_owner != self._owner_shown:
            self._owner_shown = self.model.keys_owner
            self.screen.refresh_bindings()
        self._watch()

    def _watch(self) -> None:
        """Let the engine tell more of the legs that are shown, and of no others."""
        names = self.model.watched_legs
        shown = self.model.inspected_leg if self.current_mode == "inspect" else None
        inspected = (shown.name,) if shown is not None and shown.ended is None else ()
        if self.link.wants_watch(names, inspected):
            # A function: the coroutine is made when it starts, which a newer one may prevent.
            watch = partial(self.link.watch, names, inspected)
            self.run_worker(watch, group="watch", exclusive=True)  # type: ignore[arg-type]

    def _draw_down(self, screen: DownScreen) -> None:
        if self.model.link == "up" and screen.is_current:
            screen.dismiss(None)
        else:
            screen.draw()

    def take_noise(self, text: str) -> None:
        """A library or a child process wrote on standard error; called on another thread."""
        try:
            if self._loop_of_screen is not None:
                # Textual finds its application in the context: the thread has none.
                context = self._context_of_screen.copy()
                self._loop_of_screen.call_soon_threadsafe(self._log_noise, text, context=context)
        except RuntimeError:
            pass  # the screen is gone, and its log with it

    def _log_noise(self, text: str) -> None:
        self.model.log_noise(text, self.clock.wall())
        self.request_draw()

    def say(self, text: str, role: str = "") -> None:
        """Put a sentence on the strip."""
        self.model.news = News(self.clock.wall(), text, role)
        self.draw_now()

    # --- the engine ---------------------------------------------------------------------

    def ask(self, command: Command) -> None:
        """Ask the engine to do something; its answer goes on the strip."""
        if self.model.link == "down":
            self._show_down()
        else:
            self.run_worker(self._ask(command), group="ask")

    async def _ask(self, command: Command) -> None:
        answered = await self.link.ask(command)
        if not answered.ok:
            self.model.dialling = False
            self.say(f"{self.model.glyphs.bad} {answered.text}", "bad")
            return
        if isinstance(command, PlaceTestCall) and not command.answers:
            self.model.dialling = False
            self.model.begin_test_call(answered.phone)
            self.model.follow_test_call(answered.leg)
        placed = isinstance(command, PlaceTestCall) and not command.answers
        if answered.text and not placed and not isinstance(command, TellPhone):
            self.say(answered.text, "ok")
        self.draw_now()

    def _show_down(self) -> None:
        """The engine is gone: say why, over whatever is on the screen."""
        self._ask_the_dead()
        if not any(isinstance(screen, DownScreen) for screen in self.screen_stack):
            self.push_screen(DownScreen(self.model, self.clock, self.start_again), self._after_down)

    def _ask_the_dead(self) -> None:
        if self.engine is not None:
            self.model.engine_exit = self.engine.exit_code
            self.model.engine_lines = self.engine.last_log()

    def _after_down(self, choice: str | None) -> None:
        if choice == "log":
            self.action_go("log")
        elif choice == "quit":
            self.exit("detach")

    def start_again(self) -> None:
        """Start our engine again, or look for one that is not ours."""
        self.run_worker(self._start_again(), group="restart", exclusive=True)

    async def _start_again(self) -> None:
        if self.engine is not None and self.engine.exit_code is not None:
            try:
                await asyncio.to_thread(self.engine.start)
            except (IvrbenchError, OSError) as error:
                self.model.down_reason = str(error)
                self._ask_the_dead()
                self.draw_now()
                return
        self.link.again()


def run(
    control_socket: str, *, engine: EngineProcess | None = None, in_browser: bool = False
) -> int:
    """Show the engine behind a control socket until the person leaves.

    Args:
        control_socket: its path.
        engine: its process if it was started for this workbench. It is released if it shall go
            on; otherwise the caller stops it afterwards.
        in_browser: a browser shows it, and standard input and output are the way to there.

    Returns:
        The exit code: 0, or Textual's own if the workbench crashed.
    """
    ascii_only = not in_browser and not speaks_unicode()
    app = Workbench(partial(ControlClient.connect, control_socket), engine, ascii_only=ascii_only)
    app.control_socket = control_socket
    app.prepares_screens = True
    with contextlib.nullcontext() if in_browser else guarded_terminal(app.take_noise):
        choice = app.run()
    if engine is not None and choice in ("keep", "drain"):
        engine.release()
        how = "keeps serving" if choice == "keep" else "ends with its last call"
        sys.stdout.write(f"The engine {how}. ivrbench --attach {control_socket} comes back.\n")
    return app.return_code or 0
