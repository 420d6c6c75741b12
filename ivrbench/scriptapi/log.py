"""The module `log` as scripts import it (ivr-api §1.6)."""

from __future__ import annotations

import sys
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi import ivr

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "FUNCTIONS",
    "debug",
    "error",
    "info",
    "log",
    "log_excepthook",
    "make_module",
    "stacktrace",
    "warn",
]

L_ERR: Final = 0
L_WARN: Final = 1
L_INFO: Final = 2
L_DBG: Final = 3
_BANNER: Final = "-" * 60


def log(level: int, msg: str, args: object = None) -> None:
    """Write a log line; with `args`, `msg % args`."""
    text = msg % args if args is not None else msg
    ivr.log(level, f"Ivr-Python: {text}\n")


def error(msg: str, args: object = None) -> None:
    """A line of level error."""
    log(L_ERR, msg, args)


def warn(msg: str, args: object = None) -> None:
    """A line of level warning."""
    log(L_WARN, msg, args)


def info(msg: str, args: object = None) -> None:
    """A line of level information."""
    log(L_INFO, msg, args)


def debug(msg: str, args: object = None) -> None:
    """A line of level debug."""
    log(L_DBG, msg, args)


def stacktrace(tb: TracebackType | None) -> str:
    """Log the frames of a traceback, the innermost first.

    Returns:
        the file name of the innermost, "" if there is none.
    """
    frames = traceback.extract_tb(tb)
    for frame in reversed(frames):
        error(f"  File '{frame.filename}': line {frame.lineno}")
    return frames[-1].filename if frames else ""


def log_excepthook(
    exception: type[BaseException], value: BaseException, tb: TracebackType | None
) -> None:
    """Log an exception nobody caught; installed as `sys.excepthook`."""
    error(_BANNER)
    error(f"{exception.__name__} raised: {value}")
    stacktrace(tb)
    error(_BANNER)


FUNCTIONS: Final = (log, error, warn, info, debug, stacktrace, log_excepthook)
"""What the module `log` offers."""


def make_module(ivr_module: ModuleType) -> ModuleType:
    """Build the module.

    It has no `__all__`, so `from log import *` gives a script `ivr` and `sys` too, as it always
    did; `from ivr import *` after it replaces `log` of three arguments by the one of two.
    """
    module = ModuleType("log", "Logging for IVR scripts.")
    names: dict[str, object] = {"ivr": ivr_module, "sys": sys}
    names |= {"L_ERR": L_ERR, "L_WARN": L_WARN, "L_INFO": L_INFO, "L_DBG": L_DBG}
    names |= {function.__name__: function for function in FUNCTIONS}
    vars(module).update(names)
    return module
