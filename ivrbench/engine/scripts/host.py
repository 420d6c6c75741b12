"""Host: the engine as the module `ivr` sees it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.logs import LEVELS
from ivrbench.observe.events import MonitorChanged
from ivrbench.scriptapi.running import current

from ..uac import dial_out

if TYPE_CHECKING:
    from ivrbench.scriptapi.uac import Dialout, DialRequest

    from ..switchboard import Switchboard

__all__ = ["ScriptHost"]

log = logging.getLogger("ivrbench.script")

MAX_NAME_CHARS: Final = 200
MAX_VALUE_CHARS: Final = 1000
"""What a script writes goes to every workbench that watches."""


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

    def send_message(self, local_tag: str, message: str) -> None:
        """To another session's `onIvrMessage`."""
        self._board.inbox.post(self._board.send_message, local_tag, message)

    def dial_out(self, request: DialRequest) -> Dialout:
        """Begin a session that calls somebody."""
        _, handle = self._board.inbox.ask(dial_out, self._board, request)
        return handle

    def monitor(self, callid: str, name: str, value: str, *, added: bool) -> None:
        """Write into the monitoring store; what is too long is cut."""
        name, value = name[:MAX_NAME_CHARS], value[:MAX_VALUE_CHARS]
        self._board.inbox.post(self._monitor, callid[:MAX_NAME_CHARS], name, value, added, False)

    def monitor_finish(self, callid: str) -> None:
        """An entry of the monitoring store is finished."""
        self._board.inbox.post(self._monitor, callid[:MAX_NAME_CHARS], "", "", False, True)

    def _monitor(self, callid: str, name: str, value: str, added: bool, finished: bool) -> None:
        session = self._board.by_local_tag.get(callid)
        leg = session.leg.name if session is not None else ""
        self._board.publish(MonitorChanged(leg, callid, name, value, added, finished))
