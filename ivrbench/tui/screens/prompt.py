"""One line to type: whom to call, a string of keys, a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ivrbench.tui.bindings import PROMPT

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.app import Workbench

__all__ = ["PromptScreen"]


class PromptScreen(ModalScreen[str]):
    """Gives what was typed, None if esc was pressed.

    Args:
        title: what is asked for.
        hint: what may be typed.
        value: what stands there at first.
        is_secret: do not show what is typed.
    """

    BINDINGS = [*PROMPT]

    def __init__(self, title: str, hint: str, value: str = "", *, is_secret: bool = False) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._value = value
        self._is_secret = is_secret

    def compose(self) -> ComposeResult:
        """A box with one line."""
        with Vertical(id="prompt", classes="pane dialog"):
            typed = Input(
                self._value,
                id="typed",
                compact=True,
                select_on_focus=False,
                password=self._is_secret,
            )
            typed.cursor_blink = False
            yield typed
            yield Static(self._hint, id="prompt-hint", markup=False)

    def on_mount(self) -> None:
        """The keyboard belongs to the line."""
        box = self.query_one("#prompt")
        box.border_title = self._title.replace("[", "\\[")
        box.border_subtitle = "enter done  esc change nothing"
        self._own("prompt")

    def on_unmount(self) -> None:
        """And no more."""
        self._own("")

    def _own(self, owner: str) -> None:
        cast("Workbench", self.app).model.filter_owner = owner

    @on(Input.Submitted)
    def done(self, message: Input.Submitted) -> None:
        """It is typed."""
        self.dismiss(message.value.strip())

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss()
