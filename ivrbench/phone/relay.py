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
    Rang,
    Ready,
    RtpStarted,
    SoundStarted,
)

if TYPE_CHECKING:
    from ivrbench.observe.phones import PhoneEvent

    from .facts import Fact
    from .rtp_stream import RtpStream
    from .sound import Sound

__all__ = ["event_of", "json_line", "measure"]


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
        case MediaChanged():
            step, after_s = "audio", 0.0
        case CardOpened():
            step, after_s = "card", 0.0
        case Noted():
            step, after_s = "note", 0.0
        case _:
            return _own_event_of(fact, wall_s, wall_minus_now_s)
    return phones.PhoneProgressed(step=step, after_ms=round(after_s * 1000, 1), text=str(fact))


def _own_event_of(
    fact: KeyPressed | Heard | Ready | Rang | Ended, wall_s: float, wall_minus_now_s: float
) -> PhoneEvent:
    """Facts that are more than a step of the call."""
    match fact:
        case KeyPressed():
            return phones.PhoneKeyPressed(
                name=fact.name, duration_ms=fact.duration_ms, way=fact.way, at_s=wall_s
            )
        case Heard():
            return phones.PhoneHeard(
                sounding=fact.sounding, at_s=round(fact.at_s + wall_minus_now_s, 4)
            )
        case Ready():
            return phones.PhoneReady(address=fact.address)
        case Rang():
            return phones.PhoneRang(
                call_id=fact.call_id, caller=fact.caller, called=fact.called, at_s=wall_s
            )
        case Ended():
            return phones.PhoneEnded(
                text=str(fact), code=fact.code, answered=fact.answered, duration_s=fact.duration_s
            )


def measure(stream: RtpStream, sound: Sound) -> phones.PhoneMeasured:
    """Levels since the last look, and counters."""
    said, heard, buffer_ms = stream.levels()
    figures = stream.figures()
    return phones.PhoneMeasured(
        out_dbfs=round(said[0], 1),
        out_peak_dbfs=round(said[1], 1),
        in_dbfs=round(heard[0], 1),
        in_peak_dbfs=round(heard[1], 1),
        received=figures.received,
        lost=figures.lost,
        late=figures.late,
        jitter_ms=round(figures.jitter_ms, 1),
        rtt_ms=-1.0 if figures.rtt_ms is None else round(figures.rtt_ms, 1),
        buffer_ms=buffer_ms,
        mic_ms=sound.microphone_ms,
        speaker_ms=sound.speaker_ms,
    )
