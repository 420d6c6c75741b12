"""The prompt arena: shared, made once, bounded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from ivrbench.errors import MediaError
from ivrbench.media.arena import PromptArena, map_arena, silence_offset


def made(data: bytes) -> tuple[bytes, int, int]:
    """What a `make` function gives."""
    return data, 0xFF, 8000


def test_worker_sees_what_the_engine_puts_in() -> None:
    """One memory, two mappings; a clip is followed by silence."""
    arena = PromptArena(1)
    seen = map_arena(arena.fd, writable=False)
    clip = arena.clip("a", "PCMU", lambda: made(b"\x11" * 1000))
    assert bytes(seen[clip.offset : clip.offset + 1000]) == b"\x11" * 1000
    assert bytes(seen[clip.offset + 1000 : clip.offset + 1480]) == b"\xff" * 480
    assert seen[silence_offset("PCMA")] == 0xD5
    assert not seen.flags.writeable
    arena.close()


def test_clip_is_made_once() -> None:
    """The second user gets the same clip without making it, in each codec."""
    arena = PromptArena(1)
    calls = []

    def make() -> tuple[bytes, int, int]:
        calls.append(1)
        return made(bytes(800))

    first = arena.clip("a", "PCMU", make)
    assert arena.clip("a", "PCMU", make) is first
    assert first.pins == 2
    assert first.duration_ms == 100
    assert arena.clip("a", "PCMA", make) is not first
    assert len(calls) == 2


def test_concurrent_first_use_makes_once() -> None:
    """Eight script threads want the same prompt at the same time: one makes it, all get it."""
    arena = PromptArena(1)
    together = threading.Barrier(8)
    calls = []

    def make() -> tuple[bytes, int, int]:
        calls.append(1)
        return made(bytes(800))

    def use() -> int:
        together.wait()
        return arena.clip("a", "PCMU", make).offset

    with ThreadPoolExecutor(8) as threads:
        offsets = [future.result() for future in [threads.submit(use) for _ in range(8)]]
    assert len(calls) == 1
    assert len(set(offsets)) == 1


def test_failed_make_can_be_tried_again() -> None:
    """An error reaches the caller and is not remembered."""
    arena = PromptArena(1)

    def broken() -> tuple[bytes, int, int]:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        arena.clip("a", "PCMU", broken)
    assert arena.clip("a", "PCMU", lambda: made(b"x")).n_samples == 1


def test_least_recently_used_goes_first() -> None:
    """A full arena evicts unpinned clips, the oldest use first, and no pinned one."""
    arena = PromptArena(1)
    big = bytes(300_000)
    clips = {name: arena.clip(name, "PCMU", lambda: made(big)) for name in "abc"}
    for name in "bc":
        arena.unpin(clips[name])
    arena.unpin(arena.clip("b", "PCMU", lambda: made(big)))
    newest = arena.clip("d", "PCMU", lambda: made(big))
    assert newest.offset == clips["c"].offset
    assert arena.clip("a", "PCMU", lambda: made(b"")) is clips["a"]
    assert arena.clip("b", "PCMU", lambda: made(b"")) is clips["b"]


def test_full_arena_names_the_key() -> None:
    """All in use, or a prompt larger than the arena: the sentence says what to raise."""
    arena = PromptArena(1)
    arena.clip("a", "PCMU", lambda: made(bytes(900_000)))
    with pytest.raises(MediaError, match="prompt_memory_mb"):
        arena.clip("b", "PCMU", lambda: made(bytes(900_000)))
    with pytest.raises(MediaError, match="prompt_memory_mb"):
        arena.clip("c", "PCMU", lambda: made(bytes(2 << 20)))


def test_room_is_given_back_whole() -> None:
    """After all sizes came and went, one clip can have the whole arena."""
    arena = PromptArena(1)
    dice = np.random.default_rng(1)
    for number in range(300):
        size = int(dice.integers(1, 100_000))
        arena.unpin(arena.clip(number, "PCMU", partial(made, bytes(size))))
    assert arena.clip("all", "PCMU", lambda: made(bytes(1_000_000))).n_samples == 1_000_000
