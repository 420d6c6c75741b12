"""IPv6, in the manner of RFC 5118: messages of our own with references in every place."""

from __future__ import annotations

import pytest

from ivrbench.sip.events import InviteReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipResponse
from ivrbench.sip.parser import parse_message

from .helpers import Rig, sip

V6 = Flow("udp", ("2001:db8::1", 5060), ("2001:db8::9:1", 5060))
V6_HEAD = """
    Max-Forwards: 70
    From: <sip:user@[2001:db8::9:1]>;tag=f
    Call-ID: v6@[2001:db8::9:1]
    Contact: <sip:user@[2001:db8::9:1]>
"""


def v6(start: str, via: str, to: str = "<sip:user@[2001:db8:0:0::1]>", method: str = "") -> bytes:
    method = method or start.split(" ", 1)[0]
    lines = [start, f"Via: {via};branch=z9hG4bKv6", *V6_HEAD.strip().splitlines()]
    return sip("\n".join([*lines, f"To: {to}", f"CSeq: 1 {method}"]))


@pytest.mark.parametrize(
    ("uri", "via", "code"),
    [
        ("sip:[2001:db8::1]", "SIP/2.0/UDP [2001:db8::9:1]", 200),
        ("sip:user@[2001:db8::1]:5070", "SIP/2.0/UDP [2001:db8::9:1]:6050", 200),
        ("sip:[::ffff:192.0.2.10]:19823", "SIP/2.0/UDP [2001:DB8::9:1]", 200),
        ("sip:[2001:db8::1]", "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255", 200),
        ("sip:[2001:db8::1]", "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255]", 200),
        ("sip:2001:db8::1", "SIP/2.0/UDP [2001:db8::9:1]", 400),
        ("sip:[2001:db8::1", "SIP/2.0/UDP [2001:db8::9:1]", 400),
    ],
)
def test_ipv6_messages(uri: str, via: str, code: int) -> None:
    """In the manner of RFC 5118: references in brackets, with port, mapped; a bare address is no
    host; the answer goes where the message came from.
    """
    rig = Rig(flow=V6)
    (sent,) = rig.receive(v6(f"OPTIONS {uri} SIP/2.0", via))
    assert isinstance(sent, SipResponse)
    assert sent.code == code
    assert rig.flows[-1].remote[0] == "2001:db8::9:1"
    received = sent.via.params.get("received", "2001:db8::9:1")
    assert received == "2001:db8::9:1", "what the sender wrote there is not believed"


def test_ipv6_call() -> None:
    """Our own Via and Contact have brackets, and the dialog's target leads back."""
    rig = Rig(flow=V6)
    rig.receive(v6("INVITE sip:menu@[2001:db8::1] SIP/2.0", "SIP/2.0/UDP [2001:db8::9:1];rport"))
    call = rig.event(InviteReceived).call
    rig.sent()
    call.accept(now=rig.now)
    (ok,) = rig.sent()
    assert ok.header("contact") == "<sip:menu@[2001:db8::1]:5060>"
    ack = v6("ACK sip:menu@[2001:db8::1] SIP/2.0", "SIP/2.0/UDP [2001:db8::9:1]", ok.header("to"))
    rig.receive(ack.replace(b"z9hG4bKv6", b"z9hG4bKack"))
    call.bye(now=rig.now)
    bye = rig.sent_request()
    assert bye.uri == "sip:user@[2001:db8::9:1]"
    assert bye.via.host == "[2001:db8::1]"
    assert rig.flows[-1].remote == ("2001:db8::9:1", 5060)


def test_ipv6_as_written_in_a_via_we_parse() -> None:
    """RFC 5118 §4.5: brackets around `received` or not, both are read."""
    message = parse_message(v6("OPTIONS sip:x SIP/2.0", "SIP/2.0/TCP [::1]:5060;received=[::2]"))
    message.check()
    assert (message.via.host, message.via.port) == ("[::1]", 5060)
    assert message.via.params["received"] == "[::2]"


def test_ipv6_via_without_brackets() -> None:
    """RFC 5118 §4.5's opposite: nobody can tell port from address; 400 goes to the source."""
    rig = Rig(flow=V6)
    rig.endpoint.receive(
        v6("OPTIONS sip:[2001:db8::1] SIP/2.0", "SIP/2.0/UDP 2001:db8::9:1:5060"), V6, 0.0
    )
    ((data, flow),) = rig.endpoint.to_send()
    assert data.startswith(b"SIP/2.0 400 ")
    assert flow == V6
