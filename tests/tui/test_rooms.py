"""What the workbench says about conference rooms."""

from __future__ import annotations

import pytest

from ivrbench.observe.events import Event, LegStarted, Stamped
from ivrbench.observe.rooms import RoomJoined, RoomLeft, SpeakerChanged
from ivrbench.tui.model import Model
from ivrbench.tui.views.call import event_line
from ivrbench.tui.views.leg import media_lines


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (RoomJoined("c1", "sales", 1), "in room sales with nobody"),
        (RoomJoined("c1", "sales", 2), "in room sales with one other"),
        (RoomJoined("c1", "sales", 4), "in room sales with 3 others"),
        (RoomLeft("c1", "sales", 0), "left room sales, nobody still there"),
        (SpeakerChanged("c1", "sales"), "speaks in room sales"),
    ],
)
def test_what_happens_in_a_room_is_told_at_the_leg(event: Event, text: str) -> None:
    """In the timeline of the leg and on the screen of the test call."""
    model = Model()
    started = LegStarted("c1", "in", "app", 1, "ann@x", "id", "sip:app@x", "tag")
    told = (started, event)
    model.take_events([Stamped(seq, 1000.0 + seq, each) for seq, each in enumerate(told, 1)])
    leg = model.history.leg("c1")
    assert leg is not None
    line = event_line(model, leg, Stamped(2, 1002.0, event), 80)
    assert line is not None
    assert text in line.text
    assert any(text in each.text for each in media_lines(model, leg, 80, 20))
