"""Requests within a call, theirs and ours, and handlers of every generation of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import LegEnded, LegStarted
from tests.engine.harness import Caller, sdp

from .texts import WITNESS, script, states, warnings

if TYPE_CHECKING:
    from .conftest import MakeBench

# --- re-INVITE --------------------------------------------------------------------------------


def test_hold_and_resume(make_bench: MakeBench) -> None:
    """ivr-api §2.5: onSipRequest, onInvite, mirrored answer, ACK; no second onSessionStart."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial()
    before = bench.said()
    caller.do(lambda call, now: call.reinvite(sdp(direction="sendonly"), now=now))
    held_s = bench.clock.now()
    assert bench.said()[len(before) :] == [
        "INVITE Connected",
        "onInvite Connected",
        "ACK Connected",
    ]
    assert "a=recvonly" in caller.last_body
    assert states(bench) == ["up", "held"]
    bench.wait(0.5)
    assert caller.heard_since(held_s) == [], "nothing is sent to a party that holds us"
    caller.do(lambda call, now: call.reinvite(sdp(), now=now))
    assert states(bench) == ["up", "held", "up"]
    resumed_s = bench.clock.now()
    bench.wait(0.5)
    assert len(caller.heard_since(resumed_s)) > 20
    caller.bye()


def test_new_address_by_re_invite(make_bench: MakeBench) -> None:
    """Audio follows the address of a re-INVITE, and the version of our description goes up."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    first = caller.last_body.split("\r\n")[1]
    moved, _ = bench.network.pair("192.0.2.99", 50_000)
    caller.do(lambda call, now: call.reinvite(sdp(50_000, formats="0"), now=now))
    bench.wait(0.5)
    assert len(moved.others) > 15
    version = [int(line.split(" ")[2]) for line in (first, caller.last_body.split("\r\n")[1])]
    assert version[1] == version[0] + 1
    caller.bye()


def test_re_invite_with_unreadable_sdp(make_bench: MakeBench) -> None:
    """It is refused before any handler, and the call goes on as it was."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial()
    before = bench.said()
    caller.do(lambda call, now: call.reinvite(b"nonsense", now=now))
    assert caller.got[-1] == "400"
    assert bench.said() == before
    caller.bye()


def test_invite_req_follows_the_re_invite(make_bench: MakeBench) -> None:
    """ivr-api §3.5: `invite_req` is the newest INVITE."""
    body = """
def onInvite(self, hdrs):
    said.append((self.invite_req.cseq, getHeader(hdrs, "X-Number")))
    return True
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial(headers=[("X-Number", "one")])
    caller.do(lambda call, now: call.reinvite(sdp(), [("X-Number", "two")], now=now))
    first, second = bench.said()
    assert (first[1], second[1]) == ("one", "two")
    assert second[0] > first[0]
    caller.bye()


def test_cancelled_re_invite(make_bench: MakeBench) -> None:
    """A re-INVITE that is cancelled before its answer leaves the call as it was."""
    body = """
def onInvite(self, hdrs):
    return not getHeader(hdrs, "X-Defer") or None
def onSipRequest(self, req):
    said.append(req.method)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.do(lambda call, now: call.reinvite(sdp(), [("X-Defer", "1")], now=now))
    assert warnings(bench)[-1].startswith("INVITE not answered")
    caller.do(lambda call, now: call.cancel(now=now))
    bench.wait(1)
    assert bench.said() == ["INVITE", "ACK", "INVITE", "CANCEL"]
    assert warnings(bench)[-1] == ""
    assert bench.ended() is None
    caller.do(lambda call, now: call.reinvite(sdp(), now=now))
    assert caller.got[-1] == "200"
    caller.bye()


