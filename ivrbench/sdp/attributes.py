"""What attributes of a stream say: codecs and directions (RFC 8866 §6, RFC 3551 §6)."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = [
    "MAX_PAYLOAD_TYPE",
    "STATIC_CODECS",
    "Attribute",
    "Codec",
    "Direction",
    "Line",
    "direction_in",
    "parse_number",
    "parse_rtpmap",
]

MAX_PAYLOAD_TYPE: Final = 127  # seven bits, RFC 3550 §5.1
MAX_NUMBER_DIGITS: Final = 20  # 2**64 has 20 digits; nothing in SDP is longer
MAX_CLOCK_RATE_HZ: Final = 192_000
MAX_CHANNELS: Final = 255


class Line(NamedTuple):
    """One `<type>=<value>` line."""

    type: str
    value: str


class Attribute(NamedTuple):
    """One `a=` line; `value` is None for a flag such as `a=sendrecv`."""

    name: str
    value: str | None = None

    def to_line(self) -> Line:
        """Return the attribute as an `a=` line."""
        return Line("a", self.name if self.value is None else f"{self.name}:{self.value}")


@dataclass(frozen=True, slots=True)
class Codec:
    """A payload format: what an `rtpmap` and an `fmtp` attribute say about a payload type."""

    name: str
    """Encoding name, compared without regard to case: `PCMU`, `telephone-event`."""
    payload_type: int
    """RTP payload type, 0 to 127."""
    clock_rate_hz: int
    """RTP clock rate; G722 says 8000 although it samples at 16000 (RFC 3551 §4.5.2)."""
    channels: int = 1
    """Channel count."""
    fmtp: str = ""
    """Format parameters as written, "" if none."""

    def same_format(self, other: Codec) -> bool:
        """Tell whether both name one format, whatever their payload types and parameters."""
        return (
            self.name.lower() == other.name.lower()
            and self.clock_rate_hz == other.clock_rate_hz
            and self.channels == other.channels
        )

    def to_attributes(self) -> tuple[Attribute, ...]:
        """Return the `rtpmap` and, where there are parameters, the `fmtp` attribute."""
        channels = f"/{self.channels}" if self.channels != 1 else ""
        rtpmap = f"{self.payload_type} {self.name}/{self.clock_rate_hz}{channels}"
        if not self.fmtp:
            return (Attribute("rtpmap", rtpmap),)
        return (
            Attribute("rtpmap", rtpmap),
            Attribute("fmtp", f"{self.payload_type} {self.fmtp}"),
        )


# RFC 3551 §6, table 4: audio payload types that need no rtpmap.
STATIC_CODECS: Final[dict[int, Codec]] = {
    codec.payload_type: codec
    for codec in (
        Codec("PCMU", 0, 8000),
        Codec("GSM", 3, 8000),
        Codec("G723", 4, 8000),
        Codec("DVI4", 5, 8000),
        Codec("DVI4", 6, 16000),
        Codec("LPC", 7, 8000),
        Codec("PCMA", 8, 8000),
        Codec("G722", 9, 8000),
        Codec("L16", 10, 44100, 2),
        Codec("L16", 11, 44100),
        Codec("QCELP", 12, 8000),
        Codec("CN", 13, 8000),
        Codec("MPA", 14, 90000),
        Codec("G728", 15, 8000),
        Codec("DVI4", 16, 11025),
        Codec("DVI4", 17, 22050),
        Codec("G729", 18, 8000),
    )
}


class Direction(enum.Enum):
    """Which way media flows, seen from the side whose description it stands in."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """True if this side sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """True if this side receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        """Return the direction of a side that sends and receives as told."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def agreed_with(self, peer: Direction) -> Direction:
        """Return this side's direction once the peer's is known (RFC 3264 §6.1)."""
        return Direction.of(
            sends=self.sends and peer.receives, receives=self.receives and peer.sends
        )


# rtpmap-value = payload-type SP encoding-name "/" clock-rate [ "/" encoding-params ]
_RTPMAP: Final = re.compile(r"\s*([0-9]{1,3})\s+([^\s/]+)/([0-9]{1,6})(?:/([0-9]{1,3}))?\s*")


def parse_rtpmap(value: str) -> Codec | None:
    """Read the value of an `rtpmap` attribute, None if it makes no sense."""
    match = _RTPMAP.fullmatch(value)
    if match is None:
        return None
    payload_type, rate_hz, channels = int(match[1]), int(match[3]), int(match[4] or 1)
    if payload_type > MAX_PAYLOAD_TYPE or not 0 < rate_hz <= MAX_CLOCK_RATE_HZ:
        return None
    if not 0 < channels <= MAX_CHANNELS:
        return None
    return Codec(match[2], payload_type, rate_hz, channels)


_DIRECTIONS: Final = {direction.value: direction for direction in Direction}


def direction_in(attributes: tuple[Attribute, ...]) -> Direction | None:
    """Return the first direction among attributes, None if there is none."""
    for attribute in attributes:
        if attribute.value is None and attribute.name in _DIRECTIONS:
            return _DIRECTIONS[attribute.name]
    return None


def parse_number(text: str, maximum: int) -> int | None:
    """Read a decimal number up to `maximum`, None if the text is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS):
        return None
    number = int(text)
    return number if number <= maximum else None
