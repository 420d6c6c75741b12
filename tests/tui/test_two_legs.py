"""A call with two parties: both legs in the list, on the Call screen and in the ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe import events as ev
from ivrbench.tui.model import Model
from ivrbench.tui.views import ladder, legs
from ivrbench.tui.views.leg import media_lines, playlist_lines
from tests.tui.fake_engine import FakeEngine, leg_up, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator


def second_leg(leg: str, pair: str) -> Iterator[ev.Event]:
    """A callee who answered."""
    yield ev.LegStarted(
        leg, "out", "b2bua", 1, "sip:bob@10.0.0.6", "x", "sip:bob@10.0.0.6", "9", pair
    )
    yield ev.LegChanged(leg, "up", 200, "OK")


def shown(model: Model) -> list[str]:
    """The list of legs as text."""
    return [line.text for line in legs.leg_lines(model, 0.0, 78)]


def test_both_legs_stand_together() -> None:
    """The second leg stands below its first one, and each says whom it talks with."""
    engine = FakeEngine()
    engine.publish(loaded("b2bua", 1), *leg_up("c1", "b2bua", 1, "sip:ann@10.0.0.5"))
    engine.publish(*second_leg("c1b", "c1"), *leg_up("c2", "b2bua", 1, "sip:eve@10.0.0.9"))
    engine.publish(ev.LegsJoined("c1", "c1b", past_us=True))
    model = Model(history=engine.hub.history)
    assert legs.leg_keys(model) == ["c2", "c1", "c1b"]
    rows = shown(model)
    first = next(n for n, text in enumerate(rows) if "ann@10.0.0.5" in text)
    assert "with c1b, direct" in rows[first]
    assert "└b" in rows[first + 1]
    assert "with c1" in rows[first + 1]
    model.leg = "c1b"
    callee, caller = model.history.leg("c1b"), model.history.leg("c1")
    assert callee is not None
    assert caller is not None
    assert "hears c1" in "".join(line.text for line in playlist_lines(model, callee, 78, 10))
    timeline = "".join(line.text for line in media_lines(model, caller, 78, 20))
    assert "talks with c1b, their audio past us" in timeline
    pictured, _ = ladder.picture(model, "c1b")
    assert [leg.name for leg in pictured] == ["c1", "c1b"]


def test_apart_again() -> None:
    """connectAudio(), and the end of one of them."""
    engine = FakeEngine()
    engine.publish(loaded("b2bua", 1), *leg_up("c1", "b2bua", 1, "sip:ann@10.0.0.5"))
    engine.publish(*second_leg("c1b", "c1"), ev.LegsJoined("c1", "c1b"))
    model = Model(history=engine.hub.history)
    assert sum("with c1" in text for text in shown(model)) == 2
    engine.publish(ev.LegsJoined("c1", ""))
    assert not any("with c1" in text for text in shown(model))
    engine.publish(ev.LegsJoined("c9", "c9b"))
    assert model.history.leg("c9") is None
