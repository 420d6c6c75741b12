"""Encrypted calls in number: what is done for all of them at once is what libsrtp does for one."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import numpy as np
import pylibsrtp
import pytest

from ivrbench.media.key_stock import AHEAD, KeyStock
from ivrbench.media.memory import MemorySocket
from ivrbench.media.messages import (
    CallClosed,
    FlushQueue,
    OpenRecorder,
    RecordCall,
    SendKeys,
    SetSwitches,
    SrtpParams,
    StreamCounts,
    UpdateCall,
)
from ivrbench.media.srtp import SrtpContext
from ivrbench.rtp.packet import RtpPacket, parse_rtp
from ivrbench.rtp.srtp import SessionKeys

from .lab import FakeFile, Lab, decoded, octets, stream, wav_audio

N_CALLS = 32
"""In four lanes: enough in each to be worth a batch."""
SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}


def session(suite: str, key: bytes, *, sends: bool) -> pylibsrtp.Session:
    """A peer's half."""
    policy = pylibsrtp.Policy
    kind = policy.SSRC_ANY_OUTBOUND if sends else policy.SSRC_ANY_INBOUND
    return pylibsrtp.Session(policy(key=key, ssrc_type=kind, srtp_profile=PROFILES[suite]))


class Phone:
    """The peer of one call; encrypts by libsrtp, or not at all."""

    def __init__(self, lab: Lab, call: int, suite: str | None, seed: int = 0) -> None:
        source = random.Random(1000 * seed + call)
        self.lab, self.call = lab, call
        self.socket = MemorySocket(lab.network, ("198.51.100.7", 20_000 + 2 * call))
        self.ours = ("192.0.2.1", 4000 + 2 * call)
        self.params = None
        self.receives = self.sends = None
        keys = source.randbytes(30), source.randbytes(30)
        if suite is not None:
            self.params = SrtpParams(suite, *keys)
            self.receives = session(suite, self.params.send_key, sends=False)
            self.sends = session(suite, self.params.receive_key, sends=True)
        self.sequence, self.timestamp = source.randrange(0x1_0000), source.randrange(1 << 32)
        self.ssrc = source.getrandbits(32)

    def stream(self, **changes: Any) -> Any:
        """What was agreed with it; any field may change, hence Any."""
        to = self.socket.local
        return stream(remote_rtp=to, remote_rtcp=(to[0], to[1] + 1), srtp=self.params, **changes)

    def heard(self) -> list[RtpPacket]:
        """What has come, decrypted."""
        packets: list[RtpPacket] = []
        while (datagram := self.socket.receive()) is not None:
            data = datagram.data
            packet = parse_rtp(data if self.receives is None else self.receives.unprotect(data))
            assert packet is not None
            packets.append(packet)
        return packets

    def packet(self, payload: bytes, *, marker: bool = False) -> bytes:
        """The next packet of its stream, as it goes out."""
        plain = RtpPacket(
            0, self.sequence & 0xFFFF, self.timestamp, self.ssrc, payload, marker
        ).to_bytes()
        self.sequence += 1
        self.timestamp = (self.timestamp + len(payload)) & 0xFFFF_FFFF
        return plain if self.sends is None else self.sends.protect(plain)

    def deliver(self, data: bytes) -> None:
        self.lab.network.send(data, self.socket.local, self.ours)


class Hall:
    """Many calls in one plane."""

    def __init__(self, *suites: str | None, seed: int = 1, **changes: Any) -> None:
        self.lab = Lab(seed=seed)
        self.phones = [
            Phone(self.lab, call, suites[call % len(suites)]) for call in range(1, N_CALLS + 1)
        ]
        for phone in self.phones:
            self.lab.open(
                phone.call,
                phone.ours[1],
                remote_rtp=phone.socket.local,
                remote_rtcp=(phone.socket.local[0], phone.socket.local[1] + 1),
                srtp=phone.params,
                **changes,
            )

    def play(self, n_frames: int, *, loop: bool = False) -> dict[int, bytes]:
        """Give every call a prompt of its own."""
        prompts = {phone.call: octets(160 * n_frames, phone.call) for phone in self.phones}
        for call, prompt in prompts.items():
            self.lab.play(self.lab.clip(prompt, loop=loop), call=call)
        return prompts

    def set_sequence(self, sequence: int) -> None:
        """Let all calls' own sequence numbers go on from here."""
        for call in self.lab.plane._calls.values():
            call.lane.seq[call.row] = sequence

    def record(self) -> dict[int, FakeFile]:
        """Record what each of them says."""
        files: dict[int, FakeFile] = {}
        for phone in self.phones:
            files[phone.call] = self.lab.record(phone.call)
            self.lab.play(None, recorder=phone.call, call=phone.call)
        return files

    def counts(self) -> dict[int, StreamCounts]:
        for phone in self.phones:
            self.lab.close(phone.call)
        return {event.call: event.counts for event in self.lab.of(CallClosed)}


