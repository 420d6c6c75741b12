"""IvrNullAudio and IvrAudioMixIn: what can be played besides files (ivr-api §3.2, §3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from ivrbench.scriptapi.arguments import need_int, need_number
from ivrbench.scriptapi.audiofile import IvrAudioFile

__all__ = ["IvrAudioMixIn", "IvrNullAudio", "MixInSettings"]


class IvrNullAudio:
    """Silence of a given length as a play item."""

    def __new__(cls, *args: object, **kwargs: object) -> IvrNullAudio:
        made = super().__new__(cls)
        made._read_ms = None
        return made

    _read_ms: int | None
    """None until `init` was called."""

    def init(self, read_ms: int = -1, write_ms: int = -1, /) -> None:
        """Make it usable.

        Args:
            read_ms: length of the silence from its first use; -1: for ever.
            write_ms: accepted; nothing can be recorded into silence.
        """
        need_int("init", 2, write_ms)
        self._read_ms = need_int("init", 1, read_ms)

    def setReadLength(self, ms: int, /) -> None:
        """Change the length of the silence; -1: for ever.

        Raises:
            ValueError: before `init`.
        """
        length_ms = need_int("setReadLength", 1, ms)
        self.length_ms()
        self._read_ms = length_ms

    def setWriteLength(self, ms: int, /) -> None:
        """Accepted; nothing can be recorded into silence.

        Raises:
            ValueError: before `init`.
        """
        need_int("setWriteLength", 1, ms)
        self.length_ms()

    def length_ms(self) -> int:
        """Length of the silence in milliseconds, -1: for ever. For the engine.

        Raises:
            ValueError: before `init`.
        """
        if self._read_ms is None:
            raise ValueError("IvrNullAudio: call init() before using it")
        return self._read_ms


@dataclass(frozen=True, slots=True)
class MixInSettings:
    """What `IvrAudioMixIn.init` was given."""

    first: IvrAudioFile
    second: IvrAudioFile
    interval_s: int
    level: float
    finish: bool
    once: bool
    immediate: bool


class IvrAudioMixIn:
    """A file over which another one is heard from time to time (ivr-api §3.2).

    Without `init` it is silence that never ends.
    """

    def __new__(cls, *args: object, **kwargs: object) -> IvrAudioMixIn:
        made = super().__new__(cls)
        made._settings = None
        return made

    _settings: MixInSettings | None

    def init(
        self,
        a: IvrAudioFile,
        b: IvrAudioFile,
        interval_s: int,
        level: float,
        finish: int = 0,
        once: int = 0,
        immediate: int = 0,
        /,
    ) -> None:
        """Choose files and levels; both files are open when it is enqueued.

        Args:
            a: what is heard all the time; when it ends, the item ends.
            b: what comes in, again and again.
            interval_s: seconds from one start of `b` to the next, and until the first.
            level: how loud `b` is, 0 to 1; `a` has the rest meanwhile. Below 0.01 `b` is heard
                alone, and `a` waits.
            finish: true: when `a` ends, `b` is heard to its end.
            once: true: `b` comes only once.
            immediate: true: `b` comes at the beginning for the first time.

        Raises:
            TypeError: something else than files and numbers.
            ValueError: `interval_s` is negative, or `level` is not 0 to 1.
        """
        for position, file in enumerate((a, b), 1):
            if not isinstance(file, IvrAudioFile):
                raise TypeError(f"init() argument {position} must be an IvrAudioFile, not {file!r}")
        seconds = need_int("init", 3, interval_s)
        if seconds < 0:
            raise ValueError(f"init() needs an interval of 0 or more seconds, not {seconds}")
        share = need_number("init", 4, level)
        if not 0 <= share <= 1:
            raise ValueError(f"init() needs a level of 0 to 1, not {share:g}")
        flags = (need_int("init", 5 + n, flag) for n, flag in enumerate((finish, once, immediate)))
        self._settings = MixInSettings(a, b, seconds, share, *map(bool, flags))

    @property
    def settings(self) -> MixInSettings | None:
        """What `init` was given; for the engine."""
        return self._settings
