"""Where calls of ours go: places that are silent, and phones that registered at us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.signalling.routing import Ways
from ivrbench.sip import events as sip
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest
from ivrbench.sip.parser import parse_message
from tests.engine.callee import Callee

from .test_dialling import APP, dial

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Bench

    from .conftest import MakeBench

US = "192.0.2.1"
DESK = ("192.0.2.77", 5070)


@pytest.mark.parametrize("accepts", [False, True])
def test_place_that_is_silent(make_bench: MakeBench, accepts: bool) -> None:
    """RFC 3263 §4.3: where nobody says a word the next address is called after 5 s; the first one
    hears CANCEL when it wakes up, and ACK and BYE if it answers."""
    bench = make_bench(APP)
    bench.engine.names["pbx.example"] = [("192.0.2.98", 5060), ("192.0.2.99", 5060)]
    first = Callee(bench, ("192.0.2.98", 5060), 41_000, Callee.accepts if accepts else None)
    held: list[tuple[bytes, Flow]] = []
    bench.attach(("192.0.2.98", 5060), lambda data, flow: held.append((data, flow)))
    second = Callee(bench)
    handle = dial(bench, "sip:ann@pbx.example")
    bench.wait(4.8)
    assert second.got == []
    bench.wait(0.2)
    assert second.got == ["INVITE"]
    second.provisional(180)
    second.accept()
    assert handle.answered
    bench.attach(("192.0.2.98", 5060), first._receive)
    first._receive(*held[0])
    bench.wait()
    assert first.got == (["INVITE", "ACK", "BYE"] if accepts else ["INVITE", "CANCEL"])
    assert not [said for said in bench.said() if said[0] == "failed"]
    assert bench.ended() is None
    bench.wait(40)
    assert bench.ended() is None
    second.bye()
    assert bench.nothing_left()


def test_silence_of_the_last_place(make_bench: MakeBench) -> None:
    """The last address has the whole time of a transaction."""
    bench = make_bench(APP)
    bench.engine.names["pbx.example"] = [("192.0.2.97", 5060), ("192.0.2.99", 5060)]
    last = Callee(bench)
    bench.attach(last.flow.local, lambda *_: None)
    handle = dial(bench, "sip:ann@pbx.example")
    bench.wait(36)
    assert handle.code == 0
    bench.wait(2)
    assert handle.code == 408
    bench.wait(40)
    assert bench.nothing_left()


def register(
    bench: Bench, phone: Callee, user: str = "ann", expires_s: int = 600, name: str = "desk"
) -> list[int]:
    """A phone registers, with the password of `ann`; the codes it gets in the end."""
    phone.endpoint.credentials = lambda realm: ("ann", "s3cret") if realm == "ivrbench" else None
    party, already = f"<sip:{user}@{US}>", len(phone.events)
    host, port = phone.flow.local
    contact = f"<sip:{name}@{host}:{port}>"
    headers = [("Contact", f"{contact};expires={expires_s}")]
    flow, now = phone.flow, bench.clock.now()
    phone.endpoint.send_request("REGISTER", f"sip:{US}", flow, party, party, headers, now=now)
    phone.settle()
    bench.wait()
    phone.got.clear()
    got = [e for e in phone.events[already:] if isinstance(e, sip.ResponseReceived)]
    return [each.response.code for each in got]


@pytest.fixture
def bench(make_bench: MakeBench, tmp_path: Path) -> Bench:
    """An engine with one user."""
    users = tmp_path / "users"
    users.write_text("ann = s3cret\n")
    return make_bench(APP, users=users)


def test_phone_that_registered_is_called(bench: Bench) -> None:
    """A call to a user at our own address goes to the user's phone, by its Contact."""
    phone = Callee(bench, DESK, 41_000)
    assert register(bench, phone) == [200]
    handle = dial(bench, f"sip:ann@{US}")
    assert phone.got == ["INVITE"]
    assert phone.invite_request.uri == f"sip:desk@{DESK[0]}:{DESK[1]}"
    phone.accept()
    assert handle.answered
    phone.bye()
    assert register(bench, phone, expires_s=0) == [200]
    dial(bench, f"sip:ann@{US}")
    assert phone.got == []
    bench.wait(40)
    assert bench.nothing_left()


