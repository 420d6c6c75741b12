"""Sound: microphone and loudspeaker of this machine as the phone's mouth and ear.

The sound card calls from threads of its own; a `Ring` each way is all they share with the call.
Opening and closing a card may take long, and hangs where its driver does: that is done in one more
thread, for which nobody waits.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.device import NO_DEVICE, open_microphone, open_speaker, rescan_devices
from ivrbench.audio.frame import FRAME_MS, SAMPLE_RATE_HZ
from ivrbench.errors import DeviceError

from .facts import CardOpened, Noted
from .ring import FRAMES_PER_S, Resampler, Ring

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.audio.device import DeviceStream

    from .voice import Frame

__all__ = ["Sound"]

RATES_HZ: Final = (48_000, 44_100, 16_000, 8000)
"""What cards do by themselves, where one does not do the rate of the call."""
RETRY_S: Final = 2.0
"""How often a card that went away is looked for."""
STALLED_S: Final = 4.0
"""A card that takes or gives nothing for so long is gone; PulseAudio may need 2 s to start."""
SIDETONE_DIVISOR: Final = 8  # -18 dB
CLOSE_WITHIN_S: Final = 2.0
"""The phone does not wait longer for a card that does not close."""


class _Side:
    """The microphone or the loudspeaker; opened and closed in the worker's thread.

    Args:
        name: which of them.
        effect: what it means for the call that it is not there.
        rate_hz: of the call; a sound server does any, and resamples best.
    """

    def __init__(self, name: str, effect: str, rate_hz: int) -> None:
        self.name = name
        self.effect = effect
        self._call_hz = rate_hz
        self.device = ""
        self.lost = False
        """It was open, and shall be again."""
        self.ring = Ring()
        self.rate_hz = rate_hz
        self.stream: DeviceStream | None = None
        self._turns = 0
        self._seen_turns, self._seen_s = 0, 0.0

    @property
    def delay_ms(self) -> int:
        """Audio waiting in the ring, and the driver's part."""
        stream = self.stream
        return 0 if stream is None else round(len(self.ring) * FRAME_MS + stream.latency_ms)

    def open(self) -> str:
        """Open it, with the first sample rate it does.

        Returns:
            why it could not be opened, "" if it is.
        """
        troubles: list[str] = []
        for rate_hz in dict.fromkeys((self._call_hz, *RATES_HZ)):
            self.ring, self.rate_hz = Ring(), rate_hz
            try:
                self.stream = self._start(self.device or None, rate_hz, rate_hz // FRAMES_PER_S)
            except DeviceError as exc:
                troubles.append(str(exc))
            else:
                self.lost, self._seen_s = False, 0.0
                return ""
        return troubles[0]

    def close(self) -> None:
        """Give it back; one that went away meanwhile has nothing to give back."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(DeviceError):
                stream.close()

    def is_dead(self, now: float) -> bool:
        """True where the card ended by itself, or its thread has not come for `STALLED_S`."""
        stream = self.stream
        if stream is None:
            return False
        if self._turns != self._seen_turns or not self._seen_s:
            self._seen_turns, self._seen_s = self._turns, now
        return not stream.active or now - self._seen_s > STALLED_S

    def _start(self, device: str | None, rate_hz: int, frame_samples: int) -> DeviceStream:
        raise NotImplementedError


class _Microphone(_Side):
    def _start(self, device: str | None, rate_hz: int, frame_samples: int) -> DeviceStream:
        return open_microphone(
            self._take, device=device, rate_hz=rate_hz, frame_samples=frame_samples
        )

    def _take(self, heard: bytes) -> None:
        """Called in the sound card's thread, once a block."""
        self._turns += 1
        self.ring.put(heard)


class _Speaker(_Side):
    def _start(self, device: str | None, rate_hz: int, frame_samples: int) -> DeviceStream:
        return open_speaker(self._give, device=device, rate_hz=rate_hz, frame_samples=frame_samples)

    def _give(self) -> bytes:
        """Called in the sound card's thread, once a block."""
        self._turns += 1
        return self.ring.take() or b""


class Sound:
    """The sound card: `next_frame` is the microphone, `hear` the loudspeaker.

    Nothing is opened before `use`. Call `watch` a few times a second while a call is up, and
    `close` at its end.

    Args:
        rate_hz: sample rate of the call.
    """

    def __init__(self, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._microphone = _Microphone("microphone", "the caller says nothing", rate_hz)
        self._speaker = _Speaker("loudspeaker", "nothing is heard here", rate_hz)
        self._from_card = Resampler(1, 1)
        self._to_card = Resampler(1, 1)
        self._heard: deque[Frame] = deque()
        self._call_hz = rate_hz
        self._own: deque[Frame] = deque()
        self._news: deque[CardOpened | Noted] = deque()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._n_begun = self._n_done = 0
        self._worker: threading.Thread | None = None
        self._retry_at_s = 0.0

    # -- what the call does ----------------------------------------------------------------

    def next_frame(self, n_samples: int) -> Frame:
        """The 20 ms the microphone heard, in so many samples; silence where the card is late."""
        rates_hz = (self._microphone.rate_hz, n_samples * FRAMES_PER_S)
        if self._from_card.rates_hz != rates_hz:
            self._from_card = Resampler(*rates_hz)
            self._heard.clear()
        block = self._microphone.ring.take()
        if block is not None:
            self._heard.extend(self._from_card.put(np.frombuffer(block, np.int16)))
        return self._heard.popleft() if self._heard else np.zeros(n_samples, np.int16)

    def hear(self, frame: Frame) -> None:
        """Play 20 ms on the loudspeaker."""
        own = self._own.popleft() if self._own else None
        if self._speaker.stream is None:
            return
        if own is not None and len(own) == len(frame):
            mixed = frame.astype(np.int32) + own // SIDETONE_DIVISOR
            frame = np.clip(mixed, -32_768, 32_767).astype(np.int16)
        rates_hz = (len(frame) * FRAMES_PER_S, self._speaker.rate_hz)
        if self._to_card.rates_hz != rates_hz:
            self._to_card = Resampler(*rates_hz)
        for block in self._to_card.put(frame):
            self._speaker.ring.put(block.tobytes())

    def sidetone(self, tone: Frame) -> None:
        """Let a key of our own be heard softly on the loudspeaker, from now on.

        Args:
            tone: at the rate of the call.
        """
        size = self._call_hz // FRAMES_PER_S
        whole = len(tone) // size * size
        self._own.extend(tone[:whole].reshape(-1, size))

    @property
    def microphone_ms(self) -> int:
        """From the air to the call; 0 without a microphone."""
        return self._microphone.delay_ms

    @property
    def speaker_ms(self) -> int:
        """From the call to the air; 0 without a loudspeaker."""
        return self._speaker.delay_ms

    @property
    def names(self) -> tuple[str, str]:
        """The cards open as microphone and as loudspeaker, "" for none."""
        microphone, speaker = self._microphone.stream, self._speaker.stream
        return (microphone.name if microphone else "", speaker.name if speaker else "")

    # -- the cards -------------------------------------------------------------------------

    def use(self, *, microphone: str | None = None, speaker: str | None = None) -> None:
        """Open one side or both, or another card for them; `watch` tells how that went.

        Args:
            microphone: a part of a card's name, "" for the system's choice; None leaves this
                side as it is.
            speaker: likewise.
        """
        sides: list[_Side] = []
        for side, device in ((self._microphone, microphone), (self._speaker, speaker)):
            if device is not None:
                side.device = device
                sides.append(side)
        self._do(partial(self._open, sides))

    def watch(self, now: float) -> list[CardOpened | Noted]:
        """Look after the cards: what happened to them."""
        if self._n_begun == self._n_done:
            self._look_after(now)
        return [self._news.popleft() for _ in range(len(self._news))]

    def wait(self, within_s: float) -> bool:
        """Wait until what `use` or `watch` began is done; False if that takes longer."""
        done = threading.Event()
        self._do(done.set)
        return done.wait(within_s)

    def close(self) -> None:
        """Give the sound cards back."""
        if self._worker is not None:
            self._do(self._close)
            self._jobs.put(None)
            self._worker.join(CLOSE_WITHIN_S)
            self._worker = None

    def _look_after(self, now: float) -> None:
        sides = (self._microphone, self._speaker)
        for side in sides:
            if not side.lost and side.is_dead(now):
                side.lost, self._retry_at_s = True, now
                self._note(f"the {side.name} is gone: {side.effect}; looking for it")
        if any(side.lost for side in sides) and self._retry_at_s <= now:
            self._retry_at_s = now + RETRY_S
            self._do(self._reopen)

    # -- in the worker's thread --------------------------------------------------------------

    def _do(self, job: Callable[[], None]) -> None:
        if self._worker is None:
            # A daemon: a card whose driver hangs must not keep the phone from ending.
            self._worker = threading.Thread(target=self._work, daemon=True)
            self._worker.start()
        self._n_begun += 1
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._n_done += 1

    def _open(self, sides: list[_Side]) -> None:
        for side in sides:
            side.close()
            side.lost = False
        troubles = [(side, trouble) for side in sides if (trouble := side.open())]
        if len(troubles) == len(sides) > 1:
            why = troubles[0][1]
            reason = "" if why.endswith(f"{NO_DEVICE}.") else f" ({why})"
            self._note(f"no sound card: the call is silent{reason}")
        else:
            for side, trouble in troubles:
                self._note(f"no {side.name}: {side.effect} ({trouble})")
        self._news.extend(_told(side) for side in sides if side.stream is not None)

    def _reopen(self) -> None:
        """Look for what was lost; cards plugged in meanwhile are seen where none is open."""
        lost = [side for side in (self._microphone, self._speaker) if side.lost]
        for side in lost:
            side.close()
        if not any(self.names):
            with suppress(DeviceError):
                rescan_devices()
        for side in lost:
            if not side.open() and side.stream is not None:
                self._note(f"the {side.name} is back: {side.stream.name}")

    def _note(self, text: str) -> None:
        self._news.append(Noted(text))

    def _close(self) -> None:
        for side in (self._microphone, self._speaker):
            side.close()


def _told(side: _Side) -> CardOpened:
    stream = side.stream
    assert stream is not None, "asked only then"
    text = f"{side.name}: {stream.name}, {side.rate_hz} Hz, {stream.latency_ms:.0f} ms"
    return CardOpened(text)
