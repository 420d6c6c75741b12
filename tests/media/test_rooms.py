"""Conference rooms in the worker: who hears whom, clips, recording, who speaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.audio.codecs import g711
from ivrbench.media.bank import Bank
from ivrbench.media.messages import (
    CloseCall,
    CloseRecorder,
    CloseRoom,
    Command,
    ConnectCalls,
    FlushQueue,
    FlushRoom,
    ItemEnded,
    MuteMember,
    OpenRecorder,
    PlayInRoom,
    PlayItem,
    RecorderClosed,
    RecordRoom,
    RoomItemEnded,
    RoomRecorded,
    SpeakerChanged,
    UpdateCall,
)

from .lab import FakeFile, Lab, octets, wav_audio
from .phones import Phone, at_in, strength, talk, tone

ROOM = 7
TONES_HZ = (400, 700, 1100)


def join(lab: Lab, *phones: Phone, hears: bool = True, speaks: bool = True) -> None:
    """Bring calls into the room."""
    for phone in phones:
        lab.item += 1
        lab.apply(PlayItem(phone.number, lab.item, None, 0, room=ROOM, hears=hears, speaks=speaks))


def clip(lab: Lab, pcm: np.ndarray) -> tuple[int, int]:
    """Audio in the form that rooms hear."""
    made = lab.arena.clip(pcm.tobytes(), "linear16000", lambda: (pcm.tobytes(), 0, 16_000))
    return made.offset, made.n_samples


# --- who hears whom ---------------------------------------------------------------------------


def test_three_members_hear_the_two_others_exactly() -> None:
    """Mix-minus: the sum of the others, saturated, in the codec's own steps.

    They speak at the same time, but their turns may lie up to three ticks apart.
    """
    lab = Lab()
    phones = [Phone(lab, number) for number in (1, 2, 3)]
    join(lab, *phones)
    law = g711.PCMU
    said = [law.decode(np.frombuffer(octets(8000, seed), np.uint8)) for seed in (1, 2, 3)]
    talk(lab, dict(zip(phones, said, strict=True)))
    for index, phone in enumerate(phones):
        first, second = (s.astype(np.int32) for n, s in enumerate(said) if n != index)
        heard, found = phone.heard(), []
        for shift in range(-120, 121, 40):
            both = first[1600:6400] + second[1600 + shift : 6400 + shift]
            want = law.decode(law.encode(np.clip(both, -32_768, 32_767).astype(np.int16)))
            found.append(at_in(heard, want) > 0)
        assert sum(found) == 1


@pytest.mark.parametrize(
    "codecs",
    [
        ({"codec": "PCMA"}, {"codec": "G722"}, {"codec": "PCMU", "ptime_ms": 30}),
        ({"codec": "OPUS", "clock_rate_hz": 48_000}, {"codec": "PCMU"}, {"codec": "G722"}),
        ({"codec": "PCMU"}, {"codec": "L16", "clock_rate_hz": 16_000}, {"codec": "GSM"}),
    ],
)
def test_wideband_and_narrowband_together(codecs: tuple[dict[str, object], ...]) -> None:
    """Each hears both others as loud as they are, and not itself."""
    lab = Lab()
    phones = [Phone(lab, number, **how) for number, how in enumerate(codecs, 1)]  # type: ignore[arg-type]
    join(lab, *phones)
    voices = {p: tone(hz, p.rate_hz, 1.2) for p, hz in zip(phones, TONES_HZ, strict=True)}
    talk(lab, voices)
    for index, phone in enumerate(phones):
        heard = phone.heard()
        for other, hz in enumerate(TONES_HZ):
            loud = strength(heard, hz, phone.rate_hz)
            if other == index:
                assert loud < 300
            else:
                assert loud == pytest.approx(6000, rel=0.15)


def test_wideband_stays_wideband() -> None:
    """What is above 4 kHz goes from one G.722 phone to another while a G.711 phone is there."""
    lab = Lab()
    phones = [Phone(lab, 1, "G722"), Phone(lab, 2, "G722"), Phone(lab, 3)]
    join(lab, *phones)
    talk(lab, {p: tone(6000, p.rate_hz, 1.0) * (p.number == 1) for p in phones})
    assert strength(phones[1].heard(), 6000, 16_000) == pytest.approx(6000, rel=0.15)
    assert strength(phones[2].heard(), 2000, 8000) < 300  # no alias


def test_listeners_and_speakers() -> None:
    """Who only listens is not heard, who only speaks hears nothing."""
    lab = Lab()
    ann, bob, eve = (Phone(lab, number) for number in (1, 2, 3))
    join(lab, ann)
    join(lab, bob, speaks=False)
    join(lab, eve, hears=False)
    talk(lab, {p: tone(hz, 8000, 1.0) for p, hz in zip((ann, bob, eve), TONES_HZ, strict=True)})
    heard = ann.heard()
    assert strength(heard, 700, 8000) < 100
    assert strength(heard, 1100, 8000) > 5500
    heard = bob.heard()
    assert strength(heard, 400, 8000) > 5500
    assert not eve.heard().any()


@pytest.mark.parametrize("when", ["queued", "there"])
def test_mute(when: str) -> None:
    """A muted member hears and is not heard; also if it was muted before its turn came."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, ann)
    if when == "queued":
        lab.play(lab.clip(b"\xff" * 160), call=2)
        join(lab, bob)
        lab.apply(MuteMember(2, lab.item, True))
    else:
        join(lab, bob)
        lab.run(20)
        lab.apply(MuteMember(2, lab.item, True))
    talk(lab, {ann: tone(400, 8000, 0.8), bob: tone(700, 8000, 0.8)})
    assert not ann.heard().any()
    assert strength(bob.heard(), 400, 8000) > 5500
    lab.apply(MuteMember(2, lab.item, False))
    talk(lab, {ann: tone(400, 8000, 0.8), bob: tone(700, 8000, 0.8)})
    assert strength(ann.heard(), 700, 8000) > 5500


