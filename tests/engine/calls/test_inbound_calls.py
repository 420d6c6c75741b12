"""Calls that come in: handlers and messages in the order of ivr-api §2.5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import HandlerRaised
from tests.engine.harness import Caller, sdp

from .texts import WITNESS, script, states, warnings

if TYPE_CHECKING:
    from .conftest import MakeBench

# --- from INVITE to BYE -----------------------------------------------------------------------


def test_answered_call_and_caller_hangs_up(make_bench: MakeBench) -> None:
    """ivr-api §2.5: INVITE, onInvite, 200, onSessionStart, ACK; then BYE, onBye, the end."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    assert bench.said() == [
        "INVITE Trying",
        "onInvite Trying",
        "onStart Connected",
        "onSessionStart Connected",
        "ACK Connected",
        "BYE Disconnecting",
        "onBye Disconnected",
    ]
    assert bench.story() == [
        "< INVITE (SDP)",
        "> 100 Trying",
        "onSipRequest(INVITE)",
        "onInvite",
        "> 200 OK (SDP)",
        "onStart",
        "onSessionStart",
        "< ACK",
        "onSipRequest(ACK)",
        "< BYE",
        "> 200 OK",
        "onSipRequest(BYE)",
        "onBye",
    ]
    assert states(bench) == ["up", "ending"]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code, ended.reason) == ("caller", 200, "the caller hung up")
    assert ended.duration_s == pytest.approx(0.1, abs=0.1)


def test_script_without_handlers_answers_and_ends(make_bench: MakeBench) -> None:
    """ivr-api §0.1: a missing handler is the default: 200, and the end at BYE."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    assert caller.got == ["100", "200", "200"]
    assert bench.handlers() == []
    assert bench.ended() is not None


def test_late_offer(make_bench: MakeBench) -> None:
    """ivr-api §2.5: the 200 has the offer; onSessionStart comes with the ACK, before it."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial(body=b"")
    assert bench.said()[-4:] == [
        "onInvite Trying",
        "onStart Connected",
        "onSessionStart Connected",
        "ACK Connected",
    ]
    assert bench.story()[4:6] == ["> 200 OK (SDP)", "< ACK (SDP)"]
    assert bench.session.media is not None
    caller.bye()


def test_late_offer_without_an_answer_in_the_ack(make_bench: MakeBench) -> None:
    """ivr-api §2.5: an ACK without SDP never gives onSessionStart; the leg says why."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.late_answer = lambda: b""  # type: ignore[method-assign]
    caller.dial(body=b"")
    assert bench.said()[-2:] == ["onInvite Trying", "ACK Connected"]
    assert warnings(bench) == ["silence: the caller's ACK carried no answer to our offer"]
    caller.bye()


def test_no_common_codec(make_bench: MakeBench) -> None:
    """ivr-api §2.5: onSipRequest and onInvite, then 488 and the end; no onSessionStart."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial(body=sdp(formats="18"))
    assert caller.got == ["100", "488"]
    assert bench.said() == ["INVITE Trying", "onInvite Trying", "ACK Disconnected"][:2]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("engine", 488)


def test_unreadable_sdp(make_bench: MakeBench) -> None:
    """ivr-api §2.5: a body that is no description gets 400 before any handler."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial(body=b"this is no SDP")
    assert caller.got == ["100", "400"]
    assert bench.said() == []
    assert bench.ended() is not None


def test_cancel_while_on_invite_deferred(make_bench: MakeBench) -> None:
    """ivr-api §2.5: 200 to CANCEL and 487, then onSipRequest(CANCEL) and the end, no onBye."""
    bench = make_bench(WITNESS.replace("        return True\n    def onStart", "    def onStart"))
    caller = Caller(bench)
    caller.invite()
    bench.wait()
    assert warnings(bench) == ["INVITE not answered: onInvite returned None (default suppressed)"]
    caller.do(lambda call, now: call.cancel(now=now))
    assert bench.said() == ["INVITE Trying", "onInvite Trying", "CANCEL Cancelling"]
    assert bench.story()[4:] == [
        "< CANCEL",
        "> 200 OK",
        "> 487 Request Terminated",
        "onSipRequest(CANCEL)",
        "< ACK",
    ]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("caller", 487)


def test_cancel_while_on_invite_runs(make_bench: MakeBench) -> None:
    """A CANCEL is served at once while onInvite blocks; its answer then goes nowhere."""
    text = """
