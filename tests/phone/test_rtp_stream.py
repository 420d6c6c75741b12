"""The audio of one call: packets out, frames in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ivrbench.audio.codecs.g711 import LAWS
from ivrbench.phone.keys import Press
from ivrbench.phone.rtp_stream import FRAME_S, RtpStream, StreamIdentity
from ivrbench.phone.voice import Frame, Voice, silent_voice, tone_voice
from ivrbench.rtp.dtmf import dtmf_packets, parse_event
from ivrbench.rtp.packet import RtpPacket, parse_rtp
from ivrbench.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    build_rtcp,
    is_rtcp,
    ntp_middle,
    parse_rtcp,
)
from ivrbench.sdp.description import Codec, Direction
from ivrbench.sdp.negotiate import Agreement

PEER = ("127.0.0.9", 4000)
PEER_RTCP = ("127.0.0.9", 4001)
IDENTITY = StreamIdentity(0xABCD, 65_534, 0xFFFFFF00, "phone")

AGREED = Agreement(
    local_sdp=b"",
    codec=Codec("PCMU", 0, 8000),
    receive_pt=0,
    dtmf_pt=101,
    dtmf_receive_pt=96,
    direction=Direction.SENDRECV,
    remote_rtp=PEER,
    remote_rtcp=PEER_RTCP,
    ptime_ms=20,
)


class Rig:
    """A stream with an agreement, run frame by frame from time 0."""

    def __init__(self, agreement: Agreement = AGREED, voice: Voice | None = None) -> None:
        self.heard: list[Frame] = []
        self.stream = RtpStream(voice or silent_voice(), (self.heard.append,), identity=IDENTITY)
        self.stream.agree(agreement, 0.0)
        self.now = 0.0
        self.sequence = 1000

    def run(self, frames: int = 1) -> list[RtpPacket]:
        """Run frames; the packets they sent."""
        sent = []
        for _ in range(frames):
            self.stream.run_frame(self.now)
            self.now += FRAME_S
            for data, remote in self.stream.rtp_to_send():
                assert remote == PEER
                packet = parse_rtp(data)
                assert packet is not None
                sent.append(packet)
        return sent

    def give(self, number: int, value: int = 5000, *, ssrc: int = 7, law: str = "PCMU") -> None:
        """Let the packet of frame `number` come in, all samples `value`."""
        payload = LAWS[law].encode(np.full(160, value, np.int16)).tobytes()
        pt = 0 if law == "PCMU" else 8
        packet = RtpPacket(pt, self.sequence + number, number * 160, ssrc, payload)
        self.stream.receive_rtp(packet.to_bytes(), PEER, self.now)


def test_packets_count_on_and_wrap() -> None:
    """RFC 3550 §5.1: the sequence goes up by one, the timestamp by 160, both wrap; first marked."""
    packets = Rig(voice=tone_voice(400)).run(4)
    assert [packet.sequence for packet in packets] == [65_534, 65_535, 0, 1]
    assert [packet.timestamp for packet in packets] == [0xFFFFFF00, 0xFFFFFFA0, 0x40, 0xE0]
    assert [packet.marker for packet in packets] == [True, False, False, False]
    assert {(packet.ssrc, packet.payload_type, len(packet.payload)) for packet in packets} == {
        (0xABCD, 0, 160)
    }


def test_voice_is_sent_in_the_agreed_law() -> None:
    """PCMA under the number the peer gave it."""
    agreement = replace(AGREED, codec=Codec("PCMA", 98, 8000))
    packet = Rig(agreement, Voice(np.full(160, 1000, np.int16))).run()[0]
    assert packet.payload_type == 98
    samples = LAWS["PCMA"].decode(np.frombuffer(packet.payload, np.uint8))
    assert samples[0] == pytest.approx(1000, abs=32)


def test_key_replaces_audio_and_ends_three_times() -> None:
    """RFC 4733 §2.5: one timestamp, duration rises, marker first, three ends; then audio."""
    rig = Rig()
    rig.run(2)
    assert rig.stream.press(Press(11, 100))
    packets = rig.run(9)
    events = [packet for packet in packets if packet.payload_type == 101]
    audio = packets[len(events) :]
    parsed = [parse_event(packet.payload) for packet in events]
    assert [(e.key, e.duration_ts, e.end) for e in parsed if e] == [
        (11, 160, False),
        (11, 320, False),
        (11, 480, False),
        (11, 640, False),
        (11, 800, True),
        (11, 800, True),
        (11, 800, True),
    ]
    assert {packet.timestamp for packet in events} == {0x40}
    assert [packet.marker for packet in events] == [True] + [False] * 6
    assert [packet.sequence for packet in packets] == list(range(9))
    assert audio[0].marker
    assert audio[0].timestamp == 0x40 + 7 * 160


def test_key_needs_an_agreement_about_events() -> None:
    """Without telephone-event the caller has to use SIP INFO."""
    rig = Rig(replace(AGREED, dtmf_pt=None))
    assert not rig.stream.press(Press(1))
    assert {packet.payload_type for packet in rig.run(3)} == {0}


def test_nothing_is_sent_on_hold_and_the_clock_goes_on() -> None:
    """RFC 3264 §8.4: recvonly is silent; after it the timestamp shows the time, with a marker."""
    rig = Rig()
    rig.run(1)
    rig.stream.agree(replace(AGREED, direction=Direction.RECVONLY), rig.now)
    assert rig.run(10) == []
    rig.stream.agree(AGREED, rig.now)
    packet = rig.run(1)[0]
    assert packet.marker
    assert packet.sequence == 65_535
    assert packet.timestamp == (0xFFFFFF00 + 11 * 160) & 0xFFFFFFFF


def test_skipped_frames_move_the_timestamp_only() -> None:
    """A late process leaves a hole in time, not a loss."""
    rig = Rig()
    rig.run(1)
    rig.stream.skip(5)
    packet = rig.run(1)[0]
    assert (packet.sequence, packet.timestamp) == (65_535, (0xFFFFFF00 + 6 * 160) & 0xFFFFFFFF)


def test_frames_come_out_in_order() -> None:
    """Packets that overtook each other are heard in the order they were said."""
    rig = Rig()
    for number in (0, 2, 1, 3):
        rig.give(number, 1000 * (number + 1))
    rig.run(4)
    assert [round(int(frame[0]), -3) for frame in rig.heard] == [1000, 2000, 3000, 4000]


def test_lost_packet_is_concealed_and_counted() -> None:
    """A hole is filled with what came before, ever softer, and the figures tell it."""
    rig = Rig()
    for number in (0, 1, 2, 4, 5):
        rig.give(number, 8000)
    rig.run(6)
    ends = [int(frame[-1]) for frame in rig.heard]
    assert ends[2] == pytest.approx(8000, abs=300)
    assert 5000 < ends[3] < 7500
    assert ends[4] == pytest.approx(8000, abs=300)
    figures = rig.stream.figures()
    assert (figures.received, figures.lost) == (5, 1)
    assert figures.concealed_s == pytest.approx(0.02)
    assert figures.audio_s == pytest.approx(0.1)


def test_long_gap_fades_to_silence() -> None:
    """The last frame is not repeated for ever."""
    rig = Rig()
    rig.give(0, 8000)
    rig.run(20)
    assert [int(np.abs(frame).max()) for frame in rig.heard[-15:]] == [0] * 15


def test_only_the_other_side_is_heard() -> None:
    """Strangers, unknown payload types and rubbish are dropped, and nothing raises."""
    rig = Rig()
    packet = RtpPacket(0, 1, 0, 7, bytes(160)).to_bytes()
    rig.stream.receive_rtp(packet, ("192.0.2.1", 4000), 0.0)
    rig.stream.receive_rtp(RtpPacket(3, 1, 0, 7, bytes(33)).to_bytes(), PEER, 0.0)
    for rubbish in (b"", b"\x80", bytes(200), packet[:11]):
        rig.stream.receive_rtp(rubbish, PEER, 0.0)
        rig.stream.receive_rtcp(rubbish, PEER_RTCP, 0.0)
    rig.run(3)
    assert rig.stream.figures().received == 0
    assert rig.stream.first_packet_s is None


def test_new_ssrc_begins_a_new_stream_and_the_counts_add_up() -> None:
    """A peer that starts again with other numbers is heard at once."""
    rig = Rig()
    rig.give(0)
    rig.run(1)
    rig.sequence = 30_000
    for number in range(1, 4):
        rig.give(number, ssrc=8)
        rig.run(1)
    assert rig.stream.figures().received == 4
    assert rig.stream.figures().lost == 0


def test_level_is_measured_over_all_that_was_heard() -> None:
    """Half full scale is -6 dBFS, as RMS and as peak."""
    rig = Rig()
    for number in range(10):
        rig.give(number, 16_384)
        rig.run(1)
    figures = rig.stream.figures()
    assert figures.level_dbfs == pytest.approx(-6.0, abs=0.3)
    assert figures.peak_dbfs == pytest.approx(-6.0, abs=0.3)


def test_first_sound_is_not_the_first_packet() -> None:
    """Silence at packet rate is no sound."""
    rig = Rig()
    for number in range(5):
        rig.give(number, 0)
        rig.run(1)
    assert rig.stream.first_packet_s == 0.0
    assert rig.stream.first_sound_s is None
    rig.give(5, 5000)
    rig.run(1)
    assert rig.stream.first_sound_s == pytest.approx(0.1)


def test_key_of_the_other_side_is_heard_once() -> None:
    """Events come under our number for them and are no audio."""
    rig = Rig()
    for number, event in enumerate(dtmf_packets(5, 120)):
        packet = RtpPacket(96, 1000 + number, 640, 7, event.payload, event.marker)
        rig.stream.receive_rtp(packet.to_bytes(), PEER, rig.now)
        rig.run(1)
    assert rig.stream.next_key_heard() == (5, 120)
    assert rig.stream.next_key_heard() is None
    assert rig.stream.figures().audio_s == 0


def test_reports_go_out_and_tell_what_came() -> None:
    """RFC 3550 §6.4: a sender report with a block about the stream heard, and who we are."""
    rig = Rig()
    for number in (0, 1, 3):
        rig.give(number)
    rig.run(127)
    (data, remote), *more = rig.stream.rtcp_to_send()
    assert remote == PEER_RTCP
    assert not more
    report = (parse_rtcp(data) or ())[0]
    assert isinstance(report, SenderReport)
    assert report.ssrc == 0xABCD
    assert report.packets == 126
    assert (report.reports[0].ssrc, report.reports[0].lost) == (7, 1)


def test_reports_share_the_port_where_that_was_agreed() -> None:
    """RFC 5761 §3: they leave from the RTP port, and are taken there."""
    rig = Rig(replace(AGREED, remote_rtcp=PEER))
    sent = []
    for _ in range(127):
        rig.stream.run_frame(rig.now)
        rig.now += FRAME_S
        sent += [data for data, remote in rig.stream.rtp_to_send() if remote == PEER]
    assert rig.stream.rtcp_to_send() == []
    (ours,) = [data for data in sent if is_rtcp(data)]
    report = (parse_rtcp(ours) or ())[0]
    assert isinstance(report, SenderReport)
    seen = ReportBlock(0xABCD, 0, 0, 0, 0, ntp_middle(report.ntp_timestamp), 0)
    rig.stream.receive_rtp(build_rtcp([ReceiverReport(7, (seen,))]), PEER, rig.now)
    assert rig.stream.figures().rtt_ms is not None
    assert rig.stream.figures().received == 0


def test_silent_side_sends_receiver_reports_and_goodbye() -> None:
    """RFC 3550 §6.4, §6.6: who sends nothing reports as receiver; the end is said."""
    rig = Rig(replace(AGREED, direction=Direction.RECVONLY))
    rig.run(3)
    rig.stream.end(rig.now)
    ((data, _),) = rig.stream.rtcp_to_send()
    packets = parse_rtcp(data) or ()
    assert isinstance(packets[0], ReceiverReport)
    assert packets[-1] == Goodbye((0xABCD,))
    rig.stream.end(rig.now)
    assert rig.stream.rtcp_to_send() == []


def test_round_trip_is_told_by_the_other_sides_report() -> None:
    """RFC 3550 §6.4.1: arrival minus LSR minus DLSR."""
    rig = Rig()
    rig.run(127)
    ((data, _),) = rig.stream.rtcp_to_send()
    ours = (parse_rtcp(data) or ())[0]
    assert isinstance(ours, SenderReport)
    sent_s = 125 * FRAME_S  # the first frame at or after 2.5 s
    peer = Rig()
    peer.stream = RtpStream(silent_voice(), identity=StreamIdentity(7, 0, 0, "peer"))
    peer.stream.agree(replace(AGREED, remote_rtcp=PEER_RTCP), 0.0)
    packet = RtpPacket(0, 1, 0, 0xABCD, bytes(160)).to_bytes()
    peer.stream.receive_rtp(packet, PEER, sent_s)
    peer.stream.receive_rtcp(data, PEER_RTCP, sent_s + 0.01)
    peer.stream.end(sent_s + 0.05)
    ((answer, _),) = peer.stream.rtcp_to_send()
    rig.stream.receive_rtcp(answer, PEER_RTCP, sent_s + 0.08)
    assert rig.stream.figures().rtt_ms == pytest.approx(40, abs=1)


def test_foreign_report_is_ignored() -> None:
    """A report from elsewhere changes nothing."""
    rig = Rig()
    data = build_rtcp([ReceiverReport(7)])
    rig.stream.receive_rtcp(data, ("192.0.2.1", 4001), 0.0)
    assert rig.stream.figures().rtt_ms is None
