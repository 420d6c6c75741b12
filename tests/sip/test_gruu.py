"""Addresses that lead to one telephone (RFC 5627), given and followed."""

from __future__ import annotations

import pytest

from ivrbench.sip.flow import Flow
from ivrbench.sip.gruu import MAX_TEMPORARY, Gruus
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.hunt import Place
from ivrbench.sip.message import SipRequest
from ivrbench.sip.registrar import Registrar
from ivrbench.sip.settings import EndpointSettings
from ivrbench.sip.tokens import CountingTokens
from ivrbench.sip.uri import parse_uri

from .helpers import OURS, SDP, UDP, Rig, response
from .test_registrar import register, values

DESK = '<sip:desk@192.0.2.2>;+sip.instance="<urn:uuid:A-1>"'
CELL = '<sip:cell@192.0.2.3>;+sip.instance="<urn:uuid:B/2>"'
GRUU = "Supported: gruu\n"


def contacts(registrar: Registrar, message: SipRequest, now: float = 0.0) -> list[dict[str, str]]:
    """Register; the parameters of what is listed."""
    code, headers = registrar.answer(message, UDP, now)
    assert code == 200
    found = [parse_name_addr(value) for value in values(headers)]
    return [{k: (v or "").strip('"') for k, v in each.params.items()} for each in found]


def users_at(registrar: Registrar, uri: str, now: float = 1.0) -> list[str]:
    """Whom an address leads to."""
    return [parse_uri(each.uri).user for each in registrar.at(parse_uri(uri), now)]


def test_given_to_who_wants_them() -> None:
    """§5.3: a public one for each telephone, a temporary one for that which asked; none without the
    option tag, and none without an instance.
    """
    registrar = Registrar(tokens=CountingTokens())
    contacts(registrar, register(DESK, call_id="d"))
    desk, cell = contacts(registrar, register(CELL, call_id="c", extra=GRUU))
    host = parse_uri(register().to.uri).host
    assert desk["pub-gruu"] == f"sip:menu@{host};gr=urn:uuid:A-1"
    assert cell["pub-gruu"] == f"sip:menu@{host};gr=urn:uuid:B%2F2"
    assert "temp-gruu" not in desk
    assert cell["temp-gruu"].startswith("sip:gruu.")
    assert cell["temp-gruu"].endswith(f"@{host};gr")
    assert "menu" not in cell["temp-gruu"]
    plain = contacts(registrar, register(DESK, call_id="d", cseq=2))
    assert not any("gruu" in name for each in plain for name in each)
    bare = contacts(Registrar(), register("<sip:x@192.0.2.9>", extra=GRUU))
    assert not any("gruu" in name for each in bare for name in each)


def test_followed() -> None:
    """§5.4: each leads to its own telephone alone, for as long as that is registered; an address of
    another domain is none of ours, whatever it looks like.
    """
    registrar = Registrar()
    contacts(registrar, register(DESK, call_id="d"))
    desk, cell = contacts(registrar, register(f"{CELL};expires=60", call_id="c", extra=GRUU))
    public, temporary = cell["pub-gruu"], cell["temp-gruu"]
    assert users_at(registrar, desk["pub-gruu"]) == ["desk"]
    assert users_at(registrar, public) == users_at(registrar, temporary) == ["cell"]
    assert users_at(registrar, public.replace("uuid", "UUID")) == ["cell"]
    assert users_at(registrar, public.partition(";")[0]) == ["cell", "desk"]
    assert users_at(registrar, "sip:menu@elsewhere.example;gr=urn:uuid:A-1") == []
    assert users_at(registrar, temporary.replace("gruu.", "gruu.x")) == []
    assert users_at(registrar, public, 61.0) == users_at(registrar, temporary, 61.0) == []


def test_temporary_ones_of_one_telephone() -> None:
    """§5.1: all stay good while it registers by one Call-ID, and none when that changes or it
    leaves; the oldest go when there are very many.
    """
    registrar = Registrar()
    given = [
        contacts(registrar, register(DESK, call_id="d", cseq=n, extra=GRUU))[0]["temp-gruu"]
        for n in range(1, MAX_TEMPORARY + 3)
    ]
    assert len(set(given)) == len(given)
    good = [bool(users_at(registrar, each)) for each in given]
    assert good == [False] * 2 + [True] * MAX_TEMPORARY
    (new,) = contacts(registrar, register(DESK, call_id="again", extra=GRUU))
    assert users_at(registrar, given[-1]) == []
    assert users_at(registrar, new["temp-gruu"]) == ["desk"]
    contacts(registrar, register(f"{DESK};expires=0", call_id="again", cseq=2))
    assert users_at(registrar, new["temp-gruu"]) == []
    assert not registrar._gruus._owners
    assert not registrar._gruus._given


def test_gruu_as_contact_of_a_register() -> None:
    """§5.1: it would lead to itself: 403."""
    registrar = Registrar()
    (desk,) = contacts(registrar, register(DESK, call_id="d", extra=GRUU))
    message = register(f"<{desk['pub-gruu']}>", call_id="e")
    assert registrar.answer(message, UDP, 0.0)[0] == 403


def test_forgetting_what_is_not_there() -> None:
    """Nothing is lost by asking twice."""
    gruus = Gruus(CountingTokens())
    gruus.forget("menu", "<urn:uuid:1>")
    assert gruus.owner(parse_uri("sip:gruu.x@here;gr")) is None


THERE = Flow("udp", OURS, ("192.0.2.77", 5070))


@pytest.mark.parametrize(
    ("symmetric", "way", "path"),
    [
        (False, THERE, ()),
        (False, THERE, ("<sip:edge.example;lr>",)),
        (True, UDP, ()),
    ],
)
def test_telephone_that_shows_its_gruu(symmetric: bool, way: Flow, path: tuple[str, ...]) -> None:
    """§5.4: requests within a call go to where the telephone is, with its Contact as Request-URI:
    sent to the address itself they would come back to us.
    """
    rig = Rig(EndpointSettings(symmetric=symmetric))
    rig.endpoint.locate(
        lambda uri: Place("sip:desk@192.0.2.77", THERE, path) if uri.endswith(";gr=1") else None
    )
    call, invite = rig.calling()
    rig.flows.clear()
    rig.receive(response(invite, 200, to_tag="peer", body=SDP, contact="<sip:menu@192.0.2.1;gr=1>"))
    call.bye(now=rig.now)
    (bye,) = (each for each in rig.sent() if isinstance(each, SipRequest))
    assert bye.uri == "sip:desk@192.0.2.77"
    assert bye.elements("route") == list(path)
    assert rig.flows[-1].remote == way.remote


def test_gruu_of_somebody_else() -> None:
    """It is an address like any other."""
    rig = Rig()
    call, invite = rig.calling()
    rig.receive(response(invite, 200, to_tag="peer", body=SDP, contact="<sip:x@192.0.2.9;gr=1>"))
    call.bye(now=rig.now)
    (bye,) = rig.sent()
    assert isinstance(bye, SipRequest)
    assert bye.uri == "sip:x@192.0.2.9;gr=1"
