"""Receiving: reading the sockets and filling the jitter buffers.

The ring of a row holds encoded samples at their place in time. Ordinary packets (G.711, as long
as ours, in order, from the known source) are placed for all rows at once; anything else takes the
way over `Inbound.accept`, one packet at a time, and ends in `place` here. What comes out again is
the business of `playout.py`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.codecs import packet_ts
from ivrbench.media.lane import MAX_PACKET_BYTES, NO_ROOM
from ivrbench.media.ring import as_items, ring_places
from ivrbench.rtp.packet import HEADER_BYTES, RTP_HEAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.call import Call
    from ivrbench.media.lane import Lane
    from ivrbench.media.sockets import RtpSocket

__all__ = [
    "LATE_LIMIT",
    "LONG_GAP",
    "TARGET_MS",
    "Placed",
    "arrival_s",
    "delay",
    "note_arrival",
    "place",
    "read_packets",
    "restart",
    "unsync",
]

TARGET_MS = 40
"""Depth of the jitter buffer when a stream begins."""
MAX_DELAY_MS = 240
"""It grows no deeper than this to wait for late packets."""
STEP_MS = 40
"""It grows by no more than this for one late packet: a single straggler tells little."""
LATE_LIMIT = 3
"""So many late packets in a row mean that the delay has grown: start again with the new one."""
SURE_STEP = 50
"""A packet at most so many ahead in sequence is ordinary; `history` has 64 bits."""
MAX_ROUNDS = 8
"""Reads of one row in one period, at most: a flood must not eat the tick."""
DEEP_EVERY = 32
"""Each row is looked at for a second packet every so many periods, for clock drift."""
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
    lane.direct_readers.read(lane.rx, sizes)
    for row, recv_into, view in lane.readers:
        try:
            sizes[row] = recv_into(view)
        except OSError:  # nothing there, or an ICMP error of an earlier send
            sizes[row] = 0
    empty: list[int] = lane.reading[sizes[lane.reading] == 0].tolist()
    n_packets = len(lane.reading) - len(empty)
    if n_packets:
        _sort_in(lane, _opened(lane, sizes, empty), now)
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
        return [row for row in lane.reading.tolist() if sizes[row]]
    turn = range(period % DEEP_EVERY, lane.n, DEEP_EVERY)
    rows = lane.busy.union(were_empty, turn)
    return [row for row in sorted(rows) if sizes[row] and lane.calls[row] is not None]


def _read_again(lane: Lane, rows: list[int], now: float) -> int:
    """Further packets of some rows, until they have no more."""
    n_packets = 0
    for _ in range(MAX_ROUNDS):
        got: list[int] = []
        sizes = np.zeros(lane.n, np.int64)
        for row in rows:
            call = lane.calls[row]
            assert call is not None, "a row without a call was read"
            try:
                sizes[row] = _port(call, lane).recv_into(lane.rx_views[row])
            except OSError:
                continue
            got.append(row)
        if not got:
            break
        n_packets += len(got)
        lane.busy.update(got)
        if len(got) >= WORTH_A_BATCH:
            _sort_in(lane, _opened(lane, sizes, []), now)
        elif lane.secure_rows is not None:
            _accept_each(lane, got, _opened(lane, sizes, []), now)
        else:
            _accept_each(lane, got, sizes, now)
        rows = got
    return n_packets


def _port(call: Call, lane: Lane) -> RtpSocket:
    """Where a row's packets come from, as `lane.readers` has it."""
    in_bulk = lane.secure_rows is not None and call.row in lane.secure_rows
    return call.keying.ports[0] if in_bulk else call.keying.rtp


def _opened(lane: Lane, sizes: NDArray[np.int64], empty: list[int]) -> NDArray[np.int64]:
    """Sizes of the packets just read, those of encrypted calls checked and without their tags.

    Args:
        lane: the packets lie in its `rx` rows.
        sizes: bytes of each row's packet as it was read; 0 afterwards where it did not count.
        empty: gets the rows of those.
    """
    size = sizes[: lane.n].copy()
    if lane.secure_rows is not None:
        for row in lane.secure_rows.open(lane, size):
            sizes[row] = 0
            empty.append(row)
    return size


def _accept_each(lane: Lane, rows: list[int], sizes: NDArray[np.int64], now: float) -> None:
    if lane.secure_rows is not None:
        lane.secure_rows.decrypt(lane, rows)
    for row in rows:
        call = lane.calls[row]
        if call is not None and sizes[row]:
            call.inbound.accept(bytes(lane.rx_views[row][: sizes[row]]), now)


