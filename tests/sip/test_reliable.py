"""Reliable provisional responses and PRACK both ways (RFC 3262), and UPDATE (RFC 3311)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.call_state import CallState
from ivrbench.sip.events import (
    AckReceived,
    CallEnded,
    EndCause,
    ProvisionalReceived,
    ReinviteReceived,
    RequestReceived,
    ResponseReceived,
)
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.timers import Timers

from .helpers import SDP, Rig, request, response

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall

SUPPORTED = "Supported: 100rel"
REQUIRED = "Require: 100rel"


def prack(call: InviteCall, rseq: str, *, cseq: int = 2, body: bytes = b"", on: int = 1) -> bytes:
    return request(
        "PRACK",
        branch=f"prack{cseq}",
        cseq=cseq,
        to_tag=call.dialog.local_tag,
        extra=f"RAck: {rseq} {on} INVITE",
        body=body,
    )


def progress(rig: Rig, call: InviteCall, code: int = 183, body: bytes = SDP) -> SipResponse:
    call.provisional(code, body=body, content_type="application/sdp", now=rig.now)
    (sent,) = rig.sent()
    assert isinstance(sent, SipResponse)
    return sent


def accept(rig: Rig, call: InviteCall) -> None:
    call.accept(body=SDP, content_type="application/sdp", now=rig.now)


def codes(sent: list[SipRequest | SipResponse]) -> list[int]:
    return [each.code for each in sent if isinstance(each, SipResponse)]


# --- called -----------------------------------------------------------------------------------


def test_description_goes_reliably() -> None:
    """RFC 3262 §3: RSeq and Require, repeated from T1 doubling without cap until the PRACK."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    first = progress(rig, call)
    assert (first.header("require"), first.code) == ("100rel", 183)
    assert first.header("contact")
    copies = rig.pass_time(15.6)
    assert codes(copies) == [183] * 5, "at 0.5, 1.5, 3.5, 7.5 and 15.5 s"
    assert {each.header("rseq") for each in copies} == {first.header("rseq")}
    (ok,) = rig.receive(prack(call, first.header("rseq")))
    assert isinstance(ok, SipResponse)
    assert (ok.code, ok.cseq_method) == (200, "PRACK")
    assert rig.events() == [], "a PRACK without a body is nobody's business"
    assert rig.pass_time(40) == []
    accept(rig, call)
    assert rig.codes() == [200]


def test_ringing_and_old_callers_get_no_prack() -> None:
    """180 without a body is not worth it; a caller that does not know 100rel cannot."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    assert not progress(rig, call, 180, b"").has("rseq")
    call.provisional(182, reliable=True, now=rig.now)
    (asked,) = rig.sent()
    assert asked.has("rseq"), "the user may ask for it"
    rig = Rig()
    call = rig.invited()
    assert not progress(rig, call).has("rseq")
    with pytest.raises(LocalProtocolError):
        call.provisional(183, reliable=True, now=rig.now)
    rig = Rig(EndpointSettings(supported=()))
    call = rig.invited(extra=SUPPORTED)
    assert not progress(rig, call).has("rseq")
    (refused,) = rig.receive(request("INVITE", branch="x", call_id="x", extra=REQUIRED))
    assert isinstance(refused, SipResponse)
    assert (refused.code, refused.header("unsupported")) == (420, "100rel")


def test_required_means_every_1xx() -> None:
    """RFC 3262 §3: with Require: 100rel nothing but 100 goes unreliably; one after the other."""
    rig = Rig()
    call = rig.invited(extra=REQUIRED)
    first = progress(rig, call, 180, b"")
    call.provisional(181, now=rig.now)
    call.provisional(183, body=SDP, content_type="application/sdp", now=rig.now)
    assert rig.sent() == [], "not before the PRACK of the one before"
    second, ok = rig.receive(prack(call, first.header("rseq")))
    assert int(second.header("rseq")) == int(first.header("rseq")) + 1
    assert codes([second, ok]) == [181, 200]
    third, _ = rig.receive(prack(call, second.header("rseq"), cseq=3))
    assert codes([third]) == [183]


def test_2xx_waits_for_the_prack() -> None:
    """RFC 3262 §3: no 2xx while a description is unconfirmed; it goes out by itself."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    early = progress(rig, call)
    accept(rig, call)
    assert rig.sent() == []
    with pytest.raises(LocalProtocolError):
        accept(rig, call)
    assert str(call.state) == "Early"
    sent = rig.receive(prack(call, early.header("rseq")))
    assert sorted((each.header("cseq"), *codes([each])) for each in sent) == [
        ("1 INVITE", 200),
        ("2 PRACK", 200),
    ]
    assert call.state is CallState.CONNECTED
    rig.receive(request("ACK", branch="a", to_tag=call.dialog.local_tag))
    rig.event(AckReceived)
    rig.pass_time(40)
    assert rig.endpoint.stats().timers == 0


