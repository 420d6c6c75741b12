"""Several ways of one account to its provider (RFC 5626 §4), in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.observe.events import RegistrationChanged
from ivrbench.sip.flow import Flow
from ivrbench.sip.headers import parse_name_addr

from ..provider import REGISTRAR, US, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST = Flow("udp", US, REGISTRAR)
SECOND = Flow("udp", US, ("192.0.2.51", 5060))
THIRD = Flow("udp", US, ("192.0.2.52", 5060))
SENDER = "<sip:u0@192.0.2.50>"


@pytest.fixture
def make_provider() -> Iterator[Callable[..., Provider]]:
    """Makes providers with one account of ours, closed in the end."""
    made: list[Provider] = []

    def make(*servers: Flow, **settings: Any) -> Provider:  # Any: each has its type.
        made.append(Provider(1, **settings))
        made[-1].servers = list(servers)
        return made[-1]

    yield make
    for each in made:
        each.close()


def bound(provider: Provider) -> list[tuple[Flow, str]]:
    """The way and reg-id of each REGISTER that was answered since the last look."""
    found = [
        (flow, parse_name_addr(request.header("contact")).params.get("reg-id") or "")
        for flow, request in provider.got
    ]
    provider.got.clear()
    return found


def shown(provider: Provider) -> RegistrationChanged:
    """What the workbench shows of the account."""
    (change,) = provider.board.hub.history.engine.registrations.values()
    return RegistrationChanged(change.account, change.state, change.reason, change.expires_s)


def test_two_ways(make_provider: Callable[..., Provider]) -> None:
    """Each to another server, with the same instance and numbers from 1, the second only after the
    registrar said that it tells them apart; each is refreshed and kept alive by itself.
    """
    provider = make_provider(FIRST, SECOND, THIRD)
    provider.wait(0.005)
    assert len(provider.got) == 1
    provider.wait(0.1)
    one, two = (parse_name_addr(r.header("contact")).params for _, r in provider.got)
    assert one["+sip.instance"] == two["+sip.instance"]
    assert len({request.call_id for _, request in provider.got}) == 2
    assert bound(provider) == [(FIRST, "1"), (SECOND, "2")]
    assert shown(provider) == RegistrationChanged("sip:u0@192.0.2.50", "registered", "", 600)
    provider.wait(60)
    assert provider.pinged == 6
    provider.wait(540)
    assert sorted(bound(provider), key=str) == [(FIRST, "1"), (SECOND, "2")]


@pytest.mark.parametrize(
    ("others", "wanted", "ways"),
    [
        ((), 2, [FIRST]),
        ((Flow("tcp", US, REGISTRAR), Flow("tls", US, (REGISTRAR[0], 5061))), 4, [FIRST]),
        ((SECOND, THIRD), 1, [FIRST]),
        ((SECOND, THIRD), 4, [FIRST, SECOND, THIRD]),
    ],
)
def test_as_many_as_there_are_servers(
    make_provider: Callable[..., Provider], others: tuple[Flow, ...], wanted: int, ways: list[Flow]
) -> None:
    """Another port or transport of the same server is no further way; nothing is amiss if there are
    fewer than `register_flows`, and a server that comes later is taken when one is looked for.
    """
    provider = make_provider(FIRST, *others, register_flows=wanted)
    provider.wait(5)
    assert bound(provider) == [(way, str(number + 1)) for number, way in enumerate(ways)]
    assert shown(provider).reason == ""
    if ways == [FIRST] and wanted > 1:
        provider.servers.append(THIRD)
        provider.registrations.flow_failed(FIRST, "gone")
        provider.wait(5)
        assert bound(provider) == [(FIRST, "1"), (THIRD, "2")]


def test_way_that_dies(make_provider: Callable[..., Provider]) -> None:
    """RFC 5626 §4.4, §4.5: no answer to keepalives: the flow is given up within a minute and opened
    anew, with waits of 90 s and more as the other one is up. Meanwhile the account is registered,
    and its calls go by the other way; the same once it is back.
    """
    provider = make_provider(FIRST, SECOND)
    avoided: list[tuple[Flow, float]] = []
    provider.avoid = lambda flow, for_s=0.0: avoided.append((flow, for_s))  # type: ignore[method-assign]
    provider.wait(5)
    registrations = provider.registrations
    account = registrations._by_address["u0", "192.0.2.50"]
    assert account.live is account.bindings[0]
    bound(provider)
    provider.dead.add(FIRST)
    provider.wait(60)
    assert account.live is account.bindings[1]
    state = shown(provider)
    assert (state.state, state.expires_s) == ("registered", 600)
    assert state.reason.startswith("way 1: the registrar does not answer")
    assert account.bindings[0].machine.backed_up
    provider.wait(60)
    way, for_s = avoided[-1]
    assert way == FIRST
    assert for_s >= 90 + 32, "calls do not try it before we do"
    provider.dead.clear()
    provider.wait(600)
    assert (FIRST, "1") in bound(provider)
    assert account.live is account.bindings[0]
    assert shown(provider).reason == ""


@pytest.mark.parametrize(("flow_timer_s", "every_s"), [(0, 25), (120, 25), (10, 8)])
def test_how_often_the_registrar_wants_to_hear(
    make_provider: Callable[..., Provider], flow_timer_s: int, every_s: int
) -> None:
    """RFC 5626 §4.4: Flow-Timer makes keepalives more frequent, and never less than NATs want."""
    provider = make_provider(FIRST)
    provider.flow_timer_s = flow_timer_s
    provider.wait(1 + 400)
    assert provider.pinged == 1 + 400 // every_s


def test_all_ways_die(make_provider: Callable[..., Provider]) -> None:
    """Nothing is registered then, and nothing leads astray; both come back, each to one server."""
    provider = make_provider(FIRST, SECOND)
    provider.wait(5)
    provider.dead |= {FIRST, SECOND}
    provider.wait(100)
    assert shown(provider).state in ("waiting", "registering")
    assert provider.registrations.route_from(SENDER) == ()
    provider.dead.clear()
    provider.wait(1900)
    account = provider.registrations._by_address["u0", "192.0.2.50"]
    assert all(each.machine.bound for each in account.bindings)
    assert {each.flow for each in account.bindings} == {FIRST, SECOND}
    assert shown(provider).state == "registered"


def test_connection_that_is_gone(make_provider: Callable[..., Provider]) -> None:
    """One of two is opened anew within a second; the account never was gone."""
    provider = make_provider(FIRST, SECOND)
    provider.wait(5)
    bound(provider)
    provider.registrations.flow_failed(SECOND, "gone")
    assert shown(provider) == RegistrationChanged(
        "sip:u0@192.0.2.50", "registered", "way 2: gone", 600
    )
    provider.wait(1.1)
    assert bound(provider) == [(SECOND, "2")]
    assert shown(provider).reason == ""


def test_proxies_that_are_named(make_provider: Callable[..., Provider]) -> None:
    """RFC 5626 §4.2: one flow through each of `outbound_proxy` and `backup_proxies`; calls of the
    account go through one that works, and those of others through the first.
    """
    proxies = {
        "outbound_proxy": "sip:192.0.2.61",
        "backup_proxies": ("sip:192.0.2.62;lr", "sip:192.0.2.63"),
    }
    provider = make_provider(FIRST, **proxies)
    provider.wait(5)
    edges = [Flow("udp", US, (f"192.0.2.6{n}", 5060)) for n in (1, 2, 3)]
    assert [request.header("route") for _, request in provider.got] == [
        "<sip:192.0.2.61;lr>",
        "<sip:192.0.2.62;lr>",
        "<sip:192.0.2.63;lr>",
    ]
    assert bound(provider) == [(edge, str(n + 1)) for n, edge in enumerate(edges)]
    registrations = provider.registrations
    service_route = "<sip:192.0.2.60;lr>"
    assert registrations.route_from(SENDER) == ("<sip:192.0.2.61;lr>", service_route)
    provider.dead.add(edges[0])
    provider.wait(60)
    assert registrations.route_from(SENDER) == ("<sip:192.0.2.62;lr>", service_route)
    assert registrations.route_from("<sip:else@example.org>") == ("<sip:192.0.2.61;lr>",)


def test_contact_of_calls(make_provider: Callable[..., Provider]) -> None:
    """RFC 5626 §4.3: `ob` where the call goes by a flow of its account, and nowhere else."""
    provider = make_provider(FIRST, SECOND)
    contact_from = provider.registrations.contact_from
    assert contact_from(SENDER, FIRST) == ""
    provider.wait(5)
    for way in (FIRST, SECOND):
        assert contact_from(SENDER, way) == "<sip:u0@192.0.2.1:5060;ob>"
    assert contact_from(SENDER, THIRD) == contact_from("<sip:x@example.org>", FIRST) == ""


def test_gruu(make_provider: Callable[..., Provider]) -> None:
    """RFC 5627 §4.4: the Contact of calls, if the registrar gave one and `gruu` asks for it."""
    for gruu in (True, False):
        provider = make_provider(FIRST, gruu=gruu)
        provider.gruu = "sip:u0@192.0.2.50;gr=urn:uuid:1"
        provider.wait(5)
        contact = provider.registrations.contact_from(SENDER, FIRST)
        assert contact == (f"<{provider.gruu}>" if gruu else "<sip:u0@192.0.2.1:5060;ob>")


def test_leaving_by_all_ways(make_provider: Callable[..., Provider]) -> None:
    """Every binding is taken back, and no other is made."""
    provider = make_provider(FIRST, SECOND)
    provider.wait(5)
    bound(provider)
    provider.loop.run_until_complete(provider.registrations.close(5.0))
    assert [request.header("expires") for _, request in provider.got] == ["0", "0"]
    assert set(bound(provider)) == {(FIRST, "1"), (SECOND, "2")}
