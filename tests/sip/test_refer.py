"""Transfers: REFER, its NOTIFYs, Replaces (RFC 3515, 3891, 3892, 4488), and Event (RFC 6665)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.sip.call_state import CallState
from ivrbench.sip.events import (
    CallEnded,
    EndCause,
    InviteReceived,
    RequestReceived,
    ResponseReceived,
)
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.refer import (
    ReferProgress,
    Replaces,
    parse_refer_to,
    parse_replaces,
    parse_sipfrag,
    refer_headers,
    replaces_value,
    sipfrag,
    transfer_uri,
)
from ivrbench.sip.settings import EndpointSettings

from .helpers import SDP, Rig, request, response

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall

REFER_TO = "Refer-To: <sip:desk@192.0.2.3;transport=tcp>"


def refer(call: InviteCall, extra: str = REFER_TO, cseq: int = 2) -> bytes:
    tag = call.dialog.local_tag
    return request("REFER", branch=f"refer{cseq}", cseq=cseq, to_tag=tag, extra=extra)


def codes(sent: list[SipRequest | SipResponse]) -> list[int]:
    return [each.code for each in sent if isinstance(each, SipResponse)]


# --- values -----------------------------------------------------------------------------------


def test_refer_to_values() -> None:
    """RFC 3515 §2.1, RFC 3891 §6: method, Replaces and other headers are taken out of the URI."""
    plain = parse_refer_to('"Desk" <sip:desk@192.0.2.3;method=INVITE;transport=tcp>')
    assert (plain.uri, plain.method) == ("sip:desk@192.0.2.3;transport=tcp", "INVITE")
    assert (plain.replaces, plain.headers) == (None, ())
    value = "<sip:d@h?Replaces=1%40a%3Bto-tag%3Dt%3Bfrom-tag%3Df%3Bearly-only&Subject=hi%20you>"
    full = parse_refer_to(value)
    assert full.replaces == Replaces("1@a", "t", "f", early_only=True)
    assert full.headers == (("Subject", "hi you"),)
    assert parse_refer_to("<sip:d@h;method=SUBSCRIBE>").method == "SUBSCRIBE"


@pytest.mark.parametrize("value", ["", "x", "<sip:a", "<desk>", "<sip:d@h?Replaces=1>"])
def test_unreadable_refer_to(value: str) -> None:
    """What cannot be read is 400, not a guess."""
    with pytest.raises(RemoteProtocolError):
        parse_refer_to(value)


@pytest.mark.parametrize(
    "value", ["", "1;to-tag=a", "1;from-tag=a", "1;to-tag=a;to-tag=b;from-tag=c", ";to-tag=a"]
)
def test_unreadable_replaces(value: str) -> None:
    """RFC 3891 §6.1: both tags, each once."""
    with pytest.raises(RemoteProtocolError):
        parse_replaces(value)


def test_sipfrag() -> None:
    """RFC 3420: a status line is enough; what holds none says nothing."""
    assert sipfrag(180) == b"SIP/2.0 180 Ringing\r\n"
    assert parse_sipfrag(b"SIP/2.0 603 No\r\nX: y\r\n") == (603, "No")
    assert parse_sipfrag(b"SIP/2.0 200") == (200, "")
    assert parse_sipfrag(b"INVITE sip:x SIP/2.0\r\n") is None
    with pytest.raises(LocalProtocolError):
        sipfrag(99)


# --- REFER received ---------------------------------------------------------------------------


def test_transfer_asked_of_us() -> None:
    """RFC 3515 §2.4: 202, NOTIFY with 100 at once, each report a NOTIFY, the final one the last."""
    rig = Rig()
    call = rig.connected()
    assert rig.receive(refer(call)) == []
    event = rig.event(RequestReceived)
    progress = ReferProgress(call, event.request, now=rig.now)
    assert progress.refer_to.uri == "sip:desk@192.0.2.3;transport=tcp"
    accepted, first = rig.sent()
    assert codes([accepted]) == [202]
    assert isinstance(first, SipRequest)
    assert (first.method, first.header("event")) == ("NOTIFY", "refer;id=2")
    assert first.header("subscription-state") == "active;expires=180"
    assert (first.content_type, first.body) == ("message/sipfrag", b"SIP/2.0 100 Trying\r\n")
    progress.report(180, now=rig.now)
    progress.report(200, now=rig.now)
    progress.report(486, now=rig.now)
    _, last = rig.sent()
    assert last.header("subscription-state") == "terminated;reason=noresource"
    assert parse_sipfrag(last.body) == (200, "OK")
    with pytest.raises(LocalProtocolError):
        ReferProgress(call, event.request, now=rig.now)


def test_transfer_without_reports() -> None:
    """RFC 4488: Refer-Sub: false: 200, and no NOTIFY."""
    rig = Rig()
    call = rig.connected()
    rig.receive(refer(call, REFER_TO + "\nRefer-Sub: false"))
    progress = ReferProgress(call, rig.event(RequestReceived).request, now=rig.now)
    progress.report(200, now=rig.now)
    (ok,) = rig.sent()
    assert codes([ok]) == [200]
    assert ok.header("refer-sub") == "false"


@pytest.mark.parametrize("extra", ["", f"{REFER_TO}\n{REFER_TO}", "Refer-To: nonsense"])
def test_unusable_refer(extra: str) -> None:
    """RFC 3515 §2.4.2: exactly one Refer-To, else 400."""
    rig = Rig()
    call = rig.connected()
    assert codes(rig.receive(refer(call, extra))) == [400]
    assert rig.events() == []


def test_report_after_the_call() -> None:
    """A report on a call that is over says nothing to nobody."""
    rig = Rig()
    call = rig.connected()
    rig.receive(refer(call))
    progress = ReferProgress(call, rig.event(RequestReceived).request, now=rig.now)
    rig.sent()
    call.drop(now=rig.now)
    progress.report(200, now=rig.now)
    assert rig.sent() == []


# --- REFER sent -------------------------------------------------------------------------------


def notify(
    call: InviteCall, cseq: int, state: str = "active", event: str = "Event: refer"
) -> bytes:
    return request(
        "NOTIFY",
        branch=f"n{cseq}",
        cseq=cseq,
        to_tag=call.dialog.local_tag,
        extra=f"{event}\nSubscription-State: {state}\nContent-Type: message/sipfrag",
        body=b"SIP/2.0 180 Ringing\r\n",
    )


def test_transfer_we_ask_for() -> None:
    """Its NOTIFYs come as requests; the default answer is 200 while it runs, then 481."""
    rig = Rig()
    call = rig.connected()
    headers = refer_headers("<sip:desk@192.0.2.3>", "<sip:menu@192.0.2.1>")
    sent = call.request("REFER", headers, now=rig.now)
    assert (sent.header("refer-to"), sent.header("b")) == (
        "<sip:desk@192.0.2.3>",
        "<sip:menu@192.0.2.1>",
    )
    rig.sent()
    rig.receive(response(sent, 202))
    rig.event(ResponseReceived)
    for cseq, state in ((2, "active"), (3, "terminated;reason=noresource")):
        rig.receive(notify(call, cseq, state))
        event = rig.event(RequestReceived)
        assert call.requests.default_answer(event.request) == (200, ())
        call.respond(event.request, 200, now=rig.now)
    rig.receive(notify(call, 4))
    event = rig.event(RequestReceived)
    assert call.requests.default_answer(event.request) == (481, ())


def test_refused_transfer_makes_no_subscription() -> None:
    """A NOTIFY after a refused REFER belongs to nothing."""
    rig = Rig()
    call = rig.connected()
    sent = call.request("REFER", refer_headers("<sip:desk@192.0.2.3>"), now=rig.now)
    rig.sent()
    rig.receive(response(sent, 603))
    rig.event(ResponseReceived)
    rig.receive(notify(call, 2))
    event = rig.event(RequestReceived)
    assert call.requests.default_answer(event.request)[0] == 481


@pytest.mark.parametrize(
    ("method", "extra", "code"),
    [
        ("SUBSCRIBE", "Event: presence", 489),
        ("SUBSCRIBE", "", 489),
        ("NOTIFY", "o: Presence;id=1", 489),
        ("SUBSCRIBE", "Event: refer", 403),
        ("OPTIONS", "", 200),
        ("UPDATE", "", 200),
        ("MESSAGE", "", 501),
        ("PUBLISH", "", 501),
    ],
)
def test_default_answers(method: str, extra: str, code: int) -> None:
    """RFC 6665 §7.3.2, RFC 3515 §2.4.4, RFC 3261 §8.2.1: what a request gets that nobody wants."""
    rig = Rig()
    call = rig.connected()
    rig.receive(request(method, branch="m", cseq=2, to_tag=call.dialog.local_tag, extra=extra))
    answer, headers = call.requests.default_answer(rig.event(RequestReceived).request)
    assert answer == code
    assert dict(headers).get("Allow-Events", "refer") == "refer"


# --- Replaces ---------------------------------------------------------------------------------


def taking_over(call: InviteCall, extra: str = "", from_tag: str = "peer") -> bytes:
    value = f"{call.dialog.call_id};to-tag={call.dialog.local_tag};from-tag={from_tag}{extra}"
    return request(
        "INVITE",
        branch="new",
        call_id="other",
        from_tag="third",
        body=SDP,
        extra=f"Replaces: {value}",
    )


def test_new_call_takes_the_place_of_another() -> None:
    """RFC 3891 §3: the replaced call is hung up once the new one is answered."""
    rig = Rig()
    old = rig.connected()
    rig.receive(taking_over(old))
    new = rig.event(InviteReceived).call
    assert new.replaces is old
    new.accept(body=SDP, content_type="application/sdp", now=rig.now)
    ok, bye = rig.sent()
    assert codes([ok]) == [200]
    assert isinstance(bye, SipRequest)
    assert (bye.method, bye.call_id) == ("BYE", old.dialog.call_id)
    rig.receive(response(bye, 200))
    _, end = rig.events()
    assert isinstance(end, CallEnded)
    assert (end.call, end.cause) == (old, EndCause.BYE_SENT)
    assert new.state is CallState.CONNECTED
    assert not new.replaces


def test_ringing_call_of_ours_is_taken_over() -> None:
    """RFC 3891 §3: an early dialog of our own is cancelled."""
    rig = Rig()
    old, invite = rig.calling()
    rig.receive(response(invite, 180, to_tag="ringing"))
    rig.events()
    rig.receive(taking_over(old, ";early-only", from_tag="ringing"))
    new = rig.event(InviteReceived).call
    new.accept(body=SDP, content_type="application/sdp", now=rig.now)
    assert [m.method for m in rig.sent() if isinstance(m, SipRequest)] == ["CANCEL"]


def test_calls_that_cannot_be_taken_over() -> None:
    """RFC 3891 §3: unknown, ringing here 481; answered, but early-only 486; ending 603; two 400."""
    rig = Rig()
    up = rig.connected()
    assert codes(rig.receive(taking_over(up, from_tag="stranger"))) == [481]
    assert codes(rig.receive(taking_over(up, ";early-only"))) == [486]
    two = taking_over(up).replace(b"\r\nContent-Length", b"\r\nReplaces: 1\r\nContent-Length")
    assert codes(rig.receive(two)) == [400]
    up.bye(now=rig.now)
    rig.sent()
    assert codes(rig.receive(taking_over(up))) == [603]
    rig = Rig()
    ringing = rig.invited()
    rig.sent()
    assert codes(rig.receive(taking_over(ringing))) == [481]
    assert len(rig.events()) == 0


def test_replaces_without_the_extension() -> None:
    """RFC 3891 §4: an agent that does not support it takes the call as any other."""
    rig = Rig(EndpointSettings(supported=()))
    old = rig.connected()
    rig.receive(taking_over(old))
    assert rig.event(InviteReceived).call.replaces is None


def test_attended_transfer_value() -> None:
    """RFC 5589 §7: what we hand out names the dialog as its other end sees it."""
    rig = Rig()
    call = rig.connected()
    value = transfer_uri("sip:desk@192.0.2.3", call.dialog)
    assert parse_refer_to(value).replaces == replaces_value(call.dialog)
    assert replaces_value(call.dialog).to_tag == "peer", "the tag of whom it is sent to"
    with pytest.raises(LocalProtocolError):
        transfer_uri("desk", call.dialog)
