"""Sockets that many packets are sent by and read from at once, in one loop of compiled code.

Where that could not be built (`_fastio.c` needs a C compiler when ivrbench is installed) there are
none, and every socket is asked for itself, in Python: the same packets, for a tenth more of a core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

try:
    from ivrbench.media import _fastio
except ImportError:
    _fastio = None  # type: ignore[assignment]  # a module, or not

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ivrbench.media.sockets import RtpSocket

__all__ = ["BUILT", "NOT_DIRECT", "DirectRows", "direct_fd", "split_direct"]

BUILT = _fastio is not None
"""The loop is there."""
NOT_DIRECT = -1
"""In place of a file descriptor."""


def direct_fd(port: RtpSocket) -> int:
    """What a row's packets can be sent and read by at once with others', or `NOT_DIRECT`."""
    return port.direct_fd if BUILT else NOT_DIRECT


class DirectRows:
    """Some rows of a table of packets, each with its socket.

    The file descriptors are used as they are: whoever closes one of the sockets, or connects it
    anew, has to make this anew before it is used again (`Lane.changed`).

    Args:
        pairs: row and file descriptor of each.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self.rows = np.array([row for row, _ in pairs], np.int64)
        self._fds = np.array([fd for _, fd in pairs], np.int32)

    def __len__(self) -> int:
        return len(self.rows)

    def send(self, table: NDArray[Any], start: int, length: int) -> None:
        """Send these bytes of each row. A packet that cannot be sent is left out.

        Args:
            table: its rows, without a gap between them.
            start: where in a row the packet begins.
            length: of the packets, in bytes.
        """
        if self.rows.size:
            _fastio.send_rows(self._fds, self.rows, table, table.strides[0], start, length)

    def read(self, table: NDArray[Any], sizes: NDArray[np.int64]) -> None:
        """Read a packet of each socket into its row.

        Args:
            table: its rows; as much of a packet as a row holds is kept.
            sizes: gets the bytes that were read, at the place of the row; 0 for no packet.
        """
        if self.rows.size:
            _fastio.read_rows(self._fds, self.rows, table, sizes, table.strides[0])


def split_direct(
    ports: Sequence[tuple[int, RtpSocket]],
) -> tuple[DirectRows, list[tuple[int, RtpSocket]]]:
    """Rows that can be handled at once, and the other ones."""
    found = [(row, direct_fd(port)) for row, port in ports]
    direct = DirectRows([(row, fd) for row, fd in found if fd != NOT_DIRECT])
    return direct, [of for of, (_, fd) in zip(ports, found, strict=True) if fd == NOT_DIRECT]
