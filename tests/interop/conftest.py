"""Real peers: which of them are here, and the network they meet the engine on."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from .lab.network import Network
from .lab.sound import tone, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PACKAGES = {
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "tmux": "tmux",
    "nft": "nftables",
    "kamailio": "kamailio kamailio-tls-modules kamailio-websocket-modules",
    "sipsak": "sipsak",
    "svmap": "sipvicious",
    "pulseaudio": "pulseaudio libasound2-plugins",
    "libportaudio2": "libportaudio2",
    "pactl": "pulseaudio-utils",
    "chromium": "chromium",
}
"""Debian package of each program."""


@pytest.fixture(scope="session")
def network() -> Network:
    """The loopback of these tests, their own where that is allowed."""
    return Network.enter()


@pytest.fixture(scope="session")
def need(network: Network) -> Callable[[str], None]:
    """Skip where a peer is not there; fail instead where all of them have to be."""

    def check(what: str) -> None:
        if what == "own network":
            missing = "" if network.isolated else "needs root for a network of its own"
        else:
            missing = (
                "" if shutil.which(what) else f"{what} is missing: apt install {PACKAGES[what]}"
            )
        if missing and os.environ.get("IVRBENCH_REQUIRE_PEERS"):
            pytest.fail(missing)
        if missing:
            pytest.skip(missing)

    return check


@pytest.fixture
def lossless(network: Network) -> Iterator[Network]:
    """The network, with all losses taken back afterwards."""
    yield network
    network.lose_nothing()


@pytest.fixture
def caller_wav(tmp_path: Path) -> Path:
    """What the caller says: 440 Hz for two minutes, longer than any test."""
    return write_wav(tmp_path / "caller.wav", tone(440.0, 120.0))
