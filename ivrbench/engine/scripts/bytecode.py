"""Bytecode: scripts of which only the `.pyc` is there."""

from __future__ import annotations

import importlib.util
import marshal
from types import CodeType
from typing import Final

__all__ = ["load"]

_HEADER_BYTES: Final = 16  # PEP 552: mark of the Python, flags, date or hash of the source


def load(data: bytes, file: str, name: str) -> CodeType:
    """The code of a `.pyc` file.

    Args:
        data: the file.
        file: its name, for people.
        name: what tracebacks are to call it.

    Raises:
        ImportError: another version of Python made it, or it is damaged.
    """
    mark = data[:4]
    if mark != importlib.util.MAGIC_NUMBER:
        number = int.from_bytes(mark[:2], "little")
        ours = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
        raise ImportError(
            f"{file} was made by another version of Python (its mark is {number}, this one's is "
            f"{ours}) and its source is not there; put the .py file into the folder"
        )
    try:
        code = marshal.loads(data[_HEADER_BYTES:])
    except (EOFError, ValueError, TypeError) as exc:
        raise ImportError(f"{file} is damaged: {exc}") from exc
    if not isinstance(code, CodeType):
        raise ImportError(f"{file} holds no code")
    return _renamed(code, name)


def _renamed(code: CodeType, name: str) -> CodeType:
    """The code as if it had been compiled under another name, its functions too."""
    constants = tuple(_renamed(c, name) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=name, co_consts=constants)
