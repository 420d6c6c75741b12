"""Calls that hear each other: two that are connected, whatever their codecs, and rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ivrbench.audio.codecs import g711
from ivrbench.audio.codecs.registry import find_codec
from ivrbench.media.memory import MemorySocket
from ivrbench.media.messages import (
    CloseCall,
    ConnectCalls,
    FlushQueue,
    KeyReleased,
    OpenCall,
    SetSwitches,
    UpdateCall,
)
from ivrbench.rtp.dtmf import dtmf_packets
from ivrbench.rtp.packet import RtpPacket, parse_rtp

from .lab import OUR_IP, Lab, octets, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

TONE_SKIP = 0.3
"""Of what was heard, left out before a tone is measured: jitter buffers fill."""


class Phone:
    """A peer with an address and a codec of its own."""

    def __init__(self, lab: Lab, number: int, codec: str = "PCMU", **changes: Any) -> None:
        """Open its call; any stream field may change, hence Any."""
        self.lab, self.number = lab, number
        self.address = (f"198.51.100.{number}", 7000)
        self.socket = MemorySocket(lab.network, self.address)
        clock_hz = changes.get("clock_rate_hz", 8000)
        spec = find_codec(codec, clock_hz, 2 if codec == "OPUS" else 1)
        assert spec is not None
        self.rate_hz = spec.sample_rate_hz
        self.clock_hz = clock_hz
        self.ptime_ms = changes.get("ptime_ms", 20)
        self.law = g711.LAWS.get(codec)
        self._encoder = spec.make_encoder("", self.ptime_ms)
        self._decoder = spec.make_decoder()
        self.payload_type = 0 if codec == "PCMU" else 8 if codec == "PCMA" else 96
        self._seq = 100 * number
        self._ts = 1000 * number
        self.packets: list[RtpPacket] = []
        self.stream = stream(
            codec=codec,
            payload_type=self.payload_type,
            remote_rtp=self.address,
            remote_rtcp=(self.address[0], 7001),
            **changes,
        )
        self.ours = (OUR_IP, 4000 + 2 * number)
        lab.apply(OpenCall(number, self.stream), *lab.network.pair(*self.ours))

    def say(self, pcm: NDArray[np.int16]) -> None:
        """Send one packet."""
        self.send(self._encoder.encode(pcm), self.payload_type)
        self._ts += self.clock_hz * self.ptime_ms // 1000

    def send(
        self, payload: bytes, payload_type: int, *, ts: int = -1, marker: bool = False
    ) -> None:
        """Send any payload."""
        at = (self._ts if ts < 0 else ts) & 0xFFFF_FFFF
        packet = RtpPacket(payload_type, self._seq & 0xFFFF, at, self.number, payload, marker)
        self.socket.send_to(packet.to_bytes(), self.ours)
        self._seq += 1

    def press(self, key: int) -> None:
        """Hold a key for 100 ms."""
        begun = self._ts
        for packet in dtmf_packets(key, 100):
            ts = begun + packet.timestamp_offset
            self.send(packet.payload, 101, ts=ts, marker=packet.marker)
            self.lab.run(20)
            self._ts += 160

    def collect(self) -> None:
        """Keep what came."""
        while (datagram := self.socket.receive()) is not None:
            packet = parse_rtp(datagram.data)
            assert packet is not None
            self.packets.append(packet)

    def heard(self) -> NDArray[np.int16]:
        """All audio since the last time."""
        packets, self.packets = self.packets, []
        pcm = [self._decoder.decode(p.payload) for p in packets]
        return np.concatenate(pcm) if pcm else np.empty(0, np.int16)


def tone(hz: float, rate_hz: int, length_s: float, level: int = 6000) -> NDArray[np.int16]:
    """A sine."""
    at = np.arange(round(rate_hz * length_s)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def talk(lab: Lab, says: dict[Phone, NDArray[np.int16]]) -> None:
    """Let phones speak, each in its own packets, until the shortest has ended."""
    length_ms = min(len(pcm) * 1000 // phone.rate_hz for phone, pcm in says.items())
    for at_ms in range(0, length_ms, 10):
        for phone, pcm in says.items():
            if at_ms % phone.ptime_ms == 0:
                start = at_ms * phone.rate_hz // 1000
                frame = pcm[start : start + phone.ptime_ms * phone.rate_hz // 1000]
                if len(frame) == phone.ptime_ms * phone.rate_hz // 1000:
                    phone.say(frame)
        for _ in range(2):
            lab.run(5)
            for phone in says:
                phone.collect()


def strength(pcm: NDArray[np.int16], hz: float, rate_hz: int) -> float:
    """Amplitude of a tone in what was heard, after its beginning."""
    rest = pcm[int(TONE_SKIP * rate_hz) :].astype(np.float64)
    rest = rest[: len(rest) // (rate_hz // 50) * (rate_hz // 50)]
    wave = np.exp(-2j * np.pi * hz * np.arange(len(rest)) / rate_hz)
    return float(2 * abs((rest * wave).mean()))


def at_in(haystack: NDArray[np.int16], needle: NDArray[np.int16]) -> int:
    """Where one stretch of audio lies in another, -1 if it does not."""
    return haystack.tobytes().find(needle.tobytes())


# --- two calls --------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_connected_calls_hear_each_other_exactly(codec: str) -> None:
    """Of one codec: sample for sample; each other, and nobody itself; 20 ms and the buffer late."""
    lab = Lab()
    ann, bob = Phone(lab, 1, codec), Phone(lab, 2, codec)
    lab.apply(ConnectCalls(1, 2))
    law = g711.LAWS[codec]
    said = [law.decode(np.frombuffer(octets(16_000, seed), np.uint8)) for seed in (1, 2)]
    talk(lab, {ann: said[0], bob: said[1]})
    for listener, other in ((ann, said[1]), (bob, said[0])):
        at = at_in(listener.heard(), other[:14_000])
        assert 0 < at // 2 <= 100 * 8


def test_laws_are_translated() -> None:
    """PCMA to PCMU is what the law's own tables say."""
    lab = Lab()
    ann, bob = Phone(lab, 1, "PCMA"), Phone(lab, 2, "PCMU")
    lab.apply(ConnectCalls(1, 2))
    said = g711.PCMA.decode(np.frombuffer(octets(8000), np.uint8))
    talk(lab, {ann: said, bob: np.zeros(8000, np.int16)})
    assert at_in(bob.heard(), g711.PCMU.decode(g711.PCMU.encode(said))[:6400]) > 0


