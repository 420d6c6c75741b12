"""Recording of whole calls, pauses, stereo, silence, as scripts ask for them."""

from __future__ import annotations

import errno
import os
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio.files import decode_file
from ivrbench.media.disk import FdFile
from ivrbench.observe.events import ItemEnded, RecordingEnded
from tests.engine.harness import Bench, Caller

from .test_media import write_wav
from .texts import script

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench

TELLS = """
def onSilence(self, ms):
    said.append(ms)
def onRecordingEnded(self, file, error):
    said.append((file, error))
"""


def sides(path: Path) -> tuple[np.ndarray, ...]:
    """The channels of a file."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return tuple(pcm.reshape(-1, file.getnchannels()).T)


def ended(bench: Bench) -> list[tuple[int, str]]:
    """Length and error of recordings."""
    told = bench.of(RecordingEnded)
    return [(e.length_ms, e.error) for e in told if isinstance(e, RecordingEnded)]


@pytest.mark.parametrize("stereo", [True, False])
def test_whole_call(make_bench: MakeBench, tmp_path: Path, stereo: bool) -> None:
    """Asked for before there is audio: from its first frame to the end of the call."""
    prompt, path = write_wav(tmp_path / "p.wav", 1.0), tmp_path / "call.wav"
    body = f"""
def onSessionStart(self):
    self.record_call({str(path)!r}, {stereo})
    prompt = IvrAudioFile()
    prompt.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(prompt, None)
"""
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.5)
    caller.speak(1.0, 0x10)
    caller.bye()
    heard = sides(path)
    assert len(heard) == 1 + stereo
    assert 2500 <= ended(bench)[0][0] <= 2800
    assert len(heard[0]) * 1000 // 8000 == ended(bench)[0][0]
    ivr, voice = heard[-1][:8000], heard[0][-4000:]
    assert abs(ivr).mean() > 5000
    assert abs(voice).mean() > 5000
    if stereo:
        assert not heard[0][:8000].any()
        assert not heard[1][-4000:].any()
    assert bench.said() == []


def test_pause_and_close(make_bench: MakeBench, tmp_path: Path) -> None:
    """Key 1 pauses, 2 goes on, 3 closes: what was said in the pause is not in the file."""
    path = tmp_path / "call.wav"
    body = f"""
def onSessionStart(self):
    self.file = self.record_call({str(path)!r})
def onDtmf(self, key, duration):
    if key == 1:
        self.file.pause()
    elif key == 2:
        self.file.resume()
    else:
        self.file.close()
"""
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.5)
    caller.press(1)
    bench.wait(0.3)
    caller.speak(5.0)
    caller.press(2)
    bench.wait(0.3)
    caller.speak(0.5)
    caller.press(3)
    bench.wait(0.5)
    assert 1000 < ended(bench)[0][0] < 2600
    assert bench.said() == []  # the script ended it itself
    caller.bye()
    assert len(ended(bench)) == 1


def test_paused_before_it_begins(make_bench: MakeBench, tmp_path: Path) -> None:
    """Nothing is recorded until `resume`."""
    path = tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    self.file = IvrAudioFile()
    self.file.open({str(path)!r}, AUDIO_WRITE)
    self.file.stereo = True
    self.enqueue(None, self.file)
    self.file.pause()
def onDtmf(self, key, duration):
    self.file.resume()
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(2.0)
    caller.press(1)
    bench.wait(0.3)
    caller.speak(0.5, 0x10)
    caller.bye()
    left, right = sides(path)
    assert 4000 < len(left) < 8000
    assert abs(left).mean() > 3000
    assert not right.any()


def test_full_length(make_bench: MakeBench, tmp_path: Path) -> None:
    """`setRecordTime` of a whole call: the script hears that it is over, the call goes on."""
    path = tmp_path / "call.wav"
    body = f"""
def onSessionStart(self):
    file = IvrAudioFile()
    file.open({str(path)!r}, AUDIO_WRITE)
    file.setRecordTime(700)
    self.record_call(file)
"""
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert bench.said() == [(str(path), "")]
    assert len(sides(path)[0]) == 5600
    assert bench.ended() is None
    caller.bye()


@pytest.mark.parametrize("what", ["call", "item"])
def test_disk_full(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The recording ends with a valid file and a sentence, for the script too; never the call."""
    path = tmp_path / "call.wav"
    start = "self.record_call(file)" if what == "call" else "self.enqueue(None, file)"
    body = f"""
def onSessionStart(self):
    file = IvrAudioFile()
    file.open({str(path)!r}, AUDIO_WRITE)
    {start}
"""

    def write_at(file: FdFile, data: bytes, offset: int) -> int:
        if offset + len(data) > 60_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(file._fd, data, offset)

    monkeypatch.setattr(FdFile, "write_at", write_at)
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    caller.speak(4.0)
    bench.wait(0.2)
    error = "recording stopped: No space left on device"
    assert bench.said() == [(str(path), error)]
    assert [e[1] for e in ended(bench)] == [error]
    assert len(sides(path)[0]) > 0
    reasons = [e.reason for e in bench.of(ItemEnded) if isinstance(e, ItemEnded)]
    assert reasons == (["error"] if what == "item" else [])
    assert bench.ended() is None
    caller.bye()


