"""The registration machine: every state and event, waits, and what registrars grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.sip.message import SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.register import (
    BASE_WAIT_S,
    MAX_TOO_BRIEF,
    MAX_WAIT_S,
    REFUSED_WAIT_S,
    Registration,
    RegistrationState,
)
from ivrbench.sip.tokens import CountingTokens

if TYPE_CHECKING:
    from collections.abc import Callable

URN = "urn:uuid:00000000-0000-0000-0000-000000000001"
CONTACT = "sip:bench@192.0.2.1:5060"
NOW = 1000.0


class Tokens(CountingTokens):
    """Chance that always takes the lowest, or the highest."""

    def __init__(self, highest: bool = False) -> None:
        super().__init__()
        self.highest = highest

    def below(self, limit: int) -> int:
        return limit - 1 if self.highest else 0


def answer(code: int, *lines: str, cseq: int = 1) -> SipResponse:
    """A registrar's response."""
    text = "\r\n".join(
        [
            f"SIP/2.0 {code} Reason",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx",
            "From: <sip:bench@example.org>;tag=a",
            "To: <sip:bench@example.org>;tag=b",
            "Call-ID: x",
            f"CSeq: {cseq} REGISTER",
            *lines,
            "\r\n",
        ]
    )
    message = parse_message(text.encode())
    message.check()
    assert isinstance(message, SipResponse)
    return message


def asked(registration: Registration) -> dict[str, str]:
    """Send the REGISTER that is due."""
    return dict(registration.request_headers(CONTACT))


def registered(*lines: str, highest: bool = False) -> Registration:
    """A registration that was just granted at NOW."""
    registration = Registration(URN, Tokens(highest), now=NOW)
    asked(registration)
    registration.on_response(answer(200, *lines), NOW)
    return registration


def test_first_request() -> None:
    """Due at once; Contact carries expiry, instance and reg-id (RFC 5626 §4.2)."""
    registration = Registration(URN, Tokens(), now=NOW)
    assert registration.deadline() == NOW
    headers = asked(registration)
    assert headers["Contact"] == f'<{CONTACT}>;+sip.instance="<{URN}>";reg-id=1;expires=600'
    assert headers["Supported"] == "path, outbound"
    assert (registration.state, registration.deadline()) == (RegistrationState.REGISTERING, None)
    assert registration.answer_due


@pytest.mark.parametrize(
    ("lines", "granted_s"),
    [
        ((), 600),
        (("Expires: 120",), 120),
        ((f"Contact: <{CONTACT}>;expires=60", "Expires: 120"), 60),
        ((f'Contact: <sip:x@1.2.3.4>;expires=9, <{CONTACT}>;expires="60"',), 60),
        ((f'Contact: <sip:nat@9.9.9.9>;+sip.instance="<{URN}>";expires=30',), 30),
        (("Contact: <sip:other@192.0.2.9>;expires=5", "Contact: junk"), 600),
        (("Contact: *",), 600),
        ((f"Contact: <{CONTACT}>;expires=999999999999999",), 600),
    ],
)
def test_what_was_granted(lines: tuple[str, ...], granted_s: int) -> None:
    """RFC 3261 §10.2.4: our own Contact counts, then Expires, then what we asked for."""
    registration = registered(*lines)
    assert (registration.state, registration.expires_s) == (
        RegistrationState.REGISTERED,
        granted_s,
    )
    assert registration.deadline() == NOW + granted_s * 0.8


def test_refresh_comes_before_the_end_and_not_for_all_at_once() -> None:
    """Between 80 and 90 hundredths of the time; never in a busy loop."""
    assert registered("Expires: 100").deadline() == NOW + 80
    assert registered("Expires: 100", highest=True).deadline() == NOW + 90
    assert registered("Expires: 1").deadline() == NOW + 5


