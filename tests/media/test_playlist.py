"""What is sent: golden audio, byte for byte."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ivrbench.audio.codecs import g711
from ivrbench.media.messages import (
    Command,
    FlushQueue,
    ItemEnded,
    ItemStarted,
    QueueEmptied,
    SeekItem,
    SetLoop,
    SetSwitches,
    SilencePart,
    UpdateCall,
)

from .lab import SILENCE, Lab, octets, stream


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_prompt_is_sent_exactly(codec: str) -> None:
    """The bytes sent are the encoded prompt; the last packet is padded with silence."""
    lab = Lab()
    lab.open(codec=codec, payload_type={"PCMU": 0, "PCMA": 8}[codec])
    prompt = octets(1000)
    item = lab.play(lab.clip(prompt, codec))
    lab.run(200)
    padded = prompt + SILENCE[codec][: -len(prompt) % 160]
    assert lab.audio() == padded + 3 * SILENCE[codec]
    (ended,) = lab.of(ItemEnded)
    assert (ended.item, ended.reason, ended.played_ms) == (item, "played", 125)


def test_headers_count_up() -> None:
    """RFC 3550 §5.1: one SSRC, sequence +1, timestamp +160; only the first packet is marked."""
    lab = Lab()
    lab.open()
    lab.run(200)
    assert len(lab.sent) == 10
    assert len({packet.ssrc for packet in lab.sent}) == 1
    assert [packet.marker for packet in lab.sent] == [True] + [False] * 9
    for one, two in itertools.pairwise(lab.sent):
        assert (two.sequence - one.sequence) & 0xFFFF == 1
        assert (two.timestamp - one.timestamp) & 0xFFFF_FFFF == 160


def test_nothing_queued_is_silence_at_packet_rate() -> None:
    """50 packets a second of encoded silence, and no event about an empty queue."""
    lab = Lab()
    lab.open()
    assert lab.run(1000) == []
    assert lab.audio() == SILENCE["PCMU"] * 50


def test_items_follow_without_a_gap() -> None:
    """The next item's first frame directly follows the last frame of the one before."""
    lab = Lab()
    lab.open()
    one, two, three = octets(480, 1), octets(320, 2), octets(160, 3)
    items = [lab.play(lab.clip(data)) for data in (one, two, three)]
    lab.run(160)
    assert lab.audio() == one + two + three + 2 * SILENCE["PCMU"]
    assert [event.item for event in lab.of(ItemStarted)] == items
    assert [event.item for event in lab.of(ItemEnded)] == items
    assert len(lab.of(QueueEmptied)) == 1


def test_item_queued_on_empty_queue_is_gapless() -> None:
    """QueueEmptied comes while the last frame still plays: a quick answer leaves no gap."""
    lab = Lab()
    lab.open()
    one, two = octets(320, 1), octets(320, 2)
    lab.play(lab.clip(one))
    while not lab.of(QueueEmptied):
        lab.run(5)
    lab.play(lab.clip(two))
    lab.run(40)
    assert lab.audio() == one + two


def test_same_clip_twice_plays_twice() -> None:
    """Each item starts at its beginning."""
    lab = Lab()
    lab.open()
    part = lab.clip(octets(320))
    lab.play(part)
    lab.play(part)
    lab.run(80)
    assert lab.audio() == octets(320) * 2


