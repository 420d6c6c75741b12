"""What is counted and measured of a call: for its end, and for those who watch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.media.messages import CallReported, StreamCounts
from ivrbench.rtp.mos import mos

if TYPE_CHECKING:
    from ivrbench.media.call import Call
    from ivrbench.media.levels import Meter

__all__ = ["counts_of", "report_on"]


def counts_of(call: Call) -> StreamCounts:
    """The counters as they stand."""
    lane, row = call.lane, call.row
    received = int(lane.received[row])
    expected = call.inbound.expected
    rtt_s = call.reporter.rtt_s
    return StreamCounts(
        received=received,
        sent=int(lane.sent[row]),
        lost=max(0, expected - received),
        late=call.inbound.late,
        duplicate=call.inbound.duplicate,
        foreign=call.foreign,
        invalid=call.inbound.invalid + call.reporter.invalid + call.keying.rejected,
        jitter_ms=round(float(lane.jitter[row]) * 1000 / lane.codec.clock_hz, 2),
        rtt_ms=-1.0 if rtt_s is None else round(rtt_s * 1000, 2),
        mos=_mos(call, expected, received) if received else 0.0,
    )


def _mos(call: Call, expected: int, received: int) -> float:
    """How good what we hear probably sounds (ITU-T G.107)."""
    lane, row = call.lane, call.row
    unheard = max(0, expected - received) + call.inbound.late
    buffered_ms = max(0, int(lane.end[row] - lane.play[row])) * 1000 / lane.codec.clock_hz
    network_ms = (call.reporter.rtt_s or 0.0) * 1000 / 2
    delay_ms = network_ms + buffered_ms + lane.ptime_ms
    return round(mos(lane.codec.name, unheard / max(expected, 1), delay_ms), 2)


def report_on(call: Call, meters: tuple[Meter, Meter]) -> CallReported:
    """What a watcher of the call wants to know; `meters` start anew."""
    lane, row = call.lane, call.row
    in_dbfs, in_peak_dbfs = meters[0].take()
    out_dbfs, out_peak_dbfs = meters[1].take()
    item = call.playlist.current
    depth = max(0, int(lane.end[row] - lane.play[row])) if lane.synced[row] else 0
    per_ms = lane.codec.rate_hz // 1000
    return CallReported(
        call=call.number,
        in_dbfs=in_dbfs,
        in_peak_dbfs=in_peak_dbfs,
        out_dbfs=out_dbfs,
        out_peak_dbfs=out_peak_dbfs,
        item=item.number if item is not None else 0,
        position_ms=call.playlist.position // per_ms if item is not None else 0,
        recorded_ms=item.recorded_ms if item is not None else 0,
        buffer_ms=depth * 1000 // lane.codec.clock_hz,
        counts=counts_of(call),
    )
