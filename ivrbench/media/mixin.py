"""Two clips mixed: the second comes in over the first, again and again (`IvrAudioMixIn`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.media.bank import saturated
from ivrbench.media.codecs import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ivrbench.media.messages import ClipPart, MixInPart

__all__ = ["MixIn"]

PAUSES_BELOW: Final = 0.01
"""A level below: the second clip is heard alone, and the first waits for its end."""
NEVER: Final = 1 << 60


class _Voice:
    """One of the clips and how far it is."""

    def __init__(self, arena: NDArray[np.uint8], clip: ClipPart, form: str) -> None:
        codec = FORMS[form]
        self._law = codec.law
        kind = np.dtype(np.uint8 if codec.law is not None else np.int16)
        size = clip.n_samples * kind.itemsize
        self._samples = arena[clip.offset_bytes : clip.offset_bytes + size].view(kind)
        self.loop = clip.loop
        self.at = 0

    @property
    def left(self) -> int:
        """Samples until it ends."""
        if not len(self._samples):
            return 0
        return NEVER if self.loop else max(0, len(self._samples) - self.at)

    def take(self, n: int) -> NDArray[np.int16]:
        """The next samples; silence after its end."""
        if self.loop and len(self._samples):
            part = self._samples[(self.at + np.arange(n)) % len(self._samples)]
        else:
            part = self._samples[self.at : self.at + n]
        self.skip(n)
        pcm = part if self._law is None else self._law.decode(part)
        whole = np.zeros(n, np.int16)
        whole[: len(pcm)] = pcm
        return whole

    def skip(self, n: int) -> None:
        """Go on without listening."""
        self.at += n
        if self.loop and len(self._samples):
            self.at %= len(self._samples)


class MixIn:
    """An item's two clips, exact to the sample.

    Args:
        part: what is to be played.
        form: how the clips lie in the arena.
        arena: the prompts' bytes.
    """

    def __init__(self, part: MixInPart, form: str, arena: NDArray[np.uint8]) -> None:
        self._part = part
        self._form = form
        self._arena = arena
        self._interval = part.interval_ms * FORMS[form].rate_hz // 1000
        self.restart(loop=part.first.loop)

    def __repr__(self) -> str:
        return f"MixIn(at {self.position}, {'both' if self._mixing else 'first'})"

    def restart(self, *, loop: bool) -> None:
        """Begin anew; `loop`: whether the first clip goes round."""
        self._first = _Voice(self._arena, self._part.first, self._form)
        self._first.loop = loop
        self._second = _Voice(self._arena, self._part.second, self._form)
        self._mixing = False
        self._next_start = 0 if self._part.immediate else self._interval
        if not self._second.left:
            self._next_start = NEVER
        self.position = 0
        """Samples played."""

    def set_loop(self, loop: bool) -> None:
        """Let the first clip go round, or end."""
        self._first.loop = loop

    def seek(self, position: int) -> None:
        """Go to a place in what is heard."""
        self.restart(loop=self._first.loop)
        for n, first, second in self._stretches(position):
            if first:
                self._first.skip(n)
            if second:
                self._second.skip(n)

    def take(self, n: int) -> NDArray[np.int16]:
        """The next samples; less than `n` when it ends."""
        parts = [self._heard(*stretch) for stretch in self._stretches(n)]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)

    @property
    def ended(self) -> bool:
        """Nothing follows."""
        if self._mixing and (self._part.finish or self._pauses):
            return False
        return not self._first.left

    @property
    def _pauses(self) -> bool:
        return self._part.level < PAUSES_BELOW

    def _stretches(self, n: int) -> Iterator[tuple[int, bool, bool]]:
        """Stretches in which nothing changes, `n` samples in all: who is heard in each.

        Whoever asks moves the clips on before the next one.
        """
        while n > 0 and not self.ended:
            if not self._mixing and self.position >= self._next_start:
                self._mixing = True
                self._next_start = self.position + self._interval
            if not self._mixing:
                length = min(n, self._first.left, self._next_start - self.position)
            elif self._pauses or self._part.finish:
                length = min(n, self._second.left)
            else:
                length = min(n, self._second.left, self._first.left)
            yield length, not (self._mixing and self._pauses), self._mixing
            self.position += length
            n -= length
            if self._mixing and not self._second.left:
                self._mixing = False
                self._second.at = 0
                if self._part.once:
                    self._next_start = NEVER

    def _heard(self, n: int, first: bool, second: bool) -> NDArray[np.int16]:
        if not second:
            return self._first.take(n)
        if not first:
            return self._second.take(n)
        level = self._part.level
        return saturated(np.rint(self._first.take(n) * (1 - level) + self._second.take(n) * level))
