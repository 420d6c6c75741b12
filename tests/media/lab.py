"""A media plane in virtual time with a far end in memory."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ivrbench.audio.codecs import g711
from ivrbench.media.arena import PromptArena
from ivrbench.media.memory import MemoryNetwork, MemoryPoller, MemorySocket
from ivrbench.media.messages import (
    ClipPart,
    CloseCall,
    Command,
    MediaEvent,
    OpenCall,
    OpenRecorder,
    PlayItem,
    SilencePart,
    StreamParams,
)
from ivrbench.media.plane import TICK_S, MediaPlane
from ivrbench.rtp.packet import RtpPacket, parse_rtp

if TYPE_CHECKING:
    from ivrbench.media.disk import DirectWriter

OUR_IP = "192.0.2.1"
FAR_RTP = ("198.51.100.7", 7000)
FAR_RTCP = ("198.51.100.7", 7001)
SILENCE = {"PCMU": b"\xff" * 160, "PCMA": b"\xd5" * 160}

STREAM = StreamParams(
    codec="PCMU",
    payload_type=0,
    dtmf_payload_type=101,
    ptime_ms=20,
    remote_rtp=FAR_RTP,
    remote_rtcp=FAR_RTCP,
    send=True,
    receive=True,
    latch=False,
    dead_rtp_s=0.0,
)


def stream(**changes: Any) -> StreamParams:
    """`STREAM` with changes; any field may change, hence Any."""
    return msgspec.structs.replace(STREAM, **changes)


def octets(n: int, seed: int = 1) -> bytes:
    """Random audio octets, none of which is a code for silence."""
    return np.random.default_rng(seed).integers(1, 120, n, np.uint8).tobytes()


class FakeFile:
    """A recording's file: what was written, and errors on demand."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = False
        self.room: int | None = None
        """Bytes the disk has left; None = no limit."""
        self.error: OSError = OSError(28, "No space left on device")

    def write_at(self, data: bytes, offset: int) -> int:
        if self.room is not None and offset + len(data) > self.room:
            data = data[: max(0, self.room - offset)]
            if not data:
                raise self.error
        self.data[offset : offset + len(data)] = data
        return len(data)

    def close(self) -> None:
        self.closed = True


class Lab:
    """One plane, any number of calls, virtual time."""

    def __init__(self, writer: DirectWriter | None = None, seed: int = 1) -> None:
        self.network = MemoryNetwork()
        self.poller = MemoryPoller()
        self.arena = PromptArena(1)
        self.plane = MediaPlane(
            self.arena.memory,
            self.poller,
            writer=writer,
            random_source=random.Random(seed),
            wall_offset_s=1_700_000_000.0,
        )
        self.now = 100.0
        self.events: list[MediaEvent] = []
        self.sent: list[RtpPacket] = []
        self.raw = False
        """True: what the far end gets is kept as it is, in `datagrams`."""
        self.datagrams: list[bytes] = []
        self.rtp = MemorySocket(self.network, FAR_RTP)
        self.rtcp = MemorySocket(self.network, FAR_RTCP)
        self.ours = (OUR_IP, 4000)
        self.item = 0

    def apply(self, command: Command, *attached: object) -> None:
        self.plane.apply(command, self.now, attached)

    def open(self, call: int = 1, port: int = 4000, **changes: Any) -> None:
        """Open a call; any stream field may change, hence Any."""
        self.apply(OpenCall(call, stream(**changes)), *self.network.pair(OUR_IP, port))

    def clip(self, data: bytes, codec: str = "PCMU", *, loop: bool = False) -> ClipPart:
        """Put audio into the arena."""
        silence = g711.LAWS[codec].silence
        clip = self.arena.clip(data, codec, lambda: (data, silence, 8000))
        return ClipPart(clip.offset, clip.n_samples, loop)

    def play(self, part: ClipPart | SilencePart | None, recorder: int = 0, call: int = 1) -> int:
        """Queue an item and return its number."""
        self.item += 1
        self.apply(PlayItem(call, self.item, part, recorder))
        return self.item

    def record(self, recorder: int = 1, law: str = "pcm16", limit_ms: int = -1) -> FakeFile:
        """Open a recorder."""
        file = FakeFile()
        self.apply(OpenRecorder(recorder, law, limit_ms), file)
        return file

    def run(self, n_ms: int) -> list[MediaEvent]:
        """Let time pass; returns the events of that time."""
        happened: list[MediaEvent] = []
        for _ in range(round(n_ms / 1000 / TICK_S)):
            self.now += TICK_S
            happened += self.plane.tick(self.now)
            self._collect()
        self.events += happened
        return happened

    def _collect(self) -> None:
        while (datagram := self.rtp.receive()) is not None:
            if self.raw:
                self.datagrams.append(datagram.data)
                continue
            packet = parse_rtp(datagram.data)
            assert packet is not None
            self.sent.append(packet)

    def audio(self) -> bytes:
        """All payloads the far end has got so far, and forget them."""
        sent, self.sent = self.sent, []
        return b"".join(packet.payload for packet in sent)

    def of(self, kind: type[Any], events: list[MediaEvent] | None = None) -> list[Any]:
        """The events of one kind, hence Any."""
        return [e for e in (self.events if events is None else events) if isinstance(e, kind)]

    def close(self, call: int = 1) -> list[MediaEvent]:
        self.apply(CloseCall(call))
        return self.run(20)


class FarEnd:
    """The peer's stream."""

    def __init__(self, lab: Lab, seq: int = 1000, ts: int = 50_000, ssrc: int = 0xABCD) -> None:
        self.lab = lab
        self.seq = seq
        self.ts = ts
        self.ssrc = ssrc
        self.payload_type = 0

    def packet(self, payload: bytes, *, marker: bool = False) -> bytes:
        """The next packet of the stream."""
        packet = RtpPacket(
            payload_type=self.payload_type,
            sequence=self.seq & 0xFFFF,
            timestamp=self.ts & 0xFFFF_FFFF,
            ssrc=self.ssrc,
            payload=payload,
            marker=marker,
        )
        self.seq += 1
        self.ts += len(payload)
        return packet.to_bytes()

    def deliver(self, data: bytes, source: tuple[str, int] = FAR_RTP) -> None:
        """Bring a datagram to our port, from anybody."""
        self.lab.network.send(data, source, self.lab.ours)

    def speak(self, audio: bytes, frame: int = 160) -> list[MediaEvent]:
        """Send audio in packets of `frame` samples while time passes."""
        happened: list[MediaEvent] = []
        for start in range(0, len(audio), frame):
            self.deliver(self.packet(audio[start : start + frame]))
            happened += self.lab.run(frame // 8)
        return happened


def wav_audio(file: FakeFile) -> bytes:
    """The audio of a PCM16 file whose header must be valid and cover exactly what is there."""
    data = bytes(file.data)
    riff, size, wave = struct.unpack_from("<4sI4s", data)
    assert (riff, wave) == (b"RIFF", b"WAVE")
    fmt = struct.unpack_from("<4sIHHIIHH", data, 12)
    assert fmt == (b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    tag, n_bytes = struct.unpack_from("<4sI", data, 36)
    assert tag == b"data"
    assert size == 36 + n_bytes
    assert n_bytes <= len(data) - 44
    return data[44 : 44 + n_bytes]


def decoded(audio: bytes, codec: str = "PCMU") -> bytes:
    """PCM16 bytes of G.711 audio."""
    return g711.LAWS[codec].decode(np.frombuffer(audio, np.uint8)).tobytes()
