"""Prompt files as clips in the arena: each file is decoded once per codec, for all calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ivrbench.audio.codecs import g711
from ivrbench.audio.files import load_as
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ivrbench.media.arena import Clip, PromptArena

__all__ = ["PromptCache", "file_identity"]


def file_identity(path: str | os.PathLike[str]) -> Hashable:
    """What tells one content of a file from another: device, inode, time of change, size.

    Raises:
        OSError: the file is not there or may not be looked at.
    """
    status = os.stat(path)
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


class PromptCache:
    """Puts prompt files into the arena. Safe to call from script threads.

    Args:
        arena: where the clips go.
    """

    def __init__(self, arena: PromptArena) -> None:
        self._arena = arena

    def clip(self, path: str | os.PathLike[str], codec: str) -> Clip:
        """The file at `path` in a call's codec; comes pinned, `unpin()` it after use.

        A file that was replaced is read anew; calls that still play the old content keep it.

        Args:
            path: a WAV file.
            codec: encoding name as in SDP.

        Raises:
            OSError: the file cannot be opened or read.
            MediaError: it is no audio we know, there is no room, or no such codec.
        """
        law = g711.LAWS.get(codec)
        if law is None:
            raise MediaError(f"{os.fspath(path)}: there is no codec {codec} to play it with")

        def make() -> tuple[bytes, int, int]:
            pcm = load_as(path, SAMPLE_RATE_HZ)
            return law.encode(pcm).tobytes(), law.silence, SAMPLE_RATE_HZ

        return self._arena.clip(file_identity(path), codec, make)

    def unpin(self, clip: Clip) -> None:
        """The clip is not needed any more by the one who got it from `clip()`."""
        self._arena.unpin(clip)
