"""Audio files of all kinds: looked at, read whole, or streamed block by block.

Plain WAV is read here (`wav`), everything else by libsndfile (`readers`). Whatever the file
holds, what comes out is 16-bit mono at the sample rate wanted.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np

from ivrbench.audio.readers import SoundReader, raw_format
from ivrbench.audio.resample import StreamResampler, resample
from ivrbench.audio.wav import (
    UnknownCoding,
    WavInfo,
    WavReader,
    WavSubtype,
    probe_wav,
    wav_header,
)
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "MAX_FILE_BYTES",
    "AudioInfo",
    "AudioStream",
    "Source",
    "WavInfo",
    "WavSubtype",
    "WriteFormat",
    "decode_file",
    "decode_wav",
    "load_as",
    "open_stream",
    "probe",
    "probe_wav",
    "wav_header",
    "write_format",
]

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a binary file object: of one that is seekable all is read, of others the rest."""

MAX_FILE_BYTES: Final = 512 * 1024 * 1024  # over nine hours of 8 kHz PCM16
MAX_SAMPLES: Final = 1 << 28  # as much, decoded; longer files can be streamed
_BLOCK_SAMPLES: Final = 1 << 16
_STREAM_BLOCK_MS: Final = 200


class AudioInfo(NamedTuple):
    """What a file holds."""

    rate_hz: int
    channels: int
    samples: int | None
    """In each channel, None if only reading it all would tell."""
    coding: str
    """For people."""

    @property
    def duration_ms(self) -> int | None:
        """Its length, if known."""
        return None if self.samples is None else self.samples * 1000 // self.rate_hz


class WriteFormat(NamedTuple):
    """How a file is written, by its name."""

    subtype: WavSubtype
    rate_hz: int | None
    """The rate its name stands for, None if its header will tell any."""
    has_header: bool


def write_format(name: str) -> WriteFormat:
    """Return how a file of that name is written.

    Args:
        name: path; its extension counts: `.wav`, or one of the raw formats.

    Raises:
        MediaError: files of that kind cannot be written.
    """
    raw = raw_format(name)
    if raw is not None and raw.subtype is not None:
        return WriteFormat(raw.subtype, raw.rate_hz, has_header=False)
    if name.lower().endswith(".wav"):
        return WriteFormat(WavSubtype.PCM16, None, has_header=True)
    raise MediaError(f"{name}: recordings can be .wav, .ulaw, .alaw, .raw, .sln or .sln16 files.")


def probe(source: Source, name: str = "") -> AudioInfo:
    """Check that a file can be played, without reading its samples.

    Args:
        source: the file.
        name: what to call a file object; its extension tells a format that the content does not.

    Raises:
        OSError: it cannot be opened or read.
        MediaError: it is no audio file we can play.
    """
    with _reader(source, name) as reader:
        return AudioInfo(reader.rate_hz, reader.channels, reader.samples, reader.coding)


def decode_file(path: str | os.PathLike[str]) -> tuple[NDArray[np.int16], int]:
    """Read a file whole.

    Returns:
        Its samples, mixed down to mono, and its sample rate in Hz.

    Raises:
        OSError: it cannot be opened or read.
        MediaError: it is no audio file we can play, or too long.
    """
    with _reader(path, "") as reader:
        return _read_whole(reader, os.fspath(path)), reader.rate_hz


def load_as(source: Source, rate_hz: int, name: str = "") -> NDArray[np.int16]:
    """Read a file whole, at the sample rate wanted.

    Args:
        source: the file.
        rate_hz: the sample rate of the result.
        name: what to call a file object; its extension tells a format that the content does not.

    Returns:
        Its samples, mono.

    Raises:
        OSError: it cannot be opened or read.
        MediaError: it is no audio file we can play, or too long.
    """
    with _reader(source, name) as reader:
        return resample(_read_whole(reader, _name_of(source, name)), reader.rate_hz, rate_hz)


def decode_wav(data: bytes, name: str) -> tuple[NDArray[np.int16], int]:
    """Decode the content of a plain WAV file.

    Args:
        data: the whole file.
        name: its path, for error messages.

    Returns:
        Its samples, mixed down to mono, and its sample rate in Hz.

    Raises:
        MediaError: it is no WAV file, or too long.
    """
    _check_size(len(data), name)
    reader = WavReader(io.BytesIO(data), name)
    return _read_whole(reader, name), reader.rate_hz


