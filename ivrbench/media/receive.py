"""Receiving: reading the sockets, the jitter buffer, concealment.

The ring of a row holds encoded samples at their place in time. Ordinary packets (20 ms, in
order, from the known source) are placed for all rows at once; anything else takes the way over
`Call.accept`, one packet at a time, and ends in `place` here.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.lane import HEADER_BYTES, MAX_PACKET_BYTES, RING_BLOCKS, RTP_HEAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.lane import Lane

__all__ = [
    "LATE_LIMIT",
    "Placed",
    "note_arrival",
    "place",
    "play_out",
    "read_packets",
    "restart",
    "unsync",
]

TARGET_FRAMES = 2
"""Depth of the jitter buffer in frames when a stream begins: 40 ms."""
MAX_FRAMES = 8
"""Deeper than this (160 ms), the oldest is dropped down to the target: delay must not stay."""
LATE_LIMIT = 3
"""So many late packets in a row mean that the delay has grown: start again with the new one."""
SURE_STEP = 50
"""A packet at most so many ahead in sequence is ordinary; `history` has 64 bits."""
MAX_ROUNDS = 8
"""Reads of one row in one period, at most: a flood must not eat the tick."""
DEEP_EVERY = 32
"""Each row is looked at for a second packet every so many periods, for clock drift."""
FADE = np.array([1.0, 0.7, 0.4, 0.15, 0.0], np.float32)
"""Gain of the repeated last frame by number of frames missing."""
WORTH_A_BATCH = 6
"""Fewer packets than this are faster one by one."""
LONG_GAP = 100
"""Frames missing, as good as infinity."""
HALF = 0x8000_0000


class Placed(enum.Enum):
    """What became of a packet."""

    OK = "in the buffer"
    LATE = "its turn is over"
    FAR = "too far ahead to be part of this stream"


def read_packets(lane: Lane, now: float, period: int) -> int:
    """Read what came since the last period and put it into the jitter buffers.

    Args:
        lane: whose rows to read.
        now: seconds.
        period: number of this period.

    Returns:
        Packets read.
    """
    sizes = lane.sizes
    empty: list[int] = []
    for row, recv_into, view in lane.readers:
        try:
            sizes[row] = recv_into(view)
        except OSError:  # nothing there, or an ICMP error of an earlier send
            sizes[row] = 0
            empty.append(row)
    n_packets = len(lane.readers) - len(empty)
    if n_packets:
        _sort_in(lane, sizes, now)
    again = _rows_to_read_again(lane, empty, period)
    lane.busy.clear()
    if again:
        n_packets += _read_again(lane, again, now)
    return n_packets


def _rows_to_read_again(lane: Lane, empty: list[int], period: int) -> list[int]:
    """Rows of which a second packet may be waiting."""
    sizes = lane.sizes
    were_empty, lane.empty = lane.empty, empty
    if lane.behind:
        lane.behind = False
        return [row for row, _, _ in lane.readers if sizes[row]]
    turn = range(period % DEEP_EVERY, lane.n, DEEP_EVERY)
    rows = lane.busy.union(were_empty, turn)
    return [row for row in sorted(rows) if sizes[row] and lane.calls[row] is not None]


def _read_again(lane: Lane, rows: list[int], now: float) -> int:
    """Further packets of some rows, until they have no more."""
    n_packets = 0
    for _ in range(MAX_ROUNDS):
        got: list[int] = []
        sizes = [0] * lane.n
        for row in rows:
            call = lane.calls[row]
            assert call is not None, "a row without a call was read"
            try:
                sizes[row] = call.rtp.recv_into(lane.rx_views[row])
            except OSError:
                continue
            got.append(row)
        if not got:
            break
        n_packets += len(got)
        lane.busy.update(got)
        if len(got) < WORTH_A_BATCH:
            _accept_each(lane, got, sizes, now)
        else:
            _sort_in(lane, sizes, now)
        rows = got
    return n_packets


def _accept_each(lane: Lane, rows: list[int], sizes: list[int], now: float) -> None:
    for row in rows:
        call = lane.calls[row]
        if call is not None and sizes[row]:
            call.inbound.accept(bytes(lane.rx_views[row][: sizes[row]]), now)


def _sort_in(lane: Lane, sizes: list[int], now: float) -> None:
    """Place the ordinary ones of the packets just read, hand on the others one by one.

    Args:
        lane: the packets lie in its `rx` rows.
        sizes: bytes of each row's packet, 0 for none.
        now: seconds.
    """
    n = lane.n
    rx = lane.rx[:n]
    size = np.array(sizes[:n])
    ts = rx["ts"].astype(np.uint32)
    seq = rx["seq"].astype(np.uint16)
    ahead = ts - lane.play_ts[:n]  # what is late is a huge number here
    step = seq - lane.max_seq[:n]
    plain = (
        (size == lane.packet_bytes)
        & (rx["head"] == lane.rx_head[:n])
        & (rx["ssrc"] == lane.rx_ssrc[:n])
        & (step - np.uint16(1) < SURE_STEP)
        & (ahead <= RING_BLOCKS * lane.block - lane.frame)
        & (ahead % lane.block == 0)
    )
    _place_all(lane, plain, ts, seq, ahead, step, now)
    # The ordinary ones came first: their clock is what an odd one is judged by.
    odd = (size > 0) & ~plain
    if odd.any():
        _accept_each(lane, np.flatnonzero(odd).tolist(), sizes, now)


def _place_all(
    lane: Lane,
    plain: NDArray[np.bool_],
    ts: NDArray[np.uint32],
    seq: NDArray[np.uint16],
    ahead: NDArray[np.uint32],
    step: NDArray[np.uint16],
    now: float,
) -> None:
    """Place the packets of the rows that are `plain`; the audio only where somebody listens.

    Whole columns with `where` are several times faster than lists of rows.
    """
    n = lane.n
    at = lane.play[:n] + ahead
    rows = lane.listeners[plain[lane.listeners]]
    if rows.size:
        block = (at[rows] // lane.block) % RING_BLOCKS
        after = (block + 1) % RING_BLOCKS
        payload = lane.rx["payload"][rows]
        lane.ring[rows, block] = payload[:, : lane.block]
        lane.ring[rows, after] = payload[:, lane.block :]
        lane.fresh[rows, block] = True
        lane.fresh[rows, after] = True
    np.maximum(lane.end[:n], at + lane.frame, out=lane.end[:n], where=plain)
    lane.cycles[:n] += plain & (seq < lane.max_seq[:n])
    np.copyto(lane.max_seq[:n], seq, where=plain)
    np.copyto(lane.history[:n], lane.history[:n] << step | np.uint64(1), where=plain)
    lane.received[:n] += plain
    np.copyto(lane.last_rx[:n], now, where=plain)
    # RFC 3550 A.8, in units of the RTP clock.
    transit = np.uint32(int(now * lane.codec.rate_hz) & 0xFFFF_FFFF) - ts
    d = np.abs((transit - lane.transit[:n]).view(np.int32))
    np.copyto(lane.transit[:n], transit, where=plain)
    np.copyto(lane.jitter[:n], lane.jitter[:n] + (d - lane.jitter[:n]) / 16, where=plain)


def note_arrival(lane: Lane, row: int, ts: int, now: float) -> None:
    """Jitter (RFC 3550 A.8) by one packet of a row."""
    transit = (int(now * lane.codec.rate_hz) - ts) & 0xFFFF_FFFF
    if lane.synced[row]:
        d = abs(((transit - int(lane.transit[row]) + HALF) & 0xFFFF_FFFF) - HALF)
        lane.jitter[row] += (d - lane.jitter[row]) / 16
    lane.transit[row] = transit


def unsync(lane: Lane, row: int) -> None:
    """The row's stream is over, or not to be heard: the next packet begins it anew."""
    lane.synced[row] = False
    lane.rx_head[row] = 0


