"""Playlists, recordings and keys of a call, with real audio in virtual time."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.observe.events import (
    ApiCalled,
    ItemEnded,
    ItemEnqueued,
    ItemStarted,
    LegWarned,
    QueueFlushed,
    RecordingEnded,
)
from tests.engine.harness import Bench, Caller, sdp

from .texts import KEYS, script, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench

RATE_HZ = 8000


def write_wav(path: Path, seconds: float, rate_hz: int = RATE_HZ, level: int = 8000) -> Path:
    """A prompt: a square wave, so that every frame of it is loud."""
    n_samples = int(seconds * rate_hz)
    pcm = np.where(np.arange(n_samples) % 20 < 10, level, -level).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.tobytes())
    return path


def loud_frames(caller: Caller, since_s: float = 0.0) -> int:
    """How many of the packets heard are not silence."""
    return sum(len(set(h.packet.payload)) > 1 for h in caller.heard_since(since_s))


def item_ends(bench: Bench) -> list[tuple[int, str, str]]:
    """Number, reason and cause of each item's end."""
    return [(e.item, e.reason, e.because) for e in bench.of(ItemEnded) if isinstance(e, ItemEnded)]


# --- playing ----------------------------------------------------------------------------------


def test_prompt_plays_and_the_queue_empties(make_bench: MakeBench, tmp_path: Path) -> None:
    """ivr-api §4: an item that ends by itself with nothing after it: one onEmptyQueue."""
    prompt = write_wav(tmp_path / "p.wav", 1.0)
    body = f"""
def onSessionStart(self):
    self.welcome = IvrAudioFile()
    self.welcome.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(self.welcome, None)
    said.append(self.queueIsEmpty())
def onEmptyQueue(self):
    said.append(self.queueIsEmpty())
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(3)
    assert bench.said() == [False, True]
    assert 48 <= loud_frames(caller) <= 52
    (enqueued,) = bench.of(ItemEnqueued)
    assert isinstance(enqueued, ItemEnqueued)
    assert (enqueued.label, enqueued.play, enqueued.length_ms) == ("welcome", str(prompt), 1000)
    assert len(bench.of(ItemStarted)) == 1
    assert item_ends(bench) == [(1, "played", "")]
    caller.bye()


def test_same_file_twice_plays_twice(make_bench: MakeBench, tmp_path: Path) -> None:
    """architecture §10: a file rewinds when its item starts, not when it is enqueued."""
    prompt = write_wav(tmp_path / "p.wav", 0.5)
    body = f"""
def onSessionStart(self):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
    self.enqueue(f, None)
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert 48 <= loud_frames(caller) <= 52
    assert bench.said() == ["empty"]
    caller.bye()


def test_other_rates_are_resampled_and_say_so(make_bench: MakeBench, tmp_path: Path) -> None:
    """architecture §9: rates are resampled, never played at the wrong speed."""
    prompt = write_wav(tmp_path / "p.wav", 1.0, rate_hz=44_100)
    body = f"""
def onSessionStart(self):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    (enqueued,) = bench.of(ItemEnqueued)
    assert isinstance(enqueued, ItemEnqueued)
    assert (enqueued.note, enqueued.length_ms) == ("resampled 44.1 → 8 kHz", 1000)
    assert 48 <= loud_frames(caller) <= 52
    caller.bye()


def test_items_enqueued_before_the_answer_wait(make_bench: MakeBench, tmp_path: Path) -> None:
    """ivr-api §4: items enqueued before the media starts wait for it."""
    prompt = write_wav(tmp_path / "p.wav", 0.5)
    body = f"""
def onInvite(self, hdrs):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
    said.append(self.queueIsEmpty())
    return True
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    assert bench.said() == [False]
    assert 23 <= loud_frames(caller) <= 27
    caller.bye()


