"""Keys as people write them, `12#,A`, and when each of them is pressed."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.audio.frame import FRAME_MS
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
MAX_MS: Final = 10_000
"""Of one key or pause that has its length behind it."""
MAX_REPEATED_MS: Final = 2000
"""How long a key is held that repeats on the keyboard."""
_LENGTH: Final = re.compile(r"\(([0-9]{1,6})\)")


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

    A length in ms may follow in brackets: `5(400)` is held for 400 ms, `,(50)` is a pause of
    50 ms. Blanks mean nothing, small letters are fine.

    Raises:
        ConfigError: there is no such key; the sentence names it and its place.
    """
    steps: list[Step] = []
    place = 0
    while place < len(text):
        character = text[place]
        place += 1
        if character.isspace():
            continue
        length = _LENGTH.match(text, place)
        place = length.end() if length else place
        if length and not FRAME_MS <= int(length[1]) <= MAX_MS:
            raise ConfigError(
                f"{character}{length[0]}: a key or a pause lasts {FRAME_MS} to {MAX_MS} ms",
                key="keys",
            )
        if character == ",":
            steps.append(Pause(int(length[1]) if length else PAUSE_MS))
            continue
        key = key_from_name(character)
        if key is None:
            raise ConfigError(
                f"there is no key {character!r} (character {place} of {text!r}); "
                "use 0-9 * # A-D, a comma for a pause of 0.5 s, and 5(400) for a key of 400 ms",
                key="keys",
            )
        steps.append(Press(key, int(length[1]) if length else KEY_MS))
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
        self._held: Press | None = None

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
                self._held = step
                return step
            self._busy_ms = step.duration_ms
        return None

    def hold_on(self, name: str) -> tuple[Press, Press] | None:
        """Hold the key that is down for `KEY_MS` from now, as it repeats on the keyboard.

        Args:
            name: what is printed on it.

        Returns:
            the key as it was to be held, and as it is held now; None where nothing changes.
        """
        down, left_ms = self._held, self._busy_ms - GAP_MS
        # What is in its last frame is up already for the other side.
        if down is None or down.name != name or left_ms <= self._frame_ms:
            return None
        wanted_ms = min(down.duration_ms + KEY_MS - left_ms, MAX_REPEATED_MS)
        more_ms = (wanted_ms - down.duration_ms) // self._frame_ms * self._frame_ms
        if more_ms <= 0:
            return None
        self._busy_ms += more_ms
        self._held = Press(down.key, down.duration_ms + more_ms)
        return down, self._held

    @property
    def idle(self) -> bool:
        """True when nothing is held or waiting."""
        return not self._steps and self._busy_ms == 0
