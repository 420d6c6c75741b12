"""Datagrams: the UDP sockets SIP and its keepalives go through."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Final

from ivrbench.sip import stun
from ivrbench.sip.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.flow import Address

__all__ = ["Datagrams", "local_address_towards"]

log = logging.getLogger("ivrbench.sip")

DATAGRAMS_PER_WAKE: Final = 32
"""Datagrams taken before other work of the loop gets its turn."""
MAX_DATAGRAM_BYTES: Final = 65_535
RECEIVE_BUFFER_BYTES: Final = 4 << 20
"""Asked of the kernel: a burst of 1000 calls of 1 kB messages while a tick is late."""


class Datagrams:
    """All UDP sockets.

    Args:
        deliver: called with each message and its flow.
        failed: called with a flow nothing can be sent on, and the reason.
        settled: called after each batch of messages.
        bound: called with the answers to our STUN requests: flow, transaction id, our address as
            the peer sees it.
    """

    def __init__(
        self,
        deliver: Callable[[bytes, Flow], None],
        failed: Callable[[Flow, str], None],
        settled: Callable[[], None],
        bound: Callable[[Flow, bytes, Address], None],
    ) -> None:
        self.send_errors = 0
        self._deliver = deliver
        self._failed = failed
        self._settled = settled
        self._bound = bound
        self._sockets: dict[Address, socket.socket] = {}

    def listen(self, sock: socket.socket, address: Address) -> None:
        """Take what comes to a bound socket, which is closed with us."""
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._sockets[address] = sock
        any_address = ipaddress.ip_address(address[0]).is_unspecified
        asyncio.get_running_loop().add_reader(sock, self._readable, sock, address, any_address)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram."""
        sock = self._sockets.get(flow.local) or self._on_port(flow)
        if sock is None:
            self._failed(flow, "no UDP listener sends there")
            return
        try:
            sock.sendto(data, flow.remote)
        except OSError as exc:
            # A full buffer is a lost datagram, and SIP repeats it; the rest will not get better.
            self.send_errors += 1
            if not isinstance(exc, BlockingIOError):
                log.info("%s: not sent: %s", flow, exc.strerror)
                self._failed(flow, exc.strerror or str(exc))

    def close(self) -> None:
        """Close all."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets.values():
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

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
            flow = Flow("udp", ours, (remote[0], remote[1]))
            if stun.is_stun(data):
                self._stun(data, flow)
            else:
                self._deliver(data, flow)
        self._settled()

    def _stun(self, data: bytes, flow: Flow) -> None:
        message = stun.parse(data)
        if message is None:
            return
        if message.mapped is not None:
            self._bound(flow, message.transaction_id, message.mapped)
        elif message.is_request:
            # RFC 5626 §8: who asks on a SIP port learns the address its packets come from.
            self.send(stun.response(message.transaction_id, flow.remote), flow)

    def _on_port(self, flow: Flow) -> socket.socket | None:
        """The wildcard listener behind a concrete local address."""
        any_ip = "::" if ":" in flow.local[0] else "0.0.0.0"
        return self._sockets.get((any_ip, flow.local[1]))


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
