"""RTCP: what the reports say, when they come, and the goodbye."""

from __future__ import annotations

import itertools
import random

import pytest

from ivrbench.media.messages import CallClosed, CallReported, SetSwitches, WatchCalls
from ivrbench.rtp.packet import RtpPacket
from ivrbench.rtp.rtcp import (
    Goodbye,
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
)

from .lab import FAR_RTCP, FAR_RTP, FarEnd, Lab, octets

OUR_RTCP = ("192.0.2.1", 4001)


def compounds(lab: Lab) -> list[tuple[RtcpPacket, ...]]:
    """What the far end's RTCP port got; every datagram must parse."""
    found = []
    while (datagram := lab.rtcp.receive()) is not None:
        packets = parse_rtcp(datagram.data)
        assert packets is not None
        found.append(packets)
    return found


def test_sender_report_describes_both_directions() -> None:
    """RFC 3550 §6.4.1: counts, clocks, loss, jitter and CNAME are ours and true."""
    lab = Lab()
    lab.open()
    far = FarEnd(lab)
    for number in range(500):
        packet = far.packet(octets(160))
        if number % 10 != 5:
            far.deliver(packet)
        lab.run(20)
    found = compounds(lab)
    report, sdes = found[0][0], found[0][1]
    assert isinstance(report, SenderReport)
    assert isinstance(sdes, SourceDescription)
    assert report.ssrc == lab.sent[0].ssrc == sdes.items[0].ssrc
    assert sdes.items[0].kind == 1
    assert len(sdes.items[0].text) >= 12
    at = next(p for p in lab.sent if p.timestamp == (report.rtp_timestamp - 160) & 0xFFFF_FFFF)
    assert lab.sent.index(at) + 1 == report.packets
    assert report.octets == report.packets * 160
    (block,) = report.reports
    assert block.ssrc == far.ssrc
    assert block.fraction_lost == pytest.approx(25.6, abs=3)
    assert block.lost == pytest.approx(report.packets / 10, abs=1)
    assert block.highest_sequence == pytest.approx(1000 + report.packets, abs=2)
    assert block.jitter_ts == 0


