"""The command line: reads the arguments, imports what the chosen mode needs, and runs it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError, IvrbenchError

from . import exits
from .arguments import Mode, read_arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["main"]

_PARTS: Final = {"attach": "workbench"}
"""The modules of modes that are not called like them."""


def main(argv: list[str] | None = None) -> int:
    """Run `ivrbench` with these arguments (those of the process if None).

    Returns:
        the exit code, one of `exits`.
    """
    try:
        arguments = read_arguments(sys.argv[1:] if argv is None else argv)
        return _run(arguments)
    except SystemExit as exc:  # argparse: --help, --version, or arguments it cannot read
        return exc.code if isinstance(exc.code, int) else exits.CONFIG
    except ConfigError as exc:
        print(f"ivrbench: {exc}", file=sys.stderr)
        return exits.CONFIG
    except IvrbenchError as exc:
        print(f"ivrbench: {exc}", file=sys.stderr)
        return exits.ENGINE
    except KeyboardInterrupt:
        return exits.INTERRUPTED


def _run(arguments: Mode) -> int:
    """Each mode imports its own part: serving never loads a terminal or a sound library."""
    mode = arguments.mode
    part = import_module(f"{__name__}.{_PARTS.get(mode, mode)}")
    run: Callable[[argparse.Namespace], int] = getattr(part, mode)
    return run(arguments.options)
