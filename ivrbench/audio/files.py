"""WAV files: decoded whole into 16-bit mono, and headers for files we write.

Reading is lenient, as players are: unknown chunks are skipped, a wrong data size plays to the
end of the file, a cut-off tail loses nothing but itself.
"""

from __future__ import annotations

import enum
import io
import os
import struct
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np

from ivrbench.audio.codecs.g711 import PCMA, PCMU
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.resample import resample
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MAX_FILE_BYTES",
    "WavInfo",
    "WavSubtype",
    "decode_file",
    "decode_wav",
    "load_as",
    "probe_wav",
    "wav_header",
]

MAX_FILE_BYTES: Final = 512 * 1024 * 1024  # over nine hours of 8 kHz PCM16
MIN_RATE_HZ: Final = 1000
MAX_RATE_HZ: Final = 192_000
MAX_CHANNELS: Final = 8

_RIFF: Final = struct.Struct("<4sI4s")
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_EXTENSION: Final = struct.Struct("<HHIH14s")
_MAX_FORMAT_BYTES: Final = 1024  # the extensible form takes 40
_UNKNOWN_SIZES: Final = (0, 0xFFFFFFFF)  # what writers to a pipe leave in the header
_MAX_SIZE: Final = 0xFFFFFFFF

PCM: Final = 1
IEEE_FLOAT: Final = 3
ALAW: Final = 6
ULAW: Final = 7
EXTENSIBLE: Final = 0xFFFE
# KSDATAFORMAT_SUBTYPE_…: the format tag, then these fourteen bytes
_SUBTYPE_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
_FORMAT_NAMES: Final = {
    PCM: "PCM",
    2: "ADPCM",
    IEEE_FLOAT: "floating point",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x55: "MP3",
}


class WavSubtype(enum.Enum):
    """How the samples of a WAV file we write are coded; the value is the name scripts use."""

    PCM16 = "PCM16"
    ALAW = "A-Law"
    ULAW = "Mu-Law"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 2 if self is WavSubtype.PCM16 else 1


class _Format(NamedTuple):
    tag: int
    channels: int
    rate_hz: int
    bits: int


class WavInfo(NamedTuple):
    """What the header of a WAV file says."""

    rate_hz: int
    channels: int
    data_bytes: int
    """Length of the samples; what is there, if the header says more or does not know."""


def probe_wav(file: BinaryIO, name: str) -> WavInfo:
    """Check that a WAV file can be played, without reading its samples.

    Args:
        file: seekable.
        name: its path, for error messages.

    Raises:
        OSError: it cannot be read.
        MediaError: it is no WAV file we can play.
    """
    form, _, data_bytes = _find_data(file, name)
    return WavInfo(form.rate_hz, form.channels, data_bytes)


def decode_file(path: str | os.PathLike[str]) -> tuple[NDArray[np.int16], int]:
    """Read a WAV file whole.

    Args:
        path: the file.

    Returns:
        Its samples, mixed down to mono, and its sample rate in Hz.

    Raises:
        OSError: it cannot be opened or read.
        MediaError: it is no WAV file we can play.
    """
    with open(path, "rb") as file:
        return decode_wav(file.read(MAX_FILE_BYTES + 1), os.fspath(path))


def load_as(source: str | os.PathLike[str] | BinaryIO, rate_hz: int) -> NDArray[np.int16]:
    """Read a WAV file whole, at the sample rate wanted.

    Args:
        source: a path, or a binary file that is read from where it stands to its end.
        rate_hz: the sample rate of the result.

    Returns:
        Its samples, mono.

    Raises:
        OSError: it cannot be opened or read.
        MediaError: it is no WAV file we can play.
    """
    if isinstance(source, str | os.PathLike):
        pcm, file_rate_hz = decode_file(source)
    else:
        name = str(getattr(source, "name", "audio file object"))
        pcm, file_rate_hz = decode_wav(source.read(MAX_FILE_BYTES + 1), name)
    return resample(pcm, file_rate_hz, rate_hz)