def audio(packets: list[RtpPacket]) -> bytes:
    return b"".join(packet.payload for packet in packets if packet.payload_type == 0)


# -- sending


@pytest.mark.parametrize("sequence", [0, 1000, 65_535 - 3 * AHEAD, 65_530])
def test_every_peer_decrypts_its_prompt(sequence: int) -> None:
    """Any suites side by side, over batches of key stream and the wrap of the sequence number."""
    hall = Hall(*SUITES, None, SUITES[0])
    hall.set_sequence(sequence)
    prompts = hall.play(60)
    hall.lab.run(1300)
    for phone in hall.phones:
        packets = phone.heard()
        assert audio(packets).startswith(prompts[phone.call])
        numbers = [packet.sequence for packet in packets]
        assert numbers == [(sequence + n) & 0xFFFF for n in range(len(numbers))]


def test_a_peer_that_is_gone_disturbs_no_other() -> None:
    """An ICMP error to one packet leaves the others of the batch as they are."""
    hall = Hall(SUITES[0])
    prompts = hall.play(20)
    gone = hall.phones[::2]
    hall.lab.network.refused |= {phone.socket.local for phone in gone}
    hall.lab.run(200)
    hall.lab.network.refused.clear()
    hall.lab.run(200)
    for phone in hall.phones:
        heard = audio(phone.heard())
        assert len(heard) == 160 * (10 if phone in gone else 20)
        assert prompts[phone.call].endswith(heard)


def test_keys_are_pressed_in_the_same_stream() -> None:
    """Telephone-events take numbers of the same stream, encrypted by the same state."""
    hall = Hall(*SUITES)
    hall.play(100)
    hall.set_sequence(65_520)
    for _ in range(3):
        for phone in hall.phones[::3]:
            hall.lab.apply(SendKeys(phone.call, (5,), 100, 50))
        hall.lab.run(400)
    for phone in hall.phones:
        packets = phone.heard()
        events = [packet for packet in packets if packet.payload_type == 101]
        assert bool(events) == (phone in hall.phones[::3])
        numbers = [packet.sequence for packet in packets]
        assert numbers == [(65_520 + n) & 0xFFFF for n in range(len(numbers))]


def test_whole_calls_are_recorded_as_they_sound() -> None:
    """What is recorded of our side is what was meant, not what was encrypted."""
    files = {}
    for suite in (None, SUITES[0]):
        hall = Hall(suite)
        prompts = hall.play(50)
        hall.lab.apply(OpenRecorder(1, "pcm16", -1), file := FakeFile())
        hall.lab.apply(RecordCall(3, 1))
        hall.lab.run(900)
        hall.counts()
        files[suite] = wav_audio(file)
        assert decoded(prompts[3])[1600:6400] in files[suite]
    assert files[None] == files[SUITES[0]]


def indices(hall: Hall) -> dict[int, int]:
    """How far each call's own stream has come."""
    calls = hall.lab.plane._calls
    return {number: int(call.lane.srtp_out[call.row]) for number, call in calls.items()}


def test_no_key_stream_is_used_twice() -> None:
    """Whatever happens to a call, the index of what it sends under one key only goes up.

    The peers change their keys, the suite, the codec and back, the calls pause, press keys, and
    are plain for a while; our key is the same for the whole call, as the engine has it.
    """
    hall = Hall(SUITES[0])
    hall.play(20, loop=True)
    hall.set_sequence(65_500)
    source = random.Random(5)
    sent: dict[int, list[bytes]] = defaultdict(list)
    hall.lab.run(800)
    for step in range(40):
        for phone in source.sample(hall.phones, 6):
            assert phone.params is not None
            fresh = SrtpParams(source.choice(SUITES), phone.params.send_key, source.randbytes(30))
            kept = SrtpParams(SUITES[0], phone.params.send_key, phone.params.receive_key)
            change: Any = source.choice(
                [
                    UpdateCall(phone.call, phone.stream()),
                    UpdateCall(phone.call, phone.stream(codec="PCMA", payload_type=8)),
                    UpdateCall(phone.call, phone.stream(codec="G722", payload_type=9)),
                    UpdateCall(phone.call, phone.stream(ptime_ms=40)),
                    UpdateCall(phone.call, phone.stream(send=False)),
                    SetSwitches(phone.call, muted=step % 2 == 0),
                    SendKeys(phone.call, (1,), 60, 40),
                    fresh,
                    kept,
                    None,
                ]
            )
            if change is None or isinstance(change, SrtpParams):
                phone.params, before = change, phone.params
                change = UpdateCall(phone.call, phone.stream())
                phone.params = phone.params or before
            hall.lab.apply(change)
        hall.lab.run(5 * source.randrange(1, 30))
        for phone in hall.phones:
            while (datagram := phone.socket.receive()) is not None:
                sent[phone.call].append(datagram.data)
    for phone in hall.phones:
        assert phone.params is not None
        keys = SessionKeys(phone.params.send_key)
        highest = -1
        for data in sent[phone.call]:
            number = int.from_bytes(data[2:4], "big")
            found = [
                index
                for index in (number, number + 0x1_0000, number + 0x2_0000)
                for n in (10, 4)
                if keys.tag(data[:-n], index, n) == data[-n:]
            ]
            if found:  # else it is of a time when the call was plain
                assert found[0] > highest
                highest = found[0]
        assert highest > 0x1_0000


