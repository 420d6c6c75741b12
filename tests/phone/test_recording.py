"""The recording is a valid WAV file at every moment."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.errors import ConfigError
from ivrbench.phone.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path


def frame(value: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.full(160, value, np.int16)


def read(path: Path) -> tuple[int, list[int]]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), samples.tolist()


def test_header_is_valid_while_the_file_grows(tmp_path: Path) -> None:
    """A phone that is killed leaves a file that plays: nothing is left to do at the end."""
    path = tmp_path / "heard.wav"
    recording = Recording(path)
    assert read(path) == (8000, [])
    for number in range(60):
        recording.hear(frame(number))
    rate_hz, samples = read(path)
    assert rate_hz == 8000
    assert samples == [n for n in range(50) for _ in range(160)]
    recording.close()
    assert read(path)[1] == [n for n in range(60) for _ in range(160)]
    assert recording.seconds == pytest.approx(1.2)


def test_close_without_audio_leaves_an_empty_file(tmp_path: Path) -> None:
    """A refused call leaves a WAV file of no length, which players open."""
    path = tmp_path / "heard.wav"
    Recording(path).close()
    assert read(path) == (8000, [])


def test_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """The sentence names the file."""
    with pytest.raises(ConfigError, match=r"nowhere/heard\.wav"):
        Recording(tmp_path / "nowhere" / "heard.wav")


def test_full_disk_ends_the_recording_not_the_call() -> None:
    """A write that fails is kept as a sentence; further frames are taken and dropped."""
    from pathlib import Path

    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    recording = Recording(Path("/dev/full"))
    for number in range(60):
        recording.hear(frame(number))
    recording.close()
    assert "space" in recording.error
    assert recording.seconds == 0
