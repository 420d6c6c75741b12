"""How events about conference rooms change a `History`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ivrbench.observe._fold_legs import keep_fact
from ivrbench.observe.rooms import RoomEvent, RoomJoined, RoomLeft, SpeakerChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.observe.events import Stamped
    from ivrbench.observe.history import History

__all__ = ["FOLDS"]


def _fact(history: History, stamped: Stamped, event: RoomEvent) -> None:
    leg = history.leg(event.leg)
    if leg is not None:
        keep_fact(leg, stamped)


FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {
    RoomJoined: _fact,
    RoomLeft: _fact,
    SpeakerChanged: _fact,
}
"""By event class, hence `Any`."""
