"""WAV files: read block by block as 16-bit mono, and headers for files we write.

Reading is lenient, as players are: unknown chunks are skipped, a wrong data size plays to the
end of the file, a cut-off tail loses nothing but itself.
"""

from __future__ import annotations

import enum
import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np

from ivrbench.audio.codecs.g711 import PCMA, PCMU
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "UnknownCoding",
    "WavInfo",
    "WavReader",
    "WavSubtype",
    "pcm_from_float",
    "probe_wav",
    "wav_header",
]

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
_WIDTHS_BITS: Final = {PCM: (8, 16, 24, 32), IEEE_FLOAT: (32, 64), ALAW: (8,), ULAW: (8,)}
"""Sample widths we decode, by format tag."""
_FORMAT_NAMES: Final = {
    PCM: "PCM",
    2: "ADPCM",
    IEEE_FLOAT: "floating point",
    ALAW: "A-law",
    ULAW: "µ-law",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x55: "MP3",
}


class UnknownCoding(MediaError):
    """A WAV file whose samples are coded in a way this module does not know."""


class WavSubtype(enum.Enum):
    """How the samples of a WAV file we write are coded; the value is the name scripts use."""

    PCM16 = "PCM16"
    ALAW = "A-Law"
    ULAW = "Mu-Law"

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """Return samples as they are written."""
        if self is WavSubtype.PCM16:
            return pcm.astype("<i2").tobytes()
        return (PCMA if self is WavSubtype.ALAW else PCMU).encode(pcm).tobytes()

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


class WavReader:
    """Reads the samples of a WAV file block by block, mixed down to mono."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the header.

        Args:
            file: seekable.
            name: its path, for error messages.

        Raises:
            OSError: it cannot be read.
            MediaError: it is no WAV file, or its header is damaged.
            UnknownCoding: it is a WAV file whose samples we do not decode ourselves.
        """
        self._file = file
        self._form, self._start, self.data_bytes = _find_data(file, name)
        self._width = self._form.channels * self._form.bits // 8
        self.rate_hz = self._form.rate_hz
        self.channels = self._form.channels
        self.samples = self.data_bytes // self._width
        self.coding = _FORMAT_NAMES[self._form.tag]
        self._at = -1
        self.seek(0)

    def seek(self, sample: int) -> None:
        """Go to a sample; beyond the end is the end."""
        at = min(sample, self.samples)
        if at != self._at:
            self._at = at
            self._file.seek(self._start + at * self._width)

    def read(self, samples: int) -> NDArray[np.int16]:
        """Return the next samples, fewer only at the end.

        Raises:
            OSError: the file cannot be read.
        """
        wanted = min(samples, self.samples - self._at) * self._width
        data = _read_fully(self._file, wanted)
        whole = memoryview(data)[: len(data) // self._width * self._width]
        pcm = _mix_down(_decode_samples(self._form, whole), self._form.channels)
        # A file that became shorter ends here, as one whose header told too much.
        self._at = self._at + len(pcm) if len(data) == wanted else self.samples
        return pcm


def _read_fully(file: BinaryIO, size: int) -> bytes:
    """Read although a file object may give less at a time."""
    data = file.read(size)
    if 0 < len(data) < size:
        parts = [data]
        while len(data) and (size := size - len(data)):
            data = file.read(size)
            parts.append(data)
        return b"".join(parts)
    return data


def _mix_down(pcm: NDArray[np.int16], channels: int) -> NDArray[np.int16]:
    if channels == 1:
        return pcm
    mixed: NDArray[np.int16] = np.rint(pcm.reshape(-1, channels).mean(axis=1)).astype(np.int16)
    return mixed


def probe_wav(file: BinaryIO, name: str) -> WavInfo:
    """Check that a WAV file can be played, without reading its samples.

    Args:
        file: seekable.
        name: its path, for error messages.

    Raises:
        OSError: it cannot be read.
        MediaError: it is no WAV file we can play.
    """
    reader = WavReader(file, name)
    return WavInfo(reader.rate_hz, reader.channels, reader.data_bytes)


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
    if form.bits not in _WIDTHS_BITS.get(form.tag, ()):
        coding = _FORMAT_NAMES.get(form.tag, f"format {form.tag:#x}")
        raise UnknownCoding(
            f"{name}: {form.bits}-bit {coding} cannot be played; "
            "convert it to 16-bit PCM, A-law or µ-law."
        )
    if not MIN_RATE_HZ <= form.rate_hz <= MAX_RATE_HZ:
        raise MediaError(f"{name}: a sample rate of {form.rate_hz} Hz cannot be played.")
    if not 1 <= form.channels <= MAX_CHANNELS:
        raise MediaError(f"{name}: {form.channels} channels cannot be played.")


def _decode_samples(form: _Format, data: memoryview) -> NDArray[np.int16]:
    """Return all samples, of all channels one after the other; wider ones lose their low bits."""
    octets = np.frombuffer(data, np.uint8)
    match form.tag, form.bits:
        case (6, _):
            return PCMA.decode(octets)
        case (7, _):
            return PCMU.decode(octets)
        case (1, 8):  # unsigned with its zero at 128
            return ((octets.astype(np.int16) - 128) << 8).astype(np.int16)
        case (1, 16):
            return octets.view("<i2").astype(np.int16)
        case (1, 24):
            return octets.reshape(-1, 3)[:, 1:].copy().view("<i2")[:, 0].astype(np.int16)
        case (1, 32):
            return octets.view("<i2")[1::2].astype(np.int16)
        case _:
            return pcm_from_float(octets.view(f"<f{form.bits // 8}"))


def pcm_from_float(wave: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Return samples between -1 and 1 as 16 bits; what is beyond is clipped, no number is 0."""
    scaled = np.rint(np.nan_to_num(wave, posinf=1, neginf=-1) * 32_768)
    pcm: NDArray[np.int16] = np.clip(scaled, -32_768, 32_767).astype(np.int16)
    return pcm


def wav_header(
    data_bytes: int,
    subtype: WavSubtype = WavSubtype.PCM16,
    rate_hz: int = SAMPLE_RATE_HZ,
    channels: int = 1,
) -> bytes:
    """Return the header of a WAV file; its length depends on the subtype alone.

    Write it with 0 first, and again over itself whenever the file is to be valid.

    Args:
        data_bytes: length of the samples behind it.
        subtype: how they are coded.
        rate_hz: their rate.
        channels: 1, or 2 with the samples of left and right in turn (`mixer.interleave`).
    """
    width = subtype.sample_bytes * channels
    tag = {WavSubtype.PCM16: PCM, WavSubtype.ALAW: ALAW, WavSubtype.ULAW: ULAW}[subtype]
    form = _FORMAT.pack(tag, channels, rate_hz, rate_hz * width, width, 8 * subtype.sample_bytes)
    extra = b""
    if tag != PCM:
        # All but PCM have an extension, here an empty one, and say how many samples there are.
        form += bytes(2)
        extra = _CHUNK.pack(b"fact", 4) + min(data_bytes // width, _MAX_SIZE).to_bytes(4, "little")
    chunks = _CHUNK.pack(b"fmt ", len(form)) + form + extra
    riff_bytes = 4 + len(chunks) + _CHUNK.size + data_bytes
    return (
        _RIFF.pack(b"RIFF", min(riff_bytes, _MAX_SIZE), b"WAVE")
        + chunks
        + _CHUNK.pack(b"data", min(data_bytes, _MAX_SIZE))
    )