import threading
go = threading.Event()
"""
    body = """
def onInvite(self, hdrs):
    said.append("in")
    self.removeTimers()
    go.wait(10)
    said.append("out")
    return True
def onSipRequest(self, req):
    said.append(req.method)
"""
    bench = make_bench(text + script(body))
    caller = Caller(bench)
    caller.invite()
    generation = bench.board.registry.serving("app")
    assert generation is not None
    bench.wait()
    caller.do(lambda call, now: call.cancel(now=now))
    assert "487" in caller.got
    generation.module.go.set()
    bench.until(lambda: bench.ended() is not None)
    assert bench.said() == ["INVITE", "in", "out", "CANCEL"]
    assert bench.story().count("> 200 OK") == 1, "the CANCEL's, none to the INVITE"


def test_script_hangs_up_with_bye_and_stop_session(make_bench: MakeBench) -> None:
    """ivr-api §2.5: BYE out, then onSipReply(BYE, 200), then the end."""
    body = WITNESS + "    def onTimer(self, id):\n        self.bye()\n        self.stopSession()\n"
    body = body.replace('self.note("onSessionStart")', "self.setTimer(1, 2)")
    bench = make_bench(body)
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    assert caller.got == ["100", "200", "BYE"]
    story = bench.story()
    assert set(story[-4:-2]) == {"onTimer", "> BYE"}, "the BYE does not wait for the handler"
    assert story[-2:] == ["< 200 OK", "onSipReply"]
    assert bench.said()[-1] == "BYE 200 Disconnected"
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("script", 200)
    assert ended.duration_s == pytest.approx(2.0, abs=0.05)


def test_script_hangs_up_with_stop_session_alone(make_bench: MakeBench) -> None:
    """ivr-api §2.5: the engine sends BYE after the handler returned."""
    bench = make_bench(
        script("def onSessionStart(self):\n    self.stopSession()\n    said.append('after')")
    )
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    assert caller.got == ["100", "200", "BYE"]
    assert bench.said() == ["after"]
    # RFC 3261 §15: the called side's BYE waits for the ACK.
    assert bench.story() == [
        "< INVITE (SDP)",
        "> 100 Trying",
        "> 200 OK (SDP)",
        "onSessionStart",
        "< ACK",
        "> BYE",
        "< 200 OK",
    ]


def test_stop_session_before_the_answer(make_bench: MakeBench) -> None:
    """ivr-api §2.2: an incoming call not answered yet ends with 487."""
    bench = make_bench(script("def onInvite(self, hdrs):\n    self.stopSession()"))
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "487"]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("script", 487)


def test_bye_without_an_answer_ends_all_the_same(make_bench: MakeBench) -> None:
    """ivr-api §2.5: no reply to BYE: the transaction's time-out counts as 408, then the end."""
    body = "def onSessionStart(self):\n    self.stopSession()\n"
    body += "def onSipReply(self, req, reply):\n    said.append(reply.code)"
    bench = make_bench(script(body))
    caller = Caller(bench)
    bench.lose = lambda data: data.startswith(b"BYE")
    caller.dial()
    bench.until(bench.ended)
    assert bench.said() == [408]