def test_items_before_a_late_offer_are_encoded_again(make_bench: MakeBench, tmp_path: Path) -> None:
    """The codec of a late offer may be another than the one prompts were prepared for."""
    prompt = write_wav(tmp_path / "p.wav", 0.5)
    body = f"""
def onInvite(self, hdrs):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
    return True
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.late_answer = lambda: sdp(formats="8")  # type: ignore[method-assign]
    caller.dial(body=b"")
    bench.wait(1)
    loud = [h.packet for h in caller.heard if len(set(h.packet.payload)) > 1]
    assert {packet.payload_type for packet in loud} == {8}
    # A-law of the two levels of the square wave, not mu-law taken for A-law.
    assert {len(set(p.payload)) for p in loud[2:20]} <= {2, 3, 4}
    assert 23 <= len(loud) <= 27
    caller.bye()


def test_codec_changes_while_a_prompt_plays(make_bench: MakeBench, tmp_path: Path) -> None:
    """A re-INVITE without the codec in use: the prompt goes on where it was, in the new one."""
    prompt = write_wav(tmp_path / "p.wav", 2.0)
    body = f"""
def onSessionStart(self):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.9)
    caller.do(lambda call, now: call.reinvite(sdp(formats="8 101"), now=now))
    bench.wait(2)
    assert 92 <= loud_frames(caller) <= 106
    assert {h.packet.payload_type for h in caller.heard[-20:]} == {8}
    assert bench.said() == ["empty"]
    assert item_ends(bench) == [(1, "played", "")]
    caller.bye()


def test_flush(make_bench: MakeBench, tmp_path: Path) -> None:
    """ivr-api §0.6: flush() drops everything at once and never calls onEmptyQueue."""
    prompt = write_wav(tmp_path / "p.wav", 5.0)
    body = f"""
def onSessionStart(self):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
    self.enqueue(f, None)
    self.setTimer(1, 1)
def onTimer(self, id):
    self.flush()
    said.append(self.queueIsEmpty())
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    assert bench.said() == [True]
    assert 45 <= loud_frames(caller) <= 52
    assert item_ends(bench) == [(1, "flushed", ""), (2, "flushed", "")]
    (flushed,) = bench.of(QueueFlushed)
    assert isinstance(flushed, QueueFlushed)
    assert flushed.items == 2
    assert warnings(bench)[-1].startswith("silence: onEmptyQueue will not fire")
    caller.bye()


def test_flush_and_enqueue_again_warns_of_nothing(make_bench: MakeBench, tmp_path: Path) -> None:
    """The usual barge-in, flush and play something else, is no mistake."""
    prompt = write_wav(tmp_path / "p.wav", 1.0)
    body = f"""
def play(self):
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
def onSessionStart(self):
    self.play()
def onDtmf(self, key, duration):
    self.flush()
    self.play()
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.3)
    caller.press(1)
    bench.wait(2)
    assert bench.of(LegWarned) == []
    assert item_ends(bench) == [(1, "flushed", "key 1"), (2, "played", "")]
    caller.bye()


def test_flush_notifies_for_scripts_that_ask_for_it(make_bench: MakeBench, tmp_path: Path) -> None:
    """ivr-api §2.3: before 1.5 a flush of a non-empty list called onEmptyQueue."""
    prompt = write_wav(tmp_path / "p.wav", 5.0)
    body = f"""
def onSessionStart(self):
    self.flush()
    f = IvrAudioFile()
    f.open({str(prompt)!r}, AUDIO_READ)
    self.enqueue(f, None)
    self.flush()
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench({"app": script(body), "app.conf": "flush_notifies = yes\n"})
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    assert bench.said() == ["empty"]
    caller.bye()


def test_loop_and_rewind(make_bench: MakeBench, tmp_path: Path) -> None:
    """ivr-api §3.1: `loop` starts again without a gap; `rewind()` acts on what plays."""
    prompt = write_wav(tmp_path / "p.wav", 0.5)
    body = f"""
def onSessionStart(self):
    self.f = IvrAudioFile()
    self.f.open({str(prompt)!r}, AUDIO_READ)
    self.f.loop = True
    self.enqueue(self.f, None)
    self.setTimer(1, 1.7)
def onTimer(self, id):
    self.f.rewind()
    self.f.loop = False
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(3)
    # 1.7 s of loop, and once more from the start.
    assert 105 <= loud_frames(caller) <= 113
    assert bench.said() == ["empty"]
    caller.bye()


