"""WAV files: read in every shape we promise, damaged in every way, and written."""

from __future__ import annotations

import io
import struct
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.audio import files
from ivrbench.audio.codecs.g711 import PCMA, PCMU, Law
from ivrbench.audio.files import WavSubtype, decode_file, decode_wav, load_as, probe_wav, wav_header
from ivrbench.audio.tones import sine
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from pathlib import Path

TONE = sine(400, 50)


def chunk(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """Return a chunk, its size told truly or not."""
    told = len(content) if size is None else size
    return kind + struct.pack("<I", told) + content + bytes(len(content) % 2)


def form(tag: int, channels: int = 1, rate_hz: int = 8000, bits: int = 16) -> bytes:
    """Return a format chunk."""
    width = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * width, width, bits)
    )


def riff(*chunks: bytes) -> bytes:
    """Return a WAV file of these chunks."""
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def extensible(tag: int, bits: int, tail: str = "000000001000800000aa00389b71") -> bytes:
    """Return a WAVE_FORMAT_EXTENSIBLE format chunk."""
    plain = struct.pack("<HHIIHH", 0xFFFE, 1, 8000, 16000, 2, bits)
    return chunk(b"fmt ", plain + struct.pack("<HHIH", 22, bits, 4, tag) + bytes.fromhex(tail))


def pcm_of(data: bytes) -> list[int]:
    """Return the samples of a WAV file."""
    return [int(sample) for sample in decode_wav(data, "x.wav")[0]]


def error_of(data: bytes) -> str:
    """Return what is said about a WAV file that cannot be played."""
    with pytest.raises(MediaError) as caught:
        decode_wav(data, "prompts/x.wav")
    return str(caught.value)


GOOD = riff(form(1), chunk(b"data", TONE.tobytes()))


def test_pcm16_is_read_exactly() -> None:
    """Samples come out as they went in, with their rate."""
    pcm, rate_hz = decode_wav(GOOD, "x.wav")
    assert np.array_equal(pcm, TONE)
    assert pcm.dtype == np.int16
    assert rate_hz == 8000


def test_eight_bits_are_unsigned() -> None:
    """8-bit PCM has its zero at 128."""
    assert pcm_of(riff(form(1, bits=8), chunk(b"data", b"\x80\x00\xff"))) == [0, -32768, 32512]


@pytest.mark.parametrize(("tag", "law"), [(6, PCMA), (7, PCMU)])
def test_g711_is_decoded(tag: int, law: object) -> None:
    """A-law (6) and µ-law (7) files are decoded by their law."""
    coded = (PCMA if law is PCMA else PCMU).encode(TONE)
    expected = (PCMA if law is PCMA else PCMU).decode(coded).tolist()
    assert pcm_of(riff(form(tag, bits=8), chunk(b"data", coded.tobytes()))) == expected


@pytest.mark.parametrize(("tag", "bits", "data"), [(1, 16, b"\1\0"), (7, 8, b"\xff")])
def test_extensible_formats_are_read(tag: int, bits: int, data: bytes) -> None:
    """WAVE_FORMAT_EXTENSIBLE names the real format in its GUID."""
    assert len(pcm_of(riff(extensible(tag, bits), chunk(b"data", data)))) == 1


def test_a_foreign_extensible_format_is_refused() -> None:
    """A GUID of somebody else is not taken for PCM."""
    assert "format 0xfffe" in error_of(riff(extensible(1, 16, "11" * 14), chunk(b"data", b"")))


def test_stereo_is_mixed_down() -> None:
    """Channels are averaged; an incomplete last sample is dropped."""
    data = struct.pack("<5h", 100, 300, -32768, -32768, 7)
    assert pcm_of(riff(form(1, channels=2), chunk(b"data", data))) == [200, -32768]


def test_chunks_before_the_data_are_skipped() -> None:
    """LIST and the like, also of odd length, do not matter; nor does anything after the data."""
    noise = chunk(b"LIST", b"odd")
    data = chunk(b"data", b"\1\0\2\0")
    assert pcm_of(riff(noise, form(1), noise, data, noise)) == [1, 2]


