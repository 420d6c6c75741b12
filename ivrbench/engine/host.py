"""Host: the engine as the module `ivr` sees it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivrbench.logs import LEVELS
from ivrbench.scriptapi.running import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from .switchboard import Switchboard

__all__ = ["ScriptHost"]

log = logging.getLogger("ivrbench.script")


class ScriptHost:
    """`HostPort` of this engine.

    Args:
        board: sessions, for messages between them.
        ip: address of the first SIP listener.
        port: its port.
    """

    def __init__(self, board: Switchboard, ip: str, port: int) -> None:
        self._board = board
        self.local_sip_ip = ip
        self.local_sip_port = port
        self.log_level = board.settings.loglevel

    def log(self, level: int, text: str) -> None:
        """A line of a script; its leg is the one whose handler runs in this thread."""
        where = current.get()
        leg = where.port.log_name if where is not None and where.port is not None else ""
        script = where.script if where is not None else ""
        extra = {"leg": leg, "script": script}
        log.log(LEVELS[level], "%s", text.rstrip("\n"), extra=extra)

    def create_thread(self, function: Callable[[], object]) -> None:
        """Threads begin when their script has loaded; the loader sees to that."""

    def send_message(self, local_tag: str, message: str) -> None:
        """To another session's `onIvrMessage`."""
        self._board.inbox.post(self._board.send_message, local_tag, message)
