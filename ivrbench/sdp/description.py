"""Session descriptions (RFC 8866) as values: read leniently, written strictly.

`parse_sdp` turns a body into a `SessionDescription`; `SessionDescription.to_bytes` writes one.
Lines this module has no field for are kept and written again, so reading and writing a
description loses nothing but the order of lines that RFC 8866 fixes anyway.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ivrbench.errors import SdpError
from ivrbench.sdp.attributes import (
    MAX_PAYLOAD_TYPE,
    STATIC_CODECS,
    Attribute,
    Codec,
    Direction,
    Line,
    direction_in,
    parse_number,
    parse_rtpmap,
)

__all__ = [
    "MAX_PORT",
    "Attribute",
    "Codec",
    "Connection",
    "Direction",
    "Line",
    "MediaDescription",
    "Origin",
    "RtcpAttribute",
    "SessionDescription",
    "parse_sdp",
]

MAX_PORT: Final = 65_535
MAX_PTIME_MS: Final = 200


@dataclass(frozen=True, slots=True)
class Connection:
    """Where media is to be sent: the `c=` line."""

    host: str
    """Address as written, without a multicast suffix; may be a name (RFC 8866 §5.7)."""
    version: int = 4
    """IP version, 4 or 6."""

    def to_line(self) -> Line:
        """Return the connection as a `c=` line."""
        return Line("c", f"IN IP{self.version} {self.host}")

    @classmethod
    def to_address(cls, address: str) -> Connection:
        """Return the connection to a numeric address.

        Raises:
            ValueError: the address is not numeric.
        """
        return cls(address, ipaddress.ip_address(address).version)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the description: the `o=` line."""

    username: str = "-"
    """Login name, "-" if there is none."""
    session_id: str = "0"
    """Identifies the session, together with username and address."""
    version: str = "0"
    """Goes up with each change of the description."""
    connection: Connection = field(default_factory=lambda: Connection("0.0.0.0"))
    """Address of the creating host."""

    def to_line(self) -> Line:
        """Return the origin as an `o=` line."""
        where = self.connection.to_line().value
        return Line("o", f"{self.username} {self.session_id} {self.version} {where}")


