"""The phone's codecs: what is offered, and audio of any bandwidth through them."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.tones import sine
from ivrbench.errors import ConfigError
from ivrbench.phone.codec import CODECS, Line, at_rate, offered, rate_of
from ivrbench.phone.sound import Sound
from ivrbench.phone.voice import Frame, tone_voice

RATES_HZ = {"pcmu": 8000, "pcma": 8000, "g722": 16_000, "opus": 48_000}


def loudest_hz(pcm: Frame, rate_hz: int) -> float:
    """The strongest frequency in the second half."""
    part = pcm[len(pcm) // 2 :].astype(float)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return float(np.argmax(spectrum)) * rate_hz / len(part)


def test_offers() -> None:
    """One word, one codec; without a word both laws of G.711; all of one rate."""
    assert [codec.name for codec in offered("")] == ["PCMU", "PCMA"]
    for name, rate_hz in RATES_HZ.items():
        assert rate_of(offered(name.upper())) == rate_hz
    with pytest.raises(ConfigError, match="pcmu, pcma, g722, opus, not 'g729'"):
        offered("g729")


@pytest.mark.parametrize("name", sorted(RATES_HZ))
@pytest.mark.parametrize("order", ["in order", "reordered", "lossy"])
def test_a_tone_comes_through(name: str, order: str) -> None:
    """Wideband codecs carry what G.711 cannot; order is restored, gaps are hidden and counted."""
    (codec,) = CODECS[name]
    rate_hz = RATES_HZ[name]
    hz = 6000 if rate_hz > 8000 else 1000
    line, far = Line(codec), Line(codec)
    said = sine(hz, 2000, rate_hz=rate_hz).reshape(-1, line.frame_samples)
    packets = [(0xFFFF_F000 + n * far.frame_ts, far.encode(frame)) for n, frame in enumerate(said)]
    if order == "reordered":
        packets[1::2], packets[2::2] = packets[2::2] + packets[-1:], packets[1:-1:2]
    heard, n_came = [], 0
    for n, (timestamp, payload) in enumerate(packets):
        if order != "lossy" or n % 10 != 5:
            line.put(timestamp & 0xFFFF_FFFF, payload)
        if n >= 3:
            frame, came = line.get()
            assert len(frame) == line.frame_samples
            heard.append(frame)
            n_came += came
    assert loudest_hz(np.concatenate(heard), rate_hz) == pytest.approx(hz, abs=20)
    if order == "lossy":
        assert 80 <= n_came <= 90
    else:
        assert n_came >= len(heard) - 5


def test_silence_before_the_first_packet_and_anew() -> None:
    """Nothing is made up before anything came; another stream begins as the first did."""
    line = Line(CODECS["opus"][0])
    assert line.get()[0].max() == 0
    for start in (5, 0x8000_0000):
        for n in range(5):
            line.put(start + n * 960, line.encode(np.zeros(960, np.int16)))
        assert [line.get()[1] for _ in range(5)] == [True] * 5
        line.reset()


def test_voices_are_brought_to_the_rate_of_the_call() -> None:
    """One of 8 kHz serves calls of any bandwidth; a sound card resamples by itself."""
    speaker = at_rate(tone_voice(1000), 48_000)
    pcm = np.concatenate([speaker.next_frame(960) for _ in range(50)])
    assert loudest_hz(pcm, 48_000) == pytest.approx(1000, abs=20)
    voice, sound = tone_voice(1000), Sound()
    assert at_rate(voice, 8000) is voice
    assert at_rate(sound, 48_000) is sound
