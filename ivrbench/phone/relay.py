"""Relay: what a phone tells the workbench: each fact as one line of JSON, an event of `observe`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ivrbench.observe import phones

from .facts import (
    Answered,
    CardOpened,
    Ended,
    Heard,
    KeyPressed,
    MediaChanged,
    Noted,
    Progressed,
    RtpStarted,
    SoundStarted,
)

if TYPE_CHECKING:
    from ivrbench.observe.phones import PhoneEvent

    from .facts import Fact

__all__ = ["event_of", "json_line"]


def json_line(event: PhoneEvent) -> str:
    """An event as the engine reads it."""
    return msgspec.json.encode(event).decode()


def event_of(fact: Fact, wall_s: float, wall_minus_now_s: float) -> PhoneEvent:
    """A fact as an event.

    Args:
        fact: what happened.
        wall_s: the wall clock now.
        wall_minus_now_s: makes wall clock of the fact's own times.
    """
    match fact:
        case Progressed() | Answered():
            step, after_s = str(fact.code), fact.after_s
        case RtpStarted(after_s=since_s):
            step, after_s = "packet", since_s
        case SoundStarted(after_s=since_s):
            step, after_s = "sound", since_s
        case KeyPressed():
            return phones.PhoneKeyPressed(
                name=fact.name, duration_ms=fact.duration_ms, way=fact.way, at_s=wall_s
            )
        case Heard():
            return phones.PhoneHeard(
                sounding=fact.sounding, at_s=round(fact.at_s + wall_minus_now_s, 4)
            )
        case Ended():
            return phones.PhoneEnded(
                text=str(fact), code=fact.code, answered=fact.answered, duration_s=fact.duration_s
            )
        case MediaChanged():
            step, after_s = "audio", 0.0
        case CardOpened():
            step, after_s = "card", 0.0
        case Noted():
            step, after_s = "note", 0.0
    return phones.PhoneProgressed(step=step, after_ms=round(after_s * 1000, 1), text=str(fact))
