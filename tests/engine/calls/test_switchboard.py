"""Calls among each other: who gets in, how the engine ends, what one call cannot do to another."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.config import CallLimit
from ivrbench.engine.cdr import CdrFile
from ivrbench.observe.events import (
    EngineDraining,
    HandlerCalled,
    HandlerStarted,
    LegStarted,
    ScriptRetired,
    SipTraced,
)
from tests.engine.harness import Caller

from .texts import script

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench

TEST_PHONE_HEADERS = [("User-Agent", "ivrbench test phone")]


# --- who gets in ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [404, 500])
def test_unknown_application(make_bench: MakeBench, code: int) -> None:
    """architecture §10: 404, or what is configured; the refusal is a done leg with a sentence."""
    bench = make_bench(script("pass"), unknown_application_code=code)
    caller = Caller(bench)
    caller.dial("nobody")
    assert caller.got == ["100", str(code)]
    ended = bench.ended()
    assert ended is not None
    assert (ended.code, ended.by) == (code, "engine")
    assert ended.reason == 'no script "nobody" that loaded; see the load messages'
    traced = [e for e in bench.told if isinstance(e, SipTraced)]
    assert {e.leg for e in traced} == {"c1"}


def test_script_that_does_not_load_is_no_application(make_bench: MakeBench) -> None:
    """architecture §9: a script that does not load is refused, others are not."""
    bench = make_bench({"bad": "import nothing_of_that_name", "good": script("pass")})
    bad, good = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    bad.dial("bad")
    good.dial("good")
    assert bad.got[-1] == "404"
    assert good.got[-1] == "200"
    good.bye()


def test_old_and_new_header_names(make_bench: MakeBench) -> None:
    """architecture §5.2: P-App-Name, else P-Iptel-App, else the URI parameter, else the user."""
    bench = make_bench({"one": script("pass"), "two": script("pass")})
    wanted = []
    for number, how in enumerate(
        (
            {"user": "one"},
            {"user": "x", "headers": [("P-App-Name", "two")]},
            {"user": "one", "headers": [("P-Iptel-App", "two")]},
            {"user": "x", "uri": "sip:x@192.0.2.1;app=two"},
        ),
        start=1,
    ):
        caller = Caller(bench, ("192.0.2.90", 5060 + number), 41_000 + number * 2)
        caller.dial(**how)  # type: ignore[arg-type]
        (started,) = bench.of(LegStarted, f"c{number}")
        assert isinstance(started, LegStarted)
        wanted.append(started.script)
        caller.bye()
    assert wanted == ["one", "two", "two", "two"]


def test_app_params(make_bench: MakeBench) -> None:
    """ivr-api §1.5: getAppParam reads P-App-Param."""
    body = (
        "def onInvite(self, hdrs):\n    said.append(self.getAppParam('a') + self.getAppParam('z'))"
    )
    body += "\n    return True"
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial(headers=[("P-App-Param", "a=1;b=2")])
    assert bench.said() == ["1"]
    caller.bye()


def test_session_limit(make_bench: MakeBench) -> None:
    """A call beyond the limit gets the code and Retry-After; the calls that are up stay."""
    bench = make_bench(script("pass"), session_limit=CallLimit(1))
    first, second = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    first.dial()
    second.dial()
    assert second.got == ["100", "503"]
    assert second.replies[-1].header("retry-after") == "2"
    ended = bench.ended("c2")
    assert ended is not None
    assert ended.reason == "at limit: 1 calls are up (session_limit)"
    first.bye()
    third = Caller(bench, ("192.0.2.97", 5060), 42_000)
    third.dial()
    assert third.got[-1] == "200"
    third.bye()


def test_no_rtp_port_left(make_bench: MakeBench) -> None:
    """architecture §9: the call is refused before its script hears of it, nothing leaks."""
    body = "def onInvite(self, hdrs):\n    said.append(1)\n    return True"
    bench = make_bench(script(body), rtp_low_port=20_000, rtp_high_port=20_001)
    first, second = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    first.dial()
    second.dial()
    assert second.got == ["100", "503"]
    assert bench.said() == [1]
    first.bye()


def test_test_phone_is_named(make_bench: MakeBench) -> None:
    """The workbench shows our own phone as what it is."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial(headers=TEST_PHONE_HEADERS)
    (started,) = bench.of(LegStarted)
    assert isinstance(started, LegStarted)
    assert started.peer == "test phone"
    caller.bye()


# --- ends -------------------------------------------------------------------------------------


