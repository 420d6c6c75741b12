"""What becomes of what callers say: rooms, keys, levels, silence and recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.messages import SilenceHeard
from ivrbench.media.mixing import speak
from ivrbench.media.silence import silent_rows
from ivrbench.media.transmit import sent_pcm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.call import Call
    from ivrbench.media.lane import Lane
    from ivrbench.media.outbox import Outbox

__all__ = ["call_at", "listen", "listeners"]

NOBODY: NDArray[np.int64] = np.empty(0, np.int64)


def call_at(lane: Lane, row: int) -> Call:
    """The call of a row that is known to have one."""
    call = lane.calls[row]
    assert call is not None, "a row without a call was marked"
    return call


def listeners(lane: Lane) -> NDArray[np.int64]:
    """The rows whose received audio somebody wants in this period."""
    if not (lane.recording or lane.watched or lane.toned or lane.members or lane.taped):
        if not lane.hushed:
            return NOBODY
    wanted = lane.recording.union(lane.watched, lane.toned, lane.members, lane.taped, lane.hushed)
    rows = np.fromiter(wanted, np.int64, len(wanted))
    rows.sort()
    return rows


def listen(
    lane: Lane, pcm: NDArray[np.int16], present: NDArray[np.bool_], now: float, outbox: Outbox
) -> None:
    """Give this period's frames to all who want them.

    Args:
        lane: whose rows.
        pcm: a row for each of the lane's listeners.
        present: whether a frame was really received.
        now: seconds.
        outbox: where events go.
    """
    if lane.mixes:
        speak(lane, pcm)
    if lane.toned:
        _hear_keys(lane, pcm, now)
    if lane.watched:
        _measure(lane, pcm)
    if lane.hushed:
        for row in silent_rows(lane, pcm):
            outbox.say(SilenceHeard(call_at(lane, row).number, lane.hushed[row], now))
    if lane.recording:
        _record(lane, pcm, present)
    for row in list(lane.taped):
        call = call_at(lane, row)
        assert call.tape is not None, "a row that is taped has a tape"
        call.tape.record(lane, row, pcm[int(np.searchsorted(lane.listeners, row))])
        if call.tape.recorder.full:
            call.record(None, "recorded")


def _hear_keys(lane: Lane, pcm: NDArray[np.int16], now: float) -> None:
    rows = np.array(sorted(lane.toned), np.int64)
    frames = pcm[np.searchsorted(lane.listeners, rows)]
    for row, event in lane.hearing.listen(rows, frames):
        call_at(lane, row).inbound.tell_key(event, now, inband=True)


def _measure(lane: Lane, pcm: NDArray[np.int16]) -> None:
    for row in lane.watched:
        meters = call_at(lane, row).meters
        assert meters is not None, "a watched row has meters"
        frame = pcm[int(np.searchsorted(lane.listeners, row))]
        meters[0].add(frame)
        meters[1].add(sent_pcm(lane, row) if lane.sends[row] else np.zeros_like(frame))


def _record(lane: Lane, pcm: NDArray[np.int16], present: NDArray[np.bool_]) -> None:
    slow = lane.recording.difference(lane.steady)
    slow.update(_record_steady(lane, pcm))
    for row in slow:
        if lane.runs[row]:
            index = int(np.searchsorted(lane.listeners, row))
            came, hears = bool(present[index]), bool(lane.hears[row])
            call_at(lane, row).playlist.record(pcm[index], came=came, hears=hears)


def _record_steady(lane: Lane, pcm: NDArray[np.int16]) -> list[int]:
    """Take the frames of all recordings that are under way, at once.

    Returns:
        The rows that need a closer look: a pause, or the limit is near.
    """
    recorders = list(lane.steady.values())
    if not recorders:
        return []
    rows = np.fromiter(lane.steady, np.int64, len(recorders))
    reels = recorders[0].reels
    assert reels is not None, "who is steady has begun"
    slots = np.fromiter((recorder.slot for recorder in recorders), np.int64, len(recorders))
    wanted = lane.hears[rows] & (lane.runs[rows] > 0)
    plain = (reels.left[slots] > lane.frame) & ~reels.held[slots]
    now = wanted & plain
    reels.take(slots[now], pcm[np.searchsorted(lane.listeners, rows[now])])
    near: list[int] = rows[wanted & ~plain].tolist()
    return near
