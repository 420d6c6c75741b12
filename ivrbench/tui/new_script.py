"""A new script from a template: written into the script folder, opened in the editor."""

from __future__ import annotations

import re
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.tui.screens.ask import AskScreen
from ivrbench.tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from ivrbench.tui.app import Workbench

__all__ = ["TEMPLATES", "ask_template", "template_text", "write_script"]

TEMPLATES = (
    ("1", "hello", "answer, say hello, hang up"),
    ("2", "menu", "say what the keys do, wait for one"),
    ("3", "pin", "ask for a PIN, three tries"),
    ("4", "voicemail", "take a message, keep it as a file"),
    ("5", "announcement", "speak before the answer, then refuse"),
    ("6", "events", "a method for each event, as for SEMS"),
)
"""Key, name, and what it is."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def template_text(name: str) -> str:
    """The source of a template."""
    folder = resources.files("ivrbench.tui") / "templates"
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def write_script(folder: Path, name: str, template: str) -> Path:
    """Write a new script.

    Args:
        folder: the script folder.
        name: without `.py`; calls find it by this name.
        template: one of `TEMPLATES`.

    Raises:
        ValueError: the name cannot be a script's.
        OSError: there is one of this name, or the folder cannot be written to.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name}: letters, digits, _ and - make a script's name")
    path = folder / f"{name}.py"
    with path.open("x", encoding="utf-8") as file:
        file.write(template_text(template))
    return path


def ask_template(app: Workbench) -> None:
    """Ask which template, then for a name."""
    folder = Path(app.model.history.engine.script_path)
    if not app.model.history.engine.script_path or not folder.is_dir():
        app.say(f"the script folder {folder} is not on this machine", "warn")
        return
    question = AskScreen(
        "New script from a template",
        f"In {folder}; it loads as soon as it is written.",
        [(key, name, f"{name:13} {what}") for key, name, what in TEMPLATES],
        app.model.glyphs,
    )
    app.push_screen(question, partial(_ask_name, app, folder))


def _ask_name(app: Workbench, folder: Path, template: str | None) -> None:
    if template:
        prompt = PromptScreen("Name of the script", "calls find it: sip:NAME@…", template)
        app.push_screen(prompt, partial(_write, app, folder, template))


def _write(app: Workbench, folder: Path, template: str, name: str | None) -> None:
    if not name:
        return
    try:
        path = write_script(folder, name.removesuffix(".py"), template)
    except FileExistsError:
        app.say(f"there is a {name} already: choose another name", "bad")
    except (ValueError, OSError) as error:
        app.say(f"not written: {error}", "bad")
    else:
        app.model.select_script(path.stem)
        app.action_go("script")
        app.say(f"wrote {path}", "ok")
        app.edit(str(path), 1)
