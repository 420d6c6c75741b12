"""How reports of test phones change a `History`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.observe.phones import (
    PhoneChanged,
    PhoneEnded,
    PhoneHeard,
    PhoneKeyPressed,
    PhoneMeasured,
    PhoneProgressed,
    PhoneRang,
    PhoneReady,
    PhoneStarted,
)
from ivrbench.observe.snapshot import PhoneView

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.events import Stamped
    from ivrbench.observe.history import History
    from ivrbench.observe.phones import PhoneEvent

__all__ = ["FOLDS"]

MAX_PHONES = 20
"""Phones kept; those whose call is over fall out first."""
MAX_STEPS = 50
MAX_KEYS = 100
MAX_SOUNDS = 200


def _started(history: History, stamped: Stamped, event: PhoneStarted) -> None:
    phones = history.phones
    phones[event.phone] = PhoneView(event, stamped.at_s, leg=event.leg)
    if len(phones) > MAX_PHONES:
        over = next((name for name, view in phones.items() if view.ended), next(iter(phones)))
        del phones[over]


def _view(history: History, event: PhoneEvent) -> PhoneView | None:
    view = history.phones.get(event.phone)
    if view is not None and event.leg:
        view.leg = event.leg
    return view


def _progressed(history: History, _: Stamped, event: PhoneProgressed) -> None:
    view = _view(history, event)
    if view is not None:
        view.steps.append(event)
        del view.steps[:-MAX_STEPS]


def _ready(history: History, _: Stamped, event: PhoneReady) -> None:
    view = _view(history, event)
    if view is not None:
        view.ready = event


def _rang(history: History, _: Stamped, event: PhoneRang) -> None:
    view = _view(history, event)
    if view is not None:
        view.rang = event


def _pressed(history: History, _: Stamped, event: PhoneKeyPressed) -> None:
    view = _view(history, event)
    if view is not None:
        view.keys.append(event)
        del view.keys[:-MAX_KEYS]


def _heard(history: History, _: Stamped, event: PhoneHeard) -> None:
    view = _view(history, event)
    if view is not None:
        view.sounds.append(event)
        del view.sounds[:-MAX_SOUNDS]


def _changed(history: History, _: Stamped, event: PhoneChanged) -> None:
    view = _view(history, event)
    if view is not None:
        view.switches = event


def _measured(history: History, _: Stamped, event: PhoneMeasured) -> None:
    view = _view(history, event)
    if view is not None:
        view.measured = event


def _ended(history: History, _: Stamped, event: PhoneEnded) -> None:
    view = _view(history, event)
    if view is not None:
        view.ended = event
        if view.is_idle:
            del history.phones[event.phone]  # nobody called it: there is nothing to read


FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {
    PhoneStarted: _started,
    PhoneProgressed: _progressed,
    PhoneReady: _ready,
    PhoneRang: _rang,
    PhoneKeyPressed: _pressed,
    PhoneHeard: _heard,
    PhoneChanged: _changed,
    PhoneMeasured: _measured,
    PhoneEnded: _ended,
}
"""By event class, hence `Any`."""