def test_rooms_are_apart() -> None:
    """A call hears its own room only; many rooms are mixed at once."""
    lab = Lab()
    phones = [Phone(lab, number) for number in range(1, 9)]
    for phone in phones:
        lab.item += 1
        room = 10 + phone.number // 3
        lab.apply(PlayItem(phone.number, lab.item, None, 0, room=room, hears=True, speaks=True))
    talk(lab, {p: tone(300 + 150 * p.number, 8000, 1.0, 3000) for p in phones})
    for phone in phones:
        heard = phone.heard()
        for other in phones:
            together = other is not phone and other.number // 3 == phone.number // 3
            loud = strength(heard, 300 + 150 * other.number, 8000)
            assert loud == pytest.approx(3000, rel=0.1) if together else loud < 100


def test_the_item_decides_how_long() -> None:
    """A clip and the room: the call is there while the clip plays; then the next item."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, bob)
    lab.apply(PlayItem(1, 1, lab.clip(b"\x10" * 4000), 0, room=ROOM, speaks=True))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    assert [(e.item, e.reason) for e in lab.of(ItemEnded)] == [(1, "played")]
    heard = bob.heard()
    assert heard[2000:3000].any()
    assert not heard[-800:].any()


@pytest.mark.parametrize("how", ["flush", "call", "room", "connected"])
def test_the_end(how: str) -> None:
    """However a member leaves, its item ends with a reason and nothing is left over."""
    lab = Lab()
    ann, bob, eve = (Phone(lab, number) for number in (1, 2, 3))
    join(lab, ann, bob)
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(700, 8000, 0.2), eve: tone(9, 8000, 0.2)})
    commands: dict[str, Command] = {
        "flush": FlushQueue(1),
        "call": CloseCall(1),
        "room": CloseRoom(ROOM),
        "connected": ConnectCalls(1, 3),
    }
    lab.apply(commands[how])
    lab.run(40)
    reasons = {
        "flush": ["flushed"],
        "call": ["closed"],
        "room": ["error", "error"],
        "connected": ["error"],
    }
    assert [event.reason for event in lab.of(ItemEnded)] == reasons[how]
    for phone in (ann, bob, eve):
        lab.apply(CloseCall(phone.number))
    lab.run(20)
    assert len(lab.plane._rooms) == 0
    assert all(len(bank) == 0 for bank in lab.plane._rooms._banks.values())


def test_the_codec_of_a_member_changes() -> None:
    """A re-INVITE to a wider codec: the room is mixed at its rate, nobody is lost."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, ann, bob)
    talk(lab, {ann: tone(400, 8000, 0.2), bob: tone(700, 8000, 0.2)})
    wide = Phone(Lab(), 1, "OPUS", clock_rate_hz=48_000)
    wide.lab, wide.socket, wide.ours = lab, ann.socket, ann.ours
    lab.apply(UpdateCall(1, wide.stream))
    lab.run(20)
    for phone in (ann, bob):
        phone.collect()
        phone.heard()
    talk(lab, {wide: tone(400, 48_000, 1.0), bob: tone(700, 8000, 1.0)})
    assert strength(bob.heard(), 400, 8000) == pytest.approx(6000, rel=0.15)
    assert strength(wide.heard(), 700, 48_000) == pytest.approx(6000, rel=0.15)


# --- clips ------------------------------------------------------------------------------------


