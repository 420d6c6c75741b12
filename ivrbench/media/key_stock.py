"""Key stream of encrypted calls, made for many packets ahead (RFC 3711 §4.1.1).

It depends on the keys, the SSRC and the packet's index alone, and AES under one key is fastest for
many blocks at once: so it is made for `AHEAD` packets of a row at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.rtp.srtp import BLOCK_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.rtp.srtp import SessionKeys

__all__ = ["AHEAD", "KeyStock"]

AHEAD: Final = 16
"""Packets at a time. More make no difference any more, and take 160 octets of memory each."""
RUNS_LOW: Final = AHEAD // 2
"""When one row needs new ones, those get them too that have used so many: what has to be fetched
into the cache for the first serves all. So soon all rows of a lane need them together."""
ROWS_AT_ONCE: Final = 32
"""Counter blocks of so many rows are made at a time: they stay in the cache until they are used."""
_LOW_BITS: Final = 48
"""An index has so many; so has the part of the salt that is XORed with it."""
_NEVER: Final = -1 << 60
"""`_first` where nothing is in stock: no index comes near."""


class KeyStock:
    """The key stream of the next packets of one direction.

    Args:
        capacity: rows.
        frame_bytes: octets of each packet that are encrypted, whole blocks.
    """

    def __init__(self, capacity: int, frame_bytes: int) -> None:
        assert frame_bytes % BLOCK_BYTES == 0, "a frame of G.711 is a multiple of 10 ms"
        self._keys: list[SessionKeys | None] = [None] * capacity
        self._salt_high = np.zeros(capacity, np.uint64)
        self._salt_low = np.zeros(capacity, np.uint64)
        self._ssrc = np.zeros(capacity, np.uint32)
        self._first = np.full(capacity, _NEVER, np.int64)
        """Index of the first packet in stock."""
        self._row_bytes = AHEAD * frame_bytes
        # The cipher writes whole blocks only, but asks for room for another one.
        memory = np.zeros(capacity * self._row_bytes + BLOCK_BYTES, np.uint8)
        self._memory = memory.data
        self._stream = memory[:-BLOCK_BYTES].reshape(capacity, AHEAD, frame_bytes)
        self._ahead = np.arange(AHEAD, dtype=np.uint64)
        blocks = np.zeros((ROWS_AT_ONCE, AHEAD, frame_bytes // BLOCK_BYTES, 2), ">u8")
        self._blocks = blocks
        self._sources = [row.view(np.uint8).reshape(-1).data for row in blocks]
        self._numbers = np.arange(frame_bytes // BLOCK_BYTES, dtype=np.uint64)

    def use(self, row: int, keys: SessionKeys, ssrc: int = 0) -> None:
        """A row has these keys from now on, and this SSRC until `turn` says another."""
        if self._keys[row] is keys:
            return
        self._keys[row] = keys
        self._salt_high[row] = keys.salt >> _LOW_BITS
        self._salt_low[row] = keys.salt & (1 << _LOW_BITS) - 1
        self._ssrc[row] = ssrc
        self._first[row] = _NEVER

    def turn(self, rows: NDArray[np.int64], ssrc: NDArray[np.uint32]) -> None:
        """These rows have these SSRCs from now on."""
        other = rows[self._ssrc[rows] != ssrc]
        if other.size:
            self._ssrc[rows] = ssrc
            self._first[other] = _NEVER

    def take(self, rows: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Key stream for one packet of each of these rows.

        Args:
            rows: which.
            index: of each packet.

        Returns:
            A row of octets for each packet.
        """
        place = index - self._first[rows]
        if place.view(np.uint64).max(initial=0) >= AHEAD:  # what is negative is huge there
            low = (place < 0) | (place >= RUNS_LOW)
            self._first[rows[low]] = index[low]
            self._make(rows[low])
            place = index - self._first[rows]
        stream: NDArray[np.uint8] = self._stream[rows, place]
        return stream

    def _make(self, rows: NDArray[np.int64]) -> None:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            self._count(some)
            for source, row in zip(self._sources, some.tolist(), strict=False):
                keys = self._keys[row]
                assert keys is not None, "only rows in use need key stream"
                at = row * self._row_bytes
                room = self._memory[at : at + self._row_bytes + BLOCK_BYTES - 1]
                keys.cipher.update_into(source, room)

    def _count(self, rows: NDArray[np.int64]) -> None:
        """Make the blocks that are encrypted to become key stream."""
        blocks = self._blocks[: len(rows)]
        # Eight octets of a block depend on the SSRC, the others on the index and count blocks.
        blocks[..., 0] = (self._salt_high[rows] ^ self._ssrc[rows])[:, None, None]
        index = self._first[rows].astype(np.uint64)[:, None] + self._ahead
        low = (index ^ self._salt_low[rows][:, None]) << np.uint64(16)
        blocks[..., 1] = low[:, :, None] | self._numbers
