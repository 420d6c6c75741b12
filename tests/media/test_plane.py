"""The plane as a whole: nothing is left behind, odd commands do nothing."""

from __future__ import annotations

import gc
import random

import pytest

from ivrbench.media.messages import (
    CallClosed,
    CloseCall,
    CloseRecorder,
    Command,
    FlushQueue,
    ItemEnded,
    OpenCall,
    RecorderClosed,
    SeekItem,
    SendKeys,
    SetLoop,
    SetSwitches,
    UpdateCall,
    WatchCalls,
)

from .lab import OUR_IP, FakeFile, FarEnd, Lab, octets, stream


def test_nothing_is_left_after_many_calls() -> None:
    """Random opens, closes, recordings, re-INVITEs: no row, socket, recorder or object stays."""
    dice = random.Random(3)
    lab = Lab()
    clip = lab.clip(octets(4000))
    up: dict[int, FakeFile | None] = {}
    for call in range(1, 1501):
        if len(up) > 40 or (up and dice.random() < 0.3):
            victim = dice.choice(list(up))
            lab.apply(CloseCall(victim))
            if up.pop(victim) is not None:
                lab.apply(CloseRecorder(victim))
        codec, payload_type = dice.choice([("PCMU", 0), ("PCMA", 8)])
        lab.open(call, 10_000 + 2 * (call % 1000), codec=codec, payload_type=payload_type)
        up[call] = lab.record(call) if dice.random() < 0.5 else None
        lab.play(clip, call if up[call] else 0, call)
        if dice.random() < 0.2:
            lab.apply(UpdateCall(call, stream(codec="PCMA", payload_type=8)))
            lab.apply(SendKeys(call, (1, 2)))
            lab.apply(WatchCalls((call,)))
        lab.run(5)
    for call, file in up.items():
        lab.apply(CloseCall(call))
        if file is not None:
            lab.apply(CloseRecorder(call))
    lab.run(40)
    assert (lab.plane.n_calls, lab.plane.n_recorders) == (0, 0)
    assert len(lab.poller) == 0
    assert lab.network.n_sockets == 2
    assert len(lab.of(CallClosed)) == 1500
    assert lab.run(100) == []


def test_closed_calls_leave_no_cycles() -> None:
    """The worker runs without garbage collection: reference counts must do."""
    lab = Lab()
    clip = lab.clip(octets(800))
    gc.disable()
    gc.freeze()  # what tests before this one left behind, and what ends only with it, is not ours
    try:
        for call in range(1, 50):
            lab.open(call, 4000 + 2 * call)
            lab.record(call)
            lab.play(clip, call, call)
            lab.apply(WatchCalls((call,)))
            lab.run(40)
            lab.apply(CloseCall(call))
            lab.apply(CloseRecorder(call))
        lab.run(40)
        lab.events.clear()
        assert gc.collect() == 0
    finally:
        gc.unfreeze()
        gc.enable()


def test_call_end_ends_its_items_first() -> None:
    """ItemEnded "closed" for each, then CallClosed, and nothing after it."""
    lab = Lab()
    lab.open()
    lab.record()
    lab.play(None, recorder=1)
    lab.play(lab.clip(octets(160)))
    FarEnd(lab).speak(octets(800))
    events = lab.close()
    assert [type(event) for event in events] == [ItemEnded, ItemEnded, CallClosed]
    assert [event.reason for event in lab.of(ItemEnded, events)] == ["closed", "closed"]
    assert lab.run(200) == []


@pytest.mark.parametrize(
    "command",
    [
        CloseCall(9),
        FlushQueue(9),
        SeekItem(9, 1, 0),
        SetLoop(9, 1, True),
        SetSwitches(9),
        SendKeys(9, (1,)),
        UpdateCall(9, stream()),
        CloseRecorder(9),
        SeekItem(1, 77, 0),
        SetLoop(1, 77, True),
        SendKeys(1, (99, -1)),
        UpdateCall(1, stream(codec="opus")),
    ],
)
def test_command_about_nothing_does_nothing(command: Command) -> None:
    """Calls that are over, unknown items, codecs and keys: no event, no error, audio goes on."""
    lab = Lab()
    lab.open()
    lab.apply(command)
    assert lab.run(100) == []
    assert len(lab.audio()) >= 5 * 160


def test_call_with_an_unknown_codec_is_closed_at_once() -> None:
    """Its sockets are not leaked."""
    lab = Lab()
    sockets = lab.network.pair(OUR_IP, 5000)
    lab.apply(OpenCall(5, stream(codec="opus")), *sockets)
    events = lab.run(5)
    assert [type(event) for event in events] == [CallClosed]
    assert lab.network.n_sockets == 2


def test_second_call_of_a_number_is_refused() -> None:
    """The first goes on; the sockets of the second are closed."""
    lab = Lab()
    lab.open()
    lab.apply(OpenCall(1, stream()), *lab.network.pair(OUR_IP, 5000))
    assert lab.run(100) == []
    assert lab.network.n_sockets == 4


def test_second_recorder_of_a_number_is_refused() -> None:
    """Its file is closed, the first stays."""
    lab = Lab()
    first, second = lab.record(), lab.record()
    assert (first.closed, second.closed) == (False, True)


def test_plane_closes_everything() -> None:
    """At the end of the worker: goodbyes, complete files, closed sockets."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    FarEnd(lab).speak(octets(800))
    events = lab.plane.close(lab.now)
    assert [type(event) for event in events] == [ItemEnded, CallClosed, RecorderClosed]
    assert file.closed
    assert lab.network.n_sockets == 2
