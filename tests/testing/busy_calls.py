"""Four calls of a busy script at once, as a story: every event of them, with its moment.

    python -m tests.testing.busy_calls FOLDER RUNS [no-gc|always-gc]

Prints the digest of each run's story.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from pathlib import Path

from ivrbench.testing import BadNetwork, Bench, IvrScripts

__all__ = ["digest", "prepare", "story"]

BUSY = """
from ivr import *
import asyncio, hashlib, threading, time
count = 0
def ticker():
    while True:
        time.sleep(0.3)
createThread(ticker)
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        global count
        count += 1
        self.number = count
        self.setTimer(1, 0.25)
        threading.Timer(0.4, self.late).start()
        self.audio = IvrAudioFile()
        self.audio.open("PROMPT", AUDIO_READ)
        self.enqueue(self.audio, None)
    def late(self):
        self.setTimer(2, 0.1)
    def onTimer(self, id):
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2000)
        time.sleep(0.01 * self.number)
    async def onDtmf(self, key, duration):
        await asyncio.to_thread(time.sleep, 0.05)
        await self.play("PROMPT")
        if key == 3:
            self.stopSession()
    def onBye(self):
        self.stopSession()
"""


def prepare(folder: Path) -> IvrScripts:
    """Write the script and its prompt."""
    scripts = IvrScripts(folder)
    prompt = scripts.prompt("beep.wav", seconds=0.5)
    scripts.write("busy", BUSY.replace("PROMPT", str(prompt)))
    return scripts


def story(scripts: IvrScripts) -> list[str]:
    """Four calls at once, and everything that was told, with its moment."""
    with Bench(scripts.folder) as bench:
        calls = [
            bench.dial("busy", network=BadNetwork(5, 10, 30, seed=n) if n % 2 else None)
            for n in range(4)
        ]
        for call in calls:
            call.answered()
        for call in calls:
            call.press("12")
        calls[0].hangs_up("caller")
        calls[1].press("3")
        calls[1].hangs_up("script")
        bench.wait(2)
        packets = [call.agent.ear.n_packets for call in calls]
        told = ((at_s, getattr(event, "text", event)) for at_s, event in bench.steps)
        return [f"{at_s:.6f} {event!r}" for at_s, event in told] + [str(packets)]


def digest(story: list[str]) -> str:
    """A story in short."""
    return hashlib.sha256("\n".join(story).encode()).hexdigest()


def main() -> None:
    folder, n_runs, *collector = sys.argv[1:]
    if collector == ["no-gc"]:
        gc.disable()
    elif collector == ["always-gc"]:
        gc.set_threshold(20, 2, 2)
    scripts = prepare(Path(folder))
    for _ in range(int(n_runs)):
        sys.stdout.write(f"{digest(story(scripts))}\n")


if __name__ == "__main__":
    main()
