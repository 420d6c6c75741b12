"""SIP messages as a capture file that Wireshark, tshark and sngrep open.

The packets are made up around the messages: addresses, ports and times are real, and so is every
byte of SIP. What came by TLS is written as it was inside, in UDP, or nobody could read it.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

from ivrbench.observe.events import SipTraced

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ivrbench.observe.events import Stamped

__all__ = ["capture"]

LINK_TYPE_RAW = 101  # a packet begins with its IPv4 or IPv6 header
MAX_PACKET_BYTES = 65_535
_TCP, _UDP = 6, 17
_HOP_LIMIT = 64
_PSH_ACK = 0x18

_Host = ipaddress.IPv4Address | ipaddress.IPv6Address
_End = tuple[_Host, int]


def capture(messages: Iterable[Stamped]) -> bytes:
    """A pcap file of these messages, in their order; events of other kinds are left out."""
    packets = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, MAX_PACKET_BYTES, LINK_TYPE_RAW)]
    sent_bytes: dict[tuple[_End, _End], int] = {}
    for stamped in messages:
        sip = stamped.event
        if not isinstance(sip, SipTraced):
            continue
        ends = _end(sip.local), _end(sip.remote)
        source, target = ends if sip.sent else ends[::-1]
        data = sip.raw[: MAX_PACKET_BYTES - 60]
        if sip.transport == "tcp":
            seq = sent_bytes.get((source, target), 1)
            sent_bytes[source, target] = seq + len(data)
            protocol = _TCP
            segment = _tcp(source, target, seq, sent_bytes.get((target, source), 1), data)
        else:
            protocol, segment = _UDP, _udp(source, target, data)
        packet = _ip(source[0], target[0], protocol, segment)
        seconds = int(stamped.at_s)
        microseconds = int((stamped.at_s - seconds) * 1e6)
        packets.append(
            struct.pack("<IIII", seconds, microseconds, len(packet), len(packet)) + packet
        )
    return b"".join(packets)


def _end(text: str) -> _End:
    host, _, port = text.rpartition(":")
    try:
        # A link-local address may carry its interface.
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
        return address, int(port) & 0xFFFF
    except ValueError:
        return ipaddress.IPv4Address(0), 0


def _udp(source: _End, target: _End, data: bytes) -> bytes:
    header = struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0)
    # RFC 768: a sum of zero is sent as all ones.
    total = _transport_sum(source[0], target[0], _UDP, header + data) or 0xFFFF
    return header[:6] + struct.pack("!H", total) + data


def _tcp(source: _End, target: _End, seq: int, ack: int, data: bytes) -> bytes:
    header = struct.pack(
        "!HHIIBBHHH",
        *(source[1], target[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF),
        *(5 << 4, _PSH_ACK, 65_535, 0, 0),
    )
    total = _transport_sum(source[0], target[0], _TCP, header + data)
    return header[:16] + struct.pack("!H", total) + header[18:] + data


def _ip(source: _Host, target: _Host, protocol: int, segment: bytes) -> bytes:
    if source.version == 4 and target.version == 4:
        total = 20 + len(segment)
        head = struct.pack("!BBHHHBBH", 0x45, 0, total, 0, 0x4000, _HOP_LIMIT, protocol, 0)
        head += source.packed + target.packed
        return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + segment
    head = struct.pack("!IHBB", 6 << 28, len(segment), protocol, _HOP_LIMIT)
    return head + _as_ipv6(source) + _as_ipv6(target) + segment


def _as_ipv6(address: _Host) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def _transport_sum(source: _Host, target: _Host, protocol: int, segment: bytes) -> int:
    # RFC 793 §3.1, RFC 8200 §8.1: the sum covers addresses, protocol and length too.
    if source.version == 4 and target.version == 4:
        pseudo = source.packed + target.packed + struct.pack("!BBH", 0, protocol, len(segment))
    else:
        pseudo = _as_ipv6(source) + _as_ipv6(target) + struct.pack("!II", len(segment), protocol)
    return _checksum(pseudo + segment)


def _checksum(data: bytes) -> int:
    """RFC 1071: the one's complement of the one's complement sum of 16-bit words."""
    padded = data + bytes(len(data) % 2)
    words: tuple[int, ...] = struct.unpack(f"!{len(padded) // 2}H", padded)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
