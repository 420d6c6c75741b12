"""Inbox: how other threads give work to the engine's loop, in order, with one wake-up a batch."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Inbox"]

ANSWER_WITHIN_S = 10.0
"""How long a script's thread waits for the loop; only a stopping engine takes this long."""

_Result = TypeVar("_Result")


class Inbox:
    """Calls to be made on the loop.

    Args:
        loop: the engine's loop.
        after: called on the loop once after each batch.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, after: Callable[[], None]) -> None:
        self._loop = loop
        self._after = after
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._woken = False
        self._thread = threading.get_ident()
        self.context = contextvars.copy_context()
        """The engine's own. A timer keeps the context it is set in, and that of a handler its
        call: what a script asks for is done in this one."""

    @property
    def on_loop(self) -> bool:
        """True in the loop's own thread."""
        return threading.get_ident() == self._thread

    # Any: whatever the function takes is handed on untouched.
    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have `function(*args)` called on the loop soon; calls keep their order."""
        self._waiting.append((function, args))
        self.wake()

    def wake(self) -> None:
        """Let the loop come, if calls wait and it was not woken for them."""
        # Two threads may both see False and wake the loop twice; never may both see True wrongly,
        # because the loop takes the flag down before it looks at the calls.
        if self._waiting and not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self.drain, context=self.context)
            except RuntimeError:
                self._waiting.clear()  # the loop is closed: the engine is gone
            except MemoryError:
                self._woken = False  # whoever posts or wakes next has better luck

    def ask(self, function: Callable[..., _Result], *args: Any) -> _Result:
        """Call `function(*args)` on the loop after everything posted before, and wait for it.

        Raises:
            TimeoutError: the loop did not come to it.
            Exception: whatever the function raised.
        """
        if self.on_loop:
            return self.context.copy().run(self._ask_here, function, args)
        answer: Future[_Result] = Future()
        self.post(_resolve, answer, function, args)
        return answer.result(ANSWER_WITHIN_S)

    def _ask_here(self, function: Callable[..., _Result], args: tuple[Any, ...]) -> _Result:
        self.drain()
        return function(*args)

    def drain(self) -> None:
        """Make the calls that wait, on the loop's thread."""
        self._woken = False
        waiting = self._waiting
        while waiting:
            function, args = waiting.popleft()
            try:
                function(*args)
            except Exception as exc:
                # A fault of ours in one call must not take the others' turn away.
                context = {"message": f"{function!r} failed", "exception": exc}
                self._loop.call_exception_handler(context)
        self._after()


def _resolve(answer: Future[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        answer.set_result(function(*args))
    except Exception as exc:  # handed to the thread that asked
        answer.set_exception(exc)
