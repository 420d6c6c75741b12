"""Server transactions on a fake clock: retransmissions absorbed, timers G, H, I, J, L, matching."""

from __future__ import annotations

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.events import InviteReceived, RequestReceived
from ivrbench.sip.message import SipResponse

from .helpers import SDP, TCP, Rig, request, sip


def test_invite_copy_before_answer_gets_last_provisional() -> None:
    """RFC 3261 §17.2.1: in Proceeding a copy of the INVITE gets the last 1xx again, and no second
    call.
    """
    rig = Rig()
    call = rig.invited()
    assert rig.codes() == []
    call.provisional(180, now=rig.now)
    rig.sent()
    (again,) = rig.receive(request("INVITE", branch="inv", body=SDP))
    assert isinstance(again, SipResponse)
    assert again.code == 180
    assert rig.events() == []


def test_final_response_resent_until_ack() -> None:
    """RFC 3261 §17.2.1: timer G doubles to T2, timer H ends it; RFC timers in seconds."""
    rig = Rig()
    rig.invited().reject(486, now=rig.now)
    start = rig.now
    rig.sent()
    times = []
    while rig.endpoint.stats().server_transactions:
        due = rig.endpoint.deadline()
        assert due is not None
        if rig.pass_time(due - rig.now):
            times.append(round(rig.now - start, 3))
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert rig.now - start == pytest.approx(32.0)
    rig.assert_empty()


def test_ack_stops_final_response_and_lingers_t4() -> None:
    """RFC 3261 §17.2.1: ACK moves to Confirmed; timer I absorbs more ACKs for T4."""
    rig = Rig()
    call = rig.invited()
    call.reject(486, now=rig.now)
    rig.sent()
    ack = request("ACK", branch="inv", to_tag=call.dialog.local_tag)
    assert rig.receive(ack) == []
    assert rig.receive(ack) == []
    assert rig.receive(request("INVITE", branch="inv", body=SDP)) == []
    assert rig.pass_time(4.9) == []
    assert rig.endpoint.stats().server_transactions == 1
    rig.pass_time(0.2)
    rig.assert_empty()


def test_reliable_transport_has_no_timers_g_i_j() -> None:
    """RFC 3261 §17.2: over TCP nothing is repeated and nothing lingers."""
    rig = Rig(flow=TCP)
    call = rig.invited()
    call.reject(486, now=rig.now)
    rig.sent()
    assert rig.pass_time(5) == []
    rig.receive(request("ACK", branch="inv", to_tag=call.dialog.local_tag))
    rig.assert_empty()
    rig.events()
    rig.receive(request("MESSAGE", branch="msg", call_id="other"))
    event = rig.event(RequestReceived)
    rig.endpoint.respond(event.request, 200, now=rig.now)
    rig.assert_empty()


def test_non_invite_copy_absorbed_then_answered_again() -> None:
    """RFC 3261 §17.2.2: copies are ignored in Trying, answered again in Completed until timer J."""
    rig = Rig()
    message = request("MESSAGE", branch="msg")
    assert rig.receive(message) == []
    event = rig.event(RequestReceived)
    assert rig.receive(message) == []
    rig.endpoint.respond(event.request, 200, now=rig.now)
    assert rig.codes() == [200]
    (again,) = rig.receive(message)
    assert isinstance(again, SipResponse)
    assert again.code == 200
    rig.pass_time(32.1)
    rig.assert_empty()
    rig.receive(message)
    assert isinstance(rig.event(RequestReceived), RequestReceived)


def test_second_final_answer_is_refused() -> None:
    """One request has one final response."""
    rig = Rig()
    rig.receive(request("MESSAGE", branch="msg"))
    event = rig.event(RequestReceived)
    rig.endpoint.respond(event.request, 200, now=rig.now)
    with pytest.raises(LocalProtocolError):
        rig.endpoint.respond(event.request, 500, now=rig.now)


def test_same_branch_from_other_sent_by_is_another_request() -> None:
    """RFC 3261 §17.2.3: the sent-by is part of the key."""
    rig = Rig()
    rig.receive(request("MESSAGE", branch="x"))
    other = request("MESSAGE", branch="x", from_tag="q").replace(
        b"UDP 192.0.2.2:", b"UDP 192.0.2.9:"
    )
    rig.receive(other)
    assert len(rig.events()) == 2


def test_rfc_2543_invite_is_matched_without_branch() -> None:
    """RFC 3261 §17.2.3: without the cookie, URI, tags, Call-ID, CSeq and Via tell copies apart."""
    rig = Rig()
    text = """INVITE sip:menu@192.0.2.1 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.2:5060
        From: <sip:old@192.0.2.2>
        To: <sip:menu@192.0.2.1>
        Call-ID: old
        CSeq: 1 INVITE"""
    rig.receive(sip(text))
    call = rig.event(InviteReceived).call
    assert call.dialog.remote_target == "sip:old@192.0.2.2"
    assert len(rig.receive(sip(text))) == 1
    assert rig.events() == []
    call.reject(486, now=rig.now)
    rig.sent()
    rig.events()
    wrong = text.replace("INVITE sip", "ACK sip").replace("CSeq: 1 INVITE", "CSeq: 1 ACK")
    rig.receive(sip(wrong))
    assert len(rig.pass_time(0.6)) == 1, "an ACK for another To tag must not stop timer G"
    right = wrong.replace("192.0.2.1>\n", f"192.0.2.1>;tag={call.dialog.local_tag}\n")
    rig.receive(sip(right))
    assert rig.pass_time(4) == []
    rig.pass_time(60)
    rig.assert_empty()


def test_connection_lost_while_ringing_ends_the_call() -> None:
    """RFC 3261 §17.2.4: a transport error before the answer terminates the transaction; the user is
    told.
    """
    rig = Rig(flow=TCP)
    rig.invited()
    rig.endpoint.flow_failed(TCP, rig.now)
    assert [type(event).__name__ for event in rig.events()] == ["CallEnded"]
    rig.assert_empty()


@pytest.mark.parametrize(
    ("via", "host", "port", "stamp"),
    [
        (
            "192.0.2.2:5060;branch=z9hG4bK1;rport",
            "192.0.2.2",
            5060,
            "rport=5060;received=192.0.2.2",
        ),
        ("10.0.0.1:5070;branch=z9hG4bK1;rport", "192.0.2.2", 5060, "rport=5060;received=192.0.2.2"),
        ("10.0.0.1:5070;branch=z9hG4bK1", "192.0.2.2", 5070, "received=192.0.2.2"),
        ("10.0.0.1;branch=z9hG4bK1;received=9.9.9.9", "192.0.2.2", 5060, "received=192.0.2.2"),
        ("192.0.2.2:5099;branch=z9hG4bK1", "192.0.2.2", 5099, "branch=z9hG4bK1"),
    ],
)
def test_where_the_answer_goes(via: str, host: str, port: int, stamp: str) -> None:
    """RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4: received, rport, sent-by port."""
    rig = Rig()
    (answer,) = rig.receive(
        sip(
            f"""OPTIONS sip:menu@192.0.2.1 SIP/2.0
            Via: SIP/2.0/UDP {via}
            From: <sip:a@b>;tag=1
            To: <sip:menu@192.0.2.1>
            Call-ID: o
            CSeq: 1 OPTIONS"""
        )
    )
    assert rig.flows[-1].remote == (host, port)
    assert answer.header("via").endswith(stamp)
    assert "9.9.9.9" not in answer.header("via")
