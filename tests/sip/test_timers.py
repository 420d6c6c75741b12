"""The timer queue: order, stopping, and nothing kept."""

from __future__ import annotations

from ivrbench.sip.timers import MIN_SWEEP, TimerQueue, Timers


class Fired:
    """What fired, in order."""

    def __init__(self) -> None:
        self.what: list[str] = []

    def take(self, argument: str, now: float) -> None:
        self.what.append(argument)


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


def test_odd_delays_fire_in_order_with_the_usual_ones() -> None:
    """Delays that chance or the other side chose go by time like all others, and can be stopped."""
    queue, fired = TimerQueue(), Fired()
    queue.start(2.0, fired.take, "usual", 0.0)
    for delay_s in (3.7, 0.1, 1.9, 2.0):
        queue.start_odd(delay_s, fired.take, str(delay_s), 0.0)
    stopped = queue.start_odd(0.05, fired.take, "stopped", 0.0)
    queue.stop(stopped)
    queue.stop(stopped)
    assert len(queue) == 5
    assert queue.deadline() == 0.1
    queue.run(10.0)
    assert fired.what[0] == "0.1"
    assert sorted(fired.what[2:4]) == ["2.0", "usual"]
    assert (len(queue), queue.deadline()) == (0, None)


def test_only_stopped_odd_timers_left() -> None:
    """Running when all that is left was stopped finds nothing, quietly."""
    queue, fired = TimerQueue(), Fired()
    queue.start(1.0, fired.take, "usual", 0.0)
    queue.stop(queue.start_odd(0.5, fired.take, "stopped", 0.0))
    queue.run(2.0)
    queue.stop(queue.start_odd(0.5, fired.take, "stopped", 2.0))
    queue.run(3.0)
    assert fired.what == ["usual"]


def test_stopped_timers_do_not_pile_up() -> None:
    """A timer of hours that is stopped at once, again and again, leaves no trail."""
    queue, fired = TimerQueue(), Fired()
    keep = [queue.start(60.0, fired.take, "keep", 0.0), queue.start_odd(61, fired.take, "o", 0.0)]
    for number in range(10_000):
        queue.stop(queue.start(3600.0, fired.take, None, 0.0))
        queue.stop(queue.start_odd(1000.0 + number, fired.take, None, 0.0))
    kept = sum(len(each) for each in queue._queues.values()) + len(queue._odd)
    assert kept < 2 * MIN_SWEEP
    assert len(queue) == len(keep)
    queue.run(100.0)
    assert fired.what == ["keep", "o"]
