"""A recording as the tick sees it: samples gathered in memory, handed to the disk in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.codecs import g711
from ivrbench.media.disk import SUBTYPES, DirectWriter, WavSink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.disk import RecordingFile

__all__ = ["Recorder"]

BLOCK_SAMPLES = 8000
"""Handed to the disk at once: a second. Less often would lose more in a crash."""


class Recorder:
    """Samples for one WAV file.

    Args:
        number: the engine's number for it.
        file: where it goes; becomes the recorder's.
        sample_format: "pcm16", "alaw" or "ulaw"; anything else is written as "pcm16".
        rate_hz: of the samples and the file.
        limit_ms: length over the recorder's whole life, -1 = none.
        writer: who writes.
    """

    def __init__(
        self,
        number: int,
        file: RecordingFile,
        sample_format: str,
        rate_hz: int,
        limit_ms: int,
        writer: DirectWriter,
    ) -> None:
        self.number = number
        self.rate_hz = rate_hz
        self.sample_format = sample_format if sample_format in SUBTYPES else "pcm16"
        self.limit_samples = limit_ms * rate_hz // 1000 if limit_ms >= 0 else -1
        self.n_samples = 0
        self.error = ""
        self.in_use = False
        """An item is recording into it."""
        self.sink = WavSink(file, self.sample_format, rate_hz)
        self._writer = writer
        self._block = np.empty(BLOCK_SAMPLES, np.int16)
        self._filled = 0
        writer.submit(self.sink, b"")

    def __repr__(self) -> str:
        return f"Recorder({self.number}, {self.n_samples} samples, {self.error or 'ok'})"

    @property
    def full(self) -> bool:
        """No more will be taken: the limit is reached."""
        return 0 <= self.limit_samples <= self.n_samples

    def write(self, pcm: NDArray[np.int16]) -> None:
        """Take a frame, or as much of it as the limit allows."""
        n = len(pcm)
        if self.limit_samples >= 0:
            n = min(n, self.limit_samples - self.n_samples)
        if self._filled + n > BLOCK_SAMPLES:
            self._hand_over(0, close=False)
        self._block[self._filled : self._filled + n] = pcm[:n]
        self._filled += n
        self.n_samples += n

    def seal(self, token: int) -> None:
        """Have all samples and the header written; the writer's report carries `token`."""
        self._hand_over(token, close=False)

    def close(self, token: int) -> None:
        """As `seal`, and give the file up."""
        self._hand_over(token, close=True)

    def _hand_over(self, token: int, *, close: bool) -> None:
        data = self._encoded(self._block[: self._filled])
        self._filled = 0
        self._writer.submit(self.sink, data, token=token, close=close)

    def _encoded(self, pcm: NDArray[np.int16]) -> bytes:
        if self.sample_format == "alaw":
            return g711.PCMA.encode(pcm).tobytes()
        if self.sample_format == "ulaw":
            return g711.PCMU.encode(pcm).tobytes()
        return pcm.astype("<i2").tobytes()