@pytest.mark.parametrize("how", ["cancel", "bye", "drop", "peer"])
def test_end_while_the_2xx_waits(how: str) -> None:
    """Whatever ends the call then, the INVITE gets one final answer, and nothing is left."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    progress(rig, call)
    accept(rig, call)
    if how == "cancel":
        assert codes(rig.receive(request("CANCEL", branch="inv"))) == [200, 487]
    elif how == "peer":
        bye = request("BYE", branch="b", cseq=2, to_tag=call.dialog.local_tag)
        assert codes(rig.receive(bye)) == [487, 200]
    elif how == "bye":
        call.bye(now=rig.now)
        assert rig.codes() == [487]
    else:
        call.drop(now=rig.now)
        assert rig.sent() == []
    assert isinstance(rig.events()[-1], CallEnded)
    rig.pass_time(70)
    rig.assert_empty()


def test_prack_that_never_comes() -> None:
    """RFC 3262 §3: after 64*T1 the INVITE is refused with a 5xx."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    progress(rig, call)
    sent = rig.pass_time(32.1)
    assert codes(sent)[-1] == 504
    end = rig.event(CallEnded)
    assert end.cause is EndCause.PRACK_TIMED_OUT
    assert call.state is CallState.DISCONNECTED
    rig.pass_time(40)
    rig.assert_empty()


