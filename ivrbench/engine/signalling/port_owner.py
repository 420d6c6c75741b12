"""Who has a port that we wanted: for the sentence that says it is taken (Linux only)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["owner_of"]

PROC: Final = Path("/proc")
_TABLES: Final = {"udp": ("udp", "udp6")}
_TCP_TABLES: Final = ("tcp", "tcp6")
TCP_LISTEN: Final = "0A"


def owner_of(transport: str, port: int) -> str:
    """The process that has a port, "pid 3977 (asterisk)"; "" if that cannot be seen."""
    inodes = _sockets(transport, port)
    if not inodes:
        return ""
    for process in PROC.glob("[0-9]*"):
        try:
            links = (descriptor.readlink().name for descriptor in (process / "fd").iterdir())
            if any(link in inodes for link in links):
                return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return ""


def _sockets(transport: str, port: int) -> set[str]:
    """Sockets bound to the port, as links of descriptors name them: "socket:[12345]"."""
    found = set()
    for table in _TABLES.get(transport, _TCP_TABLES):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for text in lines:
            _, local, _, state, *_, inode = text.split()[:10]
            listens = transport == "udp" or state == TCP_LISTEN
            if listens and int(local.rpartition(":")[2], 16) == port:
                found.add(f"socket:[{inode}]")
    return found
