"""Script threads: the functions given to `ivr.createThread`, each in a thread of its own.

A thread that computes shares one interpreter lock with the engine's loop, which queues up for it
behind all such threads. Their number cannot be limited, as that of handlers is: they are one
function that never returns. So each gets a shorter turn the more there are, and the log names them.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final

from ivrbench.engine.memory.brake import brake
from ivrbench.engine.outcome import let_go_of_locals, message_of
from ivrbench.scriptapi.running import Where, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.clock import Clock
    from ivrbench.engine.scripts.generation import Generation

__all__ = ["ScriptThread", "ThreadWatch", "start_threads"]

log = logging.getLogger("ivrbench.script")

LOOK_S: Final = 1.0
"""How often it is looked at which threads compute."""
COMPUTES: Final = 0.02
"""A thread that has used more of a core than this since the last look computes."""
BUSY: Final = 0.25
"""Threads that together use so much of a core are named."""
NAMED_AFTER: Final = 5
"""Looks in a row; a thread that computes for a moment disturbs nobody for long."""
TURNS_S: Final = 0.004
"""All threads that compute have had a turn after so long, as far as `SHORTEST_TURN_S` allows."""
SHORTEST_TURN_S: Final = 0.0002
"""What changing from one thread to the next costs must stay small beside this."""


class ScriptThread(threading.Thread):
    """One function of a script, running for ever or until it returns.

    Args:
        generation: the script.
        function: without arguments.
    """

    def __init__(self, generation: Generation, function: Callable[[], object]) -> None:
        self.generation = generation
        self.function_name = getattr(function, "__name__", type(function).__name__)
        script = f"{generation.script}@{generation.number}"
        super().__init__(name=f"{script}:{self.function_name}", daemon=True)
        self._function = function
        self._clock_id = 0
        """Clock of its processor time; 0 while it does not run."""
        self._cpu_s = 0.0
        self.looks = 0
        """So often in a row it was seen to compute."""

    def run(self) -> None:
        """Call the function; an exception is logged and ends nothing else."""
        self._clock_id = time.pthread_getcpuclockid(threading.get_ident())
        current.set(Where(self.generation.script, self.generation.number))
        try:
            brake.enter()
            try:
                self._function()
            finally:
                brake.leave()
        except BaseException as exc:  # sys.exit() ends the thread and nothing else
            brake.leave()
            let_go_of_locals(exc)
            _tell_ended(self, exc)
        finally:
            self._clock_id = 0

    def computed_s(self) -> float:
        """Processor time since it was last asked for."""
        if not self._clock_id:
            return 0.0
        before, self._cpu_s = self._cpu_s, time.clock_gettime(self._clock_id)
        return self._cpu_s - before

    def where(self) -> str:
        """The line of the script it is at: "menu.py:7", "" if it is in none."""
        generation = self.generation
        frame = sys._current_frames().get(self.ident or 0)
        stack = traceback.extract_stack(frame) if frame else []
        ours = [s for s in stack if s.filename in generation.files]
        return f"{generation.real_file(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""


class ThreadWatch:
    """Looks at the threads of all scripts, for as long as there are any.

    Args:
        clock: for the time between two looks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads: list[ScriptThread] = []
        self._looked_s = clock.now()
        self._turn_s = sys.getswitchinterval()

    @property
    def is_needed(self) -> bool:
        """There are threads to look at."""
        return bool(self._threads)

    def add(self, generation: Generation) -> None:
        """Watch the threads of a generation, also when calls no longer get it."""
        known = set(self._threads)
        self._threads += [thread for thread in generation.threads if thread not in known]

    def look(self) -> None:
        """See who computes; to be called every `LOOK_S`."""
        now_s = self._clock.now()
        passed_s, self._looked_s = now_s - self._looked_s, now_s
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        shares = {thread: thread.computed_s() / (passed_s or 1.0) for thread in self._threads}
        computing = {thread: share for thread, share in shares.items() if share > COMPUTES}
        shortest_s = max(SHORTEST_TURN_S, TURNS_S / len(computing)) if computing else self._turn_s
        sys.setswitchinterval(min(self._turn_s, shortest_s))
        is_busy = sum(computing.values()) > BUSY
        for thread in shares:
            thread.looks = thread.looks + 1 if is_busy and thread in computing else 0
            if thread.looks == NAMED_AFTER:
                _tell_computes(thread, shares[thread])


def start_threads(generation: Generation) -> None:
    """Start the functions of a generation in the order they were queued; a second call does
    nothing."""
    for function in generation.thread_functions[len(generation.threads) :]:
        thread = ScriptThread(generation, function)
        generation.threads.append(thread)
        thread.start()


def _tell_computes(thread: ScriptThread, share: float) -> None:
    where = thread.where()
    log.warning(
        "thread %s of %s@%s computes all the time (%d %% of a core%s): every call waits for it; "
        "let it sleep in between, or give the work to a process of its own (multiprocessing)",
        thread.function_name,
        thread.generation.script,
        thread.generation.number,
        round(share * 100),
        f", {where}" if where else "",
        extra={"script": thread.generation.script},
    )


def _tell_ended(thread: ScriptThread, raised: BaseException) -> None:
    generation, trace = thread.generation, raised.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename not in generation.files:
        trace = trace.tb_next
    innermost = trace
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    where = ""
    if innermost is not None:
        file = generation.real_file(innermost.tb_frame.f_code.co_filename)
        where = f" ({file}:{innermost.tb_lineno})"
    log.error(
        "thread %s of %s@%s ended: %s: %s%s",
        thread.function_name,
        generation.script,
        generation.number,
        type(raised).__name__,
        message_of(raised),
        where,
        exc_info=(type(raised), raised, trace),
        extra={"script": generation.script},
    )
