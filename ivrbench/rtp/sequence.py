"""Arithmetic of wrapping counters, and the sequence numbers of one stream (RFC 3550 A.1)."""

from __future__ import annotations

import enum
from typing import Final

__all__ = [
    "Arrival",
    "SequenceTracker",
    "sequence_add",
    "sequence_diff",
    "timestamp_add",
    "timestamp_diff",
]

SEQUENCE_MOD: Final = 1 << 16
TIMESTAMP_MOD: Final = 1 << 32
MAX_DROPOUT: Final = 3000  # RFC 3550 A.1: 60 s at 20 ms
MAX_MISORDER: Final = 100  # RFC 3550 A.1: 2 s at 20 ms
WINDOW: Final = MAX_MISORDER + 1  # packets remembered to tell a duplicate from a late one
_WINDOW_MASK: Final = (1 << WINDOW) - 1


def sequence_add(sequence: int, count: int) -> int:
    """Return the sequence number `count` packets later."""
    return (sequence + count) % SEQUENCE_MOD


def sequence_diff(later: int, earlier: int) -> int:
    """Return how many packets `later` comes after `earlier`, negative if before."""
    return (later - earlier + SEQUENCE_MOD // 2) % SEQUENCE_MOD - SEQUENCE_MOD // 2


def timestamp_add(timestamp: int, ticks: int) -> int:
    """Return the RTP timestamp `ticks` later."""
    return (timestamp + ticks) % TIMESTAMP_MOD


def timestamp_diff(later: int, earlier: int) -> int:
    """Return how many ticks `later` comes after `earlier`, negative if before."""
    return (later - earlier + TIMESTAMP_MOD // 2) % TIMESTAMP_MOD - TIMESTAMP_MOD // 2


class Arrival(enum.Enum):
    """How a packet fits into its stream."""

    IN_ORDER = "in order"
    """The newest packet so far; some before it may be missing."""
    LATE = "late"
    """Older than the newest one, and not seen before."""
    DUPLICATE = "duplicate"
    """Seen before."""
    SUSPECT = "suspect"
    """Far away from the stream: not counted unless the next one follows it."""
    RESTARTED = "restarted"
    """The second in a row after a jump: the stream begins anew here."""


class SequenceTracker:
    """Extends the sequence numbers of one stream and counts what is missing."""

    # We differ: RFC 3550 A.1 wants two packets in a row before it believes a source. Our sources
    # are checked by address, and a key or a prompt must not lose its first packet.

    def __init__(self) -> None:
        self.received = 0
        """Packets that belong to the stream since it began, duplicates included."""
        self.duplicates = 0
        """Packets received more than once."""
        self.restarts = 0
        """How often the stream began anew."""
        self.highest = 0
        """Extended sequence number of the newest packet: cycles in the upper bits."""
        self._base: int | None = None
        self._suspect: int | None = None
        self._seen = 0  # bit n: highest - n was received

    def __repr__(self) -> str:
        return f"<SequenceTracker highest={self.highest} received={self.received} lost={self.lost}>"

    @property
    def expected(self) -> int:
        """Packets the peer sent since the stream began, as far as we can know."""
        return 0 if self._base is None else self.highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets missing; negative if duplicates outnumber them (RFC 3550 §6.4.1)."""
        return self.expected - self.received

    def extend(self, sequence: int) -> int:
        """Return a sequence number with the cycles that bring it nearest to the newest one."""
        return self.highest + sequence_diff(sequence, self.highest % SEQUENCE_MOD)

    def receive(self, sequence: int) -> Arrival:
        """Count one packet.

        Args:
            sequence: its sequence number, 16 bits.

        Returns:
            How it fits. A `SUSPECT` packet should be dropped; after `RESTARTED`, whatever was
            derived from earlier packets (jitter, playout time) should be forgotten.
        """
        if self._base is None:
            self._begin(sequence)
            return Arrival.IN_ORDER
        # RFC 3550 A.1: update_seq
        ahead = (sequence - self.highest) % SEQUENCE_MOD
        if 0 < ahead < MAX_DROPOUT:
            self._seen = ((self._seen << ahead) | 1) & _WINDOW_MASK
            self.highest += ahead
            return self._count(Arrival.IN_ORDER)
        behind = -ahead % SEQUENCE_MOD
        if behind > MAX_MISORDER:
            return self._receive_jump(sequence)
        if self._seen >> behind & 1:
            self.duplicates += 1
            return self._count(Arrival.DUPLICATE)
        self._seen |= 1 << behind
        return self._count(Arrival.LATE)

    def _receive_jump(self, sequence: int) -> Arrival:
        if sequence != self._suspect:
            self._suspect = sequence_add(sequence, 1)
            return Arrival.SUSPECT
        self._begin(sequence)
        self.restarts += 1
        return Arrival.RESTARTED

    def _count(self, arrival: Arrival) -> Arrival:
        self.received += 1
        self._suspect = None
        return arrival

    def _begin(self, sequence: int) -> None:
        self._base = self.highest = sequence
        self._seen = 1
        self._suspect = None
        self.received = 1
        self.duplicates = 0
