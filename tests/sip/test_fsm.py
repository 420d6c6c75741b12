"""Every state and event of the four transaction machines."""

from __future__ import annotations

import pytest

from ivrbench.sip.fsm import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Event,
    State,
    Table,
)

S, E = State, Event

# RFC 3261 §17 and RFC 6026, written down once more: machine, state -> {event: next state}. What is
# not here must change nothing.
EXPECTED: dict[str, tuple[Table, dict[State, dict[Event, State]]]] = {
    "INVITE server": (
        INVITE_SERVER,
        {
            S.PROCEEDING: {
                E.REQUEST: S.PROCEEDING,
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.ACCEPTED,
                E.FAILURE: S.COMPLETED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.ACCEPTED: {E.TIMER_LINGER: S.TERMINATED},
            S.COMPLETED: {
                E.REQUEST: S.COMPLETED,
                E.ACK: S.CONFIRMED,
                E.TIMER_RESEND: S.COMPLETED,
                E.TIMER_GIVE_UP: S.TERMINATED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.CONFIRMED: {E.TIMER_LINGER: S.TERMINATED, E.TRANSPORT_ERROR: S.TERMINATED},
        },
    ),
    "non-INVITE server": (
        NON_INVITE_SERVER,
        {
            S.TRYING: {
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.COMPLETED,
                E.FAILURE: S.COMPLETED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.PROCEEDING: {
                E.REQUEST: S.PROCEEDING,
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.COMPLETED,
                E.FAILURE: S.COMPLETED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.COMPLETED: {
                E.REQUEST: S.COMPLETED,
                E.TIMER_LINGER: S.TERMINATED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
        },
    ),
    "INVITE client": (
        INVITE_CLIENT,
        {
            S.CALLING: {
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.ACCEPTED,
                E.FAILURE: S.COMPLETED,
                E.TIMER_RESEND: S.CALLING,
                E.TIMER_GIVE_UP: S.TERMINATED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.PROCEEDING: {
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.ACCEPTED,
                E.FAILURE: S.COMPLETED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.ACCEPTED: {E.SUCCESS: S.ACCEPTED, E.TIMER_LINGER: S.TERMINATED},
            S.COMPLETED: {
                E.FAILURE: S.COMPLETED,
                E.TIMER_LINGER: S.TERMINATED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
        },
    ),
    "non-INVITE client": (
        NON_INVITE_CLIENT,
        {
            S.TRYING: {
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.COMPLETED,
                E.FAILURE: S.COMPLETED,
                E.TIMER_RESEND: S.TRYING,
                E.TIMER_GIVE_UP: S.TERMINATED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.PROCEEDING: {
                E.PROVISIONAL: S.PROCEEDING,
                E.SUCCESS: S.COMPLETED,
                E.FAILURE: S.COMPLETED,
                E.TIMER_RESEND: S.PROCEEDING,
                E.TIMER_GIVE_UP: S.TERMINATED,
                E.TRANSPORT_ERROR: S.TERMINATED,
            },
            S.COMPLETED: {E.TIMER_LINGER: S.TERMINATED, E.TRANSPORT_ERROR: S.TERMINATED},
        },
    ),
}


@pytest.mark.parametrize("machine", EXPECTED)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair(machine: str, state: State, event: Event) -> None:
    """A table has exactly the transitions of the RFCs."""
    table, expected = EXPECTED[machine]
    entry = table.get(state, {}).get(event)
    assert (entry[0] if entry else None) == expected.get(state, {}).get(event)


@pytest.mark.parametrize("machine", EXPECTED)
def test_every_state_ends(machine: str) -> None:
    """From every state that waits for no user there is a way to Terminated by timers alone."""
    table, _ = EXPECTED[machine]
    timers = (Event.TIMER_GIVE_UP, Event.TIMER_LINGER)
    # A server waits for its user, and a ringing INVITE for the other side's user.
    for state in set(table) - {
        S.TERMINATED,
        S.PROCEEDING,
        S.TRYING if "server" in machine else S.CALLING,
    }:
        assert any(table[state].get(t, (None,))[0] is S.TERMINATED for t in timers), state
