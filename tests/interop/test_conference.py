"""Three baresips in one conference: each hears the other two, and not itself."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.observe.events import RecordingEnded
from ivrbench.observe.rooms import RoomJoined

from .lab.baresip import Baresip
from .lab.engine import Engine
from .lab.scripts import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

ROOM = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onSessionStart(self):
            self.room = IvrConference("test")
            self.enqueue(self.room, self.room)
            self.record_call(config["into"] + "/" + self.dialog.local_tag + ".wav")
    """
PHONES = (("PCMU", 8000, 440.0), ("G722/16000/1", 16_000, 700.0), ("PCMA", 8000, 1000.0))
"""Codec, rate, and the tone that each says."""


@pytest.fixture(autouse=True)
def _peer(network: Network, need: Callable[[str], None]) -> None:
    need("baresip")


def says(path: Path, rate_hz: int, hz: float) -> Path:
    """A minute of a tone."""
    pcm = (6000 * np.sin(2 * np.pi * hz * np.arange(rate_hz * 60) / rate_hz)).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, rate_hz, len(pcm), "NONE", ""))
        out.writeframes(pcm.tobytes())
    return path


def amplitudes(path: Path) -> tuple[list[float], int]:
    """How loud each of the tones is in a second before the end, and the channels of the file."""
    with wave.open(str(path), "rb") as file:
        rate_hz, channels = file.getframerate(), file.getnchannels()
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    # A stereo file: the right side, what the caller hears.
    end = pcm[channels - 1 :: channels][-int(1.5 * rate_hz) : -int(0.5 * rate_hz)]
    spectrum = np.abs(np.fft.rfft(end * np.hanning(len(end)))) * 4 / len(end)
    hzs = np.fft.rfftfreq(len(end), 1 / rate_hz)
    loud = [float(np.sqrt((spectrum[np.abs(hzs - hz) < 20] ** 2).sum())) for *_, hz in PHONES]
    return loud, channels


@pytest.mark.parametrize("workers", [1, 2])
async def test_three_phones(tmp_path: Path, workers: int) -> None:
    """Wideband and narrowband, with one media worker and over two; and as it is recorded."""
    engine = Engine(tmp_path / "engine", {"room": ROOM}, f"media_workers = {workers}\n")
    settings(engine.conf.parent, "room", into=tmp_path)
    ann, bob, eve = (
        Baresip(
            tmp_path / f"phone{n}",
            says(tmp_path / f"says{n}.wav", rate_hz, hz),
            codec=codec,
            rate_hz=rate_hz,
        )
        for n, (codec, rate_hz, hz) in enumerate(PHONES)
    )
    async with engine, ann, bob, eve:
        for phone in (ann, bob, eve):
            await phone.dial("room", engine.port())
        await engine.until_event(RoomJoined, members=3)
        await asyncio.gather(*(phone.hears(2.0) for phone in (ann, bob, eve)))
        await asyncio.gather(*(phone.hang_up() for phone in (ann, bob, eve)))
        await engine.until_done(3)
        await engine.until(lambda _: len(engine.seen(RecordingEnded)) == 3 or None)
    check([phone.heard() for phone in (ann, bob, eve)], tmp_path)


def check(heard: list[Path], folder: Path) -> None:
    """What the phones heard, and what the calls' recordings have on the right."""
    recorded = [path for path in folder.glob("*.wav") if not path.name.startswith("says")]
    assert len(recorded) == 3
    for own, path in enumerate(heard):
        loud, channels = amplitudes(path)
        assert channels == 1
        assert loud[own] < 500, f"{path}: {loud}"
        assert all(value > 3000 for n, value in enumerate(loud) if n != own), f"{path}: {loud}"
    owns = []
    for path in recorded:
        loud, channels = amplitudes(path)
        assert channels == 2
        owns.append(int(np.argmin(loud)))
    assert sorted(owns) == [0, 1, 2]
