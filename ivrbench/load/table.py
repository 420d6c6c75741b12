"""Table: the figures of a run, to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .figures import spread_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .figures import Figures

__all__ = ["progress", "table"]


def progress(figures: Figures, after_s: float) -> str:
    """One line about a run that goes on."""
    set_up = spread_of(figures.set_up_ms)
    took = f"set-up {set_up.median:.1f} ms, p99 {set_up.p99:.1f}" if set_up else "none answered"
    return (
        f"{after_s:4.0f} s  {figures.live:5} up  {figures.placed:6} placed"
        f"  {figures.failed:4} failed  {took}  loss {figures.lost_percent:.2f} %"
    )


def table(figures: Figures, uri: str) -> str:
    """The result, some lines."""
    return "\n".join(f"{name:9} {text}" for name, text in _rows(figures, uri))


def _rows(figures: Figures, uri: str) -> Iterator[tuple[str, str]]:
    yield "called", uri
    calls = f"{figures.placed} placed, {figures.answered} answered, {figures.failed} failed"
    if figures.cut:
        calls += f", {figures.cut} ended before their time"
    yield "calls", calls
    for (code, reason), count in figures.failures.most_common():
        said = reason if reason.startswith(str(code)) else f"{code} {reason}"
        yield "  failed", f"{count} x {said}"
    yield "set-up", _spread(figures.set_up_ms, "ms", "no call was answered")
    yield (
        "packets",
        f"{figures.sent} sent, {figures.received} received, {figures.lost} lost "
        f"({figures.lost_percent:.2f} %), {figures.late} late",
    )
    yield "jitter", _spread(figures.jitter_ms, "ms", "nothing was heard")
    yield "rtt", _spread(figures.rtt_ms, "ms", "the other side sent no reports")
    yield "MOS", _spread(figures.mos, "", "nothing was heard", low_is_bad=True)


def _spread(values: Sequence[float], unit: str, nothing: str, *, low_is_bad: bool = False) -> str:
    spread = spread_of(values, low_is_bad=low_is_bad)
    if spread is None:
        return nothing
    figures = f"median {spread.median:.1f}, p95 {spread.p95:.1f}, p99 {spread.p99:.1f}, "
    return f"{figures}worst {spread.worst:.1f} {unit}".rstrip()