# -- receiving


def speak(hall: Hall, seed: int, *, forged: bool) -> dict[int, bytes]:
    """Let all phones speak for three seconds over a bad network. Returns what is recorded.

    Args:
        hall: whose phones; the same seed makes the same network.
        seed: of the network.
        forged: packets that are not the peer's come too.
    """
    files = hall.record()
    source, liar = random.Random(seed), random.Random(seed)
    waiting: list[tuple[int, Phone, bytes]] = []
    said = {phone.call: octets(160 * 150, phone.call) for phone in hall.phones}
    for frame in range(160):
        for phone in hall.phones if frame < 150 else ():
            payload = said[phone.call][160 * frame : 160 * (frame + 1)]
            data = phone.packet(payload, marker=frame == 0)
            roll = source.random()
            if roll < 0.05:
                continue
            arrives = frame + (source.randrange(1, 3) if roll < 0.1 else 0)
            waiting.append((arrives, phone, data))
            if forged and liar.random() < 0.1:
                place = liar.randrange(len(data))
                wrong = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
                phone.deliver(wrong)
            if forged and liar.random() < 0.05:
                waiting.append((arrives + liar.randrange(3), phone, data))
        for _, phone, data in [entry for entry in waiting if entry[0] <= frame]:
            phone.deliver(data)
        waiting = [entry for entry in waiting if entry[0] > frame]
        hall.lab.run(20)
    for phone in hall.phones:
        hall.lab.apply(FlushQueue(phone.call))
    hall.lab.run(100)
    return {call: wav_audio(file) for call, file in files.items()}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("seed", [1, 2])
def test_it_sounds_as_if_it_were_plain(suite: str, seed: int) -> None:
    """Lost, late, repeated and forged packets: what is heard is what plain calls hear.

    Of the plain ones' network only the forged packets and the copies are missing.
    """
    plain, secure = Hall(None), Hall(suite)
    for hall in (plain, secure):
        for phone in hall.phones[::2]:
            phone.sequence = 65_500
    assert speak(secure, seed, forged=True) == speak(plain, seed, forged=False)
    expected, result = plain.counts(), secure.counts()
    for call, counts in expected.items():
        assert (result[call].received, result[call].lost) == (counts.received, counts.lost)
        assert result[call].late == counts.late


def test_forged_packets_in_a_batch_change_nothing() -> None:
    """Half the peers are imitated: the others are heard, and nobody's state moves for a liar."""
    hall = Hall(SUITES[0])
    files = hall.record()
    said = {phone.call: octets(160 * 40, phone.call) for phone in hall.phones}
    for frame in range(40):
        for phone in hall.phones:
            data = phone.packet(said[phone.call][160 * frame : 160 * (frame + 1)])
            if phone.call % 2:
                number = (int.from_bytes(data[2:4], "big") + frame % 3) & 0xFFFF
                phone.deliver(data[:2] + number.to_bytes(2, "big") + data[4:-1] + b"x")
            phone.deliver(data)
        hall.lab.run(20)
    hall.lab.run(100)
    for phone in hall.phones:
        hall.lab.apply(FlushQueue(phone.call))
        assert decoded(said[phone.call]) in wav_audio(files[phone.call])
    result = hall.counts()
    assert {counts.received for counts in result.values()} == {40}
    assert [result[phone.call].invalid for phone in hall.phones] == [
        40 * (phone.call % 2) for phone in hall.phones
    ]


