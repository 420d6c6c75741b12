"""The packets between engine and media worker: lists of messages, with descriptors beside them."""

from __future__ import annotations

import array
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from ivrbench.media.messages import Command, MediaEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MessageSender", "decode_commands", "decode_events", "receive_packet"]

MAX_PACKET_BYTES: Final = 64 * 1024
"""Room for a packet: `BATCH` messages of at most a few hundred bytes."""
BATCH: Final = 16
"""Messages in a packet, which the worker takes in one go: 1 to 2 ms if all open calls."""

Message = Command | MediaEvent

_encoder = msgspec.msgpack.Encoder()
_commands = msgspec.msgpack.Decoder(list[Command])
_events = msgspec.msgpack.Decoder(list[MediaEvent])


def decode_commands(packet: bytes) -> list[Command]:
    """The commands in a packet. Raises msgspec.DecodeError."""
    return _commands.decode(packet)


def decode_events(packet: bytes) -> list[MediaEvent]:
    """The events in a packet. Raises msgspec.DecodeError."""
    return _events.decode(packet)


def receive_packet(sock: socket.socket) -> tuple[bytes, list[int]] | None:
    """Read one packet without waiting.

    Returns:
        Its bytes and descriptors, None if there is none now; no bytes: the other end is gone.
    """
    try:
        data, fds, _, _ = socket.recv_fds(sock, MAX_PACKET_BYTES, 2 * BATCH)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b"", []
    return data, fds


class MessageSender:
    """Sends messages in order, without waiting; what the socket does not take now is kept.

    Args:
        sock: one end of a non-blocking SEQPACKET pair.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: deque[tuple[Message, Sequence[int]]] = deque()

    def __len__(self) -> int:
        """Messages not sent yet."""
        return len(self._waiting)

    def add(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Queue a message. The descriptors are closed once they are sent."""
        self._waiting.append((message, fds))

    def flush(self) -> bool:
        """Send what the socket takes.

        Returns:
            True if nothing is left, or the other end is gone.
        """
        while self._waiting:
            batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
            fds = [fd for _, owned in batch for fd in owned]
            beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            try:
                self._sock.sendmsg([_encoder.encode([message for message, _ in batch])], beside)
            except BlockingIOError:
                return False
            except OSError:
                self.drop()
                return True
            for _ in batch:
                self._waiting.popleft()
            _close_all(fds)
        return True

    def drop(self) -> None:
        """Give up what was not sent."""
        _close_all([fd for _, owned in self._waiting for fd in owned])
        self._waiting.clear()


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        socket.close(fd)
