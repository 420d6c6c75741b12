"""Readings: how much memory the engine has taken, and how much the machine has."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .budget import MIB, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MemoryReader", "limit_bytes_for", "machine_memory_bytes"]

AUTO_SHARE: Final = 0.6
"""With the reserve above it three quarters: the rest is for media workers, prompts and others."""
STATUS_BYTES: Final = 4096
"""More than the file has."""
_USED: Final = (
    re.compile(rb"^RssAnon:\s*(\d+) kB", re.M),
    re.compile(rb"^VmSwap:\s*(\d+) kB", re.M),
)
_DATA: Final = re.compile(rb"^VmData:\s*(\d+) kB", re.M)
_TOTAL: Final = re.compile(rb"^MemTotal:\s*(\d+) kB", re.M)
_V1_LIMIT: Final = "memory.limit_in_bytes"
_V2_LIMIT: Final = "memory.max"


class MemoryReader:
    """Reads a file of `/proc` again and again, with as little memory of its own as can be.

    Args:
        path: the status of the process.

    Raises:
        OSError: there is none, so this is not Linux; or it does not say what is asked for.
    """

    def __init__(self, path: Path = Path("/proc/self/status")) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.read()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read(self) -> Reading:
        """How it is now.

        Raises:
            OSError: the file does not say.
        """
        text = os.pread(self._fd, STATUS_BYTES, 0)
        return Reading(sum(_kb(each, text) for each in _USED) << 10, _kb(_DATA, text) << 10)


def _kb(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.search(text)
    if found is None:
        raise OSError(f"no {pattern.pattern!r} in the status of the process")
    return int(found[1])


def machine_memory_bytes(root: Path = Path("/")) -> int:
    """What this machine has, or the control group that we are in, if that is less.

    Args:
        root: where `proc` and `sys` are.

    Returns:
        Bytes; 0 where it cannot be known.
    """
    try:
        found = _TOTAL.search((root / "proc/meminfo").read_bytes())
    except OSError:
        return 0
    if found is None:
        return 0
    return min([int(found[1]) << 10, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    """Limits of our control group and of those it is in, of either version."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _, _, rest = group.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            top, name = root / "sys/fs/cgroup", _V2_LIMIT
        elif "memory" in controllers.split(","):
            top, name = root / "sys/fs/cgroup/memory", _V1_LIMIT
        else:
            continue
        # In a container the path may be the host's: then the limit is that of the topmost folder.
        folder = top / path.strip("/")
        for each in (folder, *folder.parents):
            try:
                yield int((each / name).read_text())
            except (OSError, ValueError):  # not there, or "max"
                pass
            if each == top:
                break


def limit_bytes_for(max_memory_mb: int | None, machine_bytes: int) -> int:
    """What the engine may use.

    Args:
        max_memory_mb: the setting: MiB, 0 for no limit, None for `auto`.
        machine_bytes: what `machine_memory_bytes` gave.

    Returns:
        Bytes; 0: there is no limit.
    """
    if max_memory_mb is None:
        return int(machine_bytes * AUTO_SHARE)
    return max_memory_mb * MIB
