"""Brake: stops code of scripts that takes more memory than there is, where it is.

What scripts take in one piece the system can refuse (`watch.py`). What they take bit by bit it must
not: the piece that is one too many may be the loop's, and not every library survives that. So the
thread that computes most gets a `MemoryError`, at the line it is at, while there still is some.
"""

from __future__ import annotations

import ctypes
import threading
import time
from dataclasses import dataclass
from typing import Final

__all__ = ["OUT_OF_MEMORY", "Brake", "OutOfMemory", "brake"]

LOOK_S: Final = 0.005
"""How long it is looked at who computes."""
COMPUTES: Final = 0.1
"""Who has used so much of that time computes."""


class OutOfMemory(BaseException):
    """Ends code that caught its `MemoryError` and took more; `except Exception` lets it through."""


OUT_OF_MEMORY: Final = (MemoryError, OutOfMemory)
"""What a thread may be stopped by."""


@dataclass(slots=True)
class _Thread:
    """One that runs code of a script now."""

    clock_id: int
    """Clock of its processor time."""
    was_hit: bool = False


class Brake:
    """Knows the threads that run code of scripts."""

    def __init__(self) -> None:
        self._threads: dict[int, _Thread] = {}
        self._lock = threading.Lock()

    def enter(self) -> None:
        """From now on this thread runs code of a script, and may be stopped."""
        ident = threading.get_ident()
        entered = _Thread(time.pthread_getcpuclockid(ident))
        with self._lock:
            self._threads[ident] = entered

    def leave(self) -> None:
        """No longer. Until this has returned one of `OUT_OF_MEMORY` may come at any line; it is to
        be called again then."""
        ident = threading.get_ident()
        with self._lock:
            left = self._threads.pop(ident, None)
            if left is not None and left.was_hit:
                _raise_in(ident, None)  # it has not come yet, and need not any more

    def stop_busiest(self) -> bool:
        """Stop the thread that computes most; False if none does. Takes `LOOK_S`."""
        before = self._used_s()
        time.sleep(LOOK_S)
        used_s = {
            ident: after_s - before[ident]
            for ident, after_s in self._used_s().items()
            if ident in before
        }
        busiest = max(used_s, key=lambda ident: used_s[ident], default=0)
        if not busiest or used_s[busiest] < COMPUTES * LOOK_S:
            return False
        return self._hit(busiest)

    def _used_s(self) -> dict[int, float]:
        with self._lock:
            return {
                ident: time.clock_gettime(thread.clock_id)
                for ident, thread in self._threads.items()
            }

    def _hit(self, ident: int) -> bool:
        with self._lock:
            thread = self._threads.get(ident)
            if thread is None:
                return False
            _raise_in(ident, OutOfMemory if thread.was_hit else MemoryError)
            thread.was_hit = True
        return True


def _raise_in(ident: int, error: type[BaseException] | None) -> None:
    """Have a thread raise an exception at its next line; None: take it back."""
    raised = ctypes.py_object(error) if error is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), raised)


brake: Final = Brake()
"""That of this process, as the memory is."""
