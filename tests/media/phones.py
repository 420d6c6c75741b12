"""Peers of a media plane in virtual time, each with an address and a codec of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ivrbench.audio.codecs.registry import find_codec
from ivrbench.media.memory import MemorySocket
from ivrbench.media.messages import OpenCall
from ivrbench.rtp.dtmf import dtmf_packets
from ivrbench.rtp.packet import RtpPacket, parse_rtp

from .lab import OUR_IP, Lab, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

TONE_SKIP_S = 0.3
"""Of what was heard, left out before a tone is measured: jitter buffers fill."""


class Phone:
    """A peer with an address and a codec of its own."""

    def __init__(self, lab: Lab, number: int, codec: str = "PCMU", **changes: Any) -> None:
        """Open its call; any stream field may change, hence Any."""
        self.lab, self.number = lab, number
        self.address = (f"203.0.113.{number}", 7000)
        self.socket = MemorySocket(lab.network, self.address)
        clock_hz = changes.get("clock_rate_hz", 8000)
        spec = find_codec(codec, clock_hz, 2 if codec == "OPUS" else 1)
        assert spec is not None
        self.rate_hz = spec.sample_rate_hz
        self.clock_hz = clock_hz
        self.ptime_ms = changes.get("ptime_ms", 20)
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

    def follow(self, other: Phone) -> None:
        """Go on with another's stream."""
        self._seq, self._ts = other._seq, other._ts

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
    rest = pcm[int(TONE_SKIP_S * rate_hz) :].astype(np.float64)
    rest = rest[: len(rest) // (rate_hz // 50) * (rate_hz // 50)]
    wave = np.exp(-2j * np.pi * hz * np.arange(len(rest)) / rate_hz)
    return float(2 * abs((rest * wave).mean()))


def at_in(haystack: NDArray[np.int16], needle: NDArray[np.int16]) -> int:
    """Where one stretch of audio lies in another, -1 if it does not."""
    return haystack.tobytes().find(needle.tobytes())
