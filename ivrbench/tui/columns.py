"""Which columns the list of legs has: the question, and `~/.config/ivrbench/columns.toml`.

legs = ["leg", "script", "peer", "state", "time", "now"]
"""

from __future__ import annotations

import json
import os
import tomllib
from functools import partial
from typing import TYPE_CHECKING, Final

from ivrbench.tui.keymap import keys_file
from ivrbench.tui.questions import choose
from ivrbench.tui.views.leg_columns import COLUMNS, USUAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ivrbench.tui.app import Workbench

__all__ = ["ask_columns", "columns_file", "read_columns"]

_USUAL: Final = "usual"
_ALWAYS: Final = "leg"
"""The name of a leg is what all else is said by."""


def columns_file(environ: Mapping[str, str]) -> Path:
    """Where they are kept."""
    return keys_file(environ).with_name("columns.toml")


def read_columns(path: Path) -> tuple[tuple[str, ...], str]:
    """Read the file, which need not be there.

    Returns:
        the columns, the usual ones if the file cannot be used, and what is wrong with it, in a
        sentence.
    """
    try:
        wanted = tomllib.loads(path.read_text(encoding="utf-8")).get("legs", list(USUAL))
    except FileNotFoundError:
        return USUAL, ""
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return USUAL, f"{path.name}: {error}"
    known = list(COLUMNS)
    if not isinstance(wanted, list) or any(name not in known for name in wanted):
        return USUAL, f"{path.name}: legs is a list of {', '.join(known)}, not {wanted}"
    return _in_order(wanted), ""


def _in_order(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in COLUMNS if name in names or name == _ALWAYS)


def ask_columns(app: Workbench, selected: str = "") -> None:
    """Ask which column is to come or go, until nothing is changed any more."""
    shown = app.model.leg_columns
    choices = [
        (str(n % 10), name, f"[{'x' if name in shown else ' '}] {name:8} {about}")
        for n, (name, about) in enumerate(
            ((name, about) for name, about in COLUMNS.items() if name != _ALWAYS), 1
        )
    ]
    choices.append(("u", _USUAL, "the usual ones"))
    choose(app, "Columns of the legs", choices, partial(_change, app), selected)


def _change(app: Workbench, chosen: str) -> None:
    model, path = app.model, columns_file(os.environ)
    names = set(model.leg_columns) ^ {chosen}
    model.leg_columns = USUAL if chosen == _USUAL else _in_order(list(names))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A JSON list of strings is one of TOML too.
        path.write_text(f"legs = {json.dumps(model.leg_columns)}\n", encoding="utf-8")
    except OSError as error:
        app.say(f"not kept: {path} cannot be written: {error.strerror or error}", "warn")
    app.draw_now()
    ask_columns(app, chosen)
