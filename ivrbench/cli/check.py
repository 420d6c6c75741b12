"""`ivrbench --check`: load every script as the engine would, and tell what happened."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ivrbench import scriptapi
from ivrbench.clock import SystemClock
from ivrbench.engine.library import ScriptLibrary
from ivrbench.engine.registry import Registry
from ivrbench.observe.events import LogWritten
from ivrbench.scriptapi.running import current

from . import exits
from .arguments import settings_from

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ivrbench.config import Settings
    from ivrbench.observe.events import Event

__all__ = ["check"]

_LEVELS: Final = ("ERROR", "WARN", "INFO", "DEBUG")


class _Host:
    """The module `ivr` of a run without calls: scripts see the settings, and may log."""

    def __init__(self, settings: Settings, publish: Callable[[Event], None]) -> None:
        listen = settings.listeners[0]
        self.local_sip_ip = listen.ip
        self.local_sip_port = listen.port
        self.log_level = settings.loglevel
        self._publish = publish

    def log(self, level: int, text: str) -> None:
        where = current.get()
        self._publish(
            LogWritten(level, "script", text.rstrip("\n"), script=where.script if where else "")
        )

    def send_message(self, local_tag: str, message: str) -> None:
        """There is no other session."""


def check(options: argparse.Namespace) -> int:
    """Load every script and print the preload log on stdout.

    No port is opened, no thread of a script is started, nothing is watched.

    Returns:
        the exit code, 1 if a script does not load.

    Raises:
        ConfigError: the settings cannot be used; an unknown key counts.
    """
    settings = settings_from(options, strict=True)

    def publish(event: Event) -> None:
        if isinstance(event, LogWritten) and event.level <= settings.loglevel:
            _show(event)

    for note in settings.notes:
        print(f"WARN  {note}")
    scriptapi.install(_Host(settings, publish))
    library = ScriptLibrary(
        settings.script_path,
        settings.script_config_dirs,
        Registry(publish),
        publish,
        SystemClock(),
    )
    all_loaded = library.load_all(patience_s=None)
    library.close()
    sys.stdout.flush()
    return exits.OK if all_loaded else exits.CHECK_FAILED


def _show(event: LogWritten) -> None:
    lines = [f"{_LEVELS[event.level]:5} {event.text}"]
    lines += [f"      {line}" for line in event.detail.splitlines()]
    print("\n".join(lines))
