"""Mouth and Ear: the audio a user agent of a test sends and hears."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.resample import resample
from ivrbench.rtp.dtmf import dtmf_packets
from ivrbench.rtp.packet import RtpPacket, parse_rtp
from ivrbench.rtp.sequence import timestamp_diff
from ivrbench.testing.descriptions import EVENTS_PT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ivrbench.audio.codecs.codec import CodecSpec, Decoder, Encoder, Pcm
    from ivrbench.sip.flow import Address
    from ivrbench.testing.descriptions import Described
    from ivrbench.testing.network import AudioPort, Network

__all__ = ["Ear", "Heard", "Mouth"]

FRAME_MS: Final = 20
FRAME_S: Final = FRAME_MS / 1000
BREATH_S: Final = 1.0
"""Who says nothing sends a frame this often, as telephones do that detect silence."""
SSRC: Final = 0x1234


@dataclass(slots=True)
class Heard:
    """One packet that came."""

    at_s: float
    packet: RtpPacket


class Mouth:
    """The sending side.

    Args:
        network: whose clock it speaks by.
        codecs: what it may speak, by payload type.

    Attributes:
        remote: where the engine wants audio; None: nothing is known.
        breathes: a frame of silence now and then while nothing is said.
    """

    port: AudioPort

    def __init__(self, network: Network, codecs: dict[int, CodecSpec]) -> None:
        self._network = network
        self._codecs = codecs
        self.remote: Address | None = None
        self.breathes = False
        self.takes_keys = True
        self._pt = next(iter(codecs))
        self._encoder: Encoder | None = None
        self._sequence = 0
        self._began_s = network.now()
        self._next_ts = 0
        self._breath: asyncio.TimerHandle | None = None
        self._closed = False
        self._voices: list[object] = []
        """What is being said or pressed; only the last is sent, as by one who falls silent."""
        self._meanwhile: set[asyncio.Task[None]] = set()

    @property
    def codec(self) -> CodecSpec:
        """What it speaks."""
        return self._codecs[self._pt]

    def agree(self, described: Described) -> None:
        """The other side said where and how it wants audio."""
        spoken = [pt for pt in described.payload_types if pt in self._codecs]
        if spoken and spoken[0] != self._pt:
            self._pt, self._encoder = spoken[0], None
        self.takes_keys = EVENTS_PT in described.payload_types
        self.remote = described.remote if described.remote[1] else None
        if self.breathes and self._breath is None and not self._closed:
            self._breathe()

    async def say(self, pcm: Pcm) -> None:
        """Send 8 kHz samples at their own pace."""
        codec = self.codec
        encoder = self._encoder = self._encoder or codec.make_encoder("", FRAME_MS)
        samples = resample(pcm, SAMPLE_RATE_HZ, codec.sample_rate_hz)
        size = codec.frame_samples(FRAME_MS)
        samples = np.pad(samples, (0, -len(samples) % size))
        at_s = self._network.now()
        with self._voice() as is_heard:
            for frame in samples.reshape(-1, size):
                if is_heard():
                    self.send(self._pt, encoder.encode(frame))
                at_s += FRAME_S
                await self._until(at_s)

    def say_meanwhile(self, pcm: Pcm) -> None:
        """Begin to say something; it goes on while time passes, until the call is over."""
        task = self._network.loop.create_task(self.say(pcm))
        self._meanwhile.add(task)
        task.add_done_callback(self._meanwhile.discard)

    async def press(self, key: int, duration_ms: int) -> None:
        """Press a key by RFC 4733."""
        began = self._timestamp()
        at_s = self._network.now()
        with self._voice():
            for event in dtmf_packets(key, duration_ms):
                timestamp = (began + event.timestamp_offset) & 0xFFFFFFFF
                self.send(EVENTS_PT, event.payload, event.marker, timestamp)
                at_s += FRAME_S
                await self._until(at_s)

    def send(
        self, pt: int, payload: bytes, marker: bool = False, timestamp: int | None = None
    ) -> None:
        """Send one packet, now."""
        if timestamp is None:
            timestamp = self._timestamp()
        packet = RtpPacket(pt, self._sequence, timestamp, SSRC, payload, marker)
        self._sequence = self._sequence + 1 & 0xFFFF
        self._next_ts = timestamp + self.codec.clock_ticks(self.codec.frame_samples(FRAME_MS))
        if self.remote is not None and not self._closed:
            self.port.send(packet.to_bytes(), self.remote)

    def open(self) -> None:
        """Another call begins."""
        self._closed = False
        self._breath = None

    def close(self) -> None:
        """Say nothing any more."""
        self._closed = True
        for task in self._meanwhile:
            task.cancel()
        if self._breath is not None:
            self._breath.cancel()

    @contextlib.contextmanager
    def _voice(self) -> Iterator[Callable[[], bool]]:
        """Something is said or pressed; gives whether it is the last that began."""
        voice = object()
        self._voices.append(voice)
        try:
            yield lambda: self._voices[-1] is voice
        finally:
            self._voices.remove(voice)

    def _timestamp(self) -> int:
        """That of a frame said now: the clock's, but whole frames behind the last."""
        rate_hz = self.codec.clock_rate_hz
        frame_ts = rate_hz * FRAME_MS // 1000
        now_ts = round((self._network.now() - self._began_s) * rate_hz)
        late_frames = max(0, round((now_ts - self._next_ts) / frame_ts))
        return (self._next_ts + late_frames * frame_ts) & 0xFFFFFFFF

    def _breathe(self) -> None:
        if not self._voices:  # a frame more between others would be a hole in what is said
            codec = self.codec
            encoder = self._encoder = self._encoder or codec.make_encoder("", FRAME_MS)
            self.send(self._pt, encoder.encode(np.zeros(codec.frame_samples(FRAME_MS), np.int16)))
        self._breath = self._network.loop.call_later(BREATH_S, self._breathe)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._network.now()))


