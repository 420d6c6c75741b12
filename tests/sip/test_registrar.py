"""Phones that register at us: RFC 3261 §10.3, step by step."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import RequestReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest
from ivrbench.sip.parser import parse_message
from ivrbench.sip.registrar import MAX_PHONES, Phone, Registrar, turns
from ivrbench.sip.settings import EndpointSettings

from .helpers import OURS, TCP, UDP, request

if TYPE_CHECKING:
    from ivrbench.sip.grammar import Headers

DESK = "<sip:peer@192.0.2.2:5070>"


def register(
    contact: str = DESK, *, cseq: int = 1, user: str = "menu", call_id: str = "c", extra: str = ""
) -> SipRequest:
    """A REGISTER of `menu`, who proved to be `user`."""
    lines = (f"Contact: {contact}\n" if contact else "") + extra
    data = request("REGISTER", branch=f"r{cseq}", cseq=cseq, call_id=call_id, extra=lines)
    message = parse_message(data)
    message.check()
    assert isinstance(message, SipRequest)
    message.auth_user = user
    return message


def newest(registrar: Registrar, user: str, now: float) -> Phone | None:
    """The phone heard of last."""
    return next(iter(registrar.phones(user, now)), None)


def values(headers: Headers, name: str = "Contact") -> list[str]:
    return [value for key, value in headers if key == name]


def test_bound_refreshed_and_gone() -> None:
    """A binding lasts as long as was granted, from the newest REGISTER on."""
    registrar = Registrar()
    code, headers = registrar.answer(register(f"{DESK};expires=120"), UDP, 100.0)
    assert (code, values(headers)) == (200, [f"{DESK};expires=120"])
    phone = newest(registrar, "menu", 219.0)
    assert phone is not None
    assert (phone.uri, phone.flow) == (DESK[1:-1], UDP)
    assert newest(registrar, "menu", 220.0) is None
    assert newest(registrar, "ann", 100.0) is None
    registrar.answer(register(cseq=2, extra="Expires: 60\n"), UDP, 300.0)
    assert newest(registrar, "menu", 359.0) is not None
    code, headers = registrar.answer(register("", cseq=3), UDP, 330.0)
    assert values(headers) == [f"{DESK};expires=30"], "one without Contact only asks"


@pytest.mark.parametrize(
    ("contact", "extra"), [(f"{DESK};expires=0", ""), (DESK, "Expires: 0\n"), ("*", "Expires: 0\n")]
)
def test_taken_back(contact: str, extra: str) -> None:
    """Expires 0 ends a binding, and `*` all of them."""
    registrar = Registrar()
    registrar.answer(register(), UDP, 0.0)
    code, headers = registrar.answer(register(contact, cseq=2, extra=extra), UDP, 1.0)
    assert (code, values(headers)) == (200, [])
    assert newest(registrar, "menu", 1.0) is None


@pytest.mark.parametrize(
    ("contact", "extra", "expires_s"),
    [
        (DESK, "", 1200),
        (f"{DESK};expires=100", "Expires: 200\n", 100),
        (f"{DESK};expires=90000", "", 1200),
        (f"{DESK};expires=soon", "Expires: 300\n", 300),
        (f"{DESK};expires=99999999999999", "Expires: often\n", 1200),
    ],
)
def test_what_is_granted(contact: str, extra: str, expires_s: int) -> None:
    """That of the Contact, else that of Expires, else 20 minutes, which is the most."""
    _, headers = Registrar().answer(register(contact, extra=extra), UDP, 0.0)
    assert values(headers) == [f"{DESK};expires={expires_s}"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (register(user="ann"), 403),
        (register(f"{DESK};expires=59"), 423),
        (register(f"{DESK}, <sip:b@192.0.2.3>;expires=1"), 423),
        (register("*"), 400),
        (register("*", extra="Expires: 60\n"), 400),
        (register(f"{DESK}, *", extra="Expires: 0\n"), 400),
        (register("<tel:+4912345>"), 416),
        (register("<sip:a b@c>"), 400),
        (register("junk"), 400),
        (register(extra="Path: <sip:a\0b>\n"), 400),
        (register(extra='Path: "\0" <sip:edge.example;lr>\n'), 400),
        (register(extra="Path: junk\n"), 400),
        (register(f"<sip:new@192.0.2.2>, {DESK}", cseq=1, call_id="old"), 500),
        (register("*", cseq=1, call_id="old", extra="Expires: 0\n"), 500),
    ],
)
def test_refused(message: SipRequest, code: int) -> None:
    """Somebody else's name, too brief, cannot be read, overtaken on its way: nothing changes."""
    registrar = Registrar()
    registrar.answer(register(call_id="old", cseq=5, extra="Expires: 900\n"), UDP, 0.0)
    got, headers = registrar.answer(message, UDP, 0.0)
    assert got == code
    assert values(headers, "Min-Expires") == (["60"] if code == 423 else [])
    _, headers = registrar.answer(register("", cseq=6), UDP, 0.0)
    assert values(headers) == [f"{DESK};expires=900"]


