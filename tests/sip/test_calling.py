"""The calling side: responses, forks, CANCEL and its races, ACK, requests of ours, their timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.events import (
    CallEnded,
    EndCause,
    ProvisionalReceived,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.invite import CallState, InviteCall
from ivrbench.sip.message import SipRequest

from .helpers import SDP, TCP, UDP, Rig, request, response

if TYPE_CHECKING:
    from ivrbench.sip.flow import Flow


def ended(rig: Rig) -> EndCause:
    found = [event for event in rig.events() if isinstance(event, CallEnded)]
    assert len(found) == 1, "exactly once"
    return found[0].cause


def methods(sent: list[object]) -> list[str]:
    return [each.method for each in sent if isinstance(each, SipRequest)]


def test_answered_call_gets_its_ack() -> None:
    """RFC 3261 §13.2.2.4: ACK with a branch of its own, to the Contact, along the Record-Route
    reversed.
    """
    rig = Rig()
    call, invite = rig.calling()
    routes = ("Record-Route: <sip:192.0.2.9;lr>, <sip:p1.example;lr>",)
    contact = "<sip:desk@192.0.2.3:5070>"
    answer = response(invite, 200, to_tag="t", body=SDP, extra=routes, contact=contact)
    (ack,) = rig.receive(answer)
    assert isinstance(ack, SipRequest)
    assert (ack.method, ack.uri, ack.cseq) == ("ACK", "sip:desk@192.0.2.3:5070", invite.cseq)
    assert ack.elements("route") == ["<sip:p1.example;lr>", "<sip:192.0.2.9;lr>"]
    assert ack.via.branch != invite.via.branch
    event = rig.event(ResponseReceived)
    assert event.request is call.invite_request
    assert (call.state, call.dialog.remote_tag) == (CallState.CONNECTED, "t")
    (again,) = rig.receive(answer)
    assert isinstance(again, SipRequest)
    assert again.via.branch == ack.via.branch, "the same ACK for each copy of the 2xx"
    assert rig.events() == []
    rig.pass_time(33)
    assert rig.receive(answer) == [], "RFC 6026: after timer M it is a stray"


def test_late_offer_waits_for_the_users_ack() -> None:
    """An INVITE without body: the 2xx has the offer, the answer goes in the ACK."""
    rig = Rig()
    call, invite = rig.calling(body=b"")
    answer = response(invite, 200, to_tag="t", body=SDP)
    assert rig.receive(answer) == []
    assert rig.receive(answer) == []
    call.ack(SDP, "application/sdp", now=rig.now)
    ack = rig.sent_request()
    assert (ack.method, ack.body, ack.content_type) == ("ACK", SDP, "application/sdp")
    call.ack(SDP, "application/sdp", now=rig.now)
    assert rig.sent() == []


def test_invite_retransmission_and_timer_b() -> None:
    """RFC 3261 §17.1.1.2: timer A doubles without cap, timer B gives a 408 of our own."""
    rig = Rig()
    rig.calling()
    assert len(rig.pass_time(31.9)) == 6
    rig.pass_time(0.2)
    timed_out, end = rig.events()
    assert isinstance(timed_out, RequestTimedOut)
    assert timed_out.response.code == 408
    assert isinstance(end, CallEnded)
    assert end.cause is EndCause.TIMED_OUT
    rig.assert_empty()


def test_ringing_has_no_time_limit() -> None:
    """RFC 3261 §17.1.1.2: after a provisional response timer B is off."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="t"))
    assert isinstance(rig.event(ProvisionalReceived), ProvisionalReceived)
    assert rig.pass_time(300) == []
    assert call.state is CallState.EARLY


