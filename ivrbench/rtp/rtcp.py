"""RTCP compound packets (RFC 3550 §6): read and written.

Malformed input gives None, never an exception.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Goodbye",
    "OtherRtcp",
    "ReceiverReport",
    "ReportBlock",
    "RtcpPacket",
    "SdesItem",
    "SenderReport",
    "SourceDescription",
    "build_description",
    "build_rtcp",
    "is_rtcp",
    "ntp_from_unix",
    "ntp_middle",
    "parse_rtcp",
    "round_trip_s",
]

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
CNAME: Final = 1
MAX_COUNT: Final = 31  # five bits
MAX_TEXT_BYTES: Final = 255  # eight bits of length
SECOND_OCTETS: Final = range(192, 224)  # RFC 5761 §4: of RTCP on an RTP port
NTP_EPOCH_OFFSET_S: Final = 2_208_988_800  # 1900 to 1970
LONGEST_ROUND_TRIP_S: Final = 60.0  # beyond it the figures are nonsense
INEXACT_S: Final = 0.06  # so much less than nothing comes of moments that are estimates

_HEADER: Final = struct.Struct("!BBH")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_VERSION_BITS: Final = 0x80
_PADDING_BIT: Final = 0x20


def is_rtcp(data: bytes | memoryview) -> bool:
    """Whether a datagram on the media port is RTCP (RFC 5761 §4)."""
    return len(data) > 1 and data[1] in SECOND_OCTETS


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one stream (RFC 3550 §6.4.1)."""

    ssrc: int
    """The stream reported on."""
    fraction_lost: int
    """Loss since the last report, in 1/256."""
    lost: int
    """Packets lost since the stream began, 24 bits signed."""
    highest_sequence: int
    """Extended sequence number of the newest packet, 32 bits."""
    jitter_ts: int
    """Inter-arrival jitter in RTP ticks."""
    last_report: int = 0
    """Middle 32 bits of the NTP time of the last sender report, 0 if none came."""
    delay: int = 0
    """Time since that sender report, in 1/65536 s."""

    def to_bytes(self) -> bytes:
        """Return the block as it stands in a report."""
        loss = (self.fraction_lost & 0xFF) << 24 | self.lost & 0xFFFFFF
        return _BLOCK.pack(
            self.ssrc, loss, self.highest_sequence, self.jitter_ts, self.last_report, self.delay
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender says about its own stream and the ones it receives."""

    ssrc: int
    """The sender's stream."""
    ntp_timestamp: int
    """Wall clock at sending, 64 bits NTP."""
    rtp_timestamp: int
    """The same moment on the RTP clock."""
    packets: int
    """Packets sent."""
    octets: int
    """Payload bytes sent."""
    reports: tuple[ReportBlock, ...] = ()
    """One block for each stream received."""


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What a party that sends nothing says about the streams it receives."""

    ssrc: int
    """The receiver."""
    reports: tuple[ReportBlock, ...] = ()
    """One block for each stream received."""


@dataclass(frozen=True, slots=True)
class SdesItem:
    """One fact about a source."""

    ssrc: int
    """The source."""
    kind: int
    """1 is CNAME; others in RFC 3550 §12.2."""
    text: bytes
    """UTF-8 text as sent."""


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """Facts about sources."""

    items: tuple[SdesItem, ...]
    """All facts, grouped by source in order."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Streams that end."""

    ssrcs: tuple[int, ...]
    """The streams."""
    reason: bytes = b""
    """Text as sent, empty if none."""


@dataclass(frozen=True, slots=True)
class OtherRtcp:
    """A packet of a type that is not interpreted here."""

    packet_type: int
    """RTCP packet type."""
    count: int
    """The five bits behind the version."""
    body: bytes
    """What follows the header."""


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | OtherRtcp


def parse_rtcp(data: bytes) -> tuple[RtcpPacket, ...] | None:
    """Read a datagram as an RTCP compound packet.

    Args:
        data: the datagram.

    Returns:
        Its packets in order, or None if the datagram is no RTCP.
    """
    packets: list[RtcpPacket] = []
    rest = data
    while rest:
        if len(rest) < _HEADER.size:
            return None
        first, packet_type, words = _HEADER.unpack_from(rest)
        end = _HEADER.size + 4 * words
        if first & 0xC0 != _VERSION_BITS or len(rest) < end:
            return None
        body = bytes(rest[_HEADER.size : end])
        rest = rest[end:]
        if first & _PADDING_BIT:
            # RFC 3550 §6.4.1: only the last packet of a compound may be padded.
            if rest or not body or not 0 < body[-1] <= len(body):
                return None
            body = body[: -body[-1]]
        packet = _parse_body(packet_type, first & MAX_COUNT, body)
        if packet is None:
            return None
        packets.append(packet)
    return tuple(packets) or None


def _parse_body(packet_type: int, count: int, body: bytes) -> RtcpPacket | None:
    if packet_type == SR:
        return _parse_sender_report(count, body)
    if packet_type == RR:
        return _parse_receiver_report(count, body)
    if packet_type == SDES:
        return _parse_sdes(count, body)
    if packet_type == BYE:
        return _parse_goodbye(count, body)
    return OtherRtcp(packet_type, count, body)


def _parse_sender_report(count: int, body: bytes) -> SenderReport | None:
    if len(body) < _SENDER_INFO.size + count * _BLOCK.size:
        return None
    blocks = _parse_blocks(count, body, _SENDER_INFO.size)
    ssrc, ntp_timestamp, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
    return SenderReport(ssrc, ntp_timestamp, rtp_timestamp, packets, octets, blocks)


def _parse_receiver_report(count: int, body: bytes) -> ReceiverReport | None:
    if len(body) < 4 + count * _BLOCK.size:
        return None
    return ReceiverReport(int.from_bytes(body[:4], "big"), _parse_blocks(count, body, 4))


def _parse_blocks(count: int, body: bytes, start: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for offset in range(start, start + count * _BLOCK.size, _BLOCK.size):
        ssrc, loss, highest, jitter_ts, last_report, delay = _BLOCK.unpack_from(body, offset)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter_ts, last_report, delay))
    return tuple(blocks)


