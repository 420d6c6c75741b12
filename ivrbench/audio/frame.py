"""The frame all telephone audio is cut into: 20 ms of mono at 8 kHz."""

from __future__ import annotations

from typing import Final

__all__ = ["FRAME_MS", "FRAME_SAMPLES", "SAMPLE_RATE_HZ", "samples_from_ms"]

SAMPLE_RATE_HZ: Final = 8000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000  # 160


def samples_from_ms(duration_ms: float, rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Return how many samples a duration has."""
    return round(duration_ms * rate_hz / 1000)
