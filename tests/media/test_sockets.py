"""The real sockets: who is heard where, and that the port stays ours alone."""

from __future__ import annotations

import select
import socket
import time

import pytest

from ivrbench.media.arena import PromptArena
from ivrbench.media.messages import CloseCall, OpenCall
from ivrbench.media.plane import MediaPlane
from ivrbench.media.sockets import Datagram, UdpPoller, UdpRtcpSocket, UdpRtpSocket

from .lab import stream
from .own_address import OWN_IP

pytestmark = pytest.mark.net


def bound(ip: str = OWN_IP) -> socket.socket:
    """A UDP socket on any port, which nobody else takes while it is closed."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((ip, 0))
    sock.settimeout(5)
    return sock


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_peer_and_strangers_are_kept_apart(ip: str) -> None:
    """After `connect` only the peer is read; others turn up as strays; a new peer replaces it."""
    ours, peer, other = bound(ip), bound(ip), bound(ip)
    local = ours.getsockname()
    rtp = UdpRtpSocket(ours)
    peer.sendto(b"early", local)
    rtp.connect(peer.getsockname()[:2])
    peer.sendto(b"peer", local)
    other.sendto(b"other", local)
    buffer = memoryview(bytearray(100))
    assert bytes(buffer[: rtp.recv_into(buffer)]) == b"peer"
    with pytest.raises(BlockingIOError):
        rtp.recv_into(buffer)
    assert rtp.stray() == Datagram(b"early", peer.getsockname()[:2])
    assert rtp.stray() == Datagram(b"other", other.getsockname()[:2])
    assert rtp.stray() is None
    rtp.send(b"hello")
    assert peer.recv(100) == b"hello"
    rtp.connect(other.getsockname()[:2])
    peer.sendto(b"peer", local)
    other.sendto(b"other", local)
    assert bytes(buffer[: rtp.recv_into(buffer)]) == b"other"
    assert rtp.stray() == Datagram(b"peer", peer.getsockname()[:2])
    rtp.close()
    for sock in (peer, other):
        sock.close()


def test_port_is_exclusive_and_freed() -> None:
    """Nobody can bind beside us, also not with SO_REUSEADDR; after `close` everybody can."""
    ours, peer = bound(), bound()
    local = ours.getsockname()
    rtp = UdpRtpSocket(ours)
    rtp.connect(peer.getsockname())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            thief.bind(local)
        rtp.close()
        thief.bind(local)
    peer.close()


@pytest.mark.parametrize("peer", [("localhost", 5000), ("127.0.0.1", 99_999), ("::1", 5000)])
def test_unusable_peers(peer: tuple[str, int]) -> None:
    """Host names are not looked up, other families and ports refused; the old peer stays."""
    ours, good = bound(), bound()
    rtp = UdpRtpSocket(ours)
    rtp.connect(good.getsockname())
    with pytest.raises(OSError, match="port|illegal"):
        rtp.connect(peer)
    rtp.send(b"still")
    assert good.recv(10) == b"still"
    rtp.close()
    good.close()


def test_unreachable_port_is_survived() -> None:
    """ICMP port unreachable: the plane goes on and reaches the port when it is there again."""
    ours, rtcp, far = bound(), bound(), bound()
    there = far.getsockname()
    far.close()
    plane = MediaPlane(PromptArena(1).memory, UdpPoller())
    sockets = (UdpRtpSocket(ours), UdpRtcpSocket(rtcp))
    plane.apply(OpenCall(1, stream(remote_rtp=there, remote_rtcp=there)), 0.0, sockets)
    for n in range(1, 41):
        plane.tick(n * 0.005)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.bind(there)
        back.settimeout(5)
        for n in range(41, 60):
            plane.tick(n * 0.005)
        assert len(back.recv(2000)) == 172
    plane.apply(CloseCall(1), 1.0)
    plane.close(1.0)


def test_packets_are_stamped_while_somebody_watches() -> None:
    """`arrived_s` is when the kernel got the packet, on the clock of the ticks."""
    ours, far = bound(), bound()
    rtp = UdpRtpSocket(ours)
    rtp.connect(far.getsockname())
    buffer = memoryview(bytearray(100))
    for watched in (False, True, False):
        rtp.stamp(watched)
        before_s = time.monotonic()
        far.sendto(b"x" * 50, ours.getsockname())
        assert rtp._peer_socket is not None
        select.select([rtp._peer_socket], [], [], 5.0)
        assert rtp.recv_into(buffer) == 50
        if watched:
            assert before_s - 0.01 < rtp.arrived_s < time.monotonic() + 0.01
        else:
            assert rtp.arrived_s == 0.0
    rtp.connect(far.getsockname())  # another socket, and the switch stays
    rtp.stamp(True)
    rtp.close()
    far.close()
