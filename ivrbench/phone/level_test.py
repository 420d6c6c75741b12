"""The level test: is the microphone heard, and the loudspeaker? Without a call."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ivrbench.audio.frame import FRAME_MS, SAMPLE_RATE_HZ
from ivrbench.audio.levels import FLOOR_DBFS
from ivrbench.clock import SystemClock
from ivrbench.observe.phones import PhoneChanged, PhoneEnded, PhoneMeasured, PhoneProgressed

from .facts import CardOpened, Noted
from .frame_clock import FrameClock
from .levels import LevelWindow
from .relay import json_line
from .sound import Sound
from .steering import stdin_lines
from .voice import tone_voice

if TYPE_CHECKING:
    from ivrbench.clock import Clock
    from ivrbench.observe.phones import PhoneEvent

    from .options import CallOptions

__all__ = ["LevelTest", "run_level_test"]

LASTS_S: Final = 15.0
MEASURE_S: Final = 0.2
FRAME_S: Final = FRAME_MS / 1000
FRAME_SAMPLES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
TONE_HZ: Final = 440
BEEP_FRAMES: Final = 15
"""0.3 s; played softly at the beginning of each cycle."""
CYCLE_FRAMES: Final = 100
SOFTER: Final = 4  # -12 dB
HEARD_DBFS: Final = -50.0
CLIP_DBFS: Final = -0.5


class LevelTest:
    """Measures the microphone, and lets the loudspeaker beep every two seconds.

    Call `step` often; it does the frames that are due, and tells what there is to tell.

    Args:
        sound: the card, whose sides are opened.
        now: seconds, monotonic.
    """

    def __init__(self, sound: Sound, now: float) -> None:
        self._sound = sound
        self._began_s = now
        self._measure_at_s = now + MEASURE_S
        self._frames = FrameClock(FRAME_S)
        self._frames.start(now)
        self._n_frames = 0
        self._tone = tone_voice(TONE_HZ)
        self._said, self._played = LevelWindow(), LevelWindow()
        self._peak_dbfs = FLOOR_DBFS

    def is_over(self, now: float) -> bool:
        """True once it lasted long enough."""
        return now >= self._began_s + LASTS_S

    def deadline(self) -> float:
        """When `step` wants to be called."""
        due_s = self._frames.deadline()
        assert due_s is not None, "it runs"
        return due_s

    def step(self, now: float) -> list[PhoneEvent]:
        """Do what is due."""
        self._frames.skip(now)
        while self._frames.take(now):
            self._run_frame()
        told: list[PhoneEvent] = []
        if now < self._measure_at_s:
            return told
        self._measure_at_s = now + MEASURE_S
        for fact in self._sound.watch(now):
            told.append(_progress(fact))
            microphone, speaker = self._sound.names
            told.append(
                PhoneChanged(
                    muted=False,
                    held=False,
                    keys_by="auto",
                    voice="microphone",
                    loss_percent=0.0,
                    delay_ms=0,
                    jitter_ms=0,
                    microphone=microphone,
                    speaker=speaker,
                )
            )
        return [*told, self._measure()]

    def verdict(self) -> str:
        """What is to be said in the end."""
        if not any(self._sound.names):
            return "level test: no sound card"
        if not self._sound.names[0]:
            return "level test: no microphone"
        peak = f"peak {round(self._peak_dbfs)} dBFS"
        if self._peak_dbfs < HEARD_DBFS:
            return f"level test: the microphone heard next to nothing, {peak}"
        if self._peak_dbfs >= CLIP_DBFS:
            return f"level test: the microphone is too loud, it clips at {peak}"
        return f"level test: the microphone is heard, {peak}"

    def _run_frame(self) -> None:
        heard = self._sound.next_frame(FRAME_SAMPLES)
        self._said.add(heard)
        tone = self._tone.next_frame(FRAME_SAMPLES) // SOFTER
        if self._n_frames % CYCLE_FRAMES >= BEEP_FRAMES:
            tone = tone * 0
        self._n_frames += 1
        self._played.add(tone)
        self._sound.hear(tone)

    def _measure(self) -> PhoneMeasured:
        said, played = self._said.take(), self._played.take()
        self._peak_dbfs = max(self._peak_dbfs, said[1])
        return PhoneMeasured(
            out_dbfs=round(said[0], 1),
            out_peak_dbfs=round(said[1], 1),
            in_dbfs=round(played[0], 1),
            in_peak_dbfs=round(played[1], 1),
            received=0,
            lost=0,
            late=0,
            jitter_ms=0.0,
            rtt_ms=-1.0,
            buffer_ms=0,
            mic_ms=self._sound.microphone_ms,
            speaker_ms=self._sound.speaker_ms,
        )


def _progress(fact: CardOpened | Noted) -> PhoneProgressed:
    step = "card" if isinstance(fact, CardOpened) else "note"
    return PhoneProgressed(step=step, after_ms=0.0, text=str(fact))


def run_level_test(options: CallOptions, clock: Clock | None = None) -> int:
    """Test the cards, for people or for the workbench.

    Args:
        options: which cards, and who is told.
        clock: the machine's.

    Returns:
        the exit code, 0.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(options, clock or SystemClock()))
    return 0


async def _run(options: CallOptions, clock: Clock) -> None:
    sound = Sound()
    sound.use(microphone=options.microphone, speaker=options.speaker)
    began_s = clock.now()
    test = LevelTest(sound, began_s)
    hung_up = asyncio.create_task(_wait_for_hang_up()) if options.from_workbench else None
    try:
        while not test.is_over(clock.now()) and not (hung_up is not None and hung_up.done()):
            for event in test.step(clock.now()):
                _tell(event, for_people=not options.from_workbench)
            await asyncio.sleep(max(0.0, test.deadline() - clock.now()))
    finally:
        ended = PhoneEnded(
            text=test.verdict(), code=0, answered=True, duration_s=clock.now() - began_s
        )
        sound.close()
        if hung_up is not None:
            hung_up.cancel()
        _tell(ended, for_people=not options.from_workbench)


async def _wait_for_hang_up() -> None:
    """Until the workbench says so, or is gone."""
    async for line in stdin_lines():
        if line == "hangup":
            return


def _tell(event: PhoneEvent, *, for_people: bool) -> None:
    text = "" if for_people else json_line(event)
    match event:
        case PhoneMeasured() if for_people:
            text = f"microphone {event.out_dbfs:6.1f} dBFS, peak {event.out_peak_dbfs:6.1f}"
        case PhoneProgressed() | PhoneEnded() if for_people:
            text = event.text
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
