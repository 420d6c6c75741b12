"""Encrypted calls of a lane of G.711, all at once (RFC 3711: AES in counter mode, HMAC-SHA1).

What is ordinary is done here: packets of the lane's own length, in order, of the stream that is
heard already. Everything else takes the way over `SecureRtpSocket`, one packet at a time. Both
have the same keys, and the same state in the lane's columns (`SentInRow`, `HeardInRow`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.media.digests import MAX_TAG_BYTES, DigestKeys
from ivrbench.media.direct import split_direct
from ivrbench.media.key_stock import KeyStock
from ivrbench.rtp.packet import HEADER_BYTES, RTP_HEAD
from ivrbench.rtp.srtp import ROC_BYTES, TAG_BYTES, WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ivrbench.media.call import Call
    from ivrbench.media.lane import Lane
    from ivrbench.media.sockets import RtpSocket
    from ivrbench.media.srtp import SecureRtpSocket

__all__ = ["SecureRows", "secure_rows_of"]

MAX_SKIPPED: Final = WINDOW - 1
"""Packets that are missing before one that is ordinary, at most."""
WITHOUT_MARKER: Final = 0xFF7F
"""Of the first two octets of a packet, all but the marker (RFC 3550 §5.1)."""
WORTH_A_BATCH: Final = 6
"""Fewer packets than this are faster one by one."""


class SecureRows:
    """The rows of a lane that encrypt so.

    Args:
        lane: one of G.711, with room for as many rows as it has now.
    """

    def __init__(self, lane: Lane) -> None:
        self.capacity = lane.capacity
        self._end = lane.packet_bytes
        self._sent = KeyStock(self.capacity, lane.frame)
        self._heard = KeyStock(self.capacity, lane.frame)
        self._tx = lane.tx.view(np.uint8).reshape(self.capacity, -1)
        self._rx = lane.rx.view(np.uint8).reshape(self.capacity, -1)
        self._closed = np.zeros(self.capacity, np.bool_)
        """Rows whose packet is authentic and not decrypted yet."""
        self.relist(lane, [])

    def __repr__(self) -> str:
        return f"SecureRows({len(self._rows)})"

    def relist(self, lane: Lane, calls: Sequence[Call]) -> None:
        """Take over which calls there are."""
        self._list_received(lane, calls)
        self._list_sent(lane, calls)

    def _list_received(self, lane: Lane, calls: Sequence[Call]) -> None:
        self._rows = np.array([call.row for call in calls], np.int64)
        self._sockets: dict[int, SecureRtpSocket] = {}
        tags: list[int] = []
        keys: list[bytes] = []
        for call in calls:
            socket, transforms = call.keying.secure, call.keying.transforms
            assert socket is not None, "only encrypted calls are listed"
            assert transforms is not None, "only those of these suites are listed"
            _, receiver = transforms
            self._sockets[call.row] = socket
            self._heard.use(call.row, receiver.keys)
            keys.append(receiver.keys.authentication)
            tags.append(receiver.tag_bytes)
        self._heard_keys = DigestKeys(keys)
        self._sizes = np.array(tags, np.int64) + self._end
        rows = self._rows
        self._heads = lane.rx_pt[rows].astype(np.uint16) | np.uint16(RTP_HEAD)
        in_tag = np.arange(MAX_TAG_BYTES) < np.array(tags, np.int64)[:, None]
        self._tag_masks = in_tag.astype(np.uint8) * np.uint8(0xFF)

    def _list_sent(self, lane: Lane, calls: Sequence[Call]) -> None:
        keys: list[bytes] = []
        rows: list[int] = []
        ports: dict[int, list[tuple[int, RtpSocket]]] = {tag: [] for tag in TAG_BYTES.values()}
        for call in calls:
            transforms = call.keying.transforms
            assert transforms is not None, "only those of these suites are listed"
            sender, _ = transforms
            self._sent.use(call.row, sender.keys, call.ssrc)
            if lane.sends[call.row] and call.row not in lane.keying:
                ports[sender.tag_bytes].append((len(rows), call.keying.ports[0]))
                rows.append(call.row)
                keys.append(sender.keys.authentication)
        self._tx_rows = np.array(rows, np.int64)
        self._tx_keys = DigestKeys(keys)
        self._senders = {tag: split_direct(of) for tag, of in ports.items()}
        """Who sends packets with a tag of this length, each with its place in `_tx_rows`."""

    def __contains__(self, row: int) -> bool:
        return row in self._sockets

    # -- sending

    def send(self, lane: Lane) -> int:
        """Send the packets of this period, which lie in `lane.tx`.

        Returns:
            How many were given to the kernel.
        """
        rows = self._tx_rows
        n = len(rows)
        if not n:
            return 0
        index = lane.srtp_out[rows] + 1
        index += (lane.seq[rows] - index) & 0xFFFF  # as `next_index`
        lane.srtp_out[rows] = index
        end = self._end
        # In a place of its own: `tx` stays plain for who records what is sent.
        wire = lane.digests.messages(n)
        wire[:, :end] = self._tx[rows]
        wire[:, HEADER_BYTES:end] ^= self._sent.take(rows, index)
        wire[:, end : end + ROC_BYTES] = _cycles(index)
        wire[:, end:] = lane.digests.make(self._tx_keys, slice(n))[:, :MAX_TAG_BYTES]
        for tag_bytes, (direct, others) in self._senders.items():
            direct.send(*lane.digests.table(tag_bytes))
            packets = lane.digests.packets(tag_bytes)
            for place, port in others:
                try:
                    port.send(packets[place])
                except OSError:  # an ICMP error of an earlier packet, or no buffer
                    continue
        return n

    # -- receiving

    def open(self, lane: Lane, size: NDArray[np.int64]) -> list[int]:
        """Check the packets that were just read.

        Args:
            lane: what was read lies in its `rx`. The payload of ordinary packets stays
                encrypted, see `decrypt`.
            size: octets of each row's packet, 0 for none; those of the plain packet afterwards.

        Returns:
            Rows that have none any more, as it was not to be trusted.
        """
        self._closed[:] = False
        got = size[self._rows]
        odd = got > 0
        if np.count_nonzero(odd) >= WORTH_A_BATCH:
            opened = self._open_ordinary(lane, got)
            odd[opened] = False
            size[self._rows[opened]] = self._end
        odd_rows: list[int] = self._rows[odd].tolist()
        for row in odd_rows:
            try:
                size[row] = self._sockets[row].take(lane.rx_views[row], size[row])
            except OSError:
                size[row] = 0
        return [row for row in odd_rows if not size[row]]

    def _open_ordinary(self, lane: Lane, got: NDArray[np.int64]) -> NDArray[np.int64]:
        """Authenticate the ordinary ones. Returns their places in `_rows`."""
        rows, end = self._rows, self._end
        after = lane.srtp_in[rows] + 1
        skipped = (lane.rx["seq"][rows] - after) & 0xFFFF
        ordinary = (skipped < MAX_SKIPPED) & (got == self._sizes)
        ordinary &= lane.rx["ssrc"][rows] == lane.srtp_ssrc[rows]
        ordinary &= lane.rx["head"][rows] & WITHOUT_MARKER == self._heads
        at = np.flatnonzero(ordinary)
        if not at.size:
            return at
        rows, skipped = rows[at], skipped[at]
        index = after[at] + skipped
        packets = self._rx[rows, : end + MAX_TAG_BYTES]
        messages = lane.digests.messages(len(rows))
        messages[:] = packets
        messages[:, end : end + ROC_BYTES] = _cycles(index)
        digests = lane.digests.make(self._heard_keys, at)
        wrong = digests[:, :MAX_TAG_BYTES] ^ packets[:, end:]
        wrong &= self._tag_masks[at]
        # Every octet is looked at, whatever the others are: the time tells nothing.
        if np.bitwise_or.reduce(wrong, axis=None):
            good = np.bitwise_or.reduce(wrong, axis=1) == 0
            at, rows, index, skipped = at[good], rows[good], index[good], skipped[good]
        lane.srtp_in[rows] = index
        step = (skipped + 1).astype(np.uint64)
        lane.srtp_seen[rows] = lane.srtp_seen[rows] << step | np.uint64(1)
        self._closed[rows] = True
        return at

    def decrypt(self, lane: Lane, wanted: Sequence[int] | NDArray[np.int64]) -> None:
        """Decrypt in place what `open` left encrypted.

        Args:
            lane: the packets lie in its `rx`.
            wanted: rows whose packets are looked at, those of others as well as ours.
        """
        rows = np.asarray(wanted, np.int64)
        rows = rows[self._closed[rows]]
        if rows.size:
            self._closed[rows] = False
            self._heard.turn(rows, lane.srtp_ssrc[rows])
            stream = self._heard.take(rows, lane.srtp_in[rows])
            self._rx[rows, HEADER_BYTES : self._end] ^= stream


def secure_rows_of(lane: Lane, calls: Sequence[Call]) -> SecureRows | None:
    """What a lane needs for its encrypted calls.

    Args:
        lane: theirs.
        calls: those of its calls that have `Keying.transforms`.

    Returns:
        What it had, if it can go on; None where there are no such calls.
    """
    if not calls:
        return None
    secure = lane.secure_rows
    if secure is None or secure.capacity != lane.capacity:
        secure = SecureRows(lane)
    secure.relist(lane, calls)
    return secure


def _cycles(index: NDArray[np.int64]) -> NDArray[np.uint8]:
    """What is authenticated behind each packet: its index without the lower 16 bits."""
    octets = index.astype(">i8").view(np.uint8).reshape(-1, 8)
    return octets[:, 2 : 2 + ROC_BYTES]