def test_refresh() -> None:
    """The same Call-ID, the next CSeq number, even after a challenge took one."""
    registration = registered()
    call_id = registration.call_id
    assert registration.cseq == 2
    asked(registration)
    assert registration.state is RegistrationState.REFRESHING
    registration.on_response(answer(200, cseq=3), NOW)
    assert (registration.state, registration.cseq) == (RegistrationState.REGISTERED, 4)
    assert registration.call_id == call_id


def test_what_else_a_registrar_tells() -> None:
    """Service-Route in its order, Flow-Timer, and whether it knows RFC 5626."""
    registration = registered(
        "Service-Route: <sip:a.example;lr>, <sip:b.example;lr>",
        "Service-Route: <sip:c.example;lr>",
        "Flow-Timer: 25",
        "Require: outbound",
    )
    assert registration.service_route == (
        "<sip:a.example;lr>",
        "<sip:b.example;lr>",
        "<sip:c.example;lr>",
    )
    assert (registration.keep_alive_s, registration.outbound) == (25, True)
    assert not registered().outbound


def test_registrar_that_wants_a_longer_time() -> None:
    """RFC 3261 §10.2.8: 423 is followed at once, but not for ever and not to the absurd."""
    registration = Registration(URN, Tokens(), now=NOW)
    for n in range(MAX_TOO_BRIEF):
        asked(registration)
        registration.on_response(answer(423, f"Min-Expires: {1000 + n}"), NOW)
        assert registration.deadline() == NOW
    assert asked(registration)["Expires"] == str(1000 + MAX_TOO_BRIEF - 1)
    registration.on_response(answer(423, "Min-Expires: 2000"), NOW)
    assert (registration.deadline() or 0) > NOW
    for line in ("Min-Expires: 60", "Min-Expires: 999999999", "Min-Expires: x"):
        registration = Registration(URN, Tokens(), now=NOW)
        asked(registration)
        registration.on_response(answer(423, line), NOW)
        assert registration.deadline() == NOW + BASE_WAIT_S


def test_back_off() -> None:
    """RFC 5626 §4.5: doubled to half an hour, and success starts over."""
    registration = Registration(URN, Tokens(highest=True), now=NOW)
    waits = []
    for _ in range(9):
        asked(registration)
        registration.on_no_response("nobody answers", NOW)
        waits.append((registration.deadline() or 0) - NOW)
    assert registration.reason == "nobody answers"
    assert waits == [60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]
    assert max(waits) == MAX_WAIT_S
    asked(registration)
    registration.on_response(answer(200), NOW)
    assert registration.reason == ""
    asked(registration)
    registration.on_response(answer(500), NOW)
    assert registration.deadline() == NOW + 60


@pytest.mark.parametrize(
    ("code", "lines", "wait_s"),
    [
        (403, (), REFUSED_WAIT_S),
        (401, (), REFUSED_WAIT_S),
        (503, ("Retry-After: 70 (soon);duration=9",), 70),
        (503, ("Retry-After: 999999",), MAX_WAIT_S),
        (500, (), BASE_WAIT_S),
    ],
)
def test_refusals(code: int, lines: tuple[str, ...], wait_s: float) -> None:
    """What will not change by itself is tried less often; Retry-After is obeyed."""
    registration = Registration(URN, Tokens(), now=NOW)
    asked(registration)
    registration.on_response(answer(code, *lines), NOW)
    assert (registration.state, registration.reason) == (
        RegistrationState.WAITING,
        f"{code} Reason",
    )
    assert registration.deadline() == NOW + wait_s


def test_lost_connection_is_replaced_soon() -> None:
    """Calls cannot come any more: not after a back-off, but not all clients at one instant."""
    registration = registered()
    registration.on_flow_failed("the connection closed", NOW)
    assert (registration.state, registration.deadline()) == (RegistrationState.WAITING, NOW + 0.1)
    registration.on_flow_failed("again", NOW + 50)
    assert registration.deadline() == NOW + 0.1
    assert asked(registration)["Expires"] == "600"


