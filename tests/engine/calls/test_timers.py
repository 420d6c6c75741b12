"""Timers of scripts: when they fire, what replaces and removes them (ivr-api §2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import Caller

from .texts import script

if TYPE_CHECKING:
    from .conftest import MakeBench

TIMERS = """
def onSessionStart(self):
{0}
def onTimer(self, id):
    said.append(id)
    if id == 9:
        self.removeTimers()
        self.setTimer(10, 1)
"""


@pytest.mark.parametrize(
    ("set", "fired"),
    [
        (["self.setTimer(1, 2)"], [[], [], [1], [1]]),
        (["self.setTimer(1, 0.5)"], [[], [1], [1], [1]]),
        (["self.setTimer(1, 0)", "self.setTimer(2, -5)"], [[1, 2], [1, 2], [1, 2], [1, 2]]),
        (["self.setTimer(1, 3)", "self.setTimer(1, 1)"], [[], [1], [1], [1]]),
        (["self.setTimer(1, 1)", "self.setTimer(1, 3)"], [[], [], [], [1]]),
        (["self.setTimer(1, 1)", "self.setTimer(2, 2)"], [[], [1], [1, 2], [1, 2]]),
        (["self.setTimer(1, 2)", "self.removeTimer(1)"], [[], [], [], []]),
        (["self.setTimer(1, 2)", "self.removeTimer(2)"], [[], [], [1], [1]]),
        (["self.setTimer(9, 1)", "self.setTimer(2, 3)"], [[], [9], [9, 10], [9, 10]]),
    ],
)
def test_timers(make_bench: MakeBench, set: list[str], fired: list[list[int]]) -> None:
    """Once each; one per id, the last one counts; none after it was removed."""
    bench = make_bench(script(TIMERS.format("\n".join(f"    {line}" for line in set))))
    caller = Caller(bench)
    caller.dial()  # lets 0.1 s pass
    seen = [bench.said()]
    for _ in range(3):
        bench.wait(1.05)
        seen.append(bench.said())
    assert seen == fired
    caller.bye()


def test_timer_that_has_fired_still_arrives(make_bench: MakeBench) -> None:
    """It waits behind a handler that removes it too late."""
    bench = make_bench(
        script(
            TIMERS.format(
                "    self.setTimer(1, 0)\n    self.setTimer(2, 1)\n    self.removeTimer(1)"
            )
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert bench.said() == [1, 2]
    caller.bye()


def test_session_timers_are_not_the_scripts(make_bench: MakeBench) -> None:
    """architecture §10: `removeTimers()` leaves the refreshes of RFC 4028 alone."""
    bench = make_bench(script(TIMERS.format("    self.setTimer(9, 1)")))
    caller = Caller(bench)
    caller.dial(headers=[("Session-Expires", "90;refresher=uas"), ("Supported", "timer")])
    bench.wait(50)
    assert bench.said() == [9, 10]
    assert "> UPDATE" in bench.story()
    caller.bye()
