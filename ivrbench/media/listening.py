"""What becomes of what callers say: rooms, keys, levels, silence and recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.messages import SilenceHeard
from ivrbench.media.mixing import speak
from ivrbench.media.silence import silent_rows
from ivrbench.media.transmit import sent_pcm

if TYPE_CHECKING:
    from collections.abc import Set

    from numpy.typing import NDArray

    from ivrbench.media.call import Call
    from ivrbench.media.lane import Lane
    from ivrbench.media.outbox import Outbox
    from ivrbench.media.recorder import Recorder
    from ivrbench.media.reels import Reels

__all__ = ["Tracks", "call_at", "find_listeners", "listen"]


@dataclass(slots=True, eq=False)
class Tracks:
    """The recordings of a lane that are under way, ready to take a frame each."""

    steady: dict[int, Recorder]
    listeners: NDArray[np.int64]
    """Made of these two: while the lane still has them, this is up to date."""
    reels: Reels
    rows: NDArray[np.int64]
    """Those of `steady` that hear."""
    slots: NDArray[np.int64]
    """Their places in the reels, and among the listeners."""
    places: NDArray[np.int64]


def call_at(lane: Lane, row: int) -> Call:
    """The call of a row that is known to have one."""
    call = lane.calls[row]
    assert call is not None, "a row without a call was marked"
    return call


def find_listeners(lane: Lane) -> None:
    """Bring up to date whose received audio somebody wants in this period."""
    audience: tuple[Set[int], ...] = (
        lane.recording,
        lane.watched,
        lane.toned,
        lane.taped,
        lane.members.keys(),
        lane.hushed.keys(),
    )
    if audience != lane.audience:  # seldom: most of a period's work is not done anew
        lane.audience = tuple(frozenset(rows) for rows in audience)
        wanted = frozenset().union(*lane.audience)
        for row in lane.listeners.tolist():
            if row not in wanted:
                lane.heard.forget(row)
        lane.listeners = np.fromiter(wanted, np.int64, len(wanted))
        lane.listeners.sort()


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
    slow = _record_steady(lane, pcm) if lane.steady else []
    if len(lane.steady) < len(lane.recording):
        slow += lane.recording.difference(lane.steady)
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
    tracks = lane.tracks
    if (
        tracks is None
        or lane.changed
        or tracks.listeners is not lane.listeners
        or tracks.steady != lane.steady
    ):
        tracks = lane.tracks = _tracks(lane)
    left_out = tracks.reels.take(tracks.slots, pcm.take(tracks.places, axis=0))
    return [int(tracks.rows[place]) for place in left_out]


def _tracks(lane: Lane) -> Tracks:
    hearing = [row for row in lane.steady if lane.hears[row] and lane.runs[row]]
    reels = next(iter(lane.steady.values())).reels
    assert reels is not None, "who is steady has begun"
    rows = np.array(hearing, np.int64)
    return Tracks(
        steady=dict(lane.steady),
        listeners=lane.listeners,
        reels=reels,
        rows=rows,
        slots=np.array([lane.steady[row].slot for row in hearing], np.int64),
        places=np.searchsorted(lane.listeners, rows),
    )
