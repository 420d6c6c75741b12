"""What comes in: jitter buffer, loss, strangers, garbage, keys, timeouts."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.audio.codecs import g711
from ivrbench.media.messages import (
    CallClosed,
    CallReported,
    Command,
    FlushQueue,
    ItemStarted,
    KeyPressed,
    KeyReleased,
    RtpStarted,
    RtpTimedOut,
    SendKeys,
    SetSwitches,
    StreamCounts,
    UpdateCall,
    WatchCalls,
)
from ivrbench.rtp.dtmf import dtmf_packets, parse_event
from ivrbench.rtp.packet import RtpPacket

from .lab import FAR_RTP, FakeFile, FarEnd, Lab, decoded, octets, stream, wav_audio


def recording_lab() -> tuple[Lab, FarEnd, FakeFile]:
    """A call that records."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    return lab, FarEnd(lab), file


def recorded(lab: Lab, file: FakeFile) -> bytes:
    """End the recording and return its audio."""
    lab.run(100)
    lab.apply(FlushQueue(1))
    lab.run(20)
    return wav_audio(file)


def counts(lab: Lab) -> StreamCounts:
    """The call's counters at its end, when all packets are read."""
    lab.run(700)
    lab.close()
    (closed,) = lab.of(CallClosed)
    result: StreamCounts = closed.counts
    return result


def packets(far: FarEnd, audio: bytes) -> list[bytes]:
    """A stream cut into packets."""
    return [far.packet(audio[i : i + 160]) for i in range(0, len(audio), 160)]


