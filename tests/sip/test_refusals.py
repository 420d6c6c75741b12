"""What the endpoint answers by itself: the rules of RFC 3261 §8.2 and what becomes of bad input."""

from __future__ import annotations

import pytest

from ivrbench.sip.events import InviteReceived, RequestReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.settings import EndpointSettings, MergedRequestPolicy

from .helpers import SDP, TCP, Rig, request, sip


def answer(rig: Rig, data: bytes) -> SipResponse:
    """The one answer to `data`; not checked, as it echoes what may have been wrong."""
    rig.endpoint.receive(data, rig.flow, rig.now)
    ((sent, flow),) = rig.endpoint.to_send()
    rig.flows.append(flow)
    message = parse_message(sent)
    assert isinstance(message, SipResponse)
    return message


def test_options_is_answered() -> None:
    """RFC 3261 §11.2: Allow and Accept; nothing is kept for it."""
    rig = Rig()
    ok = answer(rig, request("OPTIONS", branch="o"))
    assert ok.code == 200
    assert "INVITE" in ok.elements("allow")
    assert ok.header("accept") == "application/sdp"
    assert ok.to.tag
    rig.assert_empty()


def test_options_while_draining() -> None:
    """A proxy that probes with OPTIONS learns that no call should come here."""
    rig = Rig()
    rig.endpoint.draining = True
    busy = answer(rig, request("OPTIONS", branch="o"))
    assert (busy.code, busy.header("retry-after")) == (503, "60")


def test_options_for_the_user() -> None:
    """With `handle_options` the user answers."""
    rig = Rig()
    rig.endpoint.handle_options = True
    rig.receive(request("OPTIONS", branch="o"))
    event = rig.event(RequestReceived)
    rig.endpoint.respond(event.request, 404, headers=[("X-A", "b")], now=rig.now)
    assert rig.codes() == [404]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request("REGISTER", branch="1"), 405),
        (request("FROBNICATE", branch="1"), 501),
        (request("BYE", branch="1"), 481),
        (request("INFO", branch="1"), 481),
        (request("UPDATE", branch="1"), 481),
        (request("INFO", branch="1", to_tag="nobody"), 481),
        (request("INVITE", branch="1", to_tag="nobody"), 481),
        (request("INVITE", branch="1", uri="tel:+491234"), 416),
        (request("INVITE", branch="1", uri="sip:a@b:99999"), 400),
        (request("INVITE", branch="1", contact=""), 400),
        (request("INVITE", branch="1", contact="<mailto:a@b>"), 400),
        (request("INVITE", branch="1").replace(b"Forwards: 70", b"Forwards: 0"), 483),
        (request("INVITE", branch="1").replace(b"Forwards: 70", b"Forwards: x"), 400),
        (request("OPTIONS", branch="1").replace(b"Forwards: 70", b"Forwards: 0"), 200),
        (request("OPTIONS", branch="1").replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), 505),
        (request("OPTIONS", branch="1").replace(b"Length: 0", b"Length: 7"), 400),
        (request("OPTIONS", branch="1").replace(b"Length: 0", b"Length: 99999999"), 413),
        (request("OPTIONS", branch="1").replace(b"Call-ID: call-1\r\n", b""), 400),
        (request("OPTIONS", branch="1").replace(b"CSeq: 1 ", b"CSeq: 2147483648 "), 400),
        (request("OPTIONS", branch="1", extra="X: " + "y\nX:" * 300), 400),
        (request("OPTIONS", branch="1", extra="X: a\rb"), 400),
    ],
)
def test_status_of_a_refusal(data: bytes, code: int) -> None:
    """Each broken rule has its status; no event, and nothing is kept, so that a flood of them costs
    nothing.
    """
    rig = Rig()
    assert answer(rig, data).code == code
    assert rig.events() == []
    rig.assert_empty()


