"""The table of calls: numpy arrays with one row for each call, one packet period for all rows.

A lane holds calls of one codec and packet length whose packets are due in the same tick.
Everything that happens for every packet works on whole columns; what is rare works on one row
(`call.py`).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

import numpy as np

from ivrbench.audio.activity import SilenceDetector
from ivrbench.media.arena import silence_offset
from ivrbench.media.columns import COLUMNS, Columns
from ivrbench.media.digests import Digests
from ivrbench.media.direct import DirectRows, split_direct
from ivrbench.media.heard import Heard
from ivrbench.media.hearing import Hearing
from ivrbench.media.ring import as_items
from ivrbench.media.secure_rows import SecureRows, secure_rows_of
from ivrbench.rtp.packet import HEADER_BYTES, RTP_HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from numpy.typing import NDArray

    from ivrbench.audio.codecs.comfort_noise import ComfortNoise
    from ivrbench.audio.conceal import Concealer
    from ivrbench.media.call import Call
    from ivrbench.media.codecs import LaneCodec
    from ivrbench.media.coder import Coder
    from ivrbench.media.listening import Tracks
    from ivrbench.media.mixing import Member, Mix
    from ivrbench.media.recorder import Recorder
    from ivrbench.media.sockets import RtpSocket

__all__ = ["TICK_MS", "Lane"]

TICK_MS = 5
"""Time between two ticks of the plane."""
MAX_PACKET_BYTES = 704
"""Room for a received packet: header, 80 ms of G.711 and a tag of SRTP, or with 15 CSRCs 60 ms;
longer ones are invalid."""
MAX_CODED_BYTES = 2048
"""The same where other codecs than G.711 are carried: more than an Ethernet frame."""
MAX_CODED_PAYLOAD_BYTES = 1460
"""Room for a payload we send: an Ethernet frame without IP, UDP, RTP and SRTP."""
RING_MS = 480
"""Length of the jitter buffer, in blocks of half a frame: peers' packets are often 10 ms."""
HEARD_MS = 40
"""What is remembered of a call's audio, to conceal a gap with."""
FOREVER = 1 << 60
"""Samples left of an item that never ends by itself."""
FIRST_ROWS = 16
"""Rows of a new lane; doubled when full."""
NO_ROOM = 1 << 40
"""`room` before the first packet of a window."""


