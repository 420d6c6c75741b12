"""The fold of events into what people see."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from ivrbench.observe import events as ev
from ivrbench.observe import history as history_module
from ivrbench.observe import wire
from ivrbench.observe.history import MAX_DONE_LEGS, History, Ring
from ivrbench.observe.snapshot import Snapshot
from tests.observe.strategies import stamped_lists


def fold(*events: ev.Event) -> History:
    history = History()
    for seq, event in enumerate(events, 1):
        history.apply(ev.Stamped(seq, 1000.0 + seq, event))
    return history


def leg_started(leg: str = "c1", script: str = "menu", generation: int = 1) -> ev.LegStarted:
    return ev.LegStarted(leg, "in", script, generation, "test phone", "id", "sip:menu@x", "tag")


def loaded(script: str = "menu", generation: int = 1) -> ev.ScriptLoaded:
    return ev.ScriptLoaded(script, generation, f"{script}.py", 3.0, source="pass\n")


def failed(generation: int, serving: int) -> ev.ScriptFailed:
    return ev.ScriptFailed(
        "menu", generation, "menu.py", 7, "KeyError", "'x'", "Traceback", "", serving
    )


def test_every_event_has_a_fold() -> None:
    """A new event without a place in the state is an error, not a surprise at run time."""
    assert set(history_module._FOLDS) == set(ev.Event.__args__)


@settings(max_examples=60, deadline=None)
@given(stamped_lists())
def test_snapshot_and_events_give_the_state_of_the_full_fold(stamped: list[ev.Stamped]) -> None:
    """A client that comes late knows what one that was always there knows."""
    whole = History()
    for one in stamped:
        whole.apply(one)
    early = History()
    for one in stamped[: len(stamped) // 2]:
        early.apply(one)
    body = wire.frame(early.snapshot())[4:]
    snapshot = wire.decode_server(body)
    assert isinstance(snapshot, Snapshot)
    late = History.resume(snapshot)
    for one in stamped[len(stamped) // 2 :]:
        late.apply(one)
    assert msgspec.msgpack.encode(late.snapshot()) == msgspec.msgpack.encode(whole.snapshot())


def test_a_call_moves_from_live_to_done() -> None:
    """Live legs and done legs are two lists, and the total counts every leg that ended."""
    history = fold(
        loaded(),
        leg_started(),
        ev.LegChanged("c1", "up", 200),
        ev.KeyReceived("c1", 11, 100, "RFC 4733"),
        ev.LegEnded("c1", "caller", 200, "BYE", 4.0),
    )
    assert (list(history.live), list(history.done), history.done_total) == ([], ["c1"], 1)
    leg = history.done["c1"]
    assert (leg.state, leg.keys, leg.answered_at_s) == ("done", "#", 1003.0)
    assert [type(s.event).__name__ for s in leg.timeline] == [
        "LegStarted",
        "LegChanged",
        "KeyReceived",
        "LegEnded",
    ]


def test_done_legs_are_a_ring() -> None:
    """The oldest done leg falls out; the total does not."""
    history = History()
    for number in range(MAX_DONE_LEGS + 5):
        name = f"c{number}"
        history.apply(ev.Stamped(2 * number + 1, 0.0, leg_started(name)))
        history.apply(ev.Stamped(2 * number + 2, 0.0, ev.LegEnded(name, "caller", 200, "", 0.0)))
    assert len(history.done) == MAX_DONE_LEGS
    assert "c4" not in history.done
    assert history.done_total == MAX_DONE_LEGS + 5


def test_running_calls_keep_their_generation() -> None:
    """New calls get the newest version that loaded; an older one retires with its last call."""
    history = fold(loaded(), leg_started(), loaded(generation=2))
    script = history.scripts["menu"]
    assert [g.state for g in script.generations] == ["older", "serving"]
    assert script.serving is script.generations[1]
    history.apply(ev.Stamped(9, 0.0, ev.LegEnded("c1", "caller", 200, "", 0.0)))
    assert [g.state for g in script.generations] == ["retired", "serving"]


def test_a_bad_version_never_replaces_a_good_one() -> None:
    """The failed try is the latest, the one before it goes on serving."""
    script = fold(loaded(), failed(2, serving=1)).scripts["menu"]
    assert script.serving is not None
    assert script.latest is not None
    assert (script.serving.generation, script.latest.state) == (1, "failed")
    assert script.latest.failed is not None
    assert script.latest.failed.line == 7


def test_a_deleted_script_goes_with_its_last_call() -> None:
    """It stays in the list while it has calls."""
    history = fold(loaded(), leg_started(), ev.ScriptRemoved("menu", 1))
    assert history.scripts["menu"].removed
    history.apply(ev.Stamped(9, 0.0, ev.LegEnded("c1", "caller", 200, "", 0.0)))
    assert history.scripts == {}
    assert fold(loaded(), ev.ScriptRemoved("menu", 0)).scripts == {}


def test_generations_are_bounded_but_live_ones_stay() -> None:
    """A day of saving does not grow the memory; a generation with a call is never forgotten."""
    history = fold(
        loaded(), leg_started(), *(loaded(generation=n) for n in range(2, 50)), failed(50, 49)
    )
    generations = [g.generation for g in history.scripts["menu"].generations]
    assert len(generations) == 20
    assert generations[0] == 1
    assert generations[-2:] == [49, 50]


def test_playlist_items_say_how_they_ended() -> None:
    """queued → playing → the reason, with what caused it."""
    history = fold(
        leg_started(),
        ev.ItemEnqueued("c1", 1, "welcome", "w.wav", "", 3000),
        ev.ItemEnqueued("c1", 2, "", "b.wav", "", 300),
        ev.ItemStarted("c1", 1),
    )
    leg = history.live["c1"]
    assert leg.playing is leg.items[0]
    history.apply(ev.Stamped(9, 0.0, ev.ItemEnded("c1", 1, "flushed", 1400, 0, "key 1")))
    assert leg.playing is None
    assert [(i.state, i.played_ms, i.because, i.is_over) for i in leg.items] == [
        ("flushed", 1400, "key 1", True),
        ("queued", 0, "", False),
    ]


def test_playlist_is_bounded_and_drops_what_is_over() -> None:
    """A call that plays beeps for a day keeps the last items."""
    history = fold(leg_started())
    for item in range(1, 300):
        history.apply(ev.Stamped(item, 0.0, ev.ItemEnqueued("c1", item, "", "b.wav", "", 1)))
        if item > 1:
            history.apply(ev.Stamped(item, 0.0, ev.ItemEnded("c1", item, "played", 1, 0)))
    items = [item.enqueued.item for item in history.live["c1"].items]
    assert len(items) == 100
    assert items[0] == 1
    assert items[-1] == 299


def test_handlers_are_counted_per_generation() -> None:
    """Calls, raised, last and worst time: what the script screen shows."""
    history = fold(
        loaded(),
        leg_started(),
        ev.HandlerStarted("c1", 1, "onDtmf", 8, 21.0),
        ev.HandlerCalled("c1", 1, "onDtmf", "1, 100", "None", "", 30.0, "menu.py", 8),
        ev.HandlerRaised(
            "c1", 2, "menu", 1, "onDtmf", "2, 90", "E", "m", "tb", "menu.py", 9, 4.0, "goes on"
        ),
    )
    stats = history.scripts["menu"].generations[0].handlers["onDtmf"]
    assert (stats.calls, stats.raised, stats.last_ms, stats.worst_ms) == (2, 1, 4.0, 30.0)
    assert history.live["c1"].raised == 1
    assert history.live["c1"].running is None


def test_timeline_is_bounded() -> None:
    """A leg that gets keys all day keeps its last 200 to 250 events."""
    history = fold(leg_started(), *[ev.KeyReceived("c1", 1, 100, "INFO")] * 1000)
    assert 200 <= len(history.live["c1"].timeline) <= 250
    assert len(history.live["c1"].keys) == 64


def test_ring_is_bounded_by_bytes_too() -> None:
    """A few huge messages push out many small ones, but the newest always stays."""
    ring = Ring(max_events=10, max_bytes=100)
    small = ev.LogWritten(2, "call", "x" * 20)
    ring.fill(ev.Stamped(n, 0.0, small) for n in range(12))
    assert (len(ring.events), ring.n_bytes, ring.dropped) == (5, 100, 7)
    ring.add(ev.Stamped(99, 0.0, ev.SipTraced("", True, "udp", "", "", "", b"y" * 500)))
    assert [s.seq for s in ring.events] == [99]


def test_listeners_that_closed_in_order_disappear() -> None:
    """One that failed stays with its reason, one that was closed goes."""
    up = ev.ListenerChanged("udp", "127.0.0.1", 5060, up=True)
    assert list(fold(up).engine.listeners) == ["udp 127.0.0.1:5060"]
    assert fold(up, ev.ListenerChanged("udp", "127.0.0.1", 5060, up=False)).engine.listeners == {}
    taken = ev.ListenerChanged("udp", "127.0.0.1", 5060, up=False, reason="port 5060 is taken")
    assert list(fold(taken).engine.listeners.values()) == [taken]


def test_what_the_leg_says_of_itself_is_kept() -> None:
    """Media, warnings and levels belong to the leg, live or done."""
    agreed = ev.MediaAgreed("c1", "PCMU", 8000, 0, 20, 101, "a:1", "b:2", "sendrecv")
    levels = ev.LegMeasured("c1", -20, -9, -30, -9, 1, 100, 0, 40, 5, 0, 0, 0, 0, 1.5, -1.0)
    history = fold(
        leg_started(),
        agreed,
        levels,
        ev.LegWarned("c1", "no audio in 3 s"),
        ev.QueueFlushed("c1", 2),
        ev.HandlerStarted("c1", 7, "onDtmf", 8, 21.0),
        ev.ItemEnqueued("c1", 1, "", "w.wav", "", 3000),
    )
    leg = history.live["c1"]
    assert (leg.media, leg.measured, leg.warning) == (agreed, levels, "no audio in 3 s")
    assert leg.running is not None
    history.apply(ev.Stamped(9, 0.0, ev.LegEnded("c1", "caller", 200, "", 0.0)))
    assert leg.running is None
    assert [(item.state, item.because) for item in leg.items] == [("closed", "call ended")]
    history.apply(ev.Stamped(10, 0.0, ev.LegWarned("c1", "")))
    assert history.done["c1"].warning == ""


def test_events_of_unknown_legs_and_scripts_change_nothing() -> None:
    """Such as those of a leg that fell out of the ring."""
    history = fold(
        ev.LegChanged("c9", "up"),
        ev.LegEnded("c9", "caller", 200, "", 0.0),
        ev.LegWarned("c9", "x"),
        ev.MediaAgreed("c9", "PCMU", 8000, 0, 20, 101, "", "", "sendrecv"),
        ev.LegMeasured("c9", 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        ev.ItemEnqueued("c9", 1, "", "", "", 0),
        ev.ItemStarted("c9", 1),
        ev.ItemEnded("c9", 1, "played", 0, 0),
        ev.QueueFlushed("c9", 1),
        ev.KeyReceived("c9", 1, 100, "INFO"),
        ev.HandlerStarted("c9", 1, "onBye", 1, 21.0),
        ev.HandlerCalled("c9", 1, "onBye", "", "None", "", 1.0, "f", 1),
        ev.HandlerRaised("c9", 1, "menu", 1, "onBye", "", "E", "", "", "f", 1, 1.0, ""),
        ev.ScriptRetired("menu", 1, 1),
        ev.ScriptRemoved("menu", 0),
    )
    assert (history.live, history.done, history.scripts) == ({}, {}, {})


def test_items_nobody_enqueued_are_ignored() -> None:
    """The queue forgot them."""
    history = fold(leg_started(), ev.ItemStarted("c1", 4), ev.ItemEnded("c1", 4, "played", 1, 0))
    assert history.live["c1"].items == []


def test_retired_generations_tell_their_threads() -> None:
    """Threads that outlive their generation are a leak the developer wants to see."""
    history = fold(loaded(), loaded(generation=2), ev.ScriptRetired("menu", 1, 3, threads=1))
    assert history.scripts["menu"].generations[0].threads == 1
    history.apply(ev.Stamped(9, 0.0, ev.ScriptRetired("menu", 2, 3)))
    assert history.scripts["menu"].generations[1].state == "serving"


def test_a_script_saved_unchanged_has_no_new_generation() -> None:
    """Only when it was saved is noted, until something is loaded again."""
    history = fold(loaded(), ev.ScriptLoading("menu", 2, "menu.py", 3, 2.1))
    script = history.scripts["menu"]
    assert script.loading
    history.apply(ev.Stamped(3, 7.0, ev.ScriptUnchanged("menu", 1)))
    assert not script.loading
    assert (script.unchanged_at_s, len(script.generations)) == (7.0, 1)
    history.apply(ev.Stamped(4, 8.0, loaded(generation=2)))
    assert script.unchanged_at_s == 0.0


def test_monitoring_store() -> None:
    """Properties are set, added to and finished; those of a leg are in its timeline too."""
    history = fold(
        leg_started(),
        ev.MonitorChanged("c1", "tag", "step", "one"),
        ev.MonitorChanged("c1", "tag", "step", "two"),
        ev.MonitorChanged("", "free", "key", "1", added=True),
        ev.MonitorChanged("", "free", "key", "2", added=True),
        ev.MonitorChanged("", "free", finished=True),
        ev.MonitorChanged("", "never seen", finished=True),
    )
    assert list(history.monitor) == ["tag", "free"]
    tag, free = history.monitor.values()
    assert (tag.leg, tag.values, tag.finished, tag.at_s) == ("c1", {"step": ["two"]}, False, 1003)
    assert (free.leg, free.values, free.finished) == ("", {"key": ["1", "2"]}, True)
    assert len(history.live["c1"].timeline) == 3


def test_monitoring_store_is_bounded() -> None:
    """Finished entries go first; properties and values of one entry have a limit."""
    entries = [ev.MonitorChanged("", f"id{n}", "a", "b") for n in range(500)]
    done = ev.MonitorChanged("", "id7", finished=True)
    history = fold(*entries, done, *(ev.MonitorChanged("", f"x{n}", "a", "b") for n in range(2)))
    assert len(history.monitor) == 500
    assert [name for name in ("id0", "id1", "id7") if name in history.monitor] == ["id1"]
    history = fold(
        *(ev.MonitorChanged("", "id", f"p{n}", "v") for n in range(60)),
        *(ev.MonitorChanged("", "id", "p0", str(n), added=True) for n in range(60)),
    )
    values = history.monitor["id"].values
    assert len(values) == 50
    assert (len(values["p0"]), values["p0"][-1]) == (50, "59")
