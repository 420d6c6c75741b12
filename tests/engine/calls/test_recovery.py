"""The media worker of calls dies, and the next one takes them over."""

from __future__ import annotations

import re
import wave
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import (
    ItemEnded,
    KeyReceived,
    LegWarned,
    MediaAgreed,
    MediaRestored,
    RecordingEnded,
)
from tests.engine.harness import Bench, Caller

from .test_media import item_ends, loud_frames, write_wav
from .texts import KEYS, script

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench

DIED = "the media worker ended (killed by signal 9)"


def plays(prompt: Path) -> str:
    """A script that plays one file and says when it is over."""
    return script(
        f"""
def onSessionStart(self):
    self.f = IvrAudioFile()
    self.f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(self.f, None)
def onEmptyQueue(self):
    said.append("empty")
"""
    )


def change(bench: Bench, away_s: float = 0.5) -> None:
    """The worker dies; the next one is up a little later."""
    bench.kill_worker()
    bench.wait(away_s)
    bench.replace_worker()
    bench.wait(0.2)


def test_prompt_goes_on_at_its_place(make_bench: MakeBench, tmp_path: Path) -> None:
    """New ports by re-INVITE, the rest of the prompt, then onEmptyQueue; an event says so."""
    prompt = write_wav(tmp_path / "p.wav", 3.0)
    bench = make_bench(plays(prompt))
    caller = Caller(bench)
    caller.dial()
    old_port = caller.engine_rtp[1]
    bench.wait(0.9)
    change(bench)
    assert caller.got[-1] == "INVITE"
    offer = caller.last_request("INVITE").body.decode()
    (new_port,) = re.findall(r"^m=audio (\d+)", offer, re.M)
    assert int(new_port) != old_port
    bench.wait(3.0)
    assert bench.said() == ["empty"]
    assert 142 <= loud_frames(caller) <= 152, "3 s in all, nothing twice"
    assert item_ends(bench) == [(1, "played", "")]
    (restored,) = bench.of(MediaRestored)
    assert isinstance(restored, MediaRestored)
    assert (restored.local, restored.reason) == (f"192.0.2.1:{new_port}", DIED)
    assert 500 <= restored.away_ms <= 550
    told = [e.text for e in bench.of(LegWarned) if isinstance(e, LegWarned)]
    assert told[:2] == [f"{DIED}: the audio comes back on new ports", ""]
    assert len(bench.of(MediaAgreed)) == 2
    caller.bye()
    assert bench.nothing_left()


def test_keys_work_after_it(make_bench: MakeBench) -> None:
    """A key that was down at the loss is one press; those that come later are told."""
    bench = make_bench(script(KEYS))
    caller = Caller(bench)
    caller.dial()
    caller.press(1)
    change(bench)
    caller.speak(0.2)
    caller.press(2)
    bench.wait(0.5)
    keys = [e.key for e in bench.of(KeyReceived) if isinstance(e, KeyReceived)]
    assert keys == [1, 2]
    caller.bye()
    assert bench.nothing_left()


def test_recording_that_was_open_is_a_valid_file(make_bench: MakeBench, tmp_path: Path) -> None:
    """What is on the disk stands; the item ends with an error and the script goes on."""
    target = tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    self.f = IvrAudioFile()
    self.f.open({str(target)!r}, AUDIO_WRITE)
    self.enqueue(None, self.f)
def onEmptyQueue(self):
    said.append(self.f.getDataSize())
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(3.5)
    change(bench)
    (ended,) = bench.of(RecordingEnded)
    assert isinstance(ended, RecordingEnded)
    assert (ended.length_ms, ended.error) == (3000, "the media worker ended")
    assert item_ends(bench) == [(1, "error", "the media worker ended")]
    assert bench.said() == [48_000]
    with wave.open(str(target)) as file:
        assert file.getnframes() == 24_000
    assert bench.of(MediaRestored)
    caller.bye()
    assert bench.nothing_left()


def test_recording_that_had_not_begun_is_made(make_bench: MakeBench, tmp_path: Path) -> None:
    """A file that waits behind a prompt is opened at the next worker."""
    prompt, target = write_wav(tmp_path / "p.wav", 1.0), tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    self.p, self.f = IvrAudioFile(), IvrAudioFile()
    self.p.open({str(prompt)!r}, AUDIO_READ)
    self.f.open({str(target)!r}, AUDIO_WRITE)
    self.f.setRecordTime(500)
    self.enqueue(self.p, None)
    self.enqueue(None, self.f)
def onEmptyQueue(self):
    self.f.close()
    said.append("recorded")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    change(bench)
    caller.speak(2.0)
    assert bench.said() == ["recorded"]
    with wave.open(str(target)) as file:
        assert file.getnframes() == 4000
    caller.bye()
    assert bench.nothing_left()


