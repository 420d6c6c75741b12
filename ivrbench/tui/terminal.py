"""Keeps what C libraries and child processes write on standard error off the screen.

Textual draws on `sys.__stderr__`, so descriptor 2 cannot simply be closed: the terminal gets a
descriptor of its own, and 2 becomes a pipe whose lines go into the log. Where 2 is no terminal
(`ivrbench 2>file`) it is left alone, and the terminal is standard output's.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

__all__ = ["guarded_stderr", "speaks_unicode"]


def speaks_unicode() -> bool:
    """True if the terminal can be given more than ASCII."""
    encoding = getattr(sys.__stderr__, "encoding", "") or ""
    return encoding.lower().replace("-", "") in ("utf8", "utf8mb4") and (
        os.environ.get("TERM") != "dumb"
    )


@contextlib.contextmanager
def guarded_stderr(on_line: Callable[[str], None]) -> Iterator[None]:
    """Guard the screen while Textual draws on it.

    Args:
        on_line: called, on another thread, with each line that was kept off the screen.
    """
    before = sys.__stderr__
    is_terminal = os.isatty(2)
    # Buffered bytes must not come out on the screen later, or on the wrong descriptor.
    encoding = getattr(before, "encoding", None) or "utf-8"
    terminal = os.fdopen(os.dup(2 if is_terminal else 1), "w", encoding=encoding)
    sys.__stderr__ = terminal  # type: ignore[misc]  # the one place Textual draws on
    try:
        with _piped(on_line) if is_terminal else contextlib.nullcontext():
            yield
    finally:
        sys.__stderr__ = before  # type: ignore[misc]
        _close(terminal)


@contextlib.contextmanager
def _piped(on_line: Callable[[str], None]) -> Iterator[None]:
    """Descriptor 2 is a pipe for a while."""
    kept_fd = os.dup(2)
    read_fd, write_fd = os.pipe()
    os.dup2(write_fd, 2)
    os.close(write_fd)
    reading = threading.Thread(target=_collect, args=(read_fd, on_line), daemon=True)
    reading.start()
    try:
        yield
    finally:
        # Descriptor 2 was the pipe's last writer, unless a child process still has it.
        os.dup2(kept_fd, 2)
        os.close(kept_fd)
        reading.join(timeout=0.5)


def _collect(read_fd: int, on_line: Callable[[str], None]) -> None:
    with os.fdopen(read_fd, errors="replace") as pipe:
        for text in pipe:
            on_line(text.rstrip("\n"))


def _close(terminal: TextIO) -> None:
    with contextlib.suppress(OSError):
        terminal.close()
