"""Publishing to several clients, each at its own pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.clock import ManualClock
from ivrbench.observe import events as ev
from ivrbench.observe import hub as hub_module
from ivrbench.observe import wire
from ivrbench.observe.commands import Answered, Watch
from ivrbench.observe.history import History
from ivrbench.observe.hub import Feed, Hub
from ivrbench.observe.snapshot import Snapshot

if TYPE_CHECKING:
    import msgspec
    import pytest

KEY = ev.KeyReceived("c1", 1, 100, "INFO")


def make_hub() -> tuple[Hub, ManualClock]:
    clock = ManualClock()
    return Hub(clock, History()), clock


def measured(leg: str = "c1", received: int = 0) -> ev.LegMeasured:
    return ev.LegMeasured(leg, -20, -9, -30, -9, 1, 100, 0, 40, received, 0, 0, 0, 0, 1.5, -1.0)


def messages(frames: list[bytes]) -> list[wire.ServerMessage]:
    reader = wire.FrameReader(wire.MAX_MESSAGE_BYTES)
    return [wire.decode_server(body) for frame in frames for body in reader.feed(frame)]


def taken(feed: Feed) -> list[ev.Stamped]:
    """The events of all batches that wait."""
    batches = [m for m in messages(feed.take()) if isinstance(m, wire.Batch)]
    return [stamped for batch in batches for stamped in batch.events]


def test_events_are_numbered_and_reach_every_client() -> None:
    """A snapshot has the events before it, the feed those after it."""
    hub, _ = make_hub()
    hub.publish(KEY)
    first, feed = hub.connect(lambda: None)
    _, other = hub.connect(lambda: None)
    stamped = hub.publish(KEY)
    (snapshot,) = messages([first])
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.seq, stamped.seq) == (1, 2)
    assert taken(feed) == taken(other) == [stamped]
    assert taken(feed) == []


def test_an_event_is_encoded_once_and_only_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without clients publishing costs no encoding; with two, one."""
    hub, _ = make_hub()
    encoded: list[int] = []
    real = wire.encode_event

    def counting(stamped: ev.Stamped) -> msgspec.Raw:
        encoded.append(stamped.seq)
        return real(stamped)

    monkeypatch.setattr(wire, "encode_event", counting)
    hub.publish(KEY)
    _, one = hub.connect(lambda: None)
    _, two = hub.connect(lambda: None)
    hub.publish(KEY)
    assert encoded == []
    one.take()
    two.take()
    assert encoded == [2]


def test_levels_coalesce_per_leg_and_facts_do_not() -> None:
    """Of ten levels the newest goes out, in its place among the facts."""
    hub, _ = make_hub()
    _, feed = hub.connect(lambda: None)
    hub.watch(feed, Watch(all_legs=True))
    for n in range(5):
        hub.publish(measured(received=n))
        hub.publish(measured("c2", received=n))
        hub.publish(KEY)
    got = taken(feed)
    assert [s.seq for s in got] == [3, 6, 9, 12, 13, 14, 15]
    assert [s.event.received for s in got if isinstance(s.event, ev.LegMeasured)] == [4, 4]
    assert feed.coalesced == 8


def test_levels_go_only_to_clients_that_watch() -> None:
    """The engine hears of the union of what clients watch, and of nobody watching."""
    hub, _ = make_hub()
    heard: list[tuple[frozenset[str], bool]] = []
    hub.on_watch = lambda legs, all_legs: heard.append((legs, all_legs))
    _, one = hub.connect(lambda: None)
    _, two = hub.connect(lambda: None)
    hub.watch(one, Watch(legs=("c1",)))
    hub.watch(two, Watch(legs=("c1", "c2")))
    hub.publish(measured("c2"))
    assert taken(one) == []
    assert len(taken(two)) == 1
    hub.disconnect(two)
    hub.disconnect(one)
    hub.disconnect(one)
    assert heard == [
        (frozenset({"c1"}), False),
        (frozenset({"c1", "c2"}), False),
        (frozenset({"c1"}), False),
        (frozenset(), False),
    ]


def test_a_client_ten_seconds_behind_is_cut() -> None:
    """Facts are never dropped on the way to a client that stays: it is sent away instead."""
    hub, clock = make_hub()
    woken: list[bool] = []
    _, slow = hub.connect(lambda: woken.append(slow.is_cut))
    _, quick = hub.connect(lambda: None)
    hub.publish(KEY)
    quick.take()
    clock.advance(10.5)
    hub.publish(KEY)
    assert woken == [False, True, True]
    assert (slow.is_cut, quick.is_cut) == (True, False)
    assert (hub.clients, hub.clients_behind) == (1, 1)
    assert slow.take() == []
    hub.publish(KEY)
    assert len(taken(quick)) == 2


def test_a_client_with_too_many_facts_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded in number too."""
    monkeypatch.setattr(hub_module, "MAX_QUEUED_FACTS", 50)
    hub, _ = make_hub()
    _, feed = hub.connect(lambda: None)
    for _ in range(50):
        hub.publish(KEY)
    assert not feed.is_cut
    hub.publish(KEY)
    assert feed.is_cut


def test_a_client_that_only_waits_for_levels_is_never_behind() -> None:
    """Levels take one place per leg however long nobody reads."""
    hub, clock = make_hub()
    _, feed = hub.connect(lambda: None)
    hub.watch(feed, Watch(all_legs=True))
    for _ in range(100):
        clock.advance(1.0)
        hub.publish(measured())
    assert not feed.is_cut
    assert len(taken(feed)) == 1


def test_long_queues_go_out_in_several_frames() -> None:
    """A newcomer after a pause sees something before all of it has come."""
    hub, _ = make_hub()
    _, feed = hub.connect(lambda: None)
    for _ in range(2_500):
        hub.publish(KEY)
    feed.answer(Answered(7, ok=True))
    got = messages(feed.take())
    assert [len(m.events) for m in got if isinstance(m, wire.Batch)] == [1000, 1000, 500]
    assert got[-1] == Answered(7, ok=True)
