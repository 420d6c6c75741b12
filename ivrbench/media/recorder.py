"""A recording as the tick sees it: samples gathered in memory, handed to the disk in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.codecs import g711
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.resample import StreamResampler
from ivrbench.media.disk import SUBTYPES, DirectWriter, WavSink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.disk import RecordingFile

__all__ = ["Recorder"]

UNLIMITED = 1 << 60
"""Samples; more than any disk holds."""
BLOCK_MS = 1000
"""Handed to the disk at once. Less often would lose more in a crash."""


class Recorder:
    """Samples for one WAV file.

    Args:
        number: the engine's number for it.
        file: where it goes; becomes the recorder's.
        sample_format: "pcm16", "alaw" or "ulaw"; anything else is written as "pcm16".
        rate_hz: of the file; 0: that of the first audio that is recorded.
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
        self.limit_ms = limit_ms
        self._limit_samples = self._limit(rate_hz) if rate_hz or not limit_ms else UNLIMITED
        self.n_samples = 0
        self.error = ""
        self.in_use = False
        """An item is recording into it."""
        self.sink = WavSink(file, self.sample_format, rate_hz or SAMPLE_RATE_HZ)
        self._writer = writer
        self._block = np.empty(0, np.int16)
        self._filled = 0
        self._resampler: tuple[int, StreamResampler] | None = None
        writer.submit(self.sink, b"")

    def __repr__(self) -> str:
        return f"Recorder({self.number}, {self.n_samples} samples, {self.error or 'ok'})"

    @property
    def full(self) -> bool:
        """No more will be taken: the limit is reached."""
        return self.n_samples >= self._limit_samples

    def write(self, pcm: NDArray[np.int16], rate_hz: int = SAMPLE_RATE_HZ) -> int:
        """Take a frame, or as much of it as the limit allows.

        Args:
            pcm: the frame.
            rate_hz: its sample rate; resampled if the file has another.

        Returns:
            How many samples the recording has grown by.
        """
        if rate_hz != self.rate_hz:
            pcm = self._fit(pcm, rate_hz)
        n = min(len(pcm), self._limit_samples - self.n_samples)
        filled = self._filled
        if filled + n > len(self._block):
            self._hand_over(0, close=False)
            filled = 0
            if n > len(self._block):
                self._block = np.empty(self.rate_hz * BLOCK_MS // 1000, np.int16)
        self._block[filled : filled + n] = pcm[:n]
        self._filled = filled + n
        self.n_samples += n
        return n

    def _fit(self, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
        """Take over the rate of the first audio; bring all other to that rate."""
        if not self.rate_hz:
            self.rate_hz = self.sink.rate_hz = rate_hz
            self._limit_samples = self._limit(rate_hz)
            return pcm
        return self._resample(pcm, rate_hz)

    def _limit(self, rate_hz: int) -> int:
        return self.limit_ms * rate_hz // 1000 if self.limit_ms >= 0 else UNLIMITED

    def _resample(self, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
        """The call's codec changed to another rate, or another call records into the file."""
        if self._resampler is None or self._resampler[0] != rate_hz:
            self._resampler = (rate_hz, StreamResampler(rate_hz, self.rate_hz))
        return self._resampler[1].resample(pcm)

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
