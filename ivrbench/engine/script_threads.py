"""Script threads: the functions given to `ivr.createThread`, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from ivrbench.scriptapi.running import Where, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.engine.generation import Generation

__all__ = ["start_threads"]

log = logging.getLogger("ivrbench.script")


def start_threads(generation: Generation) -> None:
    """Start the functions of a generation in the order they were queued; a second call does
    nothing."""
    for function in generation.thread_functions[len(generation.threads) :]:
        name = getattr(function, "__name__", type(function).__name__)
        thread = threading.Thread(
            target=_run,
            args=(generation, function, name),
            name=f"{generation.script}@{generation.number}:{name}",
            daemon=True,
        )
        generation.threads.append(thread)
        thread.start()


def _run(generation: Generation, function: Callable[[], object], name: str) -> None:
    current.set(Where(generation.script, generation.number))
    try:
        function()
    except BaseException as exc:  # sys.exit() ends the thread and nothing else
        trace = exc.__traceback__
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
            name,
            generation.script,
            generation.number,
            type(exc).__name__,
            exc,
            where,
            exc_info=(type(exc), exc, trace),
            extra={"script": generation.script},
        )