def restart(lane: Lane, row: int, ts: int) -> None:
    """Begin a row's stream (again) with a packet of timestamp `ts`."""
    target = TARGET_FRAMES * lane.frame
    lane.fresh[row] = False
    lane.play[row] = 0
    lane.end[row] = target
    lane.play_ts[row] = (ts - target) & 0xFFFF_FFFF
    lane.gap[row] = LONG_GAP
    lane.synced[row] = True
    lane.rx_head[row] = RTP_HEAD | int(lane.rx_pt[row])


def place(lane: Lane, row: int, ts: int, payload: bytes) -> Placed:
    """Put the samples of one packet of any length into a row's ring.

    Returns:
        A value of `Placed`. A packet that is partly late is used as far as it goes.
    """
    ahead = ((ts - int(lane.play_ts[row]) + HALF) & 0xFFFF_FFFF) - HALF
    if ahead + len(payload) <= 0:
        return Placed.LATE
    if ahead < 0:
        payload = payload[-ahead:]
        ahead = 0
    if ahead + len(payload) > RING_BLOCKS * lane.block:
        return Placed.FAR
    samples = np.frombuffer(payload, np.uint8)
    start = int(lane.play[row]) + ahead
    ring = lane.ring[row]
    done = 0
    while done < len(samples):
        block, inside = divmod(start + done, lane.block)
        block %= RING_BLOCKS
        n = min(lane.block - inside, len(samples) - done)
        if not lane.fresh[row, block]:
            ring[block] = lane.codec.law.silence
            lane.fresh[row, block] = True
        ring[block, inside : inside + n] = samples[done : done + n]
        done += n
    lane.end[row] = max(int(lane.end[row]), start + len(samples))
    return Placed.OK