def test_missing_prompt_raises_in_the_script(make_bench: MakeBench) -> None:
    """architecture §9: OSError to the script, the call goes on."""
    body = """
def onSessionStart(self):
    f = IvrAudioFile()
    try:
        f.open("/nowhere/p.wav", AUDIO_READ)
    except OSError as error:
        said.append("OSError")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    assert bench.said() == ["OSError"]
    caller.bye()


def test_silence_items(make_bench: MakeBench) -> None:
    """ivr-api §3.3: IvrNullAudio is silence of a given length."""
    body = """
def onSessionStart(self):
    n = IvrNullAudio()
    n.init()
    n.setReadLength(700)
    n.setWriteLength(100)
    self.enqueue(n, None)
def onEmptyQueue(self):
    said.append(time.monotonic())
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    assert bench.said() == []
    bench.wait(0.5)
    assert len(bench.said()) == 1
    caller.bye()


# --- switches ---------------------------------------------------------------------------------


def test_mute_survives_a_re_invite(make_bench: MakeBench) -> None:
    """architecture §10: `mute()` stays what it is until `unmute()`."""
    body = """
def onSessionStart(self):
    self.mute()
def onTimer(self, id):
    self.unmute()
def onDtmf(self, key, duration):
    self.setTimer(1, 0)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    caller.do(lambda call, now: call.reinvite(sdp(), now=now))
    bench.wait(0.5)
    assert caller.heard == []
    caller.press(5)
    bench.wait(0.5)
    assert len(caller.heard) > 20
    names = [e.name for e in bench.of(ApiCalled) if isinstance(e, ApiCalled)]
    assert names == ["mute", "setTimer", "unmute"]
    caller.bye()


def test_api_calls_say_where_they_stand(make_bench: MakeBench) -> None:
    """Every call of the script that changes its call is told with file and line."""
    bench = make_bench(script("def onSessionStart(self):\n    self.setTimer(7, 2.5)"))
    caller = Caller(bench)
    caller.dial()
    (called,) = bench.of(ApiCalled)
    assert isinstance(called, ApiCalled)
    assert (called.name, called.arguments, called.line) == ("setTimer", "7, 2.5", 6)
    assert called.file == str(bench.folder / "app.py")
    caller.bye()


# --- recording --------------------------------------------------------------------------------


def read_wav(path: Path) -> tuple[int, int]:
    """Rate and number of samples."""
    with wave.open(str(path)) as file:
        return file.getframerate(), file.getnframes()


def test_recording_is_whole_at_the_items_end(make_bench: MakeBench, tmp_path: Path) -> None:
    """architecture §10: a valid header when the item ended; the limit is exact."""
    target = tmp_path / "r.wav"
    body = f"""
import wave
def onSessionStart(self):
    self.r = IvrAudioFile()
    self.r.open({str(target)!r}, AUDIO_WRITE)
    self.r.setRecordTime(1000)
    self.enqueue(None, self.r)
def onEmptyQueue(self):
    said.append(self.r.getDataSize())
    with self.wave.open({str(target)!r}) as file:
        said.append(file.getnframes())
    self.r.close()
    said.append("closed")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(1.5)
    bench.wait(0.5)
    assert bench.said() == [16_000, 8_000, "closed"]
    assert read_wav(target) == (8000, 8000)
    assert item_ends(bench) == [(1, "recorded", "")]
    (ended,) = bench.of(RecordingEnded)
    assert isinstance(ended, RecordingEnded)
    assert (ended.file, ended.n_bytes, ended.length_ms) == (str(target), 16_000, 1000)
    caller.bye()


