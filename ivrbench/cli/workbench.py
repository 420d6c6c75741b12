"""`ivrbench`: an engine, and the workbench that shows it; `ivrbench --attach`: the latter alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError, EngineGone

from . import exits
from .arguments import config_file, settings_from
from .child import ChildEngine
from .sockets import answers, own_socket

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from types import FrameType

__all__ = ["attach", "engine_arguments", "workbench"]

PARENT_POLL_S: Final = 1.0


def workbench(options: argparse.Namespace) -> int:
    """Start an engine, show it until the user quits, and stop it.

    Returns:
        the exit code.

    Raises:
        ConfigError: the settings cannot be used, or there is no terminal.
    """
    _need_terminal(options)
    settings = settings_from(options)
    control = settings.control_socket or own_socket()
    arguments = engine_arguments(options, control)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with ChildEngine(arguments, control, settings.max_shutdown_time) as engine:
        # The engine comes first: a process started from inside a running Textual app inherits
        # its terminal, and scripts load while the screen is being built.
        try:
            engine.start()
        except EngineGone as exc:
            print("\n".join([*engine.last_log(), f"ivrbench: {exc}"]), file=sys.stderr)
            return engine.exit_code or exits.ENGINE
        return _show(options, control, engine)


def attach(options: argparse.Namespace) -> int:
    """Show an engine that runs already, and leave it alone afterwards.

    Returns:
        the exit code.

    Raises:
        ConfigError: there is no terminal.
        EngineGone: nobody answers at this socket.
    """
    _need_terminal(options)
    if not answers(options.attach):
        raise EngineGone(f"no engine at {options.attach}")
    return _show(options, options.attach, None)


def _show(options: argparse.Namespace, control: Path, engine: ChildEngine | None) -> int:
    """The screen, the line console, or the browser view."""
    if options.plain:
        from ivrbench.tui.plain import run_plain

        return run_plain(str(control), as_json=options.json)
    if options.web:
        return _serve_browsers(options, control)
    if options.in_browser:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # Textual takes a third of a second to load: not for anybody who does not see it.
    from ivrbench.tui.app import run

    return run(str(control), engine=engine, in_browser=options.in_browser)


def _serve_browsers(options: argparse.Namespace, control: Path) -> int:
    from ivrbench.tui.web.view import serve

    serve(str(control), options.host, options.port, partial(print, flush=True))
    return exits.OK


def _end_with(server: int) -> None:
    """End this page's workbench after the server of all pages, which may have been killed."""
    while os.getppid() == server:
        time.sleep(PARENT_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    # Nobody reads what is still written at the end: that may raise anywhere, or never be done.
    time.sleep(PARENT_POLL_S)
    os._exit(exits.OK)


def _leave(number: int, _: FrameType | None) -> None:
    """The terminal was closed, or somebody ends us: the engine must not be left behind."""
    raise SystemExit(128 + number)


def engine_arguments(options: argparse.Namespace, control: Path) -> list[str]:
    """The command line of the engine: the workbench's own settings, and a socket for us."""
    arguments = [f"--control-socket={control}", "--next-free-port"]
    config = config_file(options)
    if config:
        arguments.append(f"--config={config.absolute()}")
    if options.script_path:
        arguments.append(f"--script-path={options.script_path.absolute()}")
    arguments += [f"--listen={listen}" for listen in options.listen]
    if options.no_watch:
        arguments.append("--no-watch")
    return arguments


def _need_terminal(options: argparse.Namespace) -> None:
    if options.web and find_spec("textual_serve") is None:
        raise ConfigError(
            "the browser view is not installed; install it with\n"
            f"  {sys.executable} -m pip install 'textual-serve>=1.1'"
        )
    if not (options.plain or options.web or options.in_browser) and not (
        sys.stdin.isatty() and sys.stdout.isatty()
    ):
        raise ConfigError(
            "the workbench needs a terminal; ivrbench --plain is a line console, "
            "ivrbench --web is for browsers, ivrbench --serve runs without any of them"
        )
