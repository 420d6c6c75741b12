"""What became of the calls, counted and told."""

from __future__ import annotations

from ivrbench.load.figures import Figures, Spread, spread_of
from ivrbench.load.table import progress, table
from ivrbench.observe.events import (
    Event,
    LegChanged,
    LegEnded,
    LegStarted,
    MediaEnded,
    Stamped,
)


def started(leg: str) -> LegStarted:
    return LegStarted(leg, "out", "load_caller", 1, "sip:menu@h", "id", "sip:menu@h", "tag")


def heard(leg: str, *, received: int = 98, lost: int = 2, mos: float = 4.4) -> MediaEnded:
    return MediaEnded(leg, received, 100, lost, 0, 0, 1.5, 0.4, mos)


def counted(*events: tuple[float, Event]) -> Figures:
    figures = Figures()
    for number, (at_s, event) in enumerate(events):
        figures.take(Stamped(number, at_s, event))
    return figures


def test_a_call_that_went_well() -> None:
    """From dialling to the answer is its set-up; a second 200 is none."""
    figures = counted(
        (10.0, started("c1")),
        (10.004, LegChanged("c1", "early", 180)),
        (10.02, LegChanged("c1", "up", 200)),
        (10.5, LegChanged("c1", "held")),
        (10.6, LegChanged("c1", "up")),
        (12.0, LegChanged("c1", "ending")),
        (12.0, LegEnded("c1", "script", 200, "stopSession()", 2.0)),
        (12.1, heard("c1")),
    )
    assert (figures.placed, figures.answered, figures.failed, figures.cut) == (1, 1, 0, 0)
    assert [round(each, 3) for each in figures.set_up_ms] == [20.0]
    assert (figures.live, figures.sent, figures.received, figures.lost) == (0, 100, 98, 2)
    assert figures.lost_percent == 2.0


def test_failures_are_counted_by_reason() -> None:
    """And a call that the other side ended is told apart from one that went on to its time."""
    figures = counted(
        *((1.0, started(leg)) for leg in ("c1", "c2", "c3")),
        (1.1, LegEnded("c1", "callee", 486, "486 Busy Here", 0.0)),
        (1.1, LegEnded("c2", "callee", 486, "486 Busy Here", 0.0)),
        (1.1, LegChanged("c3", "up", 200)),
        (1.2, LegEnded("c3", "callee", 200, "the other side hung up", 0.1)),
    )
    assert figures.failures == {(486, "486 Busy Here"): 2}
    assert (figures.answered, figures.cut) == (1, 1)


def test_spread() -> None:
    """Percentiles look at the bad side: long set-ups, low quality."""
    assert spread_of([]) is None
    values = [float(value) for value in range(1, 101)]
    assert spread_of(values) == Spread(50.0, 95.0, 99.0, 100.0)
    assert spread_of(values, low_is_bad=True) == Spread(51.0, 6.0, 2.0, 1.0)
    assert spread_of([7.0]) == Spread(7.0, 7.0, 7.0, 7.0)


def test_table() -> None:
    """The table of a run with a call that was refused."""
    figures = counted(
        (1.0, started("c1")),
        (1.0, started("c2")),
        (1.012, LegChanged("c1", "up", 200)),
        (1.1, LegEnded("c2", "callee", 486, "486 Busy Here", 0.0)),
        (2.0, LegEnded("c1", "script", 200, "", 1.0)),
        (2.0, heard("c1")),
    )
    assert table(figures, "sip:menu@h").splitlines() == [
        "called    sip:menu@h",
        "calls     2 placed, 1 answered, 1 failed",
        "  failed  1 x 486 Busy Here",
        "set-up    median 12.0, p95 12.0, p99 12.0, worst 12.0 ms",
        "packets   100 sent, 98 received, 2 lost (2.00 %), 0 late",
        "jitter    median 1.5, p95 1.5, p99 1.5, worst 1.5 ms",
        "rtt       median 0.4, p95 0.4, p99 0.4, worst 0.4 ms",
        "MOS       median 4.4, p95 4.4, p99 4.4, worst 4.4",
    ]
    assert progress(figures, 3.2) == (
        "   3 s      0 up       2 placed     1 failed  set-up 12.0 ms, p99 12.0  loss 2.00 %"
    )


def test_nothing_went_well() -> None:
    """Figures that nobody has are said to be missing, not 0."""
    figures = counted((1.0, started("c1")), (1.1, LegEnded("c1", "engine", 503, "no way", 0.0)))
    text = table(figures, "sip:menu@h")
    assert "503 no way" in text
    assert "no call was answered" in text
    assert "nothing was heard" in text
    assert figures.to_json()["set_up_ms"] is None


def test_json() -> None:
    """The same as numbers."""
    figures = counted(
        (1.0, started("c1")),
        (1.01, LegChanged("c1", "up", 200)),
        (1.2, LegEnded("c1", "script", 200, "", 0.2)),
        (1.3, heard("c1", mos=4.1)),
    )
    data = figures.to_json()
    assert (data["placed"], data["answered"], data["failures"]) == (1, 1, [])
    assert data["mos"] == {"median": 4.1, "p95": 4.1, "p99": 4.1, "worst": 4.1}
    assert data["packets"]["lost_percent"] == 2.0
