"""What the person chose for the next test calls, and which of several they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ivrbench.observe.commands import PlaceTestCall

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import LegView, PhoneView
    from ivrbench.tui.model import Model

__all__ = [
    "TEST_PHONE",
    "SoundChoice",
    "idle_phone",
    "is_test_leg",
    "next_phone",
    "phone_for",
    "placed_phone",
    "ringing_phone",
    "show_phone",
]

TEST_PHONE = "test phone"
"""The peer of the workbench's own calls."""


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


def phone_for(model: Model, target: str, record: str, answers: str = "") -> PlaceTestCall:
    """The command that starts a phone as it was chosen.

    Args:
        model: has the choices.
        target: whom it calls.
        record: file for what it hears.
        answers: what it does when it is called, "" if it calls.
    """
    what, _, value = model.phone_voice.partition(" ")
    sound = model.sound
    return PlaceTestCall(
        target,
        answers=answers,
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
    phones = model.history.phones.values()
    live = [view for view in phones if view.ended is None and not view.is_idle]
    names = [view.name for view in live]
    if not live or names == [model.test_phone]:
        return ""
    at = names.index(model.test_phone) if model.test_phone in names else -1
    chosen = live[(at + 1) % len(live)]
    show_phone(model, chosen)
    return chosen.started.target or (chosen.rang.called if chosen.rang else "")


def show_phone(model: Model, phone: PhoneView) -> None:
    """Let the keys, the switches and the Call screen be about this test call."""
    model.test_phone, model.test_leg = phone.name, phone.leg
    model.leg = phone.leg or model.leg
    model.levels.clear()
    model.sent_keys, model.keys_to_call = "", True


def idle_phone(model: Model) -> PhoneView | None:
    """The test phone that waits for calls of scripts, None if they go where they lead."""
    phones = model.history.phones.values()
    return next((view for view in phones if view.is_idle), None)


def placed_phone(model: Model) -> PhoneView | None:
    """The phone that called somebody: the shown one, else the last; None if none did."""
    shown, phones = model.phone, reversed(model.history.phones.values())
    views = (view for view in (shown, *phones) if view is not None)
    return next((v for v in views if not v.started.answers and not v.is_level_test), None)


def ringing_phone(model: Model) -> PhoneView | None:
    """The test phone that rings: the shown one, else the one that was called first."""
    ringing = [view for view in model.history.phones.values() if view.is_ringing]
    shown = [view for view in ringing if view.name == model.test_phone]
    return next(iter([*shown, *ringing]), None)


def is_test_leg(model: Model, leg: LegView) -> bool:
    """True for a call of the test phone, made or taken."""
    phone = model.history.phone_of(leg.name)
    return leg.started.peer == TEST_PHONE or (phone is not None and phone.ended is None)
