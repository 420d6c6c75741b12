"""RTP packets (RFC 3550 §5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError
from ivrbench.rtp.packet import Extension, RtpPacket, parse_rtp

WIRE = {
    "plain": (
        "8000 0001 000000a0 deadbeef 010203",
        RtpPacket(0, 1, 160, 0xDEADBEEF, b"\x01\x02\x03"),
    ),
    "marker and event": (
        "80e5 ffff ffffffff 00000001 0b0a00a0",
        RtpPacket(101, 65535, 0xFFFFFFFF, 1, b"\x0b\x0a\x00\xa0", marker=True),
    ),
    "sources": (
        "8208 0001 00000000 00000001 00000002 00000003 ff",
        RtpPacket(8, 1, 0, 1, b"\xff", csrcs=(2, 3)),
    ),
    "extension": (
        "9000 0001 00000000 00000001 bede0001 10ff0000 aa",
        RtpPacket(0, 1, 0, 1, b"\xaa", extension=Extension(0xBEDE, b"\x10\xff\x00\x00")),
    ),
    "padding": (
        "a000 0001 00000000 00000001 aabb 000003",
        RtpPacket(0, 1, 0, 1, b"\xaa\xbb", padding_bytes=3),
    ),
    "nothing but padding": (
        "a000 0001 00000000 00000001 01",
        RtpPacket(0, 1, 0, 1, padding_bytes=1),
    ),
    "empty": ("8000 0001 00000000 00000001", RtpPacket(0, 1, 0, 1)),
}


@pytest.mark.parametrize(("wire", "packet"), WIRE.values(), ids=WIRE.keys())
def test_wire_shapes_round_trip(wire: str, packet: RtpPacket) -> None:
    """Each shape a packet can have is read into its fields and written to the same bytes."""
    data = bytes.fromhex(wire)
    assert parse_rtp(data) == packet
    assert packet.to_bytes() == data


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "8000 0001 00000000 000000",
        "4000 0001 00000000 00000001 ff",
        "8100 0001 00000000 00000001",
        "9000 0001 00000000 00000001",
        "9000 0001 00000000 00000001 bede0001",
        "a000 0001 00000000 00000001",
        "a000 0001 00000000 00000001 00",
        "a000 0001 00000000 00000001 0003",
    ],
)
def test_malformed_packets_are_none(wire: str) -> None:
    """A short, foreign or contradictory datagram is no packet and raises nothing."""
    assert parse_rtp(bytes.fromhex(wire)) is None


@given(st.binary(max_size=80))
def test_any_datagram_is_none_or_round_trips(data: bytes) -> None:
    """What can be read is written as it was, but for the content of the padding."""
    packet = parse_rtp(data)
    if packet is not None:
        again = packet.to_bytes()
        assert parse_rtp(again) == packet
        assert len(again) == len(data)


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(128, 0, 0, 0),
        RtpPacket(-1, 0, 0, 0),
        RtpPacket(0, 65536, 0, 0),
        RtpPacket(0, 0, -1, 0),
        RtpPacket(0, 0, 0, 1 << 32),
        RtpPacket(0, 0, 0, 0, csrcs=(0,) * 16),
        RtpPacket(0, 0, 0, 0, csrcs=(1 << 32,)),
        RtpPacket(0, 0, 0, 0, padding_bytes=256),
        RtpPacket(0, 0, 0, 0, extension=Extension(0, b"abc")),
        RtpPacket(0, 0, 0, 0, extension=Extension(70000, b"")),
    ],
)
def test_what_does_not_fit_is_not_sent(packet: RtpPacket) -> None:
    """A field too large for its bits is our mistake."""
    with pytest.raises(LocalProtocolError, match="no RTP packet that could be sent"):
        packet.to_bytes()