def test_drop_session(make_bench: MakeBench) -> None:
    """ivr-api §2.2: dropSession ends the session and sends nothing."""
    bench = make_bench(
        script(
            "def onTimer(self, id):\n    self.dropSession()\n"
            "def onSessionStart(self):\n    self.setTimer(1, 1)"
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    bench.wait(1)
    assert caller.got == ["100", "200"]


def test_missing_ack(make_bench: MakeBench) -> None:
    """ivr-api §2.5: no ACK: BYE and the end, no handler; the 200 is repeated meanwhile."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    bench.lose = lambda data: data.startswith(b"ACK")
    caller.dial()
    bench.until(bench.ended)
    assert "onBye" not in " ".join(bench.said())
    assert bench.story().count("> 200 OK (SDP) again") >= 6
    assert caller.got[-1] == "BYE"
    ended = bench.ended()
    assert ended is not None
    assert ended.reason == "the caller never confirmed our answer"


# --- what handlers return ---------------------------------------------------------------------


@pytest.mark.parametrize("returned", ["None", "1", "False", "'yes'"])
def test_only_true_is_true(make_bench: MakeBench, returned: str) -> None:
    """ivr-api §0.1: anything but the object True suppresses the default; `1` does too."""
    bench = make_bench(script(f"def onInvite(self, hdrs):\n    return {returned}"))
    caller = Caller(bench)
    caller.invite()
    bench.wait(1)
    assert caller.got == ["100"]
    (warning,) = warnings(bench)
    assert warning.startswith("INVITE not answered: onInvite returned ")
    caller.do(lambda call, now: call.cancel(now=now))


def test_on_bye_that_returns_none_keeps_the_session(make_bench: MakeBench) -> None:
    """architecture §10: the session stays, the leg says so, and no RTP goes to the dead address."""
    body = (
        "def onBye(self):\n    self.setTimer(1, 5)\ndef onTimer(self, id):\n    self.stopSession()"
    )
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    assert caller.heard
    caller.bye()
    hung_up_s = bench.clock.now()
    assert warnings(bench)[-1] == "peer hung up, script keeps the session (onBye returned None)"
    assert bench.ended() is None
    bench.wait(2)
    assert caller.heard_since(hung_up_s) == []
    bench.until(bench.ended)
    assert caller.got == ["100", "200", "200"], "no BYE to a party that hung up"


# --- handlers that raise ----------------------------------------------------------------------


def test_on_invite_that_raises_is_answered_with_500(make_bench: MakeBench) -> None:
    """architecture §10: the caller is not left waiting."""
    bench = make_bench(script("def onInvite(self, hdrs):\n    1 / 0"))
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "500"]
    (raised,) = bench.of(HandlerRaised)
    assert isinstance(raised, HandlerRaised)
    assert (raised.error_type, raised.line) == ("ZeroDivisionError", 6)
    assert raised.then == "the call was refused with 500"


def test_handler_that_is_no_function(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """A TypeError in words, with the script's file; it counts as suppressed."""
    bench = make_bench(script("onTimer = 5\ndef onSessionStart(self):\n    self.setTimer(1, 0.1)"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    text = f"TypeError: onTimer is no function, but 5 ({bench.folder / 'app.py'}); the call goes on"
    assert text in caplog.text
    caller.bye()


def test_on_session_start_that_raises(make_bench: MakeBench) -> None:
    """ivr-api §2.5: logged, call up with silence; the leg says where it happened."""
    bench = make_bench(script("def onSessionStart(self):\n    self.nothing()"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    assert warnings(bench) == ["silence: onSessionStart raised at :6"]
    assert len(caller.heard) > 40, "silence is sent"
    caller.bye()


@pytest.mark.parametrize("how", ["keep", "bye"])
def test_on_script_error(make_bench: MakeBench, how: str) -> None:
    """tui §6: a handler that raises costs its call nothing, or the call, as configured."""
    body = "def onSessionStart(self):\n    self.setTimer(1, 1)\ndef onTimer(self, id):\n    1 / 0"
    bench = make_bench(script(body), on_script_error=how)
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert (bench.ended() is None) == (how == "keep")
    if how == "keep":
        caller.bye()
    else:
        assert caller.got[-1] == "BYE"


BROKEN = """
def onSessionStart(self):
    {start}
    self.setTimer(1, 0.5)
    self.setTimer(2, 1)
def onTimer(self, id):
    said.append(id)
    1 / 0
def onBye(self):
    said.append("bye")
"""


@pytest.mark.parametrize("start", ["1 / 0", "pass", "self.mute(); self.disconnectMedia()"])
def test_announced_script_error(make_bench: MakeBench, start: str) -> None:
    """`announce`: the script hears nothing more, the caller hears tones, and then BYE."""
    bench = make_bench(script(BROKEN.format(start=start)), on_script_error="announce")
    caller = Caller(bench)
    caller.dial()
    bench.until(lambda: bench.ended())
    assert bench.said() == ([1] if start != "1 / 0" else [])
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("error", 200)
    assert 3.0 < ended.duration_s < 4.5
    loud = [heard for heard in caller.heard if len(set(heard.packet.payload)) > 1]
    assert len(loud) > 80, "two seconds of tones"


def test_announced_with_a_file(make_bench: MakeBench) -> None:
    """`error_announcement` is played; one that is not there ends the call at once."""
    body = BROKEN.format(start="pass")
    for name, lasts_s in (("announcement", 4.0), ("nothing", 0.8)):
        path = Path(__file__).parents[3] / "scripts" / "wav" / f"{name}.wav"
        bench = make_bench(script(body), on_script_error="announce", error_announcement=path)
        caller = Caller(bench)
        caller.dial()
        bench.until(lambda bench=bench: bench.ended())  # type: ignore[misc]
        ended = bench.ended()
        assert ended is not None
        assert abs(ended.duration_s - lasts_s) < 1.0


def test_caller_hangs_up_during_the_announcement(make_bench: MakeBench) -> None:
    """The default of onBye ends the session: the script's own is not asked any more."""
    bench = make_bench(script(BROKEN.format(start="1 / 0")), on_script_error="announce")
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    assert bench.ended() is not None
    assert bench.said() == []


def test_sys_exit_ends_nothing_but_the_handler(make_bench: MakeBench) -> None:
    """architecture §10: `sys.exit()` in a handler."""
    bench = make_bench(script("def onSessionStart(self):\n    raise SystemExit(3)"))
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    assert bench.ended() is not None


def test_semserror_refuses_with_its_code_reason_and_headers(make_bench: MakeBench) -> None:
    """architecture §10: `semserror` answers with what it carries."""
    body = """
def onInvite(self, hdrs):
    raise semserror({"code": 486, "reason": "Busy Here", "hdrs": "X-Why: because\\r\\n"})
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "486"]
    assert caller.replies[-1].reason == "Busy Here"
    assert caller.replies[-1].header("x-why") == "because"
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("script", 486)


# --- sendReply --------------------------------------------------------------------------------


def test_183_then_200_by_the_script(make_bench: MakeBench) -> None:
    """architecture §10: early media plays, and onSessionStart comes with the 200."""
    body = """
def onInvite(self, hdrs):
    self.sendReply(183, "Session Progress", "X-Early: yes\\r\\n")
    self.setTimer(1, 1)
def onTimer(self, id):
    said.append(self.dialog.status_str)
    self.sendReply(200, "OK", "")
    said.append(self.dialog.status_str)
def onSessionStart(self):
    said.append("onSessionStart")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.invite()
    bench.wait(0.9)
    assert caller.got == ["100", "183"]
    assert caller.replies[-1].header("x-early") == "yes"
    assert caller.replies[-1].body
    assert len(caller.heard) > 30, "early media"
    bench.wait(0.5)
    assert caller.got == ["100", "183", "200"]
    assert bench.said() == ["Early", "Connected", "onSessionStart"]
    assert states(bench) == ["early", "up"]
    caller.bye()


def test_script_refuses_with_send_reply(make_bench: MakeBench) -> None:
    """A refusal by the script ends its session even without stopSession."""
    bench = make_bench(script("def onInvite(self, hdrs):\n    self.sendReply(603, 'Decline', '')"))
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "603"]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("script", 603)


def test_send_reply_without_common_codec_raises_semserror(make_bench: MakeBench) -> None:
    """ivr-api §2.2: `sendReply` raises semserror with code, reason and hdrs."""
    body = """
def onInvite(self, hdrs):
    try:
        self.sendReply(200, "OK", "")
    except semserror as error:
        said.append(error.args[0]["code"])
        raise
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial(body=sdp(formats="18"))
    assert bench.said() == [488]
    assert caller.got == ["100", "488"]


def test_dialog_that_cannot_be_made(make_bench: MakeBench) -> None:
    """ivr-api §7: the script's own `__new__` raises: 500, told with its line, nothing leaks."""
    bench = make_bench(script("def __new__(cls, capsule):\n    1 / 0"))
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "500"]
    (raised,) = bench.of(HandlerRaised)
    assert isinstance(raised, HandlerRaised)
    assert (raised.handler, raised.line) == ("__new__", 6)
    assert bench.ended() is not None


def test_new_of_the_script(make_bench: MakeBench) -> None:
    """ivr-api §2.2: a subclass that overrides `__new__` passes the capsule on."""
    body = """
def __new__(cls, capsule):
    made = IvrDialogBase.__new__(cls, capsule)
    made.number = 7
    return made
def onSessionStart(self):
    said.append(self.number)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    assert bench.said() == [7]
    caller.bye()
