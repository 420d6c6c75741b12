"""What came after RFC 3261: reliable early media, transfers, expired sessions; events without
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from ivrbench.engine import call_flow
from ivrbench.observe.events import ApiCalled
from ivrbench.sip import events as sip
from ivrbench.sip.events import AckTimedOut, AuthenticationFailed, InviteReceived
from tests.engine.harness import Caller, sdp

from .texts import WITNESS, script, states

if TYPE_CHECKING:
    from .conftest import MakeBench

EARLY = """
def onInvite(self, hdrs):
    self.sendReply(183, "Session Progress", "")
    silence = IvrNullAudio()
    silence.init(5000)
    self.enqueue(silence, None)
    self.setTimer(1, 2)
def onSessionStart(self):
    said.append("onSessionStart")
def onTimer(self, id):
    self.sendReply(200, "OK", "")
def onSipRequest(self, req):
    said.append(req.method)
"""

# --- early media ------------------------------------------------------------------------------


def test_reliable_early_media(make_bench: MakeBench) -> None:
    """RFC 3262: a caller with 100rel confirms the 183 by PRACK and hears audio before the 200."""
    bench = make_bench(script(EARLY))
    caller = Caller(bench)
    caller.invite(headers=[("Require", "100rel")])
    bench.wait(1)
    assert "> 183 Session Progress (SDP)" in bench.story()
    assert "< PRACK" in bench.story()
    early = caller.replies[-1]
    assert early.header("require") == "100rel"
    assert len(caller.heard) > 30
    bench.wait(1.5)
    assert caller.got == ["100", "183", "200"]
    assert bench.said() == ["INVITE", "onSessionStart", "ACK"]
    assert states(bench) == ["early", "up"]
    caller.bye()


def test_early_media_without_an_offer(make_bench: MakeBench) -> None:
    """RFC 3262 §5: our offer in the 183, the answer in the PRACK; the 200 carries none."""
    bench = make_bench(script(EARLY))
    caller = Caller(bench)
    caller.invite(body=b"", headers=[("Require", "100rel")])
    bench.wait(1)
    assert "< PRACK (SDP)" in bench.story()
    assert len(caller.heard) > 30
    bench.wait(1.5)
    assert bench.said() == ["INVITE", "PRACK", "onSessionStart", "ACK"]
    assert "> 200 OK" in bench.story(), "the INVITE's"
    assert "> 200 OK (SDP)" not in bench.story()
    caller.bye()


def test_useless_answer_in_the_prack(make_bench: MakeBench) -> None:
    """No audio can come of it: the PRACK is refused and the call given up."""
    bench = make_bench(script(EARLY))
    caller = Caller(bench)
    caller.sdp = lambda direction="": b"nonsense"  # type: ignore[method-assign]
    caller.invite(body=b"", headers=[("Require", "100rel")])
    bench.until(bench.ended)
    assert "> 400 Bad Request" in bench.story()
    assert caller.got[-1] == "487"


def test_183_that_is_never_confirmed(make_bench: MakeBench) -> None:
    """RFC 3262 §3: after 64*T1 the INVITE gets 504, and the session ends by itself."""
    bench = make_bench(script(EARLY))
    caller = Caller(bench)
    caller.answers_early_offers = False
    caller.invite(body=b"", headers=[("Require", "100rel")])
    bench.until(bench.ended)
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code, ended.duration_s) == ("engine", 504, 0.0)
    assert "onSessionStart" not in bench.said()
    assert caller.got[-1] == "504"


def test_new_offer_before_the_answer(make_bench: MakeBench) -> None:
    """RFC 3311 §5.1: an UPDATE moves early audio; the call is not up by it."""
    bench = make_bench(script(EARLY))
    caller = Caller(bench)
    caller.invite(headers=[("Require", "100rel")])
    bench.wait(0.5)
    moved, _ = bench.network.pair("192.0.2.99", 50_000)
    caller.request("UPDATE", sdp(50_000), "application/sdp")
    assert states(bench) == ["early"]
    bench.wait(0.5)
    assert len(moved.others) > 15
    bench.wait(2)
    assert states(bench) == ["early", "up"]
    assert bench.said()[-2:] == ["onSessionStart", "ACK"]
    caller.bye()


# --- transfers --------------------------------------------------------------------------------

REFERS = """
def onSessionStart(self):
    self.setTimer(1, 1)
def onTimer(self, id):
    self.refer("sip:bob@192.0.2.50", 60, "<sip:app@192.0.2.1>", "X-Why: busy\\r\\n")
def onSipReply(self, req, reply):
    said.append((req.method, reply.code))
def onSipRequest(self, req):
    if req.method == "NOTIFY":
        said.append(req.body.strip())
