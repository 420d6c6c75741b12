"""The audio of two-legged calls: keys, codecs, recordings, hold, and who hears whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ivrbench.audio.files import decode_file
from ivrbench.observe.events import KeyReceived, SipTraced
from tests.engine.callee import Callee
from tests.engine.harness import sdp

from .two_legs import AFTER, BEFORE, BOB, BOTH, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench

APART = (
    AFTER
    + """
def onDtmf(self, key, duration):
    if key == 1:
        self.connectAudio()
    elif key == 2:
        self.disconnectAudio()
"""
)


def connected(make_bench: MakeBench, body: str = AFTER, **settings: object) -> Scene:
    """A call that is up, both parties in it."""
    scene = Scene(make_bench, body, Callee.accepts, **settings)
    scene.ann.dial()
    scene.bench.wait(0.3)
    assert "other 200" in scene.bench.said()
    return scene


def test_keys_of_both(make_bench: MakeBench) -> None:
    """Keys of the other leg are onOtherDtmf; each party's keys reach the other one."""
    scene = connected(make_bench, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    bob.press(5)
    bench.wait(0.5)
    ann.press(7)
    bench.wait(0.5)
    assert bench.said()[-2:] == ["other key 5", "key 7"]
    assert [e.key for e in bench.of(KeyReceived, "c1b")] == [5]
    for who, key in ((ann, 5), (bob, 7)):
        events = [h.packet.payload for h in who.heard if h.packet.payload_type == 101]
        assert events, "the key was pressed towards the other party"
        assert {payload[0] for payload in events} == {key}
    ann.bye()


def test_info_keys_past_us(make_bench: MakeBench) -> None:
    """Keys by INFO go to the other party as INFO, and the script hears of them all the same."""
    scene = connected(make_bench, b2b_media="direct")
    press_by_info(scene)
    assert scene.ann.got[-2:] == ["INFO", "200"]
    assert scene.bob.got[-2:] == ["200", "INFO"]
    scene.ann.bye()


@pytest.mark.parametrize("formats", ["0 101", "0"])
def test_info_keys_through_us(make_bench: MakeBench, formats: str) -> None:
    """They are pressed by RFC 4733 where the other party knows it, else they stay INFO."""
    scene = Scene(make_bench, AFTER, b2b_media="anchored")
    ann, bob = scene.ann, scene.bob
    ann.dial()
    bob.accept(sdp(41_000, formats=formats, ip=BOB[0]))
    press_by_info(scene)
    heard = {h.packet.payload[0] for h in bob.heard if h.packet.payload_type == 101}
    assert (heard, "INFO" in bob.got) == (({3}, False) if "101" in formats else (set(), True))
    assert {h.packet.payload[0] for h in ann.heard if h.packet.payload_type == 101} == {3}
    assert "INFO" not in ann.got
    ann.bye()


def press_by_info(scene: Scene) -> None:
    """The callee presses 3, then the caller."""
    for one in (scene.bob, scene.ann):
        one.request("INFO", b"Signal=3\r\nDuration=100\r\n", "application/dtmf-relay")
        assert one.got[-1] == "200"
        scene.bench.wait(0.5)
    keys = [line for line in scene.bench.said() if "key" in line]
    assert keys == ["other key 3", "key 3"]


def test_translation_between_codecs(make_bench: MakeBench) -> None:
    """The callee speaks another codec than the caller."""
    scene = Scene(make_bench, AFTER, b2b_media="anchored")
    ann, bob = scene.ann, scene.bob
    ann.invite(body=sdp(formats="0 101"))
    scene.bench.wait()
    scene.bench.until(lambda: bob.invites)
    bob.accept(sdp(41_000, formats="8 101", ip=BOB[0]))
    ann.speak(0.5, 0x11)
    heard = [h.packet for h in bob.heard if h.packet.payload_type == 8]
    # 0x11 in mu-law is -14 332, which A-law has as 0x3C or a neighbour.
    assert set(heard[-1].payload) <= {0x3B, 0x3C, 0x3D, 0x3A}
    ann.bye()


def test_recording_while_connected(make_bench: MakeBench, tmp_path: Path) -> None:
    """The caller is recorded although it talks to somebody."""
    path = tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    self.connectCallee("<sip:bob@192.0.2.50>", "sip:bob@192.0.2.50")
    self.record_to = IvrAudioFile()
    self.record_to.open({str(path)!r}, AUDIO_WRITE)
    self.enqueue(None, self.record_to)
"""
    scene = connected(make_bench, body, b2b_media="anchored")
    scene.ann.speak(1.0, 0x11)
    scene.ann.bye()
    pcm, _ = decode_file(path)
    assert pcm.size > 7000
    assert abs(int(pcm[4000])) > 10_000


@pytest.mark.parametrize("media", BOTH)
def test_callee_holds_and_resumes(make_bench: MakeBench, media: str) -> None:
    """Past us a re-INVITE goes on to the caller; else it is answered here."""
    scene = connected(make_bench, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    before = len(scene.messages("c1"))
    bob.do(lambda call, now: call.reinvite(bob.sdp("sendonly"), now=now))
    bench.wait(0.3)
    assert bob.got[-1] == "200"
    if media == "direct":
        expected = ["> INVITE (SDP)", "< 200 OK (SDP)", "> ACK"]
        assert scene.messages("c1")[before:] == expected
        assert "a=sendonly" in ann.described
    else:
        assert scene.messages("c1")[before:] == []
        assert "a=recvonly" in bob.described
        ann.speak(0.2, 0x11)
        assert not scene.is_heard(bob, 0x11)
    bob.do(lambda call, now: call.reinvite(bob.sdp(), now=now))
    bench.wait(0.3)
    if media == "anchored":
        ann.speak(0.3, 0x11)
        assert scene.is_heard(bob, 0x11)
    assert "onInvite" not in bench.handlers()
    ann.bye()


@pytest.mark.parametrize("media", BOTH)
def test_caller_holds(make_bench: MakeBench, media: str) -> None:
    """A re-INVITE of the caller while relaying: onSipRequest, no onInvite where it goes on."""
    scene = connected(make_bench, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.do(lambda call, now: call.reinvite(ann.sdp("sendonly"), now=now))
    bench.wait(0.3)
    assert ann.got[-1] == "200"
    if media == "direct":
        assert "a=sendonly" in bob.described
        assert bench.said()[-3:] == ["INVITE", "held", "ACK"]
    else:
        assert bob.got == ["INVITE", "ACK"]
    assert bench.said().count("held") == 1
    leg = bench.hub.history.leg("c1")
    assert leg is not None
    assert leg.state == "held"
    ann.do(lambda call, now: call.reinvite(ann.sdp(), now=now))
    bench.wait(0.3)
    assert bench.said()[-3:].count("resumed") == 1
    ann.bye()


def test_reinvite_without_offer_goes_past_us(make_bench: MakeBench) -> None:
    """The other party makes the offer, the ACK takes the answer to it."""
    scene = connected(make_bench, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    bob.do(lambda call, now: call.reinvite(b"", (), "", now=now))
    bench.wait(0.3)
    assert scene.messages("c1b")[-3:] == ["< INVITE", "> 200 OK (SDP)", "< ACK (SDP)"]
    assert scene.messages("c1")[-3:] == ["> INVITE", "< 200 OK (SDP)", "> ACK (SDP)"]
    ann.bye()


def test_reinvite_is_refused_by_the_other(make_bench: MakeBench) -> None:
    """Its refusal goes back; both stay as they were."""
    scene = connected(make_bench, b2b_media="direct")
    ann, bob = scene.ann, scene.bob
    ann.reinvite_code = 488
    bob.do(lambda call, now: call.reinvite(bob.sdp("inactive"), now=now))
    scene.bench.wait(0.3)
    assert bob.got[-1] == "488"
    assert len(scene.bench.board.sessions) == 1
    ann.bye()


@pytest.mark.parametrize("media", BOTH)
def test_connect_and_disconnect_audio(make_bench: MakeBench, media: str) -> None:
    """connectAudio(): the caller hears us; disconnectAudio(): the callee again (Readme.ivr)."""
    scene = connected(make_bench, APART, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench

    def press(key: int) -> None:
        body = f"Signal={key}\r\nDuration=100\r\n".encode()
        ann.request("INFO", body, "application/dtmf-relay")
        bench.wait(1)

    before = len(scene.messages("c1"))
    press(1)
    ours = [m for m in scene.messages("c1")[before:] if "INVITE" in m or "SDP" in m]
    assert ours == (["> INVITE (SDP)", "< 200 OK (SDP)"] if media == "direct" else [])
    assert "m=audio 10000" in ann.described
    assert ann.heard_since(bench.clock.now() - 0.2), "silence of ours"
    if media == "direct":
        assert "a=inactive" in bob.described
    else:
        bob.speak(0.2, 0x22)
        assert not scene.is_heard(ann, 0x22)
    press(2)
    if media == "direct":
        assert "m=audio 41000" in ann.described
        assert "a=inactive" not in bob.described
        assert not ann.heard_since(bench.clock.now() - 0.2)
    else:
        bob.speak(0.3, 0x22)
        assert scene.is_heard(ann, 0x22)
    ann.bye()


def test_connect_audio_starts_the_session_of_a_relayed_call(make_bench: MakeBench) -> None:
    """The caller never had audio with us: onSessionStart comes with connectAudio()."""
    body = (
        BEFORE
        + """
def onStart(self):
    said.append("onStart")
    self.setTimer(1, 1)
def onTimer(self, id):
    self.connectAudio()
"""
    )
    scene = Scene(make_bench, body, Callee.accepts, b2b_media="direct")
    ann, bench = scene.ann, scene.bench
    ann.dial()
    bench.wait(2)
    said = bench.said()
    assert said.index("onStart") < said.index("start")
    assert said.count("onStart") == said.count("start") == 1
    assert ann.heard_since(bench.clock.now() - 0.2)
    ann.bye()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (AFTER, "anchored"),
        (AFTER.replace('said.append("start")', "self.disconnectMedia()"), "direct"),
        (AFTER.replace('said.append("start")', "self.mute()"), "direct"),
        (BEFORE, "anchored"),
    ],
    ids=["keeps its audio", "gives it away", "is mute", "before the answer"],
)
def test_auto(make_bench: MakeBench, body: str, expected: str) -> None:
    """b2b_media = auto: past us where the script called disconnectMedia(), as old ones do."""
    text = body + "onOtherDtmf = None\n"
    scene = Scene(make_bench, text, Callee.accepts)
    scene.ann.dial()
    scene.bench.wait(0.3)
    port = "40000" if expected == "direct" else "1000"
    assert f"m=audio {port}" in scene.bob.described
    scene.ann.bye()


def test_auto_where_keys_are_wanted(make_bench: MakeBench) -> None:
    """A script with onOtherDtmf wants to hear them."""
    body = AFTER.replace('said.append("start")', "self.disconnectMedia()")
    scene = Scene(make_bench, body, Callee.accepts)
    scene.ann.dial()
    scene.bench.wait(0.3)
    assert "m=audio 1000" in scene.bob.described
    scene.ann.bye()


def test_callee_without_audio_for_long(make_bench: MakeBench) -> None:
    """dead_rtp_time holds for the callee too: as if it had hung up."""
    body = (
        AFTER
        + """
def onRtpTimeout(self):
    pass
"""
    )
    scene = connected(make_bench, body, b2b_media="anchored", dead_rtp_time=5)
    scene.bob.speak(0.2)
    scene.bench.until(lambda: scene.bench.ended("c1"))
    assert "onOtherBye" in scene.bench.said()
    assert scene.ended("c1b").reason == "no RTP came for 5 s"


def test_answer_without_description(make_bench: MakeBench) -> None:
    """A callee that answers without audio is hung up; the caller as after its BYE."""
    scene = Scene(make_bench, BEFORE, b2b_media="anchored")
    scene.ann.invite()
    scene.bench.wait()
    scene.bob.accept(b"")
    scene.bench.until(lambda: scene.bench.ended("c1"))
    scene.bench.wait()
    assert scene.bob.got[-1] == "BYE"
    assert scene.ann.got[-1] >= "400"


def test_phones_that_never_agree(make_bench: MakeBench) -> None:
    """Each answers something else each time: after some rounds they are left alone."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ports = iter(range(50_000, 60_000, 2))

    def another(direction: str = "") -> bytes:
        return sdp(next(ports), direction=direction)

    ann.sdp = bob.sdp = another  # type: ignore[method-assign]
    ann.dial()
    bench.wait(5)
    assert 3 <= ann.got.count("INVITE") <= 5
    assert len(bench.board.sessions) == 1
    ann.bye()


def test_callee_refuses_the_callers_answer(make_bench: MakeBench) -> None:
    """The call stays: the callee goes on with what it knows of the caller."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media="direct")
    ann, bob = scene.ann, scene.bob
    bob.reinvite_code = 488
    first = sdp(44_000, ip=ann.flow.local[0])
    ann.invite(body=first)
    scene.bench.wait(1)
    assert bob.got == ["INVITE", "ACK", "INVITE"]
    assert len(scene.bench.board.sessions) == 1
    ann.bye()


def test_caller_refuses_our_audio(make_bench: MakeBench) -> None:
    """connectAudio() that is refused: a line in the log, and the call stays as it is."""
    scene = connected(make_bench, APART, b2b_media="direct")
    ann = scene.ann
    ann.reinvite_code = 488
    ann.request("INFO", b"Signal=1\r\nDuration=100\r\n", "application/dtmf-relay")
    scene.bench.wait(1)
    assert not ann.heard_since(scene.bench.clock.now() - 0.2)
    ann.reinvite_code = 200
    ann.request("INFO", b"Signal=1\r\nDuration=100\r\n", "application/dtmf-relay")
    scene.bench.wait(1)
    assert ann.heard_since(scene.bench.clock.now() - 0.2)
    ann.bye()


def test_early_audio_the_caller_cannot_have(make_bench: MakeBench) -> None:
    """No codec in common with the caller: the announcement is not heard, 488 at the answer."""
    scene = Scene(make_bench, BEFORE, b2b_media="anchored")
    scene.ann.invite(body=sdp(formats="18"))
    scene.bench.wait()
    scene.bob.provisional(183, described=True)
    assert scene.ann.got == ["100"]
    scene.bob.accept()
    scene.bench.until(lambda: scene.bench.ended("c1"))
    scene.bench.wait()
    assert scene.ann.got[-1] == "488"


def test_answer_that_crosses_our_cancel(make_bench: MakeBench) -> None:
    """The callee answers while it is given up: it gets ACK and BYE, the script hears nothing."""
    body = (
        AFTER
        + """
def onOtherReply(self, code, reason):
    said.append("other %d" % code)
    if code == 180:
        self.terminateOtherLeg()
"""
    )

    def ring_and_answer(callee: Callee, call: InviteCall) -> None:
        callee.rings(call)
        callee.accepts(call)

    scene = Scene(make_bench, body, ring_and_answer, b2b_media="anchored")
    scene.ann.dial()
    scene.bench.wait(1)
    assert "other 200" not in scene.bench.said() or scene.bob.got[-1] == "BYE"
    assert scene.bob.got[-1] == "BYE"
    assert scene.bench.session.b2b.callee is None
    scene.ann.bye()


def test_prompt_into_the_conversation(make_bench: MakeBench) -> None:
    """What the caller's playlist plays is mixed in for the caller alone."""
    body = (
        AFTER
        + """
def onTimer(self, id):
    silence = IvrNullAudio()
    silence.init(300)
    self.enqueue(silence, None)
def onEmptyQueue(self):
    said.append("empty")
def onOtherReply(self, code, reason):
    said.append("other %d" % code)
    if code == 200:
        self.setTimer(1, 0.5)
"""
    )
    scene = connected(make_bench, body, b2b_media="anchored")
    scene.bench.wait(1.5)
    assert scene.bench.said()[-1] == "empty"
    scene.bob.speak(0.3, 0x22)
    assert scene.is_heard(scene.ann, 0x22)
    scene.ann.bye()


def test_media_worker_dies(make_bench: MakeBench) -> None:
    """Both legs come back on new ports, and hear each other again."""
    scene = connected(make_bench, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    bench.kill_worker()
    bench.wait(0.5)
    bench.replace_worker()
    bench.wait(1)
    assert ann.got[-1] == "INVITE"
    assert bob.got[-2:] == ["INVITE", "ACK"]
    ann.speak(0.4, 0x11)
    assert scene.is_heard(bob, 0x11)
    bob.speak(0.4, 0x22)
    assert scene.is_heard(ann, 0x22)
    ann.bye()


def test_media_worker_dies_and_the_callee_refuses(make_bench: MakeBench) -> None:
    """A callee without audio is of no use: as if it had hung up."""
    scene = connected(make_bench, b2b_media="anchored")
    scene.bob.reinvite_code = 488
    scene.bench.kill_worker()
    scene.bench.wait(0.5)
    scene.bench.replace_worker()
    scene.bench.until(lambda: scene.bench.ended("c1"))
    scene.bench.wait()
    assert "onOtherBye" in scene.bench.said()
    assert "refused new ports" in scene.ended("c1b").reason


def test_callee_cannot_have_what_it_wants(make_bench: MakeBench) -> None:
    """A re-INVITE of the callee without a codec of ours gets 488; the call goes on."""
    scene = connected(make_bench, b2b_media="anchored")
    bob = scene.bob
    body = sdp(41_000, formats="18", ip=BOB[0])
    bob.do(lambda call, now: call.reinvite(body, now=now))
    assert bob.got[-1] == "488"
    scene.ann.speak(0.3, 0x11)
    assert scene.is_heard(bob, 0x11)
    scene.ann.bye()


def test_callers_dialog_stays_busy(make_bench: MakeBench) -> None:
    """An ACK that never comes: the offer waits, and goes with the call."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media="direct")
    bench = scene.bench
    bench.lose = lambda data: data.startswith(b"ACK sip:") and b"192.0.2.99" in data[:200]
    scene.ann.dial()
    bench.until(lambda: bench.ended("c1"), within_s=120)
    bench.lose = lambda data: False
    bench.wait(1)
    assert scene.bob.got[-1] == "BYE"


def versions(scene: Scene) -> list[int]:
    """Versions of all descriptions the caller was told, in order."""
    sent = [e.raw for e in scene.bench.of(SipTraced) if isinstance(e, SipTraced) and e.sent]
    return [int(n) for raw in sent for n in re.findall(rb"^o=\S+ \S+ (\d+)", raw, re.M)]


def test_audio_comes_back_as_scripts_of_old_do_it(make_bench: MakeBench) -> None:
    """setNoRelayonly() and sendRequest("INVITE", "") after the callee is gone (ivr-api §2.6.7)."""
    body = """
def onSessionStart(self):
    self.disconnectMedia()
    self.mute()
    self.connectCallee("<sip:bob@192.0.2.50>", "sip:bob@192.0.2.50")
def onOtherBye(self):
    self.setNoRelayonly()
    self.unmute()
    self.connectMedia()
    self.sendRequest("INVITE", "")
onOtherDtmf = None
"""
    scene = connected(make_bench, body)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    assert "m=audio 40000" in bob.described, "auto is direct for such a script"
    bench.wait(0.5)
    bob.bye()
    bench.wait(1)
    assert scene.messages("c1")[-3:] == ["> INVITE", "< 200 OK (SDP)", "> ACK (SDP)"]
    assert ann.heard_since(bench.clock.now() - 0.2)
    told = versions(scene)
    assert told == sorted(set(told)), "RFC 3264 §8: each change has the next version"
    ann.bye()


def test_refreshes_stay_on_their_leg(make_bench: MakeBench) -> None:
    """RFC 4028: each leg is refreshed for itself, with the description it has."""
    scene = Scene(
        make_bench, AFTER, b2b_media="direct", enable_session_timer=True, session_expires=90
    )
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    headers = (("Session-Expires", "90;refresher=uac"), ("Require", "timer"))
    bob.do(lambda call, now: call.accept(headers, bob.sdp(), "application/sdp", now=now))
    bench.wait(1)
    told, offers = ann.described, ann.got.count("INVITE")
    bench.wait(100)
    assert "UPDATE" in bob.got
    assert ann.got.count("INVITE") == offers
    assert ann.described == told
    assert not bench.ended("c1")
    ann.bye()


def test_codec_changes_in_mid_call(make_bench: MakeBench) -> None:
    """A re-INVITE with another codec: that party gets it, the other one hears on in its own."""
    scene = connected(make_bench, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    body = sdp(41_000, formats="8 101", ip=BOB[0])
    bob.do(lambda call, now: call.reinvite(body, now=now))
    bench.wait(0.3)
    since = bench.clock.now()
    ann.speak(0.4, 0x11)
    heard = bob.heard_since(since)
    assert {h.packet.payload_type for h in heard} == {8}
    assert set(heard[-1].packet.payload) <= {0x3A, 0x3B, 0x3C, 0x3D}
    body = sdp(40_000, formats="8 101", ip=ann.flow.local[0])
    ann.do(lambda call, now: call.reinvite(body, now=now))
    bench.wait(0.3)
    assert "m=audio 10000 RTP/AVP 8 101" in ann.described
    ann.bye()


def test_anchored_although_the_script_gave_its_audio_away(make_bench: MakeBench) -> None:
    """`b2b_media = anchored` with a script for the reference server: they hear each other."""
    away = "self.disconnectMedia()\n    self.mute()\n    self.disableReceiving()"
    body = AFTER.replace('said.append("start")', away)
    scene = connected(make_bench, body, b2b_media="anchored")
    scene.ann.speak(0.4, 0x11)
    assert scene.is_heard(scene.bob, 0x11)
    scene.bob.speak(0.4, 0x22)
    assert scene.is_heard(scene.ann, 0x22)
    scene.ann.bye()


def test_connect_audio_and_terminate_at_once(make_bench: MakeBench) -> None:
    """The caller's audio comes back although its dialog is busy and the callee goes."""
    body = (
        AFTER
        + """
def onDtmf(self, key, duration):
    self.sendRequest("INVITE", "")
    self.connectAudio()
    self.terminateOtherLeg()
"""
    )
    scene = connected(make_bench, body, b2b_media="direct")
    ann, bench = scene.ann, scene.bench
    ann.request("INFO", b"Signal=1\r\nDuration=100\r\n", "application/dtmf-relay")
    bench.wait(2)
    assert scene.bob.got[-1] == "BYE"
    assert ann.heard_since(bench.clock.now() - 0.2)
    ann.bye()
