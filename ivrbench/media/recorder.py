"""A recording as the tick sees it: samples gathered in memory, handed to the disk in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.codecs import g711
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.rate_change import RateChanger
from ivrbench.media.bank import saturated
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
        channels: 1, or 2 for the caller left and the IVR right.
    """

    def __init__(
        self,
        number: int,
        file: RecordingFile,
        sample_format: str,
        rate_hz: int,
        limit_ms: int,
        writer: DirectWriter,
        channels: int = 1,
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
        self.channels = channels
        self.paused = False
        """Nothing is recorded for now."""
        self.sink = WavSink(file, self.sample_format, rate_hz or SAMPLE_RATE_HZ, channels)
        self._writer = writer
        self._block = np.empty(0, np.int16)
        self._filled = 0
        self._changer: tuple[int, RateChanger] | None = None
        """From which rate; each channel has a slot."""
        writer.submit(self.sink, b"")

    def __repr__(self) -> str:
        return f"Recorder({self.number}, {self.n_samples} samples, {self.error or 'ok'})"

    @property
    def full(self) -> bool:
        """No more will be taken: the limit is reached."""
        return self.n_samples >= self._limit_samples

    def write(
        self,
        pcm: NDArray[np.int16],
        rate_hz: int = SAMPLE_RATE_HZ,
        sent: NDArray[np.int16] | None = None,
    ) -> int:
        """Take a frame, or as much of it as the limit allows.

        Args:
            pcm: the frame.
            rate_hz: its sample rate; resampled if the file has another.
            sent: for the second channel; None: silence.

        Returns:
            How many samples the recording has grown by.
        """
        if self.paused:
            return 0
        if self.channels == 2:
            pcm = np.stack([pcm, np.zeros_like(pcm) if sent is None else sent], axis=1)
        if rate_hz != self.rate_hz:
            pcm = self._fit(pcm, rate_hz)
        n = min(len(pcm), self._limit_samples - self.n_samples)
        filled, more = self._filled, n * self.channels
        if filled + more > len(self._block):
            self._hand_over(0, close=False)
            filled = 0
            if more > len(self._block):
                size = self.rate_hz * BLOCK_MS // 1000 * self.channels
                self._block = np.empty(size, np.int16)
        self._block[filled : filled + more] = pcm[:n].reshape(-1)
        self._filled = filled + more
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
        if self._changer is None or self._changer[0] != rate_hz:
            self._changer = (rate_hz, RateChanger(rate_hz, self.rate_hz))
        sides = pcm.reshape(len(pcm), self.channels).T
        changed = saturated(self._changer[1].process(range(self.channels), sides))
        return changed[0] if self.channels == 1 else changed.T

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
