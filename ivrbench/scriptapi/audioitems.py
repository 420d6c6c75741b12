"""IvrNullAudio and IvrAudioMixIn: what can be played besides files (ivr-api §3.2, §3.3)."""

from __future__ import annotations

from typing import NoReturn

from ivrbench.scriptapi.arguments import need_int
from ivrbench.scriptapi.ivr import not_yet

__all__ = ["IvrAudioMixIn", "IvrNullAudio"]


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


class IvrAudioMixIn:
    """Two files mixed (ivr-api §3.2)."""

    def init(self, *args: object) -> NoReturn:
        """Choose files and levels.

        Raises:
            NotImplementedError: always, in this version.
        """
        not_yet("IvrAudioMixIn.init")
