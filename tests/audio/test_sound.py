"""Levels, tones, tone detection and resampling."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.frame import FRAME_SAMPLES, samples_from_ms
from ivrbench.audio.goertzel import tone_levels_dbfs
from ivrbench.audio.levels import FLOOR_DBFS, level_dbfs
from ivrbench.audio.resample import resample
from ivrbench.audio.tones import (
    DTMF_HIGH_HZ,
    DTMF_LOW_HZ,
    dtmf_frequencies_hz,
    dtmf_tone,
    silence,
    sine,
)


def test_a_frame_is_20_ms() -> None:
    """160 samples at 8 kHz; durations are rounded to whole samples."""
    assert FRAME_SAMPLES == samples_from_ms(20) == 160
    assert samples_from_ms(10.01, 44100) == 441


def test_levels_have_known_values() -> None:
    """Full-scale square 0 dBFS, full-scale sine -3.01, silence the floor."""
    square = np.full(160, -32768, np.int16)
    rows = np.stack([square, sine(1000, 20, peak_dbfs=0), silence(20)])
    assert level_dbfs(rows).tolist() == pytest.approx([0.0, -3.01, FLOOR_DBFS], abs=0.01)
    assert level_dbfs(rows[1]).shape == ()
    assert level_dbfs(rows).dtype == np.float32


def test_one_step_of_pcm_is_above_the_floor() -> None:
    """The floor is below the faintest sound there is."""
    assert level_dbfs(np.ones(160, np.int16)) > FLOOR_DBFS


def test_a_lone_sine_reads_its_level() -> None:
    """Detection and level meter agree on a sine, and nothing is seen elsewhere."""
    frames = np.stack([sine(1000, 40, peak_dbfs=-12), silence(40)])
    levels = tone_levels_dbfs(frames, (1000, 2000))
    assert levels.shape == (2, 2)
    assert levels[0, 0] == pytest.approx(float(level_dbfs(frames[0])), abs=0.05)
    assert levels[0, 1] < -60
    assert levels[1].tolist() == pytest.approx([FLOOR_DBFS, FLOOR_DBFS])


@pytest.mark.parametrize("key", range(16))
def test_each_key_has_its_two_tones(key: int) -> None:
    """The two strongest of the eight frequencies are those of the key (ITU-T Q.23)."""
    levels = tone_levels_dbfs(dtmf_tone(key, 40), DTMF_LOW_HZ + DTMF_HIGH_HZ)
    strongest = {(DTMF_LOW_HZ + DTMF_HIGH_HZ)[n] for n in np.argsort(levels)[-2:]}
    assert strongest == set(dtmf_frequencies_hz(key))


def test_known_keys() -> None:
    """Corners of the keypad."""
    assert dtmf_frequencies_hz(1) == (697, 1209)
    assert dtmf_frequencies_hz(10) == (941, 1209)
    assert dtmf_frequencies_hz(15) == (941, 1633)
    with pytest.raises(ValueError, match="key number 16"):
        dtmf_tone(16, 20)


def test_loud_tones_are_clipped_not_wrapped() -> None:
    """Two full-scale tones together stay within 16 bits."""
    tone = dtmf_tone(1, 100, peak_dbfs=0)
    assert tone.max() == 32767
    assert tone.min() == -32768


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 8000), (8000, 48000), (16000, 8000)])
def test_resampling_keeps_pitch_and_length(from_hz: int, to_hz: int) -> None:
    """A second of 1000 Hz stays a second of 1000 Hz at its level."""
    resampled = resample(sine(1000, 1000, rate_hz=from_hz), from_hz, to_hz)
    assert resampled.dtype == np.int16
    assert len(resampled) == to_hz
    middle = resampled[to_hz // 4 : to_hz // 2]
    levels = tone_levels_dbfs(middle, (1000, 1500), rate_hz=to_hz)
    assert levels[0] == pytest.approx(-13.0, abs=0.1)
    assert levels[1] < -60


def test_nothing_to_resample() -> None:
    """The same rate and empty audio come back as they are."""
    pcm = sine(1000, 20)
    assert resample(pcm, 8000, 8000) is pcm
    assert len(resample(pcm[:0], 44100, 8000)) == 0
