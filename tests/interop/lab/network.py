"""A loopback of our own, so that tests meet no other program's ports or packets."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .processes import PATIENCE_S

__all__ = ["Network", "free_port", "until_open"]

CLONE_NEWNET: Final = 0x4000_0000  # linux/sched.h
IP: Final = "127.0.0.1"
_TABLE: Final = "inet ivrbench_loss"
# Between the ports of an engine's audio and those that the kernel gives to whoever asks for any.
_LOWEST_PORT: Final = 22_000
_N_PORTS: Final = 1_250
_PORT_STEP: Final = 8  # some take the ports beside theirs too
_port_numbers = itertools.count(os.getpid())


@dataclass
class Network:
    """The network this process and its children use from now on."""

    isolated: bool
    """True: a network namespace of its own, gone with this process."""
    _lossy: bool = field(default=False, repr=False)

    @classmethod
    def enter(cls) -> Network:
        """Move into a namespace of our own where that is allowed (root), else stay."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            return cls(isolated=False)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            return cls(isolated=False)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return cls(isolated=True)

    def add_address(self, ip: str) -> None:
        """Have one more address; twice does no harm."""
        subprocess.run(["ip", "addr", "replace", f"{ip}/32", "dev", "lo"], check=True)

    def lose(self, percent: int) -> None:
        """Drop this share of all UDP packets that arrive, until `lose_nothing`."""
        rules = (
            f"table {_TABLE} {{ chain input {{ type filter hook input priority 0; "
            f"meta l4proto udp numgen random mod 100 < {percent} counter drop\n}}\n}}\n"
        )
        subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)
        self._lossy = True

    def dropped(self) -> int:
        """How many packets `lose` dropped so far."""
        listing = subprocess.run(
            ["nft", "list", "table", *_TABLE.split()], check=True, capture_output=True, text=True
        ).stdout
        return int(listing.partition("packets ")[2].split()[0])

    def lose_nothing(self) -> None:
        """End `lose`."""
        if self._lossy:
            subprocess.run(["nft", "delete", "table", *_TABLE.split()], check=True)
            self._lossy = False


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody uses at this moment, and nobody gets until it is used: none comes twice."""
    while True:
        port = _LOWEST_PORT + _PORT_STEP * (next(_port_numbers) % _N_PORTS)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((IP, port))
            except OSError:
                continue
        return port


async def until_open(port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> None:
    """Wait until somebody takes datagrams or connections at a port, without sending any."""
    table, state = ("udp", "07") if kind == socket.SOCK_DGRAM else ("tcp", "0A")
    mark = f":{port:04X} 00000000:0000 {state} "
    # Of the thread that entered the network, which need not be the process's first.
    path = Path(f"/proc/thread-self/net/{table}")
    async with asyncio.timeout(PATIENCE_S):
        while mark not in path.read_text():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.02)  # the kernel tells nobody