CODECS = [
    ("PCMU", {}),
    ("PCMU", {"ptime_ms": 10}),
    ("PCMU", {"ptime_ms": 60}),
    ("G722", {}),
    ("GSM", {}),
    ("L16", {"clock_rate_hz": 16_000}),
    ("L16", {"clock_rate_hz": 48_000, "ptime_ms": 10}),
    ("OPUS", {"clock_rate_hz": 48_000}),
]


@pytest.mark.parametrize("second", CODECS, ids=str)
@pytest.mark.parametrize("first", CODECS[:1] + CODECS[2:4] + CODECS[6:], ids=str)
def test_any_codecs_and_packet_lengths(
    first: tuple[str, dict[str, int]], second: tuple[str, dict[str, int]]
) -> None:
    """Each hears the other's tone as loud as it was said, and not its own."""
    lab = Lab()
    ann, bob = Phone(lab, 1, first[0], **first[1]), Phone(lab, 2, second[0], **second[1])
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, ann.rate_hz, 1.0), bob: tone(700, bob.rate_hz, 1.0)})
    for listener, other_hz, own_hz in ((ann, 700, 400), (bob, 400, 700)):
        heard = listener.heard()
        assert strength(heard, other_hz, listener.rate_hz) == pytest.approx(6000, rel=0.12)
        assert strength(heard, own_hz, listener.rate_hz) < 300


