"""Fingerprints: the same sound is known again whatever happened to it, another one is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ivrbench.audio.codecs.registry import CODECS
from ivrbench.audio.files import load_as
from ivrbench.audio.resample import resample
from ivrbench.audio.tones import sine
from ivrbench.errors import ExpectationFailed
from ivrbench.testing import Bench
from ivrbench.testing.fingerprint import ALIKE, find, tone_share

WAV = Path(__file__).parents[2] / "scripts" / "wav"
PROMPTS = {path.stem: load_as(path, 8000) for path in sorted(WAV.glob("*.wav"))}
SOME = ("hello", "pin", "wrong_pin", "main", "tone", "survey_thanks", "message_menu")
BEFORE = np.zeros(4000, np.int16)


def through(name: str, pcm: np.ndarray, loss: float) -> np.ndarray:
    """What arrives of a sound."""
    codec = next(spec for spec in CODECS if spec.name.lower() == name)
    samples = resample(pcm, 8000, codec.sample_rate_hz)
    size = codec.frame_samples(20)
    encoder, decoder = codec.make_encoder("", 20), codec.make_decoder()
    rng = np.random.default_rng(1)
    frames = [
        np.zeros(size, np.int16) if rng.random() < loss else decoder.decode(encoder.encode(frame))
        for frame in np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    ]
    return resample(np.concatenate(frames), codec.sample_rate_hz, 8000)


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("codec", ["pcmu", "pcma", "g722", "gsm", "opus"])
def test_the_same_prompt(codec: str, loss: float) -> None:
    """Through any codec, with 5 % of loss: known again, and its beginning found."""
    for name in SOME:
        match = find(PROMPTS[name], np.concatenate([BEFORE, through(codec, PROMPTS[name], loss)]))
        assert match.likeness > ALIKE, name
        assert match.at_s == pytest.approx(0.5, abs=0.03)


def test_other_prompts_of_the_same_voice() -> None:
    """No prompt is taken for another one."""
    for name in SOME:
        others = {other: find(PROMPTS[name], PROMPTS[other]).likeness for other in SOME}
        del others[name]
        assert max(others.values()) < ALIKE, name


def test_louder_and_quieter() -> None:
    """Loudness does not matter."""
    assert find(PROMPTS["pin"], (PROMPTS["pin"] // 4).astype(np.int16)).likeness > 0.9


def test_silence_is_like_nothing() -> None:
    """Neither sought nor heard."""
    assert find(BEFORE, PROMPTS["pin"]).likeness == 0
    assert find(PROMPTS["pin"], BEFORE).likeness == 0
    assert find(PROMPTS["pin"], BEFORE[:0]).likeness == 0


def test_tones() -> None:
    """A tone is in its own pitch, and only a part of two."""
    one, two = sine(440, 200), (sine(350, 200) // 2 + sine(440, 200) // 2).astype(np.int16)
    assert tone_share(one, (440,)) > 0.95
    assert tone_share(one, (480,)) < 0.1
    assert tone_share(two, (350, 440)) > 0.95
    assert tone_share(two, (440,)) < 0.6
    assert tone_share(BEFORE, (440,)) == 0


def test_a_caller_tells_prompts_of_one_voice_apart() -> None:
    """`hears` is not content with another prompt of the same voice."""
    with Bench(WAV.parent) as bench:
        call = bench.dial("hello")
        call.answered()
        with pytest.raises(ExpectationFailed, match="got       something else"):
            call.hears("survey_welcome.wav", within_s=0.2)
        again = bench.dial("hello")
        again.answered()
        again.hears("hello.wav", within_s=0.2)