def test_unsupported_extension() -> None:
    """RFC 3261 §8.2.2.3: 420 names the tags we lack; the ones we have are no reason."""
    rig = Rig(EndpointSettings(supported=("timer",)))
    refused = answer(rig, request("INVITE", branch="1", extra="Require: timer, 100rel\nRequire: x"))
    assert (refused.code, refused.header("unsupported")) == (420, "100rel, x")
    rig.receive(request("INVITE", branch="2", cseq=2, extra="Require: TIMER"))
    assert isinstance(rig.event(InviteReceived), InviteReceived)


def test_a_refusal_is_the_same_for_every_copy() -> None:
    """RFC 3261 §8.2.7: without a transaction the To tag must still be the same each time."""
    rig = Rig()
    data = request("REGISTER", branch="1")
    assert answer(rig, data).to.tag == answer(rig, data).to.tag


def test_merged_request() -> None:
    """RFC 3261 §8.2.2.2: the same request by another path is 482, unless the settings let it in."""
    for policy, code in ((MergedRequestPolicy.REJECT, 482), (MergedRequestPolicy.ACCEPT, 100)):
        rig = Rig(EndpointSettings(merged_request_policy=policy))
        rig.invited(branch="one")
        assert answer(rig, request("INVITE", branch="two", body=SDP)).code == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"hello",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xff" * 500,
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 99 Low\r\nVia: x\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n\r\n",
        request("ACK", branch="x"),
        request("ACK", branch="x").replace(b"Call-ID", b"Kall-ID"),
    ],
)
def test_what_cannot_be_answered_is_dropped(data: bytes) -> None:
    """No answer to garbage, to responses, to ACK; and never an exception."""
    rig = Rig()
    assert rig.receive(data) == []
    assert rig.events() == []
    rig.assert_empty()


def test_line_ends_before_the_start_line() -> None:
    """RFC 3261 §7.5: skipped."""
    assert answer(Rig(), b"\r\n\r\n" + request("OPTIONS", branch="1")).code == 200


def test_content_length_on_a_stream() -> None:
    """RFC 3261 §18.3: mandatory on a stream, not on UDP."""
    data = request("OPTIONS", branch="1").replace(b"Content-Length: 0\r\n", b"")
    assert answer(Rig(), data).code == 200
    assert answer(Rig(flow=TCP), data).code == 400


def test_symmetric_setting() -> None:
    """`symmetric`: the answer goes to where the packet came from even without rport."""
    rig = Rig(EndpointSettings(symmetric=True))
    answer(
        rig,
        request("OPTIONS", branch="1")
        .replace(b":5060;branch", b":7777;branch")
        .replace(b";rport", b""),
    )
    assert rig.flows[-1].remote == ("192.0.2.2", 5060)


def test_bytes_that_are_no_utf8_survive() -> None:
    """What is echoed comes back byte for byte."""
    rig = Rig()
    data = request("OPTIONS", branch="1").replace(b'"Peer"', b'"P\xe9er"')
    rig.endpoint.receive(data, rig.flow, rig.now)
    ((sent, _),) = rig.endpoint.to_send()
    assert b'From: "P\xe9er"' in sent


def test_ipv6() -> None:
    """Via, Contact and the answer's way with IPv6 addresses (RFC 5118)."""
    flow = Flow("udp", ("2001:db8::1", 5060), ("2001:db8::2", 5060))
    rig = Rig(flow=flow)
    rig.receive(
        sip(
            """INVITE sip:menu@[2001:db8::1] SIP/2.0
            Via: SIP/2.0/UDP [2001:db8::2]:5060;branch=z9hG4bK6
            From: <sip:a@[2001:db8::2]>;tag=1
            To: <sip:menu@[2001:db8::1]>
            Call-ID: six
            CSeq: 1 INVITE
            Contact: <sip:a@[2001:db8::2]:5064>"""
        )
    )
    call = rig.event(InviteReceived).call
    call.accept(now=rig.now)
    sent = rig.sent()[-1]
    assert sent.header("contact") == "<sip:menu@[2001:db8::1]:5060>"
    assert "received" not in sent.header("via")
    call.dialog.next_flow(False)
    assert call.dialog.next_flow(False).remote == ("2001:db8::2", 5064)
