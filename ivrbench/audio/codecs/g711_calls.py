"""G.711 one call at a time; the lanes of the media plane use the tables of `g711` instead."""

from __future__ import annotations

from typing import Final

import numpy as np

from ivrbench.audio.codecs.codec import CodecSpec, Pcm, StreamDecoder
from ivrbench.audio.codecs.g711 import PCMA, PCMU, Law

__all__ = ["G711", "G711Decoder", "G711Encoder"]

RATE_HZ: Final = 8000
FRAME_SAMPLES: Final = 160


class G711Encoder:
    """Encodes frames by one of the two laws."""

    def __init__(self, law: Law) -> None:
        """Take the law."""
        self._law = law

    def encode(self, pcm: Pcm) -> bytes:
        """Return the payload of one frame."""
        return self._law.encode(np.ascontiguousarray(pcm)).tobytes()


class G711Decoder(StreamDecoder):
    """Decodes packets of any length by one of the two laws."""

    def __init__(self, law: Law) -> None:
        """Take the law."""
        super().__init__(RATE_HZ, FRAME_SAMPLES)
        self._law = law

    def _decode(self, payload: bytes) -> Pcm:
        return self._law.decode(np.frombuffer(payload, np.uint8))


def _spec(law: Law, static_pt: int) -> CodecSpec:
    return CodecSpec(
        name=law.name,
        clock_rate_hz=RATE_HZ,
        sample_rate_hz=RATE_HZ,
        cost_weight=1,
        make_encoder=lambda fmtp, ptime_ms: G711Encoder(law),
        make_decoder=lambda: G711Decoder(law),
        static_pt=static_pt,
    )


G711: Final = (_spec(PCMU, 0), _spec(PCMA, 8))  # RFC 3551 table 4
