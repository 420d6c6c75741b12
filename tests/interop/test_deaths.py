"""Processes that die or hang while a real phone is in a call: what it goes on hearing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import KeyReceived, MediaRestored, WorkerChanged

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.processes import ended
from .lab.scripts import settings
from .lab.sound import RATE_HZ, Samples, read_wav, tone, tone_share, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

LOOPS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.tone = IvrAudioFile()
            self.tone.open(config["prompt"], AUDIO_READ)
            self.tone.loop = True
            self.enqueue(self.tone, None)
    """
HZ = 1000.0
AWAY_S = 10.0
"""A fifth of a second on a machine that does nothing else; a worker has to start for it, and these
tests run beside others."""


@pytest.fixture(autouse=True)
def _peer(network: Network, need: Callable[[str], None]) -> None:
    need("baresip")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """One that plays a tone for ever."""
    engine = Engine(tmp_path / "engine", {"loops": LOOPS}, conf="srtp = optional\n")
    prompt = write_wav(tmp_path / "tone.wav", tone(HZ, 2.0))
    settings(engine.conf.parent, "loops", prompt=prompt)
    return engine


def silences_s(heard: Samples) -> list[float]:
    """Lengths of the stretches of 100 ms and more in which the tone is not heard."""
    step = RATE_HZ // 50
    sounds = [
        tone_share(heard[at : at + step], HZ) > 0.5 and bool(abs(heard[at : at + step]).max() > 0.1)
        for at in range(0, len(heard) - step, step)
    ]
    last = len(sounds) - sounds[::-1].index(True)
    lengths, run = [], 0
    for is_tone in sounds[sounds.index(True) : last]:
        if is_tone and run >= 5:
            lengths.append(run / 50)
        run = 0 if is_tone else run + 1
    return lengths


@pytest.mark.parametrize("encryption", ["", "srtp-mand", "dtls_srtp"])
async def test_worker_is_killed(
    tmp_path: Path, caller_wav: Path, engine: Engine, encryption: str
) -> None:
    """Soon the tone is heard again and keys arrive; the call stays up.

    By DTLS too, although baresip 1.0 makes no new handshake when the other side's ports change.
    """
    phone = Baresip(tmp_path / "phone", caller_wav, encryption=encryption)
    async with engine, phone:
        await phone.dial("loops", engine.port())
        await engine.until_leg("up")
        await phone.hears(1.0)
        began_s = time.monotonic()
        (worker,) = engine.state.engine.workers.values()
        os.kill(worker.pid, signal.SIGKILL)
        restored = await engine.until_event(MediaRestored)
        assert restored.away_ms < AWAY_S * 1000
        await phone.hears(1.0)
        await phone.press("5")
        await engine.until_event(KeyReceived, key=5)
        (leg,) = engine.state.live.values()
        assert leg.state == "up"
        up_s = time.monotonic() - began_s
        await phone.hang_up()
        await engine.until_done(1)
        changes = [(event.up, event.reason) for event in engine.seen(WorkerChanged)]
        *_, down, up = changes
        assert (down[0], up[0]) == (False, True)
        assert "killed by signal 9" in down[1]
    # The phone records what it gets: the time that is missing is the time nothing came.
    heard = read_wav(phone.heard())
    assert len(heard) / RATE_HZ > 1.0 + up_s - restored.away_ms / 1000 - 1.0
    assert tone_share(heard[-RATE_HZ // 2 :], HZ) > 0.9


async def test_worker_hangs(tmp_path: Path, caller_wav: Path, engine: Engine) -> None:
    """One that says nothing for five seconds is ended, and its calls go on with the next."""
    async with engine, Baresip(tmp_path / "phone", caller_wav) as phone:
        await phone.dial("loops", engine.port())
        await engine.until_leg("up")
        # A phone that has heard nothing yet begins its recording with the next worker's audio.
        await phone.hears(1.0)
        (worker,) = engine.state.engine.workers.values()
        os.kill(worker.pid, signal.SIGSTOP)
        restored = await engine.until_event(MediaRestored)
        assert "killed by signal 9" in restored.reason
        await phone.hears(1.0)
        await phone.hang_up()
        await engine.until_done(1)
    heard = read_wav(phone.heard())
    assert len(heard) / RATE_HZ > 1.5
    assert tone_share(heard[-RATE_HZ // 4 :], HZ) > 0.9


async def test_engine_hangs(tmp_path: Path, caller_wav: Path, engine: Engine) -> None:
    """What is queued goes on without a gap while the engine does nothing at all."""
    async with engine, Baresip(tmp_path / "phone", caller_wav) as phone:
        await phone.dial("loops", engine.port())
        await engine.until_leg("up")
        await phone.hears(0.5)
        assert engine.process is not None
        engine.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(3.0)
        engine.process.send_signal(signal.SIGCONT)
        await phone.hears(0.5)
        await phone.hang_up()
        await engine.until_done(1)
    heard = read_wav(phone.heard())
    assert len(heard) > 3.5 * RATE_HZ
    assert silences_s(heard) == []


async def test_engine_is_killed(tmp_path: Path, caller_wav: Path, engine: Engine) -> None:
    """The worker notices and ends: nothing is sent any more."""
    async with Baresip(tmp_path / "phone", caller_wav) as phone:
        process = await engine.__aenter__()
        assert process.process is not None
        try:
            began_s = time.monotonic()
            await phone.dial("loops", engine.port())
            await engine.until_leg("up")
            (worker,) = engine.state.engine.workers.values()
            await phone.hears(0.5)
        finally:
            process.process.kill()
            await process.process.wait()
            await engine.aclose()
        await ended(worker.pid)
        up_s = time.monotonic() - began_s
        await asyncio.sleep(1.5)
        await phone.hang_up()
    heard = read_wav(phone.heard())
    assert tone_share(heard, HZ) > 0.5
    assert len(heard) < (up_s + 1.0) * RATE_HZ
