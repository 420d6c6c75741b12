"""Comfort noise (RFC 3389): what a silent party's background sounds like, in a few octets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.levels import FULL_SCALE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["STATIC_PT", "ComfortNoise", "NoiseDescription", "describe_noise", "parse_noise"]

STATIC_PT: Final = 13  # RFC 3389 §4, at a clock of 8000
MAX_LEVEL: Final = 127  # -dBov
MAX_ORDER: Final = 12  # more coefficients than any sender has use for are ignored
RING_MS: Final = 1000  # noise is made a second at a time and repeated
# RFC 3389 §3.2: a coefficient k is the octet 127 + k·32768/258
COEFFICIENT_STEP: Final = 258 / 32_768
COEFFICIENT_ZERO: Final = 127
_MAX_COEFFICIENT: Final = 0.99  # the filter has to stay stable


@dataclass(frozen=True, slots=True)
class NoiseDescription:
    """What a comfort noise packet says."""

    level_dbov: float
    """RMS level, 0 or less; 0 is a full-scale square wave, as in dBFS."""
    reflection: tuple[float, ...] = ()
    """Reflection coefficients of the spectrum, none for white noise."""


def parse_noise(payload: bytes) -> NoiseDescription | None:
    """Read a comfort noise payload; None if there is nothing in it."""
    if not payload:
        return None
    # RFC 3389 §3.1: the topmost bit of the level is reserved.
    octets = payload[1 : 1 + MAX_ORDER]
    limit = _MAX_COEFFICIENT
    return NoiseDescription(
        -float(payload[0] & MAX_LEVEL),
        tuple(
            min(max((octet - COEFFICIENT_ZERO) * COEFFICIENT_STEP, -limit), limit)
            for octet in octets
        ),
    )


def describe_noise(noise: NoiseDescription) -> bytes:
    """Return the payload that says so."""
    level = min(max(round(-noise.level_dbov), 0), MAX_LEVEL)
    octets = (
        min(max(round(k / COEFFICIENT_STEP) + COEFFICIENT_ZERO, 0), 254) for k in noise.reflection
    )
    return bytes([level, *octets])


class ComfortNoise:
    """Makes the noise of one call: `receive` its packets, `generate` while nothing else comes."""

    def __init__(self, rate_hz: int, seed: int) -> None:
        """Begin with silence.

        Args:
            rate_hz: rate of the samples wanted; noise described by an 8 kHz stream keeps its
                shape over the whole band.
            seed: of the random numbers, so that a test can repeat them.
        """
        samples = rate_hz * RING_MS // 1000
        white = np.random.default_rng(seed).standard_normal(samples, dtype=np.float32)
        self._white = np.fft.rfft(white)
        self._ring = np.zeros(samples, np.int16)
        self._at = 0
        self._noise: NoiseDescription | None = None

    def receive(self, payload: bytes) -> None:
        """Take a comfort noise packet; an empty one changes nothing."""
        noise = parse_noise(payload)
        if noise is not None:
            self.set(noise)

    def set(self, noise: NoiseDescription) -> None:
        """Sound like this from now on."""
        if noise == self._noise:
            return
        self._noise = noise
        # Filtered in the frequency domain the second closes upon itself: no seam.
        samples = len(self._ring)
        shape = np.fft.rfft(_predictor(noise.reflection), samples)
        wave = np.fft.irfft(self._white / shape, samples)
        rms = FULL_SCALE * 10 ** (noise.level_dbov / 20)
        wave *= rms / np.sqrt(np.mean(wave**2))
        limit = FULL_SCALE - 1
        self._ring = np.clip(np.rint(wave), -limit, limit).astype(np.int16)

    def generate(self, samples: int) -> NDArray[np.int16]:
        """Return the next so many samples."""
        at = (self._at + np.arange(samples)) % len(self._ring)
        self._at = (self._at + samples) % len(self._ring)
        return self._ring[at]


def _predictor(reflection: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the coefficients of the all-pole filter's denominator (step-up recursion)."""
    coefficients = np.ones(1)
    for k in reflection:
        longer = np.append(coefficients, 0.0)
        coefficients = longer + k * longer[::-1]
    return coefficients
