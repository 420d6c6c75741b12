"""Calls of ours over a network that loses, whatever both sides do: nothing is left of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.engine.callee import Callee

from .test_dialling import APP, dial

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench

LOSS = 0.3
LONGEST_S = 64.0
"""64*T1 for the INVITE, and as long again for what follows from it."""


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_left(make_bench: MakeBench, seed: int) -> None:
    """Ringing, answer or refusal at any moment; we hang up, the callee does, or time is up."""
    chance = random.Random(seed)
    bench = make_bench(APP)
    bench.engine.names["pbx.example"] = [("192.0.2.99", 5060), ("192.0.2.98", 5060)]
    bench.lose = lambda data: chance.random() < LOSS

    def reacts(callee: Callee, call: InviteCall) -> None:
        loop = bench.loop

        def later(action: object, *args: object) -> None:
            def act() -> None:
                action(*args)  # type: ignore[operator]
                callee.settle()

            loop.call_later(chance.uniform(0.0, 4.0), act)

        def end() -> None:
            code = chance.choice([200, 200, 486, 503])
            if call.state in ("Trying", "Proceeding", "Early"):
                if code == 200:
                    callee.accepts(call)
                else:
                    call.reject(code, now=bench.clock.now())

        if chance.random() < 0.7:
            callee.rings(call)
        later(end)
        if chance.random() < 0.3:
            later(lambda: call.bye(now=bench.clock.now()))

    for number in (98, 99):
        Callee(bench, (f"192.0.2.{number}", 5060), 40_000 + number * 10, reacts)
    handle = dial(bench, "sip:ann@pbx.example", no_answer_s=chance.choice([3.0, 20.0]))
    bench.wait(chance.uniform(0.0, 8.0))
    for session in list(bench.board.sessions.values()):
        if chance.random() < 0.5:
            session.stop("script")
    bench.board.settle()
    bench.wait(2 * LONGEST_S)
    assert handle.code
    for session in list(bench.board.sessions.values()):
        session.stop("script")
    bench.board.settle()
    bench.wait(LONGEST_S)
    assert bench.nothing_left()
    assert bench.ended() is not None
