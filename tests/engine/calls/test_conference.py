"""Conference rooms: scripts/conference.py in whole calls, on one media worker and on two."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import ItemEnqueued, RecordingEnded
from ivrbench.observe.rooms import RoomJoined, RoomLeft, SpeakerChanged
from tests.engine.harness import Bench, Caller

from .test_media import item_ends, write_wav
from .texts import script
from .workers import second_worker

if TYPE_CHECKING:
    from .conftest import MakeBench

SCRIPTS = Path(__file__).parents[3] / "scripts"
ROOM = """
def onSessionStart(self):
    self.room = IvrConference("sales")
    self.enqueue(self.room, self.room)
def onSpeaker(self, room, tag):
    said.append((self.dialog.local_tag, room, tag))
"""
LOUD, LOUDER = 0x10, 0x05


def callers(bench: Bench, n: int, user: str = "app") -> list[Caller]:
    """Calls that are up."""
    made = []
    for number in range(n):
        caller = Caller(bench, (f"192.0.2.{90 + number}", 5060), rtp_port=40_010 + 10 * number)
        caller.dial(user)
        made.append(caller)
    return made


def heard(caller: Caller, value: int, since_s: float) -> bool:
    """Whether a caller got frames of nothing but this octet."""
    return any(h.packet.payload == bytes([value]) * 160 for h in caller.heard_since(since_s))


def clips_held(bench: Bench) -> int:
    """Prompts that somebody still needs, at all workers."""
    arenas = [worker.media.arena for worker in bench.board.media.workers]
    return sum(clip.pins for arena in arenas for clip in arena._clips.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_members_hear_each_other(make_bench: MakeBench, workers: int) -> None:
    """Wherever their calls are; and when all have left, no room, port or call is left."""
    bench = make_bench(script(ROOM))
    if workers == 2:
        second_worker(bench)
    ann, bob, eve = callers(bench, 3)
    assert len({s.media.worker for s in bench.board.sessions.values() if s.media}) == workers
    bench.wait(0.2)
    for speaker, others in ((ann, (bob, eve)), (bob, (ann, eve)), (eve, (ann, bob))):
        since_s = bench.clock.now()
        speaker.speak(0.5, LOUD)
        assert all(heard(other, LOUD, since_s) for other in others)
        assert not heard(speaker, LOUD, since_s)
        bench.wait(0.2)
    joined = [(e.leg, e.members) for e in bench.told if isinstance(e, RoomJoined)]
    assert joined == [("c1", 1), ("c2", 2), ("c3", 3)]
    for caller in (ann, bob, eve):
        caller.bye()
    bench.wait(0.3)
    left = [e.members for e in bench.told if isinstance(e, RoomLeft)]
    assert left == [2, 1, 0]
    assert len(bench.board.media.rooms) == 0
    assert bench.board.media.ports_in_use == 0
    for worker in bench.board.media.workers:
        assert not worker.trunks
        assert len(worker.media.plane._rooms) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [1, 2])
def test_who_speaks_reaches_scripts_and_workbench(make_bench: MakeBench, workers: int) -> None:
    """The members' scripts hear the local tag of whoever speaks, at any worker."""
    bench = make_bench(script(ROOM))
    if workers == 2:
        second_worker(bench)
    ann, bob = callers(bench, 2)
    bench.wait(0.2)
    tags = [session.leg.dialog.local_tag for session in bench.board.sessions.values()]
    ann.speak(1.0, LOUD)
    bob.speak(1.0, LOUD)
    bench.wait(0.2)
    speakers = [e.leg for e in bench.told if isinstance(e, SpeakerChanged)]
    assert speakers == ["c1", "c2"]
    said = bench.said()
    assert said[:2] == [(tag, "sales", tags[0]) for tag in tags]
    assert said[2:] == [(tag, "sales", tags[1]) for tag in tags]
    ann.bye()
    bob.bye()


def test_the_home_worker_loses_its_last_member(make_bench: MakeBench) -> None:
    """The room moves to where members are; those still hear each other, and who comes back."""
    bench = make_bench(script(ROOM))
    second_worker(bench)
    ann, bob, eve = callers(bench, 3)
    gus = Caller(bench, ("192.0.2.80", 5060), rtp_port=40_200)
    gus.dial()  # ann and eve are at the first worker, bob and gus at the second
    bench.wait(0.2)
    ann.bye()
    eve.bye()
    since_s = bench.clock.now()
    bob.speak(0.5, LOUD)
    assert heard(gus, LOUD, since_s)
    pat = Caller(bench, ("192.0.2.81", 5060), rtp_port=40_210)
    pat.dial()
    bench.wait(0.2)
    since_s = bench.clock.now()
    bob.speak(0.5, LOUD)
    assert heard(pat, LOUD, since_s)
    for caller in (bob, gus, pat):
        caller.bye()
    bench.wait(0.3)
    assert bench.board.media.ports_in_use == 0