@pytest.mark.parametrize("frame", [80, 160, 240, 320, 400, 480, 200])
def test_packets_of_any_length(frame: int) -> None:
    """RFC 3551 §4.2: 10 to 60 ms are put together sample for sample."""
    lab, far, file = recording_lab()
    said = octets(frame * 30)
    for start in range(0, len(said), frame):
        far.deliver(far.packet(said[start : start + frame]))
        lab.run(frame // 8)
    audio = recorded(lab, file)
    assert audio.startswith(decoded(said)[: -2 * frame])
    assert counts(lab).lost == 0


def test_reordered_packets_are_put_in_order() -> None:
    """Neighbours swapped: no loss, nothing late, the audio is whole."""
    lab, far, file = recording_lab()
    said = octets(160 * 40)
    row = packets(far, said)
    for i in range(0, len(row), 2):
        for packet in (row[i + 1], row[i]) if i else (row[i], row[i + 1]):
            far.deliver(packet)
        lab.run(40)
    assert recorded(lab, file).startswith(decoded(said))
    result = counts(lab)
    assert (result.received, result.lost, result.late, result.duplicate) == (40, 0, 0, 0)


def test_duplicates_are_counted_and_dropped() -> None:
    """Every packet twice: the audio is as if each came once."""
    lab, far, file = recording_lab()
    said = octets(160 * 20)
    for packet in packets(far, said):
        far.deliver(packet)
        far.deliver(packet)
        lab.run(20)
    assert recorded(lab, file).startswith(decoded(said))
    result = counts(lab)
    assert (result.received, result.duplicate, result.lost) == (20, 20, 0)


def test_lost_packet_is_concealed_and_counted() -> None:
    """The gap of a tone holds the tone; what follows is in its place, faded in."""
    lab, far, file = recording_lab()
    wave = (8000 * np.sin(2 * np.pi * 400 * np.arange(160 * 20) / 8000)).astype(np.int16)
    said = g711.PCMU.encode(wave).tobytes()
    for number, packet in enumerate(packets(far, said)):
        if number != 10:
            far.deliver(packet)
        lab.run(20)
    audio = recorded(lab, file)
    clear = decoded(said)
    assert audio[: 320 * 10] == clear[: 320 * 10]
    assert audio[320 * 11 + 80 : 320 * 20] == clear[320 * 11 + 80 : 320 * 20]
    hidden = np.frombuffer(audio[320 * 10 : 320 * 11], np.int16)
    assert np.corrcoef(hidden, wave[1600:1760])[0, 1] > 0.99
    result = counts(lab)
    assert (result.received, result.lost) == (19, 1)


def test_long_gap_fades_to_silence() -> None:
    """Nothing is made up for longer than 60 ms."""
    lab, far, file = recording_lab()
    far.speak(octets(160 * 10))
    lab.run(400)
    audio = np.frombuffer(recorded(lab, file), np.int16)
    hidden = audio[1600:]
    assert np.abs(hidden[:160]).max() > 1000
    assert not hidden[160 * 4 :].any()


def test_late_packet_is_counted() -> None:
    """A packet after its turn is dropped as late and is not lost."""
    lab, far, _ = recording_lab()
    row = packets(far, octets(160 * 20))
    for number, packet in enumerate(row):
        if number != 5:
            far.deliver(packet)
        if number == 15:
            far.deliver(row[5])
        lab.run(20)
    result = counts(lab)
    assert (result.late, result.lost, result.received) == (1, 0, 20)


def test_grown_delay_is_followed() -> None:
    """When the network gets 200 ms slower the audio comes back instead of staying late."""
    lab, far, file = recording_lab()
    before, after = octets(160 * 20, 1), octets(160 * 20, 2)
    far.speak(before)
    lab.run(200)
    far.speak(after)
    assert decoded(after)[320 * 5 : 320 * 18] in recorded(lab, file)


def test_stall_makes_the_buffer_deeper_and_calm_shallower() -> None:
    """After packets came late the delay grows, so the next stall is not heard; then it shrinks."""
    lab, far, file = recording_lab()
    lab.apply(WatchCalls((1,)))

    def stall(said: bytes, n_late: int) -> None:
        row = packets(far, said)
        for packet in row[:5]:
            far.deliver(packet)
            lab.run(20)
        lab.run(20 * n_late)
        for packet in row[5 : 5 + n_late]:
            far.deliver(packet)
        for packet in row[5 + n_late :]:
            far.deliver(packet)
            lab.run(20)

    stall(octets(160 * 40, 1), 6)
    again = octets(160 * 40, 2)
    stall(again, 4)
    assert 100 <= lab.of(CallReported)[-1].buffer_ms <= 240
    far.speak(octets(160 * 50 * 40, 3))
    assert lab.of(CallReported)[-1].buffer_ms <= 60
    assert decoded(again) in recorded(lab, file)


def test_backlog_is_cut_down() -> None:
    """A burst of more than the buffer's depth does not stay as delay."""
    lab, far, file = recording_lab()
    said = octets(160 * 60)
    row = packets(far, said)
    for packet in row[:22]:
        far.deliver(packet)
    for packet in row[22:]:
        far.deliver(packet)
        lab.run(20)
    lab.run(200)
    assert decoded(said)[320 * 55 : 320 * 58] in recorded(lab, file)
    lab.apply(WatchCalls((1,)))
    lab.run(100)
    assert lab.of(CallReported)[-1].buffer_ms <= 160


@pytest.mark.parametrize("change", ["ssrc", "sequence", "timestamp", "all"])
def test_stream_that_begins_anew(change: str) -> None:
    """Another SSRC, sequence or clock on the same port: heard again within two packets."""
    lab, far, file = recording_lab()
    far.speak(octets(160 * 10, 1))
    if change in ("ssrc", "all"):
        far.ssrc = 0x1234
    if change in ("sequence", "all"):
        far.seq += 20_000
    if change in ("timestamp", "all"):
        far.ts += 1_000_000
    after = octets(160 * 10, 2)
    far.speak(after)
    assert decoded(after)[640:] in recorded(lab, file)
    assert counts(lab).lost <= 1


def test_sequence_and_timestamp_wrap() -> None:
    """RFC 3550 A.1: 65535 is followed by 0, and nothing is lost by it."""
    lab, far, file = recording_lab()
    far.seq, far.ts = 65_530, 0xFFFF_FFFF - 1000
    said = octets(160 * 30)
    far.speak(said)
    assert recorded(lab, file).startswith(decoded(said))
    result = counts(lab)
    assert (result.received, result.lost) == (30, 0)


def test_one_stray_sequence_does_not_disturb() -> None:
    """A single packet from far off is dropped; the stream goes on."""
    lab, far, file = recording_lab()
    said = octets(160 * 20)
    for number, packet in enumerate(packets(far, said)):
        if number == 10:
            odd = RtpPacket(0, 40_000, 99, far.ssrc, bytes(160))
            far.deliver(odd.to_bytes())
        far.deliver(packet)
        lab.run(20)
    assert recorded(lab, file).startswith(decoded(said))
    result = counts(lab)
    assert (result.invalid, result.lost) == (1, 0)


def test_a_peer_far_too_fast_is_bounded() -> None:
    """A peer 1 % fast: depth stays within its bounds and the audio goes on."""
    lab, far, _ = recording_lab()
    lab.apply(WatchCalls((1,), 1000))
    due_s = lab.now
    for _ in range(1800):
        while due_s <= lab.now:
            far.deliver(far.packet(octets(160)))
            due_s += 0.0198
        lab.run(20)
    assert all(report.buffer_ms <= 320 for report in lab.of(CallReported))
    assert lab.of(CallReported)[-1].counts.received > 1780


def test_foreign_source_is_dropped_and_counted() -> None:
    """Issue: RTP from an address the SDP did not name never gets into a call."""
    lab, far, file = recording_lab()
    said = octets(160 * 10, 1)
    for packet in packets(far, said):
        far.deliver(packet)
        far.deliver(RtpPacket(0, 1, 1, 7, octets(160, 9)).to_bytes(), ("203.0.113.9", 7000))
        far.deliver(RtpPacket(0, 1, 1, 7, octets(160, 9)).to_bytes(), (FAR_RTP[0], 7002))
        lab.run(20)
    assert recorded(lab, file).startswith(decoded(said))
    result = counts(lab)
    assert (result.received, result.foreign) == (10, 20)


def test_latch_takes_the_first_valid_source() -> None:
    """`nat = latch`: garbage does not latch, the first RTP does, and later strangers do not."""
    lab = Lab()
    lab.open(latch=True)
    nat = ("203.0.113.5", 30_000)
    far = FarEnd(lab)
    far.deliver(b"garbage", nat)
    far.deliver(RtpPacket(55, 1, 1, 7, bytes(160)).to_bytes(), nat)
    lab.run(20)
    assert not lab.of(RtpStarted)
    for _ in range(5):
        far.deliver(far.packet(octets(160)), nat)
        far.deliver(far.packet(octets(160)), ("203.0.113.6", 1))
        lab.run(20)
    (started,) = lab.of(RtpStarted)
    assert started.source == nat
    result = counts(lab)
    assert result.received == 5
    assert result.foreign == 2 + 5


def test_packets_from_before_the_answer_are_heard() -> None:
    """Early media of the very peer counts; the call without an address drops the others."""
    lab = Lab()
    lab.open(remote_rtp=None, remote_rtcp=None)
    far = FarEnd(lab)
    lab.run(20)
    far.deliver(far.packet(octets(160)))
    lab.apply(UpdateCall(1, stream()))
    far.deliver(far.packet(octets(160)))
    lab.run(40)
    assert counts(lab).received == 2


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=700),
            st.binary(max_size=200).map(lambda tail: b"\x80\x00" + tail),
            st.binary(min_size=4, max_size=8).map(lambda p: b"\x80\x65\x00\x01" + p * 3),
        ),
        max_size=12,
    )
)
def test_garbage_never_disturbs(datagrams: list[bytes]) -> None:
    """Whatever arrives on both ports, the tick goes on and silence is sent at packet rate."""
    lab, far, _ = recording_lab()
    for data in datagrams:
        far.deliver(data)
        lab.network.send(data, ("198.51.100.7", 7001), ("192.0.2.1", 4001))
        lab.network.send(data, ("203.0.113.1", 9), ("192.0.2.1", 4000))
    lab.run(100)
    assert len(lab.audio()) == 5 * 160
    assert lab.close()


