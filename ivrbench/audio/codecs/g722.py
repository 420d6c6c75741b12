"""G.722: 7 kHz speech in 64 kbit/s, by PyAV (RFC 3551 §4.5.2)."""

from __future__ import annotations

from typing import Final

from ivrbench.audio.codecs.codec import CodecSpec
from ivrbench.audio.codecs.pyav import PyAvDecoder, PyAvEncoder

__all__ = ["G722"]

RATE_HZ: Final = 16_000
FRAME_SAMPLES: Final = 320


def _encoder(fmtp: str, ptime_ms: int) -> PyAvEncoder:
    return PyAvEncoder("g722", RATE_HZ, {"frame_size": str(RATE_HZ * ptime_ms // 1000)})


def _decoder() -> PyAvDecoder:
    return PyAvDecoder("g722", RATE_HZ, FRAME_SAMPLES)


G722: Final = CodecSpec(
    name="G722",
    # RFC 3551 §4.5.2: the clock is 8000 by an old mistake; the samples are 16000 a second.
    clock_rate_hz=8000,
    sample_rate_hz=RATE_HZ,
    cost_weight=7,
    make_encoder=_encoder,
    make_decoder=_decoder,
    static_pt=9,
    needs="av",
)
