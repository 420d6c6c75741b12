"""Names to addresses with a real resolver and a name server on loopback; fail-over between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.signalling import dns as module
from ivrbench.engine.signalling.dns import Resolver
from ivrbench.engine.signalling.routing import Router, wants_another_way
from ivrbench.engine.signalling.transports import Transports
from ivrbench.errors import LocalProtocolError
from ivrbench.sip.events import RequestTimedOut, ResponseReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.uri import parse_uri

from ..nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.net

ALL = ("udp", "tcp", "tls", "ws", "wss")
DOMAIN = {
    ("example.org", "NAPTR"): [
        '10 10 "s" "SIPS+D2T" "" _sips._tcp.example.org.',
        '20 10 "s" "SIP+D2U" "" _sip._udp.example.org.',
    ],
    ("_sips._tcp.example.org", "SRV"): ["1 1 5061 a.example.org."],
    ("_sip._udp.example.org", "SRV"): ["1 1 5070 a.example.org.", "2 1 5080 b.example.org."],
    ("a.example.org", "A"): ["127.0.0.1"],
    ("b.example.org", "A"): ["127.0.0.2"],
    ("b.example.org", "AAAA"): ["::1"],
}


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    """A name server for example.org."""
    async with NameServer() as server:
        server.zone.update(DOMAIN)
        yield server


def resolver_for(server: NameServer, tmp_path: Path, hosts: str = "") -> Resolver:
    (tmp_path / "hosts").write_text(hosts)
    return Resolver(["127.0.0.1"], server.port, below=lambda _: 0, hosts=tmp_path / "hosts")


async def find(resolver: Resolver, uri: str, *versions: int) -> list[tuple[str, str, int]]:
    found = await resolver.candidates(parse_uri(uri), ALL, versions or (4,))
    return [(each.transport, each.ip, each.port) for each in found]


async def test_naptr_srv_and_addresses(server: NameServer, tmp_path: Path) -> None:
    """All the way: the domain's own order of transports, then of hosts, both IP versions."""
    resolver = resolver_for(server, tmp_path)
    assert await find(resolver, "sip:x@example.org", 4, 6) == [
        ("tls", "127.0.0.1", 5061),
        ("udp", "127.0.0.1", 5070),
        ("udp", "127.0.0.2", 5080),
        ("udp", "::1", 5080),
    ]


async def test_answers_are_kept_for_their_ttl(
    server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second call asks nothing; what has no records is remembered too; later all is new."""
    resolver = resolver_for(server, tmp_path)
    now_s = 1e9
    monkeypatch.setattr("time.time", lambda: now_s)
    await find(resolver, "sip:x@example.org", 4, 6)
    await find(resolver, "sip:x@gone.example", 4)
    asked = len(server.asked)
    assert await find(resolver, "sip:x@example.org", 4, 6)
    assert await find(resolver, "sip:x@gone.example", 4) == []
    assert len(server.asked) == asked
    server.zone["a.example.org", "A"] = ["127.0.0.9"]
    now_s += server.ttl_s + 1
    assert (await find(resolver, "sip:x@example.org"))[0][1] == "127.0.0.9"


async def test_name_server_in_trouble(server: NameServer, tmp_path: Path) -> None:
    """A question that failed is not asked again at once: calls would queue up behind it."""
    resolver = resolver_for(server, tmp_path)
    server.broken.add("a.example.org")
    assert await find(resolver, "sip:x@a.example.org:5060") == []
    asked = len(server.asked)
    assert await find(resolver, "sip:x@a.example.org:5060") == []
    assert len(server.asked) == asked
    assert await find(resolver, f"sip:x@{'a' * 64}.example:5060") == []


async def test_name_servers_that_are_silent(
    server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All questions about one URI share one time: a call does not wait for each of them."""
    resolver = resolver_for(server, tmp_path)
    server.silent.add("example.org")
    monkeypatch.setattr(module, "RESOLVED_WITHIN_S", 0.05)
    assert await find(resolver, "sip:x@example.org") == []
    assert server.asked == [("example.org", "NAPTR")]


async def test_names_the_machine_knows(server: NameServer, tmp_path: Path) -> None:
    """`localhost` and the hosts file come before the name server."""
    resolver = resolver_for(
        server, tmp_path, "# comment\n10.0.0.7 PBX pbx.lan # here\nbad a.example.org\n\n::7 pbx\n"
    )
    assert await find(resolver, "sip:pbx.lan:5060") == [("udp", "10.0.0.7", 5060)]
    assert await find(resolver, "sip:pbx:5060", 6) == [("udp", "::7", 5060)]
    assert await find(resolver, "sip:localhost:5060", 6, 4) == [
        ("udp", "::1", 5060),
        ("udp", "127.0.0.1", 5060),
    ]
    assert await find(resolver, "sip:a.example.org:5060") == [("udp", "127.0.0.1", 5060)]
    assert server.asked == [("a.example.org", "A")]


async def test_router_goes_on_where_a_place_failed(server: NameServer, tmp_path: Path) -> None:
    """RFC 3263 §4.3: the next place is tried; later requests try the failed one last."""
    transports = Transports(lambda *_: None, lambda *_: None, lambda: None)
    udp = await transports.open("udp", "127.0.0.1", 0)
    router = Router(resolver_for(server, tmp_path), transports)
    ways = await router.find("sip:menu@example.org")
    local = ("127.0.0.1", udp.port)
    first = Flow("tls", ("127.0.0.1", 0), ("127.0.0.1", 5061), host="example.org")
    assert ways.flow == first
    assert ways.next()
    assert ways.flow == Flow("udp", local, ("127.0.0.1", 5070), host="example.org")
    ways = await router.find("sip:menu@example.org")
    assert ways.flow.transport == "udp"
    assert [ways.next(), ways.next(), ways.next()] == [True, True, False]
    assert ways.flow == first
    transports.close()


async def test_router_follows_the_route(server: NameServer, tmp_path: Path) -> None:
    """An outbound proxy decides where the request goes, whatever its URI says."""
    transports = Transports(lambda *_: None, lambda *_: None, lambda: None)
    await transports.open("udp", "127.0.0.1", 0)
    router = Router(resolver_for(server, tmp_path), transports)
    route = ("<sip:127.0.0.1:5099;transport=tcp;lr>",)
    ways = await router.find("sip:menu@nowhere.example", route)
    assert (ways.flow.transport, ways.flow.remote) == ("tcp", ("127.0.0.1", 5099))
    assert ways.route == route
    with pytest.raises(LocalProtocolError, match=r"nowhere\.example leads to no address"):
        await router.find("sip:menu@nowhere.example")
    with pytest.raises(LocalProtocolError, match="scheme 'tel' is not supported"):
        await router.find("tel:123")
    transports.close()


def test_what_makes_a_request_go_elsewhere() -> None:
    """503 and silence are one server's trouble; any other answer is the answer."""
    request = parse_message(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
    busy, away = (parse_message(b"SIP/2.0 %d X\r\n\r\n" % code) for code in (486, 503))
    assert isinstance(request, SipRequest)
    assert isinstance(busy, SipResponse)
    assert isinstance(away, SipResponse)
    assert wants_another_way(RequestTimedOut(None, request, busy))
    assert wants_another_way(ResponseReceived(None, request, away))
    assert not wants_another_way(ResponseReceived(None, request, busy))
