"""What the phone says: a file, a text, a tone or silence, in frames of 20 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ivrbench.audio.files import load_as
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.tones import sine
from ivrbench.audio.tts import synthesise
from ivrbench.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Frame",
    "Speaker",
    "Voice",
    "file_voice",
    "silent_voice",
    "text_voice",
    "tone_voice",
]

Frame = npt.NDArray[np.int16]


class Speaker(Protocol):
    """Where frames to send come from; a microphone is one too."""

    def next_frame(self, n_samples: int) -> Frame:
        """The next `n_samples`, always that many."""


class Voice:
    """Samples said once, then silence; or over and over.

    Args:
        samples: mono, 16 bit; may be empty.
        loop: True starts again at the end.
        rate_hz: their sample rate.
    """

    def __init__(
        self, samples: Frame, *, loop: bool = False, rate_hz: int = SAMPLE_RATE_HZ
    ) -> None:
        self.rate_hz = rate_hz
        self._samples = samples
        self._loop = loop and len(samples) > 0
        self._position = 0

    def next_frame(self, n_samples: int) -> Frame:
        """The next `n_samples`; silence where there are no more."""
        if self._loop:
            places = np.arange(self._position, self._position + n_samples) % len(self._samples)
            self._position = int(places[-1]) + 1
            return self._samples[places]
        frame = np.zeros(n_samples, np.int16)
        part = self._samples[self._position : self._position + n_samples]
        frame[: len(part)] = part
        self._position += len(part)
        return frame


def silent_voice(*, rate_hz: int = SAMPLE_RATE_HZ) -> Voice:
    """A caller who says nothing; silence is still sent, packet by packet."""
    return Voice(np.zeros(0, np.int16), rate_hz=rate_hz)


def tone_voice(frequency_hz: int, *, rate_hz: int = SAMPLE_RATE_HZ) -> Voice:
    """A steady tone.

    Args:
        frequency_hz: a whole number, so that one second repeats without a click.
        rate_hz: sample rate.

    Raises:
        ConfigError: a telephone cannot carry it.
    """
    if not 0 < frequency_hz < rate_hz // 2:
        raise ConfigError(
            f"a tone of {frequency_hz} Hz does not fit a telephone line; "
            f"use 1 to {rate_hz // 2 - 1} Hz"
        )
    return Voice(sine(frequency_hz, 1000, rate_hz=rate_hz), loop=True, rate_hz=rate_hz)


def text_voice(text: str, *, language: str = "", rate_hz: int = SAMPLE_RATE_HZ) -> Voice:
    """A text, spoken once by text to speech; takes a moment.

    Raises:
        ConfigError: the extra `tts` is not installed, or it cannot speak that.
    """
    try:
        return Voice(synthesise(text, language=language, rate_hz=rate_hz), rate_hz=rate_hz)
    except MediaError as exc:
        raise ConfigError(str(exc)) from exc


def file_voice(path: Path, *, loop: bool, rate_hz: int = SAMPLE_RATE_HZ) -> Voice:
    """A WAV file, resampled to 8 kHz.

    Raises:
        ConfigError: it cannot be read or played.
    """
    try:
        return Voice(load_as(path, rate_hz), loop=loop, rate_hz=rate_hz)
    except OSError as exc:
        raise ConfigError(f"cannot read it: {exc.strerror}", file=str(path)) from exc
    except MediaError as exc:
        raise ConfigError(str(exc)) from exc