class RtcpAttribute(NamedTuple):
    """Where RTCP is to be sent (RFC 3605)."""

    port: int
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One stream: an `m=` line and the lines below it."""

    media: str
    """`audio`, `video`, `image`, …"""
    port: int
    """RTP port, 0 if the stream is refused or removed."""
    proto: str
    """Transport, such as `RTP/AVP`."""
    formats: tuple[str, ...] = ()
    """Formats in order of preference; payload types for RTP."""
    port_count: int = 1
    """Number of consecutive RTP ports."""
    connection: Connection | None = None
    """The stream's own `c=` line."""
    lines: tuple[Line, ...] = ()
    """Lines without a field here, such as `i=` and `b=`."""
    attributes: tuple[Attribute, ...] = ()
    """The stream's `a=` lines in order."""

    def attribute_values(self, name: str) -> list[str]:
        """Return the values of all attributes called `name`, flags excluded."""
        return [a.value for a in self.attributes if a.name == name and a.value is not None]

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """The offered formats that can be understood, in order of preference."""
        mapped = self._rtpmap()
        codecs: dict[int, Codec] = {}
        for text in self.formats:
            payload_type = parse_number(text, MAX_PAYLOAD_TYPE)
            if payload_type is not None and payload_type in mapped:
                codecs.setdefault(payload_type, mapped[payload_type])
        return tuple(codecs.values())

    def _rtpmap(self) -> dict[int, Codec]:
        parameters: dict[int, str] = {}
        for value in self.attribute_values("fmtp"):
            number, _, text = value.partition(" ")
            payload_type = parse_number(number, MAX_PAYLOAD_TYPE)
            if payload_type is not None:
                parameters[payload_type] = text.strip()
        mapped = dict(STATIC_CODECS)
        for value in self.attribute_values("rtpmap"):
            codec = parse_rtpmap(value)
            if codec is not None:
                mapped[codec.payload_type] = codec
        for payload_type, text in parameters.items():
            if payload_type in mapped:
                plain = mapped[payload_type]
                mapped[payload_type] = Codec(
                    plain.name, payload_type, plain.clock_rate_hz, plain.channels, text
                )
        return mapped

    @property
    def ptime_ms(self) -> int | None:
        """Packet time the sender of this description would like to receive, None if unsaid."""
        return self._milliseconds("ptime")

    @property
    def maxptime_ms(self) -> int | None:
        """Longest packet time the sender of this description can receive, None if unsaid."""
        return self._milliseconds("maxptime")

    def _milliseconds(self, name: str) -> int | None:
        for value in self.attribute_values(name):
            # Some write fractions, such as 20.0 or 31.25.
            time_ms = parse_number(value.strip().partition(".")[0], MAX_PTIME_MS)
            if time_ms:
                return time_ms
        return None

    @property
    def direction(self) -> Direction | None:
        """The stream's own direction, None if only the session may say one."""
        return direction_in(self.attributes)

    @property
    def rtcp(self) -> RtcpAttribute | None:
        """The `a=rtcp` attribute, None if absent or unusable."""
        for value in self.attribute_values("rtcp"):
            number, _, where = value.strip().partition(" ")
            port = parse_number(number, MAX_PORT)
            if port:
                return RtcpAttribute(port, _parse_connection(where) if where else None)
        return None

    def to_lines(self) -> list[Line]:
        """Return the stream's lines in the order RFC 8866 §5 gives."""
        count = f"/{self.port_count}" if self.port_count != 1 else ""
        head = " ".join([self.media, f"{self.port}{count}", self.proto, *self.formats])
        before, after = _split_lines(self.lines)
        connection = [self.connection.to_line()] if self.connection else []
        attributes = [attribute.to_line() for attribute in self.attributes]
        return [Line("m", head), *before, *connection, *after, *attributes]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole session description."""

    origin: Origin = field(default_factory=Origin)
    """The `o=` line."""
    name: str = "-"
    """Session name, the `s=` line."""
    connection: Connection | None = None
    """The session's `c=` line, used by streams that have none."""
    lines: tuple[Line, ...] = (Line("t", "0 0"),)
    """Lines without a field here: `t=`, `b=`, `i=`, …"""
    attributes: tuple[Attribute, ...] = ()
    """Session-level `a=` lines in order."""
    media: tuple[MediaDescription, ...] = ()
    """The streams in order."""

    def connection_of(self, media: MediaDescription) -> Connection | None:
        """Return where a stream's media goes: its own `c=` line before the session's."""
        return media.connection or self.connection

    def direction_of(self, media: MediaDescription) -> Direction:
        """Return a stream's direction: its own, else the session's, else sendrecv."""
        # RFC 8866 §6.7: sendrecv is the default.
        return media.direction or direction_in(self.attributes) or Direction.SENDRECV

    def to_bytes(self) -> bytes:
        """Return the description as a message body, lines ending in CRLF."""
        before, after = _split_lines(self.lines)
        lines = [Line("v", "0"), self.origin.to_line(), Line("s", self.name), *before]
        if self.connection is not None:
            lines.append(self.connection.to_line())
        lines += after
        lines += [attribute.to_line() for attribute in self.attributes]
        for media in self.media:
            lines += media.to_lines()
        text = "".join(f"{line.type}={line.value}\r\n" for line in lines)
        return text.encode("utf-8", "surrogateescape")