def test_shut_down(make_bench: MakeBench) -> None:
    """architecture §10: onServerShutdown; a script without it gets its call ended by BYE."""
    body = "def onServerShutdown(self):\n    said.append('shutdown')\n    self.setTimer(1, 3)\n"
    body += "def onTimer(self, id):\n    self.stopSession()"
    bench = make_bench({"slow": script(body), "quick": script("pass")})
    slow, quick = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    slow.dial("slow")
    quick.dial("quick")
    idle: list[bool] = []
    bench.board.on_idle = lambda: idle.append(True)
    bench.board.drain(10.0)
    bench.wait(0.5)
    assert quick.got[-1] == "BYE"
    assert bench.ended("c1") is None
    late = Caller(bench, ("192.0.2.97", 5060), 42_000)
    late.dial("quick")
    assert late.got[-1] == "503"
    assert not idle
    bench.until(lambda: bench.ended("c1"))
    bench.wait()
    assert slow.got[-1] == "BYE"
    assert idle == [True]
    assert bench.said() == ["shutdown"]
    (draining,) = (e for e in bench.told if isinstance(e, EngineDraining))
    assert draining.live_legs == 2


def test_hang_up_while_a_handler_never_returns(make_bench: MakeBench) -> None:
    """tui §6: other calls are unaffected, hanging up works, and the leg shows what it runs."""
    body = """
def onSessionStart(self):
    said.append("in")
    self.removeTimers()
    go.wait(20)
    said.append("back")
    self.setTimer(1, 1)
"""
    text = "import threading\ngo = threading.Event()\n" + script(body)
    bench = make_bench({"stuck": text, "other": script("pass")})
    stuck, other = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    generation = bench.board.registry.serving("stuck")
    assert generation is not None
    stuck.dial("stuck")
    other.dial("other")
    bench.wait(0.5)
    (running, *_) = bench.of(HandlerStarted)
    assert isinstance(running, HandlerStarted)
    assert running.handler == "onSessionStart"
    assert running.line in (9, 10), "removeTimers(), where it last called us, or the wait"
    bench.board.sessions["c1"].hang_up("engine", "hung up from the workbench")
    bench.board.settle()
    bench.wait(0.5)
    assert stuck.got[-1] == "BYE"
    ended = bench.ended("c1")
    assert ended is not None
    assert ended.reason == "hung up from the workbench"
    generation.module.go.set()
    bench.wait(0.1)
    assert bench.said() == ["in", "back"], "the methods of a call that is over do nothing"
    assert len(other.heard) > 30
    other.bye()


def test_methods_of_a_call_that_is_over_do_nothing(make_bench: MakeBench) -> None:
    """architecture §10: dialogs kept after their call: a no-op, never a crash."""
    body = """
kept = []
def onSessionStart(self):
    self.kept.append(self)
    self.stopSession()
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    generation = bench.board.registry.serving("app")
    assert generation is not None
    (dialog,) = generation.dialog_class.kept  # type: ignore[attr-defined]
    told = len(bench.told)
    for call in (
        dialog.stopSession,
        dialog.bye,
        dialog.dropSession,
        dialog.flush,
        dialog.mute,
        dialog.removeTimers,
        lambda: dialog.setTimer(1, 1),
        lambda: dialog.enqueue(None, None),
        lambda: dialog.sendReply(200, "OK", ""),
        lambda: dialog.sendRequest("INFO", ""),
    ):
        call()
    bench.wait(2)
    assert dialog.queueIsEmpty()
    assert dialog.dialog.callid
    assert len(bench.told) == told
    generation.dialog_class.kept.clear()  # type: ignore[attr-defined]


# --- calls among each other -------------------------------------------------------------------


def test_messages_between_sessions(make_bench: MakeBench) -> None:
    """ivr-api §1.1: sendMessage reaches onIvrMessage of the session with that local tag."""
    body = """
def onDtmf(self, key, duration):
    sendMessage(tags[0], "key %d" % key)
    sendMessage("nobody", "lost")
def onSessionStart(self):
    tags.append(self.dialog.local_tag)
def onIvrMessage(self, message):
    said.append((self.dialog.local_tag == tags[0], message))
"""
    bench = make_bench("tags = []\n" + script(body))
    first, second = Caller(bench), Caller(bench, ("192.0.2.98", 5060), 41_000)
    first.dial()
    second.dial()
    second.request("INFO", b"4", "application/dtmf")
    assert bench.said() == [(True, "key 4")]
    first.bye()
    second.bye()


def test_signals_reach_every_session(make_bench: MakeBench) -> None:
    """ivr-api §2.3: onUser1 and onUser2 of all sessions."""
    bench = make_bench(script("def onUser1(self):\n    said.append(self.dialog.callid)"))
    callers = [Caller(bench, ("192.0.2.98", 5060 + n), 41_000 + 2 * n) for n in range(3)]
    for caller in callers:
        caller.dial()
    bench.board.tell_all("onUser1")
    bench.board.tell_all("onUser2")
    bench.wait()
    assert len(set(bench.said())) == 3
    for caller in callers:
        caller.bye()


def test_many_calls_give_everything_back(make_bench: MakeBench) -> None:
    """However they end; the fixture looks for what is left over."""
    body = """
