"""The engine's process, as far as the workbench needs to know it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["EngineProcess"]


class EngineProcess(Protocol):
    """An engine that was started for this workbench, and is stopped after it."""

    def start(self) -> None:
        """Start it again after it ended; blocks until it answers.

        Raises:
            EngineGone: it did not start; the sentence is shown.
        """

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""

    def last_log(self, n_lines: int = 20) -> list[str]:
        """What it wrote last."""

    def release(self) -> None:
        """Let it run on when the workbench has ended."""
