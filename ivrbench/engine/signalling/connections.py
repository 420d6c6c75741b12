"""Connections: all TCP, TLS and WebSocket connections, those that come in and those we make."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.flow import Flow, host_port
from ivrbench.sip.headers import parse_via

from .connection import HANDSHAKE_WITHIN_S, Connection
from .framing import StreamFraming, WebSocketFraming

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from ivrbench.sip.flow import Address

    from .framing import Framing

__all__ = ["MAX_CONNECTIONS", "MAX_PER_SOURCE", "Connections", "Tls"]

log = logging.getLogger("ivrbench.sip")

MAX_CONNECTIONS: Final = 4096
MAX_PER_SOURCE: Final = 512
"""From one address; an office behind one NAT has that many telephones."""
CONNECT_WITHIN_S: Final = 8.0
SWEEP_S: Final = 2.0
"""How often time-outs are looked at."""
NO_FILES_PAUSE_S: Final = 1.0
"""How long nothing is accepted when the system has no more file descriptors."""
MAX_WAITING: Final = 64
"""Messages that wait for one connection to come up."""


class Tls(NamedTuple):
    """The two sides' settings; None where there are none."""

    server: ssl.SSLContext | None = None
    client: ssl.SSLContext | None = None


class _Waiting(NamedTuple):
    """A message whose connection is not up yet."""

    data: bytes
    flow: Flow
    failed: Callable[[Flow, str], None]


