"""What the media plane needs from the network, and how UDP gives it.

RTP is read from a socket that is connected to the peer, so the kernel itself drops everybody
else's packets before they cost anything. Those still arrive somewhere: at the *bound* socket that
the engine made, which stays open beside the connected one on the same port. There they are
counted, and there a peer behind NAT is found out.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from functools import partial
from typing import NamedTuple, Protocol

__all__ = [
    "Address",
    "Datagram",
    "Poller",
    "RtcpSocket",
    "RtpSocket",
    "UdpPoller",
    "UdpRtcpSocket",
    "UdpRtpSocket",
]

Address = tuple[str, int]

SO_TIMESTAMPNS = 35  # asm-generic/socket.h
STAMP = struct.Struct("qq")
STAMP_SPACE = socket.CMSG_SPACE(STAMP.size)
MAX_DATAGRAM_BYTES = 2048
"""An Ethernet frame is 1500; anything longer is not for us."""


class Datagram(NamedTuple):
    """A packet from somebody."""

    data: bytes
    source: Address


class RtpSocket(Protocol):
    """A call's RTP port."""

    @property
    def arrived_s(self) -> float:
        """When the packet read last came, on the clock of the ticks; 0.0: that is not known."""

    @property
    def direct_fd(self) -> int:
        """The descriptor that `send` and `recv_into` use, -1 where they do more than that."""

    def stamp(self, on: bool) -> None:
        """Know `arrived_s` from now on, or not any more."""

    def send(self, data: memoryview | bytes, /) -> int:
        """Send to the peer. Raises OSError; only after `connect`."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read one packet of the peer. Raises BlockingIOError when there is none."""

    def connect(self, peer: Address) -> None:
        """Talk to `peer` from now on. Raises OSError if it cannot be reached at all."""

    def stray(self) -> Datagram | None:
        """One packet of somebody else (or of the peer, from before `connect`)."""

    def close(self) -> None:
        """Give the port back."""


class RtcpSocket(Protocol):
    """A call's RTCP port."""

    def send_to(self, data: bytes, peer: Address) -> None:
        """Send; raises OSError."""

    def receive(self) -> Datagram | None:
        """One packet, None if there is none."""

    def close(self) -> None:
        """Give the port back."""


class Poller(Protocol):
    """Tells which of the seldom used sockets have something to read."""

    def add(self, sock: RtpSocket | RtcpSocket, token: tuple[int, bool]) -> None:
        """Watch for strays of an RTP socket or packets of an RTCP socket."""

    def remove(self, sock: RtpSocket | RtcpSocket) -> None:
        """Stop watching, before `close`."""

    def ready(self) -> list[tuple[int, bool]]:
        """Tokens of sockets with something to read, without waiting."""


class UdpRtpSocket:
    """`RtpSocket` on a bound UDP socket, which it owns."""

    def __init__(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        self._bound = bound
        self._peer_socket: socket.socket | None = None
        self.arrived_s = 0.0
        self._stamps = False
        self._monotonic_minus_wall_s = 0.0
        self._read_from(bound)

    def fileno(self) -> int:
        return self._bound.fileno()

    @property
    def direct_fd(self) -> int:
        if self._peer_socket is None or self._stamps:
            return -1
        return self._peer_socket.fileno()

    def connect(self, peer: Address) -> None:
        _check(self._bound, peer)
        fresh = socket.socket(self._bound.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._bind_beside(fresh)
            fresh.connect(peer)
        except OSError:
            fresh.close()
            raise
        self._drop_early(fresh)
        if self._peer_socket is not None:
            self._peer_socket.close()
        self._peer_socket = fresh
        self._read_from(fresh)

    def stamp(self, on: bool) -> None:
        # Only while somebody watches: one socket that asks for it makes the kernel stamp every
        # packet of the machine, measured as 5 % of a call's cost.
        self._stamps = on
        self.arrived_s = 0.0
        self._monotonic_minus_wall_s = time.monotonic() - time.time()
        self._read_from(self._peer_socket or self._bound)

    def _read_from(self, sock: socket.socket) -> None:
        self.send = sock.send
        self.recv_into = partial(self._read_stamped, sock) if self._stamps else sock.recv_into
        with contextlib.suppress(OSError):  # without it, times are those of the ticks
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, self._stamps)

    def _read_stamped(self, sock: socket.socket, buffer: memoryview, /) -> int:
        n_bytes, ancillary, _, _ = sock.recvmsg_into([buffer], STAMP_SPACE)
        for _, kind, data in ancillary:
            if kind == SO_TIMESTAMPNS and len(data) == STAMP.size:
                seconds, nanoseconds = STAMP.unpack(data)
                wall_s = seconds + nanoseconds / 1e9
                self.arrived_s = wall_s + self._monotonic_minus_wall_s
        return n_bytes

    def stray(self) -> Datagram | None:
        return _receive(self._bound)

    def close(self) -> None:
        if self._peer_socket is not None:
            self._peer_socket.close()
        self._bound.close()

    def _bind_beside(self, fresh: socket.socket) -> None:
        """Bind to the port we already have. Sharing is allowed for this moment only."""
        ours = [self._bound, fresh]
        if self._peer_socket is not None:
            ours.append(self._peer_socket)
        for sock in ours:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        buffer_bytes = self._bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        # The kernel doubles what it is given, for its own book-keeping.
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes // 2)
        fresh.bind(self._bound.getsockname())
        for sock in ours:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    @staticmethod
    def _drop_early(fresh: socket.socket) -> None:
        """Throw away what strangers sent between bind and connect."""
        with contextlib.suppress(OSError):
            while True:
                fresh.recv(1)


class UdpRtcpSocket:
    """`RtcpSocket` on a bound UDP socket, which it owns."""

    def __init__(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        self._bound = bound

    def fileno(self) -> int:
        return self._bound.fileno()

    def send_to(self, data: bytes, peer: Address) -> None:
        _check(self._bound, peer)
        self._bound.sendto(data, peer)

    def receive(self) -> Datagram | None:
        return _receive(self._bound)

    def close(self) -> None:
        self._bound.close()


class UdpPoller:
    """`Poller` by epoll."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._tokens: dict[int, tuple[int, bool]] = {}

    def add(self, sock: RtpSocket | RtcpSocket, token: tuple[int, bool]) -> None:
        assert isinstance(sock, UdpRtpSocket | UdpRtcpSocket), "epoll needs real sockets"
        self._tokens[sock.fileno()] = token
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def remove(self, sock: RtpSocket | RtcpSocket) -> None:
        assert isinstance(sock, UdpRtpSocket | UdpRtcpSocket), "epoll needs real sockets"
        del self._tokens[sock.fileno()]
        self._epoll.unregister(sock.fileno())

    def ready(self) -> list[tuple[int, bool]]:
        return [self._tokens[fd] for fd, _ in self._epoll.poll(0, 64)]


def _check(sock: socket.socket, peer: Address) -> None:
    """Raise OSError for no address: looking up a host name would stop all calls."""
    socket.inet_pton(sock.family, peer[0])
    if not 0 < peer[1] <= 0xFFFF:
        raise OSError(errno.EINVAL, f"no port: {peer[1]}")


def _receive(sock: socket.socket) -> Datagram | None:
    # No time stamps, though round-trip times would gain by them: see `UdpRtpSocket.stamp`.
    try:
        data, source = sock.recvfrom(MAX_DATAGRAM_BYTES)
    except OSError:  # nothing there, or an ICMP error of an earlier send
        return None
    return Datagram(data, (source[0], source[1]))
