"""G.711: A-law and µ-law, exact to ITU-T G.711, by tables over whole arrays.

`PCMU` and `PCMA` encode and decode arrays of any shape; the tables are public for code that
looks up many calls at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAWS", "PCMA", "PCMU", "Law"]

Pcm = NDArray[np.int16]
Octets = NDArray[np.uint8]

SEGMENT_BITS: Final = 4  # each segment has 16 steps
ULAW_BIAS: Final = 33  # shifts the µ-law segments to powers of two, 14-bit scale
ULAW_CLIP: Final = 0x1FFF


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """One of the two G.711 laws."""

    name: str
    """Name in RTP: `PCMU` or `PCMA`."""
    silence: int
    """The octet that stands for zero."""
    decode_table: Pcm
    """Sample by octet, 256 entries."""
    encode_table: Octets
    """Octet by sample seen as unsigned 16 bits, 65536 entries."""

    def decode(self, octets: Octets, out: Pcm | None = None) -> Pcm:
        """Return the samples of an array of octets.

        Args:
            octets: any shape.
            out: where to put them, of the same shape; None for a new array.
        """
        # No octet is out of range. This mode spares numpy a copy of `out`, and takes half the time
        # of "clip".
        return np.take(self.decode_table, octets, out=out, mode="wrap")

    def encode(self, pcm: Pcm, out: Octets | None = None) -> Octets:
        """Return the octets of an array of samples.

        Args:
            pcm: any shape.
            out: where to put them, of the same shape; None for a new array.
        """
        return np.take(self.encode_table, pcm.view(np.uint16), out=out, mode="wrap")


def _ulaw_decode_table() -> Pcm:
    code = ~np.arange(256) & 0xFF
    segment, step = code >> SEGMENT_BITS & 7, code & 0x0F
    # ITU-T G.711 table 2: the middle of the interval, in 14 bits, then in 16.
    magnitude = (((step << 1) + ULAW_BIAS) << segment) - ULAW_BIAS << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decode_table() -> Pcm:
    code = np.arange(256) ^ 0x55  # ITU-T G.711 table 1: even bits are inverted
    segment, step = code >> SEGMENT_BITS & 7, code & 0x0F
    # The first two segments have steps of one size, hence no hidden bit in segment 0.
    magnitude = (step << 4) + 8 + np.where(segment > 0, 0x100, 0) << np.maximum(segment - 1, 0)
    table: Pcm = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return table


def _all_samples() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the magnitudes of all samples in the order of their bits, and which are negative."""
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64)
    negative = samples < 0
    # ITU-T G.191 takes the ones' complement, so that both signs have as many codes.
    return np.where(negative, ~samples, samples), negative


def _ulaw_encode_table() -> Octets:
    magnitude, negative = _all_samples()
    biased = np.minimum((magnitude >> 2) + ULAW_BIAS, ULAW_CLIP)
    segment = np.floor(np.log2(biased)).astype(np.int64) - 5
    step = biased >> (segment + 1) & 0x0F
    code = segment << SEGMENT_BITS | step
    table: Octets = (~np.where(negative, code | 0x80, code) & 0xFF).astype(np.uint8)
    return table


def _alaw_encode_table() -> Octets:
    magnitude, negative = _all_samples()
    level = magnitude >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(level, 1))).astype(np.int64) - 3, 0)
    step = level >> np.maximum(segment - 1, 0) & 0x0F
    code = segment << SEGMENT_BITS | step
    table: Octets = (np.where(negative, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return table


def _law(name: str, silence: int, decode_table: Pcm, encode_table: Octets) -> Law:
    decode_table.flags.writeable = False
    encode_table.flags.writeable = False
    return Law(name, silence, decode_table, encode_table)


PCMU: Final = _law("PCMU", 0xFF, _ulaw_decode_table(), _ulaw_encode_table())
PCMA: Final = _law("PCMA", 0xD5, _alaw_decode_table(), _alaw_encode_table())
LAWS: Final = {law.name: law for law in (PCMU, PCMA)}
"""Both laws by their name in RTP."""
