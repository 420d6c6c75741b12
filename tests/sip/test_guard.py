"""Hostile sources: the rate, the points, the ban list; and passwords asked for at the door."""

from __future__ import annotations

import random

import pytest

from ivrbench.sip import guard as guard_module
from ivrbench.sip.auth import Attempts, DigestClient
from ivrbench.sip.auth_server import DigestServer
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import AuthenticationFailed, CallEnded, InviteReceived, RequestReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.guard import GuardLimits, Notice, Offence, SourceGuard, source_key
from ivrbench.sip.message import SipResponse
from ivrbench.sip.tokens import CountingTokens

from .helpers import OURS, SDP, UDP, Rig, request

SLOW = GuardLimits(rate_per_s=2, burst=4, offence_points=8, window_s=10, ban_s=100)
HOST = "192.0.2.66"


# --- the guard alone --------------------------------------------------------------------------


def test_rate() -> None:
    """A burst, then the rate; one notice however long it goes on."""
    guard = SourceGuard(SLOW)
    assert [guard.admit(HOST, 0.0) for _ in range(6)] == [True] * 4 + [False] * 2
    assert guard.admit("192.0.2.67", 0.0), "others are not touched"
    assert [guard.admit(HOST, 1.0) for _ in range(3)] == [True, True, False]
    assert guard.next_notice() == Notice(HOST, Offence.FLOOD, 0.0)
    assert guard.next_notice() is None
    assert guard.stats().refused_rate == 3


def test_ban_and_its_end() -> None:
    """Enough points within the window: banned for a while, told once, then as good as new."""
    guard = SourceGuard(SLOW)
    guard.offend(HOST, Offence.BAD_PASSWORD, 0.0)
    assert not guard.is_banned(HOST, 0.0)
    guard.offend(HOST, Offence.BAD_PASSWORD, 1.0)
    assert guard.is_banned(HOST, 1.0)
    assert not guard.admit(HOST, 1.0)
    guard.offend(HOST, Offence.MALFORMED, 2.0)
    assert guard.bans(2.0) == [(HOST, 99.0)]
    assert guard.next_notice() == Notice(HOST, Offence.BAD_PASSWORD, 100)
    assert guard.next_notice() is None
    stats = guard.stats()
    assert (stats.banned, stats.bans, stats.refused_banned, stats.offences) == (1, 1, 1, 3)
    assert guard.admit(HOST, 101.1)
    assert guard.bans(101.1) == []


def test_points_are_forgotten() -> None:
    """A fault now and then is no attack."""
    guard = SourceGuard(SLOW)
    for now in range(0, 200, 11):
        guard.offend(HOST, Offence.UNKNOWN_TARGET, now)
        guard.offend(HOST, Offence.UNKNOWN_TARGET, now)
    assert guard.stats().bans == 0


def test_pardon_and_trust() -> None:
    """A ban can be lifted; trusted peers are never refused, whatever they send."""
    guard = SourceGuard(SLOW, trusted=lambda host: host == "192.0.2.1")
    for _ in range(20):
        guard.offend(HOST, Offence.MALFORMED, 0.0)
        guard.offend("192.0.2.1", Offence.MALFORMED, 0.0)
        assert guard.admit("192.0.2.1", 0.0)
    assert guard.is_banned(HOST, 0.0)
    guard.pardon(HOST)
    assert guard.admit(HOST, 0.0)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("no:address", "no:address"),
    ],
)
def test_source_of_an_ipv6_address_is_its_network(host: str, key: str) -> None:
    """One customer has 2**64 addresses to come from."""
    assert source_key(host) == key


