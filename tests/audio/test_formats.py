"""Audio files other than plain WAV, streaming, file objects, and their errors."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.audio import files
from ivrbench.audio.codecs.g711 import PCMA, PCMU
from ivrbench.audio.files import (
    AudioInfo,
    WavSubtype,
    decode_file,
    load_as,
    open_stream,
    probe,
    wav_header,
    write_format,
)
from ivrbench.audio.goertzel import tone_levels_dbfs
from ivrbench.audio.tones import sine
from ivrbench.errors import MediaError
from tests.audio.sounds import best_snr_db, voice

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SPEECH = voice(1.0)
WAV = wav_header(SPEECH.nbytes) + SPEECH.tobytes()

# Format, coding, the signal-to-noise ratio it must keep.
FORMATS = [
    ("WAV", "IMA_ADPCM", 12),
    ("WAV", "MS_ADPCM", 12),
    ("WAV", "GSM610", 6),
    ("FLAC", "PCM_16", 150),
    ("AIFF", "PCM_16", 150),
    ("AU", "ULAW", 30),
    ("OGG", "VORBIS", 5),
    ("OGG", "OPUS", 3),
    ("MP3", "MPEG_LAYER_III", 3),
]
EACH = pytest.mark.parametrize(("form", "coding", "floor_db"), FORMATS, ids=lambda x: str(x))


def encoded(form: str, coding: str, pcm: NDArray[np.int16] = SPEECH, rate_hz: int = 8000) -> bytes:
    """Return a file of that format."""
    file = io.BytesIO()
    soundfile.write(file, pcm, rate_hz, format=form, subtype=coding)
    return file.getvalue()


@EACH
def test_files_of_each_format_are_read(
    tmp_path: Path, form: str, coding: str, floor_db: float
) -> None:
    """A second of speech is a second of that speech, whatever it is stored in."""
    path = tmp_path / "prompt.audio"
    path.write_bytes(encoded(form, coding))
    info = probe(path)
    assert (info.rate_hz, info.channels) == (8000, 1)
    assert info.duration_ms == pytest.approx(1000, abs=50)
    assert form in info.coding
    pcm, rate_hz = decode_file(path)
    assert rate_hz == 8000
    assert len(pcm) / rate_hz == pytest.approx(1, abs=0.05)
    assert best_snr_db(SPEECH, pcm, 80)[0] > floor_db
    assert len(load_as(path, 16_000)) == pytest.approx(16_000, abs=800)


@EACH
def test_any_format_is_streamed_as_it_is_read_whole(
    form: str, coding: str, floor_db: float
) -> None:
    """Blocks, also after going back, are what reading at once gives."""
    data = encoded(form, coding)
    whole = load_as(io.BytesIO(data), 8000)
    stream = open_stream(io.BytesIO(data), 8000)
    assert np.array_equal(np.concatenate(list(stream)), whole)
    assert not len(stream.read(100))
    stream.seek(0)
    again = np.concatenate(list(stream))
    assert len(again) == len(whole)
    assert best_snr_db(whole, again, 1)[0] > 30


def test_raw_files_are_known_by_their_name(tmp_path: Path) -> None:
    """A file without a header is what its extension says, unless it has a WAV header after all."""
    for name, data, expected in (
        ("a.ulaw", WavSubtype.ULAW.encode(SPEECH), PCMU.decode(PCMU.encode(SPEECH))),
        ("a.AL", WavSubtype.ALAW.encode(SPEECH), PCMA.decode(PCMA.encode(SPEECH))),
        ("a.raw", SPEECH.tobytes(), SPEECH),
        ("a.sln", SPEECH.tobytes(), SPEECH),
        ("b.ulaw", WAV, SPEECH),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        pcm, rate_hz = decode_file(path)
        assert rate_hz == 8000
        assert np.array_equal(pcm, expected), name
        with path.open("rb") as file:
            assert np.array_equal(load_as(io.BytesIO(file.read()), 8000, name), expected)
    assert probe(io.BytesIO(SPEECH.tobytes()), "x.sln16") == AudioInfo(
        16_000, 1, 8000, "RAW PCM_16"
    )
    gsm = encoded("RAW", "GSM610")
    assert best_snr_db(SPEECH, load_as(io.BytesIO(gsm), 8000, "x.gsm"), 10)[0] > 6


def test_wide_and_stereo_files_are_brought_to_the_call(tmp_path: Path) -> None:
    """44.1 kHz stereo is mixed down and resampled; pitch and length stay."""
    path = tmp_path / "music.flac"
    tone = sine(1000, 1000, rate_hz=44_100)
    soundfile.write(path, np.stack([tone, tone // 2], axis=1), 44_100)
    assert probe(path).channels == 2
    for rate_hz in (8000, 16_000, 48_000):
        pcm = load_as(path, rate_hz)
        assert len(pcm) == rate_hz
        level = tone_levels_dbfs(pcm[rate_hz // 4 : rate_hz // 2], (1000,), rate_hz=rate_hz)[0]
        assert level == pytest.approx(-13 - 2.5, abs=0.1)


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_a_stream_at_another_rate_has_no_seams(rate_hz: int) -> None:
    """Resampled piece by piece it is what it is resampled at once, but for rounding."""
    data = encoded("FLAC", "PCM_16", voice(1.0, 48_000), 48_000)
    stream = open_stream(io.BytesIO(data), rate_hz)
    whole = load_as(io.BytesIO(data), rate_hz)
    pieces = np.concatenate(list(stream))
    assert len(pieces) == len(whole)
    assert np.abs(pieces.astype(int) - whole).max() <= 2


def test_a_stream_repeats_without_a_gap() -> None:
    """Looping goes on with the first sample after the last; the position counts on."""
    stream = open_stream(io.BytesIO(WAV), 8000)
    stream.loop = True
    pcm = np.concatenate([stream.read(3000) for _ in range(7)])
    assert np.array_equal(pcm, np.tile(SPEECH, 3)[:21_000])
    assert stream.position_ms == 2625
    stream.loop = False
    assert len(np.concatenate(list(stream))) == 3000


def test_a_stream_goes_where_it_is_told() -> None:
    """A time in the file; before the start is the start, beyond the end is the end."""
    stream = open_stream(io.BytesIO(WAV), 8000)
    stream.read(4000)
    stream.seek(250)
    assert np.array_equal(stream.read(100), SPEECH[2000:2100])
    stream.seek(-5)
    assert np.array_equal(stream.read(100), SPEECH[:100])
    stream.seek(5000)
    assert not len(stream.read(100))
    assert repr(stream) == "<AudioStream PCM at 5000 ms>"


def test_an_empty_file_ends_although_it_loops() -> None:
    """Repeating nothing is nothing, not for ever."""
    stream = open_stream(io.BytesIO(wav_header(0)), 8000)
    stream.loop = True
    assert not len(stream.read(160))


def test_a_file_may_be_deleted_while_it_plays(tmp_path: Path) -> None:
    """It stays open until the stream is closed."""
    path = tmp_path / "prompt.wav"
    path.write_bytes(WAV)
    stream = open_stream(path, 8000)
    path.unlink()
    assert np.array_equal(np.concatenate(list(stream)), SPEECH)
    stream.close()
    stream.close()


@pytest.mark.parametrize("coding", ["", "FLAC"])
def test_a_file_that_becomes_shorter_ends(tmp_path: Path, coding: str) -> None:
    """Truncated while it plays: what is left is played, then it is over."""
    path = tmp_path / "prompt"
    path.write_bytes(encoded("FLAC", "PCM_16", voice(20.0)) if coding else WAV * 1)
    stream = open_stream(path, 8000)
    stream.read(800)
    os.truncate(path, path.stat().st_size // 2)
    rest = sum(len(block) for block in stream)
    assert rest < (160_000 if coding else 8000)
    stream.close()


class Pipe(io.RawIOBase):
    """A file object that cannot seek and gives a little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        return self._data.readinto(memoryview(room)[:1000])


