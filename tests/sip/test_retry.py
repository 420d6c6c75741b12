"""What makes a request of ours go out again: challenges, redirects, small intervals, glare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.sip.call_state import CallState
from ivrbench.sip.events import (
    CallEnded,
    EndCause,
    ProvisionalReceived,
    Redirected,
    ReinviteReceived,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest
from ivrbench.sip.settings import EndpointSettings

from .helpers import OURS, SDP, UDP, Rig, request, response

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = 'WWW-Authenticate: Digest realm="r", nonce="{}", qop="auth"'
PROXY_ASKED = 'Proxy-Authenticate: Digest realm="p", nonce="1"'
FOLLOWING = EndpointSettings(max_redirects=3)


def rig_with_password(settings: EndpointSettings | None = None) -> Rig:
    rig = Rig(settings)
    rig.endpoint.credentials = lambda realm: ("me", "secret") if realm in "rp" else None
    return rig


def requests(sent: Sequence[object]) -> list[SipRequest]:
    return [each for each in sent if isinstance(each, SipRequest)]


def after(rig: Rig, data: bytes) -> list[SipRequest]:
    """The requests we send because of a response, ACKs to refusals left out."""
    sent = requests(rig.receive(data))
    return [each for each in sent if each.method != "ACK"]


# --- challenges -------------------------------------------------------------------------------


def test_challenged_invite_goes_out_again() -> None:
    """RFC 3261 §22.2: same Call-ID, tag and To, next CSeq, new branch; the user sees one INVITE."""
    rig = rig_with_password()
    call, invite = rig.calling()
    ack, again = requests(rig.receive(response(invite, 401, extra=[ASKED.format(1)])))
    assert ack.method == "ACK"
    assert (again.call_id, again.from_tag, again.to_tag) == (invite.call_id, invite.from_tag, "")
    assert again.cseq == invite.cseq + 1
    assert again.via.branch != invite.via.branch
    assert again.body == SDP
    assert 'username="me"' in again.header("authorization")
    assert rig.events() == []
    (ack,) = requests(rig.receive(response(again, 200, to_tag="t", body=SDP)))
    assert ack.cseq == again.cseq
    # RFC 3261 §13.2.2.4: the ACK to a 2xx has the credentials of the INVITE.
    assert ack.header("authorization") == again.header("authorization")
    event = rig.event(ResponseReceived)
    assert event.request is call.invite_request
    call.bye(now=rig.now)
    bye = rig.sent_request()
    assert "nc=00000002" in bye.header("authorization"), "no second round trip for the BYE"


def test_wrong_password_ends_the_call() -> None:
    """RFC 3261 §22.2: the same challenge after an answer is a refusal; a stale nonce is not."""
    rig = rig_with_password()
    _, invite = rig.calling()
    (again,) = after(rig, response(invite, 401, extra=[ASKED.format(1)]))
    (third,) = after(rig, response(again, 401, extra=[ASKED.format(2) + ", stale=true"]))
    assert after(rig, response(third, 401, extra=[ASKED.format(3)])) == []
    refused, end = rig.events()
    assert isinstance(refused, ResponseReceived)
    assert refused.response.code == 401
    assert isinstance(end, CallEnded)
    assert end.cause is EndCause.REFUSED
    rig.pass_time(40)
    rig.assert_empty()


def test_proxy_then_server() -> None:
    """RFC 3261 §22.3: each hop's challenge is answered, and the answers go together."""
    rig = rig_with_password()
    _, invite = rig.calling()
    (again,) = after(rig, response(invite, 407, extra=[PROXY_ASKED]))
    (third,) = after(rig, response(again, 401, extra=[ASKED.format(1)]))
    assert third.has("authorization")
    assert third.has("proxy-authorization")


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    """Nobody's password is made up."""
    rig = Rig()
    _, invite = rig.calling()
    assert after(rig, response(invite, 401, extra=[ASKED.format(1)])) == []
    assert [type(event) for event in rig.events()] == [ResponseReceived, CallEnded]


