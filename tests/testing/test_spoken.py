"""Prompts by text to speech are known by their words: by verbs, timelines and recorded tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.audio import tts
from ivrbench.errors import ExpectationFailed
from ivrbench.observe.case import case_of
from ivrbench.observe.case_source import Checks, case_source
from ivrbench.observe.ladder import legs_of
from ivrbench.testing import Bench
from tests.testing.texts import failure

if TYPE_CHECKING:
    from ivrbench.testing import Caller, IvrScripts

pytestmark = pytest.mark.skipif(not tts.is_installed(), reason="text to speech is not installed")

SCRIPT = """
from ivr import *
class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        self.enqueue(IvrAudioFile.tts("One and/or two."), None)
        self.enqueue(IvrAudioFile.tts("Three."), None)
    def onEmptyQueue(self):
        self.stopSession()
"""


def test_plays_and_hears(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """What is spoken by its text, and that text in the caller's ear."""
    ivr_scripts.write("app", SCRIPT)
    call = bench.dial("app")
    call.answered()
    call.plays("One and/or two.")
    call.hears("One and/or two.")
    assert failure(bench, lambda: call.plays("Four.")).splitlines()[:2] == [
        "expected  the script plays Four. within 5 s",
        'got       "Three."',
    ]
    assert any(line.endswith('  ▶ "One and/or two."') for line in timeline_of(call))


def timeline_of(call: Caller) -> tuple[str, ...]:
    """What a failure shows."""
    with pytest.raises(ExpectationFailed) as caught:
        call.refused()
    return caught.value.timeline


def test_recorded(ivr_scripts: IvrScripts) -> None:
    """The words stand in the test, which hears them too if it is to."""
    ivr_scripts.write("app", SCRIPT)
    with Bench(ivr_scripts.folder) as bench:
        bench.dial("app").waits(20)
        case = case_of(legs_of(bench.engine.hub.history, "c1"))
    source = case_source(case, "test_it", Checks(audio=True))
    assert 'call.plays("One and/or two.")\n    call.hears("One and/or two.")\n' in source
    names: dict[str, object] = {}
    exec("from __future__ import annotations\n" + source, names)
    with Bench(ivr_scripts.folder) as bench:
        names["test_it"](bench)  # type: ignore[operator]