class Broken(io.BytesIO):
    """A file object that stops working."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 2000:
            raise ValueError("the database is gone")
        return super().read(size)


@pytest.mark.parametrize("data", [WAV, encoded("FLAC", "PCM_16")], ids=["wav", "flac"])
def test_any_binary_file_object_is_read(data: bytes) -> None:
    """Also one that cannot seek."""
    pipe: Any = io.BufferedReader(Pipe(data))
    assert np.array_equal(load_as(pipe, 8000), SPEECH)
    pipe = io.BufferedReader(Pipe(data))
    assert np.array_equal(np.concatenate(list(open_stream(pipe, 8000))), SPEECH)


def test_a_file_object_that_fails_is_an_error_of_the_file(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever it raises comes out as OSError, and nothing is printed."""
    with pytest.raises(OSError, match="the database is gone"):
        load_as(Broken(encoded("FLAC", "PCM_16", voice(3.0))), 8000)
    assert capfd.readouterr().err == ""


def test_errors_are_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name the file and what to do."""
    for data in (b"", b"junk" * 100, b"OggS" + bytes(100), b"fLaC" + bytes(200)):
        with pytest.raises(MediaError, match=r"^audio file object: not an audio file we can play"):
            probe(io.BytesIO(data))
    path = tmp_path / "note.txt"
    path.write_text("not audio")
    with pytest.raises(MediaError, match=r"note.txt: not an audio file we can play \(Format not"):
        open_stream(path, 8000)
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "missing.mp3")
    flac = io.BytesIO(encoded("FLAC", "PCM_16"))
    monkeypatch.setattr(files, "MAX_SAMPLES", 100)
    with pytest.raises(MediaError, match="x.flac: longer than 0 hours"):
        load_as(flac, 8000, "x.flac")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MediaError, match=r"only WAV files can be played.*soundfile"):
        probe(flac)


def test_a_cut_off_file_plays_what_is_there() -> None:
    """Half a FLAC or Ogg file is about half the sound, not an error."""
    for form, coding in (("FLAC", "PCM_16"), ("OGG", "VORBIS")):
        data = encoded(form, coding, voice(20.0))
        pcm = load_as(io.BytesIO(data[: len(data) // 2]), 8000)
        assert 40_000 < len(pcm) < 120_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([encoded(form, coding) for form, coding, _ in FORMATS[:-1]]), st.data())
def test_a_damaged_file_never_raises_anything_else(content: bytes, data: st.DataObject) -> None:
    """Files changed or cut anywhere give samples, MediaError or OSError."""
    at = data.draw(st.integers(0, len(content)))
    junk = data.draw(st.binary(max_size=16))
    cut = data.draw(st.integers(0, len(content)))
    damaged = (content[:at] + junk + content[at + len(junk) :])[:cut]
    try:
        pcm = load_as(io.BytesIO(damaged), 8000)
    except (MediaError, OSError):
        return
    assert pcm.dtype == np.int16


def test_how_a_file_is_written_is_told_by_its_name() -> None:
    """WAV with a header, raw formats without; others cannot be written."""
    assert write_format("x.wav") == (WavSubtype.PCM16, None, True)
    assert write_format("x.ulaw") == (WavSubtype.ULAW, 8000, False)
    assert write_format("x.sln16") == (WavSubtype.PCM16, 16_000, False)
    for name in ("x.gsm", "x.mp3", "x"):
        with pytest.raises(MediaError, match="recordings can be"):
            write_format(name)
