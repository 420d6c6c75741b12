"""Two-legged calls, whole sequences, with the audio past us and through us (ivr-api §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import LegWarned
from ivrbench.observe.ladder import build_ladder, legs_of
from ivrbench.sip.events import AckReceived
from ivrbench.sip.flow import Flow
from tests.engine.callee import Callee
from tests.engine.harness import ENGINE, sdp

from .two_legs import AFTER, BEFORE, BOB, BOTH, Scene, refuses

if TYPE_CHECKING:
    from .conftest import MakeBench


def test_connected_after_the_answer_anchored(make_bench: MakeBench) -> None:
    """The callee is called, both are joined here; the caller's BYE ends both."""
    scene = Scene(make_bench, AFTER, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    bob.provisional(180)
    bob.accept()
    assert scene.messages("c1b") == ["> INVITE (SDP)", "< 180 Ringing", "< 200 OK (SDP)", "> ACK"]
    ann.speak(0.3, 0x11)
    assert scene.is_heard(bob, 0x11)
    bob.speak(0.3, 0x22)
    assert scene.is_heard(ann, 0x22)
    ann.bye()
    assert scene.messages("c1")[-2:] == ["< BYE", "> 200 OK"]
    assert scene.messages("c1b")[-2:] == ["> BYE", "< 200 OK"]
    assert bench.said() == [
        "INVITE", "start", "ACK", "other 100", "other 180", "other 200", "BYE", "onBye",
    ]  # fmt: skip
    assert scene.ended("c1b").by == "caller"


def test_connected_after_the_answer_direct(make_bench: MakeBench) -> None:
    """The callee gets the caller's description, the caller the callee's in a re-INVITE."""
    scene = Scene(make_bench, AFTER, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    assert "m=audio 40000" in bob.described
    assert "c=IN IP4 192.0.2.99" in bob.described
    assert "o=- 1 1 " not in bob.described, "the origin is ours"
    bob.accept()
    bench.wait()
    assert scene.messages("c1")[-3:] == ["> INVITE (SDP)", "< 200 OK (SDP)", "> ACK"]
    assert "m=audio 41000" in ann.described
    heard = len(ann.heard)
    bench.wait(1)
    assert len(ann.heard) == heard, "nothing of ours disturbs their audio"
    bob.bye()
    assert scene.messages("c1b")[-2:] == ["< BYE", "> 200 OK"]
    assert scene.messages("c1")[-2:] == ["> BYE", "< 200 OK"]
    assert bench.said() == [
        "INVITE", "start", "ACK", "other 100", "other 200", "INVITE 100", "INVITE 200",
        "onOtherBye", "BYE 200",
    ]  # fmt: skip
    assert scene.ended("c1").by == "callee"


@pytest.mark.parametrize("media", BOTH)
def test_connected_before_the_answer(make_bench: MakeBench, media: str) -> None:
    """The caller hears what the callee does: ringing, and the answer."""
    scene = Scene(make_bench, BEFORE, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.invite()
    bench.wait()
    bob.provisional(180)
    assert ann.got == ["100", "180"]
    assert not bench.of(LegWarned), "nothing is wrong with waiting for the callee"
    bob.accept()
    assert ann.got == ["100", "180", "200"]
    expected = "m=audio 41000" if media == "direct" else "m=audio 10000"
    assert expected in ann.described
    assert ("start" in bench.said()) is (media == "anchored"), "a session of audio with us"
    bob.bye()
    assert ann.got[-1] == "BYE"
    assert scene.ended("c1").code == 200


@pytest.mark.parametrize("media", BOTH)
def test_early_media_of_the_callee(make_bench: MakeBench, media: str) -> None:
    """An announcement before the answer reaches the caller in a 183."""
    scene = Scene(make_bench, BEFORE, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.invite()
    bench.wait()
    bob.provisional(183, described=True)
    assert ann.got == ["100", "183"]
    if media == "direct":
        assert "m=audio 41000" in ann.described
    else:
        bob.speak(0.3, 0x22)
        assert scene.is_heard(ann, 0x22)
    bob.accept()
    assert ann.got == ["100", "183", "200"]
    ann.bye()
    assert bob.got[-1] == "BYE"


@pytest.mark.parametrize("media", BOTH)
@pytest.mark.parametrize("body", [AFTER, BEFORE], ids=["after", "before"])
def test_callee_busy(make_bench: MakeBench, media: str, body: str) -> None:
    """Default of onOtherReply with 300 or more: the caller is refused the same way, or hung up."""
    scene = Scene(make_bench, body, refuses(486), b2b_media=media)
    ann, bench = scene.ann, scene.bench
    ann.invite()
    bench.until(lambda: bench.ended("c1"))
    bench.wait()
    assert ann.got[-1] == ("486" if body is BEFORE else "BYE")
    assert bench.said()[-1] == ("other 486" if body is BEFORE else "BYE 200")
    assert scene.ended("c1b").code == 486
    assert scene.ended("c1").reason == "the callee was not reached: 486 Busy Here"


@pytest.mark.parametrize("media", BOTH)
def test_next_callee_after_a_refusal(make_bench: MakeBench, media: str) -> None:
    """onOtherReply that does not return True keeps the caller; the script may call another one."""
    body = """
uris = ["sip:nobody@192.0.2.51", "sip:bob@192.0.2.50"]
def onSessionStart(self):
    self.left = list(self.uris)
    self.call_next()
def call_next(self):
    uri = self.left.pop(0)
    self.connectCallee("Agent", uri)
def onOtherReply(self, code, reason):
    said.append(code)
    if code >= 300:
        self.call_next()
"""
    scene = Scene(make_bench, body, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    Callee(bench, ("192.0.2.51", 5060), 42_000, refuses(603))
    ann.dial()
    bench.wait(0.2)
    bob.accept()
    bench.wait()
    assert bench.said()[:4] == ["INVITE", 100, 603, "ACK"] or 603 in bench.said()
    assert scene.ended("c1b").code == 603
    assert bench.ended("c1c") is None
    assert '"Agent" <sip:bob@192.0.2.50>' in bob.invite_request.header("to")
    ann.bye()
    assert bob.got[-1] == "BYE"


@pytest.mark.parametrize("media", BOTH)
def test_no_answer_in_time(make_bench: MakeBench, media: str) -> None:
    """A timer and terminateOtherLeg(): CANCEL, no onOtherReply for it, the caller stays."""
    body = """
def onSessionStart(self):
    self.connectCallee("<sip:bob@192.0.2.50>", "sip:bob@192.0.2.50")
    self.setTimer(1, 5)
def onTimer(self, id):
    said.append("timer")
    self.terminateOtherLeg()
"""
    scene = Scene(make_bench, body, Callee.rings, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    bench.wait(6)
    assert scene.messages("c1b")[-4:] == [
        "> CANCEL", "< 200 OK", "< 487 Request Terminated", "> ACK",
    ]  # fmt: skip
    assert bench.said() == ["INVITE", "ACK", "other 100", "other 180", "timer"]
    assert scene.ended("c1b").reason == "terminateOtherLeg()"
    assert bench.ended("c1") is None
    assert bob.got[-1] == "CANCEL"
    ann.bye()


@pytest.mark.parametrize("media", BOTH)
def test_caller_gives_up_while_the_callee_rings(make_bench: MakeBench, media: str) -> None:
    """CANCEL of the caller: 487, and the callee's call is cancelled too."""
    scene = Scene(make_bench, BEFORE, Callee.rings, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.invite()
    bench.wait()
    ann.do(lambda call, now: call.cancel(now=now))
    bench.wait()
    assert ann.got == ["100", "180", "487"]
    assert bob.got[-1] == "CANCEL"
    assert scene.ended("c1").by == scene.ended("c1b").by == "caller"
    assert "onOtherBye" not in bench.said()


@pytest.mark.parametrize("media", BOTH)
def test_caller_hangs_up_while_the_callee_rings(make_bench: MakeBench, media: str) -> None:
    """BYE of a caller that was answered before: the callee's call is cancelled."""
    scene = Scene(make_bench, AFTER, Callee.rings, b2b_media=media)
    scene.ann.dial()
    scene.ann.bye()
    assert scene.bob.got[-1] == "CANCEL"
    assert scene.ended("c1b").by == "caller"


@pytest.mark.parametrize("media", BOTH)
def test_both_hang_up_at_once(make_bench: MakeBench, media: str) -> None:
    """Two BYEs that cross: both are answered, nothing is left."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    bench.wait()
    assert ann.call is not None
    assert bob.call is not None
    ann.call.bye(now=bench.clock.now())
    bob.call.bye(now=bench.clock.now())
    ann.do(lambda call, now: None)
    bob.do(lambda call, now: None)
    bench.wait(1)
    assert scene.ended("c1").by == "caller"
    assert scene.ended("c1b").by in ("caller", "callee")
    assert not bench.board.sessions


@pytest.mark.parametrize("media", BOTH)
def test_script_keeps_the_caller(make_bench: MakeBench, media: str) -> None:
    """onOtherBye that returns None: the callee's BYE is answered all the same, the caller stays."""
    body = (
        AFTER
        + """
def onOtherBye(self):
    said.append("onOtherBye")
    self.connectAudio()
"""
    )
    scene = Scene(make_bench, body, Callee.accepts, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    bench.wait()
    bob.bye()
    assert scene.messages("c1b")[-2:] == ["< BYE", "> 200 OK"]
    assert bench.ended("c1") is None
    assert scene.ended("c1b").code == 200
    bench.wait(0.5)
    since = bench.clock.now() - 0.2
    assert ann.heard_since(since), "the caller hears us again"
    invites = ann.got.count("INVITE")
    assert invites == (2 if media == "direct" else 0)
    bench.session.b2b.connect_audio(on=True)
    bench.wait()
    assert ann.got.count("INVITE") == invites, "its audio is here already"
    ann.bye()
    assert bench.said()[-2:] == ["BYE", "onBye"]


def test_legs_are_shown_together(make_bench: MakeBench) -> None:
    """Bench, Call and Ladder show both legs as one call."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media="anchored")
    scene.ann.dial()
    scene.bench.wait()
    history = scene.bench.hub.history
    legs = legs_of(history, "c1b")
    assert [leg.name for leg in legs] == ["c1", "c1b"]
    assert legs[1].started.direction == "out"
    assert legs[1].state == "up"
    assert legs[1].media is not None
    assert [leg.joined for leg in legs] == ["c1b", "c1"]
    ladder = build_ladder(legs)
    assert [column.legs for column in ladder.columns] == [("c1",), (), ("c1b",)]
    texts = [row.label for row in ladder.rows]
    assert "connectCallee(bob@192.0.2.50)" in texts
    scene.ann.bye()


def test_session_ends_with_stop_session(make_bench: MakeBench) -> None:
    """stopSession() hangs up both; the session waits for both."""
    body = (
        AFTER
        + """
def onDtmf(self, key, duration):
    self.stopSession()
"""
    )
    scene = Scene(make_bench, body, Callee.accepts, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    ann.press(1)
    bench.until(lambda: bench.ended("c1"))
    bench.wait()
    assert ann.got[-1] == bob.got[-1] == "BYE"
    assert scene.ended("c1b").by == "script"


def test_terminate_leg(make_bench: MakeBench) -> None:
    """terminateLeg() hangs up the caller at once; the session and the callee end with it."""
    body = (
        AFTER
        + """
def onDtmf(self, key, duration):
    self.terminateLeg("ignored")
"""
    )
    scene = Scene(make_bench, body, Callee.accepts, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    ann.press(1)
    bench.until(lambda: bench.ended("c1"))
    bench.wait()
    assert ann.got[-1] == bob.got[-1] == "BYE"
    assert scene.ended("c1").reason == "terminateLeg()"


@pytest.mark.parametrize("media", BOTH)
def test_nobody_there(make_bench: MakeBench, media: str) -> None:
    """A name that leads nowhere: 503 in onOtherReply, and the reason in the call's end."""
    body = BEFORE.replace("192.0.2.50", "nowhere.example")
    scene = Scene(make_bench, body, b2b_media=media)
    scene.ann.invite()
    scene.bench.until(lambda: scene.bench.ended("c1"))
    scene.bench.wait()
    assert scene.ann.got == ["100", "503"]
    assert "nowhere.example leads to no address" in scene.ended("c1b").reason


@pytest.mark.parametrize("media", BOTH)
def test_late_offer(make_bench: MakeBench, media: str) -> None:
    """An INVITE without description: past us the callee makes the offer, and gets the answer."""
    scene = Scene(make_bench, BEFORE, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.invite(body=b"")
    bench.wait()
    bob.accept()
    bench.wait()
    assert ann.got == ["100", "200"]
    invite = "> INVITE" if media == "direct" else "> INVITE (SDP)"
    ack = "> ACK (SDP)" if media == "direct" else "> ACK"
    assert scene.messages("c1b") == [invite, "< 200 OK (SDP)", ack]
    if media == "direct":
        assert "m=audio 41000" in ann.described
        ack_of = next(e.request for e in bob.events if isinstance(e, AckReceived))
        assert "m=audio 40000" in ack_of.body_text()
    else:
        ann.speak(0.3, 0x11)
        assert scene.is_heard(bob, 0x11)
    ann.bye()
    assert bob.got[-1] == "BYE"


@pytest.mark.parametrize("media", BOTH)
def test_callee_forks(make_bench: MakeBench, media: str) -> None:
    """Two phones ring and speak; the one that answers is the one that is heard."""
    scene = Scene(make_bench, BEFORE, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    eve = Callee(bench, ("192.0.2.52", 5060), 43_000)
    fork_to(scene, eve)
    ann.invite()
    bench.wait()
    bob.provisional(183, described=True)
    eve.provisional(183, described=True)
    eve.accept()
    bench.wait(0.5)
    assert ann.got[:2] == ["100", "183"]
    if media == "direct":
        assert "m=audio 43000" in ann.described
    else:
        ann.speak(0.3, 0x11)
        assert scene.is_heard(eve, 0x11)
        assert not scene.is_heard(bob, 0x11)
    ann.bye()
    assert eve.got[-1] == "BYE"


def fork_to(scene: Scene, eve: Callee) -> None:
    """A proxy at Bob's address that sends each INVITE to Eve too."""
    bench, bob = scene.bench, scene.bob
    inner = bob._receive
    seen: set[bytes] = set()

    def receive(data: bytes, flow: Flow) -> None:
        if data.startswith(b"INVITE") and data not in seen:
            seen.add(data)
            eve._receive(data, Flow("udp", eve.flow.local, ENGINE))
        inner(data, flow)

    bench.attach(BOB, receive)


def test_headers_to_the_callee(make_bench: MakeBench) -> None:
    """The caller's headers and the script's go to the callee, those for us do not."""
    body = """
def onInvite(self, hdrs):
    self.invite_req.hdrs += "X-Account: 7\\r\\n"
    self.connectCallee("<sip:bob@192.0.2.50>", "sip:bob@192.0.2.50")
"""
    scene = Scene(make_bench, body)
    headers = [("P-App-Param", "a=1"), ("Subject", "hello")]
    scene.ann.invite(headers=headers)
    scene.bench.wait()
    invite = scene.bob.invite_request
    assert invite.header("x-account") == "7"
    assert invite.header("subject") == "hello"
    assert not invite.has("p-app-param")
    assert invite.header("from").startswith('"Ann" <sip:ann@192.0.2.99>;tag=')
    assert invite.call_id != scene.bench.session.leg.dialog.callid
    scene.bob.accept()
    scene.ann.bye()


def test_from_of_the_callee_leg(make_bench: MakeBench) -> None:
    """The third and fourth argument are the From; None takes To and URI of the caller's INVITE."""
    body = """
def onInvite(self, hdrs):
    self.connectCallee("<sip:x@192.0.2.50>", "sip:bob@192.0.2.50",
                       "Funky <sip:f@192.0.2.1>", "sip:f@192.0.2.1")
"""
    scene = Scene(make_bench, body)
    scene.ann.invite()
    scene.bench.wait()
    invite = scene.bob.invite_request
    assert invite.uri == "sip:bob@192.0.2.50"
    assert invite.header("to") == "<sip:x@192.0.2.50>"
    assert invite.header("from").startswith('"Funky" <sip:f@192.0.2.1>;tag=')
    scene.bob.refuse(486)


def test_connect_none(make_bench: MakeBench) -> None:
    """connectCallee(None) calls whom the caller called."""
    body = "def onInvite(self, hdrs):\n    self.connectCallee(None)"
    scene = Scene(make_bench, body, Callee.accepts, application="app")
    scene.ann.invite(uri="sip:bob@192.0.2.50")
    scene.bench.wait(0.3)
    assert scene.bob.invite_request.uri == "sip:bob@192.0.2.50"
    assert scene.ann.got == ["100", "200"]
    scene.ann.bye()


def test_audio_of_the_caller_without_a_common_codec(make_bench: MakeBench) -> None:
    """Past us, codecs need not be ours."""
    scene = Scene(make_bench, BEFORE, b2b_media="direct")
    scene.ann.invite(body=sdp(40_000, formats="18"))
    scene.bench.wait()
    scene.bob.accept(sdp(41_000, formats="18", ip=BOB[0]))
    assert scene.ann.got == ["100", "200"]
    scene.ann.bye()


def test_silent_callee_does_not_hold_the_session(make_bench: MakeBench) -> None:
    """A callee that never said anything cannot be cancelled yet: the caller's end is at once."""
    scene = Scene(make_bench, AFTER)
    scene.bench.lose = lambda data: b"sip:bob@" in data[:40]
    scene.ann.dial()
    scene.bench.wait(1)
    scene.ann.bye()
    assert scene.ended("c1").by == "caller"
    assert scene.ended("c1b").code == 487
    scene.bench.wait(40)
