"""The engine's SIP sockets: UDP, TCP, TLS and WebSocket, IPv4 and IPv6; they move bytes."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ivrbench.errors import IvrbenchError
from ivrbench.sip.flow import Flow, host_port

from .connections import Connections, Tls
from .datagrams import Datagrams, local_address_towards
from .large_requests import LargeRequests
from .port_owner import owner_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.flow import Address

__all__ = ["Listener", "PortTaken", "Transports"]

PORTS_TRIED: Final = 100
"""How far `next_free` looks."""


class PortTaken(IvrbenchError):
    """A listener's address cannot be had.

    Attributes:
        transport: "udp", "tcp", "tls", "ws" or "wss".
        ip: the address.
        port: the port.
    """

    def __init__(self, transport: str, ip: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot listen on {transport}:{host_port(ip, port)}: {reason}"
            + (
                f"; {owner_of(transport, port) or 'another program'} has that port. "
                "Choose another with --listen, "
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
        in_use: tells whether a call or transaction lives on a flow.
        admit: tells whether an address may connect at all.
        tls: certificates and what to trust.

    Attributes:
        listeners: what was opened.
        connections: all that is not UDP.
        datagrams: all that is.
        bound: called with the answer to a STUN request: flow, transaction id, our address as the
            peer sees it.
    """

    def __init__(
        self,
        deliver: Callable[[bytes, Flow], None],
        failed: Callable[[Flow, str], None],
        settled: Callable[[], None],
        in_use: Callable[[Flow], bool] = lambda _: True,
        admit: Callable[[str], bool] = lambda _: True,
        tls: Tls | None = None,
    ) -> None:
        self.listeners: list[Listener] = []
        self.bound: Callable[[Flow, bytes, Address], None] = lambda *_: None
        self.connections = Connections(deliver, failed, settled, in_use, admit, tls or Tls())
        self.datagrams = Datagrams(deliver, failed, settled, lambda *binding: self.bound(*binding))
        self._large = LargeRequests(self.connections, self.datagrams.send)

    async def open(
        self, transport: str, ip: str, port: int, *, next_free: bool = False
    ) -> Listener:
        """Open one listener.

        Args:
            transport: "udp", "tcp", "tls", "ws" or "wss".
            ip: numeric address.
            port: 0 = any free one.
            next_free: take the next free port instead of failing.

        Raises:
            PortTaken: the address or port cannot be had.
        """
        tried = PORTS_TRIED if next_free and port else 1
        for offset in range(tried):
            try:
                taken = self._open_at(transport, ip, port + offset if port else 0)
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
        if flow.transport != "udp":
            self.connections.send(data, flow)
        elif not self._large.take(data, flow):
            self.datagrams.send(data, flow)

    def keep_alive(self, flow: Flow, every_s: float) -> None:
        """Ping the peer of a flow's connection; it is closed when no answer comes."""
        connection = self.connections.find(flow)
        if connection is not None:
            connection.keep_alive_s = every_s

    def local(self, transport: str, remote_ip: str) -> Address | None:
        """The address of ours that stands in Via and Contact of what goes to `remote_ip`.

        Returns:
            that of the listener the peer can answer to; None if nothing can be sent there. Where
            no listener of a transport but UDP is open, the port is 0: the peer has to use the
            connection.
        """
        version = ipaddress.ip_address(remote_ip).version
        towards = local_address_towards(remote_ip)
        best: Address | None = None
        for listener in self.listeners:
            ip = ipaddress.ip_address(listener.ip)
            if listener.transport != transport or ip.version != version:
                continue
            if listener.ip == towards or ip.is_unspecified:
                return towards, listener.port
            best = best or (listener.ip, listener.port)
        return best or (None if transport == "udp" else (towards, 0))

    def close(self) -> None:
        """Close everything."""
        self.connections.close()
        self.datagrams.close()

    def _open_at(self, transport: str, ip: str, port: int) -> int:
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
                self.datagrams.listen(sock, address)
            else:
                self.connections.listen(transport, sock)
        except BaseException:
            sock.close()
            raise
        return address[1]
