"""Our own side of a session, and our descriptions made from it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError
from ivrbench.sdp.description import (
    MAX_PORT,
    Attribute,
    Codec,
    Connection,
    Direction,
    MediaDescription,
    Origin,
    SessionDescription,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.sdp.security import LocalSecurity

__all__ = ["DEFAULT_PTIME_MS", "LocalMedia", "describe", "our_stream", "refused"]

DEFAULT_PTIME_MS: Final = 20  # RFC 3551 §4.2
SHORT_PTIME_MS: Final = 10
MAX_L16_RATE: Final = 32_000  # samples a second of which 20 ms fit 1500 bytes
SESSION_NAME: Final = "ivrbench"


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our side of a session, as far as it does not depend on the peer."""

    address: str
    """Numeric address we receive media at."""
    rtp_port: int
    """Port we receive RTP at."""
    session_id: int
    """Identifies the session in our `o=` line; stays for the whole call."""
    session_version: int = 1
    """Version in our `o=` line; goes up with each changed description."""
    rtcp_port: int | None = None
    """Port we receive RTCP at, None for the one after `rtp_port`."""
    security: LocalSecurity | None = None
    """What we can do for encryption, None if it is off."""

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.address)
        except ValueError as exc:
            raise LocalProtocolError(
                f"{self.address!r} is no IP address media could be received at."
            ) from exc
        if not 0 < self.rtp_port <= MAX_PORT:
            raise LocalProtocolError(f"{self.rtp_port} is no port media could be received at.")


def _ptime_ms(codec: Codec) -> int:
    """Return the packet time we ask for: 20 ms, if that fits an Ethernet frame."""
    big = codec.name.upper() == "L16" and codec.clock_rate_hz * codec.channels > MAX_L16_RATE
    return SHORT_PTIME_MS if big else DEFAULT_PTIME_MS


def our_stream(
    local: LocalMedia,
    formats: Sequence[Codec],
    direction: Direction,
    proto: str,
    more: Sequence[Attribute],
) -> MediaDescription:
    """Return our audio stream.

    Args:
        local: our side.
        formats: what it may carry, the audio codec preferred first.
        direction: ours.
        proto: its transport.
        more: further attributes.
    """
    attributes = [attribute for codec in formats for attribute in codec.to_attributes()]
    if local.rtcp_port is not None and local.rtcp_port != local.rtp_port + 1:
        attributes.append(Attribute("rtcp", str(local.rtcp_port)))  # RFC 3605 §2.1
    attributes.append(Attribute("ptime", str(_ptime_ms(formats[0]))))
    attributes.append(Attribute(direction.value))
    attributes += more
    return MediaDescription(
        media="audio",
        port=local.rtp_port,
        proto=proto,
        formats=tuple(str(codec.payload_type) for codec in formats),
        attributes=tuple(attributes),
    )


def refused(stream: MediaDescription) -> MediaDescription:
    """Return a peer's stream as it is refused."""
    # RFC 3264 §6: port zero refuses; the formats are there only because the grammar wants some.
    return MediaDescription(
        media=stream.media, port=0, proto=stream.proto, formats=stream.formats or ("0",)
    )


def describe(local: LocalMedia, media: tuple[MediaDescription, ...]) -> SessionDescription:
    """Return our whole description."""
    connection = Connection.to_address(local.address)
    origin = Origin("-", str(local.session_id), str(local.session_version), connection)
    return SessionDescription(origin=origin, name=SESSION_NAME, connection=connection, media=media)
