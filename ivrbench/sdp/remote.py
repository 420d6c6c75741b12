"""What a peer's description says about where and which way media goes."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ivrbench.errors import SdpError
from ivrbench.sdp.description import MAX_PORT, Connection, Direction

if TYPE_CHECKING:
    from ivrbench.sdp.description import MediaDescription, SessionDescription

__all__ = ["Address", "peer_direction", "remote_addresses"]

Address = tuple[str, int]
"""Numeric IP address and port."""

NOT_ACCEPTABLE: Final = 488


def peer_direction(described: SessionDescription, stream: MediaDescription) -> Direction:
    """Return the peer's direction of a stream, old ways of holding included."""
    direction = described.direction_of(stream)
    connection = described.connection_of(stream)
    if connection is not None and _is_unspecified(connection):
        # RFC 3264 §8.4: an address of zeros is the old way to put on hold.
        return Direction.of(sends=direction.sends, receives=False)
    return direction


def _is_unspecified(connection: Connection) -> bool:
    return connection.host in ("0.0.0.0", "::")


def remote_addresses(
    described: SessionDescription, stream: MediaDescription, our_address: str
) -> tuple[Address, Address]:
    """Return where a stream's RTP and RTCP are to be sent.

    Args:
        described: the peer's description.
        stream: one of its streams.
        our_address: numeric, to tell the IP version.

    Raises:
        SdpError: 400 if there is no address, 488 if it cannot be used.
    """
    connection = described.connection_of(stream)
    if connection is None:
        raise SdpError("The audio stream has no address: there is no c= line.")
    host = _usable_host(connection, our_address)
    rtp = (host, stream.port)
    if any(attribute.name == "rtcp-mux" for attribute in stream.attributes):
        return rtp, rtp  # RFC 5761 §5.1.1
    rtcp = stream.rtcp
    if rtcp is None:
        # RFC 3550 §11: RTCP on the next higher port.
        return rtp, (host, min(stream.port + 1, MAX_PORT))
    rtcp_host = _usable_host(rtcp.connection, our_address) if rtcp.connection else host
    return rtp, (rtcp_host, rtcp.port)


def _usable_host(connection: Connection, our_address: str) -> str:
    """Return the address as the socket layer will report it, or refuse it."""
    try:
        address = ipaddress.ip_address(connection.host)
    except ValueError as exc:
        raise SdpError(
            f"The media address {connection.host!r} is not an IP address.",
            status_hint=NOT_ACCEPTABLE,
        ) from exc
    if address.is_multicast:
        raise SdpError(
            f"The media address {address} is a multicast address.", status_hint=NOT_ACCEPTABLE
        )
    if not _is_unspecified(connection):
        ours = ipaddress.ip_address(our_address).version
        if address.version != ours:
            raise SdpError(
                f"The media address {address} is IPv{address.version}, ours is IPv{ours}.",
                status_hint=NOT_ACCEPTABLE,
            )
    return str(address)
