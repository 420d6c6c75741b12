"""Runs the handlers of scripts: a serial mailbox for each call, the threads of a pool for all.

A handler may block; then only its own call waits. Nothing a script raises gets out of here, not
even `SystemExit`. `async def` handlers run on the loop. A handler the script does not define is
found out without a thread and without running the script's code.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections import deque
from types import CoroutineType, FunctionType
from typing import TYPE_CHECKING, Final

from ivrbench.engine.memory.brake import OUT_OF_MEMORY, brake
from ivrbench.engine.outcome import (
    Call,
    Outcome,
    Running,
    drop_frames,
    let_go_of_locals,
    log_stuck,
)
from ivrbench.engine.scripts.pool import SLOW_AFTER_S
from ivrbench.scriptapi.compat import fit_arguments
from ivrbench.scriptapi.dialog import IvrDialogBase
from ivrbench.scriptapi.ivr import HungUp
from ivrbench.scriptapi.running import Where, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.engine.scripts.generation import Generation
    from ivrbench.engine.scripts.pool import ScriptPool
    from ivrbench.scriptapi.port import CallPort

__all__ = ["Call", "Mailbox", "Outcome"]

SLOW_AGAIN_S: Final = 1.0
"""And again this often."""
STUCK_AFTER_S: Final = 5.0
"""Then its stack is written to the log, once."""
_CO_COROUTINE: Final = 0x80


class Mailbox:
    """The dialog object of one call, and the events it has yet to hear of, in order.

    Used on the loop's thread, except where a method says otherwise.

    Args:
        pool: the threads.
        generation: the script.
        port: the call; part of `running.current` while a handler runs.
        on_slow: called on the loop for a handler that has not returned after 20 ms, then every
            second (for `HandlerStarted`).
    """

    __slots__ = (
        "_advancing",
        "_call",
        "_closed",
        "_done",
        "_muted",
        "_numbers",
        "_on_slow",
        "_outcome",
        "_pool",
        "_report_at_s",
        "_started_s",
        "_suspended",
        "_thread",
        "_told_stuck",
        "_waiting",
        "_where",
        "dialog",
        "generation",
        "port",
    )

    def __init__(
        self,
        pool: ScriptPool,
        generation: Generation,
        port: CallPort,
        on_slow: Callable[[Running], None],
    ) -> None:
        self.generation = generation
        self.port = port
        self.dialog: IvrDialogBase | None = None
        """The script's object; made by `create`."""
        self._pool = pool
        self._on_slow = on_slow
        self._where = Where(generation.script, generation.number, port)
        self._call: Call | None = None
        self._done: Callable[[Outcome], None] | None = None
        self._started_s = 0.0
        """When the call began; 0.0 while no thread has taken it."""
        self._report_at_s = 0.0
        self._told_stuck = False
        self._thread = 0
        """The thread it runs in; 0: none has taken it, or it is a task."""
        self._outcome: Outcome | None = None
        """Of the call that runs in a thread."""
        self._numbers = 0
        self._waiting: deque[tuple[Call, Callable[[Outcome], None]]] = deque()
        self._advancing = False
        self._suspended = False
        self._closed = False
        self._muted = False

    @property
    def call(self) -> Call | None:
        """The call that runs, or waits for a thread."""
        return self._call

    @property
    def is_suspended(self) -> bool:
        """True while an `async def` handler waits for something."""
        return self._suspended

    @property
    def where(self) -> Where:
        """What `running.current` is while a handler runs."""
        return self._where

    def suspend(self) -> None:
        """The `async def` handler that runs waits for something: until it returns, events that
        need no handler of the script do not wait for it."""
        self._suspended = True
        self._advance()

    def mute(self) -> None:
        """The script hears of nothing any more: what happens by default happens."""
        self._muted = True

    def create(self, done: Callable[[Outcome], None]) -> None:
        """Make the dialog object; the first thing to do.

        A class with a `__new__` of its own is the script's code and runs in a thread; without one
        `done` is called before this returns.

        Args:
            done: as in `post`; `Outcome.raised` tells why there is no dialog, and then no handler
                is defined.
        """
        self.post(Call("__new__"), done)

    def post(self, call: Call, done: Callable[[Outcome], None]) -> None:
        """Hand an event to the script after all that were posted before.

        Args:
            call: handler and arguments; the handler "" is never defined: a step of its own.
            done: called on the loop when the handler has returned and what it posted to the inbox
                has been carried out, before the next event. A handler the script does not define
                costs no thread: if nothing is before it, `done` is called before this returns.
        """
        if self._closed:
            return
        self._waiting.append((call, done))
        self._advance()

    def close(self) -> None:
        """The call is over: events that have not begun are dropped, a running one ends."""
        self._closed = True
        self._waiting.clear()
        self._on_slow = _nobody
        if self._call is None:
            self._let_go()

    def _let_go(self) -> None:
        """The script's object and its call are no concern of ours any more."""
        self.dialog = None
        del self.port, self._where

    def running(self) -> Running | None:
        """The handler that is running now, with its stack; None if none is."""
        call, thread = self._call, self._thread
        if call is None or not self._started_s:
            return None
        frame = sys._current_frames().get(thread) if thread else None
        stack = traceback.extract_stack(frame) if frame else []
        ours = [summary for summary in stack if summary.filename in self.generation.files]
        file, line = (ours[-1].filename, ours[-1].lineno or 0) if ours else ("", 0)
        return Running(
            call,
            self._pool.clock.now() - self._started_s,
            self.generation.real_file(file),
            line,
            "".join(traceback.format_list(stack[stack.index(ours[0]) :] if ours else [])),
            waits=not thread,
        )

    def report_if_slow(self) -> None:
        """Tell `on_slow` if it is time to."""
        now_s = self._pool.clock.now()
        if not self._started_s or now_s < self._report_at_s:
            return
        running = self.running()
        if running is not None:
            self._report_at_s = now_s + SLOW_AGAIN_S
            self._on_slow(running)
            if running.stack and running.elapsed_s >= STUCK_AFTER_S and not self._told_stuck:
                self._told_stuck = True
                log_stuck(running, self.port.log_name, self.generation.script)

    def run(self) -> Outcome:
        """Run the call it was given; in a thread of the pool.

        Returns:
            What became of it, again if it is called again.

        Raises:
            MemoryError, OutOfMemory: one meant for the handler came too late; call it again.
        """
        call = self._call
        assert call is not None, "a mailbox is dispatched with a call"
        try:
            if self._outcome is None:
                self._outcome = Outcome(call, defined=False)
                if not self._closed:  # the call ended while it waited for a thread
                    self._run(self._outcome)
        finally:
            brake.leave()
        return self._outcome

    def _run(self, outcome: Outcome) -> None:
        self._begin()
        self._thread = threading.get_ident()
        token = current.set(self._where)
        brake.enter()
        try:
            self._invoke(outcome)
        finally:
            current.reset(token)  # an idle thread keeps no call alive

    def finish(self, outcome: Outcome) -> None:
        """A thread is done; on the loop."""
        self._thread, self._outcome = 0, None
        self._pool.thread_is_free()
        if isinstance(outcome.returned, CoroutineType):
            # An `async def` handler behind a decorator or a partial shows itself only when called.
            self._pool.start_task(self, self._await(outcome), self._where)
        else:
            self._deliver(outcome)

    def _advance(self) -> None:
        """Begin the next event, and those after it that need no thread."""
        if self._advancing:
            return  # posted from within a `done`: the loop below comes to it
        self._advancing = True
        while self._waiting and (self._call is None or self._may_pass()):
            call, done = self._waiting.popleft()
            self._numbers += 1
            call.number = self._numbers
            if self._call is not None:
                self._tell(done, Outcome(call, defined=False))
                continue
            self._call, self._done = call, done
            self._start(call)
        self._advancing = False

    def _may_pass(self) -> bool:
        return self._suspended and self._code_of(self._waiting[0][0]) is None

    def _code_of(self, call: Call) -> object | None:
        if call.action is not None:
            return call.action if self.dialog is not None else None
        return self._find(call.handler)

    def _start(self, call: Call) -> None:
        handler = self._code_of(call)
        if handler is None:
            self._deliver(Outcome(call, defined=False))
        elif call.handler == "__new__" and self.generation.plain_new:
            self._begin()
            self._deliver(self._invoke(Outcome(call, defined=True)))
        elif isinstance(handler, FunctionType) and handler.__code__.co_flags & _CO_COROUTINE:
            self._begin()
            self._pool.start_task(
                self, self._await(self._invoke(Outcome(call, defined=True))), self._where
            )
        else:
            self._pool.dispatch(self)

    def _begin(self) -> None:
        now_s = self._pool.clock.now()
        self._report_at_s = now_s + SLOW_AFTER_S
        self._started_s = now_s
        self._told_stuck = False

    def _find(self, name: str) -> object | None:
        """The handler as the object has it, found without running code of the script."""
        dialog = self.dialog
        if self._muted or not (self._pool.calls_handlers or dialog is None):
            return None
        if dialog is None:
            return True if name == "__new__" else None
        if name in vars(dialog):
            return True  # an attribute of the object; what it is shows in the thread
        for cls in type(dialog).__mro__:
            if cls is IvrDialogBase or cls is object:
                continue
            members = cls.__dict__
            if name in members:
                return members[name] or True
            if "__getattr__" in members or "__getattribute__" in members:
                return True
        return None

    def _invoke(self, outcome: Outcome) -> Outcome:
        """Call the handler, and note what becomes of it. Raises nothing."""
        call, code = outcome.call, None
        outcome.defined = True
        try:
            if call.handler == "__new__":
                self.dialog = self.generation.new_dialog(self.port)
            elif call.action is not None and self.dialog is not None:
                call.action(self.dialog)
            else:
                handler = getattr(self.dialog, call.handler)
                code = getattr(getattr(handler, "__func__", handler), "__code__", None)
                args = call.args
                if not callable(handler):
                    raise TypeError(f"{call.handler} is no function, but {handler!r}")
                if call.old_args is not None:
                    args = fit_arguments(handler, args, call.old_args)
                outcome.returned = handler(*args)
        except AttributeError as exc:
            # A `__getattr__` that knows no such name is the same as no handler.
            is_none = code is None and exc.name == call.handler and exc.obj is self.dialog
            outcome.defined = not is_none
            outcome.raised = exc if outcome.defined else None
        except BaseException as exc:  # a script's sys.exit() ends its handler and nothing else
            outcome.raised = exc
            let_go_of_locals(exc)
        with contextlib.suppress(*OUT_OF_MEMORY):
            outcome.elapsed_s = self._pool.clock.now() - self._started_s
            if code is not None:
                outcome.file = self.generation.real_file(code.co_filename)
                outcome.line = code.co_firstlineno
        return outcome

    async def _await(self, outcome: Outcome) -> None:
        """Wait for an `async def` handler, then deliver."""
        coroutine, outcome.returned = outcome.returned, None
        outcome.waited = True
        try:
            if isinstance(coroutine, CoroutineType):
                outcome.returned = await coroutine
        except HungUp:
            outcome.returned = None  # it waited for something and the call ended: no fault
        except BaseException as exc:  # SystemExit would otherwise end the loop
            outcome.raised = exc
            let_go_of_locals(exc)
        outcome.elapsed_s = self._pool.clock.now() - self._started_s
        # Through the inbox, so that what the handler posted there comes first.
        self._pool.inbox.post(self._deliver, outcome)

    def _deliver(self, outcome: Outcome) -> None:
        done = self._done
        assert done is not None, "an outcome belongs to a call"
        self._call = self._done = None
        self._suspended = False
        self._started_s = 0.0
        self._pool.unwatch(self)
        if self._closed:
            self._let_go()
        # What `done` posts begins after it has returned, never within it.
        nested, self._advancing = self._advancing, True
        self._tell(done, outcome)
        drop_frames(outcome.raised)
        self._advancing = nested
        self._advance()

    def _tell(self, done: Callable[[Outcome], None], outcome: Outcome) -> None:
        try:
            done(outcome)
        except Exception as exc:
            # A fault of the engine in one call must not stop the others that come in this batch.
            message = f"the outcome of {outcome.call.handler} was not taken"
            self._pool.loop.call_exception_handler({"message": message, "exception": exc})


def _nobody(running: Running) -> None:
    """The call is over."""
