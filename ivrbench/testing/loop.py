"""VirtualLoop: an asyncio loop on a clock of its own; waiting takes no time."""

from __future__ import annotations

import asyncio
import selectors
from math import inf
from typing import TYPE_CHECKING, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from ivrbench.clock import ManualClock

__all__ = ["VirtualLoop"]

_Arguments = TypeVarTuple("_Arguments")


class _Selector(selectors.DefaultSelector):
    """Looks at its files without waiting; where a real one would wait, time moves."""

    def __init__(self, pass_time: Callable[[float | None], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._pass_time(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still while anything is to be done, and jumps when nothing is.

    Args:
        clock: its clock.

    Attributes:
        until: moves the clock on to a moment, or less far if something happened on the way; the
            loop calls it when all it waits for lies in the future.
        soonest_s: the first moment anything was asked for while `until` was at work.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.until: Callable[[float], None] = lambda at_s: clock.advance(at_s - clock.now())
        self.soonest_s = inf
        super().__init__(_Selector(self._pass_time))

    def time(self) -> float:
        return self.clock.now()

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.soonest_s = min(self.soonest_s, when)
        return super().call_at(when, callback, *args, context=context)

    def _pass_time(self, seconds: float | None) -> None:
        assert seconds is not None, "the test waits for something that will never happen"
        self.soonest_s = inf
        self.until(self.clock.now() + seconds)
