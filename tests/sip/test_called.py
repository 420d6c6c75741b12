"""The called side of a call: answers, ACK, CANCEL, BYE, re-INVITE, requests within the dialog."""

from __future__ import annotations

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.call_state import CALL_TABLE, CallEvent, CallState
from ivrbench.sip.dialog import DialogState
from ivrbench.sip.events import (
    AckReceived,
    AckTimedOut,
    ByeReceived,
    CallEnded,
    CancelReceived,
    EndCause,
    InviteReceived,
    ReinviteReceived,
    RequestReceived,
    ResponseReceived,
)
from ivrbench.sip.message import SipRequest, SipResponse

from .helpers import SDP, TCP, Rig, request, response


def kinds(rig: Rig) -> list[str]:
    return [type(event).__name__ for event in rig.events()]


def test_trying_goes_out_at_once_without_tag() -> None:
    """100 comes before the user hears of the INVITE, and makes no dialog (no To tag)."""
    rig = Rig()
    (trying,) = rig.receive(request("INVITE", branch="inv", body=SDP))
    assert isinstance(trying, SipResponse)
    assert (trying.code, trying.to_tag) == (100, "")
    assert isinstance(rig.event(InviteReceived).call.state, CallState)


def test_dialog_of_the_invite() -> None:
    """RFC 3261 §12.1.1: tags, parties, target, route set in order, sequence numbers."""
    rig = Rig()
    extra = "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\nRecord-Route: <sip:p0.example>"
    call = rig.invited(extra=extra)
    dialog = call.dialog
    assert dialog.remote_tag == "peer"
    assert dialog.remote_party == '"Peer" <sip:peer@192.0.2.2>'
    assert dialog.local_party == "<sip:menu@192.0.2.1>"
    assert dialog.remote_target == "sip:peer@192.0.2.2:5060"
    assert dialog.route_set == ("<sip:p2.example;lr>", "<sip:p1.example;lr>", "<sip:p0.example>")
    assert (dialog.remote_cseq, dialog.next_cseq) == (1, 10)
    call.provisional(183, body=SDP, content_type="application/sdp", now=rig.now)
    (progress,) = rig.sent()
    assert progress.to_tag == dialog.local_tag
    assert progress.headers("record-route") == [
        "<sip:p2.example;lr>, <sip:p1.example;lr>",
        "<sip:p0.example>",
    ]
    assert progress.contact is not None
    assert progress.contact.uri == "sip:menu@192.0.2.1:5060"
    assert (call.state, dialog.state) == (CallState.EARLY, DialogState.EARLY)


def test_2xx_is_repeated_until_ack() -> None:
    """RFC 3261 §13.3.1.4: T1, doubling to T2, over every transport; the ACK ends it and is told
    once.
    """
    for flow in (None, TCP):
        rig = Rig(flow=flow) if flow else Rig()
        call = rig.invited()
        call.accept(body=SDP, content_type="application/sdp", now=rig.now)
        assert rig.codes() == [200]
        assert len(rig.pass_time(8)) == 4
        ack = request("ACK", branch="ack", to_tag=call.dialog.local_tag)
        rig.receive(ack)
        assert isinstance(rig.event(AckReceived), AckReceived)
        rig.receive(ack)
        rig.receive(request("ACK", branch="ack2", to_tag=call.dialog.local_tag))
        assert rig.events() == []
        assert rig.pass_time(60) == []
        assert call.state is CallState.CONNECTED


def test_invite_copy_after_2xx_is_absorbed() -> None:
    """RFC 6026 §7.1: in Accepted a copy of the INVITE is no new call and no answer by itself."""
    rig = Rig()
    call = rig.invited()
    call.accept(now=rig.now)
    rig.sent()
    assert rig.receive(request("INVITE", branch="inv", body=SDP)) == []
    assert rig.events() == []