def test_refused_call() -> None:
    """RFC 3261 §17.1.1.3: ACK with the INVITE's branch and URI, again for each copy."""
    rig = Rig()
    call, invite = rig.calling()
    refusal = response(invite, 486, to_tag="t")
    for _ in range(2):
        (ack,) = rig.receive(refusal)
        assert isinstance(ack, SipRequest)
        assert (ack.method, ack.uri, ack.to_tag) == ("ACK", invite.uri, "t")
        assert ack.via.branch == invite.via.branch
    assert ended(rig) is EndCause.REFUSED
    assert call.state is CallState.DISCONNECTED
    rig.pass_time(33)
    rig.assert_empty()


def test_cancel_waits_for_a_provisional() -> None:
    """RFC 3261 §9.1: no CANCEL before a 1xx; it has the INVITE's branch, and 487 ends the call."""
    rig = Rig()
    call, invite = rig.calling()
    call.cancel(now=rig.now)
    assert rig.sent() == []
    assert call.state is CallState.CANCELLING
    (cancel,) = rig.receive(response(invite, 100))
    assert isinstance(cancel, SipRequest)
    assert (cancel.method, cancel.cseq, cancel.via.branch) == (
        "CANCEL",
        invite.cseq,
        invite.via.branch,
    )
    assert rig.receive(response(invite, 180, to_tag="t")) == [], "one CANCEL is enough"
    rig.receive(response(cancel, 200, to_tag="t"))
    (ack,) = rig.receive(response(invite, 487, to_tag="t"))
    assert isinstance(ack, SipRequest)
    assert ack.method == "ACK"
    assert ended(rig) is EndCause.CANCEL_SENT
    rig.pass_time(64)
    rig.assert_empty()


def test_2xx_wins_against_cancel() -> None:
    """RFC 3261 §9.1: the 200 passed our CANCEL: ACK, BYE, and the call still ends as cancelled."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="t"))
    call.cancel(now=rig.now)
    rig.sent()
    sent = rig.receive(response(invite, 200, to_tag="t", body=SDP))
    assert methods(list(sent)) == ["ACK", "BYE"]
    bye = sent[-1]
    assert isinstance(bye, SipRequest)
    assert not any(isinstance(event, ResponseReceived) for event in rig.events())
    rig.receive(response(bye, 200))
    assert ended(rig) is EndCause.CANCEL_SENT
    rig.pass_time(64)
    rig.assert_empty()


def test_cancel_that_nobody_answers() -> None:
    """RFC 3261 §9.1: 64*T1 after the CANCEL the INVITE counts as cancelled."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="t"))
    call.cancel(now=rig.now)
    rig.pass_time(33)
    assert ended(rig) is EndCause.CANCEL_SENT
    rig.assert_empty()


def test_forks_and_the_losing_2xx() -> None:
    """RFC 3261 §13.2.2.4: every early dialog is its own; the second 2xx gets ACK and BYE on its
    dialog.
    """
    rig = Rig()
    call, invite = rig.calling()
    for tag in ("one", "two"):
        contact = f"<sip:{tag}@192.0.2.2:5060>"
        rig.receive(response(invite, 180, to_tag=tag, contact=contact))
    rig.receive(response(invite, 200, to_tag="two", contact="<sip:two@192.0.2.2:5060>"))
    assert call.dialog.remote_target == "sip:two@192.0.2.2:5060"
    loser = response(invite, 200, to_tag="one", contact="<sip:one@192.0.2.2:5060>")
    ack, bye = rig.receive(loser)
    assert isinstance(ack, SipRequest)
    assert isinstance(bye, SipRequest)
    assert (ack.method, ack.to_tag, bye.method, bye.uri) == (
        "ACK",
        "one",
        "BYE",
        "sip:one@192.0.2.2:5060",
    )
    rig.events()
    rig.receive(response(bye, 200))
    (gone,) = rig.receive(
        request(
            "BYE", branch="b", to_tag=call.dialog.local_tag, from_tag="one", call_id=invite.call_id
        )
    )
    assert gone.header("cseq") == "1 BYE"
    assert rig.events() == []
    assert call.state is CallState.CONNECTED


