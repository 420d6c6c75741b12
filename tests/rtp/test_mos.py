"""The E-model (ITU-T G.107)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.rtp.mos import Impairment, impairment_of, mos, mos_of_rating, rating


@pytest.mark.parametrize(
    ("codec", "loss", "delay_ms", "expected"),
    [
        ("PCMU", 0.0, 0, 4.41),  # the well-known best of G.711
        ("PCMA", 0.0, 100, 4.41),  # up to 100 ms nobody notices
        ("PCMU", 0.01, 50, 4.33),
        ("PCMU", 0.05, 50, 3.92),
        ("GSM", 0.0, 50, 3.73),
        ("PCMU", 0.0, 400, 3.56),
        ("PCMU", 1.0, 50, 1.18),
    ],
)
def test_known_scores(codec: str, loss: float, delay_ms: float, expected: float) -> None:
    """Scores worked out from the formulas by hand."""
    assert mos(codec, loss, delay_ms) == pytest.approx(expected, abs=0.02)


def test_delay_at_its_reference_points() -> None:
    """Idd of G.107: none at 100 ms, about 3 at 200 ms and 24 at 400 ms."""
    perfect = Impairment(0, 25.1)
    best = rating(perfect, 0, 0)
    assert best == rating(perfect, 0, 100) == 93.2
    assert best - rating(perfect, 0, 200) == pytest.approx(
        25 * (2 ** (1 / 6) - 3 * (1 + 3**-6) ** (1 / 6) + 2), abs=1e-9
    )
    assert best - rating(perfect, 0, 400) == pytest.approx(
        25 * (65 ** (1 / 6) - 3 * (1 + (2 / 3) ** 6) ** (1 / 6) + 2), abs=1e-9
    )


def test_the_ends_of_the_scale() -> None:
    """Annex B: 1 at 0 and below, 4.5 at 100 and above, never less than 1 between."""
    assert (mos_of_rating(-5), mos_of_rating(0)) == (1, 1)
    assert (mos_of_rating(100), mos_of_rating(120)) == (4.5, 4.5)
    assert mos_of_rating(3) == 1


@given(st.floats(0, 1), st.floats(0, 2000), st.sampled_from(["PCMU", "opus", "GSM", "X"]))
def test_worse_is_never_better(loss: float, delay_ms: float, codec: str) -> None:
    """More loss, more delay or burstier loss never raises the score; bounds hold."""
    score = mos(codec, loss, delay_ms)
    assert 1 <= score <= 4.5
    assert mos(codec, min(loss + 0.05, 1), delay_ms) <= score + 1e-9
    assert mos(codec, loss, delay_ms + 50) <= score + 1e-9
    assert mos(codec, loss, delay_ms, burst_ratio=2) <= score + 1e-9


def test_bad_input_is_bounded() -> None:
    """Fractions outside 0 to 1 count as their ends; names are found in any case."""
    assert mos("PCMU", -0.5, 0) == mos("pcmu", 0, 0)
    assert mos("PCMU", 7, 0) == mos("PCMU", 1, 0)
    assert impairment_of("opus") == impairment_of("OPUS")
    assert math.isfinite(mos("unknown", 0.1, 1e9))
