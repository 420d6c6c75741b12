"""Messages about recording and silence, beside those that open and close recorders."""

from __future__ import annotations

from ivrbench.media._message import Message

__all__ = [
    "CallRecorded",
    "PauseRecorder",
    "RecordCall",
    "RecorderSealed",
    "SealRecorder",
    "SilenceHeard",
    "WatchSilence",
]


class PauseRecorder(Message, frozen=True):
    """Record nothing for a while, and then on where it was."""

    recorder: int
    paused: bool


class SealRecorder(Message, frozen=True):
    """Write what was recorded so far to the disk, and a header that covers it."""

    recorder: int


class RecorderSealed(Message, frozen=True):
    """It is there, or there was nothing to write; one for each `SealRecorder`, in order."""

    recorder: int


class RecordCall(Message, frozen=True):
    """Record a whole call from now on, whatever its playlist does.

    A recorder of two channels gets the caller left and what the caller hears right, one of one
    channel both together.
    """

    call: int
    recorder: int
    """0: no more; the file stays open."""


class WatchSilence(Message, frozen=True):
    """Tell when a call has been silent for so long, each time anew."""

    call: int
    limit_ms: int
    """0: not any more."""


class CallRecorded(Message, frozen=True):
    """The recording of a whole call is over; the recorder is to be closed."""

    call: int
    recorder: int
    reason: str
    """"recorded" (limit reached), "stopped", "closed" (call ended) or "error"."""
    recorded_ms: int


class SilenceHeard(Message, frozen=True):
    """Nothing was heard of a call for `silent_ms`. Said again only after it was heard."""

    call: int
    silent_ms: int
    at_s: float
