"""Readers of audio files in other formats than plain WAV, by soundfile (libsndfile).

MP3, Ogg Vorbis, Ogg Opus, FLAC, AIFF, AU, the ADPCM and GSM kinds of WAV, and files that are
nothing but samples, whose format only their name tells.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np

from ivrbench.audio.wav import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, WavSubtype, pcm_from_float
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["RAW_FORMATS", "RawFormat", "SoundReader", "raw_format"]

_BLOCK_SAMPLES: Final = 1 << 16
_UNKNOWN_LENGTH: Final = 1 << 62  # libsndfile tells more than this if it cannot tell


class RawFormat(NamedTuple):
    """What a file without a header holds."""

    coding: str
    """Name of the coding in libsndfile."""
    rate_hz: int
    subtype: WavSubtype | None
    """How we write it, None if we only read it."""


_ULAW: Final = RawFormat("ULAW", 8000, WavSubtype.ULAW)
_ALAW: Final = RawFormat("ALAW", 8000, WavSubtype.ALAW)
_LINEAR: Final = RawFormat("PCM_16", 8000, WavSubtype.PCM16)
RAW_FORMATS: Final = {
    ".ulaw": _ULAW,
    ".ul": _ULAW,
    ".mu": _ULAW,
    ".pcmu": _ULAW,
    ".alaw": _ALAW,
    ".al": _ALAW,
    ".pcma": _ALAW,
    ".raw": _LINEAR,
    ".sln": _LINEAR,
    ".sln16": _LINEAR._replace(rate_hz=16_000),
    ".sln48": _LINEAR._replace(rate_hz=48_000),
    ".gsm": RawFormat("GSM610", 8000, None),
}
"""Formats of files without a header, by the extension of their name; samples are little-endian."""


def raw_format(name: str) -> RawFormat | None:
    """Return the format that a file's name tells, None if its content has to."""
    return RAW_FORMATS.get(os.path.splitext(name)[1].lower())


class SoundReader:
    """Reads the samples of a file block by block, mixed down to mono."""

    def __init__(self, file: BinaryIO, name: str, raw: RawFormat | None = None) -> None:
        """Read the header.

        Args:
            file: seekable; it is not closed.
            name: its path, for error messages.
            raw: what a file without a header holds.

        Raises:
            OSError: it cannot be read.
            MediaError: it is no audio file we can play.
        """
        self._guard = _Guard(file)
        self._name = name
        self._raw = raw
        self._at = 0
        self._open()
        told: Any = self._file
        self.rate_hz = int(told.samplerate)
        self.channels = int(told.channels)
        self.samples: int | None = int(told.frames) if told.frames < _UNKNOWN_LENGTH else None
        self.coding = f"{told.format} {told.subtype}"
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ or self.channels > MAX_CHANNELS:
            raise MediaError(
                f"{name}: {self.channels} channels at {self.rate_hz} Hz cannot be played."
            )

    def _open(self) -> None:
        with self._errors():
            import soundfile

            self._guard.seek(0)
            headerless = {}
            if self._raw is not None:
                headerless = {
                    "samplerate": self._raw.rate_hz,
                    "channels": 1,
                    "format": "RAW",
                    "subtype": self._raw.coding,
                    "endian": "LITTLE" if self._raw.coding == "PCM_16" else "FILE",
                }
            self._file = soundfile.SoundFile(self._guard, "r", **headerless)

    def seek(self, sample: int) -> None:
        """Go to a sample; beyond the end is the end.

        Raises:
            OSError: the file cannot be read.
            MediaError: it cannot be read any more as what it was.
        """
        if sample == self._at:
            return
        if self._file.seekable():
            with self._errors():
                self._file.seek(sample if self.samples is None else min(sample, self.samples))
            self._at = sample
            return
        # What has to be decoded from its beginning is, in case: GSM in WAV.
        self._open()
        self._at = 0
        while self._at < sample and len(self.read(min(sample - self._at, _BLOCK_SAMPLES))):
            pass

    def read(self, samples: int) -> NDArray[np.int16]:
        """Return the next samples, fewer only at the end.

        Raises:
            OSError: the file cannot be read.
            MediaError: it is damaged at its very beginning; damage further on is its end.
        """
        try:
            with self._errors():
                # Floats keep what 16 bits would lose before the channels are mixed.
                wave = self._file.read(samples, dtype="float32", always_2d=True)
        except MediaError:
            if not self._at:
                raise
            return np.empty(0, np.int16)
        self._at += len(wave)
        return pcm_from_float(wave.mean(axis=1) if self.channels > 1 else wave[:, 0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ImportError as exc:
            raise MediaError(
                f"{self._name}: only WAV files can be played, because the Python package "
                f"soundfile does not load: {exc}."
            ) from exc
        except RuntimeError as exc:
            self._guard.raise_again()
            # LibsndfileError, which cannot be named before the import.
            reason = str(getattr(exc, "error_string", exc)).strip().rstrip(".")
            raise MediaError(f"{self._name}: not an audio file we can play ({reason}).") from exc
        self._guard.raise_again()


class _Guard:
    """A file whose errors are kept: libsndfile's callbacks have no way to tell them."""

    def __init__(self, file: BinaryIO) -> None:
        self._source = file
        self._error: Exception | None = None

    def raise_again(self) -> None:
        error, self._error = self._error, None
        if isinstance(error, OSError):
            raise error
        if error is not None:
            raise OSError(f"the file object failed: {error}") from error

    def read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except Exception as exc:  # the file object may be a script's
            self._error = exc
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._source.seek(offset, whence)
        except Exception as exc:
            self._error = exc
            return 0

    def tell(self) -> int:
        try:
            return self._source.tell()
        except Exception as exc:
            self._error = exc
            return 0

    def write(self, data: bytes) -> int:
        """Asked for by soundfile, never called."""
        return 0