def test_random_network_loses_nothing_it_should_not() -> None:
    """Loss, copies and reordering by chance: counters add up and the length is right."""
    dice = random.Random(5)
    lab, far, file = recording_lab()
    row = packets(far, octets(160 * 500))
    n_lost = 0
    for number, packet in enumerate(row):
        roll = dice.random()
        if roll < 0.05 and 0 < number < 499:
            n_lost += 1
        else:
            for _ in range(1 + (roll > 0.95)):
                far.deliver(packet)
        lab.run(20)
    audio = recorded(lab, file)
    assert abs(len(audio) - 500 * 320) <= 10 * 320
    result = counts(lab)
    assert (result.lost, result.received) == (n_lost, 500 - n_lost)


# -- keys


def key_packets(far: FarEnd, key: int, duration_ms: int) -> list[bytes]:
    """The telephone-event packets of one key, taking up their time of the stream."""
    start_ts = far.ts
    made = []
    for event in dtmf_packets(key, duration_ms):
        packet = RtpPacket(101, far.seq & 0xFFFF, start_ts, far.ssrc, event.payload, event.marker)
        far.seq += 1
        far.ts += 160
        made.append(packet.to_bytes())
    return made


@pytest.mark.parametrize("lost", ["nothing", "start", "end", "middle"])
def test_key_is_reported_once(lost: str) -> None:
    """A press and a release whatever packets are lost; the length is what the packets say."""
    lab = Lab()
    lab.open()
    far = FarEnd(lab)
    far.speak(octets(480))
    row = key_packets(far, 5, 160)
    keep = {"nothing": row, "start": row[3:], "end": row[:-3], "middle": row[:2] + row[-1:]}[lost]
    for packet in keep:
        far.deliver(packet)
        lab.run(20)
    lab.run(200)
    assert [event.key for event in lab.of(KeyPressed)] == [5]
    (released,) = lab.of(KeyReleased)
    assert released.duration_ms == (140 if lost == "end" else 160)


