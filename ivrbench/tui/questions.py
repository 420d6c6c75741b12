"""Questions over the screen, and what is done with their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.screens.ask import AskScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.tui.app import Workbench
    from ivrbench.tui.screens.ask import Choice
    from ivrbench.tui.screens.prompt import PromptScreen

__all__ = ["choose", "prompt"]


def choose(
    app: Workbench, title: str, choices: list[Choice], done: Callable[[str], None], chosen: str = ""
) -> None:
    """Let one of the choices be taken; `done` gets its value, nothing is done without one.

    Args:
        app: asks.
        title: the question.
        choices: key, value, and what it does.
        done: what to do then.
        chosen: value of the choice under the cursor, "" for the first.
    """
    question = AskScreen(title, "", choices, app.model.glyphs, chosen)
    app.push_screen(question, lambda value: done(value) if value else None)


def prompt(app: Workbench, question: PromptScreen, done: Callable[[str], None]) -> None:
    """Let a line be typed; `done` gets it, nothing is done with an empty one."""
    app.push_screen(question, lambda typed: done(typed) if typed else None)