def test_what_scripts_do_meanwhile(make_bench: MakeBench, tmp_path: Path) -> None:
    """flush and enqueue without a worker act at once, and are heard when the next one is up."""
    first, second = write_wav(tmp_path / "a.wav", 5.0), write_wav(tmp_path / "b.wav", 0.4)
    body = f"""
def onSessionStart(self):
    self.a, self.b = IvrAudioFile(), IvrAudioFile()
    self.a.open({str(first)!r}, AUDIO_READ)
    self.b.open({str(second)!r}, AUDIO_READ)
    self.enqueue(self.a, None)
    self.setTimer(1, 1)
def onTimer(self, id):
    self.flush()
    self.enqueue(self.b, None)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    bench.kill_worker()
    bench.wait(0.7)
    assert item_ends(bench) == [(1, "flushed", "")]
    bench.replace_worker()
    at_s = bench.clock.now()
    bench.wait(1.0)
    assert 19 <= loud_frames(caller, at_s) <= 22
    caller.bye()
    assert bench.nothing_left()


def test_peer_refuses_new_ports(make_bench: MakeBench) -> None:
    """The call ends with a sentence."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.reinvite_code = 488
    caller.dial()
    change(bench)
    bench.until(bench.ended)
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.reason) == (
        "error",
        f"{DIED}, and the peer refused new ports (488 Not Acceptable Here)",
    )
    assert caller.got[-1] == "BYE"
    bench.wait()
    assert bench.nothing_left()


def test_caller_hangs_up_meanwhile(make_bench: MakeBench) -> None:
    """A call without worker ends as any other; nothing stays."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    bench.kill_worker()
    bench.wait(0.1)
    caller.bye()
    ended = bench.ended()
    assert ended is not None
    assert ended.by == "caller"
    bench.replace_worker()
    bench.wait(0.2)
    assert not bench.of(MediaRestored)
    assert bench.nothing_left()


def test_no_worker_comes(make_bench: MakeBench) -> None:
    """After ten seconds the calls that wait for one end."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    bench.kill_worker()
    bench.wait(9.5)
    assert bench.ended() is None
    bench.until(bench.ended)
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.reason) == ("error", DIED)
    bench.replace_worker()
    bench.wait()
    assert bench.nothing_left()


def test_call_that_is_answered_meanwhile(make_bench: MakeBench) -> None:
    """Its ports are still ours: the audio begins with the next worker, without a re-INVITE."""
    body = """
def onInvite(self, hdrs):
    self.setTimer(1, 1)
def onTimer(self, id):
    self.sendReply(200, "OK", "")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.invite()
    bench.wait(0.5)
    bench.kill_worker()
    bench.until(lambda: "200" in caller.got)
    bench.wait(0.3)
    assert not caller.heard
    bench.replace_worker()
    bench.wait(0.3)
    assert caller.heard
    assert "INVITE" not in caller.got
    caller.bye()
    assert bench.nothing_left()


def test_new_calls_need_a_worker(make_bench: MakeBench) -> None:
    """503 while there is none; calls that come afterwards are as ever."""
    bench = make_bench(script("pass"))
    bench.kill_worker()
    caller = Caller(bench)
    caller.dial()
    assert caller.got[-1] == "503"
    bench.replace_worker()
    late = Caller(bench, ("192.0.2.98", 5060), 41_000)
    late.dial()
    assert late.got[-1] == "200"
    assert late.heard
    late.bye()


def test_call_that_kills_workers_ends(make_bench: MakeBench) -> None:
    """A call that was there when three workers died is not handed to a fifth."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    for _ in range(3):
        change(bench)
    assert len(bench.of(MediaRestored)) == 3
    bench.kill_worker()
    bench.until(bench.ended)
    ended = bench.ended()
    assert ended is not None
    assert ended.reason == DIED
    bench.replace_worker()
    bench.wait()
    assert bench.nothing_left()


@pytest.mark.parametrize("away_s", [0.005, 0.5])
def test_many_calls(make_bench: MakeBench, away_s: float) -> None:
    """All of them come back, each on a port of its own."""
    bench = make_bench(script("pass"))
    callers = [Caller(bench, ("192.0.2.99", 6000 + n), 30_000 + 2 * n) for n in range(50)]
    for caller in callers:
        caller.invite()
    bench.wait(0.5)
    change(bench, away_s)
    bench.wait(0.5)
    restored = [e for e in bench.told if isinstance(e, MediaRestored)]
    assert len({e.local for e in restored}) == len(callers)
    at_s = bench.clock.now()
    bench.wait(0.2)
    assert all(len(caller.heard_since(at_s)) >= 8 for caller in callers)
    for caller in callers:
        caller.bye()
    assert not bench.of(ItemEnded)
    assert bench.nothing_left()