def test_a_clip_is_heard_by_all() -> None:
    """Sample for sample by a wideband member alone with it; together with voices by all."""
    lab = Lab()
    ann = Phone(lab, 1, "L16", clock_rate_hz=16_000)
    join(lab, ann)
    pcm = np.frombuffer(octets(32_000), np.int16)
    lab.apply(PlayInRoom(ROOM, 1, *clip(lab, pcm)))
    lab.apply(PlayInRoom(ROOM, 2, *clip(lab, pcm[:320])))
    talk(lab, {ann: np.zeros(24_000, np.int16)})
    assert at_in(ann.heard(), np.concatenate([pcm, pcm[:320]])) > 0
    ends = [(event.item, event.reason) for event in lab.of(RoomItemEnded)]
    assert ends == [(1, "played"), (2, "played")]


def test_a_clip_in_a_narrowband_room() -> None:
    """Resampled, beside what the others say; it is over with a flush."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, ann, bob)
    lab.apply(PlayInRoom(ROOM, 1, *clip(lab, tone(1000, 16_000, 2.0))))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    for phone, other_hz in ((ann, 700), (bob, 400)):
        heard = phone.heard()
        assert strength(heard, 1000, 8000) == pytest.approx(6000, rel=0.1)
        assert strength(heard, other_hz, 8000) == pytest.approx(6000, rel=0.1)
    lab.apply(FlushRoom(ROOM))
    lab.run(40)
    assert [event.reason for event in lab.of(RoomItemEnded)] == ["flushed"]
    ann.collect()
    ann.heard()
    talk(lab, {ann: np.zeros(4000, np.int16)})
    assert not ann.heard()[800:].any()


def test_a_clip_for_nobody_and_a_clip_that_is_left() -> None:
    """It plays to its end, or ends with the room; the room is forgotten."""
    lab = Lab()
    pcm = np.ones(1600, np.int16)
    lab.apply(PlayInRoom(ROOM, 1, *clip(lab, pcm)))
    lab.run(200)
    lab.apply(PlayInRoom(ROOM, 2, *clip(lab, pcm)))
    lab.run(40)
    lab.apply(CloseRoom(ROOM))
    lab.run(20)
    assert [event.reason for event in lab.of(RoomItemEnded)] == ["played", "closed"]
    assert len(lab.plane._rooms) == 0


def test_a_room_closes_on_a_call_that_waits_to_enter_it_again() -> None:
    """The next item of a member's queue brings it into a new room of that number."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, ann, bob)
    join(lab, ann, bob)
    lab.run(40)
    lab.apply(CloseRoom(ROOM))
    noise = np.random.default_rng(4).integers(-9000, 9000, 8000).astype(np.int16)
    talk(lab, {ann: noise, bob: np.zeros(8000, np.int16)})
    assert [event.reason for event in lab.of(ItemEnded)] == ["error", "error"]
    assert bob.heard().any()
    lab.apply(CloseCall(1))
    lab.apply(CloseCall(2))
    assert len(lab.plane._rooms) == 0


# --- recording --------------------------------------------------------------------------------


def test_recording_a_room() -> None:
    """One file with everybody in it, at the room's rate, valid when its end is told."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, ann, bob)
    file = lab.record()
    lab.apply(RecordRoom(ROOM, 1))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    lab.apply(RecordRoom(ROOM, 0))
    lab.run(20)
    (ended,) = lab.of(RoomRecorded)
    assert (ended.recorder, ended.reason) == (1, "stopped")
    audio = np.frombuffer(wav_audio(file), np.int16)
    assert len(audio) == ended.recorded_ms * 8 > 7800
    for hz in TONES_HZ[:2]:
        assert strength(audio, hz, 8000) == pytest.approx(6000, rel=0.05)


def test_a_room_recording_has_a_limit() -> None:
    """To the sample."""
    lab = Lab()
    ann = Phone(lab, 1)
    join(lab, ann)
    file = lab.record(limit_ms=333)
    lab.apply(RecordRoom(ROOM, 1))
    talk(lab, {ann: tone(400, 8000, 1.0)})
    assert [(e.reason, e.recorded_ms) for e in lab.of(RoomRecorded)] == [("recorded", 333)]
    assert len(wav_audio(file)) == 2 * 2664


@pytest.mark.parametrize("how", ["closed", "disk", "room"])
def test_how_a_room_recording_ends(how: str) -> None:
    """File closed, disk full, room over: a valid file, and the call goes on."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    join(lab, ann, bob)
    file = FakeFile()
    file.room = 20_000 if how == "disk" else None
    lab.apply(OpenRecorder(1), file)
    lab.apply(RecordRoom(ROOM, 1))
    talk(lab, {ann: tone(400, 8000, 1.5), bob: tone(700, 8000, 1.5)})
    if how == "closed":
        lab.apply(CloseRecorder(1))
    elif how == "room":
        lab.apply(CloseRoom(ROOM))
    talk(lab, {ann: tone(400, 8000, 1.0), bob: tone(700, 8000, 1.0)})
    reason = {"closed": "recorded", "disk": "error", "room": "closed"}[how]
    assert [event.reason for event in lab.of(RoomRecorded)] == [reason]
    assert len(wav_audio(file)) > 15_000
    assert len(lab.of(RecorderClosed)) == (how != "room")
    assert lab.plane.n_calls == 2


