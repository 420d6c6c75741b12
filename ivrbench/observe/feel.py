"""What a caller feels: how long after a key something is heard, and which part took how long.

    key→sound = tone + settle + script + audio

*tone* is how long the key is held, *settle* what the protocol waits after it until the key is
reported (with the way of the packets), *script* from there until its handler returned, *audio*
from there until the phone hears something else.

    mouth→ear = mic + packet + path + buffer + speaker

is how late a voice is that goes one way: see `MouthToEar`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivrbench.observe.events import (
    HandlerCalled,
    HandlerRaised,
    ItemEnded,
    ItemStarted,
    KeyReceived,
)
from ivrbench.observe.history import KEY_NAMES

if TYPE_CHECKING:
    from ivrbench.observe.events import Stamped
    from ivrbench.observe.phones import PhoneKeyPressed
    from ivrbench.observe.snapshot import LegView, PhoneView

__all__ = ["KeyFeel", "MouthToEar", "key_feels", "key_name", "mouth_to_ear"]

PTIME_MS = 20
HEARD_WITHIN_S = 2.0
"""A prompt that begins with longer silence is not waited for."""


@dataclass(frozen=True, slots=True)
class KeyFeel:
    """One key of the phone, from its press to what was heard of it."""

    name: str
    reached: bool
    """False: the script never got it, or not yet."""
    tone_ms: float = 0.0
    settle_ms: float = 0.0
    script_ms: float = 0.0
    audio_ms: float | None = None
    """None: nothing changed in the audio (yet)."""
    measured: bool = False
    """True: the sound was heard at the phone; False: told by when the prompt began."""

    @property
    def sound_ms(self) -> float | None:
        """Key down until something else is heard."""
        if self.audio_ms is None:
            return None
        return self.tone_ms + self.settle_ms + self.script_ms + self.audio_ms


def key_name(key: int) -> str:
    """What is printed on a key, "?" if there is no such key."""
    return KEY_NAMES[key] if 0 <= key < len(KEY_NAMES) else "?"


def key_feels(phone: PhoneView, leg: LegView | None) -> list[KeyFeel]:
    """One for each key the phone pressed, oldest first."""
    timeline = leg.timeline if leg is not None else []
    feels: list[KeyFeel] = []
    at = 0
    for pressed in phone.keys:
        found = _received(timeline, at, pressed)
        if found is None:
            feels.append(KeyFeel(pressed.name, reached=False))
        else:
            at = found + 1
            feels.append(_feel(phone, timeline, found, pressed))
    return feels


def _received(timeline: list[Stamped], start: int, pressed: PhoneKeyPressed) -> int | None:
    for at in range(start, len(timeline)):
        event = timeline[at].event
        if isinstance(event, KeyReceived) and key_name(event.key) == pressed.name:
            return at
    return None


def _feel(
    phone: PhoneView, timeline: list[Stamped], found: int, pressed: PhoneKeyPressed
) -> KeyFeel:
    stamped = timeline[found]
    event = stamped.event
    assert isinstance(event, KeyReceived), "found by that"
    tone_ms = float(min(pressed.duration_ms, max(0.0, (stamped.at_s - pressed.at_s) * 1000)))
    settle_ms = max(0.0, (stamped.at_s - pressed.at_s) * 1000 - tone_ms)
    returned_s, answer_s = stamped.at_s, None
    for later in timeline[found + 1 :]:
        match later.event:
            case KeyReceived():
                break
            case HandlerCalled(handler="onDtmf") | HandlerRaised(handler="onDtmf"):
                returned_s = later.at_s
            case ItemStarted() | ItemEnded(reason="flushed") if answer_s is None:
                answer_s = later.at_s
    script_ms = (returned_s - stamped.at_s) * 1000
    heard_s, measured = _heard_at(phone, answer_s)
    audio_ms = None
    if heard_s is not None:
        audio_ms = max(0.0, (heard_s - pressed.at_s) * 1000 - tone_ms - settle_ms - script_ms)
    return KeyFeel(pressed.name, True, tone_ms, settle_ms, script_ms, audio_ms, measured)


def _heard_at(phone: PhoneView, answer_s: float | None) -> tuple[float | None, bool]:
    """When the phone heard what the script did at `answer_s`, and whether that was measured."""
    if answer_s is None:
        return None, False
    before = [sound for sound in phone.sounds if sound.at_s <= answer_s]
    if not (before and before[-1].sounding):
        after = [s.at_s for s in phone.sounds if s.sounding and s.at_s > answer_s]
        if after and after[0] - answer_s < HEARD_WITHIN_S:
            return after[0], True
    waiting_ms = phone.measured.buffer_ms if phone.measured else 0
    return answer_s + (waiting_ms + PTIME_MS) / 1000, False


@dataclass(frozen=True, slots=True)
class MouthToEar:
    """The way of a voice from one phone's microphone to another's loudspeaker, in its parts."""

    mic_ms: float
    """Microphone: its driver, and what waits before the codec; 0 without one."""
    packet_ms: float
    """A packet is sent when it is full."""
    path_ms: float
    """Half the round trip, and the bad network the phone is given."""
    buffer_ms: float
    """The engine's jitter buffer."""
    speaker_ms: float
    """Loudspeaker: what waits before it, and its driver; 0 without one."""

    @property
    def total_ms(self) -> float:
        """All of it."""
        return self.mic_ms + self.packet_ms + self.path_ms + self.buffer_ms + self.speaker_ms


def mouth_to_ear(phone: PhoneView, leg: LegView | None) -> MouthToEar | None:
    """How late a voice is that goes one way, through one jitter buffer; None if nothing is known.

    The sound card's parts are what its driver says.
    """
    measured, switches = phone.measured, phone.switches
    if measured is None or leg is None or leg.measured is None:
        return None
    network_ms = switches.delay_ms + switches.jitter_ms / 2 if switches else 0.0
    return MouthToEar(
        mic_ms=measured.mic_ms,
        packet_ms=leg.media.ptime_ms if leg.media is not None else PTIME_MS,
        path_ms=max(0.0, measured.rtt_ms) / 2 + network_ms,
        buffer_ms=leg.measured.buffer_ms,
        speaker_ms=measured.speaker_ms,
    )
