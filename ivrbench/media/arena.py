"""The prompt arena: one piece of shared memory with prompts in the forms of calls' codecs.

The engine fills it and decides what stays; the worker only reads. The memory is an anonymous
file whose descriptor the worker inherits, so nothing is left behind however a process ends.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ivrbench.errors import MediaError
from ivrbench.media.codecs import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

__all__ = ["RESERVED_BYTES", "Clip", "PromptArena", "map_arena", "silence_offset"]

PAD_MS = 60
"""Silence kept after each clip, so that its last, padded frame reads as it is sent."""
SILENCE_BYTES = 5824
"""Silence of one form: the longest frame, 60 ms of 48 kHz, rounded up to `ALIGN_BYTES`."""
RESERVED_BYTES = SILENCE_BYTES * len(FORMS)
"""Start of the arena, which holds silence; never part of a clip."""
ALIGN_BYTES = 64
"""Clips start on cache lines."""


@dataclass(slots=True, eq=False)
class Clip:
    """A prompt in the arena.

    Attributes:
        offset: byte offset of its first sample.
        n_samples: length in samples.
        rate_hz: sample rate.
        pins: users; a clip with none may be evicted.
    """

    offset: int
    n_samples: int
    rate_hz: int
    pins: int
    size_bytes: int

    @property
    def duration_ms(self) -> int:
        """Playing time."""
        return self.n_samples * 1000 // self.rate_hz


class PromptArena:
    """The engine's side: finds room, remembers what lies where, evicts the least recently used.

    Safe to call from script threads. A clip is made once, also when several threads ask for it
    at the same time.

    Args:
        size_mb: size of the memory (`prompt_memory_mb`).
    """

    def __init__(self, size_mb: int = 64) -> None:
        self._size = size_mb << 20
        self.fd = os.memfd_create("ivrbench-prompts", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, self._size)
        self.memory: NDArray[np.uint8] = map_arena(self.fd, writable=True)
        for form, codec in FORMS.items():
            start = silence_offset(form)
            silence = codec.law.silence if codec.law is not None else 0
            self.memory[start : start + SILENCE_BYTES] = silence
        self._lock = threading.Lock()
        self._clips: OrderedDict[Hashable, Clip] = OrderedDict()
        self._making: dict[Hashable, Future[None]] = {}
        self._holes: list[tuple[int, int]] = [(RESERVED_BYTES, self._size)]

    def __repr__(self) -> str:
        return f"PromptArena({len(self._clips)} clips, {self.used_bytes} of {self._size} bytes)"

    @property
    def used_bytes(self) -> int:
        """Bytes that clips take now."""
        return self._size - RESERVED_BYTES - sum(end - start for start, end in self._holes)

    def clip(
        self,
        key: Hashable,
        form: str,
        make: Callable[[], tuple[bytes, int, int]],
    ) -> Clip:
        """The clip for `key` in `form`, made if it is not there. It comes pinned once.

        Args:
            key: what it is made from, e.g. a file's identity.
            form: how its samples are to lie there, see `codecs.FORMS`.
            make: gives the samples in that form, the byte of silence, the sample rate in Hz; may
                take long and is called without any lock held.

        Returns:
            The clip; call `unpin()` when no queued item needs it any more.

        Raises:
            MediaError: no room. Also whatever `make` raises.
        """
        name = (key, form)
        while True:
            with self._lock:
                found = self._clips.get(name)
                if found is not None:
                    self._clips.move_to_end(name)
                    found.pins += 1
                    return found
                made = self._making.get(name)
                mine = made is None
                if made is None:
                    made = self._making[name] = Future()
            if mine:
                return self._make(name, made, make, FORMS[form].sample_bytes)
            made.result()

    def pin(self, clip: Clip) -> None:
        """Keep a clip that is already pinned for one user more."""
        with self._lock:
            clip.pins += 1

    def unpin(self, clip: Clip) -> None:
        """One user less."""
        with self._lock:
            assert clip.pins > 0, "a clip was unpinned more often than pinned"
            clip.pins -= 1

    def close(self) -> None:
        """Close the descriptor; the mapping goes with the last array that looks at it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _make(
        self,
        name: Hashable,
        made: Future[None],
        make: Callable[[], tuple[bytes, int, int]],
        sample_bytes: int,
    ) -> Clip:
        try:
            data, silence, rate_hz = make()
            with self._lock:
                clip = self._store(data, silence, rate_hz, sample_bytes)
                self._clips[name] = clip
        except BaseException as exc:
            self._settle(name)
            made.set_exception(exc)
            raise
        self._settle(name)
        made.set_result(None)
        return clip

    def _settle(self, name: Hashable) -> None:
        with self._lock:
            del self._making[name]

    def _store(self, data: bytes, silence: int, rate_hz: int, sample_bytes: int) -> Clip:
        pad = rate_hz * PAD_MS // 1000 * sample_bytes
        need = -(-(len(data) + pad) // ALIGN_BYTES) * ALIGN_BYTES
        offset = self._take(need)
        end = offset + len(data)
        self.memory[offset:end] = np.frombuffer(data, np.uint8)
        self.memory[end : offset + need] = silence
        return Clip(offset, len(data) // sample_bytes, rate_hz, pins=1, size_bytes=need)

    def _take(self, need: int) -> int:
        """Offset of `need` free bytes, evicting unpinned clips, oldest first."""
        while True:
            for index, (start, end) in enumerate(self._holes):
                if end - start >= need:
                    self._holes[index] = (start + need, end)
                    if start + need == end:
                        del self._holes[index]
                    return start
            victim = next((k for k, c in self._clips.items() if c.pins == 0), None)
            if victim is None:
                raise MediaError(
                    f"no room for a prompt of {need} bytes: all of the {self._size >> 20} MB are "
                    "in use by prompts now playing or queued; raise prompt_memory_mb"
                )
            gone = self._clips.pop(victim)
            self._give_back(gone.offset, gone.offset + gone.size_bytes)

    def _give_back(self, start: int, end: int) -> None:
        holes = sorted([*self._holes, (start, end)])
        merged = holes[:1]
        for low, high in holes[1:]:
            if low == merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        self._holes = merged


def map_arena(fd: int, *, writable: bool) -> NDArray[np.uint8]:
    """The arena behind `fd` as bytes.

    Args:
        fd: its descriptor; may be closed afterwards.
        writable: True for the engine, False for the worker.
    """
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    memory = mmap.mmap(fd, os.fstat(fd).st_size, flags=mmap.MAP_SHARED, prot=protection)
    return np.frombuffer(memory, np.uint8)


def silence_offset(form: str) -> int:
    """Where in the arena, in bytes, a frame of a form's silence lies."""
    return list(FORMS).index(form) * SILENCE_BYTES
