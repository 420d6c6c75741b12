"""Record (R): how a call becomes a test, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from textual import on
from textual.containers import Grid, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Checkbox, Input, Static

from ivrbench.observe.case_secrets import asked_for_secret
from ivrbench.observe.case_source import Checks, case_file, case_name, case_source
from ivrbench.tui.case_keys import RECORD

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.observe.case import Case
    from ivrbench.tui.app import Workbench

__all__ = ["Check", "RecordScreen", "Wanted"]

SOON_MS = 400
"""How soon after its key a prompt has to begin, where that is checked."""

_CHECKS = (
    ("prompts", "prompts, in order", True),
    ("keys", "keys reach the script", True),
    ("legs", "legs and SIP codes", True),
    ("audio", "audio (fingerprint)", False),
    ("end", "who hangs up", True),
    ("latency", f"latency: key to sound {SOON_MS} ms", False),
    ("said", "what the caller said (files)", False),
    ("masks", "hide the numbers pressed", False),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was chosen."""

    file: str
    name: str
    checks: Checks


class Check(Checkbox):
    """A box that says without colour whether it is checked."""

    BUTTON_INNER = " "

    def watch_value(self) -> None:
        """The sign follows the value."""
        self.BUTTON_INNER = "X" if self.value else " "
        super().watch_value()


class RecordScreen(ModalScreen[Wanted | None]):
    """Gives file, name and checks of the test, None if it is not wanted.

    Args:
        case: the call.
        leg: its name.
    """

    BINDINGS = [*RECORD]

    def __init__(self, case: Case, leg: str) -> None:
        super().__init__()
        self._case = case
        self._leg = leg

    def compose(self) -> ComposeResult:
        """Two lines, eight boxes, and the test as it would be written."""
        with Vertical(id="record", classes="pane dialog"):
            yield _line(case_file(self._case), "record-file")
            yield _line(case_name(self._case), "record-name")
            with Grid(id="record-checks"):
                for name, text, is_on in _CHECKS:
                    yield Check(text, is_on, id=f"check-{name}", compact=True)
            with VerticalScroll(id="record-source", can_focus=False):
                yield Static(id="record-text", markup=False)
            yield Static(self._note(), id="record-note", markup=False)

    def on_mount(self) -> None:
        """The keyboard belongs to the lines."""
        box = self.query_one("#record")
        box.border_title = f"Record {self._leg} as a pytest"
        box.border_subtitle = "enter write  tab next field  space check  esc cancel"
        cast("Workbench", self.app).model.filter_owner = "prompt"
        self._show()

    def on_unmount(self) -> None:
        """And no more."""
        cast("Workbench", self.app).model.filter_owner = ""

    def _note(self) -> str:
        notes = "".join(f"! {note}\n" for note in self._case.notes)
        prompt = asked_for_secret(self._case)
        if prompt:
            notes += f"! numbers pressed after {prompt} are in the test, unless hidden\n"
        return f"{notes}runs on a virtual clock: {self._case.lasted_s:.0f} s of call in a moment"

    def _wanted(self) -> Wanted:
        on_ = {name: self.query_one(f"#check-{name}", Checkbox).value for name, *_ in _CHECKS}
        latency_ms = SOON_MS if on_.pop("latency") else 0
        return Wanted(
            self.query_one("#record-file", Input).value.strip(),
            self.query_one("#record-name", Input).value.strip(),
            Checks(**on_, latency_ms=latency_ms),
        )

    def _show(self) -> None:
        wanted = self._wanted()
        zone = cast("Workbench", self.app).model.zone
        source = case_source(self._case, wanted.name or "test_…", wanted.checks, zone)
        self.query_one("#record-text", Static).update(source)

    @on(Checkbox.Changed, "#check-masks")
    def masked(self, event: Checkbox.Changed) -> None:
        """The name that was made up has the keys in it."""
        line = self.query_one("#record-name", Input)
        if line.value == case_name(self._case, Checks(masks=not event.value)):
            line.value = case_name(self._case, Checks(masks=event.value))

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def changed(self) -> None:
        """The test follows what is chosen."""
        self._show()

    @on(Input.Submitted)
    def action_write(self) -> None:
        """Write it, if it has names."""
        wanted = self._wanted()
        if not wanted.name.isidentifier() or not wanted.name.startswith("test_"):
            self._complain("record-name", "test_… in letters, digits and _")
        elif not wanted.file.endswith(".py"):
            self._complain("record-file", "a file named test_….py")
        else:
            self.dismiss(wanted)

    def _complain(self, field: str, text: str) -> None:
        self.query_one("#record-note", Static).update(f"! {text}")
        self.query_one(f"#{field}").focus()

    def action_leave(self) -> None:
        """Write nothing."""
        self.dismiss(None)


def _line(value: str, id: str) -> Input:
    made = Input(value, id=id, compact=True, select_on_focus=False)
    made.cursor_blink = False
    return made
