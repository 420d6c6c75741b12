"""Hiding of lost frames."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.conceal import Concealer
from ivrbench.audio.levels import level_dbfs
from ivrbench.audio.tones import sine
from tests.audio.sounds import noise, snr_db, voice

RATES = pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])


@RATES
@pytest.mark.parametrize("hz", [75, 100, 160, 440, 1000])
def test_a_steady_tone_goes_on(rate_hz: int, hz: int) -> None:
    """The gap is filled with the cycles that would have come."""
    tone, frame = sine(hz, 400, rate_hz=rate_hz), rate_hz // 50
    concealer = Concealer(rate_hz)
    for at in range(0, 10 * frame, frame):
        assert np.array_equal(concealer.receive(tone[at : at + frame]), tone[at : at + frame])
    said = concealer.conceal(frame)
    half = frame // 2  # at full strength for 10 ms
    assert snr_db(tone[10 * frame : 10 * frame + half], said[:half]) > 13
    after = concealer.receive(tone[11 * frame : 12 * frame])
    joined = np.concatenate([tone[9 * frame : 10 * frame], said, after])
    assert np.abs(np.diff(joined.astype(int))).max() < 1.6 * np.abs(np.diff(tone.astype(int))).max()
    assert np.array_equal(after[half:], tone[11 * frame + half : 12 * frame])


def test_a_gap_fades_out_within_60_ms() -> None:
    """No buzzing: 10 ms at full strength, silent after 60."""
    concealer = Concealer(8000)
    concealer.receive(sine(200, 60))
    levels = [float(level_dbfs(concealer.conceal(80))) for _ in range(8)]
    assert levels[0] == pytest.approx(float(level_dbfs(sine(200, 60))), abs=1)
    assert levels == sorted(levels, reverse=True)
    assert levels[6] == levels[7] == -96


def test_frames_of_any_length() -> None:
    """Packets may be as short or long as they like, noise or silence."""
    concealer = Concealer(8000)
    for pcm in (noise(40, -30), np.zeros(0, np.int16), noise(960, -3), np.zeros(160, np.int16)):
        assert len(concealer.receive(pcm)) == len(pcm)
        for samples in (0, 1, 160, 1000):
            assert len(concealer.conceal(samples)) == samples
        assert len(concealer.receive(pcm)) == len(pcm)


def test_nothing_clips_or_wraps() -> None:
    """Full-scale audio stays within 16 bits and is not turned over."""
    loud = (voice(1.0).astype(np.int32) * 2).clip(-32_768, 32_767).astype(np.int16)
    concealer = Concealer(8000)
    before = loud[0]
    for at in range(0, 8000, 160):
        said = concealer.conceal(160) if at % 800 == 640 else concealer.receive(loud[at : at + 160])
        assert abs(int(said[0]) - int(before)) < 40_000
        before = said[-1]
