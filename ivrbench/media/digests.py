"""Digests of many calls' packets by their keys (HMAC-SHA1, RFC 2104)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.rtp.srtp import (
    DIGEST_BYTES,
    HASH_BLOCK_BYTES,
    INNER_PAD,
    OUTER_PAD,
    ROC_BYTES,
    TAG_BYTES,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MAX_TAG_BYTES", "DigestKeys", "Digests"]

MAX_TAG_BYTES: Final = max(TAG_BYTES.values())
_SHA1: Final = hashlib.sha1()


class DigestKeys:
    """The keys of some messages, in their order."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        octets = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, DIGEST_BYTES)
        self.inner = octets ^ np.uint8(INNER_PAD)
        self.outer = octets ^ np.uint8(OUTER_PAD)


class Digests:
    """Makes digests. The messages lie behind their keys, so that one pass of SHA-1 reads both.

    A prepared function for each key, to be copied, would have less to hash; but so many lie all
    over the memory, and fetching them into the cache costs more than that. These lie side by
    side, and all lanes use the same ones.

    Args:
        packet_bytes: the length of each packet; a message is that and its `ROC_BYTES`.
    """

    def __init__(self, packet_bytes: int) -> None:
        self._packet_bytes = packet_bytes
        self._capacity = 0

    def _grow(self, capacity: int) -> None:
        self._capacity = capacity
        message, packet = HASH_BLOCK_BYTES + self._packet_bytes + ROC_BYTES, self._packet_bytes
        width = HASH_BLOCK_BYTES + packet + MAX_TAG_BYTES
        inner = self._table = np.full((capacity, width), INNER_PAD, np.uint8)
        self._inner_keys, self._messages = inner[:, :DIGEST_BYTES], inner[:, HASH_BLOCK_BYTES:]
        self._outer = np.full((capacity, HASH_BLOCK_BYTES + DIGEST_BYTES), OUTER_PAD, np.uint8)
        self._firsts = [row[:message].data for row in inner]
        self._seconds = [row.data for row in self._outer]
        self._packets = {
            tag: [row[: packet + tag].data for row in self._messages] for tag in TAG_BYTES.values()
        }

    def messages(self, n: int) -> NDArray[np.uint8]:
        """Room for so many messages, and behind each packet for its tag; the next who asks gets
        the same."""
        if n > self._capacity:
            self._grow(max(n, 2 * self._capacity))
        return self._messages[:n]

    def packets(self, tag_bytes: int) -> list[memoryview]:
        """What lies in the room for messages, with tags."""
        return self._packets[tag_bytes]

    def table(self, tag_bytes: int) -> tuple[NDArray[np.uint8], int, int]:
        """All of the room, where in its rows the packets begin, and their length with tags."""
        return self._table, HASH_BLOCK_BYTES, self._packet_bytes + tag_bytes

    def make(self, keys: DigestKeys, places: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """The digests of the first messages, a row for each.

        Args:
            keys: for them, and perhaps more.
            places: which of the keys.
        """
        inner_keys = keys.inner[places]
        n = len(inner_keys)
        self._inner_keys[:n] = inner_keys
        self._outer[:n, :DIGEST_BYTES] = keys.outer[places]
        self._outer[:n, HASH_BLOCK_BYTES:] = _sha1(self._firsts[:n])
        return _sha1(self._seconds[:n])


def _sha1(messages: Sequence[memoryview]) -> NDArray[np.uint8]:
    digests: list[bytes] = []
    for message in messages:
        sha1 = _SHA1.copy()  # cheaper than to ask OpenSSL for it by name
        sha1.update(message)
        digests.append(sha1.digest())
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
