"""Where calls of ours go: places that are silent, and phones that registered at us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.sip import events as sip
from tests.engine.callee import Callee

from .test_dialling import APP, dial

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.sip.flow import Flow
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


def register(bench: Bench, phone: Callee, user: str = "ann", expires_s: int = 600) -> list[int]:
    """A phone registers, with the password of `ann`; the codes it gets in the end."""
    phone.endpoint.credentials = lambda realm: ("ann", "s3cret") if realm == "ivrbench" else None
    party, already = f"<sip:{user}@{US}>", len(phone.events)
    contact = f"<sip:desk@{DESK[0]}:{DESK[1]}>"
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
