"""MixedIn: the second file of an `IvrAudioMixIn` while it is queued or plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.media.messages import ClipPart, MixInPart

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.audiofile import OpenAudio
    from ivrbench.scriptapi.audioitems import MixInSettings

    from .call import Prompt

__all__ = ["MixedIn"]


class MixedIn:
    """What is heard over the prompt of an item.

    Args:
        settings: what the script chose; its second file is open.
    """

    def __init__(self, settings: MixInSettings) -> None:
        self._settings = settings
        self._audio = settings.second.opened()
        self._prompt: Prompt | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self._audio.name

    def encode(self, make: Callable[[OpenAudio, str], Prompt], form: str) -> None:
        """Have the file in this form from now on. Raises what `make` raises."""
        old, self._prompt = self._prompt, make(self._audio, form)
        if old is not None:
            old.release()

    def part(self, first: ClipPart) -> MixInPart:
        """Both files, for the worker."""
        assert self._prompt is not None, "it has been encoded"
        settings = self._settings
        return MixInPart(
            first,
            self._prompt.part(settings.second.loop),
            settings.interval_s * 1000,
            settings.level,
            settings.finish,
            settings.once,
            settings.immediate,
        )

    def release(self) -> None:
        """The item is over."""
        if self._prompt is not None:
            self._prompt.release()
            self._prompt = None