def parse_sdp(body: bytes) -> SessionDescription:
    """Read a session description.

    Line ends may be CRLF, LF or CR; missing `o=`, `s=` and `t=` lines are filled in; attributes
    that make no sense are kept but not interpreted.

    Args:
        body: the message body.

    Returns:
        The description.

    Raises:
        SdpError: with status 400, if it does not start with `v=0` or has a line, a stream or
            an address that cannot be read.
    """
    lines = _read_lines(body)
    starts = [index for index, line in enumerate(lines) if line.type == "m"]
    head = lines[1 : starts[0]] if starts else lines[1:]
    ends = [*starts, len(lines)][1:]
    media = tuple(
        _parse_media(lines[start], lines[start + 1 : end])
        for start, end in zip(starts, ends, strict=True)
    )
    connection, others, attributes = _sort_lines(head)
    origin = next((_parse_origin(line.value) for line in others if line.type == "o"), Origin())
    name = next((line.value for line in others if line.type == "s"), "-")
    rest = [line for line in others if line.type not in "osv"]
    if not any(line.type == "t" for line in rest):
        rest.append(Line("t", "0 0"))
    before, after = _split_lines(tuple(rest))
    return SessionDescription(origin, name, connection, (*before, *after), attributes, media)


_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def _read_lines(body: bytes) -> list[Line]:
    texts = [t for t in _LINE_END.split(body.decode("utf-8", "surrogateescape")) if t.strip()]
    if not texts or texts[0].strip() != "v=0":
        raise SdpError("The session description does not start with v=0.")
    lines = []
    for text in texts:
        kind, equals, value = text.lstrip().partition("=")
        if len(kind) != 1 or not equals:
            raise SdpError(f"The session description has a line that is none: {text[:60]!r}.")
        lines.append(Line(kind, value.strip()))
    return lines


def _sort_lines(
    lines: list[Line],
) -> tuple[Connection | None, list[Line], tuple[Attribute, ...]]:
    connection = None
    others: list[Line] = []
    attributes: list[Attribute] = []
    for line in lines:
        if line.type == "c" and connection is None:
            connection = _parse_connection(line.value)
        elif line.type == "a":
            name, colon, value = line.value.partition(":")
            attributes.append(Attribute(name, value if colon else None))
        else:
            others.append(line)
    return connection, others, tuple(attributes)


def _split_lines(lines: tuple[Line, ...]) -> tuple[list[Line], list[Line]]:
    # RFC 8866 §5: i=, u=, e= and p= stand before c=, all others after it.
    before = [line for line in lines if line.type in "iuep"]
    return before, [line for line in lines if line.type not in "iuep"]


# media-field = %s"m=" media SP port ["/" integer] SP proto 1*(SP fmt) CRLF
# Reality differs: a refused stream sometimes comes without any format.
_MEDIA: Final = re.compile(r"(\S+)\s+([0-9]{1,5})(?:/([0-9]{1,5}))?\s+(\S+)((?:\s+\S+)*)")


def _parse_media(head: Line, lines: list[Line]) -> MediaDescription:
    match = _MEDIA.fullmatch(head.value)
    if match is None or int(match[2]) > MAX_PORT:
        raise SdpError(f"The session description has an unreadable stream: m={head.value[:60]}.")
    connection, others, attributes = _sort_lines(lines)
    before, after = _split_lines(tuple(others))
    return MediaDescription(
        media=match[1],
        port=int(match[2]),
        proto=match[4],
        formats=tuple(match[5].split()),
        port_count=int(match[3] or 1),
        connection=connection,
        lines=(*before, *after),
        attributes=attributes,
    )


# connection-field = [%s"c=" nettype SP addrtype SP connection-address CRLF]
_CONNECTION: Final = re.compile(r"IN\s+IP([46])\s+([^\s/]+)(?:/\S*)?", re.IGNORECASE)


def _parse_connection(value: str) -> Connection:
    match = _CONNECTION.fullmatch(value.strip())
    if match is None:
        raise SdpError(f"The session description has an unreadable address: {value[:60]!r}.")
    return Connection(match[2], int(match[1]))


def _parse_origin(value: str) -> Origin:
    # Nothing but its session id and version is ever used, so a poor one is no reason to refuse.
    parts = value.split()
    match = _CONNECTION.fullmatch(" ".join(parts[3:6]))
    if len(parts) != 6 or match is None:
        return Origin()
    return Origin(parts[0], parts[1], parts[2], Connection(match[2], int(match[1])))
