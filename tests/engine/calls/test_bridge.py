"""Two calls that hear each other, on one media worker and on two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import Bench, Caller

from .texts import script
from .workers import second_worker

if TYPE_CHECKING:
    from .conftest import MakeBench

QUIET = """
def onSessionStart(self):
    pass
"""
VOICE = b"\x55" * 160


def two_calls(bench: Bench) -> tuple[Caller, Caller]:
    """Two callers that are up."""
    ann = Caller(bench, ("192.0.2.91", 5060), rtp_port=40_010)
    bob = Caller(bench, ("192.0.2.92", 5060), rtp_port=40_020)
    for caller in (ann, bob):
        caller.dial()
    return ann, bob


def heard_voice(caller: Caller, since_s: float) -> bool:
    """Whether the other's octets came through."""
    audio = b"".join(heard.packet.payload for heard in caller.heard_since(since_s))
    return VOICE in audio


@pytest.mark.parametrize("workers", [1, 2])
def test_connected_calls(make_bench: MakeBench, workers: int) -> None:
    """Each hears the other, sample for sample, wherever its call is; apart: nothing; no leak."""
    bench = make_bench(script(QUIET))
    if workers == 2:
        second_worker(bench)
    ann, bob = two_calls(bench)
    one, two = (session.media for session in bench.board.sessions.values())
    assert one is not None
    assert two is not None
    assert (one.worker is two.worker) == (workers == 1)
    ports = bench.board.media.ports_in_use
    one.connect(two)
    since_s = bench.clock.now()
    ann.speak(0.5)
    assert heard_voice(bob, since_s)
    assert not heard_voice(ann, since_s)
    two.connect(None)
    bench.wait(0.1)
    since_s = bench.clock.now()
    ann.speak(0.2)
    assert not heard_voice(bob, since_s)
    assert bench.board.media.ports_in_use == ports
    one.connect(two)
    bench.wait(0.1)
    ann.bye()
    bob.bye()
    bench.wait(0.5)
    assert bench.board.media.ports_in_use == 0
    assert not any(worker.trunks for worker in bench.board.media.workers)


def test_beside(make_bench: MakeBench) -> None:
    """The second leg of a call can have the worker of the first."""
    bench = make_bench(script(QUIET))
    other = second_worker(bench)
    seats = [bench.board.media.reserve("192.0.2.1", beside=other) for _ in range(3)]
    assert {seat.worker for seat in seats} == {other}
    for seat in seats:
        seat.release()