def test_newest_phone_is_called() -> None:
    """A user may have several; one that moved is known by its instance (RFC 5626 §6)."""
    registrar = Registrar()
    instance = ';+sip.instance="<urn:uuid:1>"'
    registrar.answer(register(f"<sip:old@192.0.2.2>{instance}"), UDP, 0.0)
    registrar.answer(register("<sip:soft@192.0.2.2>", call_id="d"), UDP, 1.0)
    registrar.answer(register(f"<sip:new@192.0.2.2>{instance}", call_id="e"), TCP, 2.0)
    phone = newest(registrar, "menu", 3.0)
    assert phone is not None
    assert (phone.uri, phone.flow) == ("sip:new@192.0.2.2", TCP)
    _, headers = registrar.answer(register("", call_id="f"), UDP, 3.0)
    assert [each.partition(";")[0] for each in values(headers)] == [
        "<sip:soft@192.0.2.2>",
        "<sip:new@192.0.2.2>",
    ]


def test_phones_of_a_user_are_bounded() -> None:
    """One that comes with a new address each time does not grow a list."""
    registrar = Registrar()
    for number in range(20):
        each = register(f"<sip:a@192.0.2.2:{5000 + number}>", cseq=number + 1)
        _, headers = registrar.answer(each, UDP, 0.0)
    assert len(values(headers)) == MAX_PHONES
    assert values(headers)[-1].startswith("<sip:a@192.0.2.2:5019>")


def test_path_is_kept() -> None:
    """RFC 3327 §5.3: calls go through the proxy the REGISTER came by, and the 200 says so."""
    registrar = Registrar()
    path = "<sip:edge.example;lr>"
    _, headers = registrar.answer(register(extra=f"Path: {path}\n"), UDP, 0.0)
    assert values(headers, "Path") == [path]
    phone = newest(registrar, "menu", 0.0)
    assert phone is not None
    assert phone.route == (path,)


def test_way_back_over_udp() -> None:
    """RFC 3581: to where it came from with rport, else to the port it names."""
    source = Flow("udp", OURS, ("203.0.113.1", 40_000))
    message = register()
    registrar = Registrar()
    registrar.answer(message, source, 0.0)
    phone = newest(registrar, "menu", 0.0)
    assert phone is not None
    assert phone.flow == source
    message = register(cseq=2)
    del message.via.params["rport"]
    registrar.answer(message, source, 0.0)
    phone = newest(registrar, "menu", 0.0)
    assert phone is not None
    assert phone.flow.remote == ("203.0.113.1", 5060)


def test_mutated_register_is_answered() -> None:
    """Whatever is in it, there is an answer that can be sent."""
    chance = random.Random(3)
    methods = (*EndpointSettings().allowed_methods, "REGISTER")
    endpoint, registrar = Endpoint(EndpointSettings(allowed_methods=methods)), Registrar()
    contacts = f'{DESK};expires=120;+sip.instance="<urn:uuid:1>", <sip:b@[::1]>;q=0.5'
    extra = f'Contact: {contacts}\nExpires: 300\nPath: <sip:p.example;lr>, "x" <sip:q@p;lr>\n'
    seen = set()
    for number in range(1500):
        data = bytearray(request("REGISTER", branch=f"r{number}", cseq=number + 1, extra=extra))
        at = chance.randrange(data.index(b"Contact"), len(data))
        if chance.random() < 0.5:
            data[at] = chance.choice(b'\0\r\n\t ,;<>"@:?*%\xff\x80a0=')
        else:
            del data[at : at + chance.randrange(1, 6)]
        endpoint.receive(bytes(data), UDP, 0.0)
        while (event := endpoint.next_event()) is not None:
            assert isinstance(event, RequestReceived)
            event.request.auth_user = "menu"
            code, headers = registrar.answer(event.request, UDP, 0.0)
            endpoint.respond(event.request, code, "", headers, now=0.0)
            seen.add(code)
        for answer, _ in endpoint.to_send():
            parse_message(answer).check()
    assert {200, 400} <= seen