class Lane(Columns):
    """Rows of calls that share codec, packet length and tick.

    Args:
        codec: what all its calls send and receive.
        arena: the prompts' bytes, see `arena.py`.
        ptime_ms: length of the packets sent, and the period of the rows.
        phase: in which tick of its period it runs.
    """

    def __init__(
        self, codec: LaneCodec, arena: NDArray[np.uint8], ptime_ms: int = 20, phase: int = 0
    ) -> None:
        self.codec = codec
        self.ptime_ms = ptime_ms
        self.phase = phase
        self.frame = codec.frame_samples(ptime_ms)
        self.frame_ts = codec.frame_ts(ptime_ms)
        self.block = self.frame // 2
        self.block_ts = self.frame_ts // 2
        self.ring_blocks = 2 * -(-RING_MS // ptime_ms)
        self.arena = arena
        kind = np.uint8 if codec.law is not None else np.int16
        self.windows = np.lib.stride_tricks.sliding_window_view(arena.view(kind), self.frame)
        """What may be sent, from each sample of the arena on."""
        if codec.law is not None:
            self.octet_windows = as_items(self.windows, self.frame)[:, 0]
            """The same, each one item."""
        self._tx_type, self._rx_type = self._packet_types()
        self.n = 0
        self.capacity = 0
        self.calls: list[Call | None] = []
        self.coders: list[Coder | None] = []
        """Encoder, decoder and buffer of each row where the codec is not G.711."""
        self.tx_views: list[memoryview] = []
        self.rx_views: list[memoryview] = []
        self._free: list[int] = []
        self._grow(FIRST_ROWS)
        self._list_nobody()
        self.tick = 0
        """The plane's present tick."""
        self.hearing = Hearing(self.codec.rate_hz)
        self.silences = SilenceDetector(FIRST_ROWS)
        self.listeners = np.empty(0, np.int64)
        """Rows whose received audio somebody wants in this period."""
        self.audience: tuple[Set[int], ...] = ()
        """What `listeners` was made of."""
        self.tracks: Tracks | None = None
        """What `steady` recordings take, ready to be used; None: out of date."""
        self.outgoing = np.empty((0, self.frame), np.int16)
        """What each row sends in this period; empty where the codec is G.711."""
        self.slides: dict[int, int] = {}
        """Rows whose playout moves by a block, smoothly: 1 to drop one, -1 to insert one."""
        self.concealers: dict[int, Concealer] = {}
        """What hides the gap of a row that is in one."""
        self.heard = Heard(-(-HEARD_MS // ptime_ms), max(self.frame, codec.frame_samples(HEARD_MS)))
        self.noises: dict[int, tuple[ComfortNoise, int]] = {}
        """Rows whose peer is silent and said how that sounds, and their `end` at that time."""
        self._mark_no_rows()

    def _list_nobody(self) -> None:
        """Nobody sends, and nobody is read from."""
        self.empty: list[int] = []
        """Rows that had no packet in the last period."""
        self.busy: set[int] = set()
        """Rows that had more than one packet in the last period, or will have in this one."""
        self.behind = False
        """A period was skipped: more than one packet is waiting."""
        self.changed = True
        """The lists of who sends and who is read from are out of date."""
        self.senders: list[tuple[Callable[[memoryview], int], memoryview]] = []
        self.sender_rows: list[int] = []
        """The row of each of `senders`."""
        self.direct_senders = DirectRows([])
        """Who sends and is not among `senders`."""
        self.secured: list[Call] = []
        """The calls that encrypt."""
        self.readers: list[tuple[int, Callable[[memoryview], int], memoryview]] = []
        self.direct_readers = DirectRows([])
        """Who is read from and is not among `readers`."""
        self.reading = np.empty(0, np.int64)
        """The rows of both; what was read of each has `sizes` bytes, 0: there was nothing."""

    def _mark_no_rows(self) -> None:
        """Nothing is special about any row yet."""
        self._encrypt_nothing()
        self.starting: set[int] = set()
        """Rows whose item has been loaded and not sent a frame yet."""
        self.patched: set[int] = set()
        """Rows whose next frame cannot simply be copied from the arena."""
        self.marked: set[int] = set()
        """Rows whose next packet carries the marker bit."""
        self.keying: set[int] = set()
        """Rows that send telephone-events instead of audio."""
        self.held_keys: set[int] = set()
        """Rows whose peer holds a key down."""
        self.recording: set[int] = set()
        """Rows whose current item records."""
        self.steady: dict[int, Recorder] = {}
        """Of `recording`, those whose frames go straight to reels; their recorders."""
        self.taped: set[int] = set()
        """Rows whose call is recorded as a whole."""
        self.hushed: dict[int, int] = {}
        """Rows that are watched for silence, and for how many milliseconds of it."""
        self.toned: set[int] = set()
        """Rows whose audio is searched for keys."""
        self.members: dict[int, Member] = {}
        """Rows of calls that are in a room."""
        self.members_changed = False
        """`mixes` is out of date."""
        self.mixes: list[Mix] = []
        """The same, ready to be mixed."""
        self.watched: set[int] = set()
        """Rows whose levels are measured."""

    def _encrypt_nothing(self) -> None:
        self.digests = Digests(self.packet_bytes)
        """Where the tags of encrypted packets are made; lanes of the same length share it."""
        self.secure_rows: SecureRows | None = None
        """Calls that encrypt whose ordinary packets are not in `senders`, and read as they are."""

    @property
    def period_ticks(self) -> int:
        """Ticks of the plane in a period."""
        return self.ptime_ms // TICK_MS

    @property
    def ring_ts(self) -> int:
        """Length of the jitter buffer in ticks of the RTP clock."""
        return self.ring_blocks * self.block_ts

    @property
    def packet_bytes(self) -> int:
        """Length of an ordinary packet of G.711."""
        return HEADER_BYTES + self.frame

    def _packet_types(self) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """How packets to send and received ones lie in memory; structures, hence Any."""
        coded = self.codec.law is None
        room = MAX_CODED_PAYLOAD_BYTES if coded else self.frame
        rx_bytes = MAX_CODED_BYTES if coded else MAX_PACKET_BYTES
        header = [("b0", "u1"), ("b1", "u1"), ("seq", ">u2"), ("ts", ">u4"), ("ssrc", ">u4")]
        payload = ("payload", "u1", (room,))
        rest = ("rest", "u1", (rx_bytes - HEADER_BYTES - room,))
        tx = np.dtype([*header, payload])
        return tx, np.dtype([("head", ">u2"), *header[2:], payload, rest])

    def __repr__(self) -> str:
        what = f"{self.codec.name}/{self.codec.clock_hz} {self.ptime_ms} ms"
        return f"Lane({what}, {len(self)} calls, {self.capacity} rows)"

    def __len__(self) -> int:
        """Calls in this lane."""
        return self.capacity - len(self._free)

    def add(self, call: Call) -> int:
        """Take a fresh row for a call."""
        if not self._free:
            self._grow(self.capacity * 2)
        row = heapq.heappop(self._free)
        self.calls[row] = call
        self.n = max(self.n, row + 1)
        for name in COLUMNS:
            getattr(self, name)[row] = 0
        self.fresh[row] = False
        self.sizes[row] = 0
        self.play_silence(row)
        self.changed = True
        return row

    def remove(self, row: int) -> None:
        """Give a row back; nothing is sent or read for it any more."""
        self.calls[row] = None
        self.sizes[row] = 0
        for name in ("runs", "sends", "hears", "synced", "step", "timeout_s"):
            getattr(self, name)[row] = 0
        self.rtcp_at[row] = np.inf
        self.play_silence(row)
        for rows in (self.starting, self.patched, self.marked, self.keying):
            rows.discard(row)
        for rows in (self.held_keys, self.recording, self.watched, self.busy, self.toned):
            rows.discard(row)
        self.taped.discard(row)
        for things in (self.slides, self.concealers, self.noises, self.hushed, self.steady):
            things.pop(row, None)
        self.heard.forget(row)
        if self.members.pop(row, None) is not None:
            self.members_changed = True
        self.coders[row] = None
        heapq.heappush(self._free, row)
        while self.n and self.calls[self.n - 1] is None:
            self.n -= 1
        self.changed = True

    def adopt(self, row: int, other: Lane, other_row: int) -> None:
        """Copy a call's columns from another lane, when its codec changes."""
        for name in COLUMNS:
            getattr(self, name)[row] = getattr(other, name)[other_row]

    def relist(self) -> None:
        """Bring up to date who sends and who is read from."""
        self.changed = False
        self.tracks = None
        self.secured = []
        bulk: list[Call] = []
        to_read: list[tuple[int, RtpSocket]] = []
        to_send: list[tuple[int, RtpSocket]] = []
        for row, call in enumerate(self.calls[: self.n]):
            if call is not None and call.keying.secure is not None:
                self.secured.append(call)
            if call is None or call.peer is None:
                continue
            in_bulk = self.codec.law is not None and call.keying.transforms is not None
            rtp = call.keying.ports[0] if in_bulk else call.keying.rtp
            to_read.append((row, rtp))
            if in_bulk:
                bulk.append(call)
            elif self.sends[row] and row not in self.keying:
                to_send.append((row, rtp))
        self._list_readers(to_read)
        self._list_senders(to_send)
        self.secure_rows = secure_rows_of(self, bulk)

    def _list_readers(self, ports: list[tuple[int, RtpSocket]]) -> None:
        self.direct_readers, others = split_direct(ports)
        self.readers = [(row, rtp.recv_into, self.rx_views[row]) for row, rtp in others]
        self.reading = np.array([row for row, _ in ports], np.int64)

    def _list_senders(self, ports: list[tuple[int, RtpSocket]]) -> None:
        others = ports
        if self.codec.law is not None:  # others are encoded just before they are sent
            self.direct_senders, others = split_direct(ports)
        self.senders = [(rtp.send, self.tx_views[row]) for row, rtp in others]
        self.sender_rows = [row for row, _ in others]

    def play_silence(self, row: int, n_samples: int = FOREVER) -> None:
        """Let a row send silence for a while."""
        self.pos[row] = silence_offset(self.codec.form) // self.codec.sample_bytes
        self.step[row] = 0
        self.left[row] = n_samples

    def play_arena(self, row: int, offset_bytes: int, n_samples: int) -> None:
        """Let a row send samples of the arena, a frame each period."""
        self.pos[row] = offset_bytes // self.codec.sample_bytes
        self.step[row] = self.frame
        self.left[row] = n_samples

    def _grow(self, capacity: int) -> None:
        old = self.capacity
        for name, kind in COLUMNS.items():
            setattr(self, name, self._larger(getattr(self, name, None), (capacity,), kind))
        self.rtcp_at[old:] = np.inf
        self.left[old:] = FOREVER
        self.tx = self._larger(getattr(self, "tx", None), (capacity,), self._tx_type)
        self.rx = self._larger(getattr(self, "rx", None), (capacity,), self._rx_type)
        self.tx["b0"] = RTP_HEAD >> 8
        if self.codec.law is not None:
            self.tx_frames = as_items(self.tx["payload"], self.frame)[:, 0]
            self.rx_frames = as_items(self.rx["payload"], self.frame)[:, 0]
            """Payloads of `tx` and `rx`, each one item."""
        blocks = self.ring_blocks if self.codec.law is not None else 0
        self.ring: NDArray[np.uint8] = self._larger(
            getattr(self, "ring", None), (capacity, blocks, self.block), np.uint8
        )
        self.ring_line = as_items(self.ring, self.block).reshape(-1)
        """All blocks of `ring`, each one item."""
        self.fresh: NDArray[np.bool_] = self._larger(
            getattr(self, "fresh", None), (capacity, blocks), np.bool_
        )
        self.sizes: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self.calls.extend([None] * (capacity - old))
        self.coders.extend([None] * (capacity - old))
        self.tx_views = _row_views(self.tx)
        self.rx_views = _row_views(self.rx)
        for row in range(old, capacity):
            heapq.heappush(self._free, row)
        self.capacity = capacity
        self.changed = True

    @staticmethod
    def _larger(old: NDArray[Any] | None, shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
        # `kind` is anything numpy takes for a dtype.
        new = np.zeros(shape, kind)
        if old is not None:
            new[: len(old)] = old
        return new


def _row_views(table: NDArray[Any]) -> list[memoryview]:
    """Each row of a structured array as bytes."""
    flat = table.view(np.uint8).reshape(-1).data
    width = table.dtype.itemsize
    return [flat[start : start + width] for start in range(0, len(flat), width)]
