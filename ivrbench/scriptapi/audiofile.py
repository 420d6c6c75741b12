"""IvrAudioFile: a prompt to play or a recording to make (ivr-api §3.1)."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from typing import TYPE_CHECKING, Final, NoReturn

from ivrbench.audio.files import WavSubtype, probe_wav, wav_header
from ivrbench.errors import MediaError
from ivrbench.scriptapi.arguments import need_int, need_str
from ivrbench.scriptapi.host import the_host
from ivrbench.scriptapi.ivr import AUDIO_READ, AUDIO_WRITE, not_yet

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import PlaybackControl

__all__ = ["IvrAudioFile", "OpenAudio"]

_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not block the script
_WRITE_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
_EXTENSION: Final = ".wav"  # case-sensitive, as in the reference server


class OpenAudio:
    """A file between `open()` and `close()`: what the engine plays from or records into.

    It keeps a descriptor, so the file may be deleted or replaced meanwhile.

    Args:
        name: as the script wrote it.
        path: absolute path, "" for an anonymous temporary file.
        fd: the descriptor; closed with this object.
        writing: opened with AUDIO_WRITE.
        subtype: how samples are written.
        data_bytes: of a file opened for reading, from its header.
    """

    def __init__(
        self, name: str, path: str, fd: int, *, writing: bool, subtype: WavSubtype, data_bytes: int
    ) -> None:
        self.name = name
        self.path = path
        self.fd = fd
        self.writing = writing
        self.subtype = subtype
        self._data_bytes = data_bytes
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
        return max(0, os.fstat(self.fd).st_size - len(wav_header(0, self.subtype)))

    @property
    def version(self) -> tuple[int, int, int, int]:
        """Same for all openings of the same content: a key for decoded prompts."""
        status = os.fstat(self.fd)
        return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)

    def read_all(self) -> bytes:
        """The whole file, whatever its position is.

        Raises:
            OSError: it cannot be read.
        """
        parts, offset = [], 0
        while part := os.pread(self.fd, 1 << 20, offset):
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

    def close(self) -> None:
        """Let everything attached finish, then close the descriptor."""
        for control in self._controls:
            control.finish()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class IvrAudioFile:
    """A WAV file to play or to record into."""

    def __new__(cls, *args: object, **kwargs: object) -> IvrAudioFile:
        made = super().__new__(cls)  # the constructor ignores arguments
        made._audio = None
        made._loop = False
        made._record_limit_ms = -1
        return made

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    _audio: OpenAudio | None
    _loop: bool
    _record_limit_ms: int

    def open(self, filename: str, mode: int, is_tmp: bool = False, /) -> None:
        """Open a file; one that was open before is closed.

        Args:
            filename: relative to the server's working directory; `name.wav|A-Law` chooses how
                samples are written ("PCM16", "A-Law", "Mu-Law").
            mode: AUDIO_READ or AUDIO_WRITE (creates or truncates).
            is_tmp: exactly True: a file without a name that is gone when closed.

        Raises:
            TypeError: unknown mode, or `is_tmp` is not a bool.
            OSError: the file is missing, no WAV file we can play, or cannot be written.
        """
        need_str("open", 1, filename)
        if mode not in (AUDIO_READ, AUDIO_WRITE):
            raise TypeError("Unknown open mode")
        if is_tmp is not True and is_tmp is not False:
            raise TypeError("open() argument 3 must be True or False")
        self._close()
        name, _, subtype = filename.partition("|")
        if os.path.splitext(name)[1] != _EXTENSION:
            raise OSError(f"Could not open file {name!r}: only names that end in .wav are audio")
        try:
            if mode == AUDIO_READ:
                self._audio = _open_to_read(name)
            else:
                self._audio = _open_to_write(name, _subtype(subtype), is_tmp)
        except MediaError as exc:
            raise OSError(f"Could not open file: {exc}") from exc
        except OSError as exc:
            why = f"{exc.strerror or exc} ({os.path.abspath(name)})"
            raise OSError(exc.errno, f"Could not open file {name!r}: {why}") from exc

    def close(self) -> None:
        """Close it; a recording is whole on disk when this returns. A closed file stays closed."""
        self._close()

    def rewind(self, ms: int = 0, /) -> None:
        """Go back by `ms` milliseconds; 0: to the start. Acts on the item that is playing.

        Raises:
            ValueError: the file is not open, or `ms` is negative.
        """
        back_ms = need_int("rewind", 1, ms)
        if back_ms < 0:
            raise ValueError(f"rewind() needs 0 or more milliseconds, not {back_ms}")
        for control in self.opened().controls:
            control.seek(back_ms or None)

    def getDataSize(self) -> int:
        """Bytes of audio in the file, or written so far.

        Raises:
            ValueError: the file is not open.
        """
        return self.opened().data_bytes

    def setRecordTime(self, ms: int, /) -> None:
        """End a recording into this file once it is `ms` milliseconds long."""
        self._record_limit_ms = max(-1, need_int("setRecordTime", 1, ms))

    @property
    def loop(self) -> bool:
        """True: start again at the end, without a gap."""
        return self._loop

    @loop.setter
    def loop(self, loop: bool) -> None:
        if loop is not True and loop is not False:
            raise TypeError("loop must be True or False")
        self._loop = loop
        for control in self._audio.controls if self._audio is not None else ():
            control.set_loop(loop)

    @classmethod
    def tts(cls, text: str, /) -> NoReturn:
        """Speak a text into a new file."""
        not_yet("IvrAudioFile.tts")

    def fpopen(self, *args: object) -> NoReturn:
        """Open a Python file object."""
        not_yet("IvrAudioFile.fpopen")

    def exportRaw(self) -> NoReturn:
        """Give the audio as a Python file object."""
        not_yet("IvrAudioFile.exportRaw")

    # --- for the engine ---

    def opened(self) -> OpenAudio:
        """The open file; for the engine.

        Raises:
            ValueError: the file is not open.
        """
        if self._audio is None:
            raise ValueError("the audio file is not open")
        return self._audio

    @property
    def record_limit_ms(self) -> int:
        """What `setRecordTime` said, -1: no limit; for the engine."""
        return self._record_limit_ms

    def _close(self) -> None:
        audio, self._audio = self._audio, None
        if audio is not None:
            audio.close()


def _open_to_read(name: str) -> OpenAudio:
    fd = os.open(name, _READ_FLAGS)
    try:
        _must_be_file(fd)
        with os.fdopen(fd, "rb", closefd=False) as file:
            info = probe_wav(file, name)
    except BaseException:
        os.close(fd)
        raise
    return OpenAudio(
        name,
        os.path.abspath(name),
        fd,
        writing=False,
        subtype=WavSubtype.PCM16,
        data_bytes=info.data_bytes,
    )


def _open_to_write(name: str, subtype: WavSubtype, is_tmp: bool) -> OpenAudio:
    if is_tmp:
        fd, path = tempfile.mkstemp(suffix=_EXTENSION)
        os.unlink(path)
        path = ""
    else:
        fd, path = os.open(name, _WRITE_FLAGS, 0o666), os.path.abspath(name)
    try:
        _must_be_file(fd)
        os.pwrite(fd, wav_header(0, subtype), 0)
    except BaseException:
        os.close(fd)
        raise
    return OpenAudio(name, path, fd, writing=True, subtype=subtype, data_bytes=0)


def _must_be_file(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError("it is not a regular file")


def _subtype(name: str) -> WavSubtype:
    if not name:
        return WavSubtype.PCM16
    try:
        return WavSubtype(name)
    except ValueError:
        known = ", ".join(subtype.value for subtype in WavSubtype)
        the_host().log(1, f"unknown way to write samples {name!r}: PCM16 is used; known: {known}")
        return WavSubtype.PCM16
