"""Recordings that are compressed while they are made: MP3, by libsndfile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ivrbench.media.disk import RecordingFile

__all__ = ["Mp3Sink"]


class _File:
    """A `RecordingFile` as libsndfile wants one: with a position."""

    def __init__(self, file: RecordingFile) -> None:
        self._file = file
        self._at = 0
        self._size = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        done = 0
        try:
            while done < len(data):
                written = self._file.write_at(bytes(data[done:]), self._at + done)
                if written <= 0:
                    raise OSError("nothing could be written")
                done += written
        except OSError as exc:  # it would be lost in libsndfile
            self.error = self.error or exc
        self._at += done
        self._size = max(self._size, self._at)
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, n: int = -1) -> bytes:
        return b""  # never: the file is only written


class Mp3Sink:
    """One MP3 file being written. As `WavSink`; what has been appended can be played.

    Attributes:
        rate_hz: of the samples; may be set until the first of them is submitted.
        n_bytes: of the samples, before they were compressed.
        error: why writing stopped, "" while all is well.
    """

    def __init__(self, file: RecordingFile, rate_hz: int, channels: int = 1) -> None:
        self._raw = file
        self._file = _File(file)
        self._channels = channels
        # Any: the library has no types.
        self._sound: Any = None
        self.rate_hz = rate_hz
        self.n_bytes = 0
        self.error = ""

    def append(self, data: bytes) -> None:
        """Write audio, 16-bit samples. After an error: nothing."""
        if not self.error and data:
            self._guarded(data)

    def close(self) -> None:
        """Write what is left and give the file up."""
        sound, self._sound = self._sound, None
        if sound is not None:
            try:
                sound.close()
            except (OSError, RuntimeError) as exc:
                self.error = self.error or f"recording stopped: {exc}"
            self._check()
        try:
            self._raw.close()
        except OSError as exc:
            self.error = self.error or f"recording stopped: {exc.strerror or exc}"

    def _guarded(self, data: bytes) -> None:
        try:
            if self._sound is None:
                self._sound = self._open()
            self._sound.write(np.frombuffer(data, "<i2").reshape(-1, self._channels))
            self._sound.flush()
        except (OSError, RuntimeError) as exc:  # libsndfile's errors are RuntimeErrors
            self.error = f"recording stopped: {exc}"
        self._check()
        if not self.error:
            self.n_bytes += len(data)

    def _check(self) -> None:
        exc = self._file.error
        if exc is not None:
            self.error = f"recording stopped: {exc.strerror or exc}"

    def _open(self) -> Any:
        # Loaded where it is needed: most servers record WAV.
        import soundfile

        return soundfile.SoundFile(
            self._file,
            "w",
            samplerate=self.rate_hz,
            channels=self._channels,
            format="MP3",
            subtype="MPEG_LAYER_III",
        )