def test_a_ringing_call_that_is_challenged_late() -> None:
    """Early dialogs of the first try are no more; the second makes its own."""
    rig = rig_with_password()
    call, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="proxy"))
    assert call.state is CallState.EARLY
    (again,) = after(rig, response(invite, 407, extra=[PROXY_ASKED]))
    assert (call.state, call.dialog.remote_tag, call.forks) == (CallState.TRYING, "", {})
    rig.receive(response(again, 180, to_tag="phone"))
    assert call.dialog.remote_tag == "phone"


def test_cancelled_call_is_not_sent_again() -> None:
    """A challenge that meets our CANCEL ends the call."""
    rig = rig_with_password()
    call, invite = rig.calling()
    call.cancel(now=rig.now)
    assert after(rig, response(invite, 401, extra=[ASKED.format(1)])) == []
    assert [type(event) for event in rig.events()] == [ResponseReceived, CallEnded]


def test_challenge_in_a_dialog() -> None:
    """INFO, re-INVITE and BYE too; the events carry the request the user knows."""
    rig = rig_with_password()
    call = rig.called_back()
    info = call.request("INFO", now=rig.now)
    rig.sent()
    (again,) = after(rig, response(info, 407, extra=[PROXY_ASKED]))
    assert (again.method, again.cseq) == ("INFO", info.cseq + 1)
    rig.receive(response(again, 200))
    assert rig.event(ResponseReceived).request is info
    reinvite = call.reinvite(SDP, now=rig.now)
    rig.sent()
    (again,) = after(rig, response(reinvite, 401, extra=[ASKED.format(1)]))
    rig.receive(response(again, 200, body=SDP))
    assert rig.event(ResponseReceived).request is reinvite


def test_challenge_outside_a_dialog() -> None:
    """`send_request` answers challenges too, with its own credentials if it was given some."""
    rig = Rig()
    sent = rig.endpoint.send_request(
        "REGISTER",
        "sip:192.0.2.2",
        UDP,
        "<sip:me@192.0.2.1>",
        "<sip:me@192.0.2.1>",
        [("Contact", "<sip:me@192.0.2.1>")],
        now=rig.now,
        cseq=7,
        credentials=lambda _: ("me", "secret"),
    )
    (again,) = after(rig, response(rig.sent_request(), 401, extra=[ASKED.format(1)]))
    assert (again.cseq, again.header("contact")) == (8, "<sip:me@192.0.2.1>")
    rig.receive(response(again, 200))
    event = rig.event(ResponseReceived)
    assert event.request is sent
    assert event.response.cseq == 8


# --- redirects --------------------------------------------------------------------------------


def moved(*contacts: str) -> list[str]:
    return [f"Contact: {contact}" for contact in contacts]


def test_redirect_is_a_refusal_unless_allowed() -> None:
    """`max_redirects` 0: the user decides."""
    rig = Rig()
    _, invite = rig.calling()
    rig.receive(response(invite, 302, extra=moved("<sip:x@192.0.2.3>")))
    assert [type(event) for event in rig.events()] == [ResponseReceived, CallEnded]


def test_targets_are_tried_by_preference() -> None:
    """RFC 3261 §8.1.3.4: q order, each once, on after a refusal, to the address of the target."""
    rig = Rig(FOLLOWING)
    call, invite = rig.calling()
    contacts = moved(
        "<sip:low@192.0.2.3>;q=0.1", "<sip:high@192.0.2.4:5070?X=y>;q=0.9", f"<{invite.uri}>"
    )
    (second,) = after(rig, response(invite, 302, extra=contacts))
    assert second.uri == "sip:high@192.0.2.4:5070"
    assert rig.flows[-1].remote == ("192.0.2.4", 5070)
    assert (second.call_id, second.cseq) == (invite.call_id, invite.cseq + 1)
    (third,) = after(rig, response(second, 486))
    assert third.uri == "sip:low@192.0.2.3"
    rig.receive(response(third, 200, to_tag="t", body=SDP))
    assert rig.event(ResponseReceived).request is call.invite_request
    assert call.dialog.flow.remote == ("192.0.2.3", 5060)


