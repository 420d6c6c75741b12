"""Filters with names: `~/.config/ivrbench/filters.toml`, and the question which of them to use.

"no noise" = "level>=info -rtp -watch"
"""

from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError
from ivrbench.tui.keymap import keys_file
from ivrbench.tui.screens.ask import AskScreen
from ivrbench.tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ivrbench.tui.app import Workbench

__all__ = ["choose_filter", "filters_file", "read_filters", "save_filter"]

MAX_LISTED = 9
"""In the question, each with a digit; the palette has all of them."""
_USE, _SAVE, _FORGET, _NONE = "use ", "save", "forget ", "none"


def filters_file(environ: Mapping[str, str]) -> Path:
    """Where they are kept."""
    return keys_file(environ).with_name("filters.toml")


def read_filters(path: Path) -> dict[str, str]:
    """Filters by name; the file need not be there.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return {name: text for name, text in values.items() if isinstance(text, str)}


def save_filter(path: Path, name: str, text: str) -> None:
    """Keep a filter under a name; an empty one is forgotten.

    Raises:
        ConfigError: the file cannot be read or written; what it has is not lost.
    """
    kept = read_filters(path)
    kept.pop(name, None)
    if text:
        kept[name] = text
    # A JSON string is a TOML string too.
    lines = [f"{json.dumps(each)} = {json.dumps(kept[each])}\n" for each in sorted(kept)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def choose_filter(app: Workbench, current: str, use: Callable[[str], None]) -> None:
    """Ask which filter is to be used, or how the current one is to be called.

    Args:
        app: the workbench.
        current: the filter in use, "" for none.
        use: called with the filter that was chosen, "" for none.
    """
    path = filters_file(os.environ)
    try:
        kept = read_filters(path)
    except ConfigError as error:
        app.say(str(error), "bad")
        return
    choices = _choices(kept, current)
    if not choices:
        app.say("no filter is saved: / types one, then F saves it", "warn")
        return

    def chosen(choice: str | None) -> None:
        if choice == _SAVE:
            _ask_name(app, path, current)
        elif choice == _NONE:
            use("")
        elif choice and choice.startswith(_USE):
            use(kept[choice.removeprefix(_USE)])
        elif choice:
            _keep(app, path, choice.removeprefix(_FORGET), "")

    app.push_screen(AskScreen("Filters", f"Kept in {path}", choices, app.model.glyphs), chosen)


def _choices(kept: Mapping[str, str], current: str) -> list[tuple[str, str, str]]:
    """Keys, what they stand for, and what is shown beside them."""
    choices = [
        (str(n), _USE + name, f"{name}:  {kept[name]}")
        for n, name in enumerate(sorted(kept)[:MAX_LISTED], 1)
    ]
    name = next((name for name, text in kept.items() if text == current), "")
    if current and name:
        choices.append(("f", _FORGET + name, f"forget {name}"))
    elif current:
        choices.append(("s", _SAVE, f"save  {current}  under a name …"))
    if current:
        choices.append(("0", _NONE, "no filter"))
    return choices


def _ask_name(app: Workbench, path: Path, text: str) -> None:
    app.push_screen(
        PromptScreen("Name of the filter", text, ""),
        lambda name: _keep(app, path, name.strip(), text) if name and name.strip() else None,
    )


def _keep(app: Workbench, path: Path, name: str, text: str) -> None:
    try:
        save_filter(path, name, text)
    except ConfigError as error:
        app.say(str(error), "bad")
    else:
        app.say(f"filter {name} {'saved: F chooses it' if text else 'forgotten'}", "ok")
