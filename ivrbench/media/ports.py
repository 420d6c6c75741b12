"""RTP port pairs: an even port for RTP and the next one for RTCP (RFC 3550 §11)."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field

from ivrbench.errors import MediaError

__all__ = ["PortPair", "PortPool"]

RECEIVE_BUFFER_BYTES = 64 * 1024
"""Kernel queue of one port: about 80 packets of 20 ms, 1.6 s; a flood cannot pin more memory."""

_UNUSABLE = {errno.EADDRINUSE, errno.EACCES}


@dataclass(slots=True)
class PortPair:
    """Two bound, non-blocking UDP sockets; `port` is the RTP port, `port + 1` is RTCP's."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket
    pool: PortPool | None = field(default=None, repr=False)

    def detach(self) -> tuple[int, int]:
        """Hand the descriptors (RTP, RTCP) over; who takes them closes them."""
        return self.rtp.detach(), self.rtcp.detach()

    def release(self) -> None:
        """Give the pair back: closes what was not detached. May be called twice.

        After `detach()`, call this when the new owner has closed its sockets (`CallClosed`).
        """
        self.rtp.close()
        self.rtcp.close()
        if self.pool is not None:
            self.pool._free(self.port)
            self.pool = None


class PortPool:
    """Hands out port pairs of one address within a range.

    It walks the range, so a port that was given back rests for a whole round before it is used
    again and late packets of an old call do not reach a new one.

    Args:
        ip: IPv4 or IPv6 address to bind.
        low: lowest port, rounded up to even.
        high: highest port, RTCP included.

    Raises:
        MediaError: the range holds no even port with its odd neighbour.
    """

    def __init__(self, ip: str, low: int, high: int) -> None:
        self._ip = ip
        self._family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._ports = range(low + (low & 1), high, 2)
        if not self._ports or not 0 < low <= 65535 or high > 65535:
            raise MediaError(f"RTP ports {low}-{high} hold no even port followed by an odd one")
        self._next = 0
        self._used: set[int] = set()

    def __repr__(self) -> str:
        first, last = self._ports[0], self._ports[-1] + 1
        return f"PortPool({self._ip} {first}-{last}, {self.in_use} of {len(self._ports)} in use)"

    @property
    def in_use(self) -> int:
        """Pairs handed out and not yet released."""
        return len(self._used)

    def allocate(self) -> PortPair:
        """Bind the next free pair.

        Returns:
            The pair; its owner calls `release()` in the end.

        Raises:
            MediaError: every port of the range is taken, or the address is not ours.
        """
        for _ in range(len(self._ports)):
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            if port in self._used:
                continue
            pair = self._bind_pair(port)
            if pair is not None:
                self._used.add(port)
                return pair
        raise MediaError(
            f"all RTP ports {self._ports[0]}-{self._ports[-1] + 1} of {self._ip} are taken "
            f"({self.in_use} by calls): raise rtp_high_port"
        )

    def _bind_pair(self, port: int) -> PortPair | None:
        rtp = self._bind(port)
        if rtp is None:
            return None
        rtcp = self._bind(port + 1)
        if rtcp is None:
            rtp.close()
            return None
        return PortPair(port, rtp, rtcp, self)

    def _bind(self, port: int) -> socket.socket | None:
        """A socket on `port`, None if somebody else has it."""
        try:
            sock = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError as exc:
            raise MediaError(f"no RTP socket: {exc.strerror}; raise the open file limit") from exc
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.bind((self._ip, port))
        except OSError as exc:
            sock.close()
            if exc.errno in _UNUSABLE:
                return None
            raise MediaError(f"cannot bind RTP port {self._ip}:{port}: {exc.strerror}") from exc
        return sock

    def _free(self, port: int) -> None:
        self._used.discard(port)
