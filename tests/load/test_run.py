"""Whole runs in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ivrbench.load
from ivrbench.config.values import CallLimit
from ivrbench.load.figures import Figures
from ivrbench.load.plan import LoadPlan
from ivrbench.load.run import CALLER, Load
from tests.engine.callee import Callee

if TYPE_CHECKING:
    from typing import Any

    from ivrbench.sip.invite import InviteCall
    from tests.engine.calls.conftest import MakeBench

URI = "sip:menu@192.0.2.98"
SCRIPT = Path(ivrbench.load.__file__).parent / "caller" / f"{CALLER}.py"


class Run:
    """A plan that is carried out against somebody who answers as `answers` says."""

    def __init__(
        self, make_bench: MakeBench, answers: Any, plan: LoadPlan, **settings: Any
    ) -> None:
        self.bench = make_bench({CALLER: SCRIPT.read_text()}, **settings)
        self.callee = Callee(self.bench, ("192.0.2.98", 5060), 41_000, answers)
        self.figures = Figures()
        self.bench.hub.on_event = self.figures.take
        self.told: list[float] = []
        self.over: list[bool] = []
        load = Load(
            self.bench.board,
            plan,
            self.figures,
            lambda _, after_s: self.told.append(after_s),
            lambda: self.over.append(True),
        )
        load.begin()


def test_rate_and_calls_at_once(make_bench: MakeBench) -> None:
    """10 a second for 2 s, each 0.5 s long: 20 calls, 5 or 6 at a time, all answered."""
    plan = LoadPlan(uri=URI, at_once=50, rate_per_s=10, for_s=2, call_s=0.5)
    run = Run(make_bench, Callee.accepts, plan)
    most = 0

    def look() -> bool:
        nonlocal most
        most = max(most, run.figures.live)
        return bool(run.over)

    run.bench.until(look)
    assert (run.figures.placed, run.figures.answered, run.figures.failed) == (20, 20, 0)
    assert 5 <= most <= 6
    assert len(run.told) == 2
    assert run.figures.cut == 0


def test_no_more_than_so_many_at_once(make_bench: MakeBench) -> None:
    """Where calls last longer than there is room for, fewer are placed."""
    plan = LoadPlan(uri=URI, at_once=2, rate_per_s=10, for_s=2, call_s=1)
    run = Run(make_bench, Callee.accepts, plan)
    run.bench.until(lambda: run.over)
    assert run.figures.placed == 4


def test_ctrl_c_lets_calls_end(make_bench: MakeBench) -> None:
    """No more are placed; those that are up last as long as they would have."""
    plan = LoadPlan(uri=URI, at_once=50, rate_per_s=5, for_s=60, call_s=3)
    run = Run(make_bench, Callee.accepts, plan)
    run.bench.until(lambda: run.figures.answered == 4)
    began_s = run.bench.clock.now()
    run.bench.board.drain(33)
    run.bench.until(lambda: run.over)
    assert (run.figures.placed, run.figures.cut) == (4, 0)
    assert run.bench.clock.now() - began_s > 2.5


def test_refusals_are_counted(make_bench: MakeBench) -> None:
    """With their code and reason."""

    def busy(_: Callee, call: InviteCall) -> None:
        call.reject(486, now=run.bench.clock.now())

    run = Run(make_bench, busy, LoadPlan(uri=URI, rate_per_s=2, for_s=1))
    run.bench.until(lambda: run.over)
    assert run.figures.failures == {(486, "486 Busy Here"): 2}


def test_our_own_limit_is_a_failure_too(make_bench: MakeBench) -> None:
    """Calls that could not even begin are counted, and the run ends."""
    plan = LoadPlan(uri=URI, rate_per_s=2, for_s=1)
    run = Run(make_bench, Callee.accepts, plan, session_limit=CallLimit(1, 503, "full"))
    run.bench.until(lambda: run.over)
    assert (run.figures.placed, run.figures.failed) == (2, 1)


def test_keys(make_bench: MakeBench) -> None:
    """Each caller presses the keys, with its pauses."""
    plan = LoadPlan(uri=URI, rate_per_s=1, for_s=1, call_s=3, keys="1,#")
    run = Run(make_bench, Callee.accepts, plan)
    run.bench.until(lambda: run.over)
    heard = [h.packet.payload[0] for h in run.callee.heard if h.packet.payload_type == 101]
    assert list(dict.fromkeys(heard)) == [1, 11]
