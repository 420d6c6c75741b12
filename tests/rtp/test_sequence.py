"""Wrapping counters and sequence tracking (RFC 3550 A.1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivrbench.rtp.sequence import (
    Arrival,
    SequenceTracker,
    sequence_add,
    sequence_diff,
    timestamp_add,
    timestamp_diff,
)


def tracker(*sequences: int) -> SequenceTracker:
    """Return a tracker that received these sequence numbers."""
    tracked = SequenceTracker()
    for sequence in sequences:
        tracked.receive(sequence)
    return tracked


def test_counters_wrap() -> None:
    """Differences are signed and take the shorter way round."""
    assert sequence_add(65535, 2) == 1
    assert sequence_diff(1, 65535) == 2
    assert sequence_diff(65535, 1) == -2
    assert timestamp_add(0xFFFFFFFF, 160) == 159
    assert timestamp_diff(159, 0xFFFFFFFF) == 160
    assert timestamp_diff(0xFFFFFFFF, 159) == -160


@given(st.integers(0, 65535), st.integers(-32768, 32767))
def test_diff_is_the_inverse_of_add(start: int, count: int) -> None:
    """Going some packets on and looking back gives the same number."""
    assert sequence_diff(sequence_add(start, count), start) == count


def test_nothing_received_yet() -> None:
    """A tracker that saw nothing expects and misses nothing."""
    empty = SequenceTracker()
    assert (empty.expected, empty.received, empty.lost) == (0, 0, 0)


def test_cycles_are_counted() -> None:
    """The extended number goes on where sixteen bits begin anew."""
    tracked = tracker(65534, 65535, 0, 1)
    assert tracked.highest == 65537
    assert (tracked.expected, tracked.lost) == (4, 0)
    assert tracked.extend(65535) == 65535
    assert tracked.extend(3) == 65539


def test_gaps_late_packets_and_duplicates() -> None:
    """A gap counts as loss until the late packet fills it; copies are told from late ones."""
    tracked = tracker(10, 13)
    assert tracked.lost == 2
    assert tracked.receive(12) is Arrival.LATE
    assert tracked.lost == 1
    assert tracked.receive(12) is Arrival.DUPLICATE
    assert tracked.receive(13) is Arrival.DUPLICATE
    assert (tracked.duplicates, tracked.received, tracked.lost) == (2, 5, -1)
    assert repr(tracked) == "<SequenceTracker highest=13 received=5 lost=-1>"


def test_a_packet_from_before_the_first_is_late() -> None:
    """A packet reordered at the very beginning is counted."""
    tracked = tracker(10)
    assert tracked.receive(9) is Arrival.LATE
    assert tracked.receive(9) is Arrival.DUPLICATE


def test_one_jump_is_suspect_two_in_a_row_are_a_restart() -> None:
    """A sender that restarted is believed at its second packet, a stray never."""
    tracked = tracker(10, 11)
    assert tracked.receive(40000) is Arrival.SUSPECT
    assert tracked.receive(12) is Arrival.IN_ORDER
    assert tracked.receive(40001) is Arrival.SUSPECT
    assert tracked.receive(50000) is Arrival.SUSPECT
    assert tracked.receive(50001) is Arrival.RESTARTED
    assert (tracked.received, tracked.expected, tracked.restarts) == (1, 1, 1)
    assert tracked.receive(50002) is Arrival.IN_ORDER


def test_a_little_backwards_is_late_far_backwards_is_a_jump() -> None:
    """A.1: up to 100 packets back is disorder, more is a jump."""
    tracked = tracker(1000)
    assert tracked.receive(900) is Arrival.LATE
    assert tracked.receive(899) is Arrival.SUSPECT
    assert tracked.receive(4000) is Arrival.SUSPECT
    assert tracked.receive(3999) is Arrival.IN_ORDER


@given(st.lists(st.integers(0, 65535), max_size=200))
def test_any_sequence_keeps_the_books(sequences: list[int]) -> None:
    """Whatever comes, the counts fit together."""
    tracked = tracker(*sequences)
    assert tracked.expected >= (1 if sequences else 0)
    assert 0 <= tracked.received <= len(sequences)
    assert tracked.lost == tracked.expected - tracked.received
