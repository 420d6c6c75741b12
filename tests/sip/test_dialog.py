"""Dialogs: where their requests go, and what may be put in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.dialog import Dialog, next_hop_flow
from ivrbench.sip.events import InviteReceived, RequestReceived
from ivrbench.sip.flow import Flow, host_port
from ivrbench.sip.message import SipResponse
from ivrbench.sip.uri import parse_uri

from .helpers import OURS, SDP, TCP, UDP, Rig, request, response


def dialog(target: str = "sip:peer@192.0.2.2:5060", flow: Flow = UDP, route: str = "") -> Dialog:
    made = Rig().invited().dialog
    return replace(made, _target=target, flow=flow, route_set=(route,) if route else ())


@pytest.mark.parametrize(
    ("target", "transport", "remote"),
    [
        ("sip:a@198.51.100.1", "udp", ("198.51.100.1", 5060)),
        ("sip:a@198.51.100.1:5070;transport=TCP", "tcp", ("198.51.100.1", 5070)),
        ("sips:a@198.51.100.1", "tls", ("198.51.100.1", 5061)),
        ("sip:a@[2001:db8::9]", "udp", ("2001:db8::9", 5060)),
        ("sip:a@name;maddr=198.51.100.7", "udp", ("198.51.100.7", 5060)),
        ("sip:a@phone.example", "udp", ("192.0.2.2", 5060)),
        ("sip:a@phone.example:5070;transport=tcp", "tcp", ("192.0.2.2", 5060)),
        ("sip:a@198.51.100.1;transport=carrier-pigeon", "udp", ("198.51.100.1", 5060)),
    ],
)
def test_next_hop(target: str, transport: str, remote: tuple[str, int]) -> None:
    """RFC 3261 §8.1.2: the target's address and transport; of a name, and of an address of the
    other IP version, the hop says who has to be asked.
    """
    flow = dialog(target).next_flow(symmetric=False)
    assert (flow.transport, flow.remote, flow.local) == (transport, remote, OURS)
    has_to_be_found = "phone.example" in target or ":" in remote[0]
    assert flow.hop == (target if has_to_be_found else "")
    assert dialog(target).next_flow(symmetric=True) == UDP


def test_route_decides() -> None:
    """RFC 3261 §12.2.1.1: with a route set the first route is the next hop."""
    hop = dialog("sip:a@198.51.100.1", route="<sip:203.0.113.5:5080;lr>").next_flow(symmetric=False)
    assert hop.remote == ("203.0.113.5", 5080)
    assert dialog(route="nonsense").next_flow(symmetric=False) == UDP


def test_connections_are_kept_while_they_live() -> None:
    """A call that came over a connection is answered there, not at a port nobody listens on."""
    kept = dialog("sip:a@198.51.100.1", flow=TCP)
    assert kept.next_flow(symmetric=False) is TCP
    kept.flow_lost = True
    assert kept.next_flow(symmetric=False) == Flow("tcp", OURS, ("198.51.100.1", 5060))
    assert next_hop_flow(None, TCP) == Flow("tcp", OURS, TCP.remote)


def test_target_is_guarded() -> None:
    """A script may set the target, but to nothing that breaks the request line."""
    made = dialog()
    for bad in ("sip:a@b\r\nX: y", "sip:a b@c", "<sip:a@b>", "nothing", ""):
        with pytest.raises(LocalProtocolError):
            made.remote_target = bad
    made.remote_target = "tel:+4930"
    assert made.request_line_and_routes() == ("tel:+4930", ())


def test_update_refreshes_the_target() -> None:
    """RFC 3311 §5.2: the 2xx to an UPDATE takes its Contact, and has ours; a bad Contact is left
    alone.
    """
    rig = Rig()
    call = rig.connected()
    for cseq, contact in ((2, "<sip:new@192.0.2.2>"), (3, "<mailto:a@b>")):
        data = request(
            "UPDATE",
            branch=f"u{cseq}",
            cseq=cseq,
            to_tag=call.dialog.local_tag,
            contact=contact,
            body=SDP,
        )
        rig.receive(data)
        call.respond(rig.event(RequestReceived).request, 200, now=rig.now)
        (ok,) = rig.sent()
        assert ok.header("contact") == call.dialog.contact
        assert call.dialog.remote_target == "sip:new@192.0.2.2"


def test_flow_text() -> None:
    """Flows are shown as people write addresses."""
    assert str(UDP) == "udp:192.0.2.1:5060<>192.0.2.2:5060"
    assert host_port("2001:db8::1", 5060) == "[2001:db8::1]:5060"
    assert host_port("[::1]", 0) == "[::1]"
    assert parse_uri("sip:[::1]").bare_host == "::1"


@pytest.mark.parametrize(
    ("contact", "target"),
    [
        ("<sip:a@192.0.2.2?Route=%3Csip:evil%3E>", "sip:a@192.0.2.2"),
        ("<sip:a?b@192.0.2.2;lr?x=y?z>", "sip:a?b@192.0.2.2;lr"),
        ("<sip:a?b@192.0.2.2>", "sip:a?b@192.0.2.2"),
    ],
)
def test_headers_of_a_contact_stay_behind(contact: str, target: str) -> None:
    """RFC 3261 §19.1.1: a Contact may hold headers, the Request-URI made of it may not."""
    rig = Rig()
    rig.receive(request("INVITE", branch="i", body=SDP, contact=contact))
    call = rig.event(InviteReceived).call
    assert call.dialog.remote_target == target
    ours, invite = rig.calling()
    rig.receive(response(invite, 200, to_tag="t", contact=contact, body=SDP))
    assert ours.dialog.remote_target == target


@pytest.mark.parametrize("route", ["junk", "<urn:x:y>", "<sip:a@b>, <sip:c d>", "<>"])
def test_record_route_that_leads_nowhere(route: str) -> None:
    """A call that could never be ended by us is not begun: 400."""
    rig = Rig()
    data = request("INVITE", branch="i", body=SDP, extra=f"Record-Route: {route}\n")
    (answer,) = rig.receive(data)
    assert isinstance(answer, SipResponse)
    assert answer.code == 400
    assert rig.endpoint.stats().calls == 0
