"""What scripts can have done with what is said: recording whole calls, hearing silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.scriptapi.arguments import need_int
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.ivr import AUDIO_WRITE

if TYPE_CHECKING:
    from ivrbench.scriptapi.port import CallPort

__all__ = ["Listening"]


class Listening:
    """Methods of every `IvrDialog`, beside those of the reference server."""

    __slots__ = ()
    _ivrbench_port: CallPort

    def record_call(self, file: str | IvrAudioFile, stereo: bool = True) -> IvrAudioFile:
        """Record the whole call from now on, whatever the playlist does.

        `close()` of the file ends it; `pause()` and `resume()` leave a piece out. One file at a
        time: the next one takes over. `onRecordingEnded` tells if it ended early.

        Args:
            file: name of the file, or one that is open for writing.
            stereo: True: the caller left, what the caller hears right; False: both together.

        Returns:
            the file.

        Raises:
            OSError: it cannot be written.
            ValueError: it is not open for writing.
        """
        if isinstance(file, str):
            name, file = file, IvrAudioFile()
            file.open(name, AUDIO_WRITE)
        if not file.opened().writing:
            raise ValueError(f"record_call() needs a file opened with AUDIO_WRITE, not {file!r}")
        file.stereo = stereo
        self._ivrbench_port.record_call(file)
        return file

    def detect_silence(self, ms: int) -> None:
        """Have `onSilence(ms)` called each time the caller has been silent for so long.

        Args:
            ms: milliseconds; 0: not any more.

        Raises:
            ValueError: it is negative.
        """
        limit_ms = need_int("detect_silence", 1, ms)
        if limit_ms < 0:
            raise ValueError(f"detect_silence() needs 0 or more milliseconds, not {limit_ms}")
        self._ivrbench_port.watch_silence(limit_ms)
