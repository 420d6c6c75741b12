"""Call detail records: one line of JSON for each call that is over."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.media.messages import StreamCounts

    from .b2b.callee import Callee
    from .session import Session

__all__ = ["CallRecord", "CdrFile", "callee_record", "session_record"]

log = logging.getLogger("ivrbench.cdr")


class CallRecord(msgspec.Struct, frozen=True, omit_defaults=False):
    """One row."""

    leg: str
    call_id: str
    direction: str
    script: str
    generation: int
    caller: str
    called: str
    started_s: float
    """Wall clock, seconds since 1970: when the INVITE came."""
    answered_s: float
    """Wall clock of the 200; 0.0 if the call was never answered."""
    ended_s: float
    duration_s: float
    """From answer to end."""
    code: int
    """200 for a call that was up, else the refusal's code."""
    ended_by: str
    reason: str
    keys: str
    """Keys received, in order."""
    rtp_received: int
    rtp_sent: int
    rtp_lost: int


class CdrFile:
    """The file rows are appended to; a full disk costs rows, never a call.

    Args:
        path: the file; made if absent, mode 0600 because it holds telephone numbers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.lost = 0
        """Rows that could not be written since the last one that could."""

    def append(self, record: CallRecord) -> None:
        """Write one row. Never raises: a row that cannot be written is counted and told once."""
        line = msgspec.json.encode(record) + b"\n"
        try:
            # One write of one line with O_APPEND: a reader never sees half a row of another call.
            written = os.write(self._fd, line)
            if written < len(line):
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
                raise OSError(28, "no space left")
        except OSError as exc:
            self.lost += 1
            if self.lost == 1:
                log.error("call records cannot be written to %s: %s", self._path, exc.strerror)
            return
        if self.lost:
            log.warning("call records are written again; %d were lost", self.lost)
            self.lost = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def session_record(session: Session, counts: StreamCounts | None) -> CallRecord:
    """The row of a session's first leg, which is over."""
    leg = session.leg
    ended_s = session.board.clock.wall()
    duration_s = session.duration_s
    return CallRecord(
        leg=leg.name,
        call_id=leg.dialog.callid,
        direction="in" if leg.target is None else "out",
        script=session.generation.script,
        generation=session.generation.number,
        caller=leg.caller,
        called=leg.called,
        started_s=session.began_s,
        answered_s=ended_s - duration_s if leg.answered_s else 0.0,
        ended_s=ended_s,
        duration_s=duration_s,
        code=session.final_code,
        ended_by=session.ended_by,
        reason=session.reason,
        keys=session.keys.pressed,
        rtp_received=counts.received if counts else 0,
        rtp_sent=counts.sent if counts else 0,
        rtp_lost=counts.lost if counts else 0,
    )


def callee_record(callee: Callee, counts: StreamCounts | None) -> CallRecord:
    """The row of a second party, which is gone."""
    leg, end, generation = callee.leg, callee.end, callee.session.generation
    assert end is not None, "its end was told"
    ended_s = callee.board.clock.wall()
    return CallRecord(
        leg=leg.name,
        call_id=leg.dialog.callid,
        direction="out",
        script=generation.script,
        generation=generation.number,
        caller=leg.caller,
        called=leg.called,
        started_s=callee.began_s,
        answered_s=ended_s - end.duration_s if leg.answered_s else 0.0,
        ended_s=ended_s,
        duration_s=end.duration_s,
        code=end.code,
        ended_by=end.by,
        reason=end.reason,
        keys=callee.keys.pressed,
        rtp_received=counts.received if counts else 0,
        rtp_sent=counts.sent if counts else 0,
        rtp_lost=counts.lost if counts else 0,
    )