def test_phones_behind_connections() -> None:
    """A connection that is gone: the phone is where its Contact says; what came by WebSocket, or
    names no address, has left (RFC 7118 §5).
    """
    registrar = Registrar()
    web = Flow("ws", OURS, ("192.0.2.9", 40_000), 9)
    near = Flow("tcp", OURS, ("192.0.2.2", 40_000), 8)
    for cseq, (contact, flow) in enumerate(
        [
            ("<sip:a@192.0.2.2:5070;transport=tcp>", near),
            ("<sip:b@phone.invalid;transport=tcp>", near),
            ("<sip:c@client.invalid;transport=ws>", web),
            ("<sip:d@192.0.2.9;transport=ws>", web),
            ("<sip:e@192.0.2.2>", UDP),
        ]
    ):
        assert registrar.answer(register(contact, cseq=cseq + 1), flow, 0.0)[0] == 200
    assert registrar.uses(near)
    assert registrar.uses(web)
    assert not registrar.uses(UDP)
    for flow in (near, web, UDP):
        registrar.flow_failed(flow)
        assert not registrar.uses(flow)
    left = [(each.uri.partition("@")[0], each.flow) for each in registrar.phones("menu", 1.0)]
    there = Flow("tcp", OURS, ("192.0.2.2", 5070))
    assert left == [("sip:e", UDP), ("sip:a", there)]


def test_a_phone_that_changes_its_connection() -> None:
    """The newest way counts; the end of an old connection is nothing to it."""
    registrar = Registrar()
    first, second = (Flow("tcp", OURS, ("192.0.2.2", port), port) for port in (40_001, 40_002))
    registrar.answer(register(), first, 0.0)
    registrar.answer(register(cseq=2), second, 1.0)
    assert not registrar.uses(first)
    registrar.flow_failed(first)
    assert [each.flow for each in registrar.phones("menu", 2.0)] == [second]
    registrar.answer(register("*", cseq=3, extra="Expires: 0\n"), second, 3.0)
    assert not registrar.uses(second)


INSTANCE = ';+sip.instance="<urn:uuid:1>"'
OUTBOUND = "Supported: path, outbound\n"


def way(reg_id: int, port: int, *, q: str = "", instance: str = INSTANCE) -> str:
    """The Contact of one way of a phone."""
    preferred = f";q={q}" if q else ""
    return f"<sip:p@192.0.2.2:{port}>{instance};reg-id={reg_id}{preferred}"


def ports(registrar: Registrar, now: float = 1.0) -> list[list[list[int]]]:
    """The ports of the ways, as they are called."""
    found = turns(registrar.phones("menu", now))
    return [[[int(w.uri.rpartition(":")[2]) for w in phone] for phone in turn] for turn in found]


def test_ways_of_one_phone() -> None:
    """RFC 5626 §6: each reg-id of an instance is a binding; a newer one takes the place of the
    older with the same, from wherever it came; the answer tells that ways are told apart.
    """
    registrar = Registrar()
    for cseq, (reg_id, port) in enumerate([(1, 5001), (2, 5002), (1, 5003)]):
        message = register(way(reg_id, port), cseq=cseq + 1, call_id=f"c{cseq}", extra=OUTBOUND)
        code, headers = registrar.answer(message, UDP, 0.0)
        assert (code, values(headers, "Require")) == (200, ["outbound"])
    assert values(headers) == [
        f"<sip:p@192.0.2.2:5002>;expires=1200{INSTANCE};reg-id=2",
        f"<sip:p@192.0.2.2:5003>;expires=1200{INSTANCE};reg-id=1",
    ]
    assert ports(registrar) == [[[5003, 5002]]], "one phone, called by its newest way first"
    gone = register(way(1, 5003) + ";expires=0", cseq=9, extra=OUTBOUND)
    assert registrar.answer(gone, UDP, 1.0)[0] == 200
    assert ports(registrar) == [[[5002]]]