@pytest.mark.parametrize(
    ("tag", "bits", "data"),
    [
        (1, 24, bytes.fromhex("ff0100 000080 00ff7f")),
        (1, 32, bytes.fromhex("ffff0100 00000080 0000ff7f")),
        (3, 32, struct.pack("<3f", 1 / 32768, -1.5, 0.99997)),
        (3, 64, struct.pack("<3d", 1 / 32768, -1.0, 0.99997)),
    ],
)
def test_wider_samples_keep_their_upper_bits(tag: int, bits: int, data: bytes) -> None:
    """24 and 32 bits lose the lower ones; floating point is scaled and clipped."""
    assert pcm_of(riff(form(tag, bits=bits), chunk(b"data", data))) == [1, -32768, 32767]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_make_no_noise(bad: float) -> None:
    """Not-a-number is silence, infinity full scale."""
    data = struct.pack("<f", bad)
    expected = {"nan": 0, "inf": 32767, "-inf": -32768}[str(bad)]
    assert pcm_of(riff(form(3, bits=32), chunk(b"data", data))) == [expected]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 100])
def test_a_wrong_data_size_plays_to_the_end(size: int) -> None:
    """Writers to a pipe leave the size open; files get cut off."""
    assert pcm_of(riff(form(1), chunk(b"data", b"\1\0\2\0", size))) == [1, 2]


def test_an_odd_tail_is_dropped() -> None:
    """Half a sample at the end is no sample."""
    assert pcm_of(riff(form(1), chunk(b"data", b"\1\0\2", 3))) == [1]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not a WAV file."),
        (b"OggS" + bytes(40), "not a WAV file."),
        (b"RIFF\0\0\0\0AVI ", "not a WAV file."),
        (riff(), "the WAV file has no audio data."),
        (riff(form(1)), "the WAV file has no audio data."),
        (
            riff(chunk(b"data", b"\0\0")),
            "the WAV file does not say its format before its data.",
        ),
        (riff(chunk(b"fmt ", b"\1\0")), "the WAV file's format is cut off."),
        (
            riff(form(0x55), chunk(b"data", b"")),
            "16-bit MP3 cannot be played; convert it to 16-bit PCM, A-law or µ-law.",
        ),
        (
            riff(form(1, bits=12), chunk(b"data", b"")),
            "12-bit PCM cannot be played; convert it to 16-bit PCM, A-law or µ-law.",
        ),
        (
            riff(form(1, rate_hz=0), chunk(b"data", b"")),
            "a sample rate of 0 Hz cannot be played.",
        ),
        (riff(form(1, channels=0), chunk(b"data", b"")), "0 channels cannot be played."),
    ],
)
def test_what_cannot_be_played_is_said(data: bytes, sentence: str) -> None:
    """The error names the file, what is wrong, and where it helps what to do."""
    assert error_of(data) == f"prompts/x.wav: {sentence}"


