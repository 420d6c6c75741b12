"""Metrics: what a monitoring system wants to know, in the text form of Prometheus 0.0.4."""

from __future__ import annotations

import resource
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ivrbench
from ivrbench.observe.events import HandlerRaised, LegChanged, LegEnded, LegStarted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ivrbench.observe.events import Event

    from .switchboard import Switchboard

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SETUP_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""A script that does not let the phone ring answers within 0.1 s."""
LATENESS: Final = {"0.5": "late_p50_ms", "0.99": "late_p99_ms", "1": "late_max_ms"}
PAGE_BYTES: Final = resource.getpagesize()

Samples = dict[tuple[str, ...], float]
"""Values of the labels -> value."""


class _Text:
    """Collects metrics as text."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, meaning: str, value: float) -> None:
        """A value that goes up and down."""
        self.family(name, "gauge", meaning, (), {(): value})

    def counter(self, name: str, meaning: str, value: float) -> None:
        """A value that only grows."""
        self.family(name, "counter", meaning, (), {(): value})

    def family(
        self, name: str, kind: str, meaning: str, labels: tuple[str, ...], samples: Samples
    ) -> None:
        """A value for each set of labels."""
        self._head(name, kind, meaning)
        for values, value in sorted(samples.items()):
            self._sample(name, dict(zip(labels, values, strict=True)), value)

    def histogram(self, name: str, meaning: str, counts: list[int], total: float) -> None:
        """Set-up times by bound; the last count is of those beyond every bound."""
        self._head(name, "histogram", meaning)
        sums = list(accumulate(counts))
        for bound, count in zip((*map(str, SETUP_BOUNDS_S), "+Inf"), sums, strict=True):
            self._sample(f"{name}_bucket", {"le": bound}, count)
        self._sample(f"{name}_sum", {}, total)
        self._sample(f"{name}_count", {}, sums[-1])

    def _head(self, name: str, kind: str, meaning: str) -> None:
        self._lines.append(f"# HELP ivrbench_{name} {meaning}")
        self._lines.append(f"# TYPE ivrbench_{name} {kind}")

    def _sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        braced = f"{{{inside}}}" if inside else ""
        number = f"{value:.0f}" if value == int(value) else repr(value)
        self._lines.append(f"ivrbench_{name}{braced} {number}")

    def __str__(self) -> str:
        return "\n".join([*self._lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Metrics:
    """Counts what is published from now on, and writes it down when asked.

    Labels hold names of scripts, states and status codes only: nothing a caller can choose, so
    their number is bounded.

    Args:
        board: whose calls they are; its `publish` is counted from now on.
    """

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._publish = board.publish
        board.publish = self._counted
        self._started: Samples = defaultdict(float)
        self._answered: Samples = defaultdict(float)
        self._ended: Samples = defaultdict(float)
        self._raised: Samples = defaultdict(float)
        self._setups = [0] * (len(SETUP_BOUNDS_S) + 1)
        self._setup_s = 0.0
        self._call_s = 0.0
        # Leg -> (direction, when it began, is it answered), while it lives.
        self._legs: dict[str, tuple[str, float, bool]] = {}

    def _counted(self, event: Event) -> object:
        match event:
            case LegStarted():
                # A refused call has what its caller asked for in the place of the script.
                script = event.script if event.generation else ""
                self._started[event.direction, script] += 1
                self._legs[event.leg] = (event.direction, self._board.now(), False)
            case LegChanged(state="up"):
                self._up(event.leg)
            case LegEnded():
                direction = self._legs.pop(event.leg, ("", 0.0, False))[0]
                self._ended[direction, event.by, str(event.code)] += 1
                self._call_s += event.duration_s
            case HandlerRaised():
                self._raised[event.script, event.handler] += 1
        return self._publish(event)

    def _up(self, leg: str) -> None:
        direction, began_s, answered = self._legs.get(leg, ("", 0.0, True))
        if answered:
            return  # A hold is over, or we came too late to see it begin.
        self._legs[leg] = (direction, began_s, True)
        self._answered[(direction,)] += 1
        setup_s = self._board.now() - began_s
        self._setup_s += setup_s
        self._setups[bisect_left(SETUP_BOUNDS_S, setup_s)] += 1

    def text(self) -> str:
        """The page."""
        text = _Text()
        self._write_calls(text)
        self._write_sip(text)
        self._write_media(text)
        self._write_process(text)
        return str(text)

    def _write_calls(self, text: _Text) -> None:
        board = self._board
        text.gauge("calls", "Calls up or being set up.", len(board.sessions))
        by: tuple[str, ...] = ("direction", "script")
        text.family("calls_total", "counter", "Calls that began.", by, self._started)
        by = ("direction",)
        text.family("calls_answered_total", "counter", "Calls answered.", by, self._answered)
        by = ("direction", "by", "code")
        meaning = "Legs that ended, by whom and with which status."
        text.family("calls_ended_total", "counter", meaning, by, self._ended)
        meaning = "Calls refused by session_limit, cps_limit, media_capacity and the like."
        text.counter("calls_refused_total", meaning, board.admission.refused)
        text.counter("call_seconds_total", "Length of all calls that ended.", self._call_s)
        meaning = "From the INVITE to the answer."
        text.histogram("call_setup_seconds", meaning, self._setups, self._setup_s)
        meaning = "Handlers of scripts that raised."
        by = ("script", "handler")
        text.family("handler_errors_total", "counter", meaning, by, self._raised)
        meaning = "Handlers running now."
        text.gauge("script_threads_busy", meaning, board.pool.busy)
        text.gauge("script_threads", "Handlers that may run at a time.", board.pool.threads)
        meaning = "1 from the moment the engine is told to stop."
        text.gauge("draining", meaning, board.admission.draining)

    def _write_sip(self, text: _Text) -> None:
        board = self._board
        sip = board.endpoint.stats()
        messages: Samples = {("in",): sip.received, ("out",): sip.sent}
        meaning = "SIP messages."
        text.family("sip_messages_total", "counter", meaning, ("direction",), messages)
        meaning = "Messages that came again."
        text.counter("sip_retransmissions_total", meaning, sip.retransmissions_received)
        meaning = "Requests answered with an error before any call came of them."
        text.counter("sip_refused_total", meaning, sip.refused)
        text.counter("sip_dropped_total", "Messages that got no answer.", sip.dropped)
        meaning = "Messages of banned sources and from outside allow_from."
        text.counter("sip_unanswered_total", meaning, board.access.unanswered)
        sides: Samples = {
            ("server",): sip.server_transactions,
            ("client",): sip.client_transactions,
        }
        text.family("sip_transactions", "gauge", "Transactions alive.", ("side",), sides)
        guard = board.access.guard.stats() if board.access.guard is not None else None
        text.counter("bans_total", "Sources banned.", guard.bans if guard else 0)
        text.gauge("banned", "Sources banned now.", guard.banned if guard else 0)
        accounts = board.hub.history.engine.registrations.values()
        counts = Counter(change.state for change in accounts)
        states: Samples = {(state,): count for state, count in counts.items()}
        text.family("registrations", "gauge", "Accounts by state.", ("state",), states)

    def _write_media(self, text: _Text) -> None:
        media = self._board.media
        text.gauge("rtp_ports_used", "RTP port pairs in use.", media.ports_in_use)
        by: tuple[str, ...] = ("worker",)
        up: Samples = {(str(w.number),): not w.gone for w in media.workers}
        text.family("media_worker_up", "gauge", "1 while a worker works.", by, up)
        load: Samples = {(str(w.number),): w.load for w in media.workers}
        text.family("media_load", "gauge", "What a worker carries, in G.711 calls.", by, load)
        capacity = self._board.settings.media_capacity
        text.gauge("media_capacity", "What one may carry; 0: no limit.", capacity)
        self._write_ticks(text)

    def _write_ticks(self, text: _Text) -> None:
        """What each worker reported last."""
        workers = self._board.media.workers
        by: tuple[str, ...] = ("worker",)
        reports = {(str(w.number),): w.report for w in workers if w.report is not None}
        late: Samples = {
            (*worker, quantile): getattr(report, name) / 1000
            for worker, report in reports.items()
            for quantile, name in LATENESS.items()
        }
        meaning = "How late the media tick was in the last second."
        text.family("media_late_seconds", "gauge", meaning, ("worker", "quantile"), late)
        busy: Samples = {key: each.busy_ms_per_tick / 1000 for key, each in reports.items()}
        meaning = "Time one tick takes, of 0.005 s there are."
        text.family("media_busy_seconds", "gauge", meaning, by, busy)
        skipped: Samples = {key: each.skipped_ticks for key, each in reports.items()}
        meaning = "Ticks left out in the last second."
        text.family("media_skipped_ticks", "gauge", meaning, by, skipped)
        packets: Samples = {(*key, "in"): each.packets_in for key, each in reports.items()}
        packets |= {(*key, "out"): each.packets_out for key, each in reports.items()}
        by = ("worker", "direction")
        text.family("rtp_packets", "gauge", "RTP packets in the last second.", by, packets)

    def _write_process(self, text: _Text) -> None:
        version: Samples = {(ivrbench.__version__,): 1}
        text.family("info", "gauge", "Which version this is.", ("version",), version)
        began_s = self._board.hub.history.engine.started_at_s
        text.gauge("start_time_seconds", "When the engine began, since 1970.", began_s)
        meaning = "CPU time of the engine, without its media workers."
        text.counter("cpu_seconds_total", meaning, time.process_time())
        text.gauge("resident_bytes", "Memory of the engine.", _resident_bytes())
        memory = self._board.admission.memory
        meaning = "Memory of the engine that counts towards max_memory_mb."
        text.gauge("memory_used_bytes", meaning, memory.used_bytes)
        text.gauge("memory_limit_bytes", "What it may be; 0: no limit.", memory.limit_bytes)
        text.gauge("memory_full", "1 while calls are refused because of it.", memory.is_full)
        meaning = "Calls refused because memory was short."
        text.counter("memory_refused_total", meaning, memory.refused)


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        # Not Linux: the most there was has to do.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
