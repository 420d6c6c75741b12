"""LargeRequests: requests too large for one datagram go by TCP (RFC 3261 §18.1.1)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.sip.flow import Address, Flow

    from .connections import Connections

__all__ = ["MAX_DATAGRAM_REQUEST_BYTES", "LargeRequests"]

MAX_DATAGRAM_REQUEST_BYTES: Final = 1300
"""RFC 3261 §18.1.1, where the path's MTU is not known."""
WITHOUT_TCP_S: Final = 60.0
"""How long a peer that refused TCP gets large requests by UDP at once."""
MAX_REMEMBERED: Final = 1024
_K = TypeVar("_K")
_V = TypeVar("_V")
_UDP_VIA: Final = b"SIP/2.0/UDP"
_TCP_VIA: Final = b"SIP/2.0/TCP"


class LargeRequests:
    """Moves requests from UDP to TCP, and back for a peer that takes no TCP.

    The transaction goes on as if it were UDP: copies it sends while the connection is up are not
    sent again, and the response is its own whatever way it comes.

    Args:
        connections: where they go.
        send_datagram: how they go after all.
    """

    def __init__(
        self, connections: Connections, send_datagram: Callable[[bytes, Flow], None]
    ) -> None:
        self._connections = connections
        self._send_datagram = send_datagram
        self._without_tcp: OrderedDict[Address, float] = OrderedDict()
        self._moved: OrderedDict[bytes, None] = OrderedDict()

    def take(self, data: bytes, flow: Flow) -> bool:
        """Send a message by TCP if it has to go that way.

        Args:
            data: the message.
            flow: the UDP flow it was meant for.

        Returns:
            False if it is for UDP.
        """
        if len(data) <= MAX_DATAGRAM_REQUEST_BYTES or data.startswith(b"SIP/2.0 "):
            return False
        if _now() < self._without_tcp.get(flow.remote, 0.0):
            return False
        by_tcp = replace(flow, transport="tcp")
        if data in self._moved:
            if self._connections.is_dialling(by_tcp) or self._connections.find(by_tcp):
                return True
            del self._moved[data]
        _remember(self._moved, data, None)

        def refused(_: Flow, __: str) -> None:
            # RFC 3261 §18.1.1: a peer that takes no TCP gets it by UDP after all.
            _remember(self._without_tcp, flow.remote, _now() + WITHOUT_TCP_S)
            self._moved.pop(data, None)
            self._send_datagram(data, flow)

        # RFC 3261 §18.1.1: the top Via has to name the transport really used.
        self._connections.send(data.replace(_UDP_VIA, _TCP_VIA, 1), by_tcp, refused)
        return True


def _remember(table: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    table[key] = value
    if len(table) > MAX_REMEMBERED:
        table.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