def test_missing_ack_hangs_up() -> None:
    """RFC 3261 §13.3.1.4: no ACK within 64*T1: told, BYE, and its answer ends the call."""
    rig = Rig()
    rig.invited().accept(now=rig.now)
    sent = rig.pass_time(32.01)
    assert isinstance(sent[-1], SipRequest)
    assert sent[-1].method == "BYE"
    assert isinstance(rig.event(AckTimedOut), AckTimedOut)
    rig.receive(response(sent[-1], 200))
    answered, ended = rig.events()
    assert isinstance(answered, ResponseReceived)
    assert isinstance(ended, CallEnded)
    assert ended.cause is EndCause.ACK_TIMED_OUT
    rig.pass_time(64)
    rig.assert_empty()


def test_bye_waits_for_the_ack() -> None:
    """RFC 3261 §15: the called side sends no BYE before the ACK of its 2xx."""
    rig = Rig()
    call = rig.invited()
    call.accept(now=rig.now)
    call.bye([("X-Why", "done")], now=rig.now)
    assert rig.codes() == [200]
    assert call.state is CallState.DISCONNECTING
    (bye,) = rig.receive(request("ACK", branch="ack", to_tag=call.dialog.local_tag))
    assert isinstance(bye, SipRequest)
    assert (bye.method, bye.header("X-Why"), bye.cseq) == ("BYE", "done", 10)
    assert (bye.uri, bye.to_tag) == ("sip:peer@192.0.2.2:5060", "peer")
    assert kinds(rig) == ["AckReceived"]
    rig.receive(response(bye, 200))
    assert kinds(rig) == ["ResponseReceived", "CallEnded"]


def test_unanswered_bye_ends_the_call() -> None:
    """A BYE without answer is a 408 of our own, and the end."""
    rig = Rig()
    call = rig.connected()
    call.bye(now=rig.now)
    rig.pass_time(33)
    assert kinds(rig) == ["RequestTimedOut", "CallEnded"]
    rig.assert_empty()


def test_cancel_before_the_answer() -> None:
    """RFC 3261 §9.2: 200 to the CANCEL with the INVITE's tag, 487 to the INVITE; the call ends
    once.
    """
    rig = Rig()
    call = rig.invited()
    call.provisional(180, now=rig.now)
    rig.sent()
    ok, terminated = rig.receive(request("CANCEL", branch="inv"))
    assert isinstance(ok, SipResponse)
    assert isinstance(terminated, SipResponse)
    assert (ok.code, ok.cseq_method, ok.to_tag) == (200, "CANCEL", call.dialog.local_tag)
    assert (terminated.code, terminated.cseq_method) == (487, "INVITE")
    cancelled, ended = rig.events()
    assert isinstance(cancelled, CancelReceived)
    assert isinstance(ended, CallEnded)
    assert ended.cause is EndCause.CANCEL_RECEIVED
    call.accept(now=rig.now)
    call.bye(now=rig.now)
    assert rig.sent() == [], "the methods of an ended call do nothing"
    rig.receive(request("ACK", branch="inv", to_tag=call.dialog.local_tag))
    rig.pass_time(64)
    rig.assert_empty()


def test_cancel_after_the_answer_changes_nothing() -> None:
    """RFC 3261 §9.2: a CANCEL that lost the race gets 200 and has no effect."""
    rig = Rig()
    call = rig.invited()
    call.accept(now=rig.now)
    rig.sent()
    rig.receive(request("CANCEL", branch="inv"))
    assert rig.events() == []
    assert call.state is CallState.CONNECTED


def test_cancel_for_nothing() -> None:
    """RFC 3261 §9.2: no INVITE to cancel: 481."""
    rig = Rig()
    (answer,) = rig.receive(request("CANCEL", branch="nothing"))
    assert isinstance(answer, SipResponse)
    assert answer.code == 481
    rig.assert_empty()


def test_bye_received() -> None:
    """200 at once, told, ended; a later request of that dialog is 481, an ACK is dropped."""
    rig = Rig()
    call = rig.connected()
    tag = call.dialog.local_tag
    (ok,) = rig.receive(request("BYE", branch="bye", cseq=2, to_tag=tag))
    assert isinstance(ok, SipResponse)
    assert ok.code == 200
    assert kinds(rig) == ["ByeReceived", "CallEnded"]
    assert rig.receive(request("ACK", branch="late", to_tag=tag)) == []
    (gone,) = rig.receive(request("INFO", branch="info", cseq=3, to_tag=tag))
    assert isinstance(gone, SipResponse)
    assert gone.code == 481
    rig.pass_time(64)
    rig.assert_empty()


