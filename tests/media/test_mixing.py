"""Two calls that hear each other, whatever their codecs."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.codecs import g711
from ivrbench.media.messages import (
    CloseCall,
    ConnectCalls,
    FlushQueue,
    KeyReleased,
    SetSwitches,
    UpdateCall,
)

from .lab import Lab, octets
from .phones import Phone, at_in, strength, talk, tone


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_connected_calls_hear_each_other_exactly(codec: str) -> None:
    """Of one codec: sample for sample; each other, and nobody itself; 20 ms and the buffer late."""
    lab = Lab()
    ann, bob = Phone(lab, 1, codec), Phone(lab, 2, codec)
    lab.apply(ConnectCalls(1, 2))
    law = g711.LAWS[codec]
    said = [law.decode(np.frombuffer(octets(16_000, seed), np.uint8)) for seed in (1, 2)]
    talk(lab, {ann: said[0], bob: said[1]})
    for listener, other in ((ann, said[1]), (bob, said[0])):
        at = at_in(listener.heard(), other[:14_000])
        assert 0 < at // 2 <= 100 * 8


def test_laws_are_translated() -> None:
    """PCMA to PCMU is what the law's own tables say."""
    lab = Lab()
    ann, bob = Phone(lab, 1, "PCMA"), Phone(lab, 2, "PCMU")
    lab.apply(ConnectCalls(1, 2))
    said = g711.PCMA.decode(np.frombuffer(octets(8000), np.uint8))
    talk(lab, {ann: said, bob: np.zeros(8000, np.int16)})
    assert at_in(bob.heard(), g711.PCMU.decode(g711.PCMU.encode(said))[:6400]) > 0


CODECS = [
    ("PCMU", {}),
    ("PCMU", {"ptime_ms": 10}),
    ("PCMU", {"ptime_ms": 60}),
    ("G722", {}),
    ("GSM", {}),
    ("L16", {"clock_rate_hz": 16_000}),
    ("L16", {"clock_rate_hz": 48_000, "ptime_ms": 10}),
    ("OPUS", {"clock_rate_hz": 48_000}),
]


@pytest.mark.parametrize("second", CODECS, ids=str)
@pytest.mark.parametrize("first", CODECS[:1] + CODECS[2:4] + CODECS[6:], ids=str)
def test_any_codecs_and_packet_lengths(
    first: tuple[str, dict[str, int]], second: tuple[str, dict[str, int]]
) -> None:
    """Each hears the other's tone as loud as it was said, and not its own."""
    lab = Lab()
    ann, bob = Phone(lab, 1, first[0], **first[1]), Phone(lab, 2, second[0], **second[1])
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, ann.rate_hz, 1.0), bob: tone(700, bob.rate_hz, 1.0)})
    for listener, other_hz, own_hz in ((ann, 700, 400), (bob, 400, 700)):
        heard = listener.heard()
        assert strength(heard, other_hz, listener.rate_hz) == pytest.approx(6000, rel=0.12)
        assert strength(heard, own_hz, listener.rate_hz) < 300


def test_keys_are_detected_on_both() -> None:
    """A key goes to the engine, with the call that pressed it."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(400, 8000, 0.2)})
    ann.press(5)
    bob.press(7)
    lab.run(200)
    keys = [(event.call, event.key) for event in lab.of(KeyReleased)]
    assert keys == [(1, 5), (2, 7)]


def test_a_prompt_is_mixed_in_for_its_own_call() -> None:
    """What plays on one leg is heard there together with the other party, and nowhere else."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    prompt = g711.PCMU.encode(tone(1000, 8000, 1.0)).tobytes()
    lab.play(lab.clip(prompt), call=1)
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    heard = ann.heard()
    assert strength(heard, 1000, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(heard, 700, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(bob.heard(), 1000, 8000) < 100


def test_apart_again() -> None:
    """`other=0`, or the end of one call: both hear silence, and nothing is left over."""
    lab = Lab()
    ann, bob = Phone(lab, 1, "PCMA"), Phone(lab, 2)
    silence = {ann: np.zeros(8000, np.int16), bob: np.zeros(8000, np.int16)}
    for command in (ConnectCalls(2, 0), CloseCall(1)):
        lab.apply(ConnectCalls(1, 2))
        talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(400, 8000, 0.2)})
        assert bob.heard().any()
        lab.apply(command)
        talk(lab, {bob: tone(400, 8000, 0.2)})
        ann.collect()
        for phone in (ann, bob):
            phone.heard()
        talk(lab, silence if command == ConnectCalls(2, 0) else {bob: silence[bob]})
        assert {bytes(p.payload) for p in bob.packets} == {b"\xff" * 160}
        assert {bytes(p.payload) for p in ann.packets} <= {b"\xd5" * 160}
    assert "0 rooms" in repr(lab.plane._rooms)


def test_connected_with_somebody_else() -> None:
    """A call is connected with one other at most: the one before hears silence."""
    lab = Lab()
    phones = [Phone(lab, number) for number in (1, 2, 3)]
    lab.apply(ConnectCalls(1, 2))
    lab.apply(ConnectCalls(3, 2))
    talk(lab, {phone: tone(300 * phone.number, 8000, 1.0) for phone in phones})
    heard = [phone.heard() for phone in phones]
    assert strength(heard[1], 900, 8000) == pytest.approx(6000, rel=0.05)
    assert strength(heard[2], 600, 8000) == pytest.approx(6000, rel=0.05)
    assert not heard[0][2400:].any()
    lab.apply(ConnectCalls(1, 99))  # nobody
    lab.apply(ConnectCalls(99, 1))


def test_hold_and_mute() -> None:
    """Who is held or deaf says nothing; who is muted hears but sends nothing; it comes back."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    lab.apply(SetSwitches(1, receiving=False))
    talk(lab, {ann: tone(400, 8000, 0.6), bob: tone(700, 8000, 0.6)})
    assert not bob.heard().any()
    assert strength(ann.heard(), 700, 8000) > 5000
    lab.apply(SetSwitches(1))
    talk(lab, {ann: tone(400, 8000, 0.6), bob: tone(700, 8000, 0.6)})
    assert strength(bob.heard(), 400, 8000) > 5000


def test_the_codec_changes_meanwhile() -> None:
    """A re-INVITE to another codec, or to a wider one: they still hear each other."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(700, 8000, 0.2)})
    wide = Phone(Lab(), 1, "G722")
    wide.lab, wide.socket, wide.ours = lab, ann.socket, ann.ours
    lab.apply(UpdateCall(1, wide.stream))
    lab.run(20)
    for phone in (ann, bob):
        phone.collect()
        phone.heard()
    talk(lab, {wide: tone(400, 16_000, 1.0), bob: tone(700, 8000, 1.0)})
    assert strength(bob.heard(), 400, 8000) == pytest.approx(6000, rel=0.1)
    assert strength(wide.heard(), 700, 16_000) == pytest.approx(6000, rel=0.1)


def test_skipped_ticks_do_no_harm() -> None:
    """After a stall they hear each other again; what was not sent is not heard later."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.3), bob: tone(700, 8000, 0.3)})
    lab.plane.skip(500)
    lab.now += 2.5
    for phone in (ann, bob):
        phone.heard()
    lab.apply(FlushQueue(1))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    assert strength(bob.heard(), 400, 8000) == pytest.approx(6000, rel=0.1)
