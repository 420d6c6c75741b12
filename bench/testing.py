"""How much CPU a minute of call takes in a test.

    python bench/testing.py

Prints a table. A few seconds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.audio.tones import sine
from ivrbench.testing import Bench, IvrScripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.testing import Caller

RUNS = 7
MINUTE_S = 60.0
SCRIPT = """
from ivr import *
import os
HERE = os.path.dirname(__file__)
class IvrDialog(IvrDialogBase):
    def onDtmf(self, key, duration):
        audio = IvrAudioFile()
        if key == 1:
            audio.open(os.path.join(HERE, "wav", "tone.wav"), AUDIO_READ)
            audio.loop = True
            self.enqueue(audio, None)
        elif key == 2:
            audio.open(os.path.join(HERE, "tape.wav"), AUDIO_WRITE)
            self.enqueue(None, audio)
    def onBye(self):
        self.stopSession()
"""
VOICE = sine(300, MINUTE_S * 1000)


def plays(call: Caller) -> None:
    """A prompt, all the time."""
    call.press("1")
    call.waits(MINUTE_S)


def records(call: Caller) -> None:
    """The caller speaks and is recorded, all the time."""
    call.press("2")
    call.say(VOICE)


def waits(call: Caller) -> None:
    """Nobody says anything."""
    call.waits(MINUTE_S)


def measure(what: Callable[[Caller], None], scripts: IvrScripts) -> tuple[float, float]:
    """Milliseconds of CPU for a minute, and for the engine's start and end."""
    began_s = time.process_time()
    with Bench(scripts.folder) as bench:
        call = bench.dial("app")
        call.answered()
        minute_s = time.process_time()
        what(call)
        minute_ms = (time.process_time() - minute_s) * 1000
        call.hangs_up(by="caller")
    return minute_ms, (time.process_time() - began_s) * 1000 - minute_ms


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        scripts = IvrScripts(Path(folder))
        scripts.write("app", SCRIPT)
        scripts.prompt("tone.wav")
        print("| a minute of call | CPU ms, median | best | start and end |\n|---|---|---|---|")
        for what in (waits, plays, records):
            runs = [measure(what, scripts) for _ in range(RUNS)]
            minutes = [minute for minute, _ in runs]
            around = statistics.median(rest for _, rest in runs)
            median, best = statistics.median(minutes), min(minutes)
            name = (what.__doc__ or "").rstrip(".").lower()
            print(f"| {name} | {median:.0f} | {best:.0f} | {around:.0f} |")


if __name__ == "__main__":
    main()
