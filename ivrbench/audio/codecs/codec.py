"""What every codec of a call offers: its names and rates, an encoder and a decoder.

A decoder takes what the network brought. It never raises: what cannot be decoded is concealed,
as a packet that did not come is (`conceal`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ivrbench.audio.conceal import Concealer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CodecSpec", "Decoder", "Encoder", "Pcm", "StreamDecoder"]

Pcm = NDArray[np.int16]

MAX_DECODED_MS: Final = 120  # the longest packet of any codec here (RFC 6716 §3.2.5)


class Encoder(Protocol):
    """The sending side of one call."""

    def encode(self, pcm: Pcm) -> bytes:
        """Return the payload of one packet.

        Args:
            pcm: one frame of the packet time agreed on, at the codec's sample rate.
        """


class Decoder(Protocol):
    """The receiving side of one call."""

    def decode(self, payload: bytes) -> Pcm:
        """Return the samples of a packet, or what hides that they cannot be had."""

    def conceal(self, samples: int) -> Pcm:
        """Return what stands for audio that did not come.

        Args:
            samples: how much is missing, at the codec's sample rate.
        """


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """One codec as calls use it."""

    name: str
    """Encoding name in SDP."""
    clock_rate_hz: int
    """RTP clock; G.722 says 8000 although it samples at 16000 (RFC 3551 §4.5.2)."""
    sample_rate_hz: int
    """Rate of the samples on our side."""
    cost_weight: float
    """What a call costs the media worker, a G.711 call being 1 (measured by `bench/audio.py`)."""
    make_encoder: Callable[[str, int], Encoder]
    """From the peer's fmtp and the packet time in ms."""
    make_decoder: Callable[[], Decoder]
    """Mono, at `sample_rate_hz`."""
    channels: int = 1
    """As in the rtpmap; Opus says 2 whatever it sends (RFC 7587 §7)."""
    static_pt: int | None = None
    """Payload type of RFC 3551 table 4, None if it is dynamic."""
    ptimes_ms: tuple[int, ...] = (10, 20, 30, 40, 50, 60)
    """Packet times it can send."""
    needs: str = ""
    """The Python package that does the work, "" if none but ours."""

    @property
    def rtpmap(self) -> str:
        """Name, clock and channels as in an SDP `rtpmap`."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate_hz}{channels}"

    def frame_samples(self, ptime_ms: int) -> int:
        """Return how many samples a packet of this length holds."""
        return self.sample_rate_hz * ptime_ms // 1000

    def clock_ticks(self, samples: int) -> int:
        """Return how far the RTP timestamp moves over so many samples."""
        return samples * self.clock_rate_hz // self.sample_rate_hz


class StreamDecoder:
    """A decoder that hides loss and garbage; a codec adds `_decode`."""

    def __init__(self, rate_hz: int, frame_samples: int) -> None:
        """Begin with silence.

        Args:
            rate_hz: rate of the samples.
            frame_samples: what an undecodable packet stands for before a good one came.
        """
        self.undecodable = 0
        """Packets that could not be decoded."""
        self._rate_hz = rate_hz
        self._frame_samples = frame_samples
        self._concealer = Concealer(rate_hz)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._rate_hz} Hz undecodable={self.undecodable}>"

    def decode(self, payload: bytes) -> Pcm:
        """Return the samples of a packet, or what hides that they cannot be had."""
        try:
            pcm = self._decode(payload) if payload else None
        except Exception:
            # Foreign bytes met a foreign library: whatever it raises is one lost packet.
            pcm = None
        if pcm is None or not len(pcm):
            self.undecodable += 1
            return self.conceal(self._frame_samples)
        pcm = pcm[: self._rate_hz * MAX_DECODED_MS // 1000]
        self._frame_samples = len(pcm)
        return self._concealer.receive(pcm)

    def conceal(self, samples: int) -> Pcm:
        """Return what stands for so many samples that did not come."""
        return self._concealer.conceal(samples)

    @abstractmethod
    def _decode(self, payload: bytes) -> Pcm:
        """Return the samples; anything raised means there are none."""
