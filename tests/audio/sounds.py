"""Sounds that tests of the audio package share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["best_snr_db", "noise", "snr_db", "voice"]


def noise(samples: int, rms_dbfs: float, seed: int = 1) -> NDArray[np.int16]:
    """Return white noise."""
    rms = 32_768 * 10 ** (rms_dbfs / 20)
    wave = np.random.default_rng(seed).standard_normal(samples) * rms
    return np.clip(np.rint(wave), -32_768, 32_767).astype(np.int16)


@lru_cache(maxsize=32)
def voice(
    duration_s: float, rate_hz: int = 8000, *, seed: int = 1, pitch_hz: float = 120.0
) -> NDArray[np.int16]:
    """Return something like speech: gliding pitch, moving formants, syllables and pauses."""
    rng = np.random.default_rng(seed)
    samples = round(duration_s * rate_hz)
    time_s = np.arange(samples) / rate_hz
    knots_s = np.arange(0, duration_s + 0.4, 0.2)

    def contour(low: float, high: float) -> NDArray[np.float64]:
        return np.interp(time_s, knots_s, rng.uniform(low, high, len(knots_s)))

    pitch = contour(0.7, 1.5) * pitch_hz
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    formants = [(contour(250, 850), 90), (contour(850, 2300), 130), (contour(2300, 3300), 200)]
    wave = np.zeros(samples)
    for harmonic in range(1, int(3400 / pitch_hz / 0.7)):
        hz = harmonic * pitch
        gain = np.sum([1 / (1 + ((hz - at) / width) ** 2) for at, width in formants], axis=0)
        wave += np.where(hz < 3400, gain, 0) * np.sin(harmonic * phase) / harmonic**0.5
    wave *= np.clip(contour(-0.3, 1.0), 0, 1)
    wave *= 16_000 / float(np.abs(wave).max())
    pcm = np.rint(wave).astype(np.int16)
    pcm.flags.writeable = False
    return pcm


def snr_db(said: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    """Return how far the difference is below what was said."""
    wanted = said.astype(np.float64)
    error = heard.astype(np.float64) - wanted
    return float(10 * np.log10(float(wanted @ wanted) / max(float(error @ error), 1e-9)))


def best_snr_db(
    said: NDArray[np.int16], heard: NDArray[np.int16], max_delay: int
) -> tuple[float, int]:
    """Return the signal-to-noise ratio at the delay that gives the best, and that delay."""
    samples = min(len(said), len(heard)) - max_delay
    shifted = np.lib.stride_tricks.sliding_window_view(heard, samples)[:max_delay]
    delay = int(np.argmax(shifted.astype(np.float32) @ said[:samples].astype(np.float32)))
    return snr_db(said[:samples], shifted[delay]), delay
