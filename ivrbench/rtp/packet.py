"""RTP packets (RFC 3550 §5.1): read and written.

Malformed input gives None, never an exception: a packet is dropped and counted, nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from ivrbench.errors import LocalProtocolError

__all__ = [
    "HEADER_BYTES",
    "MAX_PAYLOAD_TYPE",
    "RTP_HEAD",
    "RTP_VERSION",
    "Extension",
    "RtpPacket",
    "parse_rtp",
]

RTP_VERSION: Final = 2
HEADER_BYTES: Final = 12
RTP_HEAD: Final = 0x8000
"""The first two octets of a packet without padding, extension, CSRC and marker, but for its payload
type."""
MAX_PAYLOAD_TYPE: Final = 127  # seven bits
MAX_CSRCS: Final = 15  # four bits
MAX_PADDING_BYTES: Final = 255  # eight bits

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")
_VERSION_BITS: Final = RTP_VERSION << 6
_PADDING_BIT: Final = 0x20
_EXTENSION_BIT: Final = 0x10
_MARKER_BIT: Final = 0x80


@dataclass(frozen=True, slots=True)
class Extension:
    """A header extension (RFC 3550 §5.3.1)."""

    profile: int
    """What the profile says the data is, 16 bits."""
    data: bytes
    """The extension's words, a multiple of four bytes."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet."""

    payload_type: int
    """What the payload is, 0 to 127."""
    sequence: int
    """Goes up by one with each packet, 16 bits."""
    timestamp: int
    """RTP clock at the payload's first sample, 32 bits."""
    ssrc: int
    """Identifies the stream, 32 bits."""
    payload: bytes = b""
    """The media, without padding."""
    marker: bool = False
    """True on the first packet of a talkspurt or of a key."""
    csrcs: tuple[int, ...] = ()
    """Streams mixed into this one."""
    extension: Extension | None = None
    """Header extension."""
    padding_bytes: int = 0
    """Length of the padding behind the payload, its count byte included; 0 if none."""

    def to_bytes(self) -> bytes:
        """Return the packet as a datagram.

        Raises:
            LocalProtocolError: a field does not fit into its bits.
        """
        extension = self.extension
        first = _VERSION_BITS | len(self.csrcs)
        first |= _EXTENSION_BIT if extension is not None else 0
        first |= _PADDING_BIT if self.padding_bytes else 0
        if (
            not 0 <= self.payload_type <= MAX_PAYLOAD_TYPE
            or len(self.csrcs) > MAX_CSRCS
            or not 0 <= self.padding_bytes <= MAX_PADDING_BYTES
            or (extension is not None and len(extension.data) % 4)
        ):
            raise LocalProtocolError(f"This is no RTP packet that could be sent: {self!r}.")
        second = self.payload_type | (_MARKER_BIT if self.marker else 0)
        try:
            parts = [_HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)]
            parts += [csrc.to_bytes(4, "big") for csrc in self.csrcs]
            if extension is not None:
                parts.append(_EXTENSION.pack(extension.profile, len(extension.data) // 4))
                parts.append(extension.data)
        except (struct.error, OverflowError) as exc:
            raise LocalProtocolError(
                f"This is no RTP packet that could be sent: {self!r}."
            ) from exc
        parts.append(self.payload)
        if self.padding_bytes:
            parts.append(bytes(self.padding_bytes - 1) + bytes([self.padding_bytes]))
        return b"".join(parts)


def parse_rtp(data: bytes) -> RtpPacket | None:
    """Read a datagram as an RTP packet.

    Args:
        data: the datagram.

    Returns:
        The packet, or None if the datagram is no RTP packet.
    """
    if len(data) < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0xC0 != _VERSION_BITS or len(data) < start:
        return None
    csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, HEADER_BYTES)
    extension = None
    if first & _EXTENSION_BIT:
        extension = _parse_extension(data, start)
        if extension is None:
            return None
        start += _EXTENSION.size + len(extension.data)
    padding_bytes = 0
    if first & _PADDING_BIT:
        padding_bytes = data[-1]
        if not 0 < padding_bytes <= len(data) - start:
            return None
    return RtpPacket(
        payload_type=second & MAX_PAYLOAD_TYPE,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=bytes(data[start : len(data) - padding_bytes]),
        marker=bool(second & _MARKER_BIT),
        csrcs=csrcs,
        extension=extension,
        padding_bytes=padding_bytes,
    )


def _parse_extension(data: bytes, start: int) -> Extension | None:
    if len(data) < start + _EXTENSION.size:
        return None
    profile, words = _EXTENSION.unpack_from(data, start)
    begin = start + _EXTENSION.size
    end = begin + 4 * words
    return Extension(profile, bytes(data[begin:end])) if len(data) >= end else None
