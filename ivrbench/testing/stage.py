"""Stage: where a test takes place: an engine, a network, time, and all that happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from ivrbench.observe import events

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ivrbench.testing.network import Network

__all__ = ["Stage"]

_Result = TypeVar("_Result")
_Event = TypeVar("_Event")


class Stage:
    """What a bench and its callers share.

    Args:
        network: where they meet.
        run: runs the loop until a coroutine is done.

    Attributes:
        told: every event of the engine, in order.
        told_at_s: when each came, on the network's clock.
    """

    def __init__(self, network: Network, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.network = network
        self._run = run
        self.told: list[events.Event] = []
        self.told_at_s: list[float] = []
        self._waiting: asyncio.Future[None] | None = None

    # --- time ---------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds, on the network's clock."""
        return self.network.now()

    def run(self, what: Coroutine[Any, Any, _Result]) -> _Result:
        """Run the loop until a coroutine is done."""
        result: _Result = self._run(what)
        return result

    def wait(self, seconds: float = 0.1) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def comes_true(self, condition: Callable[[], object], within_s: float) -> bool:
        """Let time pass until something is true; gives False if it did not become so in time.

        Args:
            condition: looked at again whenever anything happened.
            within_s: how long at most.
        """
        end_s = self.now() + within_s
        return bool(condition()) or self.run(self._comes_true(condition, end_s))

    def until(self, condition: Callable[[], object], within_s: float = 60.0) -> None:
        """Let time pass until something is true.

        Raises:
            AssertionError: it did not become true in time.
        """
        assert self.comes_true(condition, within_s), f"it did not happen within {within_s} s"

    async def _comes_true(self, condition: Callable[[], object], end_s: float) -> bool:
        loop = asyncio.get_running_loop()
        while not condition():
            left_s = end_s - self.now()
            if left_s <= 0:
                return False
            self._waiting = loop.create_future()
            alarm = loop.call_later(left_s, self.changed)
            await self._waiting
            alarm.cancel()
        return True

    # --- what happened ------------------------------------------------------------------------

    def note(self, event: events.Event) -> None:
        """The engine told something."""
        self.told.append(event)
        self.told_at_s.append(self.now())
        self.changed()

    def changed(self) -> None:
        """Something happened: who waits looks again."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def of(self, kind: type[_Event], leg: str = "c1") -> list[_Event]:
        """The events of one kind of a leg; those that belong to no leg are all leg's."""
        return [e for e in self.told if isinstance(e, kind) and getattr(e, "leg", leg) == leg]

    def handlers(self, leg: str = "c1") -> list[str]:
        """Handlers of a leg in order: "onDtmf(1, 100)"; one that raised has a "!" behind it."""
        return [
            f"{e.handler}({e.arguments})" + "!" * isinstance(e, events.HandlerRaised)
            for e in self.told
            if isinstance(e, (events.HandlerCalled, events.HandlerRaised))
            and e.leg == leg
            and e.handler != "__new__"
        ]