class Connections:
    """Accepts, dials, finds again, and closes.

    Args:
        deliver: called with each message and its flow.
        failed: called with a flow that is gone and the reason.
        settled: called after each batch of messages.
        in_use: tells whether a call or transaction lives on a flow.
        admit: tells whether an address may connect at all.
        tls: certificates and what to trust.
    """

    def __init__(
        self,
        deliver: Callable[[bytes, Flow], None],
        failed: Callable[[Flow, str], None],
        settled: Callable[[], None],
        in_use: Callable[[Flow], bool],
        admit: Callable[[str], bool],
        tls: Tls,
    ) -> None:
        self.settled = settled
        self.refused = 0
        """Connections that were not let in."""
        self._deliver = deliver
        self._failed = failed
        self._in_use = in_use
        self._admit = admit
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._by_id: dict[int, Connection] = {}
        self._by_peer: dict[tuple[str, Address], int] = {}
        self._dialling: dict[Flow, list[_Waiting]] = {}
        self._per_source: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def listen(self, transport: str, sock: socket.socket) -> None:
        """Accept connections on a bound socket, which is closed with us."""
        secure = transport in ("tls", "wss")
        assert self._tls.server is not None or not secure, "TLS without settings would be plain"
        sock.listen(128)
        self._spawn(self._accept(transport, sock))

    def send(
        self, data: bytes, flow: Flow, failed: Callable[[Flow, str], None] | None = None
    ) -> None:
        """Send one message, after connecting if the flow has no connection.

        Args:
            data: the message.
            flow: where to.
            failed: called instead of the usual one if it cannot be sent.
        """
        connection = self.find(flow)
        if connection is not None:
            if not flow.connection_id and failed is None:
                connection.asked.add(flow)
            connection.send(data)
        elif flow.connection_id:
            (failed or self._failed)(flow, "the connection is closed")
        else:
            self._dial(_Waiting(data, flow, failed or self._failed))

    def find(self, flow: Flow) -> Connection | None:
        """The connection messages for `flow` go through, None if there is none."""
        known = flow.connection_id or self._by_peer.get((flow.transport, flow.remote), 0)
        connection = self._by_id.get(known)
        # RFC 5923 §9: a connection may be used again only for a name its peer was checked for.
        if connection is not None and flow.host and connection.flow.host != flow.host:
            return None
        return connection

    def is_dialling(self, flow: Flow) -> bool:
        """True while a connection for `flow` is being made."""
        return flow in self._dialling

    def close(self) -> None:
        """Close everything."""
        self._sweeping.cancel()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._by_id.values()):
            connection.close("ivrbench ends")

    # --- what a connection tells --------------------------------------------------------------

    def joined(self, connection: Connection) -> int:
        """A connection is up."""
        if len(self._by_id) >= MAX_CONNECTIONS:
            self.refused += 1
            return 0
        self._last_id += 1
        self._by_id[self._last_id] = connection
        self._reach(connection, self._last_id, connection.remote)
        return self._last_id

    def deliver(self, connection: Connection, message: bytes) -> None:
        """A message came."""
        flow = connection.flow
        if flow.connection_id not in self._by_id:
            return
        if b";alias" in message[:1000] and not message.startswith(b"SIP/2.0"):
            self._take_alias(connection, message)
        self._deliver(message, flow)

    def left(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        flow = connection.flow
        del self._by_id[flow.connection_id]
        for peer in connection.peers:
            if self._by_peer.get(peer) == flow.connection_id:
                del self._by_peer[peer]
        for each in (flow, *connection.asked):
            self._failed(each, reason)
        self.settled()

    def _take_alias(self, connection: Connection, message: bytes) -> None:
        """Use this connection for requests to the address the peer says it listens on."""
        head = message[:1000].decode("utf-8", "replace")
        value = next((v for n, v in _lines(head) if n in ("via", "v")), "")
        try:
            via = parse_via(value)
        except RemoteProtocolError:
            return
        flow = connection.flow
        # RFC 5923 §8.1: only who proved to be the peer may have its requests. Over TCP the
        # address is all there is, so an alias moves nothing but the port.
        trusted = connection.peer_verified or flow.transport == "tcp"
        if "alias" not in via.params or not trusted or via.host.strip("[]") != flow.remote[0]:
            return
        port = via.port or (5061 if flow.transport == "tls" else 5060)
        self._reach(connection, flow.connection_id, (flow.remote[0], port))

    def _reach(self, connection: Connection, number: int, remote: Address) -> None:
        """Messages to `remote` go by this connection, unless another one leads there."""
        peer = (connection.name, remote)
        if self._by_peer.setdefault(peer, number) == number:
            connection.peers.add(peer)

    # --- connections that come in -------------------------------------------------------------

    async def _accept(self, transport: str, listening: socket.socket) -> None:
        with listening:
            while True:
                try:
                    sock, address = await self._loop.sock_accept(listening)
                except OSError as exc:
                    log.warning("%s: nothing is accepted: %s", transport, exc.strerror)
                    await asyncio.sleep(NO_FILES_PAUSE_S)
                    continue
                source = str(address[0])
                crowded = self._per_source[source] >= MAX_PER_SOURCE
                if crowded or len(self._by_id) >= MAX_CONNECTIONS or not self._admit(source):
                    self.refused += 1
                    sock.close()
                    continue
                self._per_source[source] += 1
                self._spawn(self._take(transport, sock, source))

    async def _take(self, transport: str, sock: socket.socket, source: str) -> None:
        """Bring an accepted connection up and count it until it is gone."""
        secure = transport in ("tls", "wss")
        framing = WebSocketFraming.server() if transport in ("ws", "wss") else StreamFraming()
        gone = self._loop.create_future()
        try:
            await self._loop.connect_accepted_socket(
                lambda: _Counted(self._loop.time, self, transport, framing, gone),
                sock,
                ssl=self._tls.server if secure else None,
                ssl_handshake_timeout=HANDSHAKE_WITHIN_S if secure else None,
            )
            await gone
        except OSError as exc:  # ssl.SSLError is one.
            log.info("%s: %s from %s: %s", transport, "handshake", source, _why(exc))
            sock.close()
        finally:
            self._per_source[source] -= 1
            if not self._per_source[source]:
                del self._per_source[source]

    # --- connections we make ------------------------------------------------------------------

    def _dial(self, message: _Waiting) -> None:
        waiting = self._dialling.setdefault(message.flow, [])
        if len(waiting) >= MAX_WAITING:
            message.failed(message.flow, "too many messages wait for the connection")
            return
        waiting.append(message)
        if len(waiting) == 1:
            self._spawn(self._connect(message.flow))

    async def _connect(self, flow: Flow) -> None:
        secure = flow.transport in ("tls", "wss")
        assert self._tls.client is not None or not secure, "TLS without settings would be plain"
        name = flow.host or flow.remote[0]
        framing: Framing = StreamFraming()
        if flow.transport in ("ws", "wss"):
            framing = WebSocketFraming.client(name, flow.remote[1], secure)
        connection = Connection(self._loop.time, self, flow.transport, framing, dialled=flow)
        reason = ""
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._loop.create_connection(
                    lambda: connection,
                    *flow.remote,
                    ssl=self._tls.client if secure else None,
                    server_hostname=name if secure else None,
                )
        except TimeoutError:
            reason = "nobody answered the connection"
        except (OSError, ValueError) as exc:  # ValueError: a name no certificate can have.
            reason = _why(exc)
        if not reason and connection.flow.connection_id not in self._by_id:
            reason = "the connection closed at once"
        if reason:
            log.info("%s to %s: %s", flow.transport, host_port(*flow.remote), reason)
        self._dialled(connection, self._dialling.pop(flow, []), reason)

    def _dialled(self, connection: Connection, waiting: list[_Waiting], reason: str) -> None:
        """Send what waited for a connection, or tell why it is not sent."""
        for data, asked, failed in waiting:
            if reason:
                failed(asked, reason)
            else:
                if failed == self._failed:
                    connection.asked.add(asked)
                connection.send(data)
        self.settled()

    # --- time -----------------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        now = self._loop.time()
        for connection in list(self._by_id.values()):
            flows = (connection.flow, *connection.asked)
            connection.check(now, any(self._in_use(flow) for flow in flows))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Counted(Connection):
    """A connection that came in; `gone` is done with it."""

    def __init__(
        self,
        now: Callable[[], float],
        owner: Connections,
        transport: str,
        framing: Framing,
        gone: asyncio.Future[None],
    ) -> None:
        super().__init__(now, owner, transport, framing)
        self._gone = gone

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        if not self._gone.done():
            self._gone.set_result(None)


def _lines(head: str) -> list[tuple[str, str]]:
    """Name in lower case and value of the header lines."""
    parted = (line.partition(":") for line in head.split("\r\n")[1:])
    return [(name.strip().lower(), value) for name, _, value in parted]


def _why(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"TLS: {exc.reason or exc}"
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
