"""Comfort noise (RFC 3389)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.audio.codecs.comfort_noise import (
    ComfortNoise,
    NoiseDescription,
    describe_noise,
    parse_noise,
)
from ivrbench.audio.levels import level_dbfs


def test_payloads_are_read_and_written() -> None:
    """Level in -dBov, coefficients in steps of 258/32768 around 127 (RFC 3389 §3)."""
    assert parse_noise(b"") is None
    assert parse_noise(b"\x32") == NoiseDescription(-50.0)
    assert parse_noise(b"\xb2") == NoiseDescription(-50.0)  # the topmost bit is reserved
    noise = parse_noise(bytes([40, 127, 0, 254]))
    assert noise is not None
    assert noise.reflection == pytest.approx((0, -0.99, 0.99), abs=0.01)
    for payload in (b"\x00", b"\x7f", bytes([40, 100, 127, 200])):
        parsed = parse_noise(payload)
        assert parsed is not None
        assert describe_noise(parsed) == payload
    assert describe_noise(NoiseDescription(5)) == b"\x00"


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
@pytest.mark.parametrize("payload", [b"\x28", bytes([40, 60, 180, 130])])
def test_noise_has_the_level_told(rate_hz: int, payload: bytes) -> None:
    """Whatever its spectrum, it is as loud as the packet says, and goes on without a seam."""
    noise = ComfortNoise(rate_hz, seed=1)
    assert not noise.generate(100).any()
    noise.receive(payload)
    pcm = np.concatenate([noise.generate(rate_hz // 50) for _ in range(120)])
    assert level_dbfs(pcm) == pytest.approx(-40, abs=0.5)
    assert level_dbfs(pcm[: rate_hz // 5]) == pytest.approx(-40, abs=2)
    steps = np.abs(np.diff(pcm.astype(int)))
    assert steps[rate_hz - 2 : rate_hz + 2].max() <= np.max(steps)


def test_the_spectrum_follows_the_coefficients() -> None:
    """A negative first coefficient is a low sound, a positive one a high one; none is white."""

    def low_part(payload: bytes) -> float:
        noise = ComfortNoise(8000, seed=1)
        noise.receive(payload)
        power = np.abs(np.fft.rfft(noise.generate(8000))) ** 2
        return float(power[:2000].sum() / power.sum())

    assert low_part(bytes([30, 40])) > 0.8
    assert low_part(bytes([30, 214])) < 0.2
    assert low_part(bytes([30])) == pytest.approx(0.5, abs=0.05)


@given(st.binary(max_size=40))
def test_any_payload_is_survived(payload: bytes) -> None:
    """Noise stays within bounds whatever was sent."""
    noise = ComfortNoise(8000, seed=1)
    noise.receive(payload)
    assert len(noise.generate(160)) == 160
    assert level_dbfs(noise.generate(8000)) <= 0
