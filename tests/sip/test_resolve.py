"""From URIs to addresses (RFC 3263), with a table for the DNS."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from ivrbench.errors import LocalProtocolError
from ivrbench.sip.resolve import (
    MAX_CANDIDATES,
    Candidate,
    Naptr,
    Question,
    Record,
    RecordType,
    Srv,
    candidates,
)
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALL = ("udp", "tcp", "tls", "ws", "wss")
A, B = "192.0.2.1", "192.0.2.2"

Zone = dict[tuple[str, str], list[Record]]


def find(
    uri: str,
    zone: Zone | None = None,
    *,
    usable: Sequence[str] = ALL,
    versions: Sequence[int] = (4,),
    below: Callable[[int], int] = lambda _: 0,
) -> list[tuple[str, str, int]]:
    """Transport, address and port of each candidate."""
    return [(c.transport, c.ip, c.port) for c in look(uri, zone, usable, versions, below)[0]]


def look(
    uri: str,
    zone: Zone | None,
    usable: Sequence[str] = ALL,
    versions: Sequence[int] = (4,),
    below: Callable[[int], int] = lambda _: 0,
) -> tuple[list[Candidate], list[Question]]:
    """The candidates, and what was asked."""
    asking = candidates(parse_uri(uri), usable, versions, below)
    asked: list[Question] = []
    answer: Sequence[Record] | None = None
    while True:
        try:
            question = asking.send(answer) if answer is not None else next(asking)
        except StopIteration as done:
            return done.value, asked
        asked.append(question)
        answer = (zone or {}).get((question.name, question.kind.value), [])


@pytest.mark.parametrize(
    ("uri", "where"),
    [
        ("sip:192.0.2.1", ("udp", A, 5060)),
        ("sip:x@192.0.2.1:5090", ("udp", A, 5090)),
        ("sip:192.0.2.1;transport=tcp", ("tcp", A, 5060)),
        ("sip:192.0.2.1;transport=TLS", ("tls", A, 5061)),
        ("sip:192.0.2.1;transport=ws", ("ws", A, 80)),
        ("sips:192.0.2.1", ("tls", A, 5061)),
        ("sips:192.0.2.1:5090;transport=tcp", ("tls", A, 5090)),
        ("sips:192.0.2.1;transport=ws", ("wss", A, 443)),
        ("sip:example.org;maddr=192.0.2.1", ("udp", A, 5060)),
    ],
)
def test_addresses_need_no_dns(uri: str, where: tuple[str, str, int]) -> None:
    """RFC 3263 §4.1, §4.2: transport and port come from the URI or are the defaults."""
    found, asked = look(uri, None)
    assert [(c.transport, c.ip, c.port) for c in found] == [where]
    assert asked == []


def test_ipv6() -> None:
    """Brackets are not part of an address; a version we do not have is no way."""
    assert find("sip:[2001:db8::1]", versions=(6,)) == [("udp", "2001:db8::1", 5060)]
    assert find("sip:[2001:db8::1]", versions=(4,)) == []
    zone: Zone = {("h.example", "A"): [A], ("h.example", "AAAA"): ["2001:db8::1"]}
    both = find("sip:h.example:5060", zone, versions=(6, 4))
    assert [ip for _, ip, _ in both] == ["2001:db8::1", A]


def test_port_means_no_srv() -> None:
    """RFC 3263 §4.2: with a port only addresses are looked up."""
    found, asked = look("sip:h.example:5070", {("h.example", "A"): [A, B]})
    assert [(c.ip, c.port) for c in found] == [(A, 5070), (B, 5070)]
    assert asked == [Question("h.example", RecordType.A)]


def test_naptr_chooses_the_transport() -> None:
    """RFC 3263 §4.1's example: order, then preference; services we do not speak are left out."""
    zone: Zone = {
        ("example.com", "NAPTR"): [
            Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
            Naptr(50, 50, "S", "SIPS+D2T", "_sips._tcp.example.com"),
            Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
            Naptr(10, 50, "s", "SIP+D2S", "_sip._sctp.example.com"),
            Naptr(10, 50, "u", "E2U+sip", "_sip._udp.other.example"),
        ],
        ("_sips._tcp.example.com", "SRV"): [Srv(0, 1, 5063, "one.example.com.")],
        ("_sip._tcp.example.com", "SRV"): [Srv(0, 1, 5060, "Two.example.com")],
        ("one.example.com", "A"): [A],
        ("two.example.com", "A"): [B],
    }
    assert find("sip:example.com", zone) == [("tls", A, 5063), ("tcp", B, 5060)]
    assert find("sips:example.com", zone) == [("tls", A, 5063)]
    assert find("sip:example.com", zone, usable=("udp", "tcp")) == [("tcp", B, 5060)]


