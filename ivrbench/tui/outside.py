"""What the workbench does outside its screen: the editor, the clipboard file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["clipboard_file", "editor_command", "heard_file", "save_new"]

_AT_LINE = {"code": ("-g", "{file}:{line}"), "subl": ("{file}:{line}",), "hx": ("{file}:{line}",)}
"""Editors that do not take `+LINE FILE`."""


def editor_command(environ: Mapping[str, str], file: str, line: int) -> list[str]:
    """The command that opens a file at a line in the person's editor.

    Args:
        environ: for `VISUAL` and `EDITOR`; without them it is `vi`.
        file: path of the file.
        line: 1-based; 0 opens the file at its start.
    """
    editor = shlex.split(environ.get("VISUAL") or environ.get("EDITOR") or "vi") or ["vi"]
    if line <= 0:
        return [*editor, file]
    at_line = _AT_LINE.get(Path(editor[0]).name, ("+{line}", "{file}"))
    return [*editor, *(part.format(file=file, line=line) for part in at_line)]


def clipboard_file(environ: Mapping[str, str]) -> Path:
    """Where copied text is kept too, for terminals that do not take it."""
    cache = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "/tmp")) / ".cache")
    return Path(cache) / "ivrbench" / "clip.txt"


def heard_file(environ: Mapping[str, str], pid: int, number: int) -> Path:
    """Where a test call's sound is kept until it is saved; the last ten calls have one."""
    return clipboard_file(environ).parent / f"heard-{pid}-{number % 10}.wav"


def save_new(folder: Path, name: str, data: bytes) -> Path:
    """Write a file that was not there: `NAME`, else `NAME-2`, `NAME-3`, …

    Raises:
        OSError: the folder cannot be written to.
    """
    stem, dot, extension = name.rpartition(".")
    for number in range(1, 10_000):
        path = folder / (name if number == 1 else f"{stem}-{number}{dot}{extension}")
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{folder} is full of {name}")