def test_response_that_is_not_ours() -> None:
    """RFC 3261 §17.1.3, §18.1.2: another sent-by, CSeq, Call-ID or a second Via: dropped."""
    rig = Rig()
    _, invite = rig.calling()
    good = response(invite, 200, to_tag="t")
    for old, new in (
        (b"192.0.2.1:5060;branch", b"192.0.2.77:5060;branch"),
        (b"CSeq: 10", b"CSeq: 11"),
        (invite.call_id.encode(), b"another"),
        (b"\r\nFrom:", b"\r\nVia: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1\r\nFrom:"),
    ):
        assert rig.receive(good.replace(old, new)) == []
    assert rig.endpoint.stats().dropped == 4
    assert rig.events() == []


def test_requests_of_ours() -> None:
    """RFC 3261 §17.1.2: timer E doubles to T2, E stays at T2 once provisional, F gives 408."""
    rig = Rig()
    call = rig.called_back()
    info = call.request("INFO", [("X-A", "b")], b"x", "text/plain", now=rig.now)
    rig.sent()
    assert len(rig.pass_time(3.6)) == 3
    rig.receive(response(info, 100))
    rig.events()
    assert len(rig.pass_time(8.1)) == 2
    rig.receive(response(info, 200))
    event = rig.event(ResponseReceived)
    assert event.request is info
    late = call.request("INFO", now=rig.now)
    rig.pass_time(33)
    assert rig.event(RequestTimedOut).request is late
    assert call.state is CallState.CONNECTED


def test_481_ends_the_dialog() -> None:
    """RFC 3261 §12.2.1.2: 481 to anything in the dialog: it is gone, BYE."""
    rig = Rig()
    call = rig.called_back()
    info = call.request("INFO", now=rig.now)
    rig.sent()
    (bye,) = rig.receive(response(info, 481))
    assert isinstance(bye, SipRequest)
    assert bye.method == "BYE"


def test_reinvite_of_ours() -> None:
    """RFC 3261 §14.1: one at a time; its 2xx refreshes the target; a refusal leaves the call."""
    rig = Rig()
    call = rig.called_back()
    call.reinvite(SDP, now=rig.now)
    invite = rig.sent_request()
    assert invite.cseq == 11
    with pytest.raises(LocalProtocolError):
        call.reinvite(SDP, now=rig.now)
    rig.receive(response(invite, 488))
    assert isinstance(rig.event(ResponseReceived), ResponseReceived)
    call.reinvite(SDP, now=rig.now)
    invite = rig.sent_request()
    contact = "<sip:new@192.0.2.2:5060>"
    (ack,) = rig.receive(response(invite, 200, body=SDP, contact=contact))
    assert isinstance(ack, SipRequest)
    assert (ack.uri, ack.cseq) == ("sip:new@192.0.2.2:5060", 12)
    rig.events()
    call.reinvite(SDP, now=rig.now)
    invite = rig.sent_request()
    sent = rig.receive(response(invite, 408))
    assert methods(list(sent)) == ["ACK", "BYE"]


def test_bye_sends_the_ack_it_owes() -> None:
    """Hanging up on a 2xx whose ACK the user never sent: ACK, then BYE."""
    rig = Rig()
    call, invite = rig.calling(body=b"")
    rig.receive(response(invite, 200, to_tag="t", body=SDP))
    call.bye(now=rig.now)
    assert methods(list(rig.sent())) == ["ACK", "BYE"]


def test_strict_router() -> None:
    """RFC 3261 §12.2.1.1: a first route without lr becomes the Request-URI, our target the last
    route.
    """
    rig = Rig()
    call, invite = rig.calling()
    extra = ("Record-Route: <sip:p1.example;lr>", "Record-Route: <sip:192.0.2.9:5080>")
    (ack,) = rig.receive(response(invite, 200, to_tag="t", extra=extra))
    assert isinstance(ack, SipRequest)
    assert ack.uri == "sip:192.0.2.9:5080"
    assert ack.elements("route") == ["<sip:p1.example;lr>", "<sip:menu@192.0.2.2:5060>"]
    assert rig.flows[-1].remote == ("192.0.2.9", 5080)
    assert call.state is CallState.CONNECTED


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_failed_flow_is_a_503(flow: Flow) -> None:
    """RFC 3261 §8.1.3.1: a transport error counts as 503."""
    rig = Rig(flow=flow)
    rig.calling()
    rig.endpoint.flow_failed(flow, rig.now)
    timed_out, end = rig.events()
    assert isinstance(timed_out, RequestTimedOut)
    assert timed_out.response.code == 503
    assert isinstance(end, CallEnded)
    rig.assert_empty()