def test_guard_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged sources without end cost a fixed amount of memory."""
    monkeypatch.setattr(guard_module, "MAX_SOURCES", 10)
    monkeypatch.setattr(guard_module, "MAX_BANS", 5)
    guard = SourceGuard(GuardLimits(offence_points=1))
    for number in range(1000):
        guard.admit(f"192.0.2.{number}", 0.0)
        guard.offend(f"198.51.100.{number}", Offence.MALFORMED, 0.0)
    stats = guard.stats()
    assert stats.sources <= 10
    assert (stats.banned, stats.bans) == (5, 1000)
    taken = 0
    while guard.next_notice() is not None:
        taken += 1
    assert taken == guard_module.MAX_NOTICES


# --- the guard at the endpoint ----------------------------------------------------------------


def test_garbage_bans_its_source_and_nobody_else() -> None:
    """A flood of garbage is cut off after a few; a good caller beside it gets through."""
    guard = SourceGuard(SLOW)
    endpoint = Endpoint(tokens=CountingTokens(), guard=guard)
    bad = Flow("udp", OURS, (HOST, 5060))
    chance = random.Random(7)
    for number in range(5000):
        endpoint.receive(chance.randbytes(200), bad, number / 5000)
    stats = endpoint.stats()
    assert stats.received < 10
    assert guard.stats().refused_rate + guard.stats().refused_banned > 4980
    endpoint.receive(request("INVITE", branch="good", body=SDP), UDP, 1.0)
    assert isinstance(endpoint.next_event(), InviteReceived)


# --- passwords --------------------------------------------------------------------------------


class Door(Rig):
    """An endpoint that asks for passwords, and a client that may know one."""

    def __init__(self, password: str) -> None:
        super().__init__()
        self.guard = SourceGuard()
        server = DigestServer("here", {"bob": "zanzibar"}.get, b"k" * 16, CountingTokens("n"))
        self.endpoint = Endpoint(tokens=CountingTokens("us"), authority=server, guard=self.guard)
        self.client = DigestClient(lambda _: ("bob", password), CountingTokens("c"))

    def knock(self, method: str, branch: str, extra: str = "") -> SipResponse | None:
        sent = self.receive(request(method, branch=branch, body=SDP, extra=extra))
        if not sent:
            return None
        assert isinstance(sent[0], SipResponse)
        return sent[0]

    def challenged(self, method: str) -> str:
        """Our header line for the next try."""
        asked = self.knock(method, "first")
        assert asked is not None
        assert asked.code == 401
        assert len(asked.headers("www-authenticate")) == 2, "one for each algorithm"
        assert self.client.take(asked, Attempts())
        return self.client.lines(method, "sip:menu@192.0.2.1").strip()


def test_caller_proves_who_it_is() -> None:
    """RFC 3261 §22.1: 401 keeps nothing; the call that comes of the second try knows its user."""
    door = Door("zanzibar")
    line = door.challenged("INVITE")
    door.assert_empty()
    assert door.events() == []
    door.receive(request("ACK", branch="first", to_tag="whatever"))
    trying = door.knock("INVITE", "second", line)
    assert trying is not None
    assert trying.code == 100
    event = door.event(InviteReceived)
    assert event.request.auth_user == "bob"
    stale = door.knock("INVITE", "third", line)
    assert stale is not None
    assert (stale.code, "stale=true" in stale.header("www-authenticate")) == (401, True)
    event.call.drop(now=door.now)
    assert isinstance(door.events()[-1], CallEnded)


def test_wrong_password_is_told_and_counted() -> None:
    """The answer is that of no password at all; the user of the endpoint hears of it."""
    door = Door("guess")
    line = door.challenged("INVITE")
    again = door.knock("INVITE", "second", line)
    assert again is not None
    assert again.code == 401
    assert "stale" not in again.header("www-authenticate")
    event = door.event(AuthenticationFailed)
    assert (event.user, event.flow) == ("bob", UDP)
    assert door.guard.stats().offences == 1
    bad = door.knock("INVITE", "third", line.replace("qop=auth", "qop=other"))
    assert bad is not None
    assert bad.code == 400


def test_options_and_dialogs_need_no_password() -> None:
    """A proxy may probe; within a call the dialog is proof enough."""
    door = Door("zanzibar")
    probe = door.knock("OPTIONS", "o")
    assert probe is not None
    assert probe.code == 200
    line = door.challenged("MESSAGE")
    assert door.knock("MESSAGE", "second", line) is None
    event = door.event(RequestReceived)
    assert event.request.auth_user == "bob"
    door.endpoint.respond(event.request, 200, now=door.now)
