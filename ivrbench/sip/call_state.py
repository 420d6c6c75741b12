"""The call machine as a table: where a call is and what moves it on."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CALL_TABLE", "CallEvent", "CallState"]


class CallState(StrEnum):
    """Where a call is; the names scripts know as `dialog.status_str`."""

    DISCONNECTED = "Disconnected"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    CANCELLING = "Cancelling"
    EARLY = "Early"
    CONNECTED = "Connected"
    DISCONNECTING = "Disconnecting"


class CallEvent(StrEnum):
    """What moves a call on, whichever side sent the message."""

    TRYING = "100, or a 1xx without tag"
    RINGING = "1xx with a tag"
    ANSWERED = "2xx"
    CANCELLED = "we want our INVITE cancelled"
    RETRIED = "our INVITE goes out again, to prove who we are or elsewhere"
    HUNG_UP = "BYE sent"
    ENDED = "nothing more to come"


_S, _E = CallState, CallEvent
_ALWAYS = {_E.ENDED: _S.DISCONNECTED}

# A pair that is not here changes nothing: a late message in a state that knows better.
CALL_TABLE: dict[CallState, dict[CallEvent, CallState]] = {
    _S.TRYING: {
        **_ALWAYS,
        _E.TRYING: _S.PROCEEDING,
        _E.RINGING: _S.EARLY,
        _E.ANSWERED: _S.CONNECTED,
        _E.CANCELLED: _S.CANCELLING,
    },
    _S.PROCEEDING: {
        **_ALWAYS,
        _E.RETRIED: _S.TRYING,
        _E.RINGING: _S.EARLY,
        _E.ANSWERED: _S.CONNECTED,
        _E.CANCELLED: _S.CANCELLING,
    },
    _S.EARLY: {
        **_ALWAYS,
        _E.RETRIED: _S.TRYING,
        _E.ANSWERED: _S.CONNECTED,
        _E.CANCELLED: _S.CANCELLING,
    },
    # The 200-after-CANCEL race: a 2xx does not connect a cancelled call, it is hung up.
    _S.CANCELLING: {**_ALWAYS, _E.HUNG_UP: _S.DISCONNECTING},
    _S.CONNECTED: {**_ALWAYS, _E.HUNG_UP: _S.DISCONNECTING},
    _S.DISCONNECTING: dict(_ALWAYS),
    _S.DISCONNECTED: {},
}
