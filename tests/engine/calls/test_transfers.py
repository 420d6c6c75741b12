"""Transfers by scripts: REFER out with its outcome, REFER in, 302, requests with a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.sip import events as sip
from ivrbench.sip.refer import sipfrag
from tests.engine.callee import Callee
from tests.engine.harness import Caller

from .texts import script

if TYPE_CHECKING:
    from tests.engine.harness import Bench

    from .conftest import MakeBench

TRANSFERS = """
def onSessionStart(self):
    self.transfer("sip:bob@192.0.2.50")
def onTransfer(self, code, reason):
    said.append((code, reason))
    return True
"""


def notify(caller: Caller, code: int) -> None:
    """Tell how a REFER goes."""
    state = "terminated;reason=noresource" if code >= 200 else "active;expires=60"
    headers = [("Event", "refer"), ("Subscription-State", state)]
    body = sipfrag(code)
    caller.do(lambda c, now: c.request("NOTIFY", headers, body, "message/sipfrag", now=now))


def transferring(make_bench: MakeBench, text: str = TRANSFERS) -> tuple[Bench, Caller]:
    bench = make_bench(script(text))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.3)
    return bench, caller


def test_blind_transfer(make_bench: MakeBench) -> None:
    """REFER with Referred-By; the last NOTIFY is the outcome, and the call ends with BYE."""
    bench, caller = transferring(make_bench)
    refer = caller.last_request("REFER")
    assert refer.header("refer-to") == "<sip:bob@192.0.2.50>"
    assert refer.header("referred-by") == "<sip:app@192.0.2.1>"
    notify(caller, 180)
    assert bench.said() == []
    notify(caller, 200)
    assert bench.said() == [(200, "OK")]
    assert caller.got[-1] == "BYE"
    assert bench.nothing_left()


def test_transfer_that_fails(make_bench: MakeBench) -> None:
    """The call stays with us."""
    bench, caller = transferring(make_bench)
    notify(caller, 486)
    assert bench.said() == [(486, "Busy Here")]
    assert bench.ended() is None
    caller.bye()


@pytest.mark.parametrize("first", [0, 180])
def test_transfer_nobody_tells_of(make_bench: MakeBench, first: int) -> None:
    """RFC 6665 §4.1.2.4: a phone that says nothing for 32 s, or 180 s after its first word, has
    nothing to say; the call stays with us."""
    bench, caller = transferring(make_bench)
    if first:
        notify(caller, first)
    bench.wait(179 if first else 31)
    assert bench.said() == []
    bench.wait(1)
    assert bench.said() == [(408, "the phone took the transfer, but tells no outcome")]
    assert bench.ended() is None
    notify(caller, 200)
    assert len(bench.said()) == 1
    caller.bye()
    assert bench.nothing_left()


def test_transfer_that_ends_without_outcome(make_bench: MakeBench) -> None:
    """A subscription that is terminated tells nothing more."""
    bench, caller = transferring(make_bench)
    headers = [("Event", "refer"), ("Subscription-State", "terminated;reason=timeout")]
    body = sipfrag(100)
    caller.do(lambda c, now: c.request("NOTIFY", headers, body, "message/sipfrag", now=now))
    bench.wait()
    assert [said[0] for said in bench.said()] == [408]
    caller.bye()


def test_hung_up_before_the_outcome(make_bench: MakeBench) -> None:
    """A caller that hangs up once it is transferred is not told of any more."""
    bench, caller = transferring(make_bench)
    notify(caller, 180)
    caller.bye()
    bench.wait(200)
    assert bench.said() == []
    assert bench.nothing_left()


def test_refer_that_is_refused(make_bench: MakeBench) -> None:
    """A phone that does not transfer says so; the script hears it."""
    bench = make_bench(script(TRANSFERS))
    caller = Caller(bench)
    answer = caller._note

    def refuse(event: sip.Event, now: float) -> None:
        if isinstance(event, sip.RequestReceived) and event.request.method == "REFER":
            assert event.call is not None
            event.call.respond(event.request, 603, now=now)
        else:
            answer(event, now)

    caller._note = refuse  # type: ignore[method-assign]
    caller.dial()
    bench.wait(0.3)
    assert bench.said() == [(603, "Decline")]
    caller.bye()


def test_attended_transfer(make_bench: MakeBench) -> None:
    """The caller is sent to a call of ours that is up, in our place there (RFC 5589 §7)."""
    text = """
def onSessionStart(self):
    if not self.getSessionParams():
        self.handle = IvrUAC().dialout(
            "", "app", "sip:bob@192.0.2.98", "", "sip:app@192.0.2.1", "", "", "", ["second"])
        self.setTimer(1, 1)
def onTimer(self, id):
    self.transfer(self.handle)
def onTransfer(self, code, reason):
    said.append(code)
    return True
