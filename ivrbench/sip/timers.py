"""Timers: the values of RFC 3261 table 4, and a queue that starts and stops one in O(1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Timer", "TimerQueue", "Timers"]


@dataclass(frozen=True, slots=True)
class Timers:
    """The timer values one endpoint works with, in seconds (RFC 3261 §17, table 4)."""

    t1_s: float = 0.5
    """Round-trip estimate; first retransmission interval."""
    t2_s: float = 4.0
    """Longest retransmission interval of non-INVITE requests and INVITE responses."""
    t4_s: float = 5.0
    """How long a message may stay in the network."""
    d_s: float = 32.0
    """Timer D: how long retransmitted final responses to our INVITE are absorbed over UDP."""

    @property
    def give_up_s(self) -> float:
        """64*T1: timers B, F, H, J, L, M and the wait for an ACK."""
        return 64 * self.t1_s


class Timer:
    """One running timer; made by `TimerQueue.start`, only good for `TimerQueue.stop`."""

    __slots__ = ("argument", "callback", "due_s")

    def __init__(self, due_s: float, callback: Callable[[Any, float], None], argument: Any) -> None:
        self.due_s = due_s
        self.callback: Callable[[Any, float], None] | None = callback
        self.argument = argument  # Any: handed back to the callback untouched.


class TimerQueue:
    """Timers in one FIFO per distinct delay.

    SIP uses a handful of delays and `now` never goes back, so each FIFO is sorted by itself:
    starting is an append, stopping marks the entry, and the next deadline is the least of a few
    heads.
    """

    def __init__(self) -> None:
        self._queues: dict[float, deque[Timer]] = {}

    def start(
        self, delay_s: float, callback: Callable[[Any, float], None], argument: Any, now: float
    ) -> Timer:
        """Run `callback(argument, now)` `delay_s` seconds from `now`."""
        timer = Timer(now + delay_s, callback, argument)
        queue = self._queues.get(delay_s)
        if queue is None:
            queue = self._queues[delay_s] = deque()
        queue.append(timer)
        return timer

    def stop(self, timer: Timer | None) -> None:
        """Stop a timer; one that fired, was stopped, or is None is left alone."""
        if timer is not None:
            # The entry waits for its turn in the FIFO but lets go of everything it held.
            timer.callback = timer.argument = None

    def deadline(self) -> float | None:
        """When the next running timer is due, None if none runs."""
        head = self._head()
        return head[0].due_s if head else None

    def run(self, now: float) -> None:
        """Fire every timer that is due at `now`, earliest first."""
        while (queue := self._head()) and queue[0].due_s <= now:
            timer = queue.popleft()
            callback, argument = timer.callback, timer.argument
            timer.callback = timer.argument = None
            if callback is not None:
                callback(argument, now)

    def __len__(self) -> int:
        return sum(timer.callback is not None for q in self._queues.values() for timer in q)

    def _head(self) -> deque[Timer] | None:
        """The FIFO whose first running timer is due first; drops stopped heads and empty FIFOs."""
        first: deque[Timer] | None = None
        empty: list[float] | None = None
        for delay_s, queue in self._queues.items():
            while queue and queue[0].callback is None:
                queue.popleft()
            if not queue:
                empty = [*(empty or ()), delay_s]
            elif first is None or queue[0].due_s < first[0].due_s:
                first = queue
        for delay_s in empty or ():
            del self._queues[delay_s]
        return first
