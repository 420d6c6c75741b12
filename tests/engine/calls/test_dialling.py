"""Calls of ours on the wire: finding the way, ringing, answers, refusals, giving up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ivrbench.config.values import Account
from ivrbench.engine import uac
from ivrbench.observe import events
from ivrbench.scriptapi.uac import DialRequest
from tests.engine.callee import Callee

if TYPE_CHECKING:
    from ivrbench.scriptapi.uac import Dialout
    from tests.engine.harness import Bench

    from .conftest import MakeBench

APP = """
from ivr import *
said = []

class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        said.append(("start", self.dialog.status_str))

    def onSipReply(self, req, reply):
        said.append((req.method, reply.code, self.dialog.status_str))

    def onRinging(self, code, reason):
        said.append(("ringing", code, reason))

    def onFailed(self, code, reason):
        said.append(("failed", code, reason))
        return True

    def onBye(self):
        said.append("bye")
        return True
"""
ANN = "sip:ann@192.0.2.99"


def dial(bench: Bench, uri: str = ANN, **how: object) -> Dialout:
    """Place a call, and let 0.1 s pass."""
    request = DialRequest(
        **{"application": "app", "r_uri": uri, "from_header": "<sip:ivr@192.0.2.1>", **how}  # type: ignore[arg-type]
    )
    handles = []

    async def begin() -> None:
        handles.append(uac.dial_out(bench.board, request)[1])
        bench.board.settle()

    bench.run(begin())
    bench.wait()
    return handles[0]


def test_answered_and_hung_up_by_the_callee(make_bench: MakeBench) -> None:
    """ivr-api §2.5: onSipReply for each 1xx; on the 200 onSessionStart, then its onSipReply."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench)
    callee.provisional(180)
    assert (handle.code, handle.answered) == (0, False)
    callee.accept()
    assert (handle.code, handle.answered) == (200, True)
    assert callee.got == ["INVITE", "ACK"]
    callee.bye()
    assert bench.said() == [
        ("INVITE", 100, "Proceeding"),
        ("INVITE", 180, "Early"),
        ("ringing", 180, "Ringing"),
        ("start", "Connected"),
        ("INVITE", 200, "Connected"),
        "bye",
    ]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code, ended.reason) == ("callee", 200, "the callee hung up")


def test_what_is_told_of_it(make_bench: MakeBench) -> None:
    """The workbench sees an outgoing leg, its states and its codec."""
    bench = make_bench(APP)
    callee = Callee(bench)
    dial(bench)
    callee.provisional(180)
    callee.accept()
    (started,) = bench.of(events.LegStarted)
    assert (started.direction, started.peer, started.request_uri) == ("out", ANN, ANN)
    changes = [(e.state, e.code) for e in bench.of(events.LegChanged)]
    assert changes == [("early", 180), ("up", 200)]
    (agreed,) = bench.of(events.MediaAgreed)
    assert (agreed.codec, agreed.dtmf_payload_type) == ("PCMU", 101)
    callee.bye()


def test_offer_has_all_codecs_in_the_configured_order(make_bench: MakeBench) -> None:
    """`codec_order` is the order of our offers; keys are always offered."""
    bench = make_bench(APP, codec_order=("PCMA", "PCMU"))
    callee = Callee(bench)
    dial(bench)
    assert "RTP/AVP 8 0 101\r\n" in callee.last_body
    assert "a=rtpmap:101 telephone-event/8000" in callee.last_body
    callee.refuse(486)


@pytest.mark.parametrize(("srtp", "has_it"), [("off", False), ("optional", True)])
def test_worker_has_its_certificate_before_its_first_call(
    make_bench: MakeBench, srtp: str, has_it: bool
) -> None:
    """What DTLS needs takes a while to load, which must not delay audio."""
    bench = make_bench(APP, srtp=srtp)
    (worker,) = bench.board.media.workers
    assert worker.has_certificate is has_it


def test_offer_is_encrypted_where_that_is_required(make_bench: MakeBench) -> None:
    """`srtp = required` offers keys."""
    bench = make_bench(APP, srtp="required")
    callee = Callee(bench)
    dial(bench)
    assert "/SAVP" in callee.last_body
    callee.refuse(486)


@pytest.mark.parametrize("reliable", [False, True])
def test_early_media_is_heard(make_bench: MakeBench, reliable: bool) -> None:
    """A 183 with a description lets audio flow before the answer; a reliable one gets a PRACK."""
    bench = make_bench(APP)
    callee = Callee(bench)
    dial(bench)
    callee.provisional(183, described=True, reliable=reliable)
    assert bench.session.media is not None
    callee.speak(0.1)
    bench.until(lambda: callee.heard)
    callee.accept(None if not reliable else b"")
    assert ("start", "Connected") in bench.said()
    callee.bye()