def _sort_in(lane: Lane, size: NDArray[np.int64], now: float) -> None:
    """Place the ordinary ones of the packets just read, hand on the others one by one.

    Args:
        lane: the packets lie in its `rx` rows.
        size: bytes of each row's packet, 0 for none.
        now: seconds.
    """
    n = lane.n
    if lane.codec.law is None:
        _accept_each(lane, np.flatnonzero(size).tolist(), size, now)
        return
    rx = lane.rx[:n]
    ts = rx["ts"].astype(np.uint32)
    seq = rx["seq"].astype(np.uint16)
    ahead = ts - lane.play_ts[:n]  # what is late is a huge number here
    step = seq - lane.max_seq[:n]
    plain = (
        (size == lane.packet_bytes)
        & (rx["head"] == lane.rx_head[:n])
        & (rx["ssrc"] == lane.rx_ssrc[:n])
        & (step - np.uint16(1) < SURE_STEP)
        & (ahead <= lane.ring_ts - lane.frame)
        & (ahead % lane.block == 0)
    )
    _place_all(lane, plain, ts, seq, ahead, step, now)
    # The ordinary ones came first: their clock is what an odd one is judged by.
    odd = (size > 0) & ~plain
    if odd.any():
        _accept_each(lane, np.flatnonzero(odd).tolist(), size, now)


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
        places = ring_places(lane, rows, at[rows])
        if lane.secure_rows is not None:
            lane.secure_rows.decrypt(lane, rows)
        lane.ring_line[places] = as_items(lane.rx_frames[rows], lane.block).reshape(-1, 2)
        lane.fresh.reshape(-1)[places] = True
    np.maximum(lane.end[:n], at + lane.frame, out=lane.end[:n], where=plain)
    np.minimum(lane.room[:n], ahead, out=lane.room[:n], where=plain)
    lane.cycles[:n] += plain & (seq < lane.max_seq[:n])
    np.copyto(lane.max_seq[:n], seq, where=plain)
    np.copyto(lane.history[:n], lane.history[:n] << step | np.uint64(1), where=plain)
    lane.received[:n] += plain
    np.copyto(lane.last_rx[:n], now, where=plain)
    # RFC 3550 A.8, in units of the RTP clock.
    transit = np.uint32(int(now * lane.codec.clock_hz) & 0xFFFF_FFFF) - ts
    if lane.watched:
        _refine(lane, transit, ts)
    d = np.abs((transit - lane.transit[:n]).view(np.int32))
    np.copyto(lane.transit[:n], transit, where=plain)
    np.copyto(lane.jitter[:n], lane.jitter[:n] + (d - lane.jitter[:n]) / 16, where=plain)


def _refine(lane: Lane, transit: NDArray[np.uint32], ts: NDArray[np.uint32]) -> None:
    """Where somebody watches, packets count from when they came, not from when they were read."""
    for row in lane.watched:
        arrived_s = _arrived_s(lane, row)
        if arrived_s:
            transit[row] = (int(arrived_s * lane.codec.clock_hz) - int(ts[row])) & 0xFFFF_FFFF


def arrival_s(lane: Lane, row: int, now: float) -> float:
    """When the packet just read came, as near as is known.

    Where nobody watches it waited for its turn, on average half a period.
    """
    return _arrived_s(lane, row) or now - lane.ptime_ms / 2000


def _arrived_s(lane: Lane, row: int) -> float:
    call = lane.calls[row]
    return call.keying.rtp.arrived_s if call is not None and row in lane.watched else 0.0


def note_arrival(lane: Lane, row: int, ts: int, now: float) -> None:
    """Jitter (RFC 3550 A.8) by one packet of a row."""
    now = _arrived_s(lane, row) or now
    transit = (int(now * lane.codec.clock_hz) - ts) & 0xFFFF_FFFF
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
    target = -(-TARGET_MS // lane.ptime_ms) * lane.frame_ts
    lane.fresh[row] = False
    coder = lane.coders[row]
    if coder is not None:
        coder.reset()
    lane.play[row] = 0
    lane.end[row] = target
    lane.play_ts[row] = (ts - target) & 0xFFFF_FFFF
    lane.gap[row] = LONG_GAP
    lane.room[row] = NO_ROOM
    lane.calm[row] = 0
    lane.synced[row] = True
    lane.rx_head[row] = RTP_HEAD | int(lane.rx_pt[row])


def delay(lane: Lane, row: int, ts: int) -> bool:
    """Give late packets their turn: play everything later from now on.

    Returns:
        False: the delay would be too long.
    """
    behind = ((int(lane.play_ts[row]) - ts + HALF) & 0xFFFF_FFFF) - HALF
    frames = min(-(-behind // lane.frame_ts), -(-STEP_MS // lane.ptime_ms))
    more = frames * lane.frame_ts
    depth = int(lane.end[row] - lane.play[row]) + more
    if depth > MAX_DELAY_MS * lane.codec.clock_hz // 1000 or more > int(lane.play[row]):
        return False
    lane.play[row] -= more
    lane.play_ts[row] = (int(lane.play_ts[row]) - more) & 0xFFFF_FFFF
    lane.calm[row] = 0
    return True


def place(lane: Lane, row: int, ts: int, payload: bytes) -> Placed:
    """Put the samples of one packet of any length into a row's buffer.

    Returns:
        A value of `Placed`. A packet that is partly late is used as far as it goes.
    """
    ahead = ((ts - int(lane.play_ts[row]) + HALF) & 0xFFFF_FFFF) - HALF
    length = packet_ts(lane.codec, payload)
    if ahead + length <= 0:
        return Placed.LATE
    if ahead + length > lane.ring_ts:
        return Placed.FAR
    start = int(lane.play[row]) + ahead
    coder = lane.coders[row]
    if coder is not None:
        if not coder.put(start, payload):
            return Placed.FAR
    else:
        _write(lane, row, start, payload)
    if ahead < 0:
        lane.slides[row] = -1
    lane.room[row] = min(int(lane.room[row]), ahead)
    lane.end[row] = max(int(lane.end[row]), start + length)
    return Placed.OK


def _write(lane: Lane, row: int, start: int, payload: bytes) -> None:
    """Put octets into a row's ring, what is late of them excepted."""
    late = max(0, int(lane.play[row]) - start)
    samples = np.frombuffer(payload, np.uint8)[late:]
    start += late
    ring = lane.ring[row]
    law = lane.codec.law
    assert law is not None, "only G.711 has a ring"
    done = 0
    while done < len(samples):
        block, inside = divmod(start + done, lane.block)
        block %= lane.ring_blocks
        n = min(lane.block - inside, len(samples) - done)
        if not lane.fresh[row, block]:
            ring[block] = law.silence
            lane.fresh[row, block] = True
        ring[block, inside : inside + n] = samples[done : done + n]
        done += n


assert HEADER_BYTES + 3 * 160 <= MAX_PACKET_BYTES, "packets of 60 ms must fit"
