"""How speech sounds after the whole server, scored with PESQ (ITU-T P.862) against the prompt."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio import tts
from ivrbench.audio.codecs import g711
from ivrbench.testing.network import BadNetwork
from tests.engine.harness import Caller

from .texts import script

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .conftest import MakeBench

pesq = pytest.importorskip("pesq", reason="pip install pesq, which needs a C compiler").pesq
if not tts.is_installed():
    pytest.skip("no speech: pip install ivrbench[tts]", allow_module_level=True)

RATE_HZ = 8000
TEXT = (
    "Welcome to the voice mailbox of the public library. Please leave your name and the number "
    "of your card after the tone, and we will call you back on the next working day."
)
CLEAN = 4.0
IMPAIRED = 3.0
NETWORK = (5.0, 30, 20)
"""Percent lost, and 40 ± 10 ms."""


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    """Ten seconds of speech with its pauses, in telephone bandwidth and at -22 dBFS."""
    pcm = tts.synthesise(TEXT, rate_hz=RATE_HZ).astype(np.float64)
    spectrum = np.fft.rfft(pcm)
    hz = np.fft.rfftfreq(len(pcm), 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    pcm = np.fft.irfft(spectrum, len(pcm))
    pcm *= 2600 / np.sqrt(np.mean(pcm**2))
    return np.clip(np.rint(pcm), -32768, 32767).astype(np.int16)


def score(said: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    """PESQ in narrowband: 4.5 for the same, about 4.1 for what is u-law alone."""
    return float(pesq(RATE_HZ, said, heard, "nb"))


def write(path: Path, pcm: NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def read(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def heard_prompt(make_bench: MakeBench, tmp_path: Path, speech: NDArray[np.int16]) -> Caller:
    """A caller who has heard the prompt, and is still there."""
    prompt = write(tmp_path / "p.wav", speech)
    body = f"""
def onSessionStart(self):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
def onEmptyQueue(self):
    said.append("over")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.said)
    bench.wait(0.5)
    return caller


def recorded(
    make_bench: MakeBench, tmp_path: Path, speech: NDArray[np.int16], network: BadNetwork | None
) -> NDArray[np.int16]:
    """What is in the file when a caller has spoken."""
    target = tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    self.f = IvrAudioFile()
    self.f.open({str(target)!r}, AUDIO_WRITE)
    self.enqueue(None, self.f)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    if network is not None:
        bench.network.impair(caller.mouth.port.address, network)
    bench.run(caller.mouth.say(speech))
    bench.wait(0.5)
    caller.bye()
    return read(target)


def test_prompt_is_heard_as_it_is(
    make_bench: MakeBench, tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """Nothing but the codec is between the file and the ear: bit for bit what u-law makes of it."""
    caller = heard_prompt(make_bench, tmp_path, speech)
    heard = caller.ear.pcm()
    assert score(speech, heard) >= CLEAN
    coded = g711.PCMU.decode(g711.PCMU.encode(speech))
    start = int(np.argmax(np.abs(heard) > 50)) - int(np.argmax(np.abs(coded) > 50))
    assert np.array_equal(heard[start : start + len(coded)], coded)
    caller.bye()


def test_recording_of_a_good_line(
    make_bench: MakeBench, tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """The jitter buffer adds and drops nothing where nothing is to be mended."""
    assert score(speech, recorded(make_bench, tmp_path, speech, None)) >= CLEAN


def test_recording_of_a_bad_line(
    make_bench: MakeBench, tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """5 % lost, 40 ± 10 ms: as good as concealment can make it, whichever packets are lost."""
    scores = []
    for seed in range(1, 7):
        folder = tmp_path / str(seed)
        folder.mkdir()
        network = BadNetwork(*NETWORK, seed=seed)
        scores.append(score(speech, recorded(make_bench, folder, speech, network)))
    assert np.mean(scores) >= IMPAIRED
    assert min(scores) >= IMPAIRED - 0.3


def test_recording_of_a_line_that_only_delays(
    make_bench: MakeBench, tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """The jitter buffer takes up 40 ± 10 ms without a trace."""
    network = BadNetwork(0.0, *NETWORK[1:], seed=1)
    assert score(speech, recorded(make_bench, tmp_path, speech, network)) >= CLEAN
