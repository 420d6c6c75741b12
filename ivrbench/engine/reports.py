"""Reports: how the engine is, once a second, while somebody watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import EngineReported

if TYPE_CHECKING:
    from .switchboard import Switchboard

__all__ = ["Reporter"]

INTERVAL_S: Final = 1.0


class Reporter:
    """Publishes `EngineReported`.

    Args:
        board: what is reported.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._timer = board.loop.call_later(INTERVAL_S, self._tick)

    def close(self) -> None:
        """No more reports."""
        self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._board.loop.call_later(INTERVAL_S, self._tick)
        if self._board.hub.clients:
            self._board.publish(self.report())

    def report(self) -> EngineReported:
        """How it is now."""
        board = self._board
        workers = [w.report for w in board.media.workers if w.report is not None]
        sip = board.endpoint.stats()
        settings = board.settings
        return EngineReported(
            live_legs=len(board.sessions),
            late_p50_ms=max((w.late_p50_ms for w in workers), default=0.0),
            late_p99_ms=max((w.late_p99_ms for w in workers), default=0.0),
            late_max_ms=max((w.late_max_ms for w in workers), default=0.0),
            busy_ms_per_tick=max((w.busy_ms_per_tick for w in workers), default=0.0),
            skipped_ticks=sum(w.skipped_ticks for w in workers),
            packets_in_per_s=sum(w.packets_in for w in workers),
            packets_out_per_s=sum(w.packets_out for w in workers),
            ports_used=board.media.ports_in_use,
            ports_total=(settings.rtp_high_port - settings.rtp_low_port + 1) // 2,
            sip_in=sip.received,
            sip_out=sip.sent,
            sip_retransmitted=sip.retransmissions_received,
            sip_refused=sip.malformed_answered + sip.dropped + board.access.unanswered,
            transactions=sip.server_transactions + sip.client_transactions,
            script_threads_busy=board.pool.busy,
            script_threads=board.pool.threads,
            memory_mb=board.admission.memory.used_bytes >> 20,
            memory_limit_mb=board.admission.memory.limit_bytes >> 20,
        )
