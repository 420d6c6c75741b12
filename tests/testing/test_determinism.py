"""The same test gives the same events at the same moments, however busy the machine is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.testing import BadNetwork, Bench, IvrScripts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


@pytest.fixture
def load(request: pytest.FixtureRequest) -> Iterator[None]:
    """Processes that compute: one, and four in the long lane."""
    n_burners = 4 if request.node.get_closest_marker("soak") else 1
    command = [sys.executable, "-c", "while True: pass"]
    burners = [subprocess.Popen(command) for _ in range(n_burners)]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


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


def same_every_time(folder: Path, times: int) -> None:
    scripts = IvrScripts(folder)
    prompt = scripts.prompt("beep.wav", seconds=0.5)
    scripts.write("busy", BUSY.replace("PROMPT", str(prompt)))
    first = story(scripts)
    assert len(first) > 150
    assert not any("Raised" in line for line in first)
    for _ in range(times - 1):
        again = story(scripts)
        assert again == first


@pytest.mark.usefixtures("load")
def test_same_events_under_load(tmp_path: Path) -> None:
    """Ten runs in the normal suite."""
    same_every_time(tmp_path, 10)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("load")
def test_same_events_under_load_200_times(tmp_path: Path) -> None:
    """And 200 in the long lane."""
    same_every_time(tmp_path, 200)
