"""`ivrbench load`: many calls at once."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from ivrbench import logs
from ivrbench.errors import ConfigError
from ivrbench.load.plan import LoadPlan
from ivrbench.load.run import run
from ivrbench.load.table import progress, table
from ivrbench.phone.keys import parse_keys
from ivrbench.phone.sockets import local_address_for
from ivrbench.phone.target import engine_listeners, read_target, resolve

from . import exits
from .arguments import settings_of_file
from .call import login_of
from .sockets import engine_socket

if TYPE_CHECKING:
    import argparse

    from ivrbench.config import Settings
    from ivrbench.load.figures import Figures

__all__ = ["load"]


def load(options: argparse.Namespace) -> int:
    """Place the calls; the table goes to stdout, progress to stderr.

    Returns:
        the exit code: 0 all were answered, 1 some were not.

    Raises:
        ConfigError: the options cannot be used.
        EngineGone: nobody answers at the control socket.
        SipError: there is no such host.
    """
    settings = settings_of_file(options)
    parse_keys(options.keys)
    if options.wav is not None and not options.wav.is_file():
        raise ConfigError(f"--wav: there is no file {options.wav}")
    uri, host = asyncio.run(_find(options, settings))
    user, password = login_of(options, settings)
    plan = LoadPlan(
        uri=uri,
        at_once=options.calls,
        rate_per_s=options.rate,
        for_s=options.for_s,
        call_s=options.call_s,
        keys=options.keys,
        wav=options.wav,
        login=(user, password) if user else None,
    )
    logs.configure(0, sys.stderr)
    figures = run(plan, host, _progress)
    _clear_progress()
    print(json.dumps(figures.to_json()) if options.json else table(figures, uri))
    return exits.OK if figures.placed and not figures.failed else exits.CHECK_FAILED


async def _find(options: argparse.Namespace, settings: Settings) -> tuple[str, str]:
    """The URI to call, and our own address towards it."""
    listeners = list(settings.listeners)
    socket = engine_socket(options, settings)
    if socket is not None and ":" not in options.target:
        listeners = await engine_listeners(socket) or listeners
    target = read_target(options.target, listeners)
    return target.uri, local_address_for(await resolve(target))


def _progress(figures: Figures, after_s: float) -> None:
    line = progress(figures, after_s)
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
    else:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _clear_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