def _parse_sdes(count: int, body: bytes) -> SourceDescription | None:
    items: list[SdesItem] = []
    offset = 0
    for _ in range(count):
        if len(body) < offset + 4:
            return None
        ssrc = int.from_bytes(body[offset : offset + 4], "big")
        offset += 4
        while offset < len(body) and body[offset]:
            text = (
                body[offset + 2 : offset + 2 + body[offset + 1]] if offset + 1 < len(body) else b""
            )
            if offset + 1 >= len(body) or len(text) != body[offset + 1]:
                return None
            items.append(SdesItem(ssrc, body[offset], text))
            offset += 2 + len(text)
        # RFC 3550 §6.5: a zero byte ends the items, and zeros fill up to the next word.
        offset = (offset // 4 + 1) * 4
    return SourceDescription(tuple(items))


def _parse_goodbye(count: int, body: bytes) -> Goodbye | None:
    if len(body) < 4 * count:
        return None
    ssrcs = struct.unpack_from(f"!{count}I", body)
    rest = body[4 * count :]
    if rest and len(rest) <= rest[0]:
        return None
    return Goodbye(ssrcs, rest[1 : 1 + rest[0]] if rest else b"")


def build_rtcp(packets: Sequence[RtcpPacket], description: bytes = b"") -> bytes:
    """Return a compound packet.

    Args:
        packets: a sender or receiver report first (RFC 3550 §6.1), then the others.
        description: from `build_description`, to stand behind the report.

    Raises:
        LocalProtocolError: no report stands first, or a field does not fit into its bits.
    """
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise LocalProtocolError("An RTCP compound packet begins with a report.")
    try:
        report, *others = map(_build_packet, packets)
        return b"".join((report, description, *others))
    except (struct.error, OverflowError, ValueError) as exc:
        raise LocalProtocolError(f"This is no RTCP that could be sent: {packets!r}.") from exc


def build_description(description: SourceDescription) -> bytes:
    """Return a source description alone: it is the same in all compounds of a stream."""
    return _build_sdes(description)


def _build_packet(packet: RtcpPacket) -> bytes:
    if isinstance(packet, SenderReport):
        info = _SENDER_INFO.pack(
            packet.ssrc,
            packet.ntp_timestamp,
            packet.rtp_timestamp,
            packet.packets & 0xFFFFFFFF,
            packet.octets & 0xFFFFFFFF,
        )
        return _build_report(SR, info, packet.reports)
    if isinstance(packet, ReceiverReport):
        return _build_report(RR, packet.ssrc.to_bytes(4, "big"), packet.reports)
    if isinstance(packet, SourceDescription):
        return _build_sdes(packet)
    if isinstance(packet, Goodbye):
        body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs)
        if packet.reason:
            body += _length_and_text(packet.reason)
        return _frame(BYE, len(packet.ssrcs), body)
    return _frame(packet.packet_type, packet.count, packet.body)


def _build_report(packet_type: int, head: bytes, reports: tuple[ReportBlock, ...]) -> bytes:
    body = head + b"".join(report.to_bytes() for report in reports)
    return _frame(packet_type, len(reports), body)


def _build_sdes(packet: SourceDescription) -> bytes:
    chunks: list[bytes] = []
    ssrc = None
    for item in packet.items:
        if item.ssrc != ssrc:
            ssrc = item.ssrc
            chunks.append(ssrc.to_bytes(4, "big"))
        chunks[-1] += bytes([item.kind]) + _length_and_text(item.text)
    # RFC 3550 §6.5: at least one zero byte ends each chunk, which fills whole words.
    body = b"".join(chunk + bytes(4 - len(chunk) % 4) for chunk in chunks)
    return _frame(SDES, len(chunks), body)


def _length_and_text(text: bytes) -> bytes:
    return len(text).to_bytes(1, "big") + text


def _frame(packet_type: int, count: int, body: bytes) -> bytes:
    if count > MAX_COUNT:
        raise ValueError(f"{count} entries are more than an RTCP packet holds")
    body += bytes(-len(body) % 4)
    return _HEADER.pack(_VERSION_BITS | count, packet_type, len(body) // 4) + body


def ntp_from_unix(unix_s: float) -> int:
    """Return Unix time as a 64-bit NTP timestamp (RFC 3550 §4)."""
    return round((unix_s + NTP_EPOCH_OFFSET_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def ntp_middle(ntp_timestamp: int) -> int:
    """Return the middle 32 bits of an NTP timestamp: seconds modulo 65536 in 1/65536 s."""
    return ntp_timestamp >> 16 & 0xFFFFFFFF


def round_trip_s(report: ReportBlock, ntp_timestamp: int) -> float | None:
    """Return the round trip a peer's report block tells (RFC 3550 §6.4.1).

    Args:
        report: the peer's block about our stream.
        ntp_timestamp: when it came, on the clock our sender reports use.

    Returns:
        Seconds, 0 where estimated moments say less; None if the peer had no sender report of
        ours yet or the figures are impossible.
    """
    if not report.last_report:
        return None
    units = (ntp_middle(ntp_timestamp) - report.last_report - report.delay) & 0xFFFFFFFF
    seconds = (units - (1 << 32) if units >> 31 else units) / 65_536
    return max(0.0, seconds) if -INEXACT_S <= seconds <= LONGEST_ROUND_TRIP_S else None
