"""What the workbench does with cases: records calls, runs tests, also when a script is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.errors import ControlError
from ivrbench.observe.case import case_of
from ivrbench.observe.case_source import save_case
from ivrbench.observe.ladder import legs_of
from ivrbench.tui.case_call import case_call
from ivrbench.tui.cases import Case, run_cases
from ivrbench.tui.screens.record_case import RecordScreen, Wanted
from ivrbench.tui.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.tui.app import Workbench

__all__ = ["CaseRuns"]


class CaseRuns:
    """Cases of one workbench.

    Args:
        app: the workbench.
    """

    def __init__(self, app: Workbench) -> None:
        self._app = app
        self._running = False

    def tick(self) -> None:
        """Run the cases of scripts that were loaded again."""
        cases = self._app.model.cases
        if not cases.due or self._running:
            return
        scripts, cases.due = cases.due, set()
        if cases.runs_on_reload:
            cases.look()
            self.run([case for script in sorted(scripts) for case in cases.of(script)])

    def run(self, cases: Sequence[Case]) -> None:
        """Run them; what came of it goes on the strip."""
        if self._running:
            self._app.say("cases are running already", "warn")
        elif cases:
            self._running = True
            self._app.run_worker(self._run(list(cases)), group="cases")

    async def _run(self, cases: list[Case]) -> None:
        app, history = self._app, self._app.model.history
        for case in cases:
            script = history.scripts.get(case.script)
            serving = script.serving if script else None
            case.generation = serving.generation if serving else 0
        app.model.cases.problem = ""
        try:
            await run_cases(cases, history.engine.script_path, app.clock.wall)
        except (ControlError, OSError) as error:
            app.model.cases.problem = str(error)
            app.say(f"{app.model.glyphs.bad} {error}", "bad")
            return
        finally:
            self._running = False
        failed = [case for case in cases if case.state == "failed"]
        if failed:
            names = ", ".join(case.name for case in failed[:3])
            text = f"{app.model.glyphs.bad} {count(len(failed), 'case')} failed: {names}  (F8)"
            app.say(text, "bad")
        else:
            app.say(f"{app.model.glyphs.ok} {count(len(cases), 'case')} passed", "ok")

    def hear(self, case: Case) -> None:
        """Call its script with the test phone, its keys at its moments."""
        app = self._app
        try:
            call = case_call(case)
        except ControlError as error:
            app.say(str(error), "bad")
            return
        app.calling.call_as(call.script, call.moments)
        app.action_go("call")
        if call.left_out:
            app.say(f"{case.name} without its {', '.join(call.left_out)}", "warn")

    def record(self) -> None:
        """Ask how the selected call becomes a test, and write it."""
        app = self._app
        leg = app.model.selected_leg
        try:
            case = case_of(legs_of(app.model.history, leg.name) if leg else [])
        except ControlError as error:
            app.say(str(error), "warn")
            return

        def written(wanted: Wanted | None) -> None:
            if wanted is None:
                return
            try:
                name = save_case(case, Path(wanted.file), wanted.name, wanted.checks)
            except ControlError as error:
                app.say(str(error), "bad")
                return
            app.model.cases.look()
            app.say(f"{app.model.glyphs.ok} wrote {name} into {wanted.file}  (F8 runs it)", "ok")

        app.push_screen(RecordScreen(case, leg.name if leg else ""), written)
