"""The command line: reads the arguments, imports what the chosen mode needs, and runs it."""

from __future__ import annotations

import sys

from ivrbench.errors import ConfigError, IvrbenchError

from . import exits
from .arguments import Mode, read_arguments

__all__ = ["main"]


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
    match arguments.mode:
        case "call":
            from .call import call

            return call(arguments.options)
        case "dial":
            from .dial import dial

            return dial(arguments.options)
        case "check":
            from .check import check

            return check(arguments.options)
        case "stubs":
            from .stubs import stubs

            return stubs(arguments.options)
        case "serve":
            from .serve import serve

            return serve(arguments.options)
        case "attach":
            from .workbench import attach

            return attach(arguments.options)
        case _:
            from .workbench import workbench

            return workbench(arguments.options)
