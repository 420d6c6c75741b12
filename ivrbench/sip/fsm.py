"""The four transaction machines as tables: state -> event -> (next state, actions).

RFC 3261 §17 with the corrections of RFC 6026. A pair that is not in a table changes nothing: it is
a late timer or a message the state absorbs.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "INVITE_CLIENT",
    "INVITE_SERVER",
    "NON_INVITE_CLIENT",
    "NON_INVITE_SERVER",
    "Action",
    "Event",
    "State",
    "Table",
]


class State(StrEnum):
    """States of all four machines."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    ACCEPTED = "Accepted"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


class Event(StrEnum):
    """What can happen to a transaction; 1xx, 2xx, final: received by a client, sent by a server."""

    REQUEST = "request"
    ACK = "ack"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    TIMER_RESEND = "timer A, E or G"
    TIMER_GIVE_UP = "timer B, F or H"
    TIMER_LINGER = "timer D, I, J, K, L or M"
    TRANSPORT_ERROR = "transport error"


class Action(StrEnum):
    """What a transition does."""

    SEND = "send the response just given"
    RESEND = "send the last message again"
    BACK_OFF = "start timer A, E or G again, longer"
    SLOW_DOWN = "start timer E again at T2"
    START_RESEND = "start timer A, E or G over an unreliable transport"
    START_GIVE_UP = "start timer B, F or H"
    STOP_TIMERS = "stop all timers"
    LINGER = "start timer D, I, J or K: absorb copies, not at all over a reliable transport"
    LINGER_2XX = "start timer L or M"
    SEND_ACK = "acknowledge a 3xx-6xx"
    TELL = "pass the response on"
    TELL_TIMEOUT = "report that no answer will come"
    TELL_ERROR = "report the transport error"


Table = dict[State, dict[Event, tuple[State, tuple[Action, ...]]]]

_TERMINATED: dict[Event, tuple[State, tuple[Action, ...]]] = {}

# RFC 3261 §17.2.1, figure 7; RFC 6026 §7.1.
INVITE_SERVER: Table = {
    State.PROCEEDING: {
        Event.REQUEST: (State.PROCEEDING, (Action.RESEND,)),
        Event.PROVISIONAL: (State.PROCEEDING, (Action.SEND,)),
        # RFC 6026 §7.1: the 2xx is repeated by the dialog, not here; timer L absorbs copies of the
        # INVITE.
        Event.SUCCESS: (State.ACCEPTED, (Action.SEND, Action.LINGER_2XX)),
        Event.FAILURE: (
            State.COMPLETED,
            (Action.SEND, Action.START_RESEND, Action.START_GIVE_UP),
        ),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.TELL_ERROR,)),
    },
    State.ACCEPTED: {
        # The dialog repeats the 2xx itself and takes the ACK (§7.1), so only the end of timer L is
        # left.
        Event.TIMER_LINGER: (State.TERMINATED, ()),
    },
    State.COMPLETED: {
        Event.REQUEST: (State.COMPLETED, (Action.RESEND,)),
        Event.ACK: (State.CONFIRMED, (Action.STOP_TIMERS, Action.LINGER)),
        Event.TIMER_RESEND: (State.COMPLETED, (Action.RESEND, Action.BACK_OFF)),
        Event.TIMER_GIVE_UP: (State.TERMINATED, (Action.STOP_TIMERS,)),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS,)),
    },
    State.CONFIRMED: {
        Event.TIMER_LINGER: (State.TERMINATED, ()),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS,)),
    },
    State.TERMINATED: _TERMINATED,
}

