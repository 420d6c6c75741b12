"""One SIP connection over TCP: bytes in, whole messages out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.flow import Flow
from ivrbench.sip.framer import StreamFramer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.flow import Address

__all__ = ["Connection"]

log = logging.getLogger("ivrbench.sip")

MAX_UNSENT_BYTES: Final = 4 << 20
"""A peer that does not read so much is cut: it would only eat memory."""


class Connection(asyncio.Protocol):
    """The loop's end of one TCP connection.

    Args:
        joined: called when it is up; gives its number, 0 to refuse it.
        deliver: called with each message and its flow.
        left: called once when it is gone, with the reason.
        settled: called after each batch of messages.
    """

    flow: Flow
    remote: Address

    def __init__(
        self,
        joined: Callable[[Connection], int],
        deliver: Callable[[bytes, Flow], None],
        left: Callable[[Connection, str], None],
        settled: Callable[[], None],
    ) -> None:
        self._joined = joined
        self._deliver = deliver
        self._left = left
        self._settled = settled
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._reason = "the other side closed the connection"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is up."""
        self._transport = cast("asyncio.Transport", transport)
        self.remote = cast("Address", tuple(transport.get_extra_info("peername")[:2]))
        local = cast("Address", tuple(transport.get_extra_info("sockname")[:2]))
        number = self._joined(self)
        self.flow = Flow("tcp", local, self.remote, number)
        if not number:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        framer = self._framer
        framer.receive(data)
        lost: RemoteProtocolError | None = None
        try:
            while (message := framer.next_message()) is not None:
                self._deliver(message, self.flow)
        except RemoteProtocolError as exc:
            lost = exc
        pong = framer.to_send()
        if pong:
            self.send(pong)
        self._settled()
        if lost is not None:
            self._reason = str(lost)
            log.info("%s: closed: %s", self.flow, self._reason)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if self.flow.connection_id:
            self._left(self, str(exc) if exc else self._reason)

    def send(self, data: bytes) -> None:
        """Write one message."""
        if self._transport is None:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._reason = "the other side does not read what we send"
            self._transport.abort()

    def close(self) -> None:
        """Close it after what is written has gone out."""
        if self._transport is not None:
            self._transport.close()
