"""What the phone says when nobody is speaking into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio.files import wav_header
from ivrbench.errors import ConfigError, MediaError
from ivrbench.phone import voice as voice_module
from ivrbench.phone.voice import Voice, file_voice, silent_voice, text_voice, tone_voice

if TYPE_CHECKING:
    from pathlib import Path


def said(voice: Voice, frames: int) -> list[int]:
    return [int(n) for _ in range(frames) for n in voice.next_frame(160)]


def test_file_is_said_once_and_silence_follows() -> None:
    """The last frame is filled up with silence, and silence goes on."""
    voice = Voice(np.arange(1, 201, dtype=np.int16))
    assert said(voice, 3) == [*range(1, 201), *[0] * 280]


def test_looped_voice_has_no_gap() -> None:
    """The first sample follows the last one, in the middle of a frame too."""
    voice = Voice(np.arange(100, dtype=np.int16), loop=True)
    assert said(voice, 5) == [n % 100 for n in range(800)]


@pytest.mark.parametrize("voice", [silent_voice(), Voice(np.zeros(0, np.int16), loop=True)])
def test_nothing_to_say_is_silence(voice: Voice) -> None:
    """An empty voice gives frames all the same: RTP goes on."""
    assert said(voice, 2) == [0] * 320


def test_text_is_spoken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the call's rate, in its language; what cannot be spoken is a sentence."""
    asked: list[dict[str, object]] = []

    def synthesise(text: str, **options: object) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        asked.append({"text": text, **options})
        if not text:
            raise MediaError("There is no voice for it.")
        return np.full(200, 7, np.int16)

    monkeypatch.setattr(voice_module, "synthesise", synthesise)
    assert said(text_voice("Guten Tag", language="de"), 2) == [7] * 200 + [0] * 120
    assert asked == [{"text": "Guten Tag", "language": "de", "rate_hz": 8000}]
    with pytest.raises(ConfigError, match="no voice for it"):
        text_voice("")


def test_tone_has_its_frequency() -> None:
    """A tone of 440 Hz is at 440 Hz, across the seam of its loop."""
    samples = np.array(said(tone_voice(440), 100), np.float64)
    spectrum = np.abs(np.fft.rfft(samples))
    assert int(spectrum.argmax()) * 8000 / len(samples) == pytest.approx(440)


@pytest.mark.parametrize("frequency_hz", [-1, 4000, 20_000])
def test_tone_a_line_cannot_carry_is_refused(frequency_hz: int) -> None:
    """Half the sample rate is the limit."""
    with pytest.raises(ConfigError, match="Hz"):
        tone_voice(frequency_hz)


def test_file_of_another_rate_is_resampled(tmp_path: Path) -> None:
    """A 16 kHz file lasts as long on the line as in the file."""
    path = tmp_path / "voice.wav"
    path.write_bytes(wav_header(2 * 16_000, rate_hz=16_000) + b"\x10\x10" * 16_000)
    samples = said(file_voice(path, loop=False), 100)
    assert len(np.trim_zeros(samples)) == pytest.approx(8000, abs=20)


@pytest.mark.parametrize("content", [None, b"", b"no wave file at all"])
def test_unusable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A missing or broken file is a usage error with its name, before anything rings."""
    path = tmp_path / "voice.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"voice\.wav"):
        file_voice(path, loop=False)