@pytest.mark.parametrize("code", [486, 603, 302])
def test_the_last_refusal_is_the_outcome(code: int) -> None:
    """No target left, or a 6xx, or one tried before: the call is refused."""
    rig = Rig(FOLLOWING)
    _, invite = rig.calling()
    (second,) = after(rig, response(invite, 302, extra=moved("<sip:x@192.0.2.3>")))
    assert after(rig, response(second, code, extra=moved("<sip:x@192.0.2.3>"))) == []
    refused, end = rig.events()
    assert isinstance(refused, ResponseReceived)
    assert refused.response.code == code
    assert isinstance(end, CallEnded)


def test_redirects_are_bounded() -> None:
    """A chain of redirects ends after `max_redirects` targets."""
    rig = Rig(FOLLOWING)
    _, invite = rig.calling()
    for number in range(3):
        contacts = moved(f"<sip:x{number}@192.0.2.3>", "nonsense", "<tel:1>", "<sip:a@b>;q=no")
        (invite,) = after(rig, response(invite, 302, extra=contacts))
    assert after(rig, response(invite, 302, extra=moved("<sip:y@192.0.2.3>"))) == []


def test_outbound_proxy_stays_on_the_way() -> None:
    """With a preloaded route the proxy finds the new target, name or not (RFC 3261 §8.1.2)."""
    rig = Rig(FOLLOWING)
    rig.endpoint.invite(
        "sips:menu@example.net",
        UDP,
        "<sip:me@192.0.2.1>",
        "<sips:menu@example.net>",
        body=SDP,
        route=["<sip:192.0.2.2;lr>", "<sip:second.example;lr>"],
        now=rig.now,
    )
    invite = rig.sent_request()
    assert invite.elements("route") == ["<sip:192.0.2.2;lr>", "<sip:second.example;lr>"]
    contacts = moved("<sip:insecure@example.org>", "<sips:desk@example.org>;q=0.1")
    (second,) = after(rig, response(invite, 302, extra=contacts))
    assert second.uri == "sips:desk@example.org", "never from sips to sip"
    assert second.elements("route") == invite.elements("route")
    assert rig.flows[-1] == UDP


def test_target_that_only_dns_can_find() -> None:
    """The user resolves it and says where; hanging up meanwhile ends the call."""
    rig = Rig(FOLLOWING)
    call, invite = rig.calling()
    assert after(rig, response(invite, 302, extra=moved("<sip:x@example.org>"))) == []
    event = rig.event(Redirected)
    assert event.uri == "sip:x@example.org"
    assert call.invite_pending
    flow = Flow("udp", OURS, ("192.0.2.77", 5060))
    call.follow(flow, now=rig.now)
    second = rig.sent_request()
    assert (second.uri, rig.flows[-1]) == ("sip:x@example.org", flow)
    call.follow(flow, now=rig.now)
    assert rig.sent() == [], "only once"
    rig.receive(response(second, 302, extra=moved("<sip:y@example.org>")))
    rig.events()
    call.bye(now=rig.now)
    assert [type(event) for event in rig.events()] == [ResponseReceived, CallEnded]
    rig.pass_time(40)
    rig.assert_empty()


def test_silent_target_gives_way_to_the_next() -> None:
    """RFC 3261 §16.7: no answer counts as 408, and another target is tried."""
    rig = Rig(FOLLOWING)
    _, invite = rig.calling()
    contacts = moved("<sip:a@192.0.2.3>", "<sip:b@192.0.2.4>")
    after(rig, response(invite, 302, extra=contacts))
    sent = requests(rig.pass_time(33))
    assert sent[-1].uri == "sip:b@192.0.2.4"
    rig.pass_time(33)
    assert [type(event) for event in rig.events()] == [RequestTimedOut, CallEnded]


# --- glare ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "wait_s"), [(True, 4.0), (False, 2.0)])
def test_glare_is_retried(ours: bool, wait_s: float) -> None:
    """RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, drawn by the
    generator of the endpoint (the test's takes the most).
    """
    rig = Rig()
    call = rig.called_back() if ours else rig.connected()
    reinvite = call.reinvite(SDP, now=rig.now)
    rig.sent()
    rig.receive(response(reinvite, 491))
    assert call.invite_pending
    assert rig.pass_time(wait_s - 0.01) == []
    (again,) = rig.pass_time(0.02)
    assert isinstance(again, SipRequest)
    assert again.cseq == reinvite.cseq + 1
    rig.receive(response(again, 200, body=SDP))
    assert rig.event(ResponseReceived).request is reinvite
    assert not call.invite_pending


