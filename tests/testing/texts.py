"""Scripts the tests of the bench share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import ExpectationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.testing import Bench, IvrScripts

__all__ = ["HEAD", "MENU", "failure", "menu"]

HEAD = """
from ivr import *
import os
WAV = os.path.join(os.path.dirname(__file__), "wav")
def prompt(name):
    audio = IvrAudioFile()
    audio.open(os.path.join(WAV, name + ".wav"), AUDIO_READ)
    return audio
"""

MENU = (
    HEAD
    + """
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        self.enqueue(prompt("welcome"), None)
        self.enqueue(prompt("ask"), None)
    def onDtmf(self, key, duration):
        self.flush()
        if key == 1:
            self.enqueue(prompt("one"), None)
        elif key == 2:
            self.take()
        elif key == 9:
            raise RuntimeError("no nine")
        else:
            self.stopSession()
    def take(self):
        self.tape = IvrAudioFile()
        self.tape.open(os.path.join(os.path.dirname(__file__), "tape.wav"), AUDIO_WRITE)
        self.enqueue(None, self.tape)
    def onBye(self):
        self.stopSession()
"""
)


def menu(scripts: IvrScripts) -> None:
    """Write MENU and its prompts: tones of 500, 600 and 700 Hz."""
    scripts.write("menu", MENU)
    for name, hz in (("welcome", 500), ("ask", 600), ("one", 700)):
        scripts.prompt(f"{name}.wav", hz, seconds=0.5)


def failure(bench: Bench, verb: Callable[[], object]) -> str:
    """What a verb says that fails, without the timeline."""
    with pytest.raises(ExpectationFailed) as caught:
        verb()
    return str(caught.value).partition("\n\n")[0]