@pytest.mark.parametrize(
    ("rack", "code"),
    [("1 1 INVITE", 481), ("{} 2 INVITE", 481), ("{} 1 UPDATE", 481), ("x", 400), ("", 400)],
)
def test_prack_for_nothing(rack: str, code: int) -> None:
    """RFC 3262 §3: one that matches nothing gets 481, and stops nothing."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    rseq = progress(rig, call).header("rseq")
    data = request(
        "PRACK",
        branch="p",
        cseq=2,
        to_tag=call.dialog.local_tag,
        extra=f"RAck: {rack.format(rseq)}" if rack else "",
    )
    assert codes(rig.receive(data)) == [code]
    assert codes(rig.pass_time(0.6)) == [183]


def test_second_prack_is_for_nothing() -> None:
    """The same RAck in a new request acknowledges nothing any more."""
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    rseq = progress(rig, call).header("rseq")
    assert codes(rig.receive(prack(call, rseq))) == [200]
    assert codes(rig.receive(prack(call, rseq))) == [200], "a copy gets the answer again"
    assert codes(rig.receive(prack(call, rseq, cseq=3))) == [481]


def test_offer_in_183_answer_in_prack() -> None:
    """RFC 3262 §5: an INVITE without offer gets ours in the 183; the PRACK brings the answer, and
    the ACK needs none.
    """
    rig = Rig()
    call = rig.invited(body=b"", extra=SUPPORTED)
    early = progress(rig, call)
    assert call.offer_sent
    assert rig.receive(prack(call, early.header("rseq"), body=SDP)) == []
    event = rig.event(RequestReceived)
    assert event.request.body == SDP
    assert not call.offer_sent
    call.respond(event.request, 200, now=rig.now)
    assert rig.codes() == [200]
    call.accept(now=rig.now)
    assert rig.codes() == [200]
    assert not call.offer_sent
    rig.receive(request("ACK", branch="a", to_tag=call.dialog.local_tag))
    rig.event(AckReceived)


def test_long_ringing_is_refreshed() -> None:
    """RFC 3261 §13.3.1.1: once a minute the last 1xx again, 183 where there was none."""
    rig = Rig()
    rig.invited()
    assert codes(rig.pass_time(61)) == [183]
    rig = Rig()
    call = rig.invited()
    progress(rig, call, 180, b"")
    assert codes(rig.pass_time(181)) == [180, 180, 180]
    rig.receive(request("CANCEL", branch="inv"))
    rig.events()
    assert codes(rig.pass_time(200)) == [487] * 10, "timer G, and nothing else"
    rig = Rig()
    call = rig.invited(extra=SUPPORTED)
    rseq = progress(rig, call).header("rseq")
    rig.receive(prack(call, rseq))
    (again,) = rig.pass_time(61)
    assert not again.has("rseq")


# --- calling ----------------------------------------------------------------------------------


def reliable(
    invite: SipRequest, rseq: int, tag: str = "t", code: int = 183, body: bytes = SDP
) -> bytes:
    extra = [REQUIRED, f"RSeq: {rseq}"]
    return response(invite, code, to_tag=tag, extra=extra, body=body)


def test_reliable_1xx_is_acknowledged() -> None:
    """RFC 3262 §4: PRACK in the early dialog, once; copies and those after a gap get none."""
    rig = Rig()
    call, invite = rig.calling()
    assert invite.elements("supported") == ["100rel", "replaces", "timer"]
    (sent,) = rig.receive(reliable(invite, 17))
    assert isinstance(sent, SipRequest)
    assert (sent.method, sent.to_tag, sent.header("rack")) == ("PRACK", "t", "17 10 INVITE")
    assert (sent.uri, sent.cseq) == ("sip:menu@192.0.2.2:5060", 11)
    rig.event(ProvisionalReceived)
    assert rig.receive(reliable(invite, 17)) == []
    assert rig.receive(reliable(invite, 19)) == []
    assert rig.events() == []
    (sent,) = rig.receive(reliable(invite, 18, code=180, body=b""))
    assert sent.header("rack") == "18 10 INVITE"
    (other,) = rig.receive(reliable(invite, 5, tag="fork"))
    assert isinstance(other, SipRequest)
    assert (other.to_tag, other.header("rack")) == ("fork", "5 10 INVITE")
    rig.events()
    rig.receive(response(invite, 200, to_tag="t", body=b""))
    call.bye(now=rig.now)
    *_, bye = rig.sent()
    assert bye.cseq == 13, "after two PRACKs of that dialog"


def test_prack_is_repeated_and_its_loss_changes_nothing() -> None:
    """A PRACK is a request like others; the call does not hang on its answer."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(reliable(invite, 1))
    assert len(rig.pass_time(33)) == 10
    rig.events()
    assert call.state is CallState.EARLY


def test_user_answers_the_offer_of_a_183() -> None:
    """RFC 3262 §5: our INVITE had no offer: the PRACK is the user's, with the answer; then the ACK
    is the core's.
    """
    rig = Rig()
    call, invite = rig.calling(body=b"")
    assert rig.receive(reliable(invite, 3)) == []
    event = rig.event(ProvisionalReceived)
    assert call.offer_received
    call.prack(event.response, SDP, now=rig.now)
    sent = rig.sent_request()
    assert (sent.method, sent.header("rack"), sent.body) == ("PRACK", "3 10 INVITE", SDP)
    assert not call.offer_received
    call.prack(event.response, SDP, now=rig.now)
    assert rig.sent() == []
    (ack,) = rig.receive(response(invite, 200, to_tag="t"))
    assert isinstance(ack, SipRequest)
    assert ack.method == "ACK"


# --- UPDATE -----------------------------------------------------------------------------------


def update(call: InviteCall, cseq: int, body: bytes = SDP) -> bytes:
    return request("UPDATE", branch=f"u{cseq}", cseq=cseq, to_tag=call.dialog.local_tag, body=body)


def test_update_while_one_is_unanswered() -> None:
    """RFC 3311 §5.2: 500 with Retry-After."""
    rig = Rig()
    call = rig.connected()
    rig.receive(update(call, 2))
    event = rig.event(RequestReceived)
    (refused,) = rig.receive(update(call, 3))
    assert isinstance(refused, SipResponse)
    assert (refused.code, refused.header("retry-after")) == (500, "10")
    invite = request("INVITE", branch="re", cseq=5, to_tag=call.dialog.local_tag, body=SDP)
    assert codes(rig.receive(invite)) == [500]
    call.respond(event.request, 200, body=SDP, content_type="application/sdp", now=rig.now)
    (ok,) = rig.sent()
    assert ok.has("contact")
    rig.receive(update(call, 6))
    rig.event(RequestReceived)