def test_forked_call(make_bench: MakeBench) -> None:
    """Two phones ring with early media; the one that answers counts, whoever was heard first."""
    bench = make_bench(APP)
    first, second = Callee(bench), Callee(bench, ("192.0.2.98", 5060), 41_000)
    dial(bench)
    # A proxy would fork the INVITE; here the second phone gets a copy of it.
    invite = next(e.raw for e in bench.of(events.SipTraced) if e.summary.startswith("INVITE"))
    second._receive(invite, second.flow)
    bench.wait()
    first.provisional(183, described=True)
    second.provisional(183, described=True)
    second.accept()
    bench.wait(0.5)
    assert bench.of(events.MediaAgreed)[-1].remote == "192.0.2.98:41000"
    assert second.call is not None
    assert bench.session.leg.dialog.remote_tag == second.call.dialog.local_tag
    second.bye()
    first.refuse(487)


def test_late_offer_in_a_183(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The offer of a reliable 183 is answered by the PRACK; one of a plain 183 is none."""
    bench = make_bench(APP)
    callee = Callee(bench)
    made = uac._target
    monkeypatch.setattr(uac, "_target", lambda *args: replace(made(*args), late_offer=True))
    dial(bench)
    callee.provisional(183, described=True, reliable=False)
    assert bench.session.media is None
    callee.provisional(183, described=True, reliable=True)
    assert bench.session.media is not None
    assert "PRACK" in callee.got
    callee.accept(b"")
    assert ("start", "Connected") in bench.said()
    callee.bye()


def test_early_description_that_cannot_be_read(make_bench: MakeBench) -> None:
    """A broken description in a 183 harms nothing; the answer counts."""
    bench = make_bench(APP)
    callee = Callee(bench)
    dial(bench)
    callee.do(lambda c, now: c.provisional(183, "", (), b"nonsense", "application/sdp", now=now))
    assert bench.session.media is None
    callee.accept()
    assert ("start", "Connected") in bench.said()
    callee.bye()


def test_late_offer(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An INVITE without offer: the 200 has it, our ACK the answer."""
    bench = make_bench(APP)
    callee = Callee(bench)
    made = uac._target
    monkeypatch.setattr(uac, "_target", lambda *args: replace(made(*args), late_offer=True))
    dial(bench)
    assert callee.last_body == ""
    callee.accept()
    assert callee.got == ["INVITE", "ACK"]
    assert bench.session.media is not None
    callee.bye()


def test_refused(make_bench: MakeBench) -> None:
    """Busy: onSipReply, onFailed, and the session is gone."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench)
    callee.refuse(486)
    assert bench.said()[-2:] == [
        ("INVITE", 486, "Disconnected"),
        ("failed", 486, "Busy Here"),
    ]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.code) == ("callee", 486)
    assert (handle.code, handle.reason) == (486, "Busy Here")
    assert bench.nothing_left()


def test_script_without_on_failed_is_ended(make_bench: MakeBench) -> None:
    """A dial-out that is refused ends its session, whatever the script knows of it."""
    bench = make_bench("from ivr import *\nclass IvrDialog(IvrDialogBase):\n    pass\n")
    callee = Callee(bench)
    dial(bench)
    callee.refuse(486)
    assert bench.nothing_left()


def test_script_may_keep_the_session(make_bench: MakeBench) -> None:
    """onFailed that does not return True keeps it, and the workbench says so."""
    bench = make_bench(
        APP.replace("return True", "self.setTimer(1, 5)", 1)
        + """
    def onTimer(self, id):
        self.stopSession()
"""
    )
    callee = Callee(bench)
    dial(bench)
    callee.refuse(486)
    assert "keeps the session" in bench.session.warning
    bench.wait(6)
    assert bench.nothing_left()


def test_nobody_answers(make_bench: MakeBench) -> None:
    """After the time-out CANCEL goes out; the script hears of 408."""
    bench = make_bench(APP)
    callee = Callee(bench, answers=Callee.rings)
    handle = dial(bench, no_answer_s=20.0)
    bench.wait(21)
    assert callee.got == ["INVITE", "CANCEL"]
    assert bench.said()[-1] == ("failed", 408, "no answer within 20 s")
    assert handle.code == 408
    assert bench.nothing_left()


def test_nobody_is_there(make_bench: MakeBench) -> None:
    """No answer of any kind within 64*T1: 408."""
    bench = make_bench(APP)
    handle = dial(bench, "sip:ann@192.0.2.77")
    bench.until(lambda: handle.code)
    bench.wait()
    assert handle.code == 408
    assert bench.said()[-1][:2] == ("failed", 408)
    assert bench.nothing_left()


def test_rings_for_longer_than_a_transaction_lasts(make_bench: MakeBench) -> None:
    """A phone that rings may ring for minutes."""
    bench = make_bench(APP)
    callee = Callee(bench, answers=Callee.rings)
    dial(bench)
    bench.wait(100)
    callee.accept()
    assert ("start", "Connected") in bench.said()
    callee.bye()


def test_login_of_the_script(make_bench: MakeBench) -> None:
    """A challenge is answered with what the script gave; the callee hears both INVITEs."""
    bench = make_bench(APP)
    callee = Callee(bench)
    dial(bench, login=("ivr", "secret"))
    challenge = 'Digest realm="pbx", nonce="abc", algorithm=MD5, qop="auth"'
    callee.refuse(407, [("Proxy-Authenticate", challenge)])
    assert len(callee.invites) == 2
    proof = callee.invite_request.header("proxy-authorization")
    assert 'username="ivr"' in proof
    callee.accept()
    assert ("start", "Connected") in bench.said()
    callee.bye()


def test_wrong_password(make_bench: MakeBench) -> None:
    """The second challenge is the refusal."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench, login=("ivr", "secret"))
    challenge = 'Digest realm="pbx", nonce="abc", algorithm=MD5, qop="auth"'
    callee.refuse(407, [("Proxy-Authenticate", challenge)])
    callee.refuse(407, [("Proxy-Authenticate", challenge)])
    assert handle.code == 407
    assert bench.nothing_left()


def test_login_of_an_account(make_bench: MakeBench) -> None:
    """Without one of its own a call uses the account at that provider, whatever its realm."""
    account = Account("sip:4912@192.0.2.99", "", "secret")
    bench = make_bench(APP, register=(account,))
    callee = Callee(bench)
    dial(bench)
    callee.refuse(401, [("WWW-Authenticate", 'Digest realm="asterisk", nonce="abc", qop="auth"')])
    assert 'username="4912"' in callee.invite_request.header("authorization")
    callee.refuse(486)


def test_flow_that_fails(make_bench: MakeBench) -> None:
    """A place that cannot be reached is a failure at once, if there is no other."""
    bench = make_bench(APP)
    handle = dial(bench)
    flow = bench.session.leg.call.dialog.flow
    bench.board.flow_failed(flow, "connection refused")
    bench.board.settle()
    bench.wait()
    assert handle.code == 503
    assert bench.nothing_left()


@pytest.mark.parametrize("known", [True, False])
def test_answer_with_a_name_as_contact(make_bench: MakeBench, known: bool) -> None:
    """RFC 3261 §12.2.1.1: ACK and BYE go where the Contact of the 2xx leads, a name too; if nobody
    knows it, where the INVITE went.
    """
    bench = make_bench(APP)
    if known:
        bench.engine.names["desk.example"] = [("192.0.2.98", 5060)]
    proxy, desk = Callee(bench), Callee(bench, ("192.0.2.98", 5060), 41_000)
    came: list[str] = []
    bench.attach(desk.flow.local, lambda data, _: came.append(data.decode().split()[0]))
    handle = dial(bench)
    contact = [("Contact", "<sip:ann@desk.example>")]
    body = proxy.sdp()
    proxy.do(lambda call, now: call.accept(contact, body, "application/sdp", now=now))
    assert handle.answered
    bench.session.leg.bye()
    bench.board.settle()
    bench.wait()
    assert came == (["ACK", "BYE"] if known else [])
    assert ("ACK" in proxy.got) is not known
    bench.wait(40)


@pytest.mark.parametrize("rings", [True, False])
def test_hung_up_from_outside_while_it_rings(make_bench: MakeBench, rings: bool) -> None:
    """CANCEL, 487, and all is given back."""
    bench = make_bench(APP)
    callee = Callee(bench, answers=Callee.rings if rings else None)
    handle = dial(bench)
    bench.session.hang_up("engine", "hung up from the workbench")
    bench.board.settle()
    bench.wait()
    assert callee.got[:2] == ["INVITE", "CANCEL"]
    assert bench.nothing_left()
    assert handle.code == 487


def test_hung_up_while_the_name_is_looked_up(make_bench: MakeBench) -> None:
    """Before any INVITE is out there is nothing to cancel."""
    bench = make_bench(APP)

    async def never(*_: object) -> None:
        await asyncio.sleep(1000)

    bench.board.router.find = never  # type: ignore[method-assign, assignment]
    handle = dial(bench)
    bench.session.hang_up("engine", "hung up from the workbench")
    bench.wait()
    assert handle.code == 487
    assert bench.nothing_left()


def test_answered_in_the_moment_of_giving_up(make_bench: MakeBench) -> None:
    """A 200 that passes our CANCEL gets ACK and BYE."""
    bench = make_bench(APP)
    callee = Callee(bench, answers=Callee.rings)
    dial(bench)
    bench.lose = lambda data: data.startswith(b"CANCEL")
    bench.session.stop("script", "stopSession()")
    bench.wait(0.2)
    callee.accept()
    bench.wait(1)
    assert callee.got == ["INVITE", "ACK", "BYE"]
    assert not [said for said in bench.said() if said[0] == "start"]
    assert bench.nothing_left()


@pytest.mark.parametrize("body", [b"", b"not a description"])
def test_answer_without_a_usable_description(make_bench: MakeBench, body: bytes) -> None:
    """A 200 whose description is of no use is confirmed and hung up."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench)
    callee.accept(body)
    bench.wait(1)
    assert callee.got == ["INVITE", "ACK", "BYE"]
    assert handle.code in (400, 488)
    assert bench.nothing_left()


def test_replaces(make_bench: MakeBench) -> None:
    """RFC 3891: `Replaces` among the headers is sent; a phone without that call says 481."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench, hdrs="Replaces: abc;to-tag=1;from-tag=2\r\nRequire: replaces\r\n")
    assert callee.invites == [], "its stack knows no such call"
    assert handle.code == 481
    assert bench.nothing_left()


def test_header_that_cannot_be_sent(make_bench: MakeBench) -> None:
    """A header the core writes itself fails the call, with a sentence."""
    bench = make_bench(APP)
    handle = dial(bench, hdrs="CSeq: 1 INVITE\r\n")
    assert handle.code == 400
    assert bench.nothing_left()


def test_no_port_is_free(make_bench: MakeBench) -> None:
    """Without RTP ports nobody is called."""
    bench = make_bench(APP, rtp_low_port=40_000, rtp_high_port=40_000)
    callee = Callee(bench)
    handle = dial(bench)
    assert handle.code == 503
    assert callee.got == []
    assert bench.nothing_left()


def test_stop_while_it_rings(make_bench: MakeBench) -> None:
    """An engine that shuts down ends a call that rings, as the script has no handler for it."""
    bench = make_bench(APP)
    callee = Callee(bench, answers=Callee.rings)
    handle = dial(bench)
    bench.board.drain(10)
    bench.wait()
    assert callee.got == ["INVITE", "CANCEL"]
    assert handle.code == 487
    assert bench.nothing_left()


def test_session_that_is_finished_at_once(make_bench: MakeBench) -> None:
    """The engine's end does not wait for the answer to a CANCEL; who waits for the call hears."""
    bench = make_bench(APP)
    Callee(bench, answers=Callee.rings)
    handle = dial(bench)
    session = bench.session
    session.hang_up("engine", "the server shuts down")
    session.finish()
    bench.board.settle()
    assert handle.code == 487
    bench.wait()


def test_requests_of_the_callee(make_bench: MakeBench) -> None:
    """On a leg that we called the callee may hold the call, press keys and ask what we can."""
    bench = make_bench(
        APP
        + """
    def onDtmf(self, key, duration):
        said.append(("key", key))
    def onHold(self):
        said.append("held")
"""
    )
    callee = Callee(bench)
    dial(bench)
    callee.accept()
    callee.press(5)
    callee.request("INFO", b"Signal=7\r\nDuration=100\r\n", "application/dtmf-relay")
    callee.request("OPTIONS")
    held = callee.sdp("sendonly")
    callee.do(lambda call, now: call.reinvite(held, now=now))
    bench.wait(0.5)
    assert bench.said()[-3:] == [("key", 5), ("key", 7), "held"]
    assert callee.got.count("200") == 3
    callee.bye()


def test_session_timer_as_caller(make_bench: MakeBench) -> None:
    """RFC 4028: our INVITE asks for an interval, and refreshing keeps the call up."""
    bench = make_bench(APP, enable_session_timer=True, session_expires=100)
    callee = Callee(bench)
    dial(bench)
    assert callee.invite_request.header("session-expires").startswith("100")
    callee.accept()
    bench.wait(250)
    assert bench.ended() is None
    callee.bye()


def test_draining_refuses_new_ones(make_bench: MakeBench) -> None:
    """No call begins any more, and the workbench sees why."""
    bench = make_bench(APP)
    bench.board.drain(10)
    handle = dial(bench)
    assert handle.code == 503
    ended = bench.ended()
    assert ended is not None
    assert "draining" in ended.reason


def test_test_phone_takes_what_scripts_call(make_bench: MakeBench) -> None:
    """While a test phone waits, every call of ours goes to it, with the URI that it has."""
    bench = make_bench(APP)
    phone = Callee(bench, ("127.0.0.1", 7070))
    bench.board.callee_hop = "sip:127.0.0.1:7070"
    handle = dial(bench, "sip:conf@nowhere.example")
    assert phone.invite_request.uri == "sip:conf@nowhere.example"
    phone.accept()
    assert handle.answered
    phone.bye()
    bench.board.callee_hop = ""
    ann = Callee(bench)
    dial(bench)
    assert ann.invite_request.uri == ANN
    ann.accept()
    ann.bye()