def test_phone_that_requires_outbound(bench: Bench) -> None:
    """RFC 5626 §6: a registrar knows the option tag, and says how often it wants to hear."""
    phone = Callee(bench, DESK, 41_000)
    phone.endpoint.credentials = lambda _: ("ann", "s3cret")
    party, flow, now = f"<sip:ann@{US}>", phone.flow, bench.clock.now()
    contact = '<sip:desk@192.0.2.77:5070>;+sip.instance="<urn:uuid:1>";reg-id=1'
    headers = [("Contact", contact), ("Supported", "path, outbound"), ("Require", "outbound")]
    phone.endpoint.send_request("REGISTER", f"sip:{US}", flow, party, party, headers, now=now)
    phone.settle()
    bench.wait()
    last = phone.events[-1]
    assert isinstance(last, sip.ResponseReceived)
    assert (last.response.code, last.response.header("flow-timer")) == (200, "30")
    assert last.response.header("contact").endswith(";reg-id=1")


def test_phone_without_a_right_to_the_name(bench: Bench) -> None:
    """Nobody takes calls of another user: 403; without a password 401."""
    phone = Callee(bench, DESK, 41_000)
    assert register(bench, phone, "bob") == [403]
    phone.endpoint.credentials = None
    party, now = f"<sip:ann@{US}>", bench.clock.now()
    phone.endpoint.send_request("REGISTER", f"sip:{US}", phone.flow, party, party, now=now)
    phone.settle()
    bench.wait()
    last = phone.events[-1]
    assert isinstance(last, sip.ResponseReceived)
    assert last.response.code == 401


def test_nobody_registers_without_users(make_bench: MakeBench) -> None:
    """Where no passwords are, there is no registrar: 405."""
    bench = make_bench(APP)
    phone = Callee(bench, DESK, 41_000)
    assert register(bench, phone) == [405]


def test_call_to_somebody_elsewhere(bench: Bench) -> None:
    """A user's name at another host is somebody else."""
    phone, other = Callee(bench, DESK, 41_000), Callee(bench)
    register(bench, phone)
    dial(bench, "sip:ann@192.0.2.99")
    assert (phone.got, other.got) == ([], ["INVITE"])
    other.refuse(486)


@pytest.mark.parametrize("uri", ["sip:app@192.0.2.1", "tel:12345"])
def test_call_to_ourselves(bench: Bench, uri: str) -> None:
    """Who has no phone is called as before: a script of ours, or nobody."""
    dial(bench, uri)
    bench.wait(40)
    assert bench.nothing_left()


CELL = ("192.0.2.78", 5060)
SOFT = ("192.0.2.79", 5060)


@pytest.fixture
def phones(bench: Bench) -> list[Callee]:
    """The three phones of `ann`; the last one is the newest."""
    found = []
    for number, (name, address) in enumerate((("desk", DESK), ("cell", CELL), ("soft", SOFT))):
        found.append(Callee(bench, address, 41_000 + 2 * number, Callee.rings))
        assert register(bench, found[-1], name=name) == [200]
    return found


def test_all_phones_of_a_user_ring(bench: Bench, phones: list[Callee]) -> None:
    """All at once, each by its own Contact; the first that answers has the call and its audio, the
    others hear CANCEL and that it was taken elsewhere.
    """
    desk, cell, soft = phones
    handle = dial(bench, f"sip:ann@{US}")
    assert [each.got for each in phones] == [["INVITE"]] * 3
    assert [each.invite_request.parsed_uri.user for each in phones] == ["desk", "cell", "soft"]
    assert len({each.last_body for each in phones}) == 1, "one offer for all"
    cell.accept()
    bench.wait()
    assert handle.answered
    assert (desk.got, cell.got, soft.got) == (
        ["INVITE", "CANCEL"],
        ["INVITE", "ACK"],
        ["INVITE", "CANCEL"],
    )
    agreement = bench.session.leg.agreement
    assert agreement is not None
    assert agreement.remote_rtp == (CELL[0], 41_002)
    cell.bye()
    bench.wait(40)
    assert bench.nothing_left()


