"""Keys of the person's own: `~/.config/ivrbench/keys.toml`, binding ids and the keys for them.

call.dial = "ctrl+d"
list.down = "j,down,n"
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivrbench.tui.bindings import GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["keys_file", "read_keys"]


def keys_file(environ: Mapping[str, str]) -> Path:
    """Where it is looked for."""
    config = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    return Path(config) / "ivrbench" / "keys.toml"


def read_keys(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read a file of keys, which need not be there.

    Returns:
        keys by id, and sentences about what cannot be used, or is wanted twice.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [f"{path.name}: {error}"]
    ids = [binding.id or "" for group in GROUPS for binding in group]
    keys: dict[str, str] = {}
    problems: list[str] = []
    for name, value in _flat(values):
        if not isinstance(value, str) or not value:
            problems.append(f'{path.name}: {name} is no key, as in {name} = "ctrl+k"')
        elif name not in ids:
            near = difflib.get_close_matches(name, ids, 1)
            hint = f", did you mean {near[0]}?" if near else ""
            problems.append(f"{path.name}: there is no {name}{hint}")
        else:
            keys[name] = value
    return keys, problems + [f"{path.name}: {text}" for text in _clashes(keys)]


def _clashes(keys: dict[str, str]) -> list[str]:
    """Keys that two bindings of one group want, one of them by the file."""
    found: list[str] = []
    for group in GROUPS:
        wanted: dict[str, str] = {}
        for binding in group:
            name = binding.id or ""
            for key in keys.get(name, binding.key).split(","):
                other = wanted.setdefault(key.strip(), name)
                if other != name and (name in keys or other in keys):
                    found.append(f"{key.strip()} is wanted by {other} and {name}")
    return found


def _flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:  # Any: TOML values
    """`call.dial = "c"` is a table in a table to TOML."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((before + name, value))
    return found