@pytest.mark.parametrize("kind", [".mp3", ".sln", ".sln16", ".ulaw", ".alaw", ".wav|Mu-Law"])
def test_kinds_of_files(make_bench: MakeBench, tmp_path: Path, kind: str) -> None:
    """The extension says how; what was recorded plays at its own speed and level."""
    path = tmp_path / f"r{kind}"
    body = f"""
def onSessionStart(self):
    self.file = IvrAudioFile()
    self.file.open({str(path)!r}, AUDIO_WRITE)
    self.file.setRecordTime(2000)
    self.enqueue(None, self.file)
def onEmptyQueue(self):
    self.file.close()
    said.append(self.queueIsEmpty())
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(2.5, 0x10)
    bench.wait(0.3)
    assert bench.said() == [True]
    assert ended(bench) == [(2000, "")]
    written = path.with_suffix(".wav") if "|" in kind else path
    pcm, rate_hz = decode_file(written)
    assert rate_hz == (16_000 if kind == ".sln16" else 8000)
    assert len(pcm) / rate_hz == pytest.approx(2.0, abs=0.15)
    loud = abs(pcm[rate_hz // 2 : rate_hz].astype(float))
    if kind != ".mp3":  # which drops what never changes
        assert loud.mean() == pytest.approx(15_996, rel=0.02)
    caller.bye()


def test_mp3_on_a_full_disk(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any other: what is there plays, the script hears of it, the call goes on."""
    path = tmp_path / "r.mp3"
    body = f"""
def onSessionStart(self):
    self.record_call({str(path)!r})
"""

    def write_at(file: FdFile, data: bytes, offset: int) -> int:
        if offset + len(data) > 5000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(file._fd, data, offset)

    monkeypatch.setattr(FdFile, "write_at", write_at)
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    for value in range(0x10, 0x70, 3):
        caller.speak(0.2, value)
    bench.wait(0.2)
    error = "recording stopped: No space left on device"
    assert bench.said() == [(str(path), error)]
    pcm, _ = decode_file(path)
    assert len(pcm) > 4000
    assert bench.ended() is None
    caller.bye()


def test_files_that_cannot_be_recorded_into(make_bench: MakeBench, tmp_path: Path) -> None:
    """No permission, no folder, a prompt: an error in the script's line; the call goes on."""
    prompt = write_wav(tmp_path / "p.wav", 0.1)
    body = f"""
def onSessionStart(self):
    for name in ("/proc/nothing.wav", {str(tmp_path / "none" / "x.wav")!r}):
        try:
            self.record_call(name)
        except OSError:
            said.append("OSError")
    file = IvrAudioFile()
    file.open({str(prompt)!r}, AUDIO_READ)
    for wrong in (lambda: self.record_call(file), file.pause, lambda: self.detect_silence(-1)):
        try:
            wrong()
        except ValueError:
            said.append("ValueError")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    assert bench.said() == ["OSError"] * 2 + ["ValueError"] * 3
    caller.bye()


def test_silence(make_bench: MakeBench) -> None:
    """Told each time the caller has been silent for so long; asked for before there is audio."""
    body = """
def onSessionStart(self):
    self.detect_silence(600)
def onDtmf(self, key, duration):
    self.detect_silence(0)
"""
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert bench.said() == [600]
    caller.speak(0.5, 0x10)
    bench.wait(2)
    assert bench.said() == [600, 600]
    caller.press(1)
    caller.speak(0.5, 0x10)
    bench.wait(2)
    assert bench.said() == [600, 600]
    caller.bye()


def test_a_waiting_handler_records_until_silence(make_bench: MakeBench, tmp_path: Path) -> None:
    """`record(silence=…)`: it ends with the silence, which `onSilence` does not hear of."""
    path = tmp_path / "r.wav"
    body = f"""
def onInvite(self, hdrs):
    self.detect_silence(5000)
    return True
async def onSessionStart(self):
    said.append(await self.record({str(path)!r}, silence=0.8))
    self.detect_silence(300)
"""
    bench = make_bench(script(body + TELLS))
    caller = Caller(bench)
    caller.dial()
    caller.speak(2.0, 0x10)
    assert bench.said() == []
    bench.wait(1.2)
    recorded_ms = bench.said()[0]
    assert 2700 <= recorded_ms <= 2900
    assert len(sides(path)[0]) == recorded_ms * 8
    bench.wait(0.5)
    assert bench.said()[1:] == [300]
    caller.bye()