def test_glare_without_end() -> None:
    """After `glare_retries` tries the 491 is the outcome, and the call goes on."""
    rig = Rig(EndpointSettings(glare_retries=1))
    call = rig.called_back()
    reinvite = call.reinvite(SDP, now=rig.now)
    rig.sent()
    rig.receive(response(reinvite, 491))
    (again,) = rig.pass_time(4.1)
    assert isinstance(again, SipRequest)
    rig.receive(response(again, 491))
    assert rig.event(ResponseReceived).response.code == 491
    assert call.state is CallState.CONNECTED


def test_overtaken_offer_is_not_repeated() -> None:
    """The other side's re-INVITE came through while ours waited: ours is out of date."""
    rig = Rig()
    call = rig.connected()
    reinvite = call.reinvite(SDP, now=rig.now)
    rig.sent()
    rig.receive(response(reinvite, 491))
    rig.receive(request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag, body=SDP))
    event = rig.event(ReinviteReceived)
    assert all(not isinstance(sent, SipRequest) for sent in rig.pass_time(2.1)), "it waits longer"
    call.respond(event.request, 200, body=SDP, content_type="application/sdp", now=rig.now)
    assert rig.event(ResponseReceived).request is reinvite
    rig.receive(request("ACK", branch="ack2", cseq=2, to_tag=call.dialog.local_tag))
    assert rig.pass_time(10) == []


def test_call_that_ends_while_an_invite_waits() -> None:
    """BYE stops the wait: nothing goes out any more."""
    rig = Rig()
    call = rig.connected()
    reinvite = call.reinvite(SDP, now=rig.now)
    rig.sent()
    rig.receive(response(reinvite, 491))
    rig.receive(request("BYE", branch="b", cseq=2, to_tag=call.dialog.local_tag))
    rig.pass_time(40)
    rig.assert_empty()


def test_cancel_while_a_reinvite_waits() -> None:
    """Given up before it went out again: the 491 is its outcome."""
    rig = Rig()
    call = rig.called_back()
    reinvite = call.reinvite(SDP, now=rig.now)
    rig.sent()
    rig.receive(response(reinvite, 491))
    call.cancel(now=rig.now)
    assert rig.event(ResponseReceived).response.code == 491
    assert rig.pass_time(10) == []
    assert call.state is CallState.CONNECTED


# --- forks ------------------------------------------------------------------------------------


def test_early_dialogs_are_bounded() -> None:
    """A peer that answers with ever new tags cannot make us keep them all."""
    rig = Rig()
    call, invite = rig.calling()
    for number in range(100):
        rig.receive(response(invite, 180, to_tag=f"t{number}"))
    assert len(call.forks) == 32
    assert len([e for e in rig.events() if isinstance(e, ProvisionalReceived)]) == 32
    rig.receive(response(invite, 200, to_tag="t1", body=SDP))
    for number in range(100):
        rig.receive(response(invite, 200, to_tag=f"u{number}", body=SDP))
    assert call.dialog.remote_tag == "t1"
    rig.pass_time(200)
    assert rig.endpoint.stats().client_transactions == 0


def test_next_nonce_within_a_call() -> None:
    """RFC 7616 §3.5: what the 2xx to an INVITE or another request names is used by the next."""
    rig = Rig()
    rig.endpoint.credentials = lambda _: ("me", "secret")
    call, invite = rig.calling()
    asks = ['WWW-Authenticate: Digest realm="a", nonce="1", qop="auth"']
    (again,) = after(rig, response(invite, 401, extra=asks))
    told = ['Authentication-Info: nextnonce="2"']
    rig.receive(response(again, 200, to_tag="t", body=SDP, extra=told))
    info = call.request("INFO", now=rig.now)
    assert 'nonce="2"' in info.header("authorization")
    rig.sent()
    rig.receive(response(info, 200, extra=['Authentication-Info: nextnonce="3"']))
    call.bye(now=rig.now)
    bye = rig.sent_request()
    assert 'nonce="3"' in bye.header("authorization")
    assert "nc=00000001" in bye.header("authorization")