def test_way_that_is_gone() -> None:
    """RFC 5626 §7: a connection that closed takes its binding along; the phone is called by the
    others, not at the address in its Contact.
    """
    registrar = Registrar()
    near = Flow("tcp", OURS, ("192.0.2.2", 40_000), 8)
    for cseq, flow in enumerate((near, UDP)):
        message = register(way(cseq + 1, 5001 + cseq), cseq=cseq + 1, extra=OUTBOUND)
        assert registrar.answer(message, flow, 0.0)[0] == 200
    assert ports(registrar) == [[[5002, 5001]]]
    registrar.flow_failed(near)
    assert ports(registrar) == [[[5002]]]


@pytest.mark.parametrize(("flow", "timer"), [(UDP, "30"), (TCP, "120")])
def test_how_often_a_phone_has_to_be_heard_of(flow: Flow, timer: str) -> None:
    """Flow-Timer (RFC 5626 §4.4): within what NATs remember of UDP; and only where ways count."""
    _, headers = Registrar().answer(register(way(1, 5001), extra=OUTBOUND), flow, 0.0)
    assert values(headers, "Flow-Timer") == [timer]
    _, headers = Registrar().answer(register(way(1, 5001)), flow, 0.0)
    assert values(headers, "Flow-Timer") == values(headers, "Require") == []


def test_phone_that_does_not_know_of_ways() -> None:
    """RFC 5626 §6: without the option tag reg-id means nothing: the instance has one binding."""
    registrar = Registrar()
    for cseq, extra in enumerate(("", "Supported: path\n")):
        message = register(way(cseq + 1, 5001 + cseq), cseq=cseq + 1, extra=extra)
        assert registrar.answer(message, UDP, 0.0)[0] == 200
    assert ports(registrar) == [[[5002]]]
    only = register(way(3, 5009, instance=""), cseq=8, extra=OUTBOUND)
    _, headers = registrar.answer(only, UDP, 0.0)
    assert values(headers, "Require") == [], "without an instance there is nothing to tell apart"


@pytest.mark.parametrize(
    ("contact", "extra", "code"),
    [
        (way(1, 5001), "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\n", 439),
        (
            way(1, 5001),
            "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\n"
            "Path: <sip:core.example;ob;lr>, <sip:edge.example;lr>\n",
            439,
        ),
        (
            way(1, 5001),
            "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\n"
            "Path: <sip:core.example;lr>, <sip:t@edge.example;ob;lr>\n",
            200,
        ),
        (f"{way(1, 5001)}, {way(2, 5002)}", "", 400),
        (f"{DESK}, {way(2, 5002)}", "", 400),
        (f"<sip:p@192.0.2.2>{INSTANCE};reg-id=0", "", 400),
        (f"<sip:p@192.0.2.2>{INSTANCE};reg-id=2147483648", "", 400),
        (f"<sip:p@192.0.2.2>{INSTANCE};reg-id=one", "", 400),
        (f"<sip:p@192.0.2.2>{INSTANCE};reg-id", "", 200),
        ("*", "Expires: 0\n", 200),
    ],
)
def test_ways_that_cannot_be_kept(contact: str, extra: str, code: int) -> None:
    """RFC 5626 §6: the proxy next to the phone must say that it keeps the connection (439); one way
    in each REGISTER, with a number that is one.
    """
    registrar = Registrar()
    assert registrar.answer(register(contact, extra=OUTBOUND + extra), UDP, 0.0)[0] == code
    assert bool(registrar.phones("menu", 0.0)) == (code == 200 and contact != "*")


def test_who_is_called_first() -> None:
    """RFC 3261 §16.6: the highest q first, equal ones at once; what names none, or nonsense, is 1.
    Of a phone with several ways the best counts.
    """
    registrar = Registrar()
    other = ';+sip.instance="<urn:uuid:2>"'
    for cseq, contact in enumerate(
        [
            "<sip:a@192.0.2.2:5001>;q=0.5",
            "<sip:a@192.0.2.2:5002>",
            "<sip:a@192.0.2.2:5003>;q=0.50",
            "<sip:a@192.0.2.2:5004>;q=7",
            "<sip:a@192.0.2.2:5005>;q=0",
            way(1, 5006, q="0.2", instance=other),
            way(2, 5007, q="0.5", instance=other),
        ]
    ):
        message = register(contact, cseq=cseq + 1, extra=OUTBOUND)
        code, headers = registrar.answer(message, UDP, 0.0)
        assert code == 200
    assert ports(registrar) == [[[5004], [5002]], [[5007, 5006], [5003], [5001]], [[5005]]]
    assert values(headers)[0] == "<sip:a@192.0.2.2:5001>;expires=1200;q=0.5"
