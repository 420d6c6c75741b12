"""`IvrAudioMixIn` in the worker: two clips mixed, exact to the sample (ivr-api §3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ivrbench.audio.codecs import g711
from ivrbench.media.messages import (
    ClipPart,
    FlushQueue,
    ItemEnded,
    MixInPart,
    PlayItem,
    QueueEmptied,
    SeekItem,
    SetLoop,
    SetSwitches,
)

from .lab import Lab, octets

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND = 8000
LAW = g711.PCMU


def pcm_of(seed: int, seconds: float) -> NDArray[np.int16]:
    """Audio of a clip."""
    return LAW.decode(np.frombuffer(octets(round(seconds * SECOND), seed), np.uint8))


A, B = pcm_of(1, 4.0), pcm_of(2, 0.5)


class Mixed:
    """A lab with a mix of A and B."""

    def __init__(self, a: NDArray[np.int16] = A, b: NDArray[np.int16] = B, **how: Any) -> None:
        """`how`: fields of `MixInPart`, and `loop`; of several types, hence Any."""
        self.lab = Lab()
        self.lab.open()
        first = self.lab.clip(LAW.encode(a).tobytes(), loop=how.pop("loop", False))
        second = self.lab.clip(LAW.encode(b).tobytes())
        fields = {"interval_ms": 1000, "level": 0.25, "finish": False, "once": False}
        self.part = MixInPart(first, second, **{**fields, "immediate": False, **how})

    def play(self) -> None:
        self.lab.apply(PlayItem(1, 1, self.part, 0))

    def heard(self, seconds: float) -> NDArray[np.int16]:
        """What the far end hears next."""
        self.lab.run(round(seconds * 1000))
        return LAW.decode(np.frombuffer(self.lab.audio(), np.uint8))


def mixed(a: NDArray[np.int16], b: NDArray[np.int16], level: float) -> NDArray[np.int16]:
    """A*(1-level) + B*level, as it comes over the wire."""
    both = np.rint(a * (1 - level) + b * level).astype(np.int16)
    return LAW.decode(LAW.encode(both))


def test_b_comes_in_every_interval() -> None:
    """After `interval` for the first time, then from start to start; A is whole between."""
    mix = Mixed()
    mix.play()
    heard = mix.heard(5.0)
    want = A.copy()
    for start in (1, 2, 3):
        span = slice(start * SECOND, start * SECOND + len(B))
        want[span] = mixed(A[span], B, 0.25)
    assert (heard[: len(A)] == want).all()
    assert not heard[len(A) :].any()
    (ended,) = mix.lab.of(ItemEnded)
    assert (ended.reason, ended.played_ms) == ("played", 4000)
    assert len(mix.lab.of(QueueEmptied)) == 1


def test_once_and_immediate() -> None:
    """At the beginning, and never again."""
    mix = Mixed(once=True, immediate=True)
    mix.play()
    want = A.copy()
    want[: len(B)] = mixed(A[: len(B)], B, 0.25)
    assert (mix.heard(4.0)[: len(A)] == want).all()


def test_a_low_level_pauses_a() -> None:
    """Below 0.01 B is heard alone, as loud as it is, and A goes on after it."""
    mix = Mixed(level=0.0)
    mix.play()
    heard = mix.heard(6.0)
    want = np.concatenate([A[:8000], B, A[8000:12_000], B, A[12_000:16_000], B])
    assert (heard[: len(want)] == want).all()


@pytest.mark.parametrize("finish", [False, True])
def test_finish(finish: bool) -> None:
    """When A ends while B is heard: B stops with it, or is heard to its end."""
    a = A[: 8000 + 2000]
    mix = Mixed(a, finish=finish)
    mix.play()
    heard = mix.heard(3.0)
    want = np.concatenate([a, np.zeros(2000, np.int16)])
    end = 12_000 if finish else 10_000
    want[8000:end] = mixed(want[8000:end], B[: end - 8000], 0.25)
    assert (heard[:12_000] == want).all()
    assert not heard[12_000:].any()


def test_b_longer_than_the_interval_starts_again_when_it_ends() -> None:
    """It never overlaps itself."""
    mix = Mixed(b=pcm_of(3, 1.5), level=1.0, once=False)
    mix.play()
    b = pcm_of(3, 1.5)
    want = np.concatenate([A[:8000], b, b])[: len(A)]
    assert (mix.heard(4.0)[: len(A)] == want[: len(A)]).all()


def test_a_loop_goes_on_until_told_otherwise() -> None:
    """A.loop: music on hold with an announcement; turned off, it ends with this round of A."""
    mix = Mixed(A[:4000], B[:800], loop=True, level=0.0)
    mix.play()
    assert mix.heard(3.0).any()
    mix.lab.apply(SetLoop(1, 1, False))
    mix.lab.run(1000)
    assert [event.reason for event in mix.lab.of(ItemEnded)] == ["played"]


def test_the_next_item_follows_without_a_gap() -> None:
    """As between any two items."""
    mix = Mixed(A[:16_000])
    mix.play()
    after = octets(1600, 9)
    mix.lab.item = 1
    mix.lab.play(mix.lab.clip(after))
    heard = mix.heard(2.4)
    assert (heard[16_000:17_600] == LAW.decode(np.frombuffer(after, np.uint8))).all()


def test_it_stands_still_while_detached() -> None:
    """And goes on where it was; a flush ends it."""
    mix = Mixed()
    mix.play()
    first = mix.heard(0.2)
    mix.lab.apply(SetSwitches(1, attached=False))
    mix.heard(3.0)
    mix.lab.apply(SetSwitches(1))
    rest = mix.heard(0.4)
    assert (np.concatenate([first, rest])[:4800] == A[:4800]).all()
    mix.lab.apply(FlushQueue(1))
    mix.lab.run(40)
    assert [event.reason for event in mix.lab.of(ItemEnded)] == ["flushed"]


def test_seek_is_by_what_is_heard() -> None:
    """Position 1.25 s: in the middle of B's first run, A as far as it was then."""
    mix = Mixed()
    mix.play()
    mix.heard(0.1)
    mix.lab.apply(SeekItem(1, 1, 10_000))
    heard = mix.heard(0.2)
    assert (heard[:1600] == mixed(A[10_000:11_600], B[2000:3600], 0.25)).all()


def test_clips_without_audio() -> None:
    """An empty B is never heard, an empty A ends at once."""
    mix = Mixed(A[:1600], B[:0])
    mix.play()
    assert (mix.heard(0.4)[:1600] == A[:1600]).all()
    empty = Mixed(A[:0])
    empty.part = MixInPart(ClipPart(0, 0), empty.part.second, 1000, 0.5, False, False, False)
    empty.play()
    empty.heard(0.1)
    assert [event.reason for event in empty.lab.of(ItemEnded)] == ["played"]
