"""Timers: the values of RFC 3261 table 4, and a queue that starts and stops one in O(1)."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Timer", "TimerQueue", "Timers"]

MIN_SWEEP = 1024  # Stopped timers that may lie about before a sweep is worth it.


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
        """64*T1: timers B, F, H, J, L, M and the wait for an ACK or a PRACK."""
        return 64 * self.t1_s


class Timer:
    """One running timer; made by `TimerQueue.start`, only good for `TimerQueue.stop`."""

    __slots__ = ("argument", "callback", "due_s")

    def __init__(self, due_s: float, callback: Callable[[Any, float], None], argument: Any) -> None:
        self.due_s = due_s
        self.callback: Callable[[Any, float], None] | None = callback
        self.argument = argument  # Any: handed back to the callback untouched.


class TimerQueue:
    """Timers in one FIFO per usual delay, and a heap for the odd ones.

    SIP uses a handful of delays and `now` never goes back, so each FIFO is sorted by itself:
    starting is an append, stopping marks the entry, and the next deadline is the least of a few
    heads. Delays the other side chooses (session timers) or chance does (glare) go in the heap, so
    that nobody can make us keep many FIFOs.
    """

    def __init__(self) -> None:
        self._queues: dict[float, deque[Timer]] = {}
        self._odd: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._running = 0
        self._stopped = 0

    def start(
        self, delay_s: float, callback: Callable[[Any, float], None], argument: Any, now: float
    ) -> Timer:
        """Run `callback(argument, now)` `delay_s` seconds from `now`; for the usual delays."""
        timer = Timer(now + delay_s, callback, argument)
        queue = self._queues.get(delay_s)
        if queue is None:
            queue = self._queues[delay_s] = deque()
        queue.append(timer)
        self._running += 1
        return timer

    def start_odd(
        self, delay_s: float, callback: Callable[[Any, float], None], argument: Any, now: float
    ) -> Timer:
        """The same for a delay that chance or the other side chose."""
        timer = Timer(now + delay_s, callback, argument)
        self._count += 1
        heapq.heappush(self._odd, (timer.due_s, self._count, timer))
        self._running += 1
        return timer

    def stop(self, timer: Timer | None) -> None:
        """Stop a timer; one that fired, was stopped, or is None is left alone."""
        if timer is not None and timer.callback is not None:
            # The entry waits for its turn but lets go of everything it held.
            timer.callback = timer.argument = None
            self._running -= 1
            self._stopped += 1
            if self._stopped > MIN_SWEEP and self._stopped > self._running:
                self._sweep()

    def deadline(self) -> float | None:
        """When the next running timer is due, None if none runs."""
        queue, odd = self._head(), self._odd_head()
        if odd is None:
            return queue[0].due_s if queue else None
        return min(queue[0].due_s, odd.due_s) if queue else odd.due_s

    def run(self, now: float) -> None:
        """Fire every timer that is due at `now`, earliest first."""
        while True:
            queue, odd = self._head(), self._odd_head()
            if odd is not None and odd.due_s <= now and not (queue and queue[0].due_s <= odd.due_s):
                timer = heapq.heappop(self._odd)[2]
            elif queue and queue[0].due_s <= now:
                timer = queue.popleft()
            else:
                return
            callback, argument = timer.callback, timer.argument
            timer.callback = timer.argument = None
            self._running -= 1
            if callback is not None:
                callback(argument, now)

    def __len__(self) -> int:
        return self._running

    def _head(self) -> deque[Timer] | None:
        """The FIFO whose first running timer is due first; drops stopped heads and empty FIFOs."""
        first: deque[Timer] | None = None
        empty: list[float] | None = None
        for delay_s, queue in self._queues.items():
            while queue and queue[0].callback is None:
                queue.popleft()
                self._stopped -= 1
            if not queue:
                empty = [*(empty or ()), delay_s]
            elif first is None or queue[0].due_s < first[0].due_s:
                first = queue
        for delay_s in empty or ():
            del self._queues[delay_s]
        return first

    def _odd_head(self) -> Timer | None:
        """The running timer of the heap that is due first; drops stopped ones before it."""
        odd = self._odd
        while odd and odd[0][2].callback is None:
            heapq.heappop(odd)
            self._stopped -= 1
        return odd[0][2] if odd else None

    def _sweep(self) -> None:
        """Throw the stopped ones out: as many were stopped since the last time as are looked at."""
        for delay_s, queue in self._queues.items():
            self._queues[delay_s] = deque(each for each in queue if each.callback is not None)
        self._odd = [each for each in self._odd if each[2].callback is not None]
        heapq.heapify(self._odd)
        self._stopped = 0