def test_new_address_is_registered_at_once() -> None:
    """RFC 5626 §4.4.2: the NAT's new address is the one calls have to come to."""
    registration = registered()
    registration.on_address_changed(NOW + 9)
    assert registration.deadline() == NOW + 9
    asked(registration)
    registration.on_address_changed(NOW + 10)
    assert registration.deadline() is None, "one at a time"


def test_leaving() -> None:
    """The binding is taken back, whatever the registrar says to that."""
    for code in (200, 500):
        registration = registered()
        registration.leave(NOW + 1)
        assert registration.deadline() == NOW + 1
        assert asked(registration)["Contact"].endswith("expires=0")
        assert registration.state is RegistrationState.LEAVING
        registration.on_response(answer(code, cseq=2), NOW + 1)
        assert (registration.state, registration.expires_s) == (RegistrationState.IDLE, 0)
        assert registration.deadline() is None
    waiting = Registration(URN, Tokens(), now=NOW)
    asked(waiting)
    waiting.on_no_response("gone", NOW)
    waiting.leave(NOW)
    assert (waiting.state, waiting.deadline()) == (RegistrationState.IDLE, None)


def test_late_events_change_nothing() -> None:
    """What comes after leaving finds nothing to do."""
    registration = registered()
    registration.leave(NOW)
    asked(registration)
    registration.on_no_response("silence", NOW)
    registration.on_flow_failed("closed", NOW)
    registration.on_address_changed(NOW)
    assert (registration.state, registration.deadline()) == (RegistrationState.IDLE, None)


def test_proxy_that_cannot_do_outbound() -> None:
    """RFC 5626 §11.6: after 439 the same at once without outbound, once; then it is a refusal."""
    registration = Registration(URN, Tokens(), now=NOW)
    assert asked(registration)["Contact"].endswith(";reg-id=1;expires=600")
    registration.on_response(answer(439), NOW)
    assert registration.deadline() == NOW
    plain = asked(registration)
    assert plain["Contact"] == f'<{CONTACT}>;+sip.instance="<{URN}>";expires=600'
    assert plain["Supported"] == "path"
    registration.on_response(answer(439, cseq=2), NOW)
    assert registration.state is RegistrationState.WAITING
    deadline = registration.deadline()
    assert deadline is not None
    assert deadline > NOW


def test_back_off_while_another_flow_is_up() -> None:
    """RFC 5626 §4.5: calls still come, so the failed flow is tried three times less often."""
    registration = Registration(URN, Tokens(), now=NOW, reg_id=2)
    registration.backed_up = True
    waits = []
    for _ in range(6):
        asked(registration)
        registration.on_no_response("nobody answers", NOW)
        waits.append((registration.deadline() or 0) - NOW)
    assert waits == [90, 180, 360, 720, 900, 900]


def test_second_flow() -> None:
    """RFC 5626 §4.2: the same instance with another reg-id; what the registrar says of the first
    is not about it.
    """
    registration = Registration(URN, Tokens(), now=NOW, reg_id=2)
    contact = asked(registration)["Contact"]
    assert contact == f'<{CONTACT}>;+sip.instance="<{URN}>";reg-id=2;expires=600'
    mapped = f'<sip:bench@203.0.113.1:5060>;+sip.instance="<{URN}>"'
    lines = f"Contact: {mapped};reg-id=1;expires=70, {mapped};reg-id=2;expires=80"
    registration.on_response(answer(200, lines, "Require: outbound"), NOW)
    assert (registration.expires_s, registration.takes_flows) == (80, True)
    assert registration.bound
    registration.on_flow_failed("gone", NOW)
    assert not registration.bound


@pytest.mark.parametrize(
    ("lines", "outbound", "flows"),
    [
        (("Require: path, Outbound",), True, True),
        (("Supported: outbound",), True, False),
        (("Require: path",), False, False),
    ],
)
def test_registrar_that_tells_flows_apart(
    lines: tuple[str, ...], outbound: bool, flows: bool
) -> None:
    """RFC 5626 §6: one that only could would take a second flow for a second telephone."""
    registration = registered(*lines)
    assert (registration.outbound, registration.takes_flows) == (outbound, flows)


