"""The beat of the audio frames."""

from __future__ import annotations

import pytest

from ivrbench.phone.frame_clock import FrameClock


def test_frames_never_drift() -> None:
    """Frame number n is due at n times 20 ms exactly, however late each call was."""
    clock = FrameClock(0.02)
    clock.start(100.0)
    for number in range(10_000):
        due_s = clock.deadline()
        assert due_s is not None
        assert due_s == pytest.approx(100.0 + number * 0.02, abs=1e-9)
        assert clock.skip(due_s + 0.015) == 0
        assert clock.take(due_s + 0.015)
        assert not clock.take(due_s + 0.015)


def test_long_delay_is_skipped_not_made_up_for() -> None:
    """After a second of standstill one frame is taken, not fifty at once."""
    clock = FrameClock(0.02)
    clock.start(0.0)
    assert clock.take(0.0)
    assert clock.skip(1.001) == 49
    assert clock.take(1.001)
    assert not clock.take(1.001)


def test_short_delay_is_made_up_for() -> None:
    """Up to three frames late nothing is lost."""
    clock = FrameClock(0.02)
    clock.start(0.0)
    assert clock.skip(0.059) == 0
    assert [clock.take(0.059) for _ in range(4)] == [True, True, True, False]


def test_stopped_clock_has_no_deadline() -> None:
    """Nothing is due before start or after stop; a start while it runs changes nothing."""
    clock = FrameClock(0.02)
    assert clock.deadline() is None
    assert not clock.take(5.0)
    clock.start(5.0)
    clock.take(5.0)
    clock.start(9.0)
    assert clock.deadline() == pytest.approx(5.02)
    clock.stop()
    assert clock.deadline() is None
    assert clock.skip(99.0) == 0
