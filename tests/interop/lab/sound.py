"""Making and measuring audio: what was heard is compared with what was played."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "RATE_HZ",
    "Samples",
    "level_dbfs",
    "likeness",
    "match",
    "purest",
    "read_wav",
    "speechlike",
    "tone",
    "tone_share",
    "write_wav",
    "write_wide",
]

RATE_HZ = 8_000
Samples = NDArray[np.float64]
"""Mono at 8 kHz, full scale 1.0."""


def tone(hz: float, seconds: float, dbfs: float = -12.0) -> Samples:
    """A sine whose RMS level is `dbfs`."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return np.asarray(np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t))


def speechlike(seconds: float, seed: int = 1) -> Samples:
    """A signal with the band and the syllables of speech, the same for the same seed."""
    random = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ)
    spectrum = np.fft.rfft(random.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3_000)] = 0
    noise = np.fft.irfft(spectrum, n)
    syllables = 0.15 + np.abs(np.sin(2 * np.pi * 2.1 * np.arange(n) / RATE_HZ))
    shaped = noise * syllables
    return np.asarray(shaped * (0.1 / np.sqrt(np.mean(shaped**2))))


def write_wav(path: Path, samples: Samples) -> Path:
    """Save as 16-bit mono WAV at 8 kHz."""
    pcm = np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(pcm.tobytes())
    return path


def read_wav(path: Path) -> Samples:
    """Load a 16-bit mono WAV at 8 kHz."""
    with wave.open(str(path), "rb") as file:
        shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        assert shape == (1, 2, RATE_HZ), f"{path}: channels, bytes, rate are {shape}"
        pcm: NDArray[Any] = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float64) / 32_768


def level_dbfs(samples: Samples) -> float:
    """RMS level; -120 for silence."""
    return float(20 * np.log10(max(float(np.sqrt(np.mean(samples**2))), 1e-6)))


def tone_share(samples: Samples, hz: float) -> float:
    """How much of the energy is at one frequency (Goertzel): 1.0 for a pure tone."""
    window = np.hanning(len(samples))
    shaped = samples * window
    t = np.arange(len(samples)) / RATE_HZ
    peak = np.abs(np.sum(shaped * np.exp(-2j * np.pi * hz * t))) ** 2
    # A pure tone's windowed spectrum holds this much at its peak.
    whole = float(np.sum(shaped**2)) * float(np.sum(window)) ** 2 / float(np.sum(window**2)) / 2
    return float(peak / max(whole, 1e-12))


def match(heard: Samples, wanted: Samples) -> tuple[int, float]:
    """Where `wanted` lies in `heard` and how alike they are there.

    Returns:
        offset in samples, and the normalised correlation, 1.0 for the same signal.
    """
    assert len(heard) >= len(wanted), f"heard {len(heard)} samples, wanted {len(wanted)}"
    n = len(heard) + len(wanted)
    product = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(wanted, n)), n)
    scores = product[: len(heard) - len(wanted) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    local = energy[len(wanted) :] - energy[: -len(wanted)]
    normalised = scores / np.sqrt(np.maximum(local, 1e-9) * np.sum(wanted**2))
    best = int(np.argmax(normalised))
    return best, float(normalised[best])


def likeness(heard: Samples, wanted: Samples) -> float:
    """How like they are in most seconds; what follows a packet that came late lies elsewhere."""
    starts = range(0, len(wanted) - RATE_HZ + 1, RATE_HZ)
    return float(np.median([match(heard, wanted[at:][:RATE_HZ])[1] for at in starts]))


def purest(samples: Samples, hz: float) -> Samples:
    """The half second that is most of all this tone; a packet that came late makes it jump."""
    n = RATE_HZ // 2
    parts = [samples[at : at + n] for at in range(0, len(samples) - n + 1, n // 2)]
    return max(parts, key=lambda part: tone_share(part, hz))


def write_wide(path: Path, hz: float, rate_hz: int = 48_000) -> Path:
    """Five seconds of a tone at a rate that wideband codecs want."""
    times_s = np.arange(rate_hz * 5) / rate_hz
    pcm = (8000 * np.sin(2 * np.pi * hz * times_s)).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, rate_hz, len(pcm), "NONE", ""))
        out.writeframes(pcm.tobytes())
    return path