def test_certificate_has_to_show_the_domain() -> None:
    """RFC 5922 §4: what counts is the domain asked for, whatever host its SRV records name."""
    zone: Zone = {
        ("_sips._tcp.example.com", "SRV"): [Srv(0, 1, 5061, "host.provider.example")],
        ("host.provider.example", "A"): [A],
    }
    (found,), _ = look("sips:example.com", zone)
    assert found.host == "example.com"
    (found,), _ = look("sips:192.0.2.1", None)
    assert found.host == ""


def test_without_naptr_all_services_are_asked_for() -> None:
    """RFC 3263 §4.1: SRV by SRV, the secure one first."""
    zone: Zone = {
        ("_sip._udp.example.com", "SRV"): [Srv(0, 1, 5060, "h.example")],
        ("h.example", "A"): [A],
    }
    found, asked = look("sip:example.com", zone)
    assert [c.transport for c in found] == ["udp"]
    assert [q.name.removesuffix(".example.com").removesuffix(".example") for q in asked] == [
        "example.com",
        "_sips._tcp",
        "_sip._tcp",
        "_sip._udp",
        "h",
    ]
    assert find("sips:example.com", zone) == []


def test_without_srv_the_name_itself() -> None:
    """RFC 3263 §4.2: no SRV at all: addresses of the name, default port and transport."""
    zone: Zone = {("example.com", "A"): [A]}
    assert find("sip:example.com", zone) == [("udp", A, 5060)]
    assert find("sips:example.com", zone) == [("tls", A, 5061)]
    assert find("sip:example.com;transport=tcp", zone) == [("tcp", A, 5060)]
    assert find("sip:example.com", zone, usable=("tcp",)) == []
    assert find("sip:gone.example") == []


def test_transport_asks_only_for_its_service() -> None:
    """RFC 3263 §4.2: a named transport skips NAPTR."""
    zone: Zone = {
        ("_sip._tcp.example.com", "SRV"): [Srv(0, 1, 5070, "h.example")],
        ("h.example", "A"): [A],
    }
    found, asked = look("sip:example.com;transport=tcp", zone)
    assert [(c.transport, c.port) for c in found] == [("tcp", 5070)]
    assert asked[0] == Question("_sip._tcp.example.com", RecordType.SRV)


def test_service_that_is_decidedly_not_there() -> None:
    """RFC 2782: a target of "." says no; the name itself is not tried instead."""
    zone: Zone = {
        ("_sip._udp.example.com", "SRV"): [Srv(0, 0, 0, ".")],
        ("example.com", "A"): [A],
    }
    assert find("sip:example.com", zone) == []


def test_priorities_and_weights() -> None:
    """A lower priority always comes first; among equals the weights decide how often."""
    zone: Zone = {
        ("_sip._udp.example.com", "SRV"): [
            Srv(10, 75, 1, "h.example"),
            Srv(10, 25, 2, "h.example"),
            Srv(10, 0, 3, "h.example"),
            Srv(5, 1, 4, "h.example"),
        ],
        ("h.example", "A"): [A],
    }
    chance = random.Random(1)
    orders = [
        [port for _, _, port in find("sip:example.com", zone, below=chance.randrange)]
        for _ in range(1000)
    ]
    assert {order[0] for order in orders} == {4}
    assert all(sorted(order) == [1, 2, 3, 4] for order in orders)
    first = Counter(order[1] for order in orders)
    assert 680 < first[1] < 820
    assert 180 < first[2] < 320
    assert first[3] < 40


def test_domain_with_too_many_records() -> None:
    """A hostile zone costs a bounded number of questions and gives a bounded number of places."""
    zone: Zone = {
        ("e.example", "NAPTR"): [Naptr(n, 0, "s", "SIP+D2U", f"s{n}.example") for n in range(1000)],
        **{
            (f"s{n}.example", "SRV"): [Srv(0, 0, 5060, f"h{k}.example") for k in range(1000)]
            for n in range(1000)
        },
        **{(f"h{k}.example", "A"): [A] for k in range(1000)},
    }
    found, asked = look("sip:e.example", zone)
    assert len(found) == MAX_CANDIDATES
    assert len(asked) < 60


@pytest.mark.parametrize("uri", ["sips:x;transport=udp", "sip:x;transport=sctp"])
def test_uri_that_cannot_be(uri: str) -> None:
    """RFC 3261 §26.2.2: sips needs TLS; a transport we do not speak is said to be so."""
    with pytest.raises(LocalProtocolError, match="sips cannot go over udp|is not spoken here"):
        look(uri, None)
