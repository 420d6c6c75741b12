"""Stage: where a test takes place: an engine, a network, time, and all that happened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ivrbench.observe import events

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ivrbench.testing.network import Network

__all__ = ["Stage", "Step"]

_Result = TypeVar("_Result")
_Event = TypeVar("_Event")


class Step(NamedTuple):
    """What one end of a call did."""

    who: object
    text: str


class Stage:
    """What a bench and its callers share; subclasses set `network` and `_run`.

    Attributes:
        network: where they meet.
        told: every event of the engine, in order.
        steps: what happened and when (on the network's clock): events, and what callers did.
        folders: where files are looked for.
    """

    network: Network

    def __init__(self) -> None:
        self.told: list[events.Event] = []
        self.steps: list[tuple[float, events.Event | Step]] = []
        self.folders: list[Path] = []
        self.began_s = 0.0
        """When it was opened; moments are shown from here."""
        self.is_broken: Callable[[], bool] = lambda: False
        """Nothing more is waited for: the engine has a fault, which `run` raises."""
        self._waiting: asyncio.Future[None] | None = None
        self._run: Callable[[Coroutine[Any, Any, Any]], Any]

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
            if left_s <= 0 or self.is_broken():
                return False
            self._waiting = loop.create_future()
            alarm = loop.call_later(left_s, self.changed)
            await self._waiting
            alarm.cancel()
        return True

    # --- files --------------------------------------------------------------------------------

    def find(self, name: str) -> Path | None:
        """A file of the scripts or the test, of `wav` beside them, or of the working directory.

        None: there is none.

        Args:
            name: a path, or a file's name.
        """
        for folder in [Path(), *self.folders]:
            for path in (folder / name, folder / "wav" / name):
                if path.is_file():
                    return path
        return None

    # --- what happened ------------------------------------------------------------------------

    def note(self, event: events.Event) -> None:
        """The engine told something."""
        self.told.append(event)
        self.steps.append((self.now(), event))
        self.changed()

    def note_step(self, who: object, text: str) -> None:
        """One end of a call did something."""
        self.steps.append((self.now(), Step(who, text)))

    def changed(self) -> None:
        """Something happened: who waits looks again."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def of(self, kind: type[_Event], leg: str = "c1") -> list[_Event]:
        """The events of one kind of a leg; those that belong to no leg are every leg's."""
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