def decode_wav(data: bytes, name: str) -> tuple[NDArray[np.int16], int]:
    """Decode the content of a WAV file.

    Args:
        data: the whole file.
        name: its path, for error messages.

    Returns:
        Its samples, mixed down to mono, and its sample rate in Hz.

    Raises:
        MediaError: it is no WAV file we can play.
    """
    if len(data) > MAX_FILE_BYTES:
        raise MediaError(f"{name}: longer than {MAX_FILE_BYTES // 1024**2} MB.")
    form, start, data_bytes = _find_data(io.BytesIO(data), name)
    pcm = _decode_samples(form, memoryview(data)[start : start + data_bytes])
    if form.channels > 1:
        whole = pcm[: len(pcm) // form.channels * form.channels]
        mixed = whole.reshape(-1, form.channels).mean(axis=1)
        pcm = np.rint(mixed).astype(np.int16)
    return pcm, form.rate_hz


def _find_data(file: BinaryIO, name: str) -> tuple[_Format, int, int]:
    """Return the format, and where the samples start and how many bytes of them are there."""
    file_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_RIFF.size)
    if len(head) < _RIFF.size or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise MediaError(f"{name}: not a WAV file.")
    form = None
    while len(chunk := file.read(_CHUNK.size)) == _CHUNK.size:
        kind, size = _CHUNK.unpack(chunk)
        start = file.tell()
        if kind == b"data":
            if form is None:
                raise MediaError(f"{name}: the WAV file does not say its format before its data.")
            _check(form, name)
            there = file_bytes - start
            return form, start, there if size in _UNKNOWN_SIZES else min(size, there)
        if kind == b"fmt ":
            form = _parse_format(file.read(min(size, _MAX_FORMAT_BYTES)), name)
        file.seek(start + size + size % 2)  # chunks are padded to an even length
    raise MediaError(f"{name}: the WAV file has no audio data.")


def _parse_format(chunk: bytes, name: str) -> _Format:
    if len(chunk) < _FORMAT.size:
        raise MediaError(f"{name}: the WAV file's format is cut off.")
    tag, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(chunk)
    if tag == EXTENSIBLE and len(chunk) >= _FORMAT.size + 2 + 22:
        _, _, _, subtype, tail = _EXTENSION.unpack_from(chunk, _FORMAT.size)
        if tail == _SUBTYPE_TAIL:
            tag = subtype
    return _Format(tag, channels, rate_hz, bits)


def _check(form: _Format, name: str) -> None:
    wanted_bits = {PCM: (8, 16), ALAW: (8,), ULAW: (8,)}.get(form.tag)
    if wanted_bits is None or form.bits not in wanted_bits:
        coding = _FORMAT_NAMES.get(form.tag, f"format {form.tag:#x}")
        raise MediaError(
            f"{name}: {form.bits}-bit {coding} cannot be played; "
            "convert it to 16-bit PCM, A-law or µ-law."
        )
    if not MIN_RATE_HZ <= form.rate_hz <= MAX_RATE_HZ:
        raise MediaError(f"{name}: a sample rate of {form.rate_hz} Hz cannot be played.")
    if not 1 <= form.channels <= MAX_CHANNELS:
        raise MediaError(f"{name}: {form.channels} channels cannot be played.")


def _decode_samples(form: _Format, samples: memoryview) -> NDArray[np.int16]:
    if form.tag == PCM and form.bits == 16:
        whole = samples[: len(samples) // 2 * 2]
        return np.frombuffer(whole, "<i2").astype(np.int16)
    octets = np.frombuffer(samples, np.uint8)
    if form.tag == PCM:
        # 8-bit PCM is unsigned with its zero at 128.
        return ((octets.astype(np.int16) - 128) << 8).astype(np.int16)
    return (PCMA if form.tag == ALAW else PCMU).decode(octets)


def wav_header(
    data_bytes: int,
    subtype: WavSubtype = WavSubtype.PCM16,
    rate_hz: int = SAMPLE_RATE_HZ,
) -> bytes:
    """Return the header of a mono WAV file; its length depends on the subtype alone.

    Write it with 0 first, and again over itself whenever the file is to be valid.

    Args:
        data_bytes: length of the samples behind it.
        subtype: how they are coded.
        rate_hz: their rate.
    """
    width = subtype.sample_bytes
    tag = {WavSubtype.PCM16: PCM, WavSubtype.ALAW: ALAW, WavSubtype.ULAW: ULAW}[subtype]
    form = _FORMAT.pack(tag, 1, rate_hz, rate_hz * width, width, 8 * width)
    extra = b""
    if tag != PCM:
        # All but PCM have an extension, here an empty one, and say how many samples there are.
        form += bytes(2)
        extra = _CHUNK.pack(b"fact", 4) + min(data_bytes, _MAX_SIZE).to_bytes(4, "little")
    chunks = _CHUNK.pack(b"fmt ", len(form)) + form + extra
    riff_bytes = 4 + len(chunks) + _CHUNK.size + data_bytes
    return (
        _RIFF.pack(b"RIFF", min(riff_bytes, _MAX_SIZE), b"WAVE")
        + chunks
        + _CHUNK.pack(b"data", min(data_bytes, _MAX_SIZE))
    )
