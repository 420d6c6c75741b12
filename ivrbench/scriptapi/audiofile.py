"""IvrAudioFile: a prompt to play or a recording to make (ivr-api §3.1)."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from ivrbench.audio.files import wav_header
from ivrbench.errors import MediaError
from ivrbench.scriptapi.arguments import need_int, need_str
from ivrbench.scriptapi.ivr import AUDIO_READ, AUDIO_WRITE
from ivrbench.scriptapi.openaudio import (
    OpenAudio,
    from_bytes,
    read_file,
    read_stream,
    write_file,
    write_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IvrAudioFile", "OpenAudio"]

_SPOKEN_RATE_HZ: Final = 16_000  # what the widest codec of a call needs


class IvrAudioFile:
    """A WAV file to play or to record into."""

    def __new__(cls, *args: object, **kwargs: object) -> IvrAudioFile:
        made = super().__new__(cls)  # the constructor ignores arguments
        made._audio = None
        made._loop = False
        made._record_limit_ms = -1
        made._stereo = False
        return made

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    _audio: OpenAudio | None
    _loop: bool
    _record_limit_ms: int
    _stereo: bool

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
        _need_mode(mode)
        if is_tmp is not True and is_tmp is not False:
            raise TypeError("open() argument 3 must be True or False")
        self._close()
        name, _, subtype = filename.partition("|")
        with _told_as_oserror(name):
            if mode == AUDIO_READ:
                self._audio = read_file(name)
            else:
                self._audio = write_file(name, subtype, is_tmp=is_tmp)

    def fpopen(self, filename: str, mode: int, fp: BinaryIO, /) -> None:
        """Open a binary file object of Python; it stays open when this file is closed.

        Args:
            filename: for its extension, and `|A-Law` as in `open`.
            mode: AUDIO_READ (all of it is read now) or AUDIO_WRITE (it is emptied; what is
                recorded is in it after `close` or `exportRaw`).
            fp: the file object, such as of `os.tmpfile()`, `open(…, "r+b")` or `io.BytesIO()`.

        Raises:
            TypeError: unknown mode, or no file object.
            OSError: it holds no audio we can play, or cannot be written.
        """
        need_str("fpopen", 1, filename)
        _need_mode(mode)
        if not hasattr(fp, "read" if mode == AUDIO_READ else "write"):
            raise TypeError(f"fpopen() argument 3 must be a binary file object, not {fp!r}")
        self._close()
        name, _, subtype = filename.partition("|")
        with _told_as_oserror(name):
            if mode == AUDIO_READ:
                self._audio = read_stream(name, fp)
            else:
                self._audio = write_stream(name, subtype, fp)

    def exportRaw(self) -> BinaryIO:
        """Give the file as a file object of Python, at its first sample.

        A recording is finished first, so what is read is whole; `seek(0)` goes to the header. After
        `fpopen` it is the same file object.

        Raises:
            ValueError: the file is not open.
        """
        return self.opened().export()

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
        audio = self.opened()
        audio.write_out()
        return audio.data_bytes

    def setRecordTime(self, ms: int, /) -> None:
        """End a recording into this file once it is `ms` milliseconds long."""
        self._record_limit_ms = max(-1, need_int("setRecordTime", 1, ms))

    @property
    def stereo(self) -> bool:
        """True: what is recorded has two channels, the caller left, what the caller hears right.

        To be set before the file is enqueued.
        """
        return self._stereo

    @stereo.setter
    def stereo(self, stereo: bool) -> None:
        if stereo is not True and stereo is not False:
            raise TypeError("stereo must be True or False")
        self._stereo = stereo

    def pause(self) -> None:
        """Leave out of a recording what is said from now on.

        Raises:
            ValueError: the file is not open for writing.
        """
        self._pause("pause", True)

    def resume(self) -> None:
        """Go on with a recording.

        Raises:
            ValueError: the file is not open for writing.
        """
        self._pause("resume", False)

    def _pause(self, method: str, paused: bool) -> None:
        audio = self.opened()
        if not audio.writing:
            raise ValueError(f"{method}() is for recordings; {audio.name} is open for reading")
        for control in audio.controls:
            control.set_paused(paused)

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
    def tts(cls, text: str, /) -> Self:
        """Speak a text; the language is English.

        Returns:
            a new file, open for reading.

        Raises:
            OSError: text to speech is not installed, or it failed.
        """
        need_str("tts", 1, text)
        # Only those who speak pay for loading it.
        from ivrbench.audio.tts import synthesise

        made = cls()
        with _told_as_oserror("of tts()"):
            pcm = synthesise(text, rate_hz=_SPOKEN_RATE_HZ)
            header = wav_header(pcm.nbytes, rate_hz=_SPOKEN_RATE_HZ)
            made._audio = from_bytes("speech.wav", header + pcm.tobytes())
            made._audio.text = text
        return made

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


def _need_mode(mode: int) -> None:
    if mode not in (AUDIO_READ, AUDIO_WRITE):
        raise TypeError("Unknown open mode")


@contextmanager
def _told_as_oserror(name: str) -> Iterator[None]:
    """What scripts catch, with the path and the reason."""
    try:
        yield
    except MediaError as exc:
        raise OSError(f"Could not open file: {exc}") from exc
    except OSError as exc:
        text = f"Could not open file {name!r}: {exc.strerror or exc} ({os.path.abspath(name)})"
        raise (OSError(exc.errno, text) if exc.errno else OSError(text)) from exc
