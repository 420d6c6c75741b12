"""Relay-only mode: requests of one party go to the other (ivr-api §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.sip import events as sip

from .test_b2b_audio import connected
from .two_legs import AFTER, BOTH, Scene

if TYPE_CHECKING:
    from .conftest import MakeBench

SDP = "application/sdp"
FROM_START = """
B2BMode = True
def onInvite(self, hdrs):
    said.append("onInvite")
"""
RELAY_ONLY = """
def onSipRequest(self, req):
    said.append(req.method)
    if req.method == "INVITE":
        self.setRelayonly()
"""
REQUESTS = [
    ("INFO", (), b"x", "text/plain"),
    ("MESSAGE", (), b"hello", "text/plain"),
    ("REFER", (("Refer-To", "<sip:eve@192.0.2.9>"),), b"", ""),
    ("NOTIFY", (("Event", "refer"), ("Subscription-State", "active")), b"x", "message/sipfrag"),
    ("OPTIONS", (), b"", ""),
]


@pytest.mark.parametrize("media", BOTH)
@pytest.mark.parametrize(("method", "headers", "body", "kind"), REQUESTS)
def test_requests_go_both_ways(
    make_bench: MakeBench,
    method: str,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    kind: str,
    media: str,
) -> None:
    """Headers and body go along, the answer comes back; only the caller's are onSipRequest."""
    scene = connected(make_bench, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    for one, other in ((ann, bob), (bob, ann)):
        one.do(lambda call, now: call.request(method, headers, body, kind, now=now))
        bench.wait()
        asked = other.last_request(method)
        assert asked.body == body
        assert [asked.header(name) for name, _ in headers] == [value for _, value in headers]
        assert one.got[-1] == "200"
    assert bench.said().count(method) == 1
    ann.bye()


def test_refusals_go_back(make_bench: MakeBench) -> None:
    """Code, reason and what the refusal says."""
    scene = connected(make_bench)
    ann, bob = scene.ann, scene.bob

    def refuse(event: sip.Event, now: float) -> None:
        assert isinstance(event, sip.RequestReceived)
        assert event.call is not None
        headers = (("Accept", "text/plain"), ("Warning", "399 x y"))
        event.call.respond(event.request, 415, "No", headers, now=now)

    bob._note = refuse  # type: ignore[method-assign]
    ann.request("MESSAGE", b"x", "text/html")
    assert ann.replies[-1].code == 415
    assert ann.replies[-1].reason == "No"
    assert ann.replies[-1].header("accept") == "text/plain"
    del bob._note
    ann.bye()


def test_not_relayed(make_bench: MakeBench) -> None:
    """setNoRelayonly(): each party's requests are processed here."""
    body = (
        AFTER
        + """
def onOtherReply(self, code, reason):
    said.append("other %d" % code)
    if code == 200:
        self.setNoRelayonly()
    return True
"""
    )
    scene = connected(make_bench, body, b2b_media="anchored")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.request("MESSAGE", b"x", "text/plain")
    assert ann.got[-1] == "501"
    bob.request("OPTIONS")
    assert bob.got[-1] == "200"
    assert "MESSAGE" not in bob.got
    bob.request("INFO", b"Signal=1\r\n", "application/dtmf-relay")
    assert bob.got[-1] == "200"
    bob.request("INFO", b"x", "text/plain")
    assert bob.got[-1] == "415"
    ann.bye()
    bench.wait()
    assert bob.got[-1] == "BYE", "the session is over"


def test_headers_of_the_bye(make_bench: MakeBench) -> None:
    """Why somebody hung up goes on to the other one."""
    for first in (0, 1):
        scene = connected(make_bench)
        pair = (scene.ann, scene.bob)
        one, other = pair[first], pair[1 - first]
        one.do(lambda call, now: call.bye([("Reason", "Q.850;cause=31")], now=now))
        scene.bench.wait()
        assert other.last_request("BYE").header("reason") == "Q.850;cause=31"


@pytest.mark.parametrize("body", [FROM_START, RELAY_ONLY], ids=["B2BMode", "setRelayonly"])
@pytest.mark.parametrize("media", BOTH)
def test_relayed_from_the_start(make_bench: MakeBench, media: str, body: str) -> None:
    """`B2BMode = True`, or setRelayonly() in onSipRequest: the INVITE goes on, no onInvite."""
    scene = Scene(make_bench, body, b2b_media=media, application="app")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.invite(uri="sip:bob@192.0.2.50", headers=[("Subject", "x"), ("P-App-Name", "app")])
    bench.wait()
    assert bob.invite_request.uri == "sip:bob@192.0.2.50"
    assert bob.invite_request.header("subject") == "x"
    bob.provisional(180)
    bob.accept()
    assert ann.got == ["100", "180", "200"]
    assert "onInvite" not in bench.said()
    ann.request("MESSAGE", b"x", "text/plain")
    assert bob.got[-1] == "MESSAGE"
    ann.bye()
    assert bob.got[-1] == "BYE"


def test_redirection_of_a_relayed_call(make_bench: MakeBench) -> None:
    """A refusal of the callee reaches the caller as it is; a challenge does not."""
    for code, expected in ((404, "404"), (407, "403")):
        scene = Scene(make_bench, FROM_START, application="app")
        headers = [("Proxy-Authenticate", 'Digest realm="x", nonce="y"')] if code == 407 else []
        scene.ann.invite(uri="sip:bob@192.0.2.50")
        scene.bench.wait()
        scene.bob.refuse(code, headers)
        scene.bench.wait()
        assert scene.ann.got[-1] == expected


def test_loop(make_bench: MakeBench) -> None:
    """A call that leads back here ends when Max-Forwards has counted down."""
    scene = Scene(make_bench, FROM_START, application="app")
    ann, bench = scene.ann, scene.bench
    ann.invite(uri="sip:x@192.0.2.1")
    bench.until(lambda: "483" in ann.got or len(bench.board.sessions) > 90)
    bench.wait(5)
    assert ann.got[-1] == "483"
    assert not bench.board.sessions


def test_reinvites_cross(make_bench: MakeBench) -> None:
    """Both want to change the audio at once: 491, and nothing is lost."""
    scene = connected(make_bench, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    assert ann.call is not None
    assert bob.call is not None
    ann.call.reinvite(ann.sdp("sendonly"), now=bench.clock.now())
    bob.call.reinvite(bob.sdp("sendonly"), now=bench.clock.now())
    ann.do(lambda call, now: None)
    bob.do(lambda call, now: None)
    bench.wait(10)
    assert len(bench.board.sessions) == 1
    ann.bye()


def test_caller_takes_its_reinvite_back(make_bench: MakeBench) -> None:
    """CANCEL of a re-INVITE that waits for the other party cancels it there too."""
    scene = connected(make_bench, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    bob._note = lambda event, now: None  # type: ignore[method-assign]
    ann.do(lambda call, now: call.reinvite(ann.sdp("sendonly"), now=now))
    ann.do(lambda call, now: call.cancel(now=now))
    bench.wait()
    assert ann.got[-1] == "487"
    assert scene.messages("c1b")[-1] in ("> ACK", "< 200 OK")
    del bob._note
    ann.bye()


def test_other_party_is_gone_while_it_is_asked(make_bench: MakeBench) -> None:
    """A request whose answer never comes is answered 408 when the other party hangs up."""
    body = AFTER + "\ndef onOtherBye(self):\n    said.append('kept')\n"
    scene = connected(make_bench, body, b2b_media="anchored")
    ann, bob = scene.ann, scene.bob
    note = bob._note
    bob._note = lambda event, now: None  # type: ignore[method-assign]
    ann.request("MESSAGE", b"x", "text/plain")
    bob._note = note  # type: ignore[method-assign]
    bob.bye()
    assert ann.got[-1] == "408"
    assert scene.bench.said()[-1] == "kept"
    ann.bye()


@pytest.mark.parametrize("media", BOTH)
def test_session_timer_of_the_callee_runs_out(make_bench: MakeBench, media: str) -> None:
    """RFC 4028 holds for each leg: a callee that does not refresh is hung up."""
    scene = Scene(make_bench, AFTER, b2b_media=media, enable_session_timer=True)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.dial()
    headers = (("Session-Expires", "90;refresher=uas"), ("Require", "timer"))
    bob.do(lambda call, now: call.accept(headers, bob.sdp(), "application/sdp", now=now))
    bench.wait(1)
    bench.lose = lambda data: (
        b"192.0.2.50" in data[:600] and data.startswith((b"UPDATE", b"INVITE"))
    )
    bench.until(lambda: bench.ended("c1"), within_s=200)
    bench.wait(1)
    assert "onOtherBye" in bench.said()
    assert ann.got[-1] == "BYE"


def test_update_goes_on_as_a_reinvite(make_bench: MakeBench) -> None:
    """Not every phone knows UPDATE; one without description only refreshes, and stays here."""
    scene = connected(make_bench, b2b_media="direct")
    ann, bob = scene.ann, scene.bob
    ann.do(lambda call, now: call.request("UPDATE", (), ann.sdp("sendonly"), SDP, now=now))
    scene.bench.wait(0.3)
    assert ann.got[-1] == "200"
    assert "m=audio 41000" in ann.replies[-1].body_text()
    assert "a=sendonly" in bob.described
    asked = len(bob.got)
    ann.request("UPDATE")
    assert ann.got[-1] == "200"
    assert len(bob.got) == asked
    ann.bye()


NOT_RELAYED = (
    AFTER
    + """
def onOtherReply(self, code, reason):
    if code == 200:
        self.setNoRelayonly()
    said.append("other %d" % code)
"""
)


@pytest.mark.parametrize("media", BOTH)
def test_reinvites_of_the_callee_answered_here(make_bench: MakeBench, media: str) -> None:
    """Without relay the caller hears nothing of them; with and without offer."""
    scene = connected(make_bench, NOT_RELAYED, b2b_media=media)
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    before = len(ann.got)
    bob.do(lambda call, now: call.reinvite(bob.sdp("sendonly"), now=now))
    assert bob.got[-1] == "200"
    bob.do(lambda call, now: call.reinvite(b"", (), "", now=now))
    bench.wait()
    assert bob.got[-1] == "200"
    assert ("m=audio 40000" if media == "direct" else "m=audio 1000") in bob.described
    bob.do(lambda call, now: call.reinvite(b"nonsense", now=now))
    assert bob.got[-1] == "400"
    assert len(ann.got) == before
    ann.bye()


def test_ack_of_the_callee_without_answer(make_bench: MakeBench) -> None:
    """Our offer was not answered: what was agreed on before stands."""
    scene = connected(make_bench, NOT_RELAYED, b2b_media="anchored")
    ann, bob = scene.ann, scene.bob
    bob.late_answer = lambda: b""  # type: ignore[method-assign]
    bob.do(lambda call, now: call.reinvite(b"", (), "", now=now))
    scene.bench.wait()
    ann.speak(0.3, 0x11)
    assert scene.is_heard(bob, 0x11)
    bob.late_answer = lambda: b"nonsense"  # type: ignore[method-assign]
    bob.do(lambda call, now: call.reinvite(b"", (), "", now=now))
    scene.bench.until(lambda: scene.bench.ended("c1"))
    assert "onOtherBye" in scene.bench.said()


def test_ack_that_brings_no_answer_for_the_other(make_bench: MakeBench) -> None:
    """Past us: the other party would wait for it for ever."""
    scene = connected(make_bench, b2b_media="direct")
    scene.bob.late_answer = lambda: b""  # type: ignore[method-assign]
    scene.bob.do(lambda call, now: call.reinvite(b"", (), "", now=now))
    scene.bench.until(lambda: scene.bench.ended("c1"))
    assert scene.ended("c1b").reason == "an ACK brought no answer to the other party's offer"


def test_callee_never_confirms(make_bench: MakeBench) -> None:
    """No ACK to the answer of its re-INVITE: the core hangs up, the caller follows."""
    scene = connected(make_bench, NOT_RELAYED, b2b_media="anchored")
    bench = scene.bench
    bench.lose = lambda data: data.startswith(b"ACK")
    scene.bob.do(lambda call, now: call.reinvite(scene.bob.sdp(), now=now))
    bench.until(lambda: bench.ended("c1"))
    assert "onOtherBye" in bench.said()
    assert scene.ended("c1b").reason == "the caller never confirmed our answer"
    bench.lose = lambda data: False


def test_callee_takes_its_reinvite_back(make_bench: MakeBench) -> None:
    """CANCEL of a re-INVITE of the callee cancels it at the caller too."""
    scene = connected(make_bench, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    note = ann._note
    ann._note = lambda event, now: None  # type: ignore[method-assign]
    bob.do(lambda call, now: call.reinvite(bob.sdp("sendonly"), now=now))
    bob.do(lambda call, now: call.cancel(now=now))
    ann._note = note  # type: ignore[method-assign]
    bench.wait(0.5)
    assert bob.got[-1] == "487"
    assert "> CANCEL" in scene.messages("c1")
    ann.bye()
