"""How good a call probably sounds: the E-model of ITU-T G.107, with what RTP can measure.

All that RTP knows nothing of (noise, loudness, echo) has its default value, so a perfect G.711
call scores 4.41.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Impairment", "impairment_of", "mos", "mos_of_rating", "rating"]

DEFAULT_RATING: Final = 93.2  # ITU-T G.107 (12/2011) §7.7, all parameters at their defaults
MIN_MOS: Final = 1.0
MAX_MOS: Final = 4.5


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a codec costs (ITU-T G.113 Appendix I)."""

    equipment: float
    """Ie: without loss."""
    loss_robustness: float
    """Bpl: the higher, the better lost packets are hidden."""


_CODECS: Final = {
    # G.113 table I.4, with packet loss concealment
    "PCMU": Impairment(0, 25.1),
    "PCMA": Impairment(0, 25.1),
    "L16": Impairment(0, 25.1),
    "GSM": Impairment(20, 43),
    # We differ: the wideband codecs are judged on the narrowband scale of G.107, so that calls
    # compare. G.722 is G.711 with more treble; Opus hides losses about twice as well.
    "G722": Impairment(0, 25.1),
    "OPUS": Impairment(0, 45),
}
_UNKNOWN: Final = Impairment(10, 20)  # about G.729A


def impairment_of(codec: str) -> Impairment:
    """Return what a codec costs.

    Args:
        codec: encoding name as in SDP, in any case; a middling value for an unknown one.
    """
    return _CODECS.get(codec.upper(), _UNKNOWN)


def rating(
    impairment: Impairment, loss_fraction: float, delay_ms: float, burst_ratio: float = 1.0
) -> float:
    """Return the transmission rating R, 0 to 100.

    Args:
        impairment: of the codec.
        loss_fraction: lost or too late packets, 0 to 1.
        delay_ms: one way, mouth to ear: half the round trip, jitter buffer and packet time.
        burst_ratio: 1 if losses are random, more if they come in bursts.
    """
    loss_percent = min(max(loss_fraction, 0.0), 1.0) * 100
    # ITU-T G.107 §7.5, formula 7-29
    effective = impairment.equipment + (95 - impairment.equipment) * loss_percent / (
        loss_percent / max(burst_ratio, 1.0) + impairment.loss_robustness
    )
    return min(max(DEFAULT_RATING - _delay_impairment(delay_ms) - effective, 0.0), 100.0)


def mos(codec: str, loss_fraction: float, delay_ms: float, burst_ratio: float = 1.0) -> float:
    """Return the estimated mean opinion score, 1 (bad) to 4.5.

    Args:
        codec: encoding name as in SDP.
        loss_fraction: lost or too late packets, 0 to 1.
        delay_ms: one way, mouth to ear.
        burst_ratio: 1 if losses are random, more if they come in bursts.
    """
    return mos_of_rating(rating(impairment_of(codec), loss_fraction, delay_ms, burst_ratio))


def mos_of_rating(transmission_rating: float) -> float:
    """Return the mean opinion score of a rating (ITU-T G.107 Annex B)."""
    r = transmission_rating
    if r <= 0:
        return MIN_MOS
    if r >= 100:
        return MAX_MOS
    # The cubic dips a little below 1 for very small ratings.
    return max(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, MIN_MOS)


def _delay_impairment(delay_ms: float) -> float:
    """Return Idd, what absolute delay costs (ITU-T G.107 §7.4.3)."""
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))
