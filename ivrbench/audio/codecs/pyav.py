"""PyAV as encoder and decoder of single packets; loaded when the first call needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.audio.codecs.codec import Pcm, StreamDecoder
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["PyAvDecoder", "PyAvEncoder"]


class PyAvEncoder:
    """A mono encoder of the FFmpeg libraries that makes one packet of each frame."""

    def __init__(
        self, codec: str, rate_hz: int, options: dict[str, str], bit_rate: int | None = None
    ) -> None:
        """Open it.

        Args:
            codec: FFmpeg's name of the encoder.
            rate_hz: rate of the samples.
            options: FFmpeg's options of the encoder.
            bit_rate: bits per second, None for the encoder's choice.

        Raises:
            MediaError: PyAV is not installed or lacks the encoder.
        """
        self._av = _library(codec)
        try:
            self._context = self._av.CodecContext.create(codec, "w")
        except ValueError as exc:
            raise MediaError(f"The installed PyAV cannot encode {codec}.") from exc
        self._context.sample_rate = rate_hz
        self._context.layout = "mono"
        self._context.format = "s16"
        if bit_rate is not None:
            self._context.bit_rate = bit_rate
        self._context.options = options
        self._rate_hz = rate_hz

    def encode(self, pcm: Pcm) -> bytes:
        """Return the payload of one frame."""
        frame = self._av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class PyAvDecoder(StreamDecoder):
    """A mono decoder of the FFmpeg libraries."""

    def __init__(self, codec: str, rate_hz: int, frame_samples: int) -> None:
        """Open it.

        Args:
            codec: FFmpeg's name of the decoder.
            rate_hz: rate of the samples.
            frame_samples: what a packet usually holds.

        Raises:
            MediaError: PyAV is not installed or lacks the decoder.
        """
        super().__init__(rate_hz, frame_samples)
        self._av = _library(codec)
        try:
            self._context = self._av.CodecContext.create(codec, "r")
        except ValueError as exc:
            raise MediaError(f"The installed PyAV cannot decode {codec}.") from exc
        self._context.sample_rate = rate_hz
        self._context.layout = "mono"

    def _decode(self, payload: bytes) -> Pcm:
        # An empty packet would mean the end of the stream to FFmpeg; `decode` lets none through.
        (frame,) = self._context.decode(self._av.Packet(payload))
        pcm: Pcm = frame.to_ndarray()[0]
        return pcm


def _library(codec: str) -> ModuleType:
    try:
        import av
    except ImportError as exc:
        raise MediaError(
            f"{codec} needs the Python package av, which does not load: {exc}."
        ) from exc
    return av