def test_reports_come_every_five_seconds_by_chance() -> None:
    """RFC 3550 §6.2: intervals between half and one and a half of five seconds, not alike."""
    lab = Lab()
    lab.open()
    times = []
    for _ in range(12_000):
        lab.run(20)
        if compounds(lab):
            times.append(lab.now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(2.4 <= gap <= 7.7 for gap in gaps)
    assert sum(gaps) / len(gaps) == pytest.approx(5, abs=0.7)
    assert len({round(gap, 1) for gap in gaps}) > 10


def test_call_that_sends_nothing_writes_receiver_reports() -> None:
    """RFC 3550 §6.4: who sends no RTP sends RR; it still answers the peer's sender report."""
    lab = Lab()
    lab.open()
    lab.apply(SetSwitches(1, muted=True))
    FarEnd(lab).speak(octets(800))
    ntp = ntp_from_unix(1_700_000_000)
    lab.network.send(build_rtcp([SenderReport(0xABCD, ntp, 0, 1, 1)]), FAR_RTCP, OUR_RTCP)
    lab.run(20)
    arrived = lab.now
    while not (found := compounds(lab)):
        lab.run(20)
    report = found[0][0]
    assert isinstance(report, ReceiverReport)
    (block,) = report.reports
    assert block.last_report == ntp_middle(ntp)
    assert block.delay / 65536 == pytest.approx(lab.now - arrived, abs=0.05)


def test_round_trip_time() -> None:
    """A peer that reflects our report 80 ms later, 50 of which it held it: 30 ms."""
    lab = Lab()
    lab.open()
    while not (found := compounds(lab)):
        lab.run(5)
    report = found[0][0]
    assert isinstance(report, SenderReport)
    block = ReportBlock(
        report.ssrc, 0, 0, 0, 0, ntp_middle(report.ntp_timestamp), round(0.05 * 65536)
    )
    lab.run(75)
    lab.network.send(build_rtcp([ReceiverReport(1, (block,))]), FAR_RTCP, OUR_RTCP)
    lab.run(5)
    lab.close()
    assert lab.of(CallClosed)[0].counts.rtt_ms == pytest.approx(30, abs=6)


@pytest.mark.parametrize("watched", [False, True])
def test_round_trip_where_audio_and_reports_share_a_port(watched: bool) -> None:
    """RFC 5761: what waited in the socket for its turn, half a period on average, is no journey.

    Reports go before the audio of their period, so that none is read a period late.
    """
    lab = Lab()
    lab.open(remote_rtcp=FAR_RTP)
    if watched:
        lab.apply(WatchCalls((1,), 1000))
    lab.raw = True
    lab.network.now = lambda: lab.now
    while not (found := [p for data in lab.datagrams if (p := parse_rtcp(data))]):
        lab.datagrams.clear()
        lab.run(5)
    report = found[0][0]
    assert isinstance(report, SenderReport)
    assert [parse_rtcp(data) is None for data in lab.datagrams] == [False, True]
    middle = ntp_middle(report.ntp_timestamp)
    block = ReportBlock(report.ssrc, 0, 0, 0, 0, middle, round(0.05 * 65536))
    lab.run(80)
    lab.network.send(build_rtcp([ReceiverReport(1, (block,))]), FAR_RTP, ("192.0.2.1", 4000))
    lab.run(20)
    lab.close()
    assert lab.of(CallClosed)[0].counts.rtt_ms == pytest.approx(30, abs=0.1 if watched else 11)


def test_goodbye_at_the_end() -> None:
    """RFC 3550 §6.6: the last packet is a BYE for our SSRC; then the ports are closed."""
    lab = Lab()
    lab.open()
    lab.run(100)
    lab.close()
    last = compounds(lab)[-1]
    assert isinstance(last[-1], Goodbye)
    assert last[-1].ssrcs == (lab.sent[0].ssrc,)
    assert len(lab.poller) == 0
    assert lab.network.n_sockets == 2


def test_garbage_and_strangers_on_the_rtcp_port() -> None:
    """Both are counted; neither changes anything."""
    lab = Lab()
    lab.open()
    good = build_rtcp([ReceiverReport(1), SourceDescription((SdesItem(1, 1, b"x"),))])
    lab.network.send(good, ("203.0.113.1", 7001), OUR_RTCP)
    lab.network.send(good[:-3], FAR_RTCP, OUR_RTCP)
    lab.network.send(b"\x00", FAR_RTCP, OUR_RTCP)
    lab.run(20)
    lab.close()
    counts = lab.of(CallClosed)[0].counts
    assert (counts.foreign, counts.invalid) == (1, 2)


@pytest.mark.parametrize("law", ["PCMU", "L16"])
def test_jitter_of_a_watched_call_is_that_of_the_network(law: str) -> None:
    """Packets of a watched call count from when they came, not from the tick that read them."""
    lab = Lab()
    payload_type, n_bytes, step = (0, 160, 160) if law == "PCMU" else (96, 320, 160)
    lab.open(codec=law, payload_type=payload_type)
    lab.apply(WatchCalls((1,), 1000))
    far = FarEnd(lab)
    source = random.Random(5)
    jitter_s = 0.006
    for number in range(600):
        at_s = lab.now + 0.007 + source.choice((0.0, jitter_s))
        lab.network.now = lambda at_s=at_s: at_s  # type: ignore[misc]
        packet = RtpPacket(payload_type, number, number * step, 7, bytes(n_bytes))
        far.deliver(packet.to_bytes())
        lab.run(20)
    # |D| is 6 ms every other time: 3 ms on average (RFC 3550 A.8).
    assert lab.of(CallReported)[-1].counts.jitter_ms == pytest.approx(3.0, abs=0.8)