def test_size_of_a_short_recording(make_bench: MakeBench, tmp_path: Path) -> None:
    """ivr-api §3.1: getDataSize() is what was recorded so far: is it enough?"""
    path = tmp_path / "short.wav"
    body = f"""
def onSessionStart(self):
    self.file = IvrAudioFile()
    self.file.open({str(path)!r}, AUDIO_WRITE)
    self.enqueue(None, self.file)
    self.setTimer(1, 0.5)
def onTimer(self, id):
    said.append(self.file.getDataSize())
    self.flush()
    said.append(self.file.getDataSize())
    self.enqueue(None, self.file)
def onBye(self):
    said.append(self.file.getDataSize())
    self.file.close()
    self.stopSession()
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.9)
    caller.bye()
    bench.until(bench.ended)
    half, same, all_of_it = bench.said()
    assert half == pytest.approx(6400, abs=1000)
    assert half <= same <= half + 1000
    assert all_of_it == pytest.approx(14_400, abs=2000)
    assert path.stat().st_size == 44 + all_of_it


def test_hang_up_finishes_the_recording(make_bench: MakeBench, tmp_path: Path) -> None:
    """architecture §5.6: the caller hangs up while recording: the file is valid and whole."""
    target = tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    r = IvrAudioFile()
    r.open({str(target)!r}, AUDIO_WRITE)
    self.enqueue(None, r)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(1.0)
    caller.bye()
    bench.wait(0.5)
    rate_hz, n_samples = read_wav(target)
    assert rate_hz == 8000
    assert 7000 <= n_samples <= 8800
    assert item_ends(bench) == [(1, "closed", "call ended")]
    assert len(bench.of(RecordingEnded)) == 1


def test_play_back_what_was_recorded(make_bench: MakeBench, tmp_path: Path) -> None:
    """`close()` waits for the disk, so a script may open and play its recording at once."""
    target = tmp_path / "r.wav"
    body = f"""
def onSessionStart(self):
    self.r = IvrAudioFile()
    self.r.open({str(target)!r}, AUDIO_WRITE)
    self.r.setRecordTime(500)
    self.enqueue(None, self.r)
    self.n = 0
def onEmptyQueue(self):
    self.n += 1
    if self.n == 1:
        self.r.close()
        self.r.open({str(target)!r}, AUDIO_READ)
        self.enqueue(self.r, None)
    else:
        said.append("played")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.8, value=0x2A)
    bench.wait(1.5)
    assert bench.said() == ["played"]
    assert sum(0x2A in h.packet.payload for h in caller.heard) >= 24
    caller.bye()


# --- no audio ---------------------------------------------------------------------------------


def test_rtp_timeout_ends_the_call(make_bench: MakeBench) -> None:
    """ivr-api §2.3: without onRtpTimeout the call is hung up; onAudioCleared comes once."""
    body = "def onAudioCleared(self):\n    said.append('cleared')"
    bench = make_bench(script(body), dead_rtp_time=5)
    caller = Caller(bench)
    caller.dial()
    caller.speak(1)
    bench.until(bench.ended)
    assert caller.got[-1] == "BYE"
    assert bench.said() == ["cleared"]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.reason) == ("engine", "no RTP came for 5 s")


def test_rtp_timeout_in_the_scripts_hands(make_bench: MakeBench) -> None:
    """ivr-api §2.3: a script with onRtpTimeout decides itself."""
    body = "def onRtpTimeout(self):\n    said.append('timeout')\n"
    body += "def onAudioCleared(self):\n    said.append('cleared')"
    bench = make_bench(script(body), dead_rtp_time=5)
    caller = Caller(bench)
    caller.dial()
    bench.wait(7)
    assert bench.said() == ["timeout", "cleared"]
    assert bench.ended() is None
    caller.bye()
    assert bench.said() == ["timeout", "cleared"]


def test_foreign_rtp_is_not_for_this_call(make_bench: MakeBench) -> None:
    """architecture §9: RTP from an address the SDP did not name is dropped."""
    bench = make_bench(script(KEYS))
    caller, stranger = Caller(bench), Caller(bench, ("198.51.100.1", 5060), 41_000)
    caller.dial()
    stranger.described = caller.described
    stranger.press(3)
    bench.wait(0.3)
    assert bench.said() == []
    caller.bye()


def test_no_audio_in_three_seconds_is_shown(make_bench: MakeBench) -> None:
    """tui §6: RTP one way: the leg says so, and takes it back with the first packet."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(3.5)
    text = "no audio in 3 s: nothing came from 192.0.2.99:40000, the address in the SDP"
    assert warnings(bench) == [text]
    caller.speak(0.1)
    assert warnings(bench) == [text, ""]
    caller.bye()
