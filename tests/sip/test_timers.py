"""The timer queue: order, stopping, and nothing kept."""

from __future__ import annotations

from ivrbench.sip.timers import TimerQueue, Timers


def test_order_across_delays() -> None:
    """Timers of different delays fire by due time, those of one delay in the order they were
    started.
    """
    queue = TimerQueue()
    fired: list[tuple[str, float]] = []

    def fire(name: str, now: float) -> None:
        fired.append((name, now))

    queue.start(4.0, fire, "slow", 0.0)
    queue.start(1.0, fire, "fast", 0.0)
    queue.start(1.0, fire, "next", 2.5)
    assert queue.deadline() == 1.0
    queue.run(0.9)
    assert fired == []
    queue.run(5.0)
    assert [name for name, _ in fired] == ["fast", "next", "slow"]
    assert queue.deadline() is None
    assert len(queue) == 0


def test_stop() -> None:
    """A stopped timer does not fire, holds nothing, and is no deadline; stopping twice or None is
    fine.
    """
    queue = TimerQueue()
    first = queue.start(1.0, lambda _, __: None, object(), 0.0)
    queue.start(1.0, lambda _, __: None, None, 0.5)
    queue.stop(first)
    queue.stop(first)
    queue.stop(None)
    assert (first.callback, first.argument) == (None, None)
    assert queue.deadline() == 1.5
    assert len(queue) == 1


def test_started_while_firing() -> None:
    """A callback may start timers; a delay of nothing fires in the same run."""
    queue = TimerQueue()
    fired: list[float] = []

    def again(count: int, now: float) -> None:
        fired.append(now)
        if count:
            queue.start(0.0, again, count - 1, now)

    queue.start(1.0, again, 2, 0.0)
    queue.run(1.0)
    assert fired == [1.0, 1.0, 1.0]


def test_values() -> None:
    """RFC 3261 table 4."""
    timers = Timers()
    assert (timers.t1_s, timers.t2_s, timers.t4_s, timers.d_s) == (0.5, 4.0, 5.0, 32.0)
    assert timers.give_up_s == 32.0
