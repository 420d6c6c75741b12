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
"""Packets at a time; a power of two. First sequence numbers are random, so rows take turns."""
_LOW_BITS: Final = 48
"""An index has so many; so has the part of the salt that is XORed with it."""
_NONE: Final = -1


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
        self._high = np.zeros(capacity, np.uint64)
        self._batch = np.full(capacity, _NONE, np.int64)
        """Which `AHEAD` packets are in stock: their indices divided by that."""
        self._row_bytes = AHEAD * frame_bytes
        # The cipher writes whole blocks only, but asks for room for another one.
        memory = np.zeros(capacity * self._row_bytes + BLOCK_BYTES, np.uint8)
        self._memory = memory.data
        self._stream = memory[:-BLOCK_BYTES].reshape(capacity, AHEAD, frame_bytes)
        packet, block = np.divmod(
            np.arange(self._row_bytes // BLOCK_BYTES, dtype=np.uint64), frame_bytes // BLOCK_BYTES
        )
        self._steps = packet << np.uint64(16) | block

    def use(self, row: int, keys: SessionKeys) -> None:
        """A row has these keys from now on."""
        if self._keys[row] is keys:
            return
        self._keys[row] = keys
        self._salt_high[row] = keys.salt >> _LOW_BITS
        self._salt_low[row] = keys.salt & (1 << _LOW_BITS) - 1
        self._batch[row] = _NONE

    def take(
        self, rows: NDArray[np.int64], ssrc: NDArray[np.uint32], index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Key stream for one packet of each of these rows.

        Args:
            rows: which.
            ssrc: of each packet.
            index: of each packet.

        Returns:
            A row of octets for each packet.
        """
        # Eight octets of a counter block depend on the SSRC, the others on the index.
        high = self._salt_high[rows] ^ ssrc
        batch = index // AHEAD
        stale = (self._batch[rows] != batch) | (self._high[rows] != high)
        if stale.any():
            self._make(rows[stale], high[stale], batch[stale])
        # A batch is made in the order of its counter blocks: index XOR salt.
        place = (index.astype(np.uint64) ^ self._salt_low[rows]) % AHEAD
        stream: NDArray[np.uint8] = self._stream[rows, place]
        return stream

    def _make(
        self, rows: NDArray[np.int64], high: NDArray[np.uint64], batch: NDArray[np.int64]
    ) -> None:
        self._high[rows] = high
        self._batch[rows] = batch
        first = (batch.astype(np.uint64) * AHEAD ^ self._salt_low[rows]) // AHEAD * AHEAD << 16
        blocks = np.empty((len(rows), len(self._steps), 2), ">u8")
        blocks[:, :, 0] = high[:, None]
        blocks[:, :, 1] = first[:, None] + self._steps
        source = blocks.view(np.uint8).reshape(-1).data
        n = self._row_bytes
        for number, row in enumerate(rows.tolist()):
            keys = self._keys[row]
            assert keys is not None, "only rows in use need key stream"
            room = self._memory[row * n : (row + 1) * n + BLOCK_BYTES - 1]
            keys.cipher.update_into(source[number * n : (number + 1) * n], room)
