"""What the person chose for the next test calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivrbench.observe.commands import PlaceTestCall

if TYPE_CHECKING:
    from ivrbench.tui.model import Model

__all__ = ["SoundChoice", "next_phone", "place_call"]


@dataclass
class SoundChoice:
    """Which sound card, and which codec."""

    used: bool = True
    """False: the phone makes no sound, and its voice is not a microphone."""
    microphone: str = ""
    """The card's name, "" for the system's choice."""
    speaker: str = ""
    codec: str = ""
    """One of `observe.phones.CODECS`."""


def place_call(model: Model, target: str, record: str) -> PlaceTestCall:
    """The command that calls somebody as it was chosen."""
    what, _, value = model.phone_voice.partition(" ")
    sound = model.sound
    return PlaceTestCall(
        target,
        keys_by=model.phone_keys_by,
        codec=sound.codec,
        wav=value if what == "wav" else "",
        tone_hz=int(value) if what == "tone" else 0,
        say=value if what == "text" else "",
        sound=sound.used,
        silent=what == "silence",
        microphone=sound.microphone if sound.used else "",
        speaker=sound.speaker if sound.used else "",
        record=record,
    )


def next_phone(model: Model) -> str:
    """Let the keys, the switches and the Call screen be about another test call that is up.

    Returns:
        its target, "" if there is no other.
    """
    live = [view for view in model.history.phones.values() if view.ended is None]
    names = [view.name for view in live]
    if not live or names == [model.test_phone]:
        return ""
    at = names.index(model.test_phone) if model.test_phone in names else -1
    chosen = live[(at + 1) % len(live)]
    model.test_phone, model.test_leg = chosen.name, chosen.leg
    model.leg = chosen.leg or model.leg
    model.levels.clear()
    model.sent_keys, model.keys_to_call = "", True
    return chosen.started.target
