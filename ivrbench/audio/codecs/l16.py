"""L16: samples as they are, in network byte order (RFC 3551 §4.5.11)."""

from __future__ import annotations

from typing import Final

import numpy as np

from ivrbench.audio.codecs.codec import CodecSpec, Pcm, StreamDecoder

__all__ = ["L16", "L16Decoder", "L16Encoder"]

RATES_HZ: Final = (8000, 16_000, 48_000)


class L16Encoder:
    """Swaps bytes."""

    def encode(self, pcm: Pcm) -> bytes:
        """Return the payload of one frame."""
        return pcm.astype(">i2").tobytes()


class L16Decoder(StreamDecoder):
    """Swaps bytes; half a sample at the end is dropped."""

    def _decode(self, payload: bytes) -> Pcm:
        return np.frombuffer(payload, ">i2", count=len(payload) // 2).astype(np.int16)


def _l16(rate_hz: int) -> CodecSpec:

    return CodecSpec(
        name="L16",
        clock_rate_hz=rate_hz,
        sample_rate_hz=rate_hz,
        cost_weight=1.5 if rate_hz <= 16_000 else 2.5,
        make_encoder=lambda fmtp, ptime_ms: L16Encoder(),
        make_decoder=lambda: L16Decoder(rate_hz, rate_hz // 50),
        # An Ethernet frame holds no more than 14 ms of 48 kHz, 45 ms of 16 kHz.
        ptimes_ms={8000: (10, 20, 30, 40, 50, 60), 16_000: (10, 20, 30, 40)}.get(rate_hz, (10,)),
    )


L16: Final = tuple(_l16(rate_hz) for rate_hz in RATES_HZ)
"""The rates offered; 44100 Hz, which has static payload types, is of no use on a telephone."""