def open_stream(source: Source, rate_hz: int, name: str = "") -> AudioStream:
    """Open a file to be read block by block, at the sample rate wanted.

    Args:
        source: the file. It stays open until the stream is closed, so it may be deleted or
            replaced meanwhile; a file object stays open after that.
        rate_hz: the sample rate of the result.
        name: what to call a file object; its extension tells a format that the content does not.

    Raises:
        OSError: it cannot be opened or read.
        MediaError: it is no audio file we can play.
    """
    owned = open(source, "rb") if isinstance(source, str | os.PathLike) else None
    try:
        file = owned or _seekable(source, _name_of(source, name))  # type: ignore[arg-type]
        reader = _open_reader(file, _name_of(source, name))
    except BaseException:
        if owned is not None:
            owned.close()
        raise
    return AudioStream(reader, rate_hz, owned)


class AudioStream:
    """A file being read. Iterate over it, or `read`; `close` it when done.

    Set `loop` and its end is followed by its beginning without a gap.
    """

    def __init__(
        self, reader: WavReader | SoundReader, rate_hz: int, owned: BinaryIO | None
    ) -> None:
        """Begin at the start; use `open_stream`."""
        self.info = AudioInfo(reader.rate_hz, reader.channels, reader.samples, reader.coding)
        """What the file holds."""
        self.loop = False
        self._reader = reader
        self._rate_hz = rate_hz
        self._owned = owned
        self._resampler = StreamResampler(reader.rate_hz, rate_hz)
        self._ready = np.empty(0, np.int16)
        self._ended = False
        self._position = 0  # samples given since the start of the file

    def __repr__(self) -> str:
        return f"<AudioStream {self.info.coding} at {self.position_ms} ms>"

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        block = self._rate_hz * _STREAM_BLOCK_MS // 1000
        while len(pcm := self.read(block)):
            yield pcm

    @property
    def position_ms(self) -> int:
        """How far it was read, counted on through repetitions."""
        return self._position * 1000 // self._rate_hz

    def read(self, samples: int) -> NDArray[np.int16]:
        """Return the next samples, fewer only at the end of the file, none after it.

        Raises:
            OSError: the file cannot be read.
            MediaError: it cannot be read any more as what it was.
        """
        parts, missing = [self._ready], samples - len(self._ready)
        while missing > 0 and not self._ended:
            parts.append(self._more())
            missing -= len(parts[-1])
        pcm = np.concatenate(parts)
        self._ready = pcm[samples:]
        self._position += len(pcm[:samples])
        return pcm[:samples]

    def _more(self) -> NDArray[np.int16]:
        block = self._reader.rate_hz * _STREAM_BLOCK_MS // 1000
        pcm = self._reader.read(block)
        if not len(pcm) and self.loop:
            self._reader.seek(0)
            pcm = self._reader.read(block)
        self._ended = not len(pcm)
        return self._resampler.flush() if self._ended else self._resampler.resample(pcm)

    def seek(self, position_ms: int) -> None:
        """Go to a time in the file; before its start is its start.

        Raises:
            OSError: the file cannot be read.
            MediaError: it cannot be read any more as what it was.
        """
        at_ms = max(position_ms, 0)
        self._reader.seek(at_ms * self._reader.rate_hz // 1000)
        self._resampler = StreamResampler(self._reader.rate_hz, self._rate_hz)
        self._ready, self._ended = self._ready[:0], False
        self._position = at_ms * self._rate_hz // 1000

    def close(self) -> None:
        """Close the file if it was opened here; closing twice does no harm."""
        if self._owned is not None:
            self._owned.close()


@contextmanager
def _reader(source: Source, name: str) -> Iterator[WavReader | SoundReader]:
    called = _name_of(source, name)
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield _open_reader(file, called)
    else:
        yield _open_reader(_seekable(source, called), called)


def _open_reader(file: BinaryIO, name: str) -> WavReader | SoundReader:
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        try:
            return WavReader(file, name)
        except UnknownCoding:
            return SoundReader(file, name)
    return SoundReader(file, name, raw_format(name))


def _name_of(source: Source, name: str) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return name or str(getattr(source, "name", "") or "audio file object")


def _seekable(file: BinaryIO, name: str) -> BinaryIO:
    if file.seekable():
        return file
    data = file.read(MAX_FILE_BYTES + 1)
    _check_size(len(data), name)
    return io.BytesIO(data)


def _check_size(size: int, name: str) -> None:
    if size > MAX_FILE_BYTES:
        raise MediaError(f"{name}: longer than {MAX_FILE_BYTES // 1024**2} MB.")


def _read_whole(reader: WavReader | SoundReader, name: str) -> NDArray[np.int16]:
    """Read to the end, trusting no header about how far that is."""
    parts, samples = [], 0
    while len(block := reader.read(_BLOCK_SAMPLES)):
        parts.append(block)
        samples += len(block)
        if samples > MAX_SAMPLES:
            hours = MAX_SAMPLES // reader.rate_hz // 3600
            raise MediaError(f"{name}: longer than {hours} hours.")
    return np.concatenate(parts) if parts else np.empty(0, np.int16)