def test_packets_of_any_length_are_heard() -> None:
    """Peers that do not send our packet length, of 10 to 80 ms, are heard as well."""
    hall = Hall(*SUITES)
    files = hall.record()
    said = {phone.call: octets(160 * 48, phone.call) for phone in hall.phones}
    for ms in range(0, 960, 10):
        for phone in hall.phones:
            length_ms = (10, 20, 30, 40, 60, 80)[phone.call % 6]
            if ms % length_ms == 0:
                start, end = 8 * ms, 8 * (ms + length_ms)
                phone.deliver(phone.packet(said[phone.call][start:end]))
        hall.lab.run(10)
    hall.lab.run(200)
    for phone in hall.phones:
        hall.lab.apply(FlushQueue(phone.call))
        assert decoded(said[phone.call]) in wav_audio(files[phone.call])


def test_another_source_of_the_same_peer_is_heard() -> None:
    """A peer that changes its SSRC in the middle (a transfer behind it) is heard on at once."""
    hall = Hall(*SUITES)
    files = hall.record()
    said = {phone.call: octets(160 * 60, phone.call) for phone in hall.phones}
    for frame in range(60):
        for phone in hall.phones:
            if frame == 20 + phone.call % 7:
                phone.ssrc += 1
            phone.deliver(phone.packet(said[phone.call][160 * frame : 160 * (frame + 1)]))
        hall.lab.run(20)
    assert {counts.received for counts in hall.counts().values()} == {60}
    for phone in hall.phones:
        after = decoded(said[phone.call])[30 * 320 : 50 * 320]
        assert after in wav_audio(files[phone.call])


def test_new_keys_count_from_the_beginning_and_old_ones_go_on() -> None:
    """RFC 4568 §7.1.4: after a wrap the peer brings a new key and we keep ours: both are right."""
    hall = Hall(SUITES[0])
    hall.set_sequence(65_530)
    prompts = hall.play(100)
    hall.lab.run(400)
    heard = {phone.call: audio(phone.heard()) for phone in hall.phones}
    for sequence in range(65_500, 65_510):
        for phone in hall.phones:
            phone.sequence = sequence
            phone.deliver(phone.packet(octets(160)))
        hall.lab.run(20)
    heard = {phone.call: heard[phone.call] + audio(phone.heard()) for phone in hall.phones}
    for phone in hall.phones:
        assert phone.params is not None
        key = bytes([phone.call]) * 30
        phone.params = SrtpParams(SUITES[0], phone.params.send_key, key)
        phone.sends = session(SUITES[0], key, sends=True)
        phone.sequence = 10
        hall.lab.apply(UpdateCall(phone.call, phone.stream()))
    for _ in range(20):
        for phone in hall.phones:
            phone.deliver(phone.packet(octets(160)))
        hall.lab.run(20)
    for phone in hall.phones:
        assert prompts[phone.call].startswith(heard[phone.call] + audio(phone.heard()))
    assert {counts.invalid for counts in hall.counts().values()} == {0}


def test_a_suite_that_changes_keeps_the_count() -> None:
    """The same key in the other suite is the same key: only the tags have another length."""
    params = SrtpParams(SUITES[0], bytes(range(30)), bytes(range(30, 60)))
    other = SrtpParams(SUITES[1], params.send_key, params.receive_key)
    first = SrtpContext(params)
    sealed = first.protect(RtpPacket(0, 5, 0, 7, b"first").to_bytes())
    second = SrtpContext(other, before=first)
    again = second.protect(RtpPacket(0, 5, 0, 7, b"first").to_bytes())
    assert len(again) == len(sealed) - 6
    assert again[12:17] != sealed[12:17]


# -- key stream


def test_stock_is_the_key_stream_of_each_packet() -> None:
    """Forwards, backwards, over the end of a batch, another SSRC, other keys: never a wrong one."""
    source = np.random.default_rng(4)
    stock = KeyStock(8, 80)
    keys = [SessionKeys(source.bytes(30)) for _ in range(8)]
    for row, own in enumerate(keys):
        stock.use(row, own, 0)
    rows = np.array([0, 2, 3, 7])
    index = source.integers(0, 1 << 40, 4)
    for turn in range(200):
        ssrc = source.integers(0, 3, 4, dtype=np.uint32)
        index = np.maximum(index + source.integers(-3, 9, 4), 0)
        if turn % 50 == 49:
            keys[2] = SessionKeys(source.bytes(30))
            stock.use(2, keys[2], 0)
        stock.turn(rows, ssrc)
        for row, one, number, made in zip(rows, ssrc, index, stock.take(rows, index), strict=True):
            assert made.tobytes() == keys[row].key_stream(int(one), int(number), 80)
