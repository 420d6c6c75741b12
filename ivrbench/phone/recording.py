"""Recording: what the phone hears, as a WAV file whose header is right while it grows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ivrbench.audio.files import wav_header
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from .voice import Frame

__all__ = ["Recording"]

SAMPLE_BYTES: Final = 2
WRITE_EVERY_S: Final = 0.5
"""How often the file and its header are brought up to date: all that a killed phone loses."""


class Recording:
    """A WAV file, mono PCM16.

    Args:
        path: the file; one that is there is replaced.
        rate_hz: sample rate.

    Raises:
        ConfigError: it cannot be written.
    """

    def __init__(self, path: Path, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self.path = path
        self._rate_hz = rate_hz
        self.n_samples = 0
        self.error = ""
        """Why the recording ended early, "" if it did not."""
        self._waiting: list[Frame] = []
        self._waiting_samples = 0
        try:
            self._file = path.open("wb")
        except OSError as exc:
            raise ConfigError(f"cannot record there: {exc.strerror}", file=str(path)) from exc
        self._write()

    @property
    def seconds(self) -> float:
        """Length of what is in the file."""
        return self.n_samples / self._rate_hz

    def hear(self, frame: Frame) -> None:
        """Append one frame."""
        self._waiting.append(frame)
        self._waiting_samples += len(frame)
        if self._waiting_samples >= WRITE_EVERY_S * self._rate_hz:
            self._write()

    def close(self) -> None:
        """Write what is waiting, and close the file."""
        self._write()
        try:
            self._file.close()
        except OSError as exc:
            self.error = self.error or exc.strerror or str(exc)

    def _write(self) -> None:
        """Append what is waiting, then put the new length into the header."""
        data = b"".join(frame.astype("<i2").tobytes() for frame in self._waiting)
        self._waiting.clear()
        self._waiting_samples = 0
        if self.error:
            return
        n_samples = self.n_samples + len(data) // SAMPLE_BYTES
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._file.seek(0)
            self._file.write(wav_header(n_samples * SAMPLE_BYTES, rate_hz=self._rate_hz))
            self._file.flush()
        except OSError as exc:
            self.error = exc.strerror or str(exc)
        else:
            self.n_samples = n_samples
