"""Port pairs on real sockets of the loopback interface."""

from __future__ import annotations

import os
import socket

import pytest

from ivrbench.errors import MediaError
from ivrbench.media.ports import PortPool

from .own_address import OWN_IP

pytestmark = pytest.mark.net
LOW = 22_000
"""Below the ports that the kernel gives to whoever asks for any."""


@pytest.mark.parametrize("ip", [OWN_IP, "::1"], ids=["IPv4", "IPv6"])
def test_pair_is_even_and_next(ip: str) -> None:
    """RFC 3550 §11: RTP on the even port, RTCP on the one after it; non-blocking."""
    pool = PortPool(ip, LOW + 1, LOW + 999)
    pair = pool.allocate()
    assert pair.port % 2 == 0
    assert pair.rtp.getsockname()[:2] == (ip, pair.port)
    assert pair.rtcp.getsockname()[:2] == (ip, pair.port + 1)
    assert not pair.rtp.getblocking()
    pair.release()


def test_ports_rest_before_they_are_used_again() -> None:
    """A released port comes back only after the rest of the range had its turn."""
    pool = PortPool(OWN_IP, LOW, LOW + 9)
    seen = []
    for _ in range(6):
        pair = pool.allocate()
        seen.append(pair.port - LOW)
        pair.release()
    assert seen == [0, 2, 4, 6, 8, 0]
    assert pool.in_use == 0


def test_taken_ports_are_passed_over() -> None:
    """Somebody has the RTCP port of the first pair: the next pair is given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((OWN_IP, LOW + 1))
        pair = PortPool(OWN_IP, LOW, LOW + 9).allocate()
        assert pair.port == LOW + 2
        pair.release()


def test_exhausted_range_says_so() -> None:
    """The sentence names range and key; a released pair can be had again."""
    pool = PortPool(OWN_IP, LOW, LOW + 3)
    pairs = [pool.allocate(), pool.allocate()]
    with pytest.raises(MediaError, match=f"{LOW}-{LOW + 3} .* rtp_high_port"):
        pool.allocate()
    assert pool.in_use == 2
    pairs[0].release()
    pairs[0].release()
    assert pool.in_use == 1
    pool.allocate().release()
    pairs[1].release()


@pytest.mark.parametrize(("low", "high"), [(5000, 5000), (5001, 5002), (0, 10), (65_530, 70_000)])
def test_impossible_ranges(low: int, high: int) -> None:
    """A range without a pair is an error at once."""
    with pytest.raises(MediaError, match="no even port"):
        PortPool(OWN_IP, low, high)


def test_address_that_is_not_ours() -> None:
    """The sentence names the address."""
    with pytest.raises(MediaError, match=r"192\.0\.2\.77"):
        PortPool("192.0.2.77", LOW, LOW + 9).allocate()


def test_detached_sockets_stay_open() -> None:
    """After `detach` the descriptors belong to the taker; `release` frees the number."""
    pool = PortPool(OWN_IP, LOW, LOW + 9)
    pair = pool.allocate()
    fds = pair.detach()
    pair.release()
    assert pool.in_use == 0
    for fd in fds:
        os.close(fd)