def test_keys_and_switches() -> None:
    """Deaf: no keys unless allowed; detection off or detached: none."""
    lab = Lab()
    lab.open()
    far = FarEnd(lab)
    for switches, heard in (
        (SetSwitches(1, receiving=False), 0),
        (SetSwitches(1, receiving=False, keys_while_deaf=True), 1),
        (SetSwitches(1, detect_keys=False), 0),
        (SetSwitches(1, attached=False, keys_while_deaf=True), 0),
        (SetSwitches(1), 1),
    ):
        lab.apply(switches)
        events = []
        for packet in key_packets(far, 1, 60):
            far.deliver(packet)
            events += lab.run(20)
        far.ts += 1600
        assert len(lab.of(KeyPressed, events)) == heard, switches


def test_keys_are_sent_in_place_of_audio() -> None:
    """RFC 4733: marker first, one timestamp, E bit three times, sequence unbroken."""
    lab = Lab()
    lab.open()
    prompt = octets(160 * 40)
    lab.play(lab.clip(prompt))
    lab.run(40)
    lab.apply(SendKeys(1, (4, 11), 100, 60))
    lab.run(500)
    events = [packet for packet in lab.sent if packet.payload_type == 101]
    assert len(events) == 14
    first = events[:7]
    assert [packet.marker for packet in first] == [True] + [False] * 6
    assert len({packet.timestamp for packet in first}) == 1
    parsed = [parse_event(packet.payload) for packet in events]
    assert [e.duration_ts for e in parsed[:7] if e] == [160, 320, 480, 640, 800, 800, 800]
    assert [e.end for e in parsed[:7] if e] == [False] * 4 + [True] * 3
    assert [e.key for e in parsed if e] == [4] * 7 + [11] * 7
    sequences = [packet.sequence for packet in lab.sent]
    assert all((b - a) & 0xFFFF == 1 for a, b in zip(sequences, sequences[1:], strict=False))
    audio = [packet for packet in lab.sent if packet.payload_type == 0]
    assert audio[2].payload == prompt[160 * 9 : 160 * 10]
    assert audio[-1].payload == prompt[160 * 26 : 160 * 27]


