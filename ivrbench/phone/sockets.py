"""The sockets of one call: SIP over UDP or TCP, and the RTP/RTCP pair."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Final

from ivrbench.errors import MediaError, RemoteProtocolError, SipError
from ivrbench.sip.flow import Address, Flow, host_port
from ivrbench.sip.framer import StreamFramer

__all__ = ["DatagramPort", "SipSocket", "TcpSip", "UdpSip", "local_address_for", "open_rtp_pair"]

MAX_DATAGRAM_BYTES: Final = 65_535
IP_RECVERR: Final = 11
"""Linux's `IP_RECVERR`, which Python 3.11 does not name."""
IPV6_RECVERR: Final = 25
RTP_PAIR_TRIES: Final = 64
CONNECT_TIMEOUT_S: Final = 5.0

OnDatagram = Callable[[bytes, Address], None]
OnMessage = Callable[[bytes, Flow], None]
OnFailure = Callable[[Flow, str], None]


def _family_of(host: str) -> socket.AddressFamily:
    """The address family of a numeric address."""
    return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET


def local_address_for(remote: Address) -> str:
    """Our address as `remote` would see it, found without sending anything.

    Raises:
        SipError: there is no route.
    """
    with socket.socket(_family_of(remote[0]), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(remote)
        except OSError as exc:
            raise SipError(f"no way to {host_port(*remote)}: {exc.strerror}") from exc
        return str(probe.getsockname()[0])


class DatagramPort:
    """A UDP socket read by the event loop; errors the network reports about a peer are heard.

    Args:
        host: numeric address to bind.
        port: port to bind, 0 for any.
        on_datagram: gets (bytes, source).
        on_error: gets (destination, sentence) when a datagram could not be delivered.
    """

    def __init__(
        self,
        host: str,
        port: int,
        on_datagram: OnDatagram,
        on_error: Callable[[Address, str], None] | None = None,
    ) -> None:
        self._on_datagram = on_datagram
        self._on_error = on_error
        self._socket = socket.socket(_family_of(host), socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((host, port))
            if on_error and sys.platform == "linux":
                self._ask_for_errors()
        except OSError:
            self._socket.close()
            raise
        name = self._socket.getsockname()
        self.local: Address = (name[0], name[1])
        """The address bound."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def _ask_for_errors(self) -> None:
        if self._socket.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read."""
        self._loop = loop
        loop.add_reader(self._socket, self._read)

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram; a failure loses only this one, and is told to `on_error`."""
        try:
            self._socket.sendto(data, remote)
        except BlockingIOError:
            return  # The queue of the network card is full: as good as lost on the way.
        except OSError as exc:
            self._tell(remote, exc)

    def close(self) -> None:
        """Stop reading and free the port."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError as exc:
                self._read_error(exc)
                continue
            self._on_datagram(data, (source[0], source[1]))

    def _read_error(self, exc: OSError) -> None:
        """Find out which destination an error is about; the error queue has to be emptied."""
        if self._on_error is None or sys.platform != "linux":
            return
        with contextlib.suppress(BlockingIOError):
            while True:
                _, _, _, about = self._socket.recvmsg(0, 1024, socket.MSG_ERRQUEUE)
                if about:
                    self._tell((about[0], about[1]), exc)

    def _tell(self, remote: Address, exc: OSError) -> None:
        if self._on_error is not None:
            self._on_error(remote, _reason(exc))


def _reason(exc: OSError) -> str:
    if exc.errno == errno.ECONNREFUSED:
        return "nobody listens there"
    return exc.strerror or str(exc)


def open_rtp_pair(
    host: str, on_rtp: OnDatagram, on_rtcp: OnDatagram
) -> tuple[DatagramPort, DatagramPort]:
    """Bind an even port for RTP and the next one for RTCP (RFC 3550 §11).

    Raises:
        MediaError: no such pair is free.
    """
    for _ in range(RTP_PAIR_TRIES):
        rtp = DatagramPort(host, 0, on_rtp)
        if rtp.local[1] % 2 == 0:
            try:
                return rtp, DatagramPort(host, rtp.local[1] + 1, on_rtcp)
            except OSError:
                pass  # The odd port is taken: try another pair.
        rtp.close()
    raise MediaError(f"no pair of free UDP ports on {host} for the audio")


class SipSocket:
    """What carries the SIP messages of one call.

    Args:
        on_message: gets each message and the flow it came by.
        on_failure: gets the flow that failed and why.
    """

    local: Address
    """Our address."""
    first_flow: Flow
    """The flow to the target, for the INVITE."""

    def __init__(self, on_message: OnMessage, on_failure: OnFailure) -> None:
        self._on_message = on_message
        self._on_failure = on_failure

    async def open(self, host: str, remote: Address) -> None:
        """Get ready to send to `remote` from our address `host`."""
        raise NotImplementedError

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message by `flow`."""
        raise NotImplementedError

    def close(self) -> None:
        """Free everything."""
        raise NotImplementedError


class UdpSip(SipSocket):
    """SIP over UDP."""

    async def open(self, host: str, remote: Address) -> None:
        """Bind any port of `host` and begin to read.

        Raises:
            OSError: the address is not ours.
        """
        self.listen(host, 0)
        self.first_flow = Flow("udp", self.local, remote)

    def listen(self, host: str, port: int) -> None:
        """Bind a port, any with 0, and begin to read: to be called, there is no `first_flow`.

        Raises:
            OSError: the address is not ours, or the port is taken.
        """
        self._port = DatagramPort(host, port, self._received, self._failed)
        self._port.start(asyncio.get_running_loop())
        self.local = self._port.local

    def send(self, data: bytes, flow: Flow) -> None:
        self._port.send(data, flow.remote)

    def close(self) -> None:
        self._port.close()

    def _received(self, data: bytes, source: Address) -> None:
        self._on_message(data, Flow("udp", self.local, source))

    def _failed(self, remote: Address, reason: str) -> None:
        self._on_failure(Flow("udp", self.local, remote), reason)


class TcpSip(SipSocket):
    """SIP over TCP: one connection to the target, and a listener for requests that come by another.

    Flows show the listener's address as ours, so that Via and Contact name a port that accepts
    connections (RFC 3261 §18.1.1), while the bytes go by the connection.
    """

    async def open(self, host: str, remote: Address) -> None:
        """Listen at `host` and connect to `remote`.

        Raises:
            SipError: nobody accepts the connection.
        """
        self._connections: dict[int, _Connection] = {}
        self._count = 0
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, 0)
        name = self._server.sockets[0].getsockname()
        self.local = (name[0], name[1])
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(lambda: _Connection(self), *remote)
        except OSError as exc:
            self.close()
            reason = "no answer" if isinstance(exc, TimeoutError) else _reason(exc)
            raise SipError(f"no TCP connection to {host_port(*remote)}: {reason}") from exc
        except asyncio.CancelledError:
            self.close()
            raise
        self.first_flow = connection.flow

    def send(self, data: bytes, flow: Flow) -> None:
        connection = self._connections.get(flow.connection_id) or next(
            (known for known in self._connections.values() if known.flow.remote == flow.remote),
            None,
        )
        if connection is None:
            self._on_failure(flow, "the connection is closed")
        else:
            connection.transport.write(data)

    def close(self) -> None:
        self._server.close()
        for connection in list(self._connections.values()):
            connection.transport.close()

    def opened(self, connection: _Connection, remote: Address) -> Flow:
        """Number a new connection."""
        self._count += 1
        self._connections[self._count] = connection
        return Flow("tcp", self.local, remote, self._count)

    def closed(self, flow: Flow) -> None:
        """Forget a connection that is gone."""
        if self._connections.pop(flow.connection_id, None):
            self._on_failure(flow, "the connection was closed")

    def message(self, data: bytes, flow: Flow) -> None:
        """Pass a whole message on."""
        self._on_message(data, flow)


class _Connection(asyncio.Protocol):
    """One TCP connection, cut into messages."""

    transport: asyncio.Transport
    flow: Flow

    def __init__(self, owner: TcpSip) -> None:
        self._owner = owner
        self._framer = StreamFramer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a stream has a stream transport"
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.flow = self._owner.opened(self, (peer[0], peer[1]))

    def data_received(self, data: bytes) -> None:
        self._framer.receive(data)
        try:
            while (message := self._framer.next_message()) is not None:
                self._owner.message(message, self.flow)
        except RemoteProtocolError:
            # RFC 3261 §18.3: where the next message starts is lost, and the connection with it.
            self.transport.close()
        pong = self._framer.to_send()
        if pong:
            self.transport.write(pong)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.closed(self.flow)