def test_update_against_our_offer() -> None:
    """RFC 3311 §5.2: 491 while our own offer has no answer; one without an offer is no conflict."""
    rig = Rig()
    call = rig.connected()
    ours = call.request("UPDATE", body=SDP, content_type="application/sdp", now=rig.now)
    rig.sent()
    assert codes(rig.receive(update(call, 2))) == [491]
    invite = request("INVITE", branch="re", cseq=3, to_tag=call.dialog.local_tag, body=SDP)
    assert codes(rig.receive(invite)) == [491]
    rig.receive(update(call, 4, b""))
    rig.event(RequestReceived)
    with pytest.raises(LocalProtocolError):
        call.request("UPDATE", body=SDP, now=rig.now)
    rig.receive(response(ours, 200, body=SDP))
    assert rig.event(ResponseReceived).request is ours
    call.request("UPDATE", body=SDP, now=rig.now)


def test_update_while_we_owe_an_answer() -> None:
    """RFC 3311 §5.2: 500 while the offer of an INVITE waits for our answer."""
    rig = Rig()
    call = rig.connected()
    rig.receive(request("INVITE", branch="re", cseq=2, to_tag=call.dialog.local_tag, body=SDP))
    rig.event(ReinviteReceived)
    assert codes(rig.receive(update(call, 3))) == [500]


def test_update_in_an_early_dialog() -> None:
    """RFC 3311 §5: allowed once the 183 and its PRACK settled the first offer."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(response(invite, 183, to_tag="t", body=SDP))
    rig.events()
    with pytest.raises(LocalProtocolError):
        call.request("UPDATE", body=SDP, now=rig.now)
    rig.receive(reliable(invite, 1))
    rig.events()
    sent = call.request("UPDATE", body=SDP, content_type="application/sdp", now=rig.now)
    assert sent.to_tag == "t"


@pytest.mark.parametrize("who", ["peer", "drop"])
def test_unanswered_requests_end_with_the_call(who: str) -> None:
    """RFC 3261 §15.1.2: what nobody answered gets 487 when the call ends, and is not kept."""
    rig = Rig()
    call = rig.connected()
    rig.receive(update(call, 2))
    info = request("INFO", branch="i", cseq=3, to_tag=call.dialog.local_tag)
    rig.receive(info)
    first, _ = rig.events()
    if who == "drop":
        call.drop(now=rig.now)
        assert rig.sent() == []
    else:
        bye = request("BYE", branch="b", cseq=4, to_tag=call.dialog.local_tag)
        assert sorted(codes(rig.receive(bye))) == [200, 487, 487]
    assert isinstance(rig.events()[-1], CallEnded)
    assert isinstance(first, RequestReceived)
    call.respond(first.request, 200, now=rig.now)
    assert rig.sent() == []
    rig.pass_time(64)
    rig.assert_empty()


def test_held_2xx_is_not_refreshed_by_a_1xx() -> None:
    """While the answer waits for its PRACK nothing else is said, minutes or not."""
    slow = EndpointSettings(timers=Timers(t1_s=4.0))
    rig = Rig(slow)
    call = rig.invited(extra=SUPPORTED)
    rseq = progress(rig, call).header("rseq")
    accept(rig, call)
    sent = rig.pass_time(61)
    assert {each.header("rseq") for each in sent} == {rseq}


def test_user_may_say_trying() -> None:
    """100 to an INVITE, or to a request within the call, changes nothing and may be sent."""
    rig = Rig()
    call = rig.invited()
    call.provisional(100, now=rig.now)
    assert rig.codes() == [100]
    assert str(call.state) == "Trying"
    rig = Rig()
    call = rig.connected()
    rig.receive(request("INFO", branch="i", cseq=2, to_tag=call.dialog.local_tag))
    asked = rig.event(RequestReceived).request
    call.respond(asked, 100, now=rig.now)
    call.respond(asked, 200, now=rig.now)
    assert rig.codes() == [100, 200]
