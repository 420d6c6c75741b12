"""What every full screen has: status and tabs above, call strip and keys below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Static

from ivrbench.tui.views.frame import status_line, strip_line
from ivrbench.tui.widgets.filter_line import FilterLine
from ivrbench.tui.widgets.keys import KeyLine
from ivrbench.tui.widgets.line import OneLine
from ivrbench.tui.widgets.pane import Pane
from ivrbench.tui.widgets.tabs import Tabs

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.app import Workbench
    from ivrbench.tui.model import Model

__all__ = ["FrameScreen"]

TOO_SMALL = "ivrbench needs a terminal of 80×24 or more. ivrbench --plain works anywhere."


class FrameScreen(Screen[None]):
    """Base of the screens on F-keys."""

    MODE: ClassVar[str] = ""
    BROWSES_PAUSED: ClassVar[bool] = False
    """The body is drawn from what it showed before while it is paused."""
    HALVES: ClassVar[tuple[str, str]] = ("", "")
    """What has the keyboard in either half of a screen that shows one at a time where it is
    narrow: the body itself, and its side."""
    is_paused = False
    """The body stands still while events go on."""
    HORIZONTAL_BREAKPOINTS = [
        (0, "-tiny"),
        (80, "-narrow"),
        (100, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high")]

    def compose(self) -> ComposeResult:
        """Frame around the screen's own `body`."""
        yield OneLine(id="status")
        yield Tabs(self.MODE)
        with Vertical(id="body"):
            yield from self.body()
        yield OneLine(id="strip")
        yield KeyLine()
        yield Static(TOO_SMALL, id="too-small")

    def body(self) -> ComposeResult:
        """The screen's own widgets."""
        raise NotImplementedError

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show the model in the screen's own widgets."""
        raise NotImplementedError

    def step_back(self) -> bool:
        """Undo one thing of this screen; False if there is nothing."""
        raise NotImplementedError

    @property
    def bench(self) -> Workbench:
        """The application, with its own type."""
        return cast("Workbench", self.app)

    def draw(self) -> None:
        """Show the model; only what is visible and changed is drawn."""
        if not self.is_mounted or not self.size:
            return  # shown first after this, when everything is composed
        model, now_s = self.bench.model, self.bench.clock.wall()
        for widget in self.query(Pane):
            widget.glyphs = model.glyphs
        status, strip = self.query_one("#status", OneLine), self.query_one("#strip", OneLine)
        for one in self.query(OneLine):
            one.glyphs = model.glyphs
        status.show(status_line(model, now_s, self.size.width))
        paused = self._pause_text(model) if self.is_paused else ""
        strip.show(strip_line(model, now_s, self.size.width, paused))
        if not self.is_paused or self.BROWSES_PAUSED:
            self.draw_body(model, now_s)

    def action_zoom(self) -> None:
        """The focused pane alone, and back."""
        is_zoomed = not self.has_class("-zoom")
        pane = self.focused
        if is_zoomed and not isinstance(pane, Pane):
            return
        self.set_class(is_zoomed, "-zoom")
        shown = pane.ancestors_with_self if is_zoomed and pane is not None else ()
        for widget in self.query("#body *"):
            widget.set_class(widget in shown, "-zoomed")
        self.call_after_refresh(self.draw)

    def give_keys_to(self, line: FilterLine) -> None:
        """Let a line that may just have appeared be typed into, at once.

        `focus()` comes a moment later: what is typed until then would be commands.
        """
        self.app.stylesheet.update(self)
        self.set_focus(line)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """On a wide screen both halves are there."""
        if action == "toggle_side":
            return self.has_class("-narrow")
        return super().check_action(action, parameters)

    def action_toggle_side(self) -> None:
        """On a narrow screen: the other half."""
        self.toggle_class("-side")
        self.query_one(self.HALVES[self.has_class("-side")]).focus()
        self.call_after_refresh(self.draw)

    def action_pause(self) -> None:
        """Let the body stand still, or go on."""
        self.is_paused = not self.is_paused
        self._paused_at_seq = self.bench.model.history.seq
        self.bench.draw_now()

    def _pause_text(self, model: Model) -> str:
        newer = model.history.seq - self._paused_at_seq
        return f"view paused {model.glyphs.dot} {newer} events since {model.glyphs.dot} esc goes on"

    def on_mount(self) -> None:
        """The glyph set decides the borders."""
        self.set_class(self.bench.model.glyphs.is_ascii, "-ascii")

    _paused_at_seq = 0

    def on_screen_resume(self) -> None:
        """Shown again: it was not drawn while it was away."""
        self.set_class(self.bench.model.glyphs.is_ascii, "-ascii")
        self._settle_owner()
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        """Lines are made for a width."""
        self.call_after_refresh(self.draw)

    def on_descendant_focus(self) -> None:
        """A filter that gets the focus owns the keyboard."""
        self._settle_owner()

    def on_descendant_blur(self) -> None:
        """The keyboard goes back."""
        self._settle_owner()

    def _settle_owner(self) -> None:
        if not self.is_current:
            return  # a screen that is made beforehand has a focus too
        model = self.bench.model
        typing = self.focused
        model.filter_owner = typing.OWNER if isinstance(typing, FilterLine) else ""
        self.refresh_bindings()
        self.bench.request_draw()
