"""The endpoint's edges: representations, tokens, settings seen on the wire, memory, misuse."""

from __future__ import annotations

import gc
import weakref

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import (
    CallEnded,
    ProvisionalReceived,
    ReinviteReceived,
    RequestTimedOut,
)
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.tokens import BRANCH_COOKIE, RandomTokens

from .helpers import SDP, UDP, Rig, request, response


def test_representations() -> None:
    """People who debug see the state and the counters."""
    rig = Rig()
    call = rig.invited()
    assert repr(rig.endpoint) == "<Endpoint calls=1 servers=1 clients=0 timers=1>"
    assert repr(call) == "<InviteCall call-1 called Trying>"
    transaction = call.invite_request.transaction
    assert repr(transaction).startswith("<ServerTransaction ('z9hG4bKinv',")
    assert repr(transaction).endswith("Proceeding>")


def test_random_tokens() -> None:
    """Real tokens differ, are tokens, and carry the branch cookie."""
    tokens = RandomTokens()
    words = {tokens.tag() for _ in range(50)} | {tokens.call_id() for _ in range(50)}
    assert len(words) == 100
    assert all(word.isalnum() for word in words)
    assert tokens.branch().startswith(BRANCH_COOKIE)
    assert 0 <= tokens.below(3) < 3


def test_what_settings_show() -> None:
    """User agent, public host and methods appear in what is sent; no user agent, no header."""
    settings = EndpointSettings(user_agent="", public_host="203.0.113.1", supported=("timer",))
    rig = Rig(settings)
    rig.invited().accept(now=rig.now)
    ok = rig.sent()[-1]
    assert ok.header("contact") == "<sip:menu@203.0.113.1:5060>"
    assert ok.header("supported") == "timer"
    assert not ok.has("server")
    _, invite = Rig(settings).calling()
    assert invite.via.host == "203.0.113.1"
    assert not invite.has("user-agent")
    assert Rig().calling()[1].header("user-agent") == "ivrbench"


def test_a_call_that_is_over_is_let_go() -> None:
    """Transactions linger for 32 s; they must not keep the call that long."""
    rig = Rig()
    call = rig.connected()
    rig.receive(request("BYE", branch="bye", cseq=2, to_tag=call.dialog.local_tag))
    rig.events()
    gone = weakref.ref(call)
    del call
    gc.collect()
    assert rig.endpoint.stats().server_transactions == 2
    assert gone() is None


def test_own_contact_replaces_ours() -> None:
    """A Contact given with a response is the only one."""
    rig = Rig()
    rig.invited().accept([("Contact", "<sip:other@192.0.2.1>")], now=rig.now)
    assert rig.sent()[-1].headers("contact") == ["<sip:other@192.0.2.1>"]


def test_provisional_to_a_reinvite() -> None:
    """A 1xx to a re-INVITE changes no state; ours coming back neither."""
    rig = Rig()
    call = rig.connected()
    rig.receive(request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag, body=SDP))
    asked = rig.event(ReinviteReceived).request
    call.respond(asked, 180, now=rig.now)
    assert call.state == "Connected"
    call.respond(asked, 488, now=rig.now)
    call.reinvite(SDP, now=rig.now)
    invite = rig.sent()[-1]
    assert isinstance(invite, SipRequest)
    rig.receive(response(invite, 180))
    assert isinstance(rig.event(ProvisionalReceived), ProvisionalReceived)
    call.cancel(now=rig.now)
    assert call.state == "Connected"
    assert rig.sent_request().method == "CANCEL"


def test_reinvite_after_our_bye() -> None:
    """RFC 3261 §12.2.2: the dialog is ending: 481."""
    rig = Rig()
    call = rig.connected()
    call.bye(now=rig.now)
    rig.sent()
    data = request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag, body=SDP)
    (refused,) = rig.receive(data)
    assert isinstance(refused, SipResponse)
    assert refused.code == 481
    assert rig.events() == []


def test_misuse_is_told() -> None:
    """What only a mistake of ours can ask for raises and changes nothing."""
    rig = Rig()
    call = rig.connected()
    for method in ("INVITE", "BYE", "BAD METHOD"):
        with pytest.raises(LocalProtocolError):
            call.request(method, now=rig.now)
    with pytest.raises(LocalProtocolError):
        rig.endpoint.send_request("INVITE", "sip:a@b", UDP, "<sip:a@b>", "<sip:a@b>", now=0.0)
    with pytest.raises(LocalProtocolError):
        rig.endpoint.invite(
            "sip:a@b",
            UDP,
            "<sip:a@b>",
            "<sip:a@b>",
            now=0.0,
            local_tag=call.dialog.local_tag,
        )
    with pytest.raises(LocalProtocolError):
        call.accept(now=rig.now)
    assert rig.sent() == []


def test_out_of_dialog_timeout() -> None:
    """Timer F outside a dialog."""
    rig = Rig()
    rig.endpoint.send_request("OPTIONS", "sip:a@b", UDP, "<sip:a@b>", "tel:+1", now=rig.now)
    rig.pass_time(33)
    assert rig.event(RequestTimedOut).response.code == 408
    rig.assert_empty()


def test_caller_without_sip_uri() -> None:
    """A From of another scheme still makes a Contact."""
    rig = Rig()
    rig.endpoint.invite("sip:a@b", UDP, "<tel:+1>", "<sip:a@b>", now=rig.now)
    assert rig.sent_request().header("contact") == "<sip:192.0.2.1:5060>"


def test_late_responses_of_a_dropped_call() -> None:
    """After `drop` the responses of the other side are nobody's business."""
    rig = Rig()
    call = rig.called_back()
    info = call.request("INFO", now=rig.now)
    call.reinvite(SDP, now=rig.now)
    invite = rig.sent()[-1]
    assert isinstance(invite, SipRequest)
    call.drop(now=rig.now)
    assert isinstance(rig.event(CallEnded), CallEnded)
    rig.receive(response(info, 200))
    rig.receive(response(invite, 180))
    assert rig.events() == []
    rig.pass_time(64)
    rig.assert_empty()


def test_defaults() -> None:
    """An endpoint works without a word of configuration."""
    endpoint = Endpoint()
    endpoint.receive(request("OPTIONS", branch="1"), UDP, 0.0)
    assert len(endpoint.to_send()) == 1
    assert (endpoint.draining, endpoint.handle_options) == (False, False)
    assert endpoint.deadline() is None
