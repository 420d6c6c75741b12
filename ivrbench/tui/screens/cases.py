"""Cases (F8): recorded calls as tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from ivrbench.errors import ControlError
from ivrbench.tui.case_keys import CASES
from ivrbench.tui.cases import CASES_FOLDER, delete_case
from ivrbench.tui.screens.ask import AskScreen
from ivrbench.tui.screens.frame import FrameScreen
from ivrbench.tui.screens.script import ScriptScreen
from ivrbench.tui.views.cases import case_lines, detail_lines, first_place, versions_of
from ivrbench.tui.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ivrbench.tui.model import Model

__all__ = ["CasesScreen"]


class CasesScreen(FrameScreen):
    """The cases, and what the last run of the selected one said."""

    MODE = "cases"
    BINDINGS = [*CASES]
    AUTO_FOCUS = "#cases"

    def body(self) -> ComposeResult:
        """Cases above, the selected one below."""
        yield Rows(id="cases", hints="enter run  a run all  l hear it  e edit  X delete")
        yield Rows(id="case")

    def draw_body(self, model: Model, now_s: float) -> None:
        """Show them."""
        rows, detail = self.query_one("#cases", Rows), self.query_one("#case", Rows)
        on_off = "on" if model.cases.runs_on_reload else "off"
        rows.titles(f"Cases  {CASES_FOLDER}", f"w run on reload [{on_off}]")
        rows.show(case_lines(model, rows.room.width))
        case = model.cases.case
        detail.titles(case.name if case else "", f"{case.file}:{case.line}" if case else "")
        detail.show(detail_lines(model))
        place = model.cases.place or (first_place(case) if case else "")
        opens = f"enter opens {place}  " if place else ""
        detail.hints(f"{opens}d diff  y copy" if case and case.message else "")

    def on_screen_resume(self) -> None:
        """Files may have changed meanwhile."""
        self.bench.model.cases.look()
        super().on_screen_resume()

    @on(Rows.Moved, "#cases")
    def choose(self, message: Rows.Moved) -> None:
        """Another case."""
        self.bench.model.cases.selected, self.bench.model.cases.place = message.key, ""
        self.bench.draw_now()

    @on(Rows.Moved, "#case")
    def choose_place(self, message: Rows.Moved) -> None:
        """Another line of a file that the last run named."""
        self.bench.model.cases.place = message.key
        self.bench.draw_now()

    @on(Rows.Opened, "#case")
    def open_place(self, message: Rows.Opened) -> None:
        """That line, in the person's editor."""
        case, history = self.bench.model.cases.case, self.bench.model.history
        name, _, number = message.key.rpartition(":")
        folders = [Path(), Path(history.engine.script_path), case.file.parent if case else Path()]
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if found is None:
            self.bench.say(f"there is no {name} in {history.engine.script_path}", "warn")
        else:
            self.bench.edit(str(found), int(number))

    @on(Rows.Opened, "#cases")
    def run_it(self, message: Rows.Opened) -> None:
        """Run the selected case."""
        model = self.bench.model
        self.bench.case_runs.run([each for each in model.cases.rows if each.key == message.key])

    def action_run_all(self) -> None:
        """Run every case."""
        model = self.bench.model
        model.cases.look()
        self.bench.case_runs.run(model.cases.rows)

    def action_on_reload(self) -> None:
        """Run them at each reload, or not."""
        self.bench.model.cases.toggle_runs_on_reload()
        self.bench.draw_now()

    def action_hear(self) -> None:
        """Call its script with the test phone: the same keys at the same moments."""
        case = self.bench.model.cases.case
        if case is not None:
            self.bench.case_runs.hear(case)

    def action_diff(self) -> None:
        """What changed in its script since it passed."""
        case, model = self.bench.model.cases.case, self.bench.model
        versions = versions_of(model, case) if case else None
        if case is None or versions is None:
            self.bench.say("there is no version before to compare with", "warn")
            return
        before, shown = versions
        model.select_script(case.script)
        model.generation, model.marked_generation = shown.generation, before.generation
        self.bench.action_go("script")
        if isinstance(self.bench.screen, ScriptScreen):
            self.bench.screen.show_diff()
        self.bench.draw_now()

    def action_edit(self) -> None:
        """In the person's editor."""
        case = self.bench.model.cases.case
        if case is not None:
            self.bench.edit(str(case.file), case.line)
            self.bench.model.cases.look()
            self.bench.draw_now()

    def action_delete(self) -> None:
        """Take the case out of its file, after a question."""
        case = self.bench.model.cases.case
        if case is None:
            return

        def decided(choice: str | None) -> None:
            if choice != "delete":
                return
            try:
                delete_case(case)
            except ControlError as error:
                self.bench.say(str(error), "bad")
            self.bench.model.cases.look()
            self.bench.draw_now()

        choices = [("d", "delete", f"take it out of {case.file}")]
        question = AskScreen(f"Delete {case.name}?", "", choices, self.bench.model.glyphs)
        self.app.push_screen(question, decided)

    def action_copy(self) -> None:
        """What the last run said."""
        self.bench.copy("\n".join(each.text.rstrip() for each in detail_lines(self.bench.model)))

    def step_back(self) -> bool:
        """Nothing of this screen is to be undone."""
        return False