def test_two_phones_are_picked_up_at_once(bench: Bench, phones: list[Callee]) -> None:
    """The second answer is hung up; the call stays with the first."""
    desk, cell, _ = phones
    handle = dial(bench, f"sip:ann@{US}")
    now = bench.clock.now()
    for each in (desk, cell):
        each._accept(each.call, now)  # type: ignore[arg-type]
    for each in (desk, cell):
        each.settle()
    bench.wait()
    assert handle.answered
    assert desk.got == ["INVITE", "ACK"]
    assert cell.got == ["INVITE", "ACK", "BYE"]
    desk.bye()
    bench.wait(40)
    assert bench.nothing_left()


def test_phones_that_refuse(bench: Bench, phones: list[Callee]) -> None:
    """One that is busy leaves the others ringing; the call fails with the last of them."""
    desk, cell, soft = phones
    handle = dial(bench, f"sip:ann@{US}")
    desk.refuse(486)
    cell.refuse(480)
    bench.wait()
    assert handle.code == 0
    soft.refuse(486)
    bench.wait()
    assert handle.code == 486
    bench.wait(40)
    assert bench.nothing_left()


def test_one_phone_declines_for_all(bench: Bench, phones: list[Callee]) -> None:
    """RFC 3261 §16.7: 603 ends the ringing everywhere."""
    desk, cell, soft = phones
    handle = dial(bench, f"sip:ann@{US}")
    desk.refuse(603)
    bench.wait()
    assert cell.got == soft.got == ["INVITE", "CANCEL"]
    assert handle.code == 603
    bench.wait(40)
    assert bench.nothing_left()


def test_giving_up_while_phones_ring(bench: Bench, phones: list[Callee]) -> None:
    """Nobody answers in time: all hear CANCEL."""
    handle = dial(bench, f"sip:ann@{US}")
    assert bench.session.leg.dialling is not None
    bench.session.leg.dialling.cancel()
    bench.board.settle()
    bench.wait()
    assert [each.got for each in phones] == [["INVITE", "CANCEL"]] * 3
    assert handle.code == 487
    bench.wait(40)
    assert bench.nothing_left()


def test_a_phone_sends_us_nowhere(bench: Bench, phones: list[Callee]) -> None:
    """A redirect that leads nowhere takes that phone out alone."""
    desk, cell, soft = phones
    handle = dial(bench, f"sip:ann@{US}")
    desk.refuse(302, [("Contact", "<sip:bob@nowhere.example>")])
    cell.refuse(486)
    bench.wait()
    assert handle.code == 0
    soft.accept()
    assert handle.answered
    soft.bye()
    bench.wait(40)
    assert bench.nothing_left()


@pytest.mark.parametrize("host", [US, "office.example"])
def test_phone_that_forwards_to_another_user(bench: Bench, phones: list[Callee], host: str) -> None:
    """A redirect to a user at our address, or at a name of ours, rings that user's phones."""
    bench.engine.names["office.example"] = [(US, 5060)]
    bob = [Callee(bench, (f"192.0.2.{80 + n}", 5060), 42_000 + 2 * n) for n in range(2)]
    for number, each in enumerate(bob):
        flow = Flow("udp", (US, 5060), each.flow.local)
        bound(bench, f"sip:b{number}@{each.flow.local[0]}", flow, user="bob")
    desk, cell, soft = phones
    handle = dial(bench, f"sip:ann@{US}")
    for each in (cell, soft):
        each.refuse(486)
    desk.refuse(302, [("Contact", f"<sip:bob@{host}>")])
    bench.wait()
    assert [each.got for each in bob] == [["INVITE"]] * 2
    assert bob[1].invite_request.uri == "sip:b1@192.0.2.81"
    bob[0].accept()
    assert handle.answered
    assert bob[1].got == ["INVITE", "CANCEL"]
    bob[0].bye()
    bench.wait(40)
    assert bench.nothing_left()


