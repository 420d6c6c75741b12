"""What lanes can carry: each codec's clocks, its samples in the arena, its packets' lengths.

G.711 lies in the arena as its own octets and is sent and heard by whole columns. Every other
codec has an encoder and a decoder for each call, between which and the arena are linear samples
at the codec's own rate: wideband stays wideband.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.audio.codecs import g711
from ivrbench.audio.codecs.registry import CODECS as ALL_CODECS

if TYPE_CHECKING:
    from ivrbench.audio.codecs.codec import CodecSpec

__all__ = ["CODECS", "FORMS", "LaneCodec", "find", "form_of", "packet_ts", "ptime_for"]

PTIMES_MS: Final = (10, 20, 30, 40, 50, 60)
"""Packet lengths that lanes are made for: whole ticks of 5 ms."""
GSM_FRAME_BYTES: Final = 33
GSM_FRAME_TS: Final = 160
# RFC 6716 §3.1 table 2: frame length in ticks of 48 kHz by the TOC's configuration
_OPUS_FRAME_TS: Final = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
OPUS_MAX_FRAMES: Final = 48  # RFC 6716 §3.2.5: 120 ms of the shortest frames


@dataclass(frozen=True, slots=True, eq=False)
class LaneCodec:
    """A codec as lanes see it."""

    name: str
    """Encoding name as in SDP, upper case."""
    rate_hz: int
    """Of the samples."""
    clock_hz: int
    """Of RTP timestamps; G.722 says 8000 although it samples at 16000 (RFC 3551 §4.5.2)."""
    form: str
    """How its samples lie in the arena: "PCMU", "PCMA", or "linear16000" and the like."""
    law: g711.Law | None
    """Turns octets into samples; None: each call has an encoder and a decoder of `spec`."""
    spec: CodecSpec

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample in the arena."""
        return 1 if self.law is not None else 2

    def frame_samples(self, ptime_ms: int) -> int:
        """Samples in a packet."""
        return self.rate_hz * ptime_ms // 1000

    def frame_ts(self, ptime_ms: int) -> int:
        """Ticks of the RTP clock in a packet."""
        return self.clock_hz * ptime_ms // 1000


def _lane_codec(spec: CodecSpec) -> LaneCodec:
    law = g711.LAWS.get(spec.name)
    form = spec.name if law is not None else f"linear{spec.sample_rate_hz}"
    return LaneCodec(spec.name.upper(), spec.sample_rate_hz, spec.clock_rate_hz, form, law, spec)


CODECS: Final = {(c.name, c.clock_hz): c for c in map(_lane_codec, ALL_CODECS)}
"""By encoding name and RTP clock."""
FORMS: Final = {codec.form: codec for codec in CODECS.values()}
"""A codec for each form; all of one form agree in rate and law."""


def find(name: str, clock_hz: int) -> LaneCodec | None:
    """The codec of an agreement, None if lanes cannot carry it."""
    return CODECS.get((name.upper(), clock_hz))


def form_of(name: str, clock_hz: int) -> str:
    """The form of a codec's samples in the arena, "" if there is no such codec."""
    codec = find(name, clock_hz)
    return codec.form if codec is not None else ""


def ptime_for(codec: LaneCodec, wanted_ms: int) -> int:
    """The packet length to send when the peer prefers `wanted_ms`: the longest not above it."""
    able = [ptime_ms for ptime_ms in codec.spec.ptimes_ms if ptime_ms in PTIMES_MS]
    return max((ptime_ms for ptime_ms in able if ptime_ms <= wanted_ms), default=min(able))


def packet_ts(codec: LaneCodec, payload: bytes) -> int:
    """How many ticks of the RTP clock a payload lasts; 0 if it can hold no audio."""
    if codec.name == "OPUS":
        return _opus_ts(payload)
    if codec.name == "GSM":
        return len(payload) // GSM_FRAME_BYTES * GSM_FRAME_TS
    # G.711 and G.722 have an octet for each tick, L16 two.
    return len(payload) // 2 if codec.name == "L16" else len(payload)


def _opus_ts(payload: bytes) -> int:
    if not payload:
        return 0
    # RFC 6716 §3.2: the last two bits of the TOC tell how many frames there are.
    kind = payload[0] & 3
    frames = (1, 2, 2)[kind] if kind < 3 else (payload[1] & 0x3F if len(payload) > 1 else 0)
    return _OPUS_FRAME_TS[payload[0] >> 3] * min(frames, OPUS_MAX_FRAMES)