"""


def test_refer(make_bench: MakeBench) -> None:
    """ivr-api §2.2: REFER with its headers; the NOTIFY that tells of it gets 200 by itself."""
    bench = make_bench(script(REFERS))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.5)
    refer = caller.last_request("REFER")
    names = ("refer-to", "expires", "x-why", "referred-by")
    assert [refer.header(name) for name in names] == [
        "sip:bob@192.0.2.50",
        "60",
        "busy",
        "<sip:app@192.0.2.1>",
    ]
    event = [("Event", "refer"), ("Subscription-State", "terminated;reason=noresource")]
    progress = b"SIP/2.0 200 OK\r\n"
    caller.do(lambda c, now: c.request("NOTIFY", event, progress, "message/sipfrag", now=now))
    assert caller.got[-1] == "200"
    assert bench.said() == [("REFER", 200), "SIP/2.0 200 OK"]
    assert [e.name for e in bench.of(ApiCalled) if isinstance(e, ApiCalled)][-1] == "refer"
    caller.bye()


def test_refer_smuggles_no_headers(make_bench: MakeBench) -> None:
    """A line break in a value is refused, and the call goes on."""
    body = REFERS.replace("sip:bob@192.0.2.50", "sip:bob@x\\r\\nX-Evil: 1")
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.5)
    assert "REFER" not in caller.got
    assert bench.ended() is None
    caller.bye()


def test_refer_before_the_answer_does_nothing(make_bench: MakeBench) -> None:
    """ivr-api §2.2: only if connected."""
    bench = make_bench(
        script("def onInvite(self, hdrs):\n    self.refer('sip:b@x')\n    return True")
    )
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "200"]
    caller.bye()


@pytest.mark.parametrize(
    ("method", "package", "code"),
    [("SUBSCRIBE", "presence", "489"), ("NOTIFY", "refer", "481"), ("NOTIFY", "talk", "489")],
)
def test_subscriptions_nobody_has(
    make_bench: MakeBench, method: str, package: str, code: str
) -> None:
    """RFC 6665: an unknown package is told so; the script hears of it all the same."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial()
    event = [("Event", package)]
    caller.do(lambda call, now: call.request(method, event, now=now))
    assert caller.got[-1] == code
    assert bench.said()[-1] == f"{method} Connected"
    caller.bye()


# --- calls the core ends ----------------------------------------------------------------------


def test_call_that_is_replaced(make_bench: MakeBench) -> None:
    """RFC 3891 §3: the new call is answered, the old one hung up, and its session ends."""
    bench = make_bench(script("pass"))
    old = Caller(bench)
    old.dial()
    assert old.call is not None
    dialog = old.call.dialog
    replaces = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
    new = Caller(bench, ("192.0.2.98", 5060), 41_000)
    new.dial(headers=[("Replaces", replaces), ("Require", "replaces")])
    assert new.got == ["100", "200"]
    assert old.got[-1] == "BYE"
    bench.until(bench.ended)
    assert bench.ended("c2") is None
    new.bye()


def test_call_the_peer_has_forgotten(make_bench: MakeBench) -> None:
    """RFC 5057: 481 to our re-INVITE is the end of the call, and of the session."""
    body = """
def onSessionStart(self):
    self.setTimer(1, 1)
def onTimer(self, id):
    self.sendRequest("INVITE", "")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.do(lambda call, now: call.drop(now=now))
    bench.until(bench.ended)
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("engine", 200)


# --- session timer ----------------------------------------------------------------------------


def test_session_that_is_never_refreshed(make_bench: MakeBench) -> None:
    """RFC 4028 §10: BYE, and the session ends even if its script would keep it."""
    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial(headers=[("Session-Expires", "90;refresher=uac"), ("Supported", "timer")])
    bench.lose = lambda data: data.startswith((b"UPDATE", b"INVITE"))
    bench.until(bench.ended, within_s=100)
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("engine", 200)
    assert ended.reason == "the session was not refreshed in time"
    assert caller.got[-1] == "BYE"


# --- events -----------------------------------------------------------------------------------


def test_every_event_of_a_call_has_a_meaning() -> None:
    """An event the core learns is not forgotten here."""
    of_no_call = {InviteReceived, AuthenticationFailed}
    assert set(call_flow._EVENTS) == set(get_args(sip.Event)) - of_no_call


def test_unknown_events_do_no_harm(make_bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    """One that means nothing is a line of the log."""

    class Unheard(AckTimedOut):
        pass

    bench = make_bench(WITNESS)
    caller = Caller(bench)
    caller.dial()
    call_flow.receive(bench.session.leg, Unheard(bench.session.leg.call))
    assert "Unheard means nothing here" in caplog.text
    caller.bye()