def test_ways_to_be_there(make_bench: MakeBench, tmp_path: Path) -> None:
    """Listening, speaking over a prompt, recording the caller; the items tell what they are."""
    prompt = write_wav(tmp_path / "p.wav", 0.5)
    body = f"""
def onSessionStart(self):
    self.room = IvrConference("sales")
    prompt, voice = IvrAudioFile(), IvrAudioFile()
    prompt.open({str(prompt)!r}, AUDIO_READ)
    voice.open({str(tmp_path / "v.wav")!r}, AUDIO_WRITE)
    self.enqueue(self.room, None)
    self.enqueue(prompt, self.room)
    self.enqueue(self.room, voice)
    self.enqueue(IvrConference("other"), None)
def onDtmf(self, key, duration):
    self.flush()
"""
    bench = make_bench(script(body))
    (ann,) = callers(bench, 1)
    items = [(e.play, e.record, e.label) for e in bench.of(ItemEnqueued)]
    assert items == [
        ("room sales", "", "room"),
        (str(prompt), "room sales", ""),
        ("room sales", str(tmp_path / "v.wav"), "room"),
        ("room other", "", ""),
    ]
    ann.press(1)
    bench.wait(0.3)
    assert [end[1] for end in item_ends(bench)] == ["flushed"] * 4
    assert clips_held(bench) == 0
    assert len(bench.board.media.rooms) == 0
    ann.bye()


@pytest.mark.parametrize("workers", [1, 2])
def test_announcement_and_recording_of_the_room(
    make_bench: MakeBench, tmp_path: Path, workers: int
) -> None:
    """Asked for before there is audio: all hear the file, one file has all; nothing is held."""
    prompt = write_wav(tmp_path / "p.wav", 1.0)
    body = f"""
def onSessionStart(self):
    self.room = IvrConference("sales")
    self.enqueue(self.room, self.room)
    if not said:
        self.file, prompt = IvrAudioFile(), IvrAudioFile()
        prompt.open({str(prompt)!r}, AUDIO_READ)
        self.file.open({str(tmp_path / "r.wav")!r}, AUDIO_WRITE)
        self.room.announce(prompt)
        self.room.record(self.file)
    said.append(1)
def onDtmf(self, key, duration):
    if key == 1:
        prompt = IvrAudioFile()
        prompt.open({str(prompt)!r}, AUDIO_READ)
        self.room.announce(prompt)
        self.room.announce(prompt)
    elif key == 2:
        self.room.stop_announcements()
    else:
        self.room.stop_recording()
        self.file.close()
"""
    bench = make_bench(script(body))
    if workers == 2:
        second_worker(bench)
    ann, bob = callers(bench, 2)
    bench.wait(1.5)
    for caller in (ann, bob):
        assert sum(len(set(h.packet.payload)) > 1 for h in caller.heard) >= 30
    since_s = bench.clock.now()
    bob.speak(0.5, LOUD)
    bob.press(1)
    bench.wait(0.5)
    assert clips_held(bench) == 2
    bob.press(2)
    bench.wait(0.3)
    assert clips_held(bench) == 0
    assert heard(ann, LOUD, since_s)
    ann.press(3)
    bench.wait(0.3)
    with wave.open(str(tmp_path / "r.wav")) as file:
        assert file.getframerate() == 8000
        assert file.getnframes() > 2 * file.getframerate()
    assert len(bench.of(RecordingEnded)) == 1
    ann.bye()
    bob.bye()


def test_the_example_script(make_bench: MakeBench, tmp_path: Path) -> None:
    """scripts/conference.py: rooms by parameter, 5 records, 6 mutes, 9 plays a tone, 0 leaves."""
    text = (
        (SCRIPTS / "conference.py")
        .read_text()
        .replace("os.path.dirname(__file__)", repr(str(SCRIPTS)))
    )
    bench = make_bench({"conference": text, "conference.conf": f'folder = "{tmp_path}"\n'})
    ann, bob = callers(bench, 2, "conference")
    eve = Caller(bench, ("192.0.2.80", 5060), rtp_port=40_200)
    eve.dial("conference", headers=(("P-App-Param", "room=sales"),))
    bench.wait(4.0)  # hello
    ann.press(5)
    since_s = bench.clock.now()
    ann.speak(0.5, LOUD)
    assert heard(bob, LOUD, since_s)
    assert not heard(eve, LOUD, since_s)
    ann.press(6)
    bench.wait(0.3)
    since_s = bench.clock.now()
    ann.speak(0.5, LOUDER)
    assert not heard(bob, LOUDER, since_s)
    ann.press(6)
    bob.press(9)
    bench.wait(0.5)
    ann.press(5)
    bench.wait(0.2)
    (path,) = tmp_path.glob("main-*.wav")
    with wave.open(str(path)) as file:
        assert file.getnframes() > 8000
    bob.press(0)
    bench.wait(0.3)
    assert bob.got[-1] == "BYE"
    ann.bye()
    eve.bye()
    assert not [line for line in bench.handlers() if "!" in line]
