"""Fingerprints of sound: is what was heard what should have been, whatever the codec lost of it?

A fingerprint is the shape of the spectrum every 10 ms, without its loudness. Two of them are
compared by the cosine of each pair of shapes, averaged over what is not silent in the one sought.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.levels import level_dbfs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.audio.codecs.codec import Pcm

__all__ = ["ALIKE", "HOP_S", "SILENT_DBFS", "Match", "find", "has_tone", "tone_share"]

ALIKE: Final = 0.78
"""From here on it is the same sound. Measured with the prompts of `scripts/wav`: through any codec
and 5 % of loss 0.83 to 1.0, other prompts of the same voice 0.2 to 0.73."""
SILENT_DBFS: Final = -50.0
"""What is not louder is silence."""
TONE_WINDOW_S: Final = 0.2
TONE_SHARE: Final = 0.8
WINDOW: Final = 256
HOP: Final = 80
HOP_S: Final = HOP / SAMPLE_RATE_HZ
BANDS: Final = 20
LOWEST_HZ: Final = 200.0
HIGHEST_HZ: Final = 3400.0
SILENT_BELOW: Final = 30.0
"""RMS of a window, -61 dBFS."""
MOVING_COUNTS: Final = 1.5
NOISE: Final = 3e-3
"""What is 25 dB below the loudest band is noise of the codec."""
STEP: Final = 4
"""Windows between two spectra whose difference is part of the shape: tells speech from speech."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a sound was found best."""

    likeness: float
    """0 to 1; the same sound from `ALIKE` on."""
    at_s: float
    """Where in what was heard its beginning is; may lie before it."""


def find(sought: Pcm, heard: Pcm) -> Match:
    """Look for a sound in another.

    Args:
        sought: 8 kHz samples; silence at its ends does not count.
        heard: the same.

    Returns:
        the best place; likeness 0.0 if either is silent.
    """
    wanted, there = _shapes(sought), _shapes(heard)
    active = np.flatnonzero(np.any(wanted, axis=1))
    if not len(active) or not len(there):
        return Match(0.0, 0.0)
    first, last = int(active[0]), int(active[-1]) + 1
    wanted = wanted[first:last]
    size = 1 << (len(wanted) + len(there) - 2).bit_length()
    spectrum = np.fft.rfft(there, size, axis=0) * np.fft.rfft(wanted[::-1], size, axis=0)
    whole = np.fft.irfft(spectrum.sum(axis=1), size)[: len(wanted) + len(there) - 1]
    likeness = whole / len(active)
    best = int(np.argmax(likeness))
    return Match(float(likeness[best]), (best - len(wanted) + 1 - first) * HOP_S)


def has_tone(pcm: Pcm, frequencies_hz: tuple[float, ...]) -> bool:
    """Whether a fifth of a second of a sound is these tones and little else.

    Args:
        pcm: 8 kHz samples.
        frequencies_hz: the tones.
    """
    window = round(TONE_WINDOW_S * SAMPLE_RATE_HZ)
    for begin in range(0, len(pcm) - window + 1, window // 2):
        piece = pcm[begin : begin + window]
        is_loud = float(level_dbfs(piece)) > SILENT_DBFS
        if is_loud and tone_share(piece, frequencies_hz) >= TONE_SHARE:
            return True
    return False


def tone_share(pcm: Pcm, frequencies_hz: tuple[float, ...]) -> float:
    """How much of a sound's energy is in some tones, 0 to 1.

    Args:
        pcm: 8 kHz samples.
        frequencies_hz: the tones, 4 % to each side.
    """
    if not np.any(pcm):
        return 0.0
    energy = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    hz = np.fft.rfftfreq(len(pcm), 1 / SAMPLE_RATE_HZ)
    near = np.zeros(len(hz), np.bool_)
    for frequency_hz in frequencies_hz:
        near |= np.abs(hz - frequency_hz) < max(0.04 * frequency_hz, 2 * hz[1])
    return float(energy[near].sum() / energy.sum())


def _shapes(pcm: Pcm) -> NDArray[np.float32]:
    """One row of unit length for each 10 ms; zeros where it is silent."""
    if len(pcm) < WINDOW:
        pcm = np.pad(pcm, (0, WINDOW - len(pcm)))
    windows = np.lib.stride_tricks.sliding_window_view(pcm, WINDOW)[::HOP].astype(np.float32)
    energy = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2
    bands = energy @ _filters()
    floor = bands.max(axis=1, keepdims=True) * NOISE + 1.0
    levels = np.log(bands + floor)
    static = levels - levels.mean(axis=1, keepdims=True)
    moving = np.zeros_like(static)
    moving[STEP:] = static[STEP:] - static[:-STEP]
    shapes = _unit(np.concatenate([static, MOVING_COUNTS * moving], axis=1))
    shapes[np.sqrt(np.mean(windows**2, axis=1)) < SILENT_BELOW] = 0
    return shapes.astype(np.float32)


def _unit(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    unit: NDArray[np.floating] = rows / np.maximum(np.linalg.norm(rows, axis=1)[:, None], 1e-6)
    return unit


@cache
def _filters() -> NDArray[np.float32]:
    """Bins of the spectrum into bands, evenly spaced by ear."""
    hz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE_HZ)
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 2)
    rising = (hz[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - hz[:, None]) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
