"""An engine with many legs: a newcomer gets most of them in brief, and those it watches whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from ivrbench.clock import ManualClock
from ivrbench.observe import events as ev
from ivrbench.observe import hub as hub_module
from ivrbench.observe import wire
from ivrbench.observe.commands import Watch
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.observe.inspection import AttributeChanged, InspectedValue, LegInspected
from ivrbench.observe.snapshot import Snapshot, WholeLegs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.observe.hub import Feed


class Client:
    """The history of a client, from the bytes it gets."""

    def __init__(self, hub: Hub) -> None:
        first, self.feed = hub.connect(lambda: None)
        self.history = History()
        self.n_bytes = len(first)
        self.take([first])

    def take(self, frames: list[bytes]) -> None:
        reader = wire.FrameReader(wire.MAX_MESSAGE_BYTES)
        for body in (body for frame in frames for body in reader.feed(frame)):
            match wire.decode_server(body):
                case Snapshot() as snapshot:
                    self.history = History.resume(snapshot)
                case WholeLegs(legs=legs):
                    self.history.take_whole(legs)
                case wire.Batch(events=events):
                    for stamped in events:
                        self.history.apply(stamped)


def a_leg(leg: str) -> Iterator[ev.Event]:
    yield ev.LegStarted(leg, "in", "menu", 1, "sip:ann@10.0.0.7", f"{leg}@x", "sip:menu@x", "t")
    yield ev.LegChanged(leg, "up", 200, "OK")
    yield ev.SipTraced(leg, True, "udp", "127.0.0.1:5060", "10.0.0.7:5060", "200 OK", b"SIP/2.0 ")
    yield ev.ItemEnqueued(leg, 1, "", "old.wav", "", 100)
    yield ev.ItemStarted(leg, 1)
    yield ev.ItemEnded(leg, 1, "played", 100, 0)
    yield ev.ItemEnqueued(leg, 2, "", "now.wav", "", 100)
    yield ev.ItemStarted(leg, 2)
    yield LegInspected(leg, 1, (AttributeChanged("self.keys", InspectedValue("''")),), True)


def a_key(leg: str) -> tuple[ev.Event, ev.Event]:
    changed = AttributeChanged("self.keys", InspectedValue("'1'"))
    return ev.KeyReceived(leg, 1, 100, "INFO"), LegInspected(leg, 2, (changed,))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Six legs, of which the newest two go out whole."""
    monkeypatch.setattr(hub_module, "MAX_WHOLE_LEGS", 2)
    hub = Hub(ManualClock(), History())
    for number in range(1, 7):
        for event in a_leg(f"c{number}"):
            hub.publish(event)
    hub.publish(ev.LegEnded("c3", "caller", 200, "BYE", 4.0))
    hub.publish(ev.LegEnded("c4", "caller", 200, "BYE", 4.0))
    return hub


def told(feed: Feed) -> list[str]:
    """Legs that come whole now."""
    reader = wire.FrameReader(wire.MAX_MESSAGE_BYTES)
    messages = [wire.decode_server(body) for frame in feed.take() for body in reader.feed(frame)]
    return [leg.name for m in messages if isinstance(m, WholeLegs) for leg in m.legs]


def test_the_newest_legs_are_whole(hub: Hub) -> None:
    """Live before done; what the list shows of the others is there: state, keys, what plays."""
    client = Client(hub)
    legs = {**client.history.live, **client.history.done}
    assert {name for name, leg in legs.items() if not leg.brief} == {"c6", "c5"}
    assert legs["c6"] == hub.history.leg("c6")
    brief, whole = legs["c1"], hub.history.live["c1"]
    assert (brief.started, brief.state, brief.playing) == (whole.started, "up", whole.playing)
    assert (brief.timeline, brief.sip, brief.inspected) == ([], [], None)
    assert (legs["c3"].items, legs["c3"].ended) == ([], hub.history.done["c3"].ended)
    assert not whole.brief, "the engine's own history keeps everything"


def test_a_watched_leg_comes_whole_once(hub: Hub) -> None:
    """For its levels, for its attributes, live or done; the second time it is known."""
    client = Client(hub)
    hub.watch(client.feed, Watch(legs=("c1", "c6"), inspected=("c3",)))
    assert told(client.feed) == ["c1", "c3"]
    hub.watch(client.feed, Watch(legs=("c1", "c3", "c99")))
    assert told(client.feed) == []


def test_the_client_ends_in_the_state_of_the_engine(hub: Hub) -> None:
    """What happens before, between and after: nothing is lost and nothing comes twice."""
    client = Client(hub)
    for event in a_key("c1"):
        hub.publish(event)
    hub.watch(client.feed, Watch(legs=("c1",)))
    for event in a_key("c1"):
        hub.publish(event)
    client.take(client.feed.take())
    assert client.history.live["c1"] == hub.history.live["c1"]
    for event in a_key("c1"):
        hub.publish(event)
    hub.publish(ev.LegEnded("c1", "caller", 200, "BYE", 9.0))
    client.take(client.feed.take())
    assert client.history.done["c1"] == hub.history.done["c1"]
    hub.publish(ev.LegEnded("c2", "caller", 200, "BYE", 9.0))
    hub.watch(client.feed, Watch(legs=("c2", "c3", "c4")))
    client.take(client.feed.take())
    assert client.history.live == hub.history.live
    assert client.history.done == hub.history.done


def test_a_leg_that_fell_out_meanwhile(hub: Hub) -> None:
    """It was asked for too late: the client keeps what it has."""
    client = Client(hub)
    del hub.history.done["c3"]
    hub.watch(client.feed, Watch(legs=("c3",)))
    client.take(client.feed.take())
    assert client.history.done["c3"].brief


def test_a_busy_engine_is_told_in_few_bytes() -> None:
    """2 000 legs with a history each: the snapshot does not grow with what happened in them."""
    sizes = []
    for n_keys in (1, 20):
        hub = Hub(ManualClock(), History())
        for number in range(2_000):
            for event in (*a_leg(f"c{number}"), *a_key(f"c{number}") * n_keys):
                hub.publish(structs.replace(event))
        sizes.append(Client(hub).n_bytes)
    assert sizes[1] - sizes[0] < 0.3 * sizes[0]