class Ear:
    """The hearing side: keeps every packet, and puts them together when somebody asks.

    Args:
        network: whose clock tells when a packet came.
        codecs: what it understands, by payload type.
    """

    def __init__(self, network: Network, codecs: dict[int, CodecSpec]) -> None:
        self._network = network
        self._codecs = codecs
        self._packets: list[tuple[float, bytes]] = []
        self._parsed: list[Heard] = []

    @property
    def packets(self) -> list[Heard]:
        """Every RTP packet that came."""
        for at_s, data in self._packets[len(self._parsed) :]:
            packet = parse_rtp(data)
            assert packet is not None, "the engine sends RTP"
            self._parsed.append(Heard(at_s, packet))
        return self._parsed

    @property
    def n_packets(self) -> int:
        """How many came."""
        return len(self._packets)

    def receive(self, data: bytes, source: Address) -> None:
        """A packet came."""
        self._packets.append((self._network.now(), data))

    def pcm(self, since_s: float = 0.0, until_s: float = float("inf")) -> Pcm:
        """What was heard between two moments, at 8 kHz; what did not come is silence.

        Args:
            since_s: on the network's clock.
            until_s: the same.
        """
        packets = [h for h in self.packets if since_s <= h.at_s < until_s]
        pieces = self._place(packets)
        if not pieces:
            return np.zeros(0, np.int16)
        whole = np.zeros(max(at + len(pcm) for at, pcm in pieces), np.int16)
        for at, pcm in pieces:
            whole[at : at + len(pcm)] = pcm
        return whole

    def _place(self, packets: list[Heard]) -> list[tuple[int, Pcm]]:
        """Decode packets; gives each one's samples and where they belong."""
        audio = [h for h in packets if h.packet.payload_type in self._codecs]
        if not audio:
            return []
        first = audio[0]
        sent = {timestamp_diff(h.packet.timestamp, first.packet.timestamp): h for h in audio}
        decoders: dict[int, Decoder] = {}
        pieces: list[tuple[int, Pcm]] = []
        start = min(sent)
        for offset in sorted(sent):
            packet = sent[offset].packet
            codec = self._codecs[packet.payload_type]
            if packet.payload_type not in decoders:
                decoders[packet.payload_type] = codec.make_decoder()
            pcm = decoders[packet.payload_type].decode(packet.payload)
            at = (offset - start) * SAMPLE_RATE_HZ // codec.clock_rate_hz
            pieces.append((at, resample(pcm, codec.sample_rate_hz, SAMPLE_RATE_HZ)))
        return pieces