def test_what_cannot_be_recorded_into() -> None:
    """An unknown recorder, or one in use, changes nothing."""
    lab = Lab()
    ann = Phone(lab, 1)
    join(lab, ann)
    lab.record()
    lab.apply(RecordRoom(ROOM, 1))
    lab.apply(RecordRoom(8, 1))
    talk(lab, {ann: tone(400, 8000, 0.2)})
    lab.apply(RecordRoom(ROOM, 5))
    lab.run(20)
    assert [event.reason for event in lab.of(RoomRecorded)] == ["stopped"]


# --- who speaks -------------------------------------------------------------------------------


def test_who_speaks() -> None:
    """Told when it changes; a clip is nobody, and who is muted is not heard."""
    lab = Lab()
    phones = [Phone(lab, number) for number in (1, 2, 3)]
    join(lab, *phones)
    quiet = np.zeros(8000, np.int16)
    lab.apply(PlayInRoom(ROOM, 1, *clip(lab, tone(1000, 16_000, 0.5, 20_000))))
    talk(lab, dict.fromkeys(phones, quiet))
    assert lab.of(SpeakerChanged) == []
    for speaker in (phones[1], phones[0], phones[1]):
        talk(lab, {p: tone(500, 8000, 1.0) if p is speaker else quiet for p in phones})
    assert [(e.room, e.call) for e in lab.of(SpeakerChanged)] == [(ROOM, 2), (ROOM, 1), (ROOM, 2)]
    lab.events.clear()
    lab.apply(MuteMember(3, 3, True))
    talk(lab, {p: tone(500, 8000, 1.0) if p is phones[2] else quiet for p in phones})
    lab.apply(FlushQueue(2))
    talk(lab, {p: tone(500, 8000, 1.0) if p is phones[0] else quiet for p in phones})
    assert [e.call for e in lab.of(SpeakerChanged)] == [1]


def test_connected_calls_have_no_speaker() -> None:
    """Only rooms tell; two that are connected are no room."""
    lab = Lab()
    ann, bob = Phone(lab, 1), Phone(lab, 2)
    lab.apply(ConnectCalls(1, 2))
    talk(lab, {ann: tone(400, 8000, 0.5), bob: tone(700, 8000, 0.5)})
    assert lab.of(SpeakerChanged) == []


# --- the bank ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    ptimes=st.lists(st.sampled_from([2, 4, 6, 8, 10, 12]), min_size=1, max_size=6),
    loud=st.integers(1, 32_767),
    seed=st.integers(0, 1000),
)
def test_everybody_hears_the_sum_of_the_others(
    sizes: list[int], ptimes: list[int], loud: int, seed: int
) -> None:
    """Whatever rooms, packet lengths and phases there are: the others' samples of that very time,
    added and saturated; the room as a whole is everybody's."""
    random = np.random.default_rng(seed)
    bank = Bank(8000)
    rooms = [bank.open_room() for _ in sizes]
    members = [
        (room, bank.enter(room))
        for room, size in zip(rooms, sizes, strict=True)
        for _ in range(size)
    ]
    period = {slot: ptimes[n % len(ptimes)] for n, (_, slot) in enumerate(members)}
    phase = {slot: int(random.integers(0, period[slot])) for _, slot in members}
    voice = {slot: random.integers(-loud, loud, 120 * 40).astype(np.int16) for _, slot in members}
    said = {slot: np.zeros(120 * 40, np.int64) for _, slot in members}
    for tick in range(100):
        bank.settle(tick)
        for room, slot in members:
            if tick % period[slot] != phase[slot]:
                continue
            n = period[slot] * 40
            end = tick * 40
            if tick >= period[slot]:
                past = slice(end - n, end)
                others = sum(said[s][past] for r, s in members if r == room)
                heard = bank.heard(np.array([slot]), tick, n)[0]
                assert (heard == others - said[slot][past]).all()
                whole = np.clip(others, -32_768, 32_767)
                assert (bank.in_room(room, tick, n) == whole).all()
            said[slot][end : end + n] = voice[slot][end : end + n]
            bank.say(np.array([slot]), tick, voice[slot][None, end : end + n])
