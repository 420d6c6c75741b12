"""One SIP connection over TCP, TLS or WebSocket: bytes in, whole messages out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol, cast

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.flow import Address

    from .framing import Framing

__all__ = ["Connection", "ConnectionOwner"]

log = logging.getLogger("ivrbench.sip")

MAX_UNSENT_BYTES: Final = 4 << 20
"""A peer that does not read so much is cut: it would only eat memory."""
HANDSHAKE_WITHIN_S: Final = 10.0
"""For TLS, and again for WebSocket."""
FIRST_MESSAGE_WITHIN_S: Final = 32.0
"""A connection that says nothing is no caller's."""
MESSAGE_WITHIN_S: Final = 32.0
"""From the first to the last byte of one message."""
PONG_WITHIN_S: Final = 10.0
"""RFC 5626 §4.4.1."""
IDLE_S: Final = 1800.0
"""Without a byte, and with no call on it."""


class ConnectionOwner(Protocol):
    """Who holds the connections."""

    def joined(self, connection: Connection) -> int:
        """A connection is up; gives its number, 0 to refuse it."""

    def deliver(self, connection: Connection, message: bytes) -> None:
        """A message came."""

    def left(self, connection: Connection, reason: str) -> None:
        """A connection that had joined is gone."""

    def settled(self) -> None:
        """A batch of messages is over."""


class Connection(asyncio.Protocol):
    """The loop's end of one connection.

    Args:
        now: the loop's time.
        owner: hears of everything.
        transport: "tcp", "tls", "ws" or "wss".
        framing: tells messages apart.
        dialled: the flow we connected for; None: the peer connected to us.

    Attributes:
        remote: the peer's address.
        flow: what messages of this connection come by.
        asked: flows without a connection whose messages went through this one.
        peers: transport and addresses whose messages may go through it.
        name: the transport.
        peer_verified: True if the peer showed a certificate we trust.
    """

    flow: Flow
    remote: Address

    def __init__(
        self,
        now: Callable[[], float],
        owner: ConnectionOwner,
        transport: str,
        framing: Framing,
        dialled: Flow | None = None,
    ) -> None:
        self.asked: set[Flow] = set()
        self.peers: set[tuple[str, Address]] = set()
        self.peer_verified = False
        self.keep_alive_s = 0.0
        """Ping so often; 0: never."""
        self._now = now
        self._owner = owner
        self.name = transport
        self._framing = framing
        self._dialled = dialled
        self._transport: asyncio.Transport | None = None
        self._reason = "the other side closed the connection"
        self._began_s = self._heard_s = self._pinged_s = now()
        self._partial_since_s = 0.0
        self._messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is up, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not own:  # It was closed while it was being accepted.
            self.flow = Flow(self.name, ("", 0), ("", 0))
            self._transport.abort()
            return
        self.remote = (peer[0], peer[1])
        self.peer_verified = bool(transport.get_extra_info("peercert"))
        dialled = self._dialled
        local = dialled.local if dialled is not None else (own[0], own[1])
        number = self._owner.joined(self)
        self.flow = Flow(self.name, local, self.remote, number, dialled.host if dialled else "")
        if number:
            self._write(self._framing.to_send())
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard_s = now = self._now()
        framing = self._framing
        framing.receive(data)
        lost: RemoteProtocolError | None = None
        try:
            while (message := framing.next_message()) is not None:
                self._messages += 1
                self._partial_since_s = 0.0
                self._owner.deliver(self, message)
        except RemoteProtocolError as exc:
            lost = exc
        self._write(framing.to_send())
        if not framing.buffered_bytes:
            self._partial_since_s = 0.0
        elif not self._partial_since_s:
            self._partial_since_s = now
        self._owner.settled()
        if lost is not None:
            self.close(str(lost))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if self.flow.connection_id:
            self._owner.left(self, str(exc) if exc else self._reason)

    def send(self, message: bytes) -> None:
        """Write one message."""
        self._write(self._framing.wrap(message))

    def close(self, reason: str) -> None:
        """Close it after what is written has gone out."""
        if self._transport is not None:
            self._reason = reason
            log.info("%s: closed: %s", self.flow, reason)
            self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float, in_use: bool) -> None:
        """Close it if the peer takes too long over something; ping it if that is due.

        Args:
            now: the loop's time.
            in_use: a call or a transaction lives on it.
        """
        silent_s = now - self._heard_s
        waits_since_s = self._pinged_s if self._pinged_s > self._heard_s else now
        if not self._framing.open and now - self._began_s > HANDSHAKE_WITHIN_S:
            self._cut("no WebSocket handshake")
        elif self._partial_since_s and now - self._partial_since_s > MESSAGE_WITHIN_S:
            self._cut("half a message, and the rest did not come")
        elif not self._messages and not in_use and now - self._began_s > FIRST_MESSAGE_WITHIN_S:
            self._cut("not one message came")
        elif self.keep_alive_s and now - waits_since_s > PONG_WITHIN_S:
            self._cut("the other side does not answer keepalives")
        elif silent_s > IDLE_S and not in_use:
            self._cut(f"idle for {silent_s:.0f} s")
        elif self.keep_alive_s and now - self._pinged_s >= self.keep_alive_s:
            self._pinged_s = now
            self._write(self._framing.ping())

    def _cut(self, reason: str) -> None:
        """Close it at once: a peer like that may not read the end of it either."""
        self._reason = reason
        log.info("%s: closed: %s", self.flow, reason)
        self.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is None or not data:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._cut("it does not read what we send")
