"""The process that has a port."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.signalling import port_owner
from ivrbench.engine.signalling.port_owner import owner_of

if TYPE_CHECKING:
    from pathlib import Path

LINUX = pytest.mark.skipif(not port_owner.PROC.joinpath("net").exists(), reason="needs /proc")


@LINUX
@pytest.mark.parametrize(
    ("transport", "kind", "ip"),
    [
        ("udp", socket.SOCK_DGRAM, "127.0.0.1"),
        ("udp", socket.SOCK_DGRAM, "::1"),
        ("tls", socket.SOCK_STREAM, "127.0.0.1"),
    ],
)
def test_ourselves(transport: str, kind: socket.SocketKind, ip: str) -> None:
    """UDP as it is bound, the others as they listen; IPv6 too."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, kind) as taken:
        try:
            taken.bind((ip, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        if kind is socket.SOCK_STREAM:
            taken.listen()
        owner = owner_of(transport, taken.getsockname()[1])
    assert owner.startswith(f"pid {os.getpid()} (")


@LINUX
def test_nobody() -> None:
    """A free port has no owner; nothing listens on the first one since tcpmux."""
    assert owner_of("udp", 1) == ""


def test_where_nothing_can_be_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other systems have no /proc."""
    monkeypatch.setattr(port_owner, "PROC", tmp_path)
    assert owner_of("udp", 5060) == ""