@pytest.mark.parametrize("n", [50, 160, 200, 321])
def test_loop_is_seamless(n: int) -> None:
    """A looping clip of any length goes round without a sample lost or added."""
    lab = Lab()
    lab.open()
    data = octets(n)
    item = lab.play(lab.clip(data, loop=True))
    lab.run(400)
    endless = data * (3200 // n + 2)
    assert lab.audio() == endless[:3200]
    lab.apply(SetLoop(1, item, False))
    lab.run(100)
    rest = endless[3200 : 3200 + -3200 % n]
    if rest:
        assert lab.audio().startswith(rest + SILENCE["PCMU"][: -len(rest) % 160])
    assert lab.of(ItemEnded)[0].reason == "played"


def test_seek_moves_a_playing_and_a_waiting_item() -> None:
    """Positions are samples; beyond the end is the end."""
    lab = Lab()
    lab.open()
    one, two = octets(1600, 1), octets(800, 2)
    first = lab.play(lab.clip(one))
    second = lab.play(lab.clip(two))
    lab.run(20)
    lab.apply(SeekItem(1, first, 1280))
    lab.apply(SeekItem(1, second, 333))
    lab.run(120)
    expected = one[:160] + one[1280:] + two[333:]
    assert lab.audio()[: len(expected)] == expected


def test_flush_ends_all_items_silently() -> None:
    """All items end as flushed, there is no QueueEmptied, and silence follows at once."""
    lab = Lab()
    lab.open()
    lab.play(lab.clip(octets(1600)))
    lab.play(lab.clip(octets(1600, 2)))
    lab.run(40)
    lab.audio()
    lab.apply(FlushQueue(1))
    lab.run(20)
    assert lab.audio() == SILENCE["PCMU"]
    assert [(e.item, e.reason, e.played_ms) for e in lab.of(ItemEnded)] == [
        (1, "flushed", 40),
        (2, "flushed", 0),
    ]
    assert not lab.of(QueueEmptied)


def test_item_without_parts_blocks_until_flush() -> None:
    """(None, None) never ends by itself."""
    lab = Lab()
    lab.open()
    lab.play(None)
    lab.play(lab.clip(octets(160)))
    lab.run(5000)
    assert not lab.of(ItemEnded)
    lab.apply(FlushQueue(1))
    lab.run(20)
    assert [event.reason for event in lab.of(ItemEnded)] == ["flushed", "flushed"]


def test_silence_of_a_length() -> None:
    """A silence part ends by itself."""
    lab = Lab()
    lab.open()
    lab.play(SilencePart(100))
    lab.play(lab.clip(octets(160)))
    lab.run(120)
    assert lab.audio() == 5 * SILENCE["PCMU"] + octets(160)


def test_empty_clip_ends_at_once() -> None:
    """A file without samples takes no frame."""
    lab = Lab()
    lab.open()
    lab.play(lab.clip(b""))
    lab.play(lab.clip(octets(160)))
    lab.run(40)
    assert lab.audio() == octets(160) + SILENCE["PCMU"]
    assert [event.reason for event in lab.of(ItemEnded)] == ["played", "played"]


@pytest.mark.parametrize("how", ["muted", "held"])
def test_muted_and_held_calls_send_nothing_but_play_on(how: str) -> None:
    """Nothing goes out, the queue is consumed; the first packet afterwards is marked."""
    lab = Lab()
    lab.open()
    prompt = octets(1600)
    lab.play(lab.clip(prompt))
    lab.run(40)
    before = lab.sent[-1]
    lab.audio()
    ways: dict[str, tuple[Command, Command]] = {
        "muted": (SetSwitches(1, muted=True), SetSwitches(1)),
        "held": (UpdateCall(1, stream(send=False)), UpdateCall(1, stream())),
    }
    off, on = ways[how]
    lab.apply(off)
    lab.run(60)
    assert lab.audio() == b""
    lab.apply(on)
    lab.run(20)
    (packet,) = lab.sent
    assert packet.payload == prompt[800:960]
    assert packet.marker
    assert (packet.timestamp - before.timestamp) & 0xFFFF_FFFF == 4 * 160
    assert (packet.sequence - before.sequence) & 0xFFFF == 1


def test_detached_call_stands_still() -> None:
    """Detached: nothing is sent and the queue is frozen."""
    lab = Lab()
    lab.open()
    prompt = octets(1600)
    lab.play(lab.clip(prompt))
    lab.run(40)
    lab.apply(SetSwitches(1, attached=False))
    lab.run(1000)
    lab.apply(SetSwitches(1))
    lab.run(160)
    assert lab.audio() == prompt


def test_items_wait_for_attachment() -> None:
    """What is queued while detached starts with the attachment."""
    lab = Lab()
    lab.open()
    lab.apply(SetSwitches(1, attached=False))
    lab.play(lab.clip(octets(160)))
    assert lab.run(100) == []
    lab.apply(SetSwitches(1))
    lab.run(20)
    assert lab.audio() == octets(160)


def test_codec_changes_in_mid_prompt() -> None:
    """A re-INVITE to the other law: the prompt goes on at its place, transcoded."""
    lab = Lab()
    lab.open()
    prompt = octets(960)
    lab.play(lab.clip(prompt))
    lab.run(60)
    assert lab.audio() == prompt[:480]
    lab.apply(UpdateCall(1, stream(codec="PCMA", payload_type=8)))
    lab.run(80)
    assert {packet.payload_type for packet in lab.sent} == {8}
    linear = g711.PCMU.decode(np.frombuffer(prompt[480:], np.uint8))
    assert lab.audio() == g711.PCMA.encode(linear).tobytes() + SILENCE["PCMA"]
    assert lab.of(ItemEnded)[0].reason == "played"


def test_skipped_ticks_advance_the_clock_and_send_nothing_twice() -> None:
    """After a stall: no burst, no audio lost, timestamps stay true to time."""
    lab = Lab()
    lab.open()
    prompt = octets(1600)
    lab.play(lab.clip(prompt))
    lab.run(40)
    before = lab.sent[-1]
    lab.plane.skip(12)
    lab.now += 0.06
    lab.run(40)
    after = lab.sent[2]
    assert (after.timestamp - before.timestamp) & 0xFFFF_FFFF == 4 * 160
    assert (after.sequence - before.sequence) & 0xFFFF == 1
    assert lab.audio() == prompt[:640]


def test_refused_packets_do_not_stop_the_stream() -> None:
    """ICMP port unreachable: sending goes on and comes through when the peer listens again."""
    lab = Lab()
    lab.open()
    lab.network.refused.add(("198.51.100.7", 7000))
    lab.run(100)
    lab.network.refused.clear()
    lab.run(100)
    assert len(lab.sent) == 5


def test_calls_are_spread_over_the_phases() -> None:
    """Eight calls send two packets in each tick, not eight in one."""
    lab = Lab()
    for call in range(8):
        lab.open(call + 1, 4000 + 2 * call)
    for _ in range(8):
        lab.audio()
        lab.run(5)
        assert len(lab.sent) == 2
