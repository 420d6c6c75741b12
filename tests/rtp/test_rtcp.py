"""RTCP compound packets (RFC 3550 §6) and the figures in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import LocalProtocolError
from ivrbench.rtp.rtcp import (
    Goodbye,
    OtherRtcp,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SdesItem,
    SenderReport,
    SourceDescription,
    build_rtcp,
    ntp_from_unix,
    ntp_middle,
    parse_rtcp,
    round_trip_s,
)
from ivrbench.rtp.sequence import Arrival
from ivrbench.rtp.stats import ReceptionStats

BLOCK = ReportBlock(2, 64, -3, 0x10005, 12, 0x01020304, 0x8000)
COMPOUND: tuple[RtcpPacket, ...] = (
    SenderReport(1, 0x0102030405060708, 160, 5, 800, (BLOCK,)),
    SourceDescription((SdesItem(1, 1, b"me@here"), SdesItem(1, 2, b""), SdesItem(9, 1, b"abc"))),
    OtherRtcp(205, 1, b"\0\0\0\1\0\0\0\2"),
    Goodbye((1, 2), b"done"),
)
WIRE = bytes.fromhex(
    "81c8000c 00000001 0102030405060708 000000a0 00000005 00000320"
    "00000002 40fffffd 00010005 0000000c 01020304 00008000"
    "82ca0007 00000001 0107 6d654068657265 0200 00 00000009 0103 616263 000000"
    "81cd0002 00000001 00000002"
    "82cb0004 00000001 00000002 04 646f6e65 000000"
)


def test_a_compound_round_trips() -> None:
    """A compound of every type is read into its fields and written to the same bytes."""
    assert parse_rtcp(WIRE) == COMPOUND
    assert build_rtcp(COMPOUND) == WIRE


def test_a_receiver_report_round_trips() -> None:
    """A party that sends nothing reports too; a goodbye needs no reason."""
    packets = (ReceiverReport(7, (BLOCK, BLOCK)), SourceDescription(()), Goodbye((7,)))
    assert parse_rtcp(build_rtcp(packets)) == packets


def test_padding_of_the_last_packet_is_removed() -> None:
    """Only the last packet of a compound may be padded (§6.4.1)."""
    padded = bytes.fromhex("a0c90002 00000007 00000004")
    assert parse_rtcp(padded) == (ReceiverReport(7),)
    assert parse_rtcp(padded + bytes.fromhex("80c90001 00000007")) is None


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "80c8",
        "00c90001 00000007",
        "80c90002 00000007",
        "80c90000",
        "81c90001 00000007",
        "80c80001 00000007",
        "a0c90000",
        "a0c90001 00000000",
        "a0c90001 000000ff",
        "81ca0000",
        "81ca0002 00000001 01ff6161",
        "81ca0002 00000001 01036101",
        "81cb0000",
        "80cb0001 ff000000",
    ],
)
def test_malformed_rtcp_is_none(wire: str) -> None:
    """A short, foreign or contradictory datagram is no RTCP and raises nothing."""
    assert parse_rtcp(bytes.fromhex(wire)) is None


@given(st.integers(0, len(WIRE)), st.binary(max_size=8))
def test_damaged_rtcp_never_raises(at: int, junk: bytes) -> None:
    """A compound cut or changed anywhere gives packets or None."""
    for data in (WIRE[:at], WIRE[:at] + junk + WIRE[at + len(junk) :], junk):
        packets = parse_rtcp(data)
        assert packets is None or len(packets) > 0


def test_an_sdes_item_cut_after_its_kind_is_none() -> None:
    """An item whose length byte is missing makes the packet unreadable."""
    assert parse_rtcp(bytes.fromhex("81ca0002 00000001 01010101")) is None


@pytest.mark.parametrize(
    "packets",
    [
        (),
        (Goodbye((1,)),),
        (ReceiverReport(1 << 32),),
        (ReceiverReport(1, (BLOCK,) * 32),),
        (ReceiverReport(1), Goodbye((1,), b"x" * 256)),
        (ReceiverReport(1), SourceDescription((SdesItem(1, 256, b""),))),
    ],
)
def test_what_the_rfc_forbids_is_not_sent(packets: tuple[RtcpPacket, ...]) -> None:
    """A compound begins with a report (§6.1) and its fields fit into their bits."""
    with pytest.raises(LocalProtocolError):
        build_rtcp(packets)


def test_ntp_time() -> None:
    """NTP counts from 1900 in 1/2**32 s; the middle bits are seconds modulo 65536 (§4)."""
    assert ntp_from_unix(0.5) == 2_208_988_800 << 32 | 1 << 31
    assert ntp_middle(0x0102030405060708) == 0x03040506


def test_the_round_trip_is_what_remains() -> None:
    """Round trip = now - our report's time - the peer's delay (§6.4.1, figure 2)."""
    sent = ntp_from_unix(1000.0)
    block = ReportBlock(1, 0, 0, 0, 0, ntp_middle(sent), round(0.25 * 65536))
    assert round_trip_s(block, ntp_from_unix(1000.35)) == pytest.approx(0.1, abs=1e-4)


def test_impossible_round_trips_are_none() -> None:
    """Without a report of ours, or with a delay longer than the time passed, there is none."""
    sent = ntp_from_unix(1000.0)
    assert round_trip_s(ReportBlock(1, 0, 0, 0, 0), sent) is None
    late = ReportBlock(1, 0, 0, 0, 0, ntp_middle(sent), 65536)
    assert round_trip_s(late, ntp_from_unix(1000.5)) is None


def test_a_round_trip_of_about_nothing_is_nothing() -> None:
    """Where a packet came is partly an estimate: a little less than nothing is no nonsense."""
    sent = ntp_from_unix(1000.0)
    block = ReportBlock(1, 0, 0, 0, 0, ntp_middle(sent), round(0.25 * 65536))
    assert round_trip_s(block, ntp_from_unix(1000.24)) == 0.0


def test_perfect_reception_reports_nothing_wrong() -> None:
    """Packets that come as they were sent have no jitter and no loss."""
    stats = ReceptionStats(5)
    for n in range(100):
        assert stats.receive(n, n * 160, 160, n * 0.02) is Arrival.IN_ORDER
    assert stats.report(2.0) == ReportBlock(5, 0, 0, 99, 0)
    assert stats.octets == 16000
    assert stats.jitter_ms == pytest.approx(0.0, abs=1e-6)
    assert repr(stats) == (
        "<ReceptionStats ssrc=00000005 <SequenceTracker highest=99 received=100 lost=0> 0.0 ms>"
    )


def test_jitter_follows_rfc_3550_a8() -> None:
    """Each packet moves the jitter by a sixteenth of its deviation."""
    stats = ReceptionStats(5)
    stats.receive(0, 0, 160, 0.0)
    stats.receive(1, 160, 160, 0.030)
    assert stats.jitter_ms == pytest.approx(10 / 16)
    stats.receive(2, 320, 160, 0.040)
    assert stats.jitter_ms == pytest.approx(10 / 16 + (10 - 10 / 16) / 16)


def test_keys_do_not_disturb_the_jitter() -> None:
    """Packets of one timestamp, as RFC 4733 sends them, say nothing about transit."""
    stats = ReceptionStats(5)
    for n in range(10):
        stats.receive(n, 1600, 4, n * 0.02)
    stats.receive(10, 1600 + 1600, 160, 0.2)
    assert stats.jitter_ms == pytest.approx(0.0, abs=1e-6)


def test_loss_since_the_last_report() -> None:
    """The fraction counts from one report to the next, the sum from the beginning (A.3)."""
    stats = ReceptionStats(5)
    for n in (0, 1, 3):
        stats.receive(n, n * 160, 160, n * 0.02)
    first = stats.report(1.0)
    assert (first.fraction_lost, first.lost) == (64, 1)
    for n in (4, 5, 6):
        stats.receive(n, n * 160, 160, n * 0.02)
    second = stats.report(2.0)
    assert (second.fraction_lost, second.lost) == (0, 1)
    stats.receive(2, 320, 160, 0.2)
    third = stats.report(3.0)
    assert (third.fraction_lost, third.lost) == (0, 0)


def test_duplicates_are_counted_but_not_timed() -> None:
    """A copy of a packet does not move the jitter."""
    stats = ReceptionStats(5)
    stats.receive(0, 0, 160, 0.0)
    assert stats.receive(0, 0, 160, 5.0) is Arrival.DUPLICATE
    stats.receive(1, 160, 160, 0.02)
    assert stats.jitter_ms == 0.0
    assert stats.report(1.0).lost == -1


def test_a_restart_forgets_jitter_and_reports() -> None:
    """A stream that begins anew is counted from there; a stray packet is not counted at all."""
    stats = ReceptionStats(5)
    stats.receive(0, 0, 160, 0.0)
    stats.receive(1, 160, 160, 0.5)
    stats.report(1.0)
    assert stats.receive(30000, 7, 160, 1.0) is Arrival.SUSPECT
    assert stats.receive(30001, 7, 160, 1.0) is Arrival.RESTARTED
    assert stats.octets == 480
    assert stats.jitter_ms == 0.0
    assert stats.report(2.0) == ReportBlock(5, 0, 0, 30001, 0)


def test_the_peers_report_is_acknowledged() -> None:
    """Our block names the peer's last report and how long ago it came."""
    stats = ReceptionStats(5)
    stats.receive_report(SenderReport(5, 0x0102030405060708, 0, 0, 0), 10.0)
    block = stats.report(10.5)
    assert (block.last_report, block.delay) == (0x03040506, 32768)