def test_relayed_bye_is_answered_by_the_user() -> None:
    """With `relay_bye` the call ends when the user answered the BYE."""
    rig = Rig()
    call = rig.connected()
    call.relay_bye = True
    assert rig.receive(request("BYE", branch="bye", cseq=2, to_tag=call.dialog.local_tag)) == []
    event = rig.event(ByeReceived)
    assert call.state is CallState.DISCONNECTING
    call.respond(event.request, 200, headers=[("X-Relayed", "yes")], now=rig.now)
    (ok,) = rig.sent()
    assert ok.header("x-relayed") == "yes"
    assert kinds(rig) == ["CallEnded"]


def test_bye_before_the_answer() -> None:
    """RFC 3261 §15.1.2: a BYE in an early dialog: 487 to the INVITE, 200 to the BYE."""
    rig = Rig()
    call = rig.invited()
    call.provisional(180, now=rig.now)
    rig.sent()
    rig.receive(request("BYE", branch="bye", cseq=2, to_tag=call.dialog.local_tag))
    assert kinds(rig) == ["ByeReceived", "CallEnded"]
    assert rig.endpoint.stats().calls == 0


def test_reinvite_answer_and_target_refresh() -> None:
    """RFC 3261 §12.2.2: a re-INVITE is told, its 2xx repeated, its Contact the new target."""
    rig = Rig()
    call = rig.connected()
    tag = call.dialog.local_tag
    moved = "<sip:peer@192.0.2.77:5062>"
    rig.receive(request("INVITE", branch="re", cseq=2, to_tag=tag, body=SDP, contact=moved))
    event = rig.event(ReinviteReceived)
    assert call.dialog.remote_target == "sip:peer@192.0.2.2:5060", "not before the 2xx"
    call.respond(event.request, 200, body=SDP, content_type="application/sdp", now=rig.now)
    assert len(rig.pass_time(1)) == 2
    rig.receive(request("ACK", branch="ack2", cseq=2, to_tag=tag))
    assert kinds(rig) == ["AckReceived"]
    assert call.dialog.remote_target == "sip:peer@192.0.2.77:5062"
    call.bye(now=rig.now)
    rig.sent()
    assert rig.flows[-1].remote == ("192.0.2.77", 5062)


def test_refused_reinvite_leaves_the_call() -> None:
    """RFC 3261 §14.2: a non-2xx to a re-INVITE changes nothing."""
    rig = Rig()
    call = rig.connected()
    data = request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag, body=SDP)
    rig.receive(data)
    call.respond(rig.event(ReinviteReceived).request, 488, now=rig.now)
    assert call.state is CallState.CONNECTED
    assert not call.invite_pending


def test_cancelled_reinvite_leaves_the_call() -> None:
    """A CANCEL of a re-INVITE ends that INVITE only."""
    rig = Rig()
    call = rig.connected()
    rig.receive(request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag, body=SDP))
    rig.events()
    rig.receive(request("CANCEL", branch="re", cseq=2, to_tag=call.dialog.local_tag))
    assert kinds(rig) == ["CancelReceived"]
    assert call.state is CallState.CONNECTED


def test_overlapping_invites() -> None:
    """RFC 3261 §14.2: 500 with Retry-After while theirs is unanswered, 491 while ours is."""
    rig = Rig()
    call = rig.connected()
    tag = call.dialog.local_tag
    rig.receive(request("INVITE", branch="re1", cseq=2, to_tag=tag, body=SDP))
    first = rig.event(ReinviteReceived).request
    (busy,) = rig.receive(request("INVITE", branch="re2", cseq=3, to_tag=tag, body=SDP))
    assert isinstance(busy, SipResponse)
    assert (busy.code, busy.header("retry-after")) == (500, "10")
    call.respond(first, 488, now=rig.now)
    call.reinvite(SDP, now=rig.now)
    rig.sent()
    (glare,) = rig.receive(request("INVITE", branch="re3", cseq=4, to_tag=tag, body=SDP))
    assert isinstance(glare, SipResponse)
    assert glare.code == 491
    with pytest.raises(LocalProtocolError):
        call.reinvite(SDP, now=rig.now)


