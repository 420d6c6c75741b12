"""A network in memory: sockets for the media plane in tests and in virtual time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ivrbench.media.sockets import Address, Datagram, RtcpSocket, RtpSocket

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MemoryNetwork", "MemoryPoller", "MemoryRtcpSocket", "MemoryRtpSocket", "MemorySocket"]


class MemoryNetwork:
    """Delivers datagrams at once, through `impair` if that is set.

    Attributes:
        impair: gets data, source and destination, gives the datagrams that arrive: none for
            loss, two for a duplicate; it may keep some for later calls to reorder them.
        refused: destinations where nobody listens; the next send to them raises.
        now: when packets arrive, for sockets that stamp them.
    """

    def __init__(self) -> None:
        self.impair: Callable[[bytes, Address, Address], list[bytes]] | None = None
        self.refused: set[Address] = set()
        self.now: Callable[[], float] = lambda: 0.0
        self._sockets: dict[Address, MemorySocket] = {}

    def __repr__(self) -> str:
        return f"MemoryNetwork({self.n_sockets} sockets)"

    @property
    def n_sockets(self) -> int:
        """Sockets that are open."""
        return len(self._sockets)

    def pair(self, ip: str, port: int) -> tuple[MemoryRtpSocket, MemoryRtcpSocket]:
        """An RTP and an RTCP socket."""
        return MemoryRtpSocket(self, (ip, port)), MemoryRtcpSocket(self, (ip, port + 1))

    def send(self, data: bytes, source: Address, to: Address) -> int:
        """Deliver a datagram. Raises ConnectionRefusedError as an ICMP error would."""
        if to in self.refused:
            raise ConnectionRefusedError(111, "Connection refused")
        arriving = [data] if self.impair is None else self.impair(data, source, to)
        receiver = self._sockets.get(to)
        for datagram in arriving if receiver is not None else ():
            assert receiver is not None, "there is somebody to send to"
            receiver.deliver(datagram, source)
        return len(data)

    def add(self, sock: MemorySocket) -> None:
        """A socket is bound."""
        assert sock.local not in self._sockets, f"{sock.local} is taken"
        self._sockets[sock.local] = sock

    def remove(self, sock: MemorySocket) -> None:
        """A socket is closed."""
        self._sockets.pop(sock.local, None)


class MemorySocket:
    """A bound datagram socket; also what the far end of a test uses."""

    def __init__(self, network: MemoryNetwork, local: Address) -> None:
        self.local = local
        self.network = network
        self.others: deque[Datagram] = deque()
        network.add(self)

    def deliver(self, data: bytes, source: Address) -> None:
        """A datagram arrives."""
        self.others.append(Datagram(data, source))

    def send_to(self, data: bytes, peer: Address) -> None:
        """Send to anybody."""
        self.network.send(bytes(data), self.local, peer)

    def receive(self) -> Datagram | None:
        """The oldest datagram that arrived."""
        return self.others.popleft() if self.others else None

    def close(self) -> None:
        """Give the address back."""
        self.network.remove(self)


class MemoryRtcpSocket(MemorySocket):
    """`RtcpSocket` in memory."""


class MemoryRtpSocket(MemorySocket):
    """`RtpSocket` in memory."""

    def __init__(self, network: MemoryNetwork, local: Address) -> None:
        super().__init__(network, local)
        self._peer: Address | None = None
        self._from_peer: deque[tuple[bytes, float]] = deque()
        self._stamps = False
        self.arrived_s = 0.0

    @property
    def direct_fd(self) -> int:
        return -1

    def stamp(self, on: bool) -> None:
        self._stamps, self.arrived_s = on, 0.0

    def deliver(self, data: bytes, source: Address) -> None:
        if source == self._peer:
            self._from_peer.append((data, self.network.now()))
        else:
            super().deliver(data, source)

    def send(self, data: memoryview | bytes, /) -> int:
        assert self._peer is not None, "send needs a peer"
        return self.network.send(bytes(data), self.local, self._peer)

    def recv_into(self, buffer: memoryview, /) -> int:
        if not self._from_peer:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        data, arrived_s = self._from_peer.popleft()
        data = data[: len(buffer)]
        buffer[: len(data)] = data
        self.arrived_s = arrived_s if self._stamps else 0.0
        return len(data)

    def connect(self, peer: Address) -> None:
        self._peer = peer
        self._from_peer.clear()

    def stray(self) -> Datagram | None:
        return self.receive()


class MemoryPoller:
    """`Poller` over sockets in memory."""

    def __init__(self) -> None:
        self._watched: dict[MemorySocket, tuple[int, bool]] = {}

    def __len__(self) -> int:
        """Sockets that are watched."""
        return len(self._watched)

    def add(self, sock: RtpSocket | RtcpSocket, token: tuple[int, bool]) -> None:
        assert isinstance(sock, MemorySocket), "only sockets in memory can be watched here"
        self._watched[sock] = token

    def remove(self, sock: RtpSocket | RtcpSocket) -> None:
        assert isinstance(sock, MemorySocket), "only sockets in memory can be watched here"
        del self._watched[sock]

    def ready(self) -> list[tuple[int, bool]]:
        return [token for sock, token in self._watched.items() if sock.others]
