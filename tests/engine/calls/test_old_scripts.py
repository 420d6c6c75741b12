"""What `old_scripts` do in whole calls; the same scripts meet real phones in `tests/interop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.callee import Callee, install_router
from tests.engine.harness import Caller

from .old_scripts import CALL_BACK_2007, GATE_2006, HOTLINE_2012, SCREENING_2020
from .test_generations import prompt, until_over
from .two_legs import BOB

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench

PARAM = ("P-App-Param", "user=ann")


def test_gate_of_2006(make_bench: MakeBench, tmp_path: Path) -> None:
    """The PIN is right at the second try, what is said after it ends up in memory."""
    conf = f"prompt={prompt(tmp_path)}\nflush_notifies=yes\n"
    bench = make_bench({"app": GATE_2006, "app.conf": conf})
    caller = Caller(bench)
    caller.dial(headers=[PARAM])
    bench.wait(1)
    for key in (9, 11, 1, 2, 3, 4, 11):
        caller.press(key)
    caller.speak(2.5)
    caller.press(11)
    until_over(bench)
    assert bench.said() == [
        "empty 0", "wrong pin 1", "pin is right", "empty 1", "empty 2", (b"RIFF", True), (200, True)
    ]  # fmt: skip


def test_gate_of_2006_without_a_pin(make_bench: MakeBench, tmp_path: Path) -> None:
    """Two wrong ones end the call, and so does saying nothing."""
    bench = make_bench({"app": GATE_2006, "app.conf": f"prompt={prompt(tmp_path)}\n"})
    caller = Caller(bench)
    caller.dial(headers=[PARAM])
    for key in (9, 11, 9, 11):
        caller.press(key)
    until_over(bench)
    silent = Caller(bench, ("192.0.2.98", 5060), 40_010)
    silent.dial(headers=[PARAM])
    bench.until(lambda: bench.ended("c2"))
    assert [line for line in bench.said() if line != "empty 0"] == [
        "wrong pin 1", "wrong pin 2", (200, True), "too late", (200, True),
    ]  # fmt: skip


def test_call_back_of_2007(make_bench: MakeBench, tmp_path: Path) -> None:
    """A thread calls back who was turned away, and hears how it goes."""
    conf = f"prompt={prompt(tmp_path)}\nhost=192.0.2.50\nwho=bob\n"
    bench = make_bench({"callback": CALL_BACK_2007, "callback.conf": conf})
    install_router(bench)
    bob = Callee(bench, BOB, rtp_port=41_000, answers=Callee.accepts)
    Caller(bench).dial("callback")
    bench.wait(20)
    assert [line for line in bench.said() if line != "in 200"] == [
        "busy, we call back", "out 100", ("one", "two"), "out 200", "played to bob", "out 200",
        "out 200",
    ]  # fmt: skip
    assert bob.got[-1] == "BYE"


def test_hotline_of_2012(make_bench: MakeBench, tmp_path: Path) -> None:
    """The first agent is busy, the second one answers and hangs up; the tally is on disk."""
    conf = f"prompt={prompt(tmp_path)}\nstore={tmp_path}\nagents=bob,eve\nhost=192.0.2.50\n"
    bench = make_bench({"app": HOTLINE_2012, "app.conf": conf})
    install_router(bench)
    tokens: list[str] = []

    def answers(callee: Callee, call: InviteCall) -> None:
        request = call.invite_request
        tokens.append(request.header("x-token"))
        if request.user == "bob":
            call.reject(486, now=bench.clock.now())
        else:
            callee.accepts(call)

    eve = Callee(bench, BOB, rtp_port=41_000, answers=answers)
    caller = Caller(bench)
    caller.dial(headers=[("X-From-Page", "http%3A//example.com/help%20me")])
    bench.wait(0.5)
    eve.bye()
    until_over(bench)
    assert [line for line in bench.said() if line != 100] == [
        "/help me", ("bob", 486), ("eve", 200), [("eve", 1), ("calls", 1)], 200,
    ]  # fmt: skip
    assert len(set(tokens)) == 1
    assert len(tokens[0]) == 8


def test_screening_of_2020(make_bench: MakeBench, tmp_path: Path) -> None:
    """Refused, or answered by the script's own replies; recorded; told of signals and the end."""
    bench = make_bench({"app": SCREENING_2020, "app.conf": f"store={tmp_path}\n"})
    spam = Caller(bench)
    spam.dial(headers=[("X-Spam", "yes")])
    assert spam.got == ["100", "433"]
    caller = Caller(bench, ("192.0.2.98", 5060), 40_010)
    caller.dial(headers=[("P-App-Param", "level=high")])
    assert caller.got == ["100", "180", "200"]
    bench.wait(0.5)
    caller.speak(2.5)
    bench.wait(0.5)
    bench.board.tell_all("onUser1")
    bench.wait()
    bench.board.drain(10)
    bench.until(lambda: bench.ended("c2"))
    said = [line for line in bench.said() if not line == "PRACK Early"]
    assert said == [
        "INVITE Trying", "INVITE Trying", "ACK Connected", "later", True, "OPTIONS 200",
        "user 1", "shutdown", "BYE 200",
    ]  # fmt: skip
    header = (tmp_path / "said.wav").read_bytes()[:22]
    assert header[20:] == b"\x07\x00", "mu-law"