# RFC 3261 §17.2.2, figure 8.
NON_INVITE_SERVER: Table = {
    State.TRYING: {
        Event.PROVISIONAL: (State.PROCEEDING, (Action.SEND,)),
        Event.SUCCESS: (State.COMPLETED, (Action.SEND, Action.LINGER)),
        Event.FAILURE: (State.COMPLETED, (Action.SEND, Action.LINGER)),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.TELL_ERROR,)),
    },
    State.PROCEEDING: {
        Event.REQUEST: (State.PROCEEDING, (Action.RESEND,)),
        Event.PROVISIONAL: (State.PROCEEDING, (Action.SEND,)),
        Event.SUCCESS: (State.COMPLETED, (Action.SEND, Action.LINGER)),
        Event.FAILURE: (State.COMPLETED, (Action.SEND, Action.LINGER)),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.TELL_ERROR,)),
    },
    State.COMPLETED: {
        Event.REQUEST: (State.COMPLETED, (Action.RESEND,)),
        Event.TIMER_LINGER: (State.TERMINATED, ()),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS,)),
    },
    State.TERMINATED: _TERMINATED,
}

# RFC 3261 §17.1.1, figure 5; RFC 6026 §7.2. Its start: START_RESEND and START_GIVE_UP.
_INVITE_ANSWERED: dict[Event, tuple[State, tuple[Action, ...]]] = {
    Event.PROVISIONAL: (State.PROCEEDING, (Action.STOP_TIMERS, Action.TELL)),
    Event.SUCCESS: (State.ACCEPTED, (Action.STOP_TIMERS, Action.LINGER_2XX, Action.TELL)),
    Event.FAILURE: (
        State.COMPLETED,
        (Action.STOP_TIMERS, Action.SEND_ACK, Action.TELL, Action.LINGER),
    ),
    Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS, Action.TELL_ERROR)),
}
INVITE_CLIENT: Table = {
    State.CALLING: {
        **_INVITE_ANSWERED,
        Event.TIMER_RESEND: (State.CALLING, (Action.RESEND, Action.BACK_OFF)),
        Event.TIMER_GIVE_UP: (State.TERMINATED, (Action.STOP_TIMERS, Action.TELL_TIMEOUT)),
    },
    # A ringing call has no timer B: it may ring for minutes.
    State.PROCEEDING: {**_INVITE_ANSWERED, Event.PROVISIONAL: (State.PROCEEDING, (Action.TELL,))},
    State.ACCEPTED: {
        Event.SUCCESS: (State.ACCEPTED, (Action.TELL,)),
        Event.TIMER_LINGER: (State.TERMINATED, ()),
    },
    State.COMPLETED: {
        Event.FAILURE: (State.COMPLETED, (Action.SEND_ACK,)),
        Event.TIMER_LINGER: (State.TERMINATED, ()),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS,)),
    },
    State.TERMINATED: _TERMINATED,
}

# RFC 3261 §17.1.2, figure 6.
_NON_INVITE_ANSWERED: dict[Event, tuple[State, tuple[Action, ...]]] = {
    Event.SUCCESS: (State.COMPLETED, (Action.STOP_TIMERS, Action.TELL, Action.LINGER)),
    Event.FAILURE: (State.COMPLETED, (Action.STOP_TIMERS, Action.TELL, Action.LINGER)),
    Event.TIMER_GIVE_UP: (State.TERMINATED, (Action.STOP_TIMERS, Action.TELL_TIMEOUT)),
    Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS, Action.TELL_ERROR)),
}
NON_INVITE_CLIENT: Table = {
    State.TRYING: {
        **_NON_INVITE_ANSWERED,
        Event.PROVISIONAL: (State.PROCEEDING, (Action.TELL,)),
        Event.TIMER_RESEND: (State.TRYING, (Action.RESEND, Action.BACK_OFF)),
    },
    State.PROCEEDING: {
        **_NON_INVITE_ANSWERED,
        Event.PROVISIONAL: (State.PROCEEDING, (Action.TELL,)),
        Event.TIMER_RESEND: (State.PROCEEDING, (Action.RESEND, Action.SLOW_DOWN)),
    },
    State.COMPLETED: {
        Event.TIMER_LINGER: (State.TERMINATED, ()),
        Event.TRANSPORT_ERROR: (State.TERMINATED, (Action.STOP_TIMERS,)),
    },
    State.TERMINATED: _TERMINATED,
}
