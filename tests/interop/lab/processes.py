"""Processes that are not ours: who their parents are, when they end, and when they get a CPU."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["PATIENCE_S", "always_in_time", "children_of", "ended", "parent_of"]

PATIENCE_S = 100.0
"""Ends the wait for what does not come. What comes does so within a second on a machine at rest,
and takes half a minute on one whose other work leaves these tests a tenth of it."""


def always_in_time() -> None:
    """Let this process go before others, where that is allowed; as `preexec_fn` of a phone.

    What a phone says and hears is to show how we do, not what else the machine does.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))


def parent_of(pid: int) -> int:
    """Who started a process; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition("PPid:")[2].split()[0])


def children_of(pid: int) -> list[int]:
    """The processes somebody started."""
    found = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [other for other in found if parent_of(other) == pid]


async def ended(pid: int) -> None:
    """Wait until a process has ended."""
    signalled = asyncio.Event()
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    asyncio.get_running_loop().add_reader(process, signalled.set)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await signalled.wait()
    finally:
        asyncio.get_running_loop().remove_reader(process)
        os.close(process)