def test_keys_without_telephone_event_are_not_sent() -> None:
    """Nothing negotiated: the command does nothing."""
    lab = Lab()
    lab.open(dtmf_payload_type=-1)
    lab.apply(SendKeys(1, (1,)))
    lab.run(100)
    assert {packet.payload_type for packet in lab.sent} == {0}


# -- timeout, levels


def test_timeout_is_said_once_until_packets_come() -> None:
    """After dead_rtp_s without a packet, once; again only after packets came."""
    lab = Lab()
    lab.open(dead_rtp_s=2.0)
    far = FarEnd(lab)
    lab.run(1800)
    assert not lab.of(RtpTimedOut)
    lab.run(5000)
    assert len(lab.of(RtpTimedOut)) == 1
    far.speak(octets(1600))
    lab.run(5000)
    assert len(lab.of(RtpTimedOut)) == 2


@pytest.mark.parametrize("how", ["deaf", "detached", "held"])
def test_no_timeout_while_nothing_is_expected(how: str) -> None:
    """While not receiving, detached or on hold; the time starts anew afterwards."""
    lab = Lab()
    lab.open(dead_rtp_s=2.0)
    quiet: dict[str, Command] = {
        "deaf": SetSwitches(1, receiving=False),
        "detached": SetSwitches(1, attached=False),
        "held": UpdateCall(1, stream(dead_rtp_s=2.0, receive=False)),
    }
    lab.apply(quiet[how])
    lab.run(5000)
    lab.apply(UpdateCall(1, stream(dead_rtp_s=2.0)) if how == "held" else SetSwitches(1))
    lab.run(1800)
    assert not lab.of(RtpTimedOut)
    lab.run(500)
    assert len(lab.of(RtpTimedOut)) == 1


def test_watched_call_reports_levels_and_position() -> None:
    """Levels in dBFS, play position, buffer depth and counters at the interval."""
    lab = Lab()
    lab.open()
    loud, soft = bytes([0x80]) * 160, bytes([0xFF]) * 160
    item = lab.play(lab.clip(soft * 100))
    lab.apply(WatchCalls((1,), 200))
    FarEnd(lab).speak(loud * 50)
    reports = lab.of(CallReported)
    assert len(reports) == 5
    last = reports[-1]
    assert last.item == item
    assert last.in_dbfs == pytest.approx(-0.2, abs=0.1)
    assert last.in_peak_dbfs == pytest.approx(-0.2, abs=0.1)
    assert last.out_dbfs == -96.0
    assert 780 <= last.position_ms <= 1020
    assert 20 <= last.buffer_ms <= 60
    assert last.counts.received == 50
    lab.apply(WatchCalls(()))
    assert not lab.of(CallReported, lab.run(1000))


def test_started_item_is_reported_with_its_first_frame() -> None:
    """ItemStarted comes in the tick whose packet carries the first frame."""
    lab = Lab()
    lab.open()
    lab.run(20)
    lab.audio()
    lab.play(lab.clip(octets(160)))
    for _ in range(4):
        events = lab.run(5)
        assert bool(lab.of(ItemStarted, events)) == bool(lab.sent)
        lab.audio()
