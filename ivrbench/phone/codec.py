"""The phone's codecs: what it offers, and one call's coding both ways in frames of 20 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.codecs.registry import find_codec, installed_codecs
from ivrbench.audio.frame import FRAME_MS, SAMPLE_RATE_HZ
from ivrbench.audio.resample import StreamResampler
from ivrbench.errors import ConfigError
from ivrbench.rtp.jitter import JitterBuffer
from ivrbench.sdp.description import Codec
from ivrbench.sdp.negotiate import PCMA, PCMU

from .voice import Voice

if TYPE_CHECKING:
    from ivrbench.audio.codecs.codec import CodecSpec

    from .voice import Frame, Speaker

__all__ = ["CODECS", "Line", "at_rate", "offered", "rate_of"]

CODECS: Final = {
    "": (PCMU, PCMA),
    "pcmu": (PCMU,),
    "pcma": (PCMA,),
    "g722": (Codec("G722", 9, 8000),),
    "opus": (Codec("opus", 106, 48_000, 2, "minptime=20;useinbandfec=1"),),
}
"""What is offered for each word of `--codec`; "" is what every other side has."""
HANDLES: Final = 256
"""More than a jitter buffer keeps."""


def offered(name: str) -> tuple[Codec, ...]:
    """The codecs for a word of `--codec`, all of one sample rate.

    Raises:
        ConfigError: there is none of that name, or its library is not installed.
    """
    codecs = CODECS.get(name.lower())
    if codecs is None:
        raise ConfigError(f"the phone has {', '.join(filter(None, CODECS))}, not {name!r}")
    spec = _spec(codecs[0])
    if spec not in installed_codecs():
        raise ConfigError(f"{spec.name} needs {spec.needs}: pip install {spec.needs}")
    return codecs


def rate_of(codecs: tuple[Codec, ...]) -> int:
    """Their sample rate."""
    return _spec(codecs[0]).sample_rate_hz


def _spec(codec: Codec) -> CodecSpec:
    spec = find_codec(codec.name, codec.clock_rate_hz, codec.channels)
    assert spec is not None, "only what we offered is agreed on"
    return spec


class Line:
    """A codec at work: frames into payloads, and payloads of any order into frames.

    Args:
        codec: what offer and answer agreed on.
        fmtp: what the other side says about it.
    """

    def __init__(self, codec: Codec, fmtp: str = "") -> None:
        spec = _spec(codec)
        self.clock_hz = spec.clock_rate_hz
        self.frame_samples = spec.frame_samples(FRAME_MS)
        self.frame_ts = spec.clock_ticks(self.frame_samples)
        self._encoder = spec.make_encoder(fmtp, FRAME_MS)
        self._decoder = spec.make_decoder()
        # A byte for each tick, as G.711 and G.722 have it, may be cut anywhere. Other packets
        # are whole frames: the buffer then puts their numbers into order.
        self._is_cuttable = spec.clock_rate_hz == SAMPLE_RATE_HZ
        self.buffer = JitterBuffer(self.frame_ts if self._is_cuttable else 1)
        self._payloads: list[bytes] = [b""] * HANDLES
        self._last_handle = 0
        self._first_timestamp: int | None = None
        self._heard = False

    def encode(self, frame: Frame) -> bytes:
        """The payload of one frame."""
        return self._encoder.encode(frame)

    def put(self, timestamp: int, payload: bytes) -> None:
        """Take a packet."""
        if self._is_cuttable:
            self.buffer.put(timestamp, payload)
        elif payload:
            if self._first_timestamp is None:
                self._first_timestamp = timestamp
            number = (timestamp - self._first_timestamp & 0xFFFF_FFFF) // self.frame_ts
            self._last_handle = (self._last_handle + 1) % HANDLES
            self._payloads[self._last_handle] = payload
            self.buffer.put(number, bytes([self._last_handle]))

    def get(self) -> tuple[Frame, bool]:
        """The frame that is due, to be asked for every 20 ms; False: it hides a gap."""
        data = self.buffer.get()
        if data is None:
            if not self._heard:
                return np.zeros(self.frame_samples, np.int16), False
            return self._decoder.conceal(self.frame_samples), False
        self._heard = True
        frame = self._decoder.decode(data if self._is_cuttable else self._payloads[data[0]])
        if len(frame) != self.frame_samples:
            frame = np.resize(np.pad(frame, (0, self.frame_samples)), self.frame_samples)
        return frame, True

    def reset(self) -> None:
        """Another stream begins."""
        self.buffer.reset()
        self._first_timestamp = None


class _Resampled:
    """A speaker at another rate than its own."""

    def __init__(self, inner: Speaker, from_hz: int, to_hz: int) -> None:
        self._inner = inner
        self._from_hz, self._to_hz = from_hz, to_hz
        self._resampler = StreamResampler(from_hz, to_hz)
        self._ready = np.zeros(0, np.int16)

    def next_frame(self, n_samples: int) -> Frame:
        while len(self._ready) < n_samples:
            more = self._inner.next_frame(n_samples * self._from_hz // self._to_hz)
            self._ready = np.concatenate([self._ready, self._resampler.resample(more)])
        frame, self._ready = self._ready[:n_samples], self._ready[n_samples:]
        return frame


def at_rate(speaker: Speaker, rate_hz: int) -> Speaker:
    """A voice as this sample rate needs it; a sound card gives any by itself."""
    if not isinstance(speaker, Voice) or speaker.rate_hz == rate_hz:
        return speaker
    return _Resampled(speaker, speaker.rate_hz, rate_hz)
