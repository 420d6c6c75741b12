"""A recording as the tick sees it: samples gathered in memory, handed to the disk in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.codecs import g711
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.rate_change import RateChanger
from ivrbench.media.bank import saturated
from ivrbench.media.coded_sink import Mp3Sink
from ivrbench.media.disk import SUBTYPES, DirectWriter, WavSink
from ivrbench.media.reels import UNLIMITED, Reels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ivrbench.media.disk import RecordingFile, Sink

__all__ = ["Recorder"]


class Recorder:
    """Samples for one file.

    Args:
        number: the engine's number for it.
        file: where it goes; becomes the recorder's.
        sample_format: "pcm16", "alaw" or "ulaw"; anything else is written as "pcm16".
        rate_hz: of the file; 0: that of the first audio that is recorded.
        limit_ms: length over the recorder's whole life, -1 = none.
        writer: who writes.
        shelf: gives the reels for a rate and a number of channels.
        channels: 1, or 2 for the caller left and the IVR right.
        container: "wav", "raw" or "mp3".
    """

    def __init__(
        self,
        number: int,
        file: RecordingFile,
        sample_format: str,
        rate_hz: int,
        limit_ms: int,
        writer: DirectWriter,
        shelf: Callable[[int, int], Reels],
        channels: int = 1,
        container: str = "wav",
    ) -> None:
        self.number = number
        self.rate_hz = rate_hz
        self.sample_format = sample_format if sample_format in SUBTYPES else "pcm16"
        self.limit_ms = limit_ms
        self.error = ""
        self.in_use = False
        """An item, a call or a room is recording into it."""
        self.channels = channels
        self._paused = False
        self.reels: Reels | None = None
        """Where its samples wait; None: nothing has been recorded."""
        self.slot = -1
        self.sink = self._sink(file, container)
        self._shelf = shelf
        self._limit = 0
        self._writer = writer
        self._changer: tuple[int, RateChanger] | None = None
        """From which rate; each channel has a slot."""
        writer.submit(self.sink, b"")

    def _sink(self, file: RecordingFile, container: str) -> Sink:
        rate_hz = self.rate_hz or SAMPLE_RATE_HZ
        if container == "mp3":
            return Mp3Sink(file, rate_hz, self.channels)
        has_header = container == "wav"
        return WavSink(file, self.sample_format, rate_hz, self.channels, has_header=has_header)

    def __repr__(self) -> str:
        return f"Recorder({self.number}, {self.n_samples} samples, {self.error or 'ok'})"

    @property
    def n_samples(self) -> int:
        """What has been recorded, in samples of one channel."""
        if self.reels is None:
            return 0
        return (self._limit - self.reels.left(self.slot)) // self.channels

    @property
    def full(self) -> bool:
        """No more will be taken: the limit is reached."""
        if self.reels is None:
            return self.limit_ms == 0
        return self.reels.left(self.slot) <= 0

    @property
    def paused(self) -> bool:
        """Nothing is recorded for now."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        if self.reels is not None:
            self.reels.hold(self.slot, paused)

    def takes(self, rate_hz: int) -> bool:
        """Whether frames of this rate may go straight to its reel."""
        return self.channels == 1 and self.reels is not None and self.rate_hz == rate_hz

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
        reels = self.reels if self.reels is not None else self._begin(rate_hz)
        if rate_hz != self.rate_hz:
            pcm = self._resample(pcm, rate_hz)
        flat = pcm.reshape(-1)[: reels.left(self.slot)]
        if int(reels.filled[self.slot]) + len(flat) > reels.size:
            self.hand_over()
        at = int(reels.filled[self.slot])
        reels.samples[self.slot, at : at + len(flat)] = flat
        reels.filled[self.slot] += len(flat)
        return len(flat) // self.channels

    def _begin(self, rate_hz: int) -> Reels:
        """The first audio: take its rate over, unless another one was asked for."""
        if not self.rate_hz:
            self.rate_hz = self.sink.rate_hz = rate_hz
        self._limit = UNLIMITED
        if self.limit_ms >= 0:
            self._limit = self.limit_ms * self.rate_hz // 1000 * self.channels
        reels = self.reels = self._shelf(self.rate_hz, self.channels)
        self.slot = reels.enter(self, self._limit)
        return reels

    def _resample(self, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
        """The call's codec changed to another rate, or another call records into the file."""
        if self._changer is None or self._changer[0] != rate_hz:
            self._changer = (rate_hz, RateChanger(rate_hz, self.rate_hz))
        sides = pcm.reshape(len(pcm), self.channels).T
        changed = saturated(self._changer[1].process(range(self.channels), sides))
        return changed[0] if self.channels == 1 else changed.T

    def hand_over(self, token: int = 0, *, close: bool = False) -> None:
        """Give what waits to the disk.

        Args:
            token: above 0: the writer reports with it when all samples and the header are written.
            close: give the file up.
        """
        data = b""
        if self.reels is not None:
            n = int(self.reels.filled[self.slot])
            data = self._encoded(self.reels.samples[self.slot, :n])
            self.reels.emptied(self.slot)
        self._writer.submit(self.sink, data, token=token, close=close)

    def seal(self, token: int) -> None:
        """Have all samples and the header written; the writer's report carries `token`."""
        self.hand_over(token)

    def close(self, token: int) -> None:
        """As `seal`, and give the file up."""
        self.hand_over(token, close=True)
        if self.reels is not None:
            self.reels.leave(self.slot)
            self.reels = None

    def _encoded(self, pcm: NDArray[np.int16]) -> bytes:
        if self.sample_format == "alaw":
            return g711.PCMA.encode(pcm).tobytes()
        if self.sample_format == "ulaw":
            return g711.PCMU.encode(pcm).tobytes()
        return pcm.astype("<i2").tobytes()
