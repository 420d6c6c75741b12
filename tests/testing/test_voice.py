"""What a caller says arrives as it was said, also while the test does something else."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio.tones import sine

if TYPE_CHECKING:
    from ivrbench.testing import Bench, Caller, IvrScripts, Recording

TAPE = """
from ivr import *
import os
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        self.tape = IvrAudioFile()
        self.tape.open(os.path.join(os.path.dirname(__file__), "tape.wav"), AUDIO_WRITE)
        self.enqueue(None, self.tape)
    def onDtmf(self, key, duration):
        pass
    def onBye(self):
        self.stopSession()
"""


@pytest.fixture
def call(bench: Bench, ivr_scripts: IvrScripts) -> Caller:
    """An answered call that is recorded."""
    ivr_scripts.write("tape", TAPE)
    call = bench.dial("tape")
    call.answered()
    return call


def loud_frames(recording: Recording) -> list[bool]:
    """Of each 20 ms but the first and the last: whether something was heard."""
    assert recording.ended is not None
    with wave.open(str(recording.file)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(int)
    return [bool(each) for each in abs(frames).mean(axis=1) > 1000][1:-1]


def test_long_words_have_no_hole(call: Caller) -> None:
    """Not even where a silent caller would have sent a packet of silence."""
    recording = call.records("tape.wav")
    call.say(sine(440, 5000))
    call.hang_up()
    loud = loud_frames(recording)
    assert len(loud) > 240
    assert all(loud[:-1])


def test_words_go_on_meanwhile(call: Caller) -> None:
    """They are broken off by keys alone, and by the end of the call."""
    recording = call.records()
    call.say(sine(440, 60_000), wait=False)
    call.waits(1)
    call.press("5", duration_ms=200)
    call.waits(1)
    call.hang_up()
    assert call.keys == "5"
    loud = loud_frames(recording)
    assert 2.1 < len(loud) / 50 < 2.5
    assert sum(loud) > 85
    assert all(loud[5:45] + loud[-30:-5])
    assert not all(loud[45:70])


def test_tones_break_words_off(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Who presses keys in the audio says nothing at that moment: they are heard clearly."""
    ivr_scripts.write("tape", TAPE)
    call = bench.dial("tape", keys=False)
    call.answered()
    call.say(sine(440, 3000), wait=False)
    call.waits(0.5)
    call.press("7", by="tones", duration_ms=200)
    call.waits(1)
    call.hang_up()
    assert call.keys == "7"