def onSessionStart(self):
    self.setTimer(1, 0.3)
def onTimer(self, id):
    self.enqueue(None, None)
    if self.getAppParam("end") == "script":
        self.stopSession()
def onBye(self):
    return True
"""
    bench = make_bench(script(body))
    callers = [Caller(bench, ("192.0.2.80", 5060 + n), 41_000 + 2 * n) for n in range(30)]
    for number, caller in enumerate(callers):
        end = "script" if number % 3 == 0 else "caller"
        caller.invite(headers=[("P-App-Param", f"end={end}")])
    bench.wait(1)
    for number, caller in enumerate(callers):
        if number % 3 == 1:
            caller.bye()
        elif number % 3 == 2:
            bench.board.sessions[f"c{number + 1}"].hang_up("engine", "enough")
            bench.board.settle()
    bench.wait(1)
    assert not bench.board.sessions
    assert {ended.by for n in range(30) if (ended := bench.ended(f"c{n + 1}"))} == {
        "script",
        "caller",
        "engine",
    }


def test_a_reload_leaves_running_calls_alone(make_bench: MakeBench) -> None:
    """tui §5: new calls get the newest version that loaded, running calls keep theirs."""
    body = "def onDtmf(self, key, duration):\n    said.append(VERSION)"
    bench = make_bench("VERSION = 1\n" + script(body))
    old = Caller(bench)
    old.dial()
    first = bench.board.registry.serving("app")
    assert first is not None
    (bench.folder / "app.py").write_text("VERSION = 2\n" + script(body))
    bench.library.load_all(wait=True)
    bench.wait()
    new = Caller(bench, ("192.0.2.98", 5060), 41_000)
    new.dial()
    for caller in (old, new):
        caller.request("INFO", b"1", "application/dtmf")
    assert first.module.said == [1]
    assert bench.said() == [2]
    old.bye()
    new.bye()
    assert [e.generation for e in bench.told if isinstance(e, ScriptRetired)] == [1]


def test_call_record(make_bench: MakeBench, tmp_path: Path) -> None:
    """`cdr`: one row for each call, with what its audio came to."""
    cdr = CdrFile(tmp_path / "cdr")
    bench = make_bench(script("pass"), cdr=cdr)
    caller = Caller(bench)
    caller.dial()
    caller.press(5)
    caller.speak(1.0)
    caller.bye()
    bench.wait(0.5)
    cdr.close()
    row = json.loads((tmp_path / "cdr").read_text())
    assert (row["script"], row["code"], row["ended_by"], row["keys"]) == ("app", 200, "caller", "5")
    assert row["rtp_received"] == pytest.approx(58, abs=2)
    assert row["rtp_sent"] == pytest.approx(70, abs=8)
    assert row["duration_s"] == pytest.approx(row["ended_s"] - row["answered_s"], abs=0.01)


def test_lost_messages_are_repeated(make_bench: MakeBench) -> None:
    """Every second message is lost; the call is set up and torn down all the same."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    seen: list[bytes] = []

    def lose(data: bytes) -> bool:
        seen.append(data)
        return len(seen) % 2 == 1

    bench.lose = lose
    caller.invite()
    bench.until(lambda: "200" in caller.got)
    bench.wait(5)
    caller.bye()
    bench.until(bench.ended)
    assert [e.handler for e in bench.told if isinstance(e, HandlerCalled)] == []
    bench.lose = lambda data: False
    bench.wait(40)


def test_calls_leave_no_descriptor_behind(make_bench: MakeBench) -> None:
    """A call leaves no descriptor behind."""
    bench = make_bench(script("pass"))
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for number in range(5):
        caller = Caller(bench, ("192.0.2.80", 5060 + number), 41_000 + 2 * number)
        caller.dial()
        caller.bye()
    bench.wait(1)
    after = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    assert after <= before


# --- session timers ---------------------------------------------------------------------------


def test_call_whose_other_side_went_away(make_bench: MakeBench) -> None:
    """RFC 4028: nobody refreshes, so the call ends before its interval is over."""
    bench = make_bench(script("pass"), enable_session_timer=True)
    caller = Caller(bench)
    caller.dial(headers=[("Supported", "timer"), ("Session-Expires", "100;refresher=uac")])
    assert caller.replies[-1].header("session-expires") == "100;refresher=uac"
    bench.lose = lambda data: data.startswith((b"UPDATE", b"INVITE"))
    bench.wait(101.0)
    assert caller.got[-1] == "BYE"
