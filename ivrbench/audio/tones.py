"""Tones made by arithmetic: sines, keys in the audio band, silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.frame import SAMPLE_RATE_HZ, samples_from_ms

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DTMF_HIGH_HZ", "DTMF_LOW_HZ", "dtmf_frequencies_hz", "dtmf_tone", "silence", "sine"]

# ITU-T Q.23: rows and columns of the keypad.
DTMF_LOW_HZ: Final = (697, 770, 852, 941)
DTMF_HIGH_HZ: Final = (1209, 1336, 1477, 1633)
_KEYPAD: Final = ((1, 2, 3, 12), (4, 5, 6, 13), (7, 8, 9, 14), (10, 0, 11, 15))
_PEAK: Final = 32_767
DEFAULT_PEAK_DBFS: Final = -10.0


def sine(
    frequency_hz: float,
    duration_ms: float,
    *,
    peak_dbfs: float = DEFAULT_PEAK_DBFS,
    rate_hz: int = SAMPLE_RATE_HZ,
) -> NDArray[np.int16]:
    """Return a sine.

    Args:
        frequency_hz: its pitch.
        duration_ms: its length.
        peak_dbfs: its amplitude, 0 for full scale.
        rate_hz: the sample rate.
    """
    return _sines([frequency_hz], duration_ms, peak_dbfs, rate_hz)


def dtmf_frequencies_hz(key: int) -> tuple[int, int]:
    """Return the two frequencies of a key (ITU-T Q.23).

    Args:
        key: key number, 0 to 15.

    Raises:
        ValueError: there is no such key.
    """
    for row, low_hz in zip(_KEYPAD, DTMF_LOW_HZ, strict=True):
        if key in row:
            return low_hz, DTMF_HIGH_HZ[row.index(key)]
    raise ValueError(f"There are no tones for key number {key}.")


def dtmf_tone(
    key: int,
    duration_ms: float,
    *,
    peak_dbfs: float = DEFAULT_PEAK_DBFS,
    rate_hz: int = SAMPLE_RATE_HZ,
) -> NDArray[np.int16]:
    """Return a key as it sounds.

    Args:
        key: key number, 0 to 15.
        duration_ms: how long it is down.
        peak_dbfs: amplitude of each of the two tones.
        rate_hz: the sample rate.

    Raises:
        ValueError: there is no such key.
    """
    return _sines(dtmf_frequencies_hz(key), duration_ms, peak_dbfs, rate_hz)


def silence(duration_ms: float, *, rate_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.int16]:
    """Return zeros."""
    return np.zeros(samples_from_ms(duration_ms, rate_hz), np.int16)


def _sines(
    frequencies_hz: tuple[int, int] | list[float],
    duration_ms: float,
    peak_dbfs: float,
    rate_hz: int,
) -> NDArray[np.int16]:
    time_s = np.arange(samples_from_ms(duration_ms, rate_hz)) / rate_hz
    wave = sum(np.sin(2 * np.pi * frequency_hz * time_s) for frequency_hz in frequencies_hz)
    amplitude = _PEAK * 10 ** (peak_dbfs / 20)
    return np.clip(np.rint(wave * amplitude), -_PEAK - 1, _PEAK).astype(np.int16)
