"""Keys as people write them, `12#,A`, and when each of them is pressed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError
from ivrbench.rtp.dtmf import key_from_name, key_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "GAP_MS",
    "KEY_MS",
    "PAUSE_MS",
    "KeyQueue",
    "Pause",
    "Press",
    "Step",
    "parse_keys",
]

KEY_MS: Final = 100
"""How long a key is held; scripts see it as the key's duration."""
GAP_MS: Final = 60
"""Silence between two keys; ITU-T Q.24 wants 40 ms at least."""
PAUSE_MS: Final = 500
"""What a `,` stands for."""


@dataclass(frozen=True, slots=True)
class Press:
    """One key held for some time."""

    key: int
    """RFC 4733 event, 0 to 15."""
    duration_ms: int = KEY_MS
    """How long it is held."""

    @property
    def name(self) -> str:
        """What is printed on the key."""
        return key_name(self.key)


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing pressed for some time."""

    duration_ms: int = PAUSE_MS
    """How long."""


Step = Press | Pause


def parse_keys(text: str) -> tuple[Step, ...]:
    """Read a string of keys: `0`-`9`, `*`, `#`, `A`-`D`, and `,` for a pause of 0.5 s.

    Blanks mean nothing, small letters are fine.

    Raises:
        ConfigError: there is no such key; the sentence names it and its place.
    """
    steps: list[Step] = []
    for place, character in enumerate(text, start=1):
        if character.isspace():
            continue
        if character == ",":
            steps.append(Pause())
            continue
        key = key_from_name(character)
        if key is None:
            raise ConfigError(
                f"there is no key {character!r} (character {place} of {text!r}); "
                "use 0-9 * # A-D, and a comma for a pause of 0.5 s",
                key="keys",
            )
        steps.append(Press(key))
    return tuple(steps)


class KeyQueue:
    """Says which key goes down in which audio frame: keys never overlap, pauses are kept.

    Args:
        frame_ms: how often `next_frame` is called.
    """

    def __init__(self, frame_ms: int) -> None:
        self._frame_ms = frame_ms
        self._steps: deque[Step] = deque()
        self._busy_ms = 0

    def add(self, steps: Iterable[Step]) -> None:
        """Press these after those already waiting."""
        self._steps.extend(steps)

    def next_frame(self) -> Press | None:
        """Move on by one frame; gives the key that goes down at its start, if one does."""
        self._busy_ms = max(0, self._busy_ms - self._frame_ms)
        while self._busy_ms == 0 and self._steps:
            step = self._steps.popleft()
            if isinstance(step, Press):
                self._busy_ms = step.duration_ms + GAP_MS
                return step
            self._busy_ms = step.duration_ms
        return None

    @property
    def idle(self) -> bool:
        """True when nothing is held or waiting."""
        return not self._steps and self._busy_ms == 0