def test_out_of_dialog_request() -> None:
    """`send_request`: its answer comes with no call; nothing is left after timer K."""
    rig = Rig()
    sent = rig.endpoint.send_request(
        "OPTIONS", "sip:192.0.2.2", UDP, "<sip:me@192.0.2.1>", "<sip:192.0.2.2>", now=rig.now
    )
    rig.receive(response(rig.sent_request(), 200, to_tag="x"))
    event = rig.event(ResponseReceived)
    assert event.call is None
    assert event.request is sent
    rig.pass_time(5.1)
    rig.assert_empty()


@pytest.mark.parametrize(
    ("uri", "from_", "route"),
    [
        ("sip:a b@x", "<sip:me@x>", ()),
        ("sip:a\r\n@x", "<sip:me@x>", ()),
        ("<sip:a@x>", "<sip:me@x>", ()),
        ("sip:a@x", "<sip:me@x>\r\nX: y", ()),
        ("sip:a@x", "nobody", ()),
        ("sip:a@x", "<sip:me@x>", ("<sip:p>\r\nX: y",)),
    ],
)
def test_calls_that_cannot_be_made(uri: str, from_: str, route: tuple[str, ...]) -> None:
    """What would break the message is refused before anything is sent or kept."""
    rig = Rig()
    with pytest.raises(LocalProtocolError):
        rig.endpoint.invite(uri, UDP, from_, "<sip:a@x>", now=rig.now, route=route)
    assert rig.sent() == []
    rig.assert_empty()


def test_hang_up_while_it_rings() -> None:
    """`bye` on an unanswered call of ours is a CANCEL."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="t"))
    call.bye(now=rig.now)
    assert methods(list(rig.sent())) == ["CANCEL"]


def test_a_call_that_is_over_refuses_requests() -> None:
    """`request` must give a request back, so on an ended call it raises; the rest does nothing."""
    rig = Rig()
    call: InviteCall = rig.called_back()
    call.drop(now=rig.now)
    for quiet in (call.bye, call.cancel, call.ack, call.drop):
        quiet(now=rig.now)
    with pytest.raises(LocalProtocolError):
        call.request("INFO", now=rig.now)
    assert rig.sent() == []


def test_one_branch_of_a_fork_goes_away() -> None:
    """RFC 3261 §15: a BYE in one early dialog ends that one; the others may still answer."""
    rig = Rig()
    call, invite = rig.calling()
    for tag in ("one", "two"):
        rig.receive(response(invite, 180, to_tag=tag))
    rig.events()
    local = call.dialog.local_tag
    (ok,) = rig.receive(
        request("BYE", branch="b", to_tag=local, from_tag="two", call_id=invite.call_id)
    )
    assert ok.header("cseq") == "1 BYE"
    assert rig.events() == []
    assert list(call.forks) == ["one"]
    assert call.state is CallState.EARLY


def test_route_set_of_the_answer() -> None:
    """RFC 3261 §13.2.2.4: the route set is that of the 2xx, whatever the 180 said."""
    rig = Rig()
    _, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="t", extra=("Record-Route: <sip:192.0.2.8;lr>",)))
    answer = response(invite, 200, to_tag="t", extra=("Record-Route: <sip:192.0.2.9;lr>",))
    (ack,) = rig.receive(answer)
    assert ack.elements("route") == ["<sip:192.0.2.9;lr>"]
