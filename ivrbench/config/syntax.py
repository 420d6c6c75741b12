"""The `key = value` syntax shared by `ivr.conf` and the `NAME.conf` of scripts.

One pair a line, LF or CRLF. A key ends at a blank or `=`. An unquoted value ends at a blank, a tab
or `#`; a value in double quotes keeps both, and a backslash only protects a quote and stays in the
value. What follows a value is ignored, so are empty lines and lines that begin with `#`.
`@file` reads another file in this place. The first bad line fails the whole file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivrbench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Pair", "as_dict", "read_pairs"]

MAX_INCLUDE_DEPTH = 16  # deeper than any sane set of files; stops a file that includes itself
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Pair:
    """One setting and where it is written."""

    key: str
    value: str
    file: str
    line: int
    """1-based."""


def read_pairs(path: Path, include_dir: Path | None = None) -> list[Pair]:
    """All settings of a file in the order they are written, included files in their place.

    Args:
        path: the file.
        include_dir: where a relative `@file` is looked for; the folder of `path` if None.

    Raises:
        ConfigError: a file cannot be read or a line is not understood.
    """
    return _read(path, include_dir or path.parent, depth=0)


def as_dict(pairs: list[Pair]) -> tuple[dict[str, str], list[str]]:
    """What a script gets as its `config`: keys sorted, the last of a repeated key wins.

    Returns:
        the settings, and a sentence for each key that is written more than once.
    """
    last: dict[str, Pair] = {}
    warnings = []
    for pair in pairs:
        if pair.key in last:
            warnings.append(
                f"{pair.file}:{pair.line}: {pair.key} is set again "
                f"(before: line {last[pair.key].line}); this line wins"
            )
        last[pair.key] = pair
    return {key: last[key].value for key in sorted(last)}, warnings


def _read(path: Path, include_dir: Path, depth: int) -> list[Pair]:
    pairs: list[Pair] = []
    # Not splitlines(): it also splits at form feeds and other marks that are part of a value.
    for number, raw in enumerate(_text_of(path).split("\n"), start=1):
        line = raw.split("\r", 1)[0].lstrip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        if line.startswith("@"):
            included = _include_path(line[1:], include_dir, path, number)
            if depth == MAX_INCLUDE_DEPTH:
                raise ConfigError(
                    f"files include each other more than {MAX_INCLUDE_DEPTH} deep",
                    file=str(path),
                    line=number,
                )
            pairs += _read(included, include_dir, depth + 1)
            continue
        key, value = _split(line, path, number)
        pairs.append(Pair(key, value, str(path), number))
    return pairs


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror or exc}", file=str(path)) from exc
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # files from before UTF-8: every byte means something


def _include_path(name: str, include_dir: Path, path: Path, number: int) -> Path:
    name = name.strip(_BLANKS)
    if not name:
        raise ConfigError("`@` needs the name of a file", file=str(path), line=number)
    included = include_dir / name
    if not included.is_file():
        raise ConfigError(f"no such file to include: {included}", file=str(path), line=number)
    return included


def _split(line: str, path: Path, number: int) -> tuple[str, str]:
    """Key and value of one line that is neither empty nor a comment."""
    end = next((i for i, char in enumerate(line) if char in _BLANKS + "="), len(line))
    key, rest = line[:end], line[end:].lstrip(_BLANKS)
    if not key or not rest.startswith("="):
        raise ConfigError(f"expected `key = value`, found {line!r}", file=str(path), line=number)
    value = rest[1:].lstrip(_BLANKS)
    if value.startswith('"'):
        return key, _quoted(value, key, path, number)
    end = next((i for i, char in enumerate(value) if char in _BLANKS + "#"), len(value))
    return key, value[:end]


def _quoted(value: str, key: str, path: Path, number: int) -> str:
    for i in range(1, len(value)):
        if value[i] == '"' and value[i - 1] != "\\":
            return value[1:i]
    raise ConfigError('the closing `"` is missing', file=str(path), line=number, key=key)