def test_keys_are_detected_on_both() -> None:
    """A key goes to the engine, with the call that pressed it."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(400, 8000, 0.2)})
    ann.press(5)
    bob.press(7)
    lab.run(200)
    keys = [(event.call, event.key) for event in lab.of(KeyReleased)]
    assert keys == [(1, 5), (2, 7)]


def test_a_prompt_is_mixed_in_for_its_own_call() -> None:
    """What plays on one leg is heard there together with the other party, and nowhere else."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    prompt = g711.PCMU.encode(tone(1000, 8000, 1.0)).tobytes()
    lab.play(lab.clip(prompt), call=1)
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    heard = ann.heard()
    assert strength(heard, 1000, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(heard, 700, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(bob.heard(), 1000, 8000) < 100


def test_apart_again() -> None:
    """`other=0`, or the end of one call: both hear silence, and nothing is left over."""
    lab = Lab()
    ann, bob = Phone(lab, 1, "PCMA"), Phone(lab, 2)
    silence = {ann: np.zeros(8000, np.int16), bob: np.zeros(8000, np.int16)}
    for command in (ConnectCalls(2, 0), CloseCall(1)):
        lab.apply(ConnectCalls(1, 2))
        talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(400, 8000, 0.2)})
        assert bob.heard().any()
        lab.apply(command)
        talk(lab, {bob: tone(400, 8000, 0.2)})
        ann.collect()
        for phone in (ann, bob):
            phone.heard()
        talk(lab, silence if command == ConnectCalls(2, 0) else {bob: silence[bob]})
        assert {bytes(p.payload) for p in bob.packets} == {b"\xff" * 160}
        assert {bytes(p.payload) for p in ann.packets} <= {b"\xd5" * 160}
    assert "0 rooms" in repr(lab.plane._rooms)


def test_connected_with_somebody_else() -> None:
    """A call is connected with one other at most: the one before hears silence."""
    lab = Lab()
    phones = [Phone(lab, number) for number in (1, 2, 3)]
    lab.apply(ConnectCalls(1, 2))
    lab.apply(ConnectCalls(3, 2))
    talk(lab, {phone: tone(300 * phone.number, 8000, 1.0) for phone in phones})
    heard = [phone.heard() for phone in phones]
    assert strength(heard[1], 900, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(heard[2], 600, 8000) == pytest.approx(6000, rel=0.05)
    assert not heard[0][2400:].any()
    lab.apply(ConnectCalls(1, 99))  # nobody
    lab.apply(ConnectCalls(99, 1))


def test_hold_and_mute() -> None:
    """Who is held or deaf says nothing; who is muted hears but sends nothing; it comes back."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    lab.apply(SetSwitches(1, receiving=False))
    talk(lab, {ann: tone(400, 8000, 0.6), bob: tone(700, 8000, 0.6)})
    assert not bob.heard().any()
    assert strength(ann.heard(), 700, 8000) > 5000
    lab.apply(SetSwitches(1))
    talk(lab, {ann: tone(400, 8000, 0.6), bob: tone(700, 8000, 0.6)})
    assert strength(bob.heard(), 400, 8000) > 5000


def test_the_codec_changes_meanwhile() -> None:
    """A re-INVITE to another codec, or to a wider one: they still hear each other."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(700, 8000, 0.2)})
    wide = Phone(Lab(), 1, "G722")
    wide.lab, wide.socket, wide.ours = lab, ann.socket, ann.ours
    lab.apply(UpdateCall(1, wide.stream))
    lab.run(20)
    for phone in (ann, bob):
        phone.collect()
        phone.heard()
    talk(lab, {wide: tone(400, 16_000, 1.0), bob: tone(700, 8000, 1.0)})
    assert strength(bob.heard(), 400, 8000) == pytest.approx(6000, rel=0.1)
    assert strength(wide.heard(), 700, 16_000) == pytest.approx(6000, rel=0.1)


def test_skipped_ticks_do_no_harm() -> None:
    """After a stall they hear each other again; what was not sent is not heard later."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.3), bob: tone(700, 8000, 0.3)})
    lab.plane.skip(500)
    lab.now += 2.5
    for phone in (ann, bob):
        phone.heard()
    lab.apply(FlushQueue(1))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    assert strength(bob.heard(), 400, 8000) == pytest.approx(6000, rel=0.1)
