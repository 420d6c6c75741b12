"""Playing out: what the jitter buffers give each period, gaps hidden, delay adapted.

The depth of a buffer follows what the network does: a late packet makes it deeper at once
(`receive.delay`); when for a while none came near its turn, it gives up a block of half a frame.
Such a step is a cross-fade: clocks that differ by 200 ppm are followed without a click.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.conceal import Concealer
from ivrbench.media.lane import NO_ROOM
from ivrbench.media.receive import LONG_GAP, TARGET_MS
from ivrbench.media.ring import ring_places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.audio.codecs.g711 import Law
    from ivrbench.media.lane import Lane

__all__ = ["ADAPT_MS", "adapt", "play_out"]

DEEPEST_MS = 300
"""Deeper than this after a burst, the oldest is dropped down to the target."""
ADAPT_MS = 1920
"""Length of a window over which `room` is looked at: some 100 packets."""
CALM_WINDOWS = 4
"""Windows without a late packet before the delay shrinks."""
TOO_FEW_BLOCKS = 2
"""A packet that came so short before its turn, a frame, might have missed it one period later."""
ENOUGH_BLOCKS = 4
"""A stream whose every packet came so many blocks before its turn could be played earlier,"""
PLENTY_BLOCKS = 10
"""and one with so many need not wait for calm."""
MAX_CONCEALED = 16
"""Gaps hidden properly in one period of a lane; beyond that the last frame is repeated, faded."""
SILENT_AFTER_MS = 60
"""A gap is silent from then on."""
PLAIN_FADE = 0.5
"""Gain of the last frame where there is no time to do better."""


def adapt(lane: Lane) -> None:
    """End a window: decide which rows' delay changes, by a block in the next period."""
    n = lane.n
    room = lane.room[:n]
    known = lane.synced[:n] & (room < NO_ROOM)
    lane.calm[:n] += 1
    for row in np.flatnonzero(known & (room < TOO_FEW_BLOCKS * lane.block_ts)).tolist():
        lane.slides[row] = -1
    calm = lane.calm[:n] >= CALM_WINDOWS
    spare = np.where(calm, ENOUGH_BLOCKS, PLENTY_BLOCKS) * lane.block_ts
    for row in np.flatnonzero(known & (room >= spare)).tolist():
        lane.slides[row] = 1
    lane.room[:n] = NO_ROOM


def play_out(lane: Lane) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Take this period's frame out of every jitter buffer.

    Args:
        lane: whose rows.

    Returns:
        Linear samples (a row for each listener), and whether the frame was really received.
    """
    law = lane.codec.law
    if law is not None and _is_quiet(lane):
        gap = lane.gap[: lane.n]
        gap += 1
        _pass_frame(lane)
        return np.empty((0, lane.frame), np.int16), np.empty(0, np.bool_)
    pcm, present = _coded(lane) if law is None else _ringed(lane, law)
    if lane.noises:
        _make_noise(lane, pcm)
    _pass_frame(lane)
    n = lane.n
    deepest = DEEPEST_MS * lane.codec.clock_hz // 1000
    depth = lane.end[:n] - lane.play[:n]
    if depth.max(initial=0) > deepest:
        for row in np.flatnonzero(lane.synced[:n] & (depth > deepest)).tolist():
            _drop_oldest(lane, row)
    return pcm, present


def _is_quiet(lane: Lane) -> bool:
    """Nobody listens, and there is nothing to be heard: then only time passes."""
    if lane.listeners.size or lane.slides or lane.noises:
        return False
    return not lane.fresh[: lane.n].any()


def _pass_frame(lane: Lane) -> None:
    moved = lane.synced[: lane.n] * np.uint32(lane.frame_ts)
    play, play_ts = lane.play[: lane.n], lane.play_ts[: lane.n]
    play += moved
    play_ts += moved


def _move(lane: Lane, row: int, ticks: int) -> None:
    lane.play[row] += ticks
    lane.play_ts[row] = (int(lane.play_ts[row]) + ticks) & 0xFFFF_FFFF


def _blend(before: NDArray[np.int16], after: NDArray[np.int16]) -> NDArray[np.int16]:
    """Fade from one stretch of audio to another."""
    ramp = np.linspace(0, 1, len(before), endpoint=False, dtype=np.float32)
    return np.rint(before * (1 - ramp) + after * ramp).astype(np.int16)


# -- G.711: all rows at once


def _ringed(lane: Lane, law: Law) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    slid = _slide_rings(lane, law)
    n = lane.n
    at = ring_places(lane, np.arange(n), lane.play[:n])
    fresh = lane.fresh.reshape(-1)
    have = fresh[at]
    fresh[at] = False
    present = (have[:, 0] | have[:, 1]) & lane.synced[:n]
    gap = lane.gap[:n]
    gap += 1
    gap[present] = 0
    listeners = lane.listeners
    if not listeners.size:
        return np.empty((0, lane.frame), np.int16), present[listeners]
    codes = lane.ring_line.take(at[listeners]).view(np.uint8)
    have = have[listeners]
    if not have.all():
        codes.reshape(-1, 2, lane.block)[~have] = law.silence
    pcm = law.decode(codes)
    came = _conceal(lane, pcm, gap[listeners])
    lane.heard.add(listeners, pcm.copy() if slid else pcm, came)
    for index, natural in slid.items():
        pcm[index, : lane.block] = _blend(natural, pcm[index, : lane.block])
    return pcm, present[listeners]


def _slide_rings(lane: Lane, law: Law) -> dict[int, NDArray[np.int16]]:
    """Move the playout of rows by a block.

    Returns:
        By place among the listeners: what would have been heard.
    """
    naturals: dict[int, NDArray[np.int16]] = {}
    for row, step in lane.slides.items():
        block = int(lane.play[row]) // lane.block % lane.ring_blocks
        heard = lane.fresh[row, block]
        if step < 0 and lane.play[row] < lane.block:
            continue
        _move(lane, row, step * lane.block)
        if step > 0:
            lane.fresh[row, block] = False
        else:
            # What was played last is still in the ring.
            lane.fresh[row, block - 1] = lane.gap[row] == 0
        index = int(np.searchsorted(lane.listeners, row))
        if heard and index < len(lane.listeners) and lane.listeners[index] == row:
            naturals[index] = law.decode(lane.ring[row, block])
    lane.slides.clear()
    return naturals


def _conceal(lane: Lane, pcm: NDArray[np.int16], gap: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Hide the gaps of listeners, in place; `gap` is frames missing now, 0 for none.

    Returns:
        Which frames are not made up.
    """
    listeners = lane.listeners
    came: NDArray[np.bool_] = gap == 0
    if lane.concealers:
        for index in np.flatnonzero(came).tolist():
            concealer = lane.concealers.pop(int(listeners[index]), None)
            if concealer is not None:
                pcm[index] = concealer.receive(pcm[index])
    if not came.all():
        for index in np.flatnonzero(gap == LONG_GAP + 1).tolist():
            lane.heard.of(int(listeners[index]))  # while it is there: another stream begins
        for done, index in enumerate(np.flatnonzero(~came).tolist()):
            row, in_time = int(listeners[index]), done < MAX_CONCEALED
            pcm[index] = _stand_in(lane, row, int(gap[index]), in_time)
    return came


