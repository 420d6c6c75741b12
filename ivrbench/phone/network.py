"""BadNetwork: packets of the phone that get lost, wait, and arrive in another order, on purpose."""

from __future__ import annotations

import random
from typing import Final

from ivrbench.errors import ConfigError

__all__ = ["BadNetwork"]

MAX_DELAY_MS: Final = 5000


class BadNetwork:
    """Decides what becomes of each RTP packet, in both directions.

    Args:
        seed: for tests; None: not to be foretold.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.loss_percent = 0.0
        self.delay_ms = 0
        self.jitter_ms = 0
        """Up to so much more delay, packet by packet."""
        self._random = random.Random(seed)

    def set(self, text: str) -> None:
        """Understand `LOSS [DELAY [JITTER]]`: percent, milliseconds, milliseconds.

        Raises:
            ConfigError: it is not that.
        """
        words = text.replace("%", " ").split() or ["0"]
        try:
            loss, delay, jitter = (*map(float, words), *[0.0] * (3 - len(words)))
        except ValueError:
            raise ConfigError(f"{text!r} is not LOSS DELAY JITTER, as in 5 200 20") from None
        if (
            not 0 <= loss <= 100
            or not 0 <= delay <= MAX_DELAY_MS
            or not 0 <= jitter <= MAX_DELAY_MS
        ):
            raise ConfigError(f"loss is 0 to 100 %, delay and jitter are 0 to {MAX_DELAY_MS} ms")
        self.loss_percent, self.delay_ms, self.jitter_ms = loss, round(delay), round(jitter)

    def fate(self) -> float | None:
        """What becomes of the next packet: its delay in seconds, None if it is lost."""
        if self.loss_percent and self._random.uniform(0, 100) < self.loss_percent:
            return None
        return (self.delay_ms + self._random.uniform(0, self.jitter_ms)) / 1000
