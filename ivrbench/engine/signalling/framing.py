"""Framing: what turns the bytes of one connection into SIP messages and back."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.flow import host_port
from ivrbench.sip.framer import StreamFramer
from ivrbench.sip.message import MAX_BODY_BYTES, MAX_HEAD_BYTES

__all__ = ["Framing", "StreamFraming", "WebSocketFraming"]

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
MAX_MESSAGE_BYTES: Final = MAX_HEAD_BYTES + len(PING) + MAX_BODY_BYTES
_SIP: Final = Subprotocol("sip")

_quiet = logging.getLogger("ivrbench.sip.websocket")
_quiet.setLevel(logging.ERROR)  # Every frame is a debug line there; the ladder shows the messages.


class Framing(Protocol):
    """One connection's way to tell messages apart.

    Give it what was read with `receive`, call `next_message` until it returns None or raises, then
    write `to_send()`.
    """

    @property
    def open(self) -> bool:
        """True once messages can be exchanged."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a message that is not complete."""

    def receive(self, data: bytes) -> None:
        """Take bytes as they were read."""

    def next_message(self) -> bytes | None:
        """The next message; raises RemoteProtocolError when no more will come."""

    def to_send(self) -> bytes:
        """What the framing itself has to say: pongs, handshakes."""

    def wrap(self, message: bytes) -> bytes:
        """A message as it is written; b"" if it has to wait for the handshake."""

    def ping(self) -> bytes:
        """What the peer has to answer to."""


class StreamFraming:
    """TCP and TLS: messages one after the other (RFC 3261 §18.3)."""

    open = True

    def __init__(self) -> None:
        self._framer = StreamFramer()
        self._pinged = False

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a message that is not complete."""
        return self._framer.buffered_bytes

    def receive(self, data: bytes) -> None:
        """Take bytes as they were read."""
        if self._pinged and not self._framer.buffered_bytes:
            # RFC 5626 §3.5.1: one line end is the answer to our ping, two are a ping of theirs.
            bare = data.lstrip(b"\r\n")
            if (len(data) - len(bare)) % len(PING) == len(PONG):
                data = data[len(PONG) :]
            self._pinged = False
        self._framer.receive(data)

    def next_message(self) -> bytes | None:
        """The next message."""
        return self._framer.next_message()

    def to_send(self) -> bytes:
        """Pongs."""
        return self._framer.to_send()

    def wrap(self, message: bytes) -> bytes:
        """The message itself."""
        return message

    def ping(self) -> bytes:
        """RFC 5626 §3.5.1: two line ends."""
        self._pinged = True
        return PING


class WebSocketFraming:
    """WebSocket and secure WebSocket: one message a frame, text or binary (RFC 7118).

    Args:
        protocol: either side's end of the connection.
    """

    def __init__(self, protocol: ServerProtocol | ClientProtocol) -> None:
        self._protocol = protocol
        self._messages: list[bytes] = []
        self._waiting: list[bytes] = []
        self._parts = bytearray()
        if isinstance(protocol, ClientProtocol):
            protocol.send_request(protocol.connect())

    @classmethod
    def server(cls) -> WebSocketFraming:
        """The end that was connected to."""
        # RFC 7118 §4.1: without the subprotocol "sip" there is no connection.
        return cls(ServerProtocol(subprotocols=[_SIP], max_size=MAX_MESSAGE_BYTES, logger=_quiet))

    @classmethod
    def client(cls, host: str, port: int, secure: bool) -> WebSocketFraming:
        """The end that connects to `host`, a name or an address."""
        uri = parse_uri(f"{'wss' if secure else 'ws'}://{host_port(host, port)}/")
        return cls(
            ClientProtocol(uri, subprotocols=[_SIP], max_size=MAX_MESSAGE_BYTES, logger=_quiet)
        )

    @property
    def open(self) -> bool:
        """True after the handshake."""
        return self._protocol.state is State.OPEN

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a message whose last frame has not come."""
        return len(self._parts)

    def receive(self, data: bytes) -> None:
        """Take bytes as they were read."""
        protocol = self._protocol
        if protocol.state is State.CLOSED:
            return
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                assert isinstance(protocol, ServerProtocol), "only a server gets requests"
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame):
                self._frame(event)
        if self.open:
            for message in self._waiting:
                self._write(message)
            self._waiting.clear()

    def next_message(self) -> bytes | None:
        """The next message."""
        if self._messages:
            return self._messages.pop(0)
        protocol = self._protocol
        if protocol.handshake_exc is not None:
            raise RemoteProtocolError(f"WebSocket handshake: {protocol.handshake_exc}")
        if protocol.state in (State.CLOSING, State.CLOSED):
            why = protocol.close_exc.__class__.__name__ if protocol.close_code is None else ""
            raise RemoteProtocolError(why or f"WebSocket closed with {protocol.close_code}")
        return None

    def to_send(self) -> bytes:
        """Handshake, pongs, closing frames, and messages that waited for the handshake."""
        return b"".join(self._protocol.data_to_send())

    def wrap(self, message: bytes) -> bytes:
        """The message in a frame."""
        if not self.open:
            self._waiting.append(message)
            return b""
        self._write(message)
        return self.to_send()

    def ping(self) -> bytes:
        """A ping frame (RFC 7118 §6)."""
        if self.open:
            self._protocol.send_ping(b"")
        return self.to_send()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts += frame.data
        if not frame.fin:
            return
        message = bytes(self._parts)
        self._parts.clear()
        if message == PING:
            # Browsers cannot send ping frames: their stacks send the line ends of RFC 5626.
            self._write(PONG)
        elif message.strip(PONG):
            self._messages.append(message)

    def _write(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError:
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(message)
