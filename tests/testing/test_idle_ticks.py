"""Virtual time leaves out what nobody would notice, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.media.client import InlineMedia
from ivrbench.media.plane import MediaPlane
from ivrbench.testing import BadNetwork, Bench, IvrScripts
from tests.testing.texts import menu

if TYPE_CHECKING:
    from pathlib import Path


def story(folder: Path) -> list[object]:
    """Two calls that meet most of what the plane does, and every packet of them."""
    scripts = IvrScripts(folder)
    menu(scripts)
    with Bench(scripts.folder) as bench:
        calls = [bench.dial("menu"), bench.dial("menu", codecs=["G722"], network=BadNetwork(5))]
        for call in calls:
            call.answered()
        bench.wait(1.2345)
        for call in calls:
            call.press("2")
            call.say("welcome.wav")
            call.press("1", by="tones")
            call.hang_up()
        packets = [packet for call in calls for packet in call.agent.ear._packets]
        told = [(at_s, getattr(event, "text", event)) for at_s, event in bench.steps]
        return [(round(at_s, 6), what) for at_s, what in [*packets, *told]]


def test_nothing_is_different(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event, every packet and every moment is the same with all ticks and without."""
    short = story(tmp_path)
    monkeypatch.setattr(InlineMedia, "skip_idle", lambda self, n_ticks: 0)
    assert story(tmp_path) == short


def test_ticks_in_a_minute(
    bench: Bench, ivr_scripts: IvrScripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of 20 ms packets costs one tick for each of them, no four."""
    menu(ivr_scripts)
    call = bench.dial("menu")
    call.answered()
    ticks: list[float] = []
    tick = MediaPlane.tick

    def counted(plane: MediaPlane, now: float) -> Any:  # what `tick` gives
        ticks.append(now)
        return tick(plane, now)

    monkeypatch.setattr(MediaPlane, "tick", counted)
    bench.wait(60)
    assert 3000 <= len(ticks) <= 3200


def test_late_packets_come_at_their_time(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """A packet that the network delays arrives in the middle of a long wait."""
    menu(ivr_scripts)
    call = bench.dial("menu")
    call.answered()
    bench.wait(2)
    bench.network.impair(call.agent.audio.address, BadNetwork(delay_ms=80))
    since_s = bench.now()
    bench.wait(0.9)
    came = [heard.at_s for heard in call.agent.ear.packets if heard.at_s >= since_s]
    gaps_ms = [round((after - before) * 1000) for before, after in pairwise(came)]
    assert came[0] - since_s == pytest.approx(0.09, abs=0.012)
    assert set(gaps_ms) == {20}
