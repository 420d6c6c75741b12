"""Keeps what C libraries and child processes write on standard error off the screen.

Textual draws on `sys.__stderr__`, so descriptor 2 cannot simply be closed: the terminal gets a
descriptor of its own, and 2 becomes a pipe whose lines are collected.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["guarded_stderr", "speaks_unicode"]

MAX_KEPT_LINES = 200


def speaks_unicode() -> bool:
    """True if the terminal can be given more than ASCII."""
    encoding = getattr(sys.__stderr__, "encoding", "") or ""
    return encoding.lower().replace("-", "") in ("utf8", "utf8mb4") and (
        os.environ.get("TERM") != "dumb"
    )


@contextlib.contextmanager
def guarded_stderr(on_line: Callable[[str], None] | None = None) -> Iterator[deque[str]]:
    """Guard the screen while Textual draws on it.

    Args:
        on_line: called, on another thread, with each line that was kept off the screen.

    Yields:
        The last lines, to be shown after the screen is the shell's again.
    """
    lines: deque[str] = deque(maxlen=MAX_KEPT_LINES)
    terminal_fd = os.dup(2)
    read_fd, write_fd = os.pipe()
    before = sys.__stderr__
    terminal = os.fdopen(terminal_fd, "w")
    sys.__stderr__ = terminal  # type: ignore[misc]  # the one place Textual draws on
    os.dup2(write_fd, 2)
    os.close(write_fd)
    reading = threading.Thread(target=_collect, args=(read_fd, lines, on_line), daemon=True)
    reading.start()
    try:
        yield lines
    finally:
        terminal.flush()
        # Descriptor 2 was the pipe's last writer, unless a child process still has it.
        os.dup2(terminal_fd, 2)
        sys.__stderr__ = before  # type: ignore[misc]
        reading.join(timeout=0.5)
        terminal.close()


def _collect(read_fd: int, lines: deque[str], on_line: Callable[[str], None] | None) -> None:
    with os.fdopen(read_fd, errors="replace") as pipe:
        for text in pipe:
            lines.append(text.rstrip("\n"))
            if on_line is not None:
                on_line(lines[-1])
