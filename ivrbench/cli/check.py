"""`ivrbench --check`: load every script as the engine would, and tell what happened."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from ivrbench import logs, scriptapi
from ivrbench.clock import SystemClock
from ivrbench.engine.scripts.library import ScriptLibrary
from ivrbench.engine.scripts.registry import Registry
from ivrbench.scriptapi.running import current
from ivrbench.scriptapi.uac import Dialout

from . import exits
from .arguments import settings_from

if TYPE_CHECKING:
    import argparse

    from ivrbench.config import Settings
    from ivrbench.observe.events import Event
    from ivrbench.scriptapi.uac import DialRequest

__all__ = ["check"]


class _Host:
    """The module `ivr` of a run without calls: scripts see the settings, and may log."""

    def __init__(self, settings: Settings) -> None:
        listen = settings.listeners[0]
        self.local_sip_ip = listen.ip
        self.local_sip_port = listen.port
        self.log_level = settings.loglevel

    def log(self, level: int, text: str) -> None:
        where = current.get()
        logs.for_leg(logging.getLogger("ivrbench.script"), "", where.script if where else "").log(
            logs.LEVELS[level], "%s", text.rstrip("\n")
        )

    def send_message(self, local_tag: str, message: str) -> None:
        """There is no other session."""

    def dial_out(self, request: DialRequest) -> Dialout:
        """Nobody is called."""
        handle = Dialout(request.local_tag)
        handle.settle(503, "scripts are only checked: nobody is called")
        return handle

    def monitor(self, callid: str, name: str, value: str, *, added: bool) -> None:
        """Nobody watches."""

    def monitor_finish(self, callid: str) -> None:
        """Nobody watches."""


def check(options: argparse.Namespace) -> int:
    """Load every script and print the preload log on stdout.

    No port is opened, no thread of a script is started, nothing is watched.

    Returns:
        the exit code, 1 if a script does not load.

    Raises:
        ConfigError: the settings cannot be used; an unknown key counts.
    """
    settings = settings_from(options, strict=True)
    logs.configure(settings.loglevel, sys.stdout)
    log = logging.getLogger("ivrbench.config")
    for note in settings.notes:
        log.warning(note)
    scriptapi.install(_Host(settings))
    library = ScriptLibrary(
        settings.script_path,
        settings.script_config_dirs,
        Registry(_not_shown),
        _not_shown,
        SystemClock(),
        python2=settings.python2_conversion,
    )
    all_loaded = library.load_all(wait=True)
    library.close()
    return exits.OK if all_loaded else exits.CHECK_FAILED


def _not_shown(event: Event) -> None:
    """Nobody watches: the log says the same."""
