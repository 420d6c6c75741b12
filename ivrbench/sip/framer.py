"""StreamFramer: messages out of a TCP or TLS byte stream (RFC 3261 §18.3, RFC 5626 §3.5.1)."""

from __future__ import annotations

import re

from ..errors import RemoteProtocolError
from .message import MAX_BODY_BYTES, MAX_HEAD_BYTES

__all__ = ["StreamFramer"]

_PING = b"\r\n\r\n"
_PONG = b"\r\n"
# The compact form is l; any header may be folded (RFC 3261 §7.3.1).
_CONTENT_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:((?:[^\r\n]|\r\n[ \t])*+)", re.IGNORECASE
)


class StreamFramer:
    """Cuts one connection's bytes into messages.

    Give it what was read with `receive`, then call `next_message` until it returns None, and send
    `to_send()`. When `next_message` raises, the place where the next message starts is lost: pass
    on what was given before, then close the connection.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._end: int | None = None
        self._pong = b""
        self._lost: RemoteProtocolError | None = None

    def receive(self, data: bytes) -> None:
        """Take bytes as they were read."""
        self._buffer += data

    def to_send(self) -> bytes:
        """Pongs due, b"" if none."""
        pong, self._pong = self._pong, b""
        return pong

    def next_message(self) -> bytes | None:
        """The next whole message, None until more bytes come.

        A head whose Content-Length is missing or unusable is given as a message of its own, so that
        it can be answered; the call after it raises.

        Raises:
            RemoteProtocolError: the stream cannot be followed any further.
        """
        if self._lost is not None:
            raise self._lost
        if self._end is None:
            self._end = self._find_end()
        if self._end is None or len(self._buffer) < self._end:
            return None
        message = bytes(self._buffer[: self._end])
        del self._buffer[: self._end]
        self._end = None
        self._searched = 0
        return message

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a message not complete yet."""
        return len(self._buffer)

    def _find_end(self) -> int | None:
        """Where the message at the front ends, None while its head is not complete."""
        self._skip_line_ends()
        head_end = self._buffer.find(b"\r\n\r\n", self._searched)
        if head_end >= 0:
            return head_end + 4 + self._body_bytes(head_end)
        if len(self._buffer) > MAX_HEAD_BYTES:
            self._lost = RemoteProtocolError("message head is too large", status_hint=513)
            raise self._lost
        # A split terminator begins up to three bytes before the end.
        self._searched = max(0, len(self._buffer) - 3)
        return None

    def _body_bytes(self, head_end: int) -> int:
        lengths = {value.strip() for value in _CONTENT_LENGTH.findall(self._buffer, 0, head_end)}
        if len(lengths) == 1:
            (length,) = lengths
            if length.isdigit() and len(length) <= len(str(MAX_BODY_BYTES)):
                if int(length) <= MAX_BODY_BYTES:
                    return int(length)
                self._lost = RemoteProtocolError(f"body of {int(length)} bytes", status_hint=413)
                return 0
        self._lost = RemoteProtocolError("Content-Length is missing or unusable on a stream")
        return 0

    def _skip_line_ends(self) -> None:
        """RFC 5626 §3.5.1: two line ends between messages are a ping, answered with one."""
        buffer = self._buffer
        while buffer[:4] == _PING:
            self._pong += _PONG
            del buffer[:4]
            self._searched = 0
        # RFC 3261 §7.5: a single line end before a message is skipped, once it cannot be half a
        # ping.
        if buffer[:2] == b"\r\n" and len(buffer) > 2 and buffer[2:3] != b"\r":
            del buffer[:2]
            self._searched = 0
