"""The engine's SIP sockets: UDP and TCP, IPv4 and IPv6; they move bytes and know nothing of SIP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ivrbench.errors import IvrbenchError
from ivrbench.sip.flow import Flow, host_port

from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.flow import Address

__all__ = ["Listener", "PortTaken", "Transports", "local_address_towards"]

log = logging.getLogger("ivrbench.sip")

DATAGRAMS_PER_WAKE: Final = 32
"""Datagrams taken before other work of the loop gets its turn."""
MAX_DATAGRAM_BYTES: Final = 65_535
RECEIVE_BUFFER_BYTES: Final = 4 << 20
"""Asked of the kernel: a burst of 1000 calls of 1 kB messages while a tick is late."""
PORTS_TRIED: Final = 100
"""How far `next_free` looks."""
CONNECT_WITHIN_S: Final = 8.0
MAX_CONNECTIONS: Final = 4096


class PortTaken(IvrbenchError):
    """A listener's address cannot be had.

    Attributes:
        transport: "udp" or "tcp".
        ip: the address.
        port: the port.
    """

    def __init__(self, transport: str, ip: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot listen on {transport}:{host_port(ip, port)}: {reason}"
            + (
                "; another program has that port. Choose another with --listen, "
                "or let ivrbench take the next one with --next-free-port"
                if reason == "port in use"
                else ""
            )
        )
        self.transport = transport
        self.ip = ip
        self.port = port


@dataclass(frozen=True, slots=True)
class Listener:
    """One open listener."""

    transport: str
    ip: str
    port: int
    wanted_port: int
    """The port asked for; 0 = any."""


class Transports:
    """All sockets SIP goes through.

    Args:
        deliver: called with each message and its flow.
        failed: called with a flow that is gone and the reason.
        settled: called after each batch of messages, so that answers go out together.
    """

    def __init__(
        self,
        deliver: Callable[[bytes, Flow], None],
        failed: Callable[[Flow, str], None],
        settled: Callable[[], None],
    ) -> None:
        self.deliver = deliver
        self.failed = failed
        self.settled = settled
        self.listeners: list[Listener] = []
        self.send_errors = 0
        self._udp: dict[Address, socket.socket] = {}
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, Connection] = {}
        self._by_remote: dict[Address, int] = {}
        self._dialling: dict[Address, list[tuple[bytes, Flow]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = 0

    async def open(
        self, transport: str, ip: str, port: int, *, next_free: bool = False
    ) -> Listener:
        """Open one listener.

        Args:
            transport: "udp" or "tcp".
            ip: numeric address.
            port: 0 = any free one.
            next_free: take the next free port instead of failing.

        Raises:
            PortTaken: the address or port cannot be had.
        """
        tried = PORTS_TRIED if next_free and port else 1
        for offset in range(tried):
            try:
                taken = await self._open_at(transport, ip, port + offset if port else 0)
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE and offset + 1 < tried:
                    continue
                reason = "port in use" if exc.errno == errno.EADDRINUSE else exc.strerror
                raise PortTaken(transport, ip, port, reason or str(exc)) from exc
            listener = Listener(transport, ip, taken, port)
            self.listeners.append(listener)
            return listener
        raise PortTaken(transport, ip, port, f"the {PORTS_TRIED} ports from here are all in use")

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message; a failure is told through `failed`, never raised."""
        if flow.transport == "udp":
            self._send_datagram(data, flow)
            return
        known = flow.connection_id or self._by_remote.get(flow.remote, 0)
        connection = self._connections.get(known)
        if connection is not None:
            connection.send(data)
        elif flow.connection_id:
            self.failed(flow, "the connection is closed")
        else:
            self._dial(data, flow)

    def close(self) -> None:
        """Close everything."""
        loop = asyncio.get_running_loop()
        for udp in self._udp.values():
            loop.remove_reader(udp)
            udp.close()
        for server in self._servers:
            server.close()
        for connection in list(self._connections.values()):
            connection.close()
        for task in self._tasks:
            task.cancel()
        self._udp.clear()

    async def _open_at(self, transport: str, ip: str, port: int) -> int:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, kind)
        try:
            sock.setblocking(False)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if transport != "udp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((ip, port))
            address = cast("Address", sock.getsockname()[:2])
            if transport == "udp":
                self._listen_udp(sock, address)
            else:
                server = await asyncio.get_running_loop().create_server(self._accepted, sock=sock)
                self._servers.append(server)
        except BaseException:
            sock.close()
            raise
        return address[1]

    def _listen_udp(self, sock: socket.socket, address: Address) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._udp[address] = sock
        any_address = ipaddress.ip_address(address[0]).is_unspecified
        asyncio.get_running_loop().add_reader(sock, self._readable, sock, address, any_address)

    def _readable(self, sock: socket.socket, local: Address, any_address: bool) -> None:
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, remote = sock.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                # ICMP "port unreachable" for something we sent: the transaction will time out.
                continue
            ours = (local_address_towards(remote[0]), local[1]) if any_address else local
            self.deliver(data, Flow("udp", ours, (remote[0], remote[1])))
        self.settled()

    def _send_datagram(self, data: bytes, flow: Flow) -> None:
        sock = self._udp.get(flow.local) or self._udp_on_port(flow)
        if sock is None:
            self.failed(flow, "no UDP listener sends there")
            return
        try:
            sock.sendto(data, flow.remote)
        except OSError as exc:
            # A full buffer is a lost datagram, and SIP repeats it; the rest will not get better.
            self.send_errors += 1
            if not isinstance(exc, BlockingIOError):
                log.info("%s: not sent: %s", flow, exc.strerror)

    def _udp_on_port(self, flow: Flow) -> socket.socket | None:
        """The wildcard listener behind a concrete local address."""
        any_ip = "::" if ":" in flow.local[0] else "0.0.0.0"
        return self._udp.get((any_ip, flow.local[1]))

    def _accepted(self) -> Connection:
        return Connection(self._joined, self.deliver, self._left, self.settled)

    def _joined(self, connection: Connection) -> int:
        """Take a new connection into the table; 0 refuses it."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return 0
        self._last_id += 1
        self._connections[self._last_id] = connection
        self._by_remote[connection.remote] = self._last_id
        return self._last_id

    def _left(self, connection: Connection, reason: str) -> None:
        flow = connection.flow
        self._connections.pop(flow.connection_id, None)
        if self._by_remote.get(flow.remote) == flow.connection_id:
            del self._by_remote[flow.remote]
        self.failed(flow, reason)
        self.settled()

    def _dial(self, data: bytes, flow: Flow) -> None:
        waiting = self._dialling.setdefault(flow.remote, [])
        waiting.append((data, flow))
        if len(waiting) == 1:
            task = asyncio.get_running_loop().create_task(self._connect(flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, flow: Flow) -> None:
        loop = asyncio.get_running_loop()
        reason = ""
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await loop.create_connection(self._accepted, *flow.remote)
        except TimeoutError:
            reason = "nobody answered the connection"
        except OSError as exc:
            reason = exc.strerror or str(exc)
        connection = self._connections.get(self._by_remote.get(flow.remote, 0))
        for data, asked in self._dialling.pop(flow.remote, []):
            if connection is None:
                self.failed(asked, reason or "the connection closed at once")
            else:
                connection.send(data)
        self.settled()


_towards: dict[str, str] = {}
MAX_REMEMBERED: Final = 1024


def local_address_towards(remote_ip: str) -> str:
    """The address of ours that packets to `remote_ip` leave from; no packet is sent."""
    known = _towards.get(remote_ip)
    if known is None:
        family = socket.AF_INET6 if ":" in remote_ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((remote_ip, 9))  # any port: nothing is sent
                known = str(probe.getsockname()[0])
            except OSError:
                known = "::1" if ":" in remote_ip else "127.0.0.1"
        if len(_towards) >= MAX_REMEMBERED:
            _towards.clear()
        _towards[remote_ip] = known
    return known