@pytest.mark.parametrize(
    ("param", "gruu"),
    [
        ('pub-gruu="sip:bench@example.org;gr=urn:uuid:1"', "sip:bench@example.org;gr=urn:uuid:1"),
        ('pub-gruu="sip:bench@example.org"', ""),
        ('pub-gruu="junk;gr=1"', ""),
        ("pub-gruu", ""),
        ('temp-gruu="sip:x@example.org;gr"', ""),
    ],
)
def test_gruu(param: str, gruu: str) -> None:
    """RFC 5627 §4.3: it is asked for where that is wanted, and read from our own Contact."""
    other = '<sip:x@192.0.2.9>;pub-gruu="sip:bench@example.org;gr=other"'
    for wanted in (True, False):
        registration = Registration(URN, Tokens(), now=NOW, gruu=wanted)
        assert asked(registration)["Supported"] == "path, outbound" + ", gruu" * wanted
        registration.on_response(answer(200, f"Contact: {other}, <{CONTACT}>;{param}"), NOW)
        assert registration.gruu == (gruu if wanted else "")


def reached(state: RegistrationState) -> Registration:
    """A registration in this state."""
    registration = Registration(URN, Tokens(), now=NOW)
    if state is RegistrationState.IDLE:
        return registration
    asked(registration)
    if state is RegistrationState.WAITING:
        registration.on_no_response("silence", NOW)
    elif state is not RegistrationState.REGISTERING:
        registration.on_response(answer(200), NOW)
    if state is RegistrationState.REFRESHING:
        asked(registration)
    elif state is RegistrationState.LEAVING:
        registration.leave(NOW)
        asked(registration)
    assert registration.state is state
    return registration


HAPPENS: dict[str, Callable[[Registration], object]] = {
    "sent": asked,
    "granted": lambda it: it.on_response(answer(200), NOW),
    "refused": lambda it: it.on_response(answer(500), NOW),
    "silence": lambda it: it.on_no_response("silence", NOW),
    "lost": lambda it: it.on_flow_failed("gone", NOW),
    "moved": lambda it: it.on_address_changed(NOW),
    "left": lambda it: it.leave(NOW),
}
ENTERED = {
    RegistrationState.IDLE: {"sent": "registering", "refused": "waiting", "silence": "waiting"},
    RegistrationState.REGISTERING: {
        "granted": "registered",
        "refused": "waiting",
        "silence": "waiting",
        "lost": "waiting",
        "left": "leaving",
    },
    RegistrationState.REGISTERED: {
        "sent": "refreshing",
        "refused": "waiting",
        "silence": "waiting",
        "lost": "waiting",
        "left": "leaving",
    },
    RegistrationState.REFRESHING: {
        "granted": "registered",
        "refused": "waiting",
        "silence": "waiting",
        "lost": "waiting",
        "left": "leaving",
    },
    RegistrationState.WAITING: {"sent": "registering", "left": "not registered"},
    RegistrationState.LEAVING: {
        "granted": "not registered",
        "refused": "not registered",
        "silence": "not registered",
        "lost": "not registered",
    },
}


@pytest.mark.parametrize("what", HAPPENS)
@pytest.mark.parametrize("state", RegistrationState)
def test_every_state_and_event(state: RegistrationState, what: str) -> None:
    """What a state has no use for changes nothing; and nobody waits without a moment to act."""
    registration = reached(state)
    HAPPENS[what](registration)
    assert registration.state.value == ENTERED[state].get(what, state.value)
    waits = (RegistrationState.WAITING, RegistrationState.REGISTERED)
    if registration.state in waits and registration.state is not state:
        assert registration.deadline() is not None