# --- other requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "kind", "code"),
    [
        ("INFO", "application/dtmf-relay", "200"),
        ("INFO", "application/dtmf", "200"),
        ("INFO", "text/plain", "415"),
        ("UPDATE", "", "200"),
        ("OPTIONS", "", "200"),
        ("MESSAGE", "text/plain", "501"),
        ("NOTIFY", "", "489"),
    ],
)
def test_default_replies(make_bench: MakeBench, method: str, kind: str, code: str) -> None:
    """ivr-api §2.5: INFO, UPDATE and others; 415 says what would be taken."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial()
    body = {"application/dtmf-relay": b"Signal=5\r\nDuration=160\r\n"}.get(
        kind, b"5" if kind else b""
    )
    caller.request(method, body, kind)
    assert caller.got[-1] == code
    assert bench.said()[-1] == f"{method} Connected"
    if code == "415":
        assert "application/dtmf-relay" in caller.replies[-1].header("accept")
    caller.bye()


def test_script_answers_a_request_itself(make_bench: MakeBench) -> None:
    """A reply in onSipRequest takes the place of the default."""
    body = """
def onSipRequest(self, req):
    if req.method == "MESSAGE":
        said.append(req.body)
        self.sendReply(202, "Accepted", "")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.request("MESSAGE", b"hello", "text/plain")
    assert caller.got[-1] == "202"
    assert bench.said() == ["hello"]
    caller.bye()


def test_script_sends_requests(make_bench: MakeBench) -> None:
    """ivr-api §2.3: every reply to a request of ours reaches onSipReply, with the request."""
    body = """
def onSessionStart(self):
    self.setTimer(1, 1)
def onTimer(self, id):
    self.sendRequest("INFO", "X-Mine: 1\\r\\n")
def onSipReply(self, req, reply):
    said.append((req.method, reply.code))
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert caller.last_request("INFO").header("x-mine") == "1"
    assert bench.said() == [("INFO", 200)]
    caller.bye()


def test_script_sends_an_offerless_re_invite(make_bench: MakeBench) -> None:
    """ivr-api §2.2: the 2xx carries the offer, our ACK the answer."""
    body = """
def onSessionStart(self):
    self.setTimer(1, 1)
def onTimer(self, id):
    self.sendRequest("INVITE", "")
def onSipReply(self, req, reply):
    said.append((req.method, reply.code))
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert bench.said() == [("INVITE", 100), ("INVITE", 200)]
    assert "< 200 OK (SDP)" in bench.story()
    assert "> ACK (SDP)" in bench.story()
    caller.bye()


# --- generations of the API -------------------------------------------------------------------


def test_handlers_of_older_generations(make_bench: MakeBench) -> None:
    """ivr-api §2.3: onSessionStart(hdrs) and onSipReply(reply) of older scripts."""
    body = """
def onSessionStart(self, hdrs):
    said.append(getHeader(hdrs, "X-Old"))
    self.stopSession()
def onSipReply(self, reply):
    said.append(reply.code)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial(headers=[("X-Old", "yes")])
    bench.until(bench.ended)
    assert bench.said() == ["yes", 200]


def test_async_handlers(make_bench: MakeBench) -> None:
    """`async def` handlers run on the loop, in the same order as all others."""
    body = """
async def onInvite(self, hdrs):
    import asyncio
    await asyncio.sleep(2)
    said.append("onInvite")
    return True
async def onSessionStart(self):
    said.append("onSessionStart")
    self.stopSession()
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    assert bench.said() == ["onInvite", "onSessionStart"]
    assert caller.got == ["100", "200", "BYE"]


def test_leg_events(make_bench: MakeBench) -> None:
    """The leg's beginning says who calls whom, with which version of which script."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    (started,) = bench.of(LegStarted)
    assert isinstance(started, LegStarted)
    assert (started.script, started.generation, started.direction) == ("app", 1, "in")
    assert started.peer == "sip:ann@192.0.2.99"
    assert started.local_tag == bench.session.leg.dialog.local_tag
    caller.bye()
    assert len(bench.of(LegEnded)) == 1
