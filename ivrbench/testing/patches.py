"""What scripts find in `time`, `datetime`, `threading`, `asyncio` and so on: virtual time.

Only code of scripts sees it: the threads of a bench, `async def` handlers, and scripts while they
load. For everybody else these functions do what they always do. When the last bench is closed they
are put back.
"""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures as futures
import queue
import sys
import threading
import time
import weakref
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from ivrbench.testing.dates import DATETIME
from ivrbench.testing.script_loop import ScriptLoop
from ivrbench.testing.threads import (
    REAL_LOCK,
    REAL_START,
    ScriptThreads,
    Waiter,
    here,
    mine,
    of_loop,
    turn_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["REAL_SLEEP", "follow_virtual_time", "leave_virtual_time"]

# Any: what stands here takes and gives what the functions it stands for do.
Function = Any

SCRIPTS_HAVE = "__ivrbench_modules__"
"""A global of every module of a script, and of no other."""
_Executor = futures.ThreadPoolExecutor
_open_benches = 0
_originals: list[tuple[object, str, object]] = []

REAL_SLEEP = time.sleep
REAL_MONOTONIC = time.monotonic
REAL_TIME = time.time
REAL_WAIT = threading.Condition.wait
REAL_JOIN = threading.Thread.join
REAL_SUBMIT = _Executor.submit
REAL_SHUTDOWN = _Executor.shutdown
REAL_RLOCK = threading.RLock


def follow_virtual_time() -> None:
    """Let scripts live in virtual time; as often as `leave_virtual_time` is called later."""
    global _open_benches
    _open_benches += 1
    if _open_benches > 1:
        return
    for owner, name, replacement in _replacements():
        _originals.append((owner, name, getattr(owner, name)))
        setattr(owner, name, replacement)


def leave_virtual_time() -> None:
    """Put everything back, if nobody else needs it."""
    global _open_benches
    _open_benches -= 1
    while not _open_benches and _originals:
        owner, name, original = _originals.pop()
        setattr(owner, name, original)


def _replacements() -> list[tuple[object, str, Function]]:
    monotonic = _reading(REAL_MONOTONIC, lambda threads: threads.clock.now())
    wall = _reading(REAL_TIME, lambda threads: threads.clock.wall())
    return [
        (time, "sleep", _sleep),
        (time, "monotonic", monotonic),
        (time, "perf_counter", _reading(time.perf_counter, lambda t: t.clock.now())),
        (time, "time", wall),
        (time, "monotonic_ns", _reading(time.monotonic_ns, lambda t: _ns(t.clock.now()))),
        (time, "perf_counter_ns", _reading(time.perf_counter_ns, lambda t: _ns(t.clock.now()))),
        (time, "time_ns", _reading(time.time_ns, lambda t: _ns(t.clock.wall()))),
        (time, "localtime", _of_now(time.localtime)),
        (time, "gmtime", _of_now(time.gmtime)),
        (time, "ctime", _of_now(time.ctime)),
        (time, "strftime", partial(_strftime, time.strftime, time.localtime)),
        (builtins, "__import__", partial(_import, builtins.__import__)),
        # The standard library's own waiting, which has `monotonic` by another name.
        (threading, "_time", monotonic),
        (queue, "time", monotonic),
        (threading.Condition, "wait", _wait),
        (threading.Thread, "start", _start),
        (threading.Thread, "join", _join),
        (threading, "Lock", partial(_make_lock, REAL_LOCK, reentrant=False)),
        (threading, "RLock", partial(_make_lock, REAL_RLOCK, reentrant=True)),
        (asyncio.events, "new_event_loop", partial(_new_loop, asyncio.new_event_loop)),
        (asyncio, "new_event_loop", partial(_new_loop, asyncio.new_event_loop)),
        (_Executor, "submit", _submit),
        (_Executor, "shutdown", _shutdown),
    ]


# --- time -------------------------------------------------------------------------------------


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _reading(real: Function, virtual: Callable[[ScriptThreads], float]) -> Function:
    def read() -> float:
        threads = here()
        reading: float = real() if threads is None else virtual(threads)
        return reading

    return read


def _of_now(real: Function) -> Function:
    def read(seconds: float | None = None) -> object:
        threads = here()
        if seconds is None and threads is not None:
            seconds = threads.clock.wall()
        return real(seconds)

    return read


def _strftime(real: Function, localtime: Function, form: str, moment: object = None) -> object:
    threads = here()
    if moment is None:
        moment = localtime(threads.clock.wall() if threads is not None else None)
    return real(form, moment)


def _import(
    real: Function,
    name: str,
    globals: Any = None,
    locals: Any = None,
    fromlist: Any = (),
    level: int = 0,
) -> Any:
    if name == "datetime" and globals is not None and SCRIPTS_HAVE in globals:
        return DATETIME
    return real(name, globals, locals, fromlist, level)


def _sleep(seconds: float) -> None:
    threads = here()
    if threads is None:
        REAL_SLEEP(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        threads.sleep(seconds)


# --- threads ----------------------------------------------------------------------------------


def _wait(condition: Any, timeout: float | None = None) -> bool:
    turn = mine()
    if turn is None:
        return REAL_WAIT(condition, timeout)
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = Waiter(turn)
    condition._waiters.append(waiter)  # `notify` releases it
    saved = condition._release_save()
    try:
        came = waiter.wait(timeout)
        if not came and waiter in condition._waiters:
            condition._waiters.remove(waiter)
        return came
    finally:
        condition._acquire_restore(saved)


def _start(thread: threading.Thread) -> None:
    threads = here() or of_loop()
    if threads is None:
        REAL_START(thread)
    else:
        threads.start(thread)


def _join(thread: threading.Thread, timeout: float | None = None) -> None:
    turn, other = mine(), turn_of.get(thread)
    if turn is not None and other is not None:
        if not other.over:
            waiter = Waiter(turn)
            other.joined_by.append(waiter)
            waiter.wait(timeout)
        if not other.over:
            return
    REAL_JOIN(thread, timeout)


def _new_loop(real: Function) -> object:
    threads = here()
    return real() if threads is None else ScriptLoop(threads)


# --- locks ------------------------------------------------------------------------------------


def _make_lock(real: Function, *, reentrant: bool) -> object:
    # A lock whose holder sleeps must let time pass for those who wait for it. The standard
    # library's own locks are held for a moment only.
    asked_by = str(sys._getframe(1).f_globals.get("__name__"))
    if here() is None or asked_by.partition(".")[0] in sys.stdlib_module_names:
        return real()
    return _Lock(reentrant=reentrant)


class _Lock:
    """`threading.Lock` and `RLock` between threads that take turns."""

    def __init__(self, *, reentrant: bool) -> None:
        self._reentrant = reentrant
        self._owner = 0
        self._depth = 0
        self._waiters: deque[Waiter] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        number, turn = threading.get_ident(), mine()
        while self._depth and not (self._reentrant and self._owner == number):
            if not blocking:
                return False
            if turn is None:
                raise RuntimeError("the lock is held by a thread that waits for this one")
            waiter = Waiter(turn)
            self._waiters.append(waiter)
            if not waiter.wait(None if timeout < 0 else timeout):
                self._waiters.remove(waiter)
                return False
        self._owner = number
        self._depth += 1
        return True

    def release(self) -> None:
        if not self._depth or (self._reentrant and self._owner != threading.get_ident()):
            raise RuntimeError("release unlocked lock")
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            if self._waiters:
                self._waiters.popleft().release()

    def locked(self) -> bool:
        return bool(self._depth)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    # What `Condition` asks of a lock that may be held more than once.

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()

    def _release_save(self) -> int:
        depth, self._depth = self._depth, 1
        self.release()
        return depth

    def _acquire_restore(self, depth: int) -> None:
        self.acquire()
        self._depth = depth


# --- executors --------------------------------------------------------------------------------


class _Jobs:
    """The work of one `ThreadPoolExecutor`: as many threads at a time as it allows."""

    def __init__(self, executor: Any) -> None:
        self.most: int = executor._max_workers
        self.running = 0
        self.waiting: deque[Callable[[], None]] = deque()
        self.futures: list[futures.Future[Any]] = []

    def add(self, threads: ScriptThreads, work: Callable[[], None]) -> None:
        self.waiting.append(work)
        self.begin(threads)

    def begin(self, threads: ScriptThreads) -> None:
        while self.waiting and self.running < self.most:
            self.running += 1
            work = self.waiting.popleft()

            def run(work: Callable[[], None] = work) -> None:
                work()
                self.running -= 1
                self.begin(threads)

            threads.start(threading.Thread(target=run, name="executor", daemon=True))


_jobs: weakref.WeakKeyDictionary[object, _Jobs] = weakref.WeakKeyDictionary()


def _submit(executor: Any, function: Function, /, *args: Any, **more: Any) -> Any:
    threads = here() or of_loop()
    if threads is None:
        return REAL_SUBMIT(executor, function, *args, **more)
    jobs = _jobs.setdefault(executor, _Jobs(executor))
    future: futures.Future[Any] = futures.Future()
    jobs.futures = [each for each in jobs.futures if not each.done()] + [future]

    def work() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function(*args, **more))
        except Exception as exc:  # whoever asks for the result gets it
            future.set_exception(exc)

    jobs.add(threads, work)
    return future


def _shutdown(executor: Any, wait: bool = True, *, cancel_futures: bool = False) -> None:
    jobs = _jobs.get(executor)
    if wait and jobs is not None and mine() is not None:
        futures.wait(jobs.futures)
    REAL_SHUTDOWN(executor, wait, cancel_futures=cancel_futures)
