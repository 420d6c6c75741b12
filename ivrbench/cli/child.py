"""The engine as a child process of the workbench: started before it, stopped after it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Final, Self

from ivrbench.errors import EngineGone

from .sockets import answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ChildEngine"]

START_WITHIN_S: Final = 30.0  # the control socket opens before scripts load: this is generous
STOP_WITHIN_S: Final = 5.0  # beyond the time that calls get to end
POLL_S: Final = 0.01
LOG_TAIL_BYTES: Final = 32_768
RELEASE: Final = b"\n"  # on the engine's standard input: its end means nothing from now on


class ChildEngine:
    """`ivrbench --serve` in a process of its own, with its log in a file that dies with us.

    Leaving its `with` block stops it, unless `release` was called. Where this process is killed
    there is no leaving: the engine sees its standard input end, and ends with its last call.

    Args:
        arguments: command line after `--serve`.
        socket: its control socket.
        grace_s: how long calls get to end when it is stopped, in seconds.
    """

    def __init__(self, arguments: Sequence[str], socket: Path, grace_s: float) -> None:
        self._socket = socket
        self._command = [sys.executable, "-m", "ivrbench", "--serve", "--leash", *arguments]
        self._grace_s = grace_s
        self._log = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._let_go()
        self._log.close()

    def start(self) -> None:
        """Start it (again) and wait until its control socket answers.

        Raises:
            EngineGone: it ended at once, or does not answer.
        """
        self._let_go()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,  # ctrl-c in the terminal is for the workbench
        )
        give_up = time.monotonic() + START_WITHIN_S
        while not answers(self._socket):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(POLL_S)
                raise EngineGone(f"the engine did not start (exit code {code})")
            if time.monotonic() > give_up:
                self.stop()
                raise EngineGone(f"the engine does not answer after {START_WITHIN_S:.0f} s")

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._process.poll() if self._process else None

    def last_log(self, n_lines: int = 20) -> list[str]:
        """The end of what it wrote on stderr."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - LOG_TAIL_BYTES)
        text = os.pread(self._log.fileno(), size - start, start).decode("utf-8", "replace")
        return text.splitlines()[-n_lines:]

    def release(self) -> None:
        """Leave it running when we end."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(RELEASE)
                self._process.stdin.flush()
        self._let_go()
        self._process = None

    def stop(self) -> None:
        """End it: its calls get their time, then it is killed."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._grace_s + STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        """Drop our end of the pipe to an engine that ended, or that may go on without us."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