"""
    bench = make_bench(script(text))
    caller = Caller(bench)
    bob = Callee(bench, ("192.0.2.98", 5060), 41_000, Callee.accepts)
    caller.dial()
    bench.wait(1.5)
    refer_to = caller.last_request("REFER").header("refer-to")
    assert bob.call is not None
    assert refer_to.startswith("<sip:bob@192.0.2.98:5060?Replaces=")
    assert f"to-tag%3D{bob.call.dialog.local_tag}" in refer_to
    assert f"from-tag%3D{bob.call.dialog.remote_tag}" in refer_to
    notify(caller, 200)
    bob.bye()
    assert bench.said() == [200]
    assert bench.nothing_left()


@pytest.mark.parametrize("to", ["no-such-tag", "sip:bob@192.0.2.50"])
def test_transfer_that_cannot_begin(make_bench: MakeBench, to: str) -> None:
    """Without a call to transfer, or to transfer to, the script hears 481."""
    text = f"""
def onInvite(self, hdrs):
    self.transfer("{to}")
def onTransfer(self, code, reason):
    said.append(code)
    self.reject(486)
"""
    bench, caller = transferring(make_bench, text)
    assert bench.said() == [481]
    assert caller.got[-1] == "486"


REFERRED = """
def onRefer(self, uri, replaces):
    said.append((uri, replaces))
def onTimer(self, id):
    self.refer_progress(180)
    self.refer_progress(200)
    self.refer_progress(486)
def onSessionStart(self):
    self.setTimer(1, 3)
"""


def refer(caller: Caller, to: str) -> None:
    """Ask the engine to call somebody."""
    caller.do(lambda call, now: call.request("REFER", [("Refer-To", to)], now=now))


def progress(caller: Caller) -> list[str]:
    """What the NOTIFYs of the engine said."""
    return [
        event.request.body_text().strip()
        for event in caller.events
        if isinstance(event, sip.RequestReceived) and event.request.method == "NOTIFY"
    ]


def test_refer_is_declined(make_bench: MakeBench) -> None:
    """A script that does not know of it: 603, and no NOTIFY."""
    bench, caller = transferring(make_bench, "def onSessionStart(self): pass")
    refer(caller, "<sip:bob@192.0.2.50>")
    assert caller.got[-1] == "603"
    assert progress(caller) == []
    caller.bye()
    assert bench.nothing_left()


def test_refer_is_taken(make_bench: MakeBench) -> None:
    """onRefer that returns None takes it: 202, and NOTIFYs say how it goes, once to the end."""
    bench, caller = transferring(make_bench, REFERRED)
    refer(caller, "<sip:bob@192.0.2.50?Replaces=abc%3Bto-tag%3D1%3Bfrom-tag%3D2>")
    assert "202" in caller.got
    assert bench.said() == [("sip:bob@192.0.2.50", "abc;to-tag=1;from-tag=2")]
    bench.wait(3)
    told = ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]
    assert progress(caller) == told
    caller.bye()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def onRefer(self, uri, replaces): return True", "603"),
        ("def onRefer(self, uri, replaces): 1 / 0", "500"),
        (
            "def onSipRequest(self, req):\n"
            "    if req.method == 'REFER': self.sendReply(480, 'Later', '')\n"
            "def onRefer(self, uri, replaces): pass",
            "480",
        ),
    ],
)
def test_refer_is_refused(make_bench: MakeBench, text: str, code: str) -> None:
    """True declines, an exception is 500, and a reply of the script's stands."""
    _, caller = transferring(make_bench, text)
    refer(caller, "<sip:bob@192.0.2.50>")
    assert caller.got[-1] == code
    caller.bye()


def test_redirect_of_a_call_not_answered(make_bench: MakeBench) -> None:
    """302 with where to, and the session ends."""
    text = "def onInvite(self, hdrs):\n    self.redirect('sip:bob@192.0.2.50')"
    bench, caller = transferring(make_bench, text)
    assert caller.got[-1] == "302"
    assert caller.replies[-1].header("contact") == "<sip:bob@192.0.2.50>"
    assert bench.nothing_left()


def test_redirect_of_a_call_that_is_up(make_bench: MakeBench) -> None:
    """ivr-api §2.2: a REFER with the URI as its Request-URI; the script drops the session."""
    text = """
def onSessionStart(self):
    self.redirect("sip:bob@192.0.2.99")
def onSipReply(self, req, reply):
    said.append((req.method, req.r_uri, reply.code, self.dialog.status_str))
    self.dropSession()
"""
    bench, caller = transferring(make_bench, text)
    assert bench.said() == [("REFER", "sip:bob@192.0.2.99", 200, "Disconnecting")]
    assert bench.nothing_left()
    assert "BYE" not in caller.got


def test_request_with_a_body(make_bench: MakeBench) -> None:
    """sendRequest takes a body and its type."""
    text = """
def onSessionStart(self):
    self.sendRequest("MESSAGE", "X-A: 1\\r\\n", "grüß dich")
    self.sendRequest("INFO", "", "Signal=1", "application/dtmf-relay")
"""
    _, caller = transferring(make_bench, text)
    message, info = caller.last_request("MESSAGE"), caller.last_request("INFO")
    assert (message.content_type, message.body_text()) == ("text/plain", "grüß dich")
    assert message.header("x-a") == "1"
    assert (info.content_type, info.body) == ("application/dtmf-relay", b"Signal=1")
    caller.bye()
