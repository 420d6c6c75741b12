"""The templates of new scripts: each takes a call as its first line says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio import tts
from ivrbench.tui.new_script import TEMPLATES, template_text
from tests.engine.calls.conftest import make_bench as make_bench
from tests.engine.harness import Caller

if TYPE_CHECKING:
    from tests.engine.calls.conftest import MakeBench

KEYS = {"menu": (1,), "pin": (1, 2, 3, 4, 11), "voicemail": (11,)}
"""What the caller presses."""


@pytest.mark.parametrize("name", [name for _, name, _ in TEMPLATES])
def test_a_template_takes_a_call(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It loads, plays, and ends the call; no handler raises."""
    said: list[str] = []

    def synthesise(text: str, rate_hz: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        said.append(text)
        return np.full(rate_hz // 4, 8000, np.int16)

    monkeypatch.setattr(tts, "synthesise", synthesise)
    bench = make_bench(template_text(name), inspect="all")
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.0)
    for key in KEYS.get(name, ()):
        caller.press(key)
    bench.until(bench.ended, within_s=200.0)
    leg = bench.hub.history.done["c1"]
    assert leg.raised == 0
    assert leg.ended is not None
    assert leg.ended.code == (480 if name == "announcement" else 200)
    assert bool(said) is (name != "events")
    if name == "pin":
        assert "Welcome." in said
