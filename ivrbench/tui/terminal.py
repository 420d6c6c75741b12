"""Keeps what C libraries and child processes write on the terminal off the screen.

Textual draws on `sys.__stderr__`, so the descriptors cannot simply be closed: the terminal gets a
descriptor of its own, and 1 and 2 become a pipe whose lines go into the log. One that is no
terminal (`ivrbench 2>file`) is left alone.
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

__all__ = ["guarded_terminal", "speaks_unicode"]


def speaks_unicode() -> bool:
    """True if the terminal can be given more than ASCII."""
    encoding = getattr(sys.__stderr__, "encoding", "") or ""
    return encoding.lower().replace("-", "") in ("utf8", "utf8mb4") and (
        os.environ.get("TERM") != "dumb"
    )


@contextlib.contextmanager
def guarded_terminal(on_line: Callable[[str], None]) -> Iterator[None]:
    """Guard the screen while Textual draws on it.

    Args:
        on_line: called, on another thread, with each line that was kept off the screen.
    """
    before = sys.__stdout__, sys.__stderr__
    noisy = [fd for fd in (1, 2) if os.isatty(fd)]
    # Buffered bytes must not come out on the screen later, or on the wrong descriptor.
    encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"
    terminal = os.fdopen(os.dup(2 if 2 in noisy else 1), "w", encoding=encoding)
    # The places where Textual draws, and where it asks for the terminal's size.
    sys.__stdout__ = sys.__stderr__ = terminal  # type: ignore[misc]
    try:
        with _piped(noisy, on_line) if noisy else contextlib.nullcontext():
            yield
    finally:
        sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
        _close(terminal)


@contextlib.contextmanager
def _piped(fds: list[int], on_line: Callable[[str], None]) -> Iterator[None]:
    """These descriptors are a pipe for a while."""
    kept = {fd: os.dup(fd) for fd in fds}
    read_fd, write_fd = os.pipe()
    for fd in fds:
        os.dup2(write_fd, fd)
    os.close(write_fd)
    reading = threading.Thread(target=_collect, args=(read_fd, on_line), daemon=True)
    reading.start()
    try:
        yield
    finally:
        # They were the pipe's last writers, unless a child process still has them.
        for fd, before_fd in kept.items():
            os.dup2(before_fd, fd)
            os.close(before_fd)
        reading.join(timeout=0.5)


def _collect(read_fd: int, on_line: Callable[[str], None]) -> None:
    with os.fdopen(read_fd, errors="replace") as pipe:
        for text in pipe:
            on_line(text.rstrip("\n"))


def _close(terminal: TextIO) -> None:
    with contextlib.suppress(OSError):
        terminal.close()
