"""The example script `callback`: whole calls of it in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe import events
from tests.engine.callee import Callee

if TYPE_CHECKING:
    from tests.engine.harness import Bench

    from .conftest import MakeBench

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """The script with quick settings."""
    conf = "wait = 2\ntries = 2\nretry = 30\nnumbers = a.*\n"
    bench = make_bench({"callback": (SCRIPTS / "callback.py").read_text(), "callback.conf": conf})
    (bench.folder / "wav").symlink_to(SCRIPTS / "wav")
    return bench


def prompts(bench: Bench, leg: str) -> list[str]:
    return [Path(e.play).stem for e in bench.of(events.ItemEnqueued, leg)]


@pytest.mark.parametrize("hangs_up", [True, False])
def test_called_back(bench: Bench, hangs_up: bool) -> None:
    """The caller is told so, hangs up or is hung up, and is called two seconds later."""
    ann = Callee(bench, answers=Callee.accepts)
    ann.dial("callback")
    assert prompts(bench, "c1") == ["callback_soon"]
    if hangs_up:
        ann.bye()
    bench.until(lambda: bench.ended("c1"))
    bench.until(lambda: bench.ended("c2"))
    assert prompts(bench, "c2") == ["callback_here"]
    ended = bench.ended("c2")
    assert ended is not None
    assert (ended.by, ended.code) == ("script", 200)
    assert ann.invite_request.uri == "sip:ann@192.0.2.99:5060"
    assert bench.nothing_left()


def test_busy_twice(bench: Bench) -> None:
    """Tried again after a while, and given up in the end; no session stays."""
    ann = Callee(bench)
    ann._answers = ann.refuses(486)
    ann.dial("callback")
    ann.bye()
    bench.wait(100)
    assert len(ann.invites) == 2
    ended = bench.ended("c3")
    assert ended is not None
    assert (ended.by, ended.code) == ("callee", 486)
    assert bench.nothing_left()


def test_who_is_not_called_back(make_bench: MakeBench) -> None:
    """Others are refused."""
    text = (SCRIPTS / "callback.py").read_text()
    bench = make_bench({"callback": text, "callback.conf": "numbers = 49.*\n"})
    ann = Callee(bench)
    ann.dial("callback")
    assert ann.got[-1] == "403"
    assert bench.nothing_left()
