"""Ending calls and leaving the workbench: both ask before they take a call from somebody."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from ivrbench.observe.commands import Drain, HangUp, Stop
from ivrbench.tui.phone_choice import is_test_leg
from ivrbench.tui.screens.ask import AskScreen
from ivrbench.tui.text import count

if TYPE_CHECKING:
    from ivrbench.observe.commands import Command
    from ivrbench.tui.app import Workbench

__all__ = ["change", "hang_up", "leave"]

ANSWER_WITHIN_S = 2.0
"""An engine that does not answer does not keep anybody in the workbench."""


def hang_up(app: Workbench) -> None:
    """End the selected leg on the Bench, elsewhere the test call."""
    leg = app.model.selected_leg if app.current_mode == "bench" else app.model.test_call
    if leg is None or leg.ended is not None:
        leg = app.model.test_call
    if leg is None and app.model.phone_to_tell:
        app.calling.hang_up()
    elif leg is None:
        app.say("no live call selected", "warn")
    elif is_test_leg(app.model, leg):
        app.calling.end(leg)
    else:
        question = AskScreen(
            f"Hang up {leg.name}?",
            f"It is not a test call: {leg.started.peer} is on {leg.started.script}.",
            [("y", leg.name, "hang up")],
            app.model.glyphs,
        )
        app.push_screen(question, partial(_hang_up, app))


def _hang_up(app: Workbench, leg: str | None) -> None:
    if leg:
        app.ask(HangUp(leg))


def change(app: Workbench, command: Command, what: str) -> None:
    """Change what callers get; in an engine that serves without us: ask first.

    Args:
        app: the workbench.
        command: the change.
        what: it in words: "roll menu back to @3".
    """
    if app.engine is not None or app.model.link != "up":
        app.ask(command)
        return
    question = AskScreen(
        f"{what[:1].upper()}{what[1:]}?",
        "This engine was not started by the workbench: real callers may be on it.",
        [("y", "yes", what)],
        app.model.glyphs,
    )
    app.push_screen(question, lambda choice: app.ask(command) if choice else None)


async def leave(app: Workbench) -> None:
    """End the workbench: an engine that is not ours goes on, ours stops unless it has calls."""
    if app.engine is None or app.model.link != "up":
        app.exit("detach")
    elif app.model.foreign_calls == 0:
        await _leave(app, "stop")
    elif not isinstance(app.screen, AskScreen):
        n_calls = app.model.foreign_calls
        question = AskScreen(
            "Leave the workbench?",
            f"{count(n_calls, 'call')} that the test phone did not make "
            f"{'are' if n_calls != 1 else 'is'} up.",
            [
                ("k", "keep", "keep serving: ivrbench --attach comes back"),
                ("d", "drain", "drain: no new calls, end with the last one"),
                ("s", "stop", "stop: end all calls now"),
            ],
            app.model.glyphs,
        )
        app.push_screen(question, partial(_answered, app))


def _answered(app: Workbench, choice: str | None) -> None:
    if choice:
        app.run_worker(_leave(app, choice), group="leave", exclusive=True)


async def _leave(app: Workbench, choice: str) -> None:
    command: Command = Drain() if choice == "drain" else Stop()
    if choice != "keep":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await app.link.ask(command)
    app.exit(choice)
