"""Many accounts at one provider: spread in time, and found without a search."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ivrbench.config import Account
from ivrbench.engine.signalling.registrations import STARTS_PER_S
from ivrbench.sip.auth_server import DigestServer
from ivrbench.sip.flow import Flow
from ivrbench.sip.tokens import RandomTokens

from ..provider import OUTSIDE, REGISTRAR, US, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNTS = 300
WAY = Flow("udp", US, REGISTRAR)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider where all accounts of ours are registered."""
    provider = Provider(ACCOUNTS)
    provider.wait(ACCOUNTS / STARTS_PER_S + 1)
    yield provider
    provider.close()


def test_accounts_start_one_after_the_other(provider: Provider) -> None:
    """A provider is not flooded at start-up; refreshes and keepalives stay apart too."""
    assert provider.states() == {"registered": ACCOUNTS}
    assert provider.registered == ACCOUNTS
    assert provider.peak_per_s <= STARTS_PER_S + 1
    provider.wait(600.0)
    assert ACCOUNTS < provider.registered <= 3 * ACCOUNTS
    assert provider.peak_per_s <= 2 * STARTS_PER_S
    assert provider.pinged >= ACCOUNTS * 20
    assert provider.states() == {"registered": ACCOUNTS}
    assert len(provider.registrations.pings) <= 1


def test_what_is_known_of_a_way(provider: Provider) -> None:
    """The registrar is never banned, its connection never idle, until the last account left."""
    registrations = provider.registrations
    assert registrations.knows(REGISTRAR[0])
    assert not registrations.knows(OUTSIDE[0])
    assert registrations.uses(WAY)
    one = replace(provider.settings, register=provider.settings.register[:1])
    registrations.apply(one)
    provider.wait(5.0)
    assert registrations.knows(REGISTRAR[0])
    assert provider.registered == 2 * ACCOUNTS - 1, "those not wanted any more are taken back"
    registrations.apply(replace(one, register=()))
    provider.wait(1.0)
    assert not registrations.knows(REGISTRAR[0])
    assert not registrations.uses(WAY)
    assert not registrations._by_flow
    assert not registrations._bindings
    assert not registrations.pings


def test_lost_way(provider: Provider) -> None:
    """All accounts of a connection that is gone look for another."""
    provider.registrations.flow_failed(WAY, "gone")
    assert provider.states() == {"waiting": ACCOUNTS}
    assert not provider.registrations.uses(WAY)
    provider.wait(60.0)
    assert provider.states() == {"registered": ACCOUNTS}


def test_leaving(provider: Provider) -> None:
    """At the end all are taken back, not all in one moment."""
    provider.registrations.leave()
    provider.wait(0.05)
    assert 0 < provider.registered - ACCOUNTS < ACCOUNTS / 2
    provider.loop.run_until_complete(provider.registrations.close(5.0))
    assert provider.registered == 2 * ACCOUNTS
    assert provider.states() == {}


def test_account_that_cannot_be_read(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the others are registered all the same."""
    good = provider.settings.register[0]
    wanted = replace(provider.settings, register=(Account("sip:a@[::1"), good))
    provider.registrations.apply(wanted)
    assert "register = sip:a@[::1: " in caplog.text
    provider.wait(5.0)
    assert provider.states()["registered"] == 1


def test_address_that_changes(provider: Provider) -> None:
    """The NAT gave us another address: every account tells its registrar anew."""
    before = provider.registered
    provider.outside = ("203.0.113.10", 5060)
    provider.wait(40.0)
    assert provider.registered >= before + ACCOUNTS
    assert provider.states() == {"registered": ACCOUNTS}


def test_registrar_that_is_silent() -> None:
    """RFC 3263 §4.3: where nobody says a word the next server is asked after 5 s, and nothing that
    becomes of the first REGISTER counts any more."""
    provider = Provider(1)
    provider.silent = [Flow("udp", US, ("192.0.2.51", 5060))]
    provider.wait(4.9)
    assert provider.states() == {"registering": 1}
    provider.wait(0.2)
    assert provider.states() == {"registered": 1}
    provider.wait(100.0)
    assert provider.states() == {"registered": 1}
    assert provider.registered == 1
    provider.close()


def test_all_registrars_are_silent() -> None:
    """The last one has the whole time of a transaction; then it is tried again later."""
    provider = Provider(1)
    provider.silent = [Flow("udp", US, (f"192.0.2.{n}", 5060)) for n in (51, 52)]
    provider.silent.append(WAY)
    provider.wait(46.5)  # four places: it is found twice
    assert provider.states() == {"registering": 1}
    provider.wait(1.0)
    assert provider.states() == {"waiting": 1}
    provider.close()


def test_refreshes_use_the_nonce_of_the_time_before() -> None:
    """RFC 7616 §3.4: an account is challenged once, not at each refresh, and again when its nonce
    is too old.
    """
    provider = Provider(1)
    passwords = {"u0": "x"}.get
    provider.guard = DigestServer(
        "r", passwords, b"k" * 16, RandomTokens(), algorithms=("MD5",), nonce_life_s=3000.0
    )
    provider.wait(2900.0)
    assert provider.challenged == 1
    assert provider.registered >= 5 + provider.challenged
    provider.wait(700.0)
    assert provider.challenged == 2
    assert provider.states() == {"registered": 1}
    provider.close()
