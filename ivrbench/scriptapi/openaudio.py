"""OpenAudio: an audio file between `open()` and `close()`, as scripts and engine share it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import tempfile
import threading
from typing import TYPE_CHECKING, BinaryIO, Final

from ivrbench.audio.files import WavSubtype, probe, probe_wav, wav_header, write_format
from ivrbench.errors import MediaError
from ivrbench.scriptapi.host import the_host

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ivrbench.scriptapi.port import PlaybackControl

__all__ = ["OpenAudio", "from_bytes", "read_file", "read_stream", "write_file", "write_stream"]

_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not block the script
_WRITE_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
_EXTENSION: Final = ".wav"
_MP3: Final = ".mp3"
_BLOCK_BYTES: Final = 1 << 20


class OpenAudio:
    """What the engine plays from or records into.

    It keeps a descriptor, so the file may be deleted or replaced meanwhile.

    Args:
        name: as the script wrote it.
        path: absolute path, "" for an anonymous temporary file.
        fd: the descriptor; closed with this object.
        writing: opened with AUDIO_WRITE.
        subtype: how samples are written.
        container: kind of file that is written: "wav", "raw" or "mp3".
        rate_hz: the rate that the name of a file to write stands for, 0 if it is the call's.
        data_bytes: of a file opened for reading, from its header.
        version: same for all openings of the same content; None: what the file system says.
    """

    def __init__(
        self,
        name: str,
        path: str,
        fd: int,
        *,
        writing: bool,
        subtype: WavSubtype = WavSubtype.PCM16,
        container: str = "wav",
        rate_hz: int = 0,
        data_bytes: int = 0,
        version: Hashable | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.fd = fd
        self.writing = writing
        self.subtype = subtype
        self.container = container
        self.rate_hz = rate_hz
        self.text = ""
        """What is spoken, by text to speech."""
        self.stream: BinaryIO | None = None
        """The file object of `fpopen`."""
        self.copies_back = False
        """A recording is made beside `stream`, which has no descriptor, and copied into it."""
        self._data_bytes = data_bytes
        self._version = version
        self._controls: tuple[PlaybackControl, ...] = ()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<OpenAudio {self.name} {'write' if self.writing else 'read'} fd={self.fd}>"

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def data_bytes(self) -> int:
        """Bytes of audio: in the file as opened, or written so far."""
        if not self.writing:
            return self._data_bytes
        return max(0, os.fstat(self.fd).st_size - self.header_bytes)

    @property
    def header_bytes(self) -> int:
        """Where the samples of a recording begin."""
        return len(wav_header(0, self.subtype)) if self.container == "wav" else 0

    @property
    def version(self) -> Hashable:
        """Same for all openings of the same content: a key for decoded prompts."""
        if self._version is not None:
            return self._version
        status = os.fstat(self.fd)
        return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)

    def read_all(self) -> bytes:
        """The whole file, whatever its position is.

        Raises:
            OSError: it cannot be read.
        """
        parts, offset = [], 0
        while part := os.pread(self.fd, _BLOCK_BYTES, offset):
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def attach(self, control: PlaybackControl) -> None:
        """An item that plays or records this file begins to wait or run."""
        with self._lock:
            self._controls = (*self._controls, control)

    def detach(self, control: PlaybackControl) -> None:
        """It is over; unknown ones are ignored."""
        with self._lock:
            self._controls = tuple(c for c in self._controls if c is not control)

    @property
    def controls(self) -> tuple[PlaybackControl, ...]:
        """What is attached now."""
        return self._controls

    def write_out(self) -> None:
        """Let what was recorded so far be written."""
        for control in self._controls:
            control.write_out()

    def finish(self) -> None:
        """Let everything attached finish: a recording is whole then, also in `stream`."""
        for control in self._controls:
            control.finish()
        if self.copies_back and self.stream is not None:
            self.stream.seek(0)
            self.stream.write(self.read_all())
            self.stream.truncate()

    def export(self) -> BinaryIO:
        """The file as a file object of Python, at the first sample."""
        self.finish()
        stream = self.stream
        if stream is None:
            stream = os.fdopen(os.dup(self.fd), "r+b" if self.writing else "rb")
        stream.seek(self.header_bytes if self.writing else _first_sample(stream))
        return stream

    def close(self) -> None:
        """Let everything attached finish, then close the descriptor; `stream` stays open."""
        if self.fd >= 0:
            self.finish()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def read_file(name: str) -> OpenAudio:
    """Open a prompt.

    Raises:
        OSError: it is not there, or no regular file.
        MediaError: it is no audio we know.
    """
    fd = os.open(name, _READ_FLAGS)
    try:
        _must_be_file(fd)
        with os.fdopen(fd, "rb", closefd=False) as file:
            data_bytes = _data_bytes(file, name)
    except BaseException:
        os.close(fd)
        raise
    return OpenAudio(name, os.path.abspath(name), fd, writing=False, data_bytes=data_bytes)


def read_stream(name: str, stream: BinaryIO) -> OpenAudio:
    """Take a prompt from a file object, from its beginning if it has one.

    Raises:
        OSError: it cannot be read.
        MediaError: it is no audio we know.
    """
    if stream.seekable():
        stream.seek(0)
    audio = from_bytes(name, stream.read())
    audio.stream = stream
    return audio


def from_bytes(name: str, data: bytes) -> OpenAudio:
    """A prompt that is no file.

    Raises:
        MediaError: it is no audio we know.
    """
    data_bytes = _data_bytes(io.BytesIO(data), name)
    fd = _anonymous()
    os.pwrite(fd, data, 0)
    version = hashlib.sha256(data).digest()
    return OpenAudio(name, "", fd, writing=False, data_bytes=data_bytes, version=version)


def write_file(name: str, subtype: str, *, is_tmp: bool) -> OpenAudio:
    """Open a file to record into.

    Args:
        name: its path; only the extension counts for a temporary one.
        subtype: "A-Law", "" for the usual one.
        is_tmp: it has no name on disk.

    Raises:
        OSError: it cannot be written, or its name is none of a recording.
    """
    _kind_of(name, subtype)
    path = "" if is_tmp else os.path.abspath(name)
    fd = _anonymous() if is_tmp else os.open(name, _WRITE_FLAGS, 0o666)
    return _to_write(name, path, fd, subtype)


def write_stream(name: str, subtype: str, stream: BinaryIO) -> OpenAudio:
    """Record into a file object, from its beginning on.

    Raises:
        OSError: it cannot be written, or the name is none of a recording.
    """
    _kind_of(name, subtype)
    stream.seek(0)
    stream.truncate()
    stream.flush()
    try:
        fd = os.dup(stream.fileno())
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        fd, is_file = _anonymous(), False  # such as io.BytesIO
    audio = _to_write(name, "", fd, subtype)
    audio.stream, audio.copies_back = stream, not is_file
    return audio


def _to_write(name: str, path: str, fd: int, subtype: str) -> OpenAudio:
    container, rate_hz, coding = _kind_of(name, subtype)
    try:
        _must_be_file(fd)
        if container == "wav":
            os.pwrite(fd, wav_header(0, coding), 0)
    except BaseException:
        os.close(fd)
        raise
    return OpenAudio(
        name, path, fd, writing=True, subtype=coding, container=container, rate_hz=rate_hz
    )


def _data_bytes(file: BinaryIO, name: str) -> int:
    """Bytes of samples: as the header says, or decoded where they are packed."""
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    info = probe(file, name)
    if head[:4] == b"RIFF":
        file.seek(0)
        with contextlib.suppress(MediaError):
            return probe_wav(file, name).data_bytes
    return -1 if info.samples is None else info.samples * info.channels * 2


def _first_sample(stream: BinaryIO) -> int:
    """Where the samples of a WAV file begin; 0 in any other file."""
    stream.seek(0)
    if stream.read(4) != b"RIFF":
        return 0
    stream.seek(12)
    while len(chunk := stream.read(8)) == 8:
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return stream.tell()
        stream.seek(size + size % 2, os.SEEK_CUR)
    return 0


def _anonymous() -> int:
    fd, path = tempfile.mkstemp(suffix=_EXTENSION)
    os.unlink(path)
    return fd


def _must_be_file(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError("it is not a regular file")


def _kind_of(name: str, subtype: str) -> tuple[str, int, WavSubtype]:
    """Container, rate and coding of a recording, by its extension, which is case-sensitive."""
    extension = os.path.splitext(name)[1]
    if extension == _MP3:
        return "mp3", 0, WavSubtype.PCM16
    if extension == _EXTENSION:
        return "wav", 0, _subtype(subtype)
    try:
        if extension == extension.lower():
            how = write_format(name)
            return "raw", how.rate_hz or 0, how.subtype
    except MediaError:
        pass
    raise OSError("recordings can be .wav, .mp3, .ulaw, .alaw, .raw, .sln or .sln16 files")


def _subtype(name: str) -> WavSubtype:
    if not name:
        return WavSubtype.PCM16
    try:
        return WavSubtype(name)
    except ValueError:
        known = ", ".join(subtype.value for subtype in WavSubtype)
        the_host().log(1, f"unknown way to write samples {name!r}: PCM16 is used; known: {known}")
        return WavSubtype.PCM16
