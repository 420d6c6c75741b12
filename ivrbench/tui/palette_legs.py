"""Commands about legs and cases, for the command palette."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from textual.app import SystemCommand

from ivrbench.observe.commands import Evaluate
from ivrbench.tui.leg_files import LADDERS, export_recording, recordings_of, save_ladder
from ivrbench.tui.views.ladder import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.app import Workbench

__all__ = ["case_commands", "leg_commands"]

NOT_ANSWERED: Final = "INVITE not answered"
"""How the engine's warning begins where a script left its caller without an answer."""


def leg_commands(app: Workbench) -> Iterator[SystemCommand]:
    """What can be done about the selected leg."""
    leg = app.model.selected_leg
    name = leg.name if leg is not None else ""
    why = "" if name else ": no call selected"
    legs = app.model.ladder_legs
    for mode, names, about in (
        ("inspect", name, "Attributes and console"),
        ("ladder", ", ".join(legs), "Messages, media, keys, script calls"),
    ):
        title = f"Leg: {mode} {names}".rstrip()
        yield SystemCommand(title, f"{about}{why}", partial(app.action_go, mode))
    yield SystemCommand(
        "Leg: record as pytest…", f"A test of {name or 'it'}{why}", app.action_record
    )
    for _, extension, meaning in LADDERS:
        save = partial(_save, app, extension)
        yield SystemCommand(f"Leg: save {extension}", f"{meaning}{why}", save)
    if leg is not None:
        yield from _selected(app, leg)


def _save(app: Workbench, extension: str) -> None:
    save_ladder(app, *picture(app.model, *app.model.ladder_legs), extension)


def _selected(app: Workbench, leg: LegView) -> Iterator[SystemCommand]:
    call_id = leg.started.call_id
    yield SystemCommand(f"Leg: copy Call-ID of {leg.name}", call_id, partial(app.copy, call_id))
    for file in recordings_of(leg):
        base = file.rpartition("/")[2]
        export = partial(export_recording, app, file)
        yield SystemCommand(f"Leg: export recording {base}", f"A copy of {file}", export)
    if leg.ended is None and leg.warning.startswith(NOT_ANSWERED):
        answer = Evaluate(leg=leg.name, text="self.answer()", may_change=True)
        yield SystemCommand(
            f"Call: answer {leg.name} anyway",
            f"{leg.warning}: let the script's call be answered by hand",
            partial(app.ask, answer),
        )


def case_commands(app: Workbench) -> Iterator[SystemCommand]:
    """Run tests of recorded calls, hear them, look at them."""
    runs, rows = app.case_runs, app.model.cases.rows
    failed = [case for case in rows if case.state == "failed"]
    about = f"{len(rows)} of them" if rows else "none is known: F8 looks for them"
    yield SystemCommand("Case: run all", about, partial(runs.run, rows))
    yield SystemCommand("Case: run failed", f"{len(failed)} failed", partial(runs.run, failed))
    on = "off" if app.model.cases.runs_on_reload else "on"
    yield SystemCommand(
        f"Case: run on reload {on}",
        "A script's cases whenever it is loaded again",
        app.model.cases.toggle_runs_on_reload,
    )
    for case in rows:
        yield SystemCommand(f"Case: run {case.name}", case.script, partial(runs.run, [case]))
        yield SystemCommand(
            f"Case: listen to {case.name}",
            f"The test phone calls {case.script} with the same keys",
            partial(runs.hear, case),
        )
        yield SystemCommand(
            f"Case: open test file of {case.name}",
            f"{case.file}, line {case.line}",
            partial(app.edit, str(case.file), case.line),
        )
