"""`ivrbench --serve`: the engine, without a screen."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ivrbench import logs

from .arguments import settings_from
from .sockets import own_socket

if TYPE_CHECKING:
    import argparse

    from ivrbench.config import Settings

__all__ = ["serve"]


def serve(options: argparse.Namespace) -> int:
    """Run the engine until it is told to stop; the log goes to stderr.

    Returns:
        the exit code.

    Raises:
        ConfigError: the settings cannot be used.
    """
    settings = settings_from(options)
    if settings.control_socket is None:
        settings = replace(settings, control_socket=own_socket())
    logs.configure(settings.loglevel, sys.stderr)
    # Only now: what is wrong with the settings is told before the engine is even loaded.
    from ivrbench.engine import server

    leash = sys.stdin.fileno() if options.leash else None
    return server.serve(settings, ready=lambda _: _tell_notes(settings), leash=leash)


def _tell_notes(settings: Settings) -> None:
    """Once the engine is up, so that its workbenches see them too."""
    log = logging.getLogger("ivrbench.config")
    for note in settings.notes:
        log.warning(note)
