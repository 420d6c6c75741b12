"""IvrAudioMixIn in a call: music with announcements over it (ivr-api §3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe.events import ItemEnqueued
from tests.engine.harness import Bench, Caller

from .test_media import item_ends, loud_frames, write_wav
from .texts import script

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench

SCRIPT = """
def onSessionStart(self):
    self.music, self.note = IvrAudioFile(), IvrAudioFile()
    self.music.open({music!r}, AUDIO_READ)
    self.note.open({note!r}, AUDIO_READ)
    self.mix = IvrAudioMixIn()
    self.mix.init(self.music, self.note, 1, {level}, {flags})
    self.enqueue(self.mix, None)
    del self.mix
def onDtmf(self, key, duration):
    self.flush()
def onEmptyQueue(self):
    said.append("empty")
"""


def the_script(tmp_path: Path, level: float, flags: str) -> str:
    """Music of 3 s, a louder note of 0.5 s every second."""
    music = write_wav(tmp_path / "music.wav", 3.0, level=1000)
    note = write_wav(tmp_path / "note.wav", 0.5, level=20_000)
    return script(SCRIPT.format(music=str(music), note=str(note), level=level, flags=flags))


def pins(bench: Bench) -> int:
    """How many clips of the arena somebody holds."""
    return sum(clip.pins for clip in bench.media.arena._clips.values())


def test_a_mix_plays_once_through(make_bench: MakeBench, tmp_path: Path) -> None:
    """It ends with the first file; the second comes in meanwhile; both prompts are given back."""
    bench = make_bench(the_script(tmp_path, 0.5, "0, 0, 0"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(4)
    assert 148 <= loud_frames(caller) <= 152
    kinds = [h.packet.payload[5] for h in caller.heard if len(set(h.packet.payload)) > 1]
    changes = [i for i in range(1, len(kinds)) if kinds[i] != kinds[i - 1]]
    assert changes == [50, 75, 100, 125]
    assert bench.said() == ["empty"]
    (enqueued,) = bench.of(ItemEnqueued)
    assert isinstance(enqueued, ItemEnqueued)
    assert enqueued.play == f"{tmp_path / 'music.wav'} + {tmp_path / 'note.wav'}"
    assert enqueued.label == "mix"
    assert item_ends(bench) == [(1, "played", "")]
    assert pins(bench) == 0
    caller.bye()


def test_low_level_pauses_the_first_file(make_bench: MakeBench, tmp_path: Path) -> None:
    """So the whole is longer by the second file's runs; `once`: by one."""
    bench = make_bench(the_script(tmp_path, 0.0, "0, 1, 1"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(5)
    assert 173 <= loud_frames(caller) <= 177
    caller.bye()


def test_flush_gives_both_prompts_back(make_bench: MakeBench, tmp_path: Path) -> None:
    """As for any item."""
    bench = make_bench(the_script(tmp_path, 0.5, "0, 0, 0"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    assert pins(bench) == 2
    caller.press(1)
    bench.wait(0.5)
    assert item_ends(bench) == [(1, "flushed", "key 1")]
    assert pins(bench) == 0
    caller.bye()


def test_without_init_it_is_silence_for_ever(make_bench: MakeBench) -> None:
    """ivr-api §3.2: an item of silence that never ends."""
    body = """
def onSessionStart(self):
    self.enqueue(IvrAudioMixIn(), None)
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(30)
    assert bench.said() == []
    assert loud_frames(caller) == 0
    caller.bye()


def test_the_codec_changes_meanwhile(make_bench: MakeBench, tmp_path: Path) -> None:
    """Both files are encoded again, and it goes on where it was."""
    bench = make_bench(the_script(tmp_path, 0.5, "0, 0, 0"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    wide = caller.sdp().replace(b"RTP/AVP 0 8", b"RTP/AVP 9")
    caller.do(lambda call, now: call.reinvite(wide, now=now))
    bench.wait(2.2)
    assert bench.said() == []
    bench.wait(0.4)
    assert bench.said() == ["empty"]
    assert {h.packet.payload_type for h in caller.heard[-100:]} == {9}
    assert [end[1] for end in item_ends(bench)] == ["played"]
    assert pins(bench) == 0
    caller.bye()
