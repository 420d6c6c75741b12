"""Opus by PyAV, mono at 48 kHz, with the loss concealment of Opus itself (RFC 6716, RFC 7587)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ivrbench.audio.codecs.codec import CodecSpec, Pcm
from ivrbench.audio.codecs.pyav import PyAvDecoder, PyAvEncoder

__all__ = ["OPUS", "OpusDecoder", "OpusParameters"]

RATE_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960
DEFAULT_BIT_RATE: Final = 24_000  # between wideband and fullband speech in RFC 7587 §3.1.1
MIN_BIT_RATE: Final = 6_000  # RFC 7587 §6.1
MAX_BIT_RATE: Final = 510_000
COMPLEXITY: Final = 5  # of 10: half the work of 10 and no difference on a telephone
ASSUMED_LOSS_PERCENT: Final = 5  # how much redundancy goes in where the peer wants it
MAX_PACKET_SAMPLES: Final = RATE_HZ * 120 // 1000  # RFC 6716 §3.2.5
# RFC 6716 §3.1 table 2: frame length in samples by the TOC's configuration
_SILK: Final = (480, 960, 1920, 2880)
_HYBRID: Final = (480, 960)
_CELT: Final = (120, 240, 480, 960)
_FRAME_SAMPLES: Final = _SILK * 3 + _HYBRID * 2 + _CELT * 4


@dataclass(frozen=True, slots=True)
class OpusParameters:
    """What the peer's fmtp says it wants to receive (RFC 7587 §6.1)."""

    max_playback_rate_hz: int = RATE_HZ
    max_bit_rate: int = MAX_BIT_RATE
    stereo: bool = False
    fec: bool = False
    """It can use redundancy for lost packets."""
    dtx: bool = False
    """It would rather have no packets in silence."""
    cbr: bool = False

    @classmethod
    def parse(cls, fmtp: str) -> OpusParameters:
        """Read an fmtp; what is unknown or no number is ignored, as RFC 7587 §6.1 asks."""
        pairs = (part.partition("=") for part in fmtp.split(";"))
        values = {key.strip().lower(): value.strip() for key, _, value in pairs}

        def number(key: str, default: int, lowest: int) -> int:
            text = values.get(key, "")
            return max(int(text), lowest) if text.isascii() and text.isdigit() else default

        return cls(
            max_playback_rate_hz=min(number("maxplaybackrate", RATE_HZ, 8000), RATE_HZ),
            max_bit_rate=min(number("maxaveragebitrate", MAX_BIT_RATE, MIN_BIT_RATE), MAX_BIT_RATE),
            stereo=values.get("stereo") == "1",
            fec=values.get("useinbandfec") == "1",
            dtx=values.get("usedtx") == "1",
            cbr=values.get("cbr") == "1",
        )


class OpusDecoder(PyAvDecoder):
    """Decodes to mono, whatever the packet holds, and lets Opus hide lost packets."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            MediaError: PyAV is not installed or lacks Opus.
        """
        super().__init__("libopus", RATE_HZ, FRAME_SAMPLES)
        self._toc = -1

    def _decode(self, payload: bytes) -> Pcm:
        pcm = super()._decode(payload)
        self._toc = payload[0]
        return pcm

    def conceal(self, samples: int) -> Pcm:
        """Return what Opus makes of so many lost samples."""
        if self._toc < 0:
            return super().conceal(samples)
        # RFC 6716 §2.1.7, §3.2.1: a frame of no bytes is a lost one; a TOC alone is such a packet.
        lost = bytes([self._toc & 0xFC])
        frames = -(-samples // _FRAME_SAMPLES[self._toc >> 3])
        try:
            said = np.concatenate([PyAvDecoder._decode(self, lost) for _ in range(frames)])
        except Exception:  # as in decode(): nothing a library raises may end a call
            return super().conceal(samples)
        return said[:samples]


def _encoder(fmtp: str, ptime_ms: int) -> PyAvEncoder:
    wanted = OpusParameters.parse(fmtp)
    options = {
        "application": "voip",
        "frame_duration": str(ptime_ms),
        "compression_level": str(COMPLEXITY),
        "vbr": "off" if wanted.cbr else "on",
        "fec": "1" if wanted.fec else "0",
        "packet_loss": str(ASSUMED_LOSS_PERCENT if wanted.fec else 0),
    }
    return PyAvEncoder("libopus", RATE_HZ, options, min(DEFAULT_BIT_RATE, wanted.max_bit_rate))


OPUS: Final = CodecSpec(
    name="opus",
    clock_rate_hz=RATE_HZ,
    sample_rate_hz=RATE_HZ,
    cost_weight=30,
    make_encoder=_encoder,
    make_decoder=OpusDecoder,
    channels=2,
    ptimes_ms=(10, 20, 40, 60),  # RFC 6716 §2.1.4
    needs="av",
)