def test_a_huge_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt is decoded whole, so its length has a limit."""
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 50)
    assert error_of(GOOD).endswith("longer than 0 MB.")


@given(st.integers(0, len(GOOD)))
def test_a_file_cut_anywhere_plays_what_is_there(length: int) -> None:
    """A truncated file is a clear error up to its data, and a shorter prompt after it."""
    if length < 44:
        assert error_of(GOOD[:length]).startswith("prompts/x.wav: ")
    else:
        assert pcm_of(GOOD[:length]) == TONE[: (length - 44) // 2].tolist()


@given(st.integers(0, 60), st.binary(max_size=8))
def test_a_damaged_file_never_raises_anything_else(at: int, junk: bytes) -> None:
    """A file changed anywhere gives samples or MediaError."""
    data = GOOD[:at] + junk + GOOD[at + len(junk) :]
    try:
        pcm, rate_hz = decode_wav(data, "x.wav")
    except MediaError:
        return
    assert pcm.dtype == np.int16
    assert 1000 <= rate_hz <= 192_000


def test_files_are_read_from_disk(tmp_path: Path) -> None:
    """A path gives samples and rate; `load_as` gives them at the rate wanted."""
    path = tmp_path / "tone.wav"
    path.write_bytes(
        riff(form(1, rate_hz=16000), chunk(b"data", sine(400, 50, rate_hz=16000).tobytes()))
    )
    pcm, rate_hz = decode_file(path)
    assert (len(pcm), rate_hz) == (800, 16000)
    loaded = load_as(str(path), 8000)
    assert len(loaded) == 400
    with path.open("rb") as file:
        assert np.array_equal(load_as(file, 8000), loaded)


def test_errors_name_the_source(tmp_path: Path) -> None:
    """A missing file is an OSError with its path; a bad one a MediaError with its name."""
    with pytest.raises(FileNotFoundError, match="missing.wav"):
        decode_file(tmp_path / "missing.wav")
    with pytest.raises(MediaError, match="audio file object: not an audio file we can play"):
        load_as(io.BytesIO(b"junk"), 8000)


@pytest.mark.parametrize("subtype", list(WavSubtype))
@pytest.mark.parametrize("samples", [0, 1, 400])
def test_headers_we_write_are_read(subtype: WavSubtype, samples: int) -> None:
    """A header and its samples are a file that we read, whatever the subtype."""
    width = subtype.sample_bytes
    data = bytes(range(256)) * 4
    content = data[: samples * width]
    file = wav_header(len(content), subtype) + content
    assert file[4:8] == struct.pack("<I", len(file) - 8)
    pcm, rate_hz = decode_wav(file, "x.wav")
    assert (len(pcm), rate_hz) == (samples, 8000)
    assert len(wav_header(0, subtype)) == len(wav_header(99999, subtype))


def test_pcm16_headers_are_44_bytes_that_others_read() -> None:
    """The standard library reads what we write."""
    header = wav_header(TONE.nbytes)
    assert len(header) == 44
    with wave.open(io.BytesIO(header + TONE.tobytes())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.readframes(10_000) == TONE.tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
def test_stereo_recordings_at_any_rate_are_read_by_others(rate_hz: int) -> None:
    """Two channels, as the standard library sees them."""
    samples = np.stack([TONE, -TONE], axis=1)
    data = WavSubtype.PCM16.encode(samples)
    header = wav_header(len(data), rate_hz=rate_hz, channels=2)
    with wave.open(io.BytesIO(header + data)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, rate_hz)
        assert file.getnframes() == len(TONE)
    assert not decode_wav(header + data, "x.wav")[0].any()


@pytest.mark.parametrize(("subtype", "law"), [(WavSubtype.ALAW, PCMA), (WavSubtype.ULAW, PCMU)])
def test_samples_are_written_by_their_law(subtype: WavSubtype, law: Law) -> None:
    """Header and samples fit each other; the header counts samples, not bytes."""
    data = subtype.encode(np.stack([TONE, TONE], axis=1))
    file = wav_header(len(data), subtype, 16_000, channels=2) + data
    assert np.array_equal(decode_wav(file, "x.wav")[0], law.decode(law.encode(TONE)))
    assert struct.unpack_from("<I", file, file.index(b"fact") + 8) == (len(TONE),)


def test_a_header_never_overflows() -> None:
    """A recording beyond 4 GB has a header that says as much as it can."""
    assert wav_header(1 << 33)[40:44] == b"\xff\xff\xff\xff"
    assert WavSubtype("A-Law") is WavSubtype.ALAW


@pytest.mark.parametrize("size", [4, 0, 1000])
def test_a_file_can_be_checked_without_its_samples(size: int) -> None:
    """Rate, channels and the bytes that are really there, whatever the header says."""
    file = io.BytesIO(riff(form(1, channels=2), chunk(b"data", b"abcd", size)))
    assert probe_wav(file, "x.wav") == (8000, 2, 4)
    with pytest.raises(MediaError, match="x.wav: not a WAV file"):
        probe_wav(io.BytesIO(b"RIFF"), "x.wav")