def play_out(lane: Lane) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Take this period's frame out of every jitter buffer.

    Args:
        lane: whose rows.

    Returns:
        Linear samples (a row for each listener), and whether the frame was really received.
    """
    n = lane.n
    synced = lane.synced[:n]
    rows = np.arange(n)
    block = (lane.play[:n] // lane.block) % RING_BLOCKS
    after = (block + 1) % RING_BLOCKS
    first = lane.fresh[rows, block]
    second = lane.fresh[rows, after]
    present = (first | second) & synced
    gap = lane.gap[:n]
    gap += 1
    gap[present] = 0
    listeners = lane.listeners
    pcm = _linear(lane, listeners, block, after, first, second)
    lane.fresh[rows, block] = False
    lane.fresh[rows, after] = False
    moved = synced * lane.frame
    lane.play[:n] += moved
    lane.play_ts[:n] += moved.astype(np.uint32)
    deep = synced & (lane.end[:n] - lane.play[:n] > MAX_FRAMES * lane.frame)
    if deep.any():
        for row in np.flatnonzero(deep).tolist():
            _drop_oldest(lane, row)
    return pcm, present[listeners]


def _linear(
    lane: Lane,
    listeners: NDArray[np.int64],
    block: NDArray[np.int64],
    after: NDArray[np.int64],
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
) -> NDArray[np.int16]:
    if not listeners.size:
        return np.empty((0, lane.frame), np.int16)
    codes = np.empty((len(listeners), 2, lane.block), np.uint8)
    for half, blocks, have in ((0, block, first), (1, after, second)):
        codes[:, half] = lane.ring[listeners, blocks[listeners]]
        codes[~have[listeners], half] = lane.codec.law.silence
    pcm = lane.codec.law.decode(codes.reshape(len(listeners), lane.frame))
    gap = lane.gap[listeners]
    missing = gap > 0
    if missing.any():
        gain = FADE[np.minimum(gap[missing], len(FADE) - 1)]
        repeated = lane.last_pcm[listeners[missing]] * gain[:, np.newaxis]
        pcm[missing] = repeated.astype(np.int16)
    lane.last_pcm[listeners[~missing]] = pcm[~missing]
    return pcm


def _drop_oldest(lane: Lane, row: int) -> None:
    """Jump a row's playout forward to the target depth."""
    jump = int(lane.end[row] - lane.play[row]) - TARGET_FRAMES * lane.frame
    jump -= jump % lane.block
    start = int(lane.play[row]) // lane.block
    for block in range(start, start + jump // lane.block):
        lane.fresh[row, block % RING_BLOCKS] = False
    lane.play[row] += jump
    lane.play_ts[row] += np.uint32(jump)


assert HEADER_BYTES + 3 * 160 <= MAX_PACKET_BYTES, "packets of 60 ms must fit"