def _stand_in(lane: Lane, row: int, gap: int, in_time: bool) -> NDArray[np.int16] | int:
    """What is heard in place of a frame that did not come."""
    concealer = lane.concealers.get(row)
    if gap * lane.ptime_ms > SILENT_AFTER_MS + lane.ptime_ms:
        lane.concealers.pop(row, None)
        return 0
    if concealer is None:
        if not in_time:
            faded = lane.heard.of(row)[-lane.frame :] * PLAIN_FADE**gap
            return faded.astype(np.int16)
        concealer = lane.concealers[row] = Concealer(lane.codec.rate_hz)
        concealer.receive(lane.heard.of(row))
    return concealer.conceal(lane.frame)


def _drop_oldest(lane: Lane, row: int) -> None:
    """Jump a row's playout forward to the target depth."""
    jump = int(lane.end[row] - lane.play[row]) - TARGET_MS * lane.codec.clock_hz // 1000
    jump -= jump % lane.block_ts
    if lane.codec.law is not None:
        start = int(lane.play[row]) // lane.block
        for block in range(start, start + jump // lane.block):
            lane.fresh[row, block % lane.ring_blocks] = False
    _move(lane, row, jump)


# -- other codecs: one call after the other


def _coded(lane: Lane) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    listeners = lane.listeners
    pcm = np.zeros((len(listeners), lane.frame), np.int16)
    present = np.zeros(len(listeners), np.bool_)
    heard = dict(zip(listeners.tolist(), range(len(listeners)), strict=True))
    for row in np.flatnonzero(lane.synced[: lane.n]).tolist():
        coder = lane.coders[row]
        assert coder is not None, "a row of this lane has a coder"
        at = int(lane.play[row])
        index = heard.get(row)
        step = lane.slides.pop(row, 0)
        if index is None:
            coder.skip(at)
            _move(lane, row, step * lane.block_ts)
        elif step > 0:
            natural, _ = coder.take(at, lane.block)
            _move(lane, row, lane.block_ts)
            pcm[index], present[index] = coder.take(at + lane.block_ts, lane.frame)
            pcm[index, : lane.block] = _blend(natural, pcm[index, : lane.block])
        elif step < 0:
            pcm[index, : lane.block] = coder.insert(lane.block)
            rest, present[index] = coder.take(at, lane.frame - lane.block)
            pcm[index, lane.block :] = rest
            _move(lane, row, -lane.block_ts)
        else:
            pcm[index], present[index] = coder.take(at, lane.frame)
        lane.gap[row] = 0 if index is not None and present[index] else lane.gap[row] + 1
    return pcm, present


# -- silent peers


def _make_noise(lane: Lane, pcm: NDArray[np.int16]) -> None:
    """Let silence sound as the peers said (RFC 3389), until audio comes again."""
    for row, (noise, since) in list(lane.noises.items()):
        if lane.end[row] > since:
            del lane.noises[row]
            continue
        index = int(np.searchsorted(lane.listeners, row))
        if index < len(lane.listeners) and lane.listeners[index] == row and lane.gap[row]:
            pcm[index] = noise.generate(lane.frame)
