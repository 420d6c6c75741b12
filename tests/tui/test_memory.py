"""A day of calls does not grow the workbench: every collection is bounded."""

from __future__ import annotations

from bench.tui import a_call
from ivrbench.observe import wire
from ivrbench.tui.model import Model
from ivrbench.tui.views.log import LogLines
from tests.tui.fake_engine import FakeEngine, loaded

WARM_UP_CALLS = 2_100
"""Fills all rings: 200 done legs, 2 000 log lines."""
DRAWN_EVERY = 50


def test_calls_after_the_rings_are_full_add_nothing() -> None:
    """Engine's history, workbench's model and the log's lines stay as large as they are."""
    engine, model, drawn = FakeEngine(), Model(), LogLines()
    engine.publish(loaded("menu", 1))

    def take(first: int, last: int) -> tuple[int, int, int, int]:
        for call in range(first, last):
            for event in a_call(f"c{call:06}"):
                model.take_events([engine.hub.publish(event)])
            if call % DRAWN_EVERY == 0:
                drawn.update(model, 120)
        drawn.update(model, 120)
        histories = (engine.hub.history, model.history)
        own = [v for v in vars(model).values() if isinstance(v, list | set | dict)]
        sizes = [len(wire.frame(history.snapshot())) for history in histories]
        return sizes[0], sizes[1], len(drawn.lines), sum(map(len, own)) + len(model.levels)

    before = take(0, WARM_UP_CALLS)
    after = take(WARM_UP_CALLS, WARM_UP_CALLS + 500)
    for size, later in zip(before, after, strict=True):
        assert later <= size * 1.01 + 1
    leg = next(iter(model.history.done.values()))
    assert leg.inspected is not None
    assert leg.inspected.n_chars < 10_000
