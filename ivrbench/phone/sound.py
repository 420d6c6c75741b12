"""Sound: microphone and loudspeaker of this machine as the phone's mouth and ear.

The sound card calls from a thread of its own; two short rings are all it shares with the call.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soxr

from ivrbench.audio.device import Duplex, open_duplex
from ivrbench.audio.frame import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from ivrbench.errors import DeviceError

if TYPE_CHECKING:
    from .voice import Frame

__all__ = ["Sound"]

RING_FRAMES: Final = 6  # 120 ms: beyond that the oldest frame is dropped, so that delay never grows
AHEAD_FRAMES: Final = (
    2  # 40 ms of silence before the first frame: what the card's clock may run ahead
)
RATES_HZ: Final = (SAMPLE_RATE_HZ, 48_000)
"""Telephone rate first; some cards only do theirs."""


class Sound:
    """An open sound card: `next_frame` is the microphone, `hear` the loudspeaker.

    Raises:
        DeviceError: there is no sound library, no sound card, or it does neither 8 nor 48 kHz.
    """

    def __init__(self) -> None:
        # deque: its append and popleft are atomic, so no lock is held in the sound card's thread.
        self._heard: deque[bytes] = deque(maxlen=RING_FRAMES)
        self._to_say: deque[bytes] = deque(maxlen=RING_FRAMES)
        self._device, rate_hz = self._open()
        frame_samples = FRAME_SAMPLES * rate_hz // SAMPLE_RATE_HZ
        self._to_say.extend([bytes(2 * frame_samples)] * AHEAD_FRAMES)
        self._from_card = _Resampler(rate_hz, SAMPLE_RATE_HZ, FRAME_SAMPLES)
        self._to_card = _Resampler(SAMPLE_RATE_HZ, rate_hz, frame_samples)

    def _open(self) -> tuple[Duplex, int]:
        trouble = DeviceError("no sample rate was tried")
        for rate_hz in RATES_HZ:
            frame_samples = FRAME_SAMPLES * rate_hz // SAMPLE_RATE_HZ
            try:
                device = open_duplex(self._exchange, rate_hz=rate_hz, frame_samples=frame_samples)
            except DeviceError as exc:
                trouble = exc
            else:
                return device, rate_hz
        raise trouble

    @property
    def delay_ms(self) -> int:
        """Audio that waits for the loudspeaker, and one block of the microphone."""
        return (len(self._to_say) + 1) * FRAME_MS

    def next_frame(self, n_samples: int) -> Frame:
        """What the microphone heard; silence where the card is late."""
        assert n_samples == FRAME_SAMPLES, "the phone's frame is the card's frame"
        while self._heard:
            self._from_card.put(np.frombuffer(self._heard.popleft(), np.int16))
        frame = self._from_card.take()
        return np.zeros(FRAME_SAMPLES, np.int16) if frame is None else frame

    def hear(self, frame: Frame) -> None:
        """Play one frame on the loudspeaker."""
        self._to_card.put(frame)
        while (block := self._to_card.take()) is not None:
            self._to_say.append(block.tobytes())

    def close(self) -> None:
        """Give the sound card back; one that went away meanwhile has nothing to give back."""
        with suppress(DeviceError):
            self._device.close()

    def _exchange(self, heard: bytes) -> bytes:
        """Called in the sound card's thread, once a block."""
        self._heard.append(heard)
        try:
            return self._to_say.popleft()
        except IndexError:
            return b""


class _Resampler:
    """One direction: another sample rate, cut into frames again.

    Args:
        from_hz: rate of what is put in.
        to_hz: rate of what is taken out.
        frame_samples: samples taken out at once.
    """

    def __init__(self, from_hz: int, to_hz: int, frame_samples: int) -> None:
        # Any: the resampling library has no types.
        self._stream: Any = None
        if from_hz != to_hz:
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="LQ")
        self._frame_samples = frame_samples
        self._waiting: Frame = np.zeros(0, np.int16)

    def put(self, samples: Frame) -> None:
        """Take samples in; beyond the ring's length the oldest are dropped."""
        if self._stream is not None:
            samples = self._stream.resample_chunk(samples)
        most = RING_FRAMES * self._frame_samples
        self._waiting = np.concatenate((self._waiting, samples))[-most:]

    def take(self) -> Frame | None:
        """The oldest frame, None while there is no whole one."""
        if len(self._waiting) < self._frame_samples:
            return None
        frame = self._waiting[: self._frame_samples]
        self._waiting = self._waiting[self._frame_samples :]
        return frame