def test_reinvite_while_the_answer_is_due_in_the_ack() -> None:
    """RFC 5407 §3.1.5: our 2xx held the offer, its answer is still to come: 491."""
    rig = Rig()
    call = rig.invited(body=b"")
    call.accept(body=SDP, content_type="application/sdp", now=rig.now)
    rig.sent()
    tag = call.dialog.local_tag
    (glare,) = rig.receive(request("INVITE", branch="re", cseq=2, to_tag=tag, body=SDP))
    assert isinstance(glare, SipResponse)
    assert glare.code == 491


def test_requests_in_the_dialog() -> None:
    """INFO and the like are the user's to answer; a stale CSeq number is 500."""
    rig = Rig()
    call = rig.connected()
    tag = call.dialog.local_tag
    info = request("INFO", branch="i5", cseq=5, to_tag=tag, body=b"Signal=1\r\n")
    assert rig.receive(info) == []
    event = rig.event(RequestReceived)
    assert event.call is call
    assert event.request.body == b"Signal=1\r\n"
    call.respond(event.request, 200, now=rig.now)
    assert rig.codes() == [200]
    (stale,) = rig.receive(request("INFO", branch="i4", cseq=4, to_tag=tag))
    assert isinstance(stale, SipResponse)
    assert stale.code == 500
    assert rig.events() == []


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Bad", "a\r\nInjected: yes")],
        [("X-Bad", "a\nb")],
        [("X-Bad", "nul\0")],
        [("Bad Name", "x")],
        [("Via", "x")],
        [("v", "x")],
        [("Content-Length", "0")],
    ],
)
def test_headers_that_cannot_be_sent(headers: list[tuple[str, str]]) -> None:
    """Nothing given by a script can end a line or double a header of ours; the call is unharmed."""
    rig = Rig()
    call = rig.invited()
    for send in (call.accept, call.bye):
        with pytest.raises(LocalProtocolError):
            send(headers, now=rig.now)
    with pytest.raises(LocalProtocolError):
        call.reject(486, "Busy\r\nX: y", now=rig.now)
    assert rig.sent() == []
    call.accept(now=rig.now)
    assert rig.codes() == [200]


def test_second_answer_is_refused() -> None:
    """`accept` after `accept` is a mistake of ours and says so."""
    rig = Rig()
    call = rig.invited()
    call.accept(now=rig.now)
    with pytest.raises(LocalProtocolError):
        call.reject(486, now=rig.now)


def test_drop_forgets_silently() -> None:
    """`drop` sends nothing and leaves nothing."""
    rig = Rig()
    call = rig.invited()
    call.drop(now=rig.now)
    assert rig.sent() == []
    assert kinds(rig) == ["CallEnded"]
    rig.assert_empty()


def test_lost_connection_finds_a_new_way() -> None:
    """After its connection closed a call's next request goes to the target on a connection not made
    yet.
    """
    rig = Rig(flow=TCP)
    call = rig.connected()
    rig.endpoint.flow_failed(TCP, rig.now)
    assert rig.events() == []
    call.bye(now=rig.now)
    rig.sent()
    assert (rig.flows[-1].connection_id, rig.flows[-1].remote) == (0, ("192.0.2.2", 5060))


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("event", CallEvent)
def test_call_table(state: CallState, event: CallEvent) -> None:
    """Every state but the last can end, the last none can leave, and CANCELLING never connects."""
    after = CALL_TABLE[state].get(event)
    if state is CallState.DISCONNECTED:
        assert after is None
    elif event is CallEvent.ENDED:
        assert after is CallState.DISCONNECTED
    elif event is CallEvent.ANSWERED:
        early = (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY)
        assert (after is CallState.CONNECTED) == (state in early)
