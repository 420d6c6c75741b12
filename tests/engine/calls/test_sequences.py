"""Sequences of ivr-api §2.5 as a whole: every message and every handler, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.harness import Caller, sdp

from .texts import WITNESS, script

if TYPE_CHECKING:
    from .conftest import MakeBench

UP = [
    "< INVITE (SDP)",
    "> 100 Trying",
    "onSipRequest(INVITE)",
    "onInvite",
    "> 200 OK (SDP)",
    "onStart",
    "onSessionStart",
    "< ACK",
    "onSipRequest(ACK)",
]
HUNG_UP = ["< BYE", "> 200 OK", "onSipRequest(BYE)", "onBye"]
CLEARED = "    def onAudioCleared(self):\n        self.note('onAudioCleared')\n"


def test_hold(make_bench: MakeBench) -> None:
    """re-INVITE: onSipRequest and onInvite again, the answer, the ACK; nothing starts anew."""
    bench = make_bench(WITNESS + CLEARED)
    caller = Caller(bench)
    caller.dial()
    caller.do(lambda call, now: call.reinvite(sdp(direction="sendonly"), now=now))
    caller.bye()
    assert bench.story() == [
        *UP,
        "< INVITE (SDP)",
        "> 100 Trying",
        "onSipRequest(INVITE)",
        "onInvite",
        "> 200 OK (SDP)",
        "< ACK",
        "onSipRequest(ACK)",
        *HUNG_UP,
        "onAudioCleared",
    ]


def test_cancel_after_the_answer(make_bench: MakeBench) -> None:
    """The call stays up; the script hears nothing of a CANCEL that came too late."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    bench.lose = lambda data: data.startswith(b"SIP/2.0 200")
    caller.invite()
    bench.wait(0.05)
    caller.act(lambda call, now: call.cancel(now=now))
    bench.wait(0.1)
    bench.lose = lambda data: False
    bench.wait(2)
    assert not any("CANCEL" in line for line in bench.said())
    assert not any("487" in line for line in bench.story())


def test_bye_that_nobody_answers(make_bench: MakeBench) -> None:
    """The transaction's time-out is a reply of 408, and the session ends."""
    body = WITNESS + CLEARED + "    def onTimer(self, id):\n        self.stopSession()\n"
    bench = make_bench(body.replace('self.note("onSessionStart")', "self.setTimer(1, 1)"))
    caller = Caller(bench)
    caller.dial()
    bench.lose = lambda data: data.startswith(b"BYE")
    bench.until(bench.ended)
    story = [line for line in bench.story() if not line.endswith(" again")]
    assert story == [*UP, "onTimer", "> BYE", "onSipReply", "onAudioCleared"]
    assert bench.said()[-2:] == ["BYE 408 Disconnected", "onAudioCleared Disconnected"]


def test_rtp_timeout(make_bench: MakeBench) -> None:
    """onRtpTimeout, then onAudioCleared, once; then the script's BYE."""
    body = WITNESS + CLEARED + "    def onRtpTimeout(self):\n        self.stopSession()\n"
    bench = make_bench(body, dead_rtp_time=5)
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.5)
    bench.until(bench.ended)
    story = bench.story()
    assert story[: len(UP)] == UP
    assert sorted(story[len(UP) :]) == sorted(
        ["onRtpTimeout", "> BYE", "onAudioCleared", "< 200 OK", "onSipReply"]
    )
    assert story.index("onRtpTimeout") < story.index("onAudioCleared")


def test_session_timer(make_bench: MakeBench) -> None:
    """Our refreshes are seen only by onSipReply."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial(headers=[("Session-Expires", "90;refresher=uas"), ("Supported", "timer")])
    bench.wait(50)
    assert bench.story() == [*UP, "> UPDATE", "< 200 OK", "onSipReply"]
    assert bench.said()[-1] == "UPDATE 200 Connected"
    caller.bye()


def test_session_timer_that_expires(make_bench: MakeBench) -> None:
    """BYE and its reply; no onBye."""
    bench = make_bench(WITNESS + CLEARED)
    caller = Caller(bench)
    caller.dial(headers=[("Session-Expires", "90;refresher=uac"), ("Supported", "timer")])
    bench.lose = lambda data: data.startswith((b"UPDATE", b"INVITE"))
    bench.until(bench.ended, within_s=100)
    story = [line for line in bench.story() if not line.endswith(" again")]
    assert story == [*UP, "> BYE", "< 200 OK", "onSipReply", "onAudioCleared"]
    assert bench.said()[-2:] == ["BYE 200 Disconnected", "onAudioCleared Disconnected"]


def test_exceptions_everywhere(make_bench: MakeBench) -> None:
    """onSipRequest, onTimer, onSipReply, onEmptyQueue, onDtmf: logged, and the call goes on."""
    bench = make_bench(
        script(
            """
def onSipRequest(self, req):
    1 / 0
def onSessionStart(self):
    self.silence = IvrNullAudio()
    self.silence.init(100)
    self.enqueue(self.silence, None)
    self.setTimer(1, 0.3)
    self.sendRequest("OPTIONS", "")
def onTimer(self, id):
    1 / 0
def onSipReply(self, req, reply):
    1 / 0
def onEmptyQueue(self):
    1 / 0
def onDtmf(self, key, duration):
    1 / 0
def onOtherBye(self):
    1 / 0
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    caller.press(1)
    bench.wait(1)
    raised = {line for line in bench.story() if line.endswith("!")}
    assert raised == {
        "onSipRequest(INVITE)!",
        "onSipRequest(ACK)!",
        "onTimer!",
        "onSipReply!",
        "onEmptyQueue!",
        "onDtmf!",
    }
    assert bench.ended() is None
    caller.bye()
    assert bench.ended() is not None