def test_phone_that_forwards_to_itself(bench: Bench) -> None:
    """A redirect in a circle ends."""
    phone = Callee(bench, DESK, 41_000)
    register(bench, phone)
    handle = dial(bench, f"sip:ann@{US}")
    for _ in range(2):
        phone.refuse(302, [("Contact", f"<sip:ann@{US}>")])
        bench.wait()
    assert phone.got == ["INVITE", "INVITE"]
    assert handle.code == 302
    bench.wait(40)
    assert bench.nothing_left()


def bound(
    bench: Bench, contact: str, flow: Flow, user: str = "ann", params: str = "", extra: str = ""
) -> None:
    """A phone registers by some way."""
    data = (
        f"REGISTER sip:{US} SIP/2.0\r\n"
        f"Via: SIP/2.0/{flow.transport.upper()} x;branch=z9hG4bK1;rport\r\n"
        f"From: <sip:{user}@{US}>;tag=a\r\nTo: <sip:{user}@{US}>\r\nCall-ID: {contact}\r\n"
        f"CSeq: 1 REGISTER\r\nContact: <{contact}>{params}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
    message = parse_message(data.encode())
    assert isinstance(message, SipRequest)
    message.check()
    message.auth_user = user
    code, _ = bench.board.location._registrar.answer(message, flow, bench.clock.now())
    assert code == 200


def test_way_that_others_cannot_take_comes_last(bench: Bench) -> None:
    """One offer goes to all: it names the address of ours that all of them can reach."""
    near = Flow("udp", ("127.0.0.1", 5060), ("127.0.0.1", 5070))
    far = Flow("udp", (US, 5060), DESK)
    for contact, flow in (("sip:a@192.0.2.77", far), ("sip:b@127.0.0.1", near)):
        bound(bench, contact, flow)
    ways = Ways(bench.board.router, [Flow("udp", (US, 5060), (US, 5060))], ())
    phones = bench.board.location.phones(f"sip:ann@{US}", ways)
    assert phones is not None
    assert (phones.first.flow, phones.local_ip) == (far, US)
    assert [(way.flow, turn) for (way,), turn in phones.others] == [(near, 0)]


def test_phones_in_their_turn(bench: Bench) -> None:
    """RFC 3261 §16.6: the phone with the lower q is called when that with the higher refused."""
    phones = [Callee(bench, (f"192.0.2.{80 + n}", 5060), 42_000 + 2 * n) for n in range(3)]
    for number, (each, q) in enumerate(zip(phones, ("0.3", "0.9", "0.3"), strict=True)):
        flow = Flow("udp", (US, 5060), each.flow.local)
        bound(bench, f"sip:p{number}@{each.flow.local[0]}", flow, params=f";q={q}")
    handle = dial(bench, f"sip:ann@{US}")
    assert [each.got for each in phones] == [[], ["INVITE"], []]
    phones[1].refuse(486)
    bench.wait()
    assert [each.got for each in phones] == [["INVITE"]] * 3
    phones[2].accept()
    bench.wait()
    assert handle.answered
    assert phones[0].got == ["INVITE", "CANCEL"]
    phones[2].bye()
    bench.wait(40)
    assert bench.nothing_left()


def test_phone_with_two_ways(bench: Bench) -> None:
    """RFC 5626 §7: a phone is called once, by its newest way; by the other one when that is dead.
    A phone of a lower q is not called meanwhile.
    """
    ways = [Callee(bench, (f"192.0.2.{80 + n}", 5060), 42_000 + 2 * n) for n in range(2)]
    desk = Callee(bench, DESK, 41_000)
    bound(bench, "sip:desk@192.0.2.77", Flow("udp", (US, 5060), DESK), params=";q=0.1")
    for number, each in enumerate(ways):
        flow = Flow("udp", (US, 5060), each.flow.local)
        params = f';+sip.instance="<urn:uuid:1>";reg-id={number + 1}'
        contact = f"sip:p{number}@{each.flow.local[0]}"
        bound(bench, contact, flow, params=params, extra="Supported: outbound\r\n")
    bench.attach(ways[1].flow.local, lambda *_: None)
    handle = dial(bench, f"sip:ann@{US}")
    bench.wait(4.8)
    assert ways[0].got == []
    bench.wait(0.4)
    assert ways[0].got == ["INVITE"]
    ways[0].accept()
    bench.wait(40)
    assert handle.answered
    assert desk.got == []
    ways[0].bye()
    bench.wait(40)
    assert bench.nothing_left()


def test_gruu_leads_to_one_phone(bench: Bench) -> None:
    """RFC 5627: a script that calls the address of one phone rings that one alone, and requests
    within calls find it too.
    """
    phones = [Callee(bench, (f"192.0.2.{80 + n}", 5060), 42_000 + 2 * n) for n in range(2)]
    for number, each in enumerate(phones):
        flow = Flow("udp", (US, 5060), each.flow.local)
        params = f';+sip.instance="<urn:uuid:{number}>"'
        bound(bench, f"sip:p{number}@{each.flow.local[0]}", flow, params=params)
    gruu = f"sip:ann@{US};gr=urn:uuid:1"
    handle = dial(bench, gruu)
    assert [each.got for each in phones] == [[], ["INVITE"]]
    assert phones[1].invite_request.uri == "sip:p1@192.0.2.81"
    phones[1].refuse(486)
    bench.wait()
    assert handle.code == 486
    location = bench.board.location
    found = location.place(gruu)
    assert found is not None
    assert (found.uri, found.flow.remote) == ("sip:p1@192.0.2.81", ("192.0.2.81", 5060))
    for uri in (f"sip:ann@{US}", f"sip:ann@{US};gr=urn:uuid:7", "tel:+49;gr=1"):
        assert location.place(uri) is None
    bench.wait(40)
    assert bench.nothing_left()


def test_connection_of_a_phone(bench: Bench) -> None:
    """It is in use as long as the phone is there, and the phone as long as the connection."""
    flow = Flow("ws", (US, 5080), ("192.0.2.79", 40_000), 7)
    assert not bench.board.uses(flow)
    bound(bench, "sip:c@client.invalid", flow)
    assert bench.board.uses(flow)
    bench.board.flow_failed(flow, "closed")
    assert not bench.board.uses(flow)


def test_goes_on_to_the_next_address(make_bench: MakeBench) -> None:
    """RFC 3263 §4.3: after 503 the next address is called, with the next CSeq number."""
    bench = make_bench(APP)
    names = bench.engine.names
    names["pbx.example"] = [("192.0.2.98", 5060), ("192.0.2.99", 5060)]
    first = Callee(bench, ("192.0.2.98", 5060), 41_000)
    first._answers = first.refuses(503)
    second = Callee(bench)
    handle = dial(bench, "sip:ann@pbx.example")
    assert first.got[0] == second.got[0] == "INVITE"
    assert first.invite_request.call_id == second.invite_request.call_id
    assert second.invite_request.cseq == first.invite_request.cseq + 1
    second.accept()
    assert handle.answered
    assert not [said for said in bench.said() if said[0] == "failed"]
    second.bye()


def test_all_addresses_fail(make_bench: MakeBench) -> None:
    """The last failure is the call's."""
    bench = make_bench(APP)
    names = bench.engine.names
    names["pbx.example"] = [("192.0.2.98", 5060), ("192.0.2.99", 5060)]
    for number in (98, 99):
        callee = Callee(bench, (f"192.0.2.{number}", 5060), 41_000 + number * 10)
        callee._answers = callee.refuses(503)
    handle = dial(bench, "sip:ann@pbx.example")
    assert handle.code == 503
    assert bench.nothing_left()


def test_name_that_leads_nowhere(make_bench: MakeBench) -> None:
    """An unknown host: onFailed with a sentence, and no onSipReply."""
    bench = make_bench(APP)
    handle = dial(bench, "sip:ann@nowhere.example")
    assert handle.code == 503
    assert bench.said() == [("failed", 503, handle.reason)]
    assert "nowhere.example" in handle.reason
    assert bench.nothing_left()


def test_redirected(make_bench: MakeBench) -> None:
    """A 302 is followed, to an address and to a name."""
    bench = make_bench(APP)
    names = bench.engine.names
    names["other.example"] = [("192.0.2.97", 5060)]
    first, second = Callee(bench), Callee(bench, ("192.0.2.98", 5060), 41_000)
    third = Callee(bench, ("192.0.2.97", 5060), 42_000)
    dial(bench)
    first.refuse(302, [("Contact", "<sip:bob@192.0.2.98>")])
    second.refuse(302, [("Contact", "<sip:bob@other.example>")])
    third.accept()
    assert third.invite_request.uri == "sip:bob@other.example"
    assert ("start", "Connected") in bench.said()
    third.bye()


def test_redirected_to_nowhere(make_bench: MakeBench) -> None:
    """A 302 to a name that leads nowhere is a failure, and nothing is left of the call."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench)
    callee.refuse(302, [("Contact", "<sip:bob@nowhere.example>")])
    assert "nowhere.example" in handle.reason
    assert bench.nothing_left()


def test_redirected_in_circles(make_bench: MakeBench) -> None:
    """Redirects are bounded: the last 302 is the refusal."""
    bench = make_bench(APP)
    callee = Callee(bench)
    handle = dial(bench)
    for number in range(20):
        if handle.code:
            break
        callee.refuse(302, [("Contact", f"<sip:n{number}@192.0.2.99>")])
    assert handle.code == 302
    assert len(callee.invites) == 6
    assert bench.nothing_left()


def test_outbound_proxy(make_bench: MakeBench) -> None:
    """`outbound_proxy` gets the INVITE, with a Route that says so."""
    bench = make_bench(APP, outbound_proxy="sip:192.0.2.99")
    callee = Callee(bench)
    dial(bench, "sip:ann@far.example")
    assert callee.invite_request.uri == "sip:ann@far.example"
    assert callee.invite_request.header("route") == "<sip:192.0.2.99;lr>"
    callee.refuse(486)


def test_service_route(make_bench: MakeBench) -> None:
    """RFC 3608: a call of an account goes through what its registrar named."""
    bench = make_bench(APP)
    bench.board.route_from = lambda sender: ("<sip:192.0.2.99;lr>", "<sip:home.example;lr>")
    callee = Callee(bench)
    dial(bench, "sip:ann@far.example")
    routes = callee.invite_request.elements("route")
    assert routes == ["<sip:192.0.2.99;lr>", "<sip:home.example;lr>"]
    callee.refuse(486)


def test_contact_of_an_account(make_bench: MakeBench) -> None:
    """RFC 5626 §4.3: what the account's flows want as Contact of its calls goes into the INVITE."""
    bench = make_bench(APP)
    asked: list[tuple[str, Flow]] = []

    def contact_from(sender: str, flow: Flow) -> str:
        asked.append((sender, flow))
        return f"<sip:ivr@{US};ob>"

    bench.board.contact_from = contact_from
    callee = Callee(bench)
    dial(bench)
    assert callee.invite_request.header("contact") == f"<sip:ivr@{US};ob>"
    ((sender, flow),) = asked
    assert sender == callee.invite_request.from_.address
    assert flow.remote == callee.flow.local


def test_next_hop(make_bench: MakeBench) -> None:
    """`next_hop` gets it without any Route."""
    bench = make_bench(APP)
    callee = Callee(bench)
    dial(bench, "sip:ann@far.example", next_hop="sip:192.0.2.99")
    assert callee.invite_request.uri == "sip:ann@far.example"
    assert not callee.invite_request.has("route")
    callee.refuse(486)
