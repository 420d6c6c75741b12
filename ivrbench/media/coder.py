"""One call's encoder, decoder and jitter buffer, where the codec is not G.711.

Payloads wait undecoded, in order of their time, and are decoded when they are due and somebody
listens: the decoders of these codecs need every packet once and in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.codecs import packet_ts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.codecs import LaneCodec

__all__ = ["Coder"]

MAX_WAITING = 64
"""Packets waiting: more than the buffer's length holds in packets of 10 ms."""


class Coder:
    """Encodes what a call sends and decodes what it receives.

    Args:
        codec: its codec.
        fmtp: what the peer's fmtp asks for.
        ptime_ms: length of the packets sent.

    Raises:
        MediaError: a library that the codec needs is not there.
    """

    def __init__(self, codec: LaneCodec, fmtp: str, ptime_ms: int) -> None:
        self._codec = codec
        self.encode = codec.spec.make_encoder(fmtp, ptime_ms).encode
        """Gives the payload for a frame of samples."""
        self._decoder = codec.spec.make_decoder()
        self._waiting: dict[int, bytes] = {}
        self._rest = np.empty(0, np.int16)
        self._cursor = 0

    def __repr__(self) -> str:
        return f"Coder({self._codec.name}, {len(self._waiting)} packets waiting)"

    def reset(self) -> None:
        """Forget what waits: the stream begins anew."""
        self._waiting.clear()
        self._rest = self._rest[:0]

    def put(self, at: int, payload: bytes) -> bool:
        """Keep a packet until it is due.

        Args:
            at: its place in ticks, on the clock of `take`.
            payload: as it came.

        Returns:
            False: too many are waiting.
        """
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting[at] = payload
        return True

    def skip(self, until: int) -> None:
        """Nobody listens: drop what is over before `until`."""
        self._rest = self._rest[:0]
        if self._waiting:
            self._drop(until)

    def insert(self, samples: int) -> NDArray[np.int16]:
        """Samples that lengthen the audio without being heard as such."""
        return self._decoder.conceal(samples)

    def take(self, at: int, samples: int) -> tuple[NDArray[np.int16], bool]:
        """Decode what is due.

        Args:
            at: where to begin, in ticks.
            samples: how many are wanted.

        Returns:
            So many samples, and whether any of them was really received.
        """
        self._seek(at)
        parts = [self._rest]
        have = len(self._rest)
        received = have > 0
        while have < samples:
            part, real = self._next(samples - have)
            parts.append(part)
            have += len(part)
            received = received or real
        joined = np.concatenate(parts)
        self._rest = joined[samples:]
        return joined[:samples], received

    def _seek(self, at: int) -> None:
        """Make the rest begin at `at`."""
        behind = at - (self._cursor - self._ticks(len(self._rest)))
        skipped = behind * self._codec.rate_hz // self._codec.clock_hz
        if 0 <= skipped <= len(self._rest):
            self._rest = self._rest[skipped:]
        else:
            self._rest = self._rest[:0]
            self._cursor = at
        self._drop(self._cursor)

    def _next(self, wanted: int) -> tuple[NDArray[np.int16], bool]:
        """The samples at the cursor: of the packet there, or what hides that there is none."""
        codec = self._codec
        first = min(self._waiting, default=None)
        if first is None or first > self._cursor:
            missing = wanted
            if first is not None:
                gap = (first - self._cursor) * codec.rate_hz // codec.clock_hz
                missing = max(1, min(wanted, gap))
            self._cursor += self._ticks(missing)
            return self._decoder.conceal(missing), False
        payload = self._waiting.pop(first)
        ticks = packet_ts(codec, payload)
        pcm = self._decoder.decode(payload)
        length = ticks * codec.rate_hz // codec.clock_hz
        if len(pcm) < length:
            pcm = np.concatenate([pcm, self._decoder.conceal(length - len(pcm))])
        begun = (self._cursor - first) * codec.rate_hz // codec.clock_hz
        self._cursor = first + ticks
        return pcm[begun:length], True

    def _drop(self, until: int) -> None:
        for at in [
            at for at, data in self._waiting.items() if at + packet_ts(self._codec, data) <= until
        ]:
            del self._waiting[at]

    def _ticks(self, samples: int) -> int:
        return samples * self._codec.clock_hz // self._codec.rate_hz
