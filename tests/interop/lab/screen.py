"""A real terminal for the workbench: tmux holds it, the test reads what is on it."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Self

from .processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Screen"]

ENDED = "the program ended with"


class Screen:
    """A program in a terminal of `columns` × `lines`; `async with` starts and ends it.

    Args:
        command: the program and its arguments.
        folder: where a copy of each screen that was waited for is kept, in the order seen.
        columns: width.
        lines: height.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, columns: int = 120, lines: int = 36
    ) -> None:
        self._command = command
        self._folder = folder
        self._size = (columns, lines)
        self._name = f"ivrbench-{os.getpid()}-{id(self)}"
        self._kept = 0
        folder.mkdir(parents=True, exist_ok=True)

    async def __aenter__(self) -> Self:
        # The shell waits for a line: the terminal has its size before the program sees it. It
        # stays afterwards, with the exit code; tmux itself does not always know it.
        program = f"env -u COLUMNS -u LINES TERM=xterm-256color {shlex.join(self._command)}"
        command = f"read go; {program}; echo {ENDED} $?; read go"
        self._tmux("-f", "/dev/null", "new-session", "-d", f"sh -c {shlex.quote(command)}")
        self._tmux("set-option", "-g", "window-size", "manual")
        self.resize(*self._size)
        await self.press("Enter")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._tmux("kill-server")

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def text(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-p")

    async def press(self, *keys: str) -> None:
        """Type keys, named as tmux names them."""
        self._tmux("send-keys", *keys)

    async def until(self, *words: str, within_s: float = PATIENCE_S) -> str:
        """Wait until all the words are on the screen at once; keep and return the screen."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    text = self.text()
                    if all(word in text for word in words):
                        break
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{words} not on the screen:\n{self.text()}") from None
        self._kept += 1
        (self._folder / f"screen-{self._kept:02}.txt").write_text(text)
        return text

    async def until_ended(self) -> int:
        """Wait until the program ends; its exit code as a shell has it."""
        text = await self.until(f"{ENDED} ")
        return int(text.partition(f"{ENDED} ")[2].split()[0])

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._name, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout
