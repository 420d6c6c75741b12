"""Messages on the control socket: 4 bytes of length, then msgpack.

    client                                  server
    Hello(version)            ──▶
                              ◀──  Snapshot, or Rejected and the end
                              ◀──  Batch, Batch, …; WholeLegs when it watches brief ones
    HangUp(request=1, …)      ──▶
                              ◀──  Answered(request=1, …)

Anything else is a `ControlError`; who gets one cuts the connection.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from ivrbench.errors import ControlError
from ivrbench.observe.commands import Answered, Command
from ivrbench.observe.events import Stamped
from ivrbench.observe.snapshot import Snapshot, WholeLegs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_COMMAND_BYTES",
    "MAX_MESSAGE_BYTES",
    "PROTOCOL_VERSION",
    "Batch",
    "ClientMessage",
    "FrameReader",
    "Hello",
    "Rejected",
    "ServerMessage",
    "batch_frame",
    "decode_client",
    "decode_server",
    "encode_event",
    "frame",
]

PROTOCOL_VERSION = 3
MAX_COMMAND_BYTES = 65_536
"""Client to server: the longest command is a test call with its keys."""
MAX_MESSAGE_BYTES = 268_435_456
"""Server to client: a snapshot of 5 000 live legs × 200 timeline events × 150 bytes, and rings."""

_LENGTH = struct.Struct("!I")


class Hello(Struct, frozen=True, tag=True):
    """First message of a client."""

    version: int


class Rejected(Struct, frozen=True, tag=True):
    """The server ends the connection, and says why."""

    text: str


class Batch(Struct, frozen=True, tag=True):
    """Events in ascending order of `seq`; coalesced ones leave gaps."""

    events: list[Stamped]


class _RawBatch(Struct, frozen=True, tag="Batch"):
    """A `Batch` of events that are encoded already."""

    events: list[Raw]


ServerMessage = Snapshot | WholeLegs | Batch | Answered | Rejected
ClientMessage = Hello | Command

_encoder = msgspec.msgpack.Encoder()
_server_decoder: msgspec.msgpack.Decoder[ServerMessage] = msgspec.msgpack.Decoder(ServerMessage)
_client_decoder: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(ClientMessage)


def frame(message: ServerMessage | ClientMessage) -> bytes:
    """One message, ready to send."""
    return _framed(_encoder.encode(message))


def encode_event(stamped: Stamped) -> Raw:
    """An event, encoded once for all clients; goes into `batch_frame`."""
    return Raw(_encoder.encode(stamped))


def batch_frame(events: list[Raw]) -> bytes:
    """A `Batch` of encoded events, ready to send."""
    return _framed(_encoder.encode(_RawBatch(events)))


def _framed(body: bytes) -> bytes:
    return _LENGTH.pack(len(body)) + body


def decode_server(body: bytes) -> ServerMessage:
    """What the engine said.

    Raises:
        ControlError: it is no message of ours.
    """
    try:
        return _server_decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ControlError(f"the engine sent an unknown message: {error}") from error


def decode_client(body: bytes) -> ClientMessage:
    """What a client asks.

    Raises:
        ControlError: it is no message of ours.
    """
    try:
        return _client_decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ControlError(f"a client sent an unknown message: {error}") from error


class FrameReader:
    """Cuts a byte stream into message bodies.

    Args:
        max_bytes: longest body taken.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what came in and give each body that is complete.

        Raises:
            ControlError: a body is announced that is too long; the stream is of no more use.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (n_bytes,) = _LENGTH.unpack_from(self._buffer)
            if n_bytes > self._max_bytes:
                raise ControlError(f"a message of {n_bytes} bytes, {self._max_bytes} are allowed")
            end = _LENGTH.size + n_bytes
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield body
