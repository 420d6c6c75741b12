"""Audio at bad moments: a worker that is gone, timers that are late, items that ended before."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.engine.media.playlist import Playlist
from ivrbench.engine.waits import Waits
from ivrbench.observe.rooms import RoomEvent, RoomJoined, RoomLeft
from tests.engine.callee import Callee
from tests.engine.harness import Caller

from . import two_legs
from .texts import script, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.harness import Bench

    from .conftest import MakeBench

LOUD = 0x22


def clips_held(bench: Bench) -> int:
    """Prompts that somebody needs."""
    return sum(clip.pins for clip in bench.worker.media.arena._clips.values())


def test_worker_is_gone_when_the_callee_answers(make_bench: MakeBench) -> None:
    """The callee cannot be heard: as if it had hung up; its ports are free again."""
    scene = two_legs.Scene(make_bench, two_legs.AFTER, b2b_media="anchored")
    bench = scene.bench
    scene.ann.dial()
    bench.until(lambda: "INVITE" in scene.bob.got)
    bench.kill_worker()
    scene.bob.do(lambda call, now: scene.bob.accepts(call))
    bench.until(lambda: bench.ended("c1b"))
    assert scene.ended("c1b").reason == "the media worker ended"
    assert "onOtherBye" in bench.said()
    assert "BYE" in scene.bob.got
    bench.replace_worker()
    bench.wait(1.0)
    assert bench.board.media.ports_in_use == len(bench.board.sessions)
    scene.ann.bye()
    bench.wait(1.0)
    assert bench.nothing_left()


def test_audio_that_came_in_time_is_not_missed(make_bench: MakeBench) -> None:
    """The first packet ends the wait for it; who is silent afterwards may be."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.1)
    bench.wait(5.0)
    assert warnings(bench) == []
    caller.bye()


def test_nothing_is_missed_of_who_hung_up(make_bench: MakeBench) -> None:
    """The handler that takes its time is no caller that sends no audio."""
    bench = make_bench(
        script("""
def onBye(self):
    time.sleep(5)
    self.stopSession()
""")
    )
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    bench.until(bench.ended)
    assert warnings(bench) == []


def test_another_warning_stays(make_bench: MakeBench) -> None:
    """One sentence is shown at a leg; what came first is not covered by the audio's."""
    bench = make_bench(script("def onSessionStart(self):\n    1 / 0"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(4.0)
    (text,) = warnings(bench)
    assert text.startswith("silence: onSessionStart raised")
    caller.speak(0.1)
    assert warnings(bench) == [text], "the packet takes back what it is about"
    caller.bye()


def test_announcement_into_a_room_that_was_left(
    make_bench: MakeBench, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The item ended while it was decoded: nobody hears it, and nothing of it is held."""
    body = f"""
def onSessionStart(self):
    self.room = IvrConference("sales")
    self.enqueue(self.room, self.room)
def onDtmf(self, key, duration):
    file = IvrAudioFile()
    file.open({prompt!r}, AUDIO_READ)
    self.room.announce(file)
    said.append("announced")
"""
    original = Playlist.prompt

    def decoded_late(playlist: Playlist, *args: Any) -> Any:  # Any: handed on
        made = original(playlist, *args)
        playlist.session.board.inbox.ask(playlist.media_gone)
        return made

    monkeypatch.setattr(Playlist, "prompt", decoded_late)
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.press(1)
    bench.wait(0.5)
    assert bench.said() == ["announced"]
    assert clips_held(bench) == 0
    caller.bye()


def test_a_room_is_joined_once(make_bench: MakeBench) -> None:
    """The next worker begins the item anew; for the room the call was there all the time."""
    body = """
def onSessionStart(self):
    self.room = IvrConference("sales")
    self.enqueue(self.room, self.room)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.kill_worker()
    bench.wait(0.5)
    bench.replace_worker()
    bench.wait(0.5)
    assert [type(event) for event in bench.told if isinstance(event, RoomEvent)] == [RoomJoined]
    caller.bye()
    assert [type(e) for e in bench.told if isinstance(e, RoomEvent)] == [RoomJoined, RoomLeft]


def test_key_of_the_callee_that_was_down(make_bench: MakeBench) -> None:
    """The worker dies while it is pressed: it is one press, as of the caller."""
    scene = two_legs.Scene(make_bench, two_legs.AFTER, Callee.accepts, b2b_media="anchored")
    bench, bob = scene.bench, scene.bob
    scene.ann.dial()
    bench.wait(1.0)
    for n_units in (160, 320, 480):
        bob.send_packet(101, bytes([7, 10]) + n_units.to_bytes(2, "big"), n_units == 160, 8000)
        bench.wait(0.02)
    assert "other key 7" not in bench.said()
    bench.kill_worker()
    bench.wait(0.1)
    assert bench.said().count("other key 7") == 1
    bench.replace_worker()
    bench.wait(1.0)
    scene.ann.bye()
    bench.wait(1.0)


def test_announcement_before_there_is_audio(make_bench: MakeBench, prompt: str) -> None:
    """The call never gets any: what was to be announced is given back."""
    body = f"""
def onInvite(self, hdrs):
    self.room = IvrConference("sales")
    self.enqueue(self.room, self.room)
    file = IvrAudioFile()
    file.open({prompt!r}, AUDIO_READ)
    self.room.announce(file)
    self.setTimer(1, 60)
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.invite()
    bench.wait(0.5)
    assert clips_held(bench) == 1
    caller.do(lambda call, now: call.cancel(now=now))
    bench.until(bench.ended)
    bench.wait(0.5)
    assert clips_held(bench) == 0


def late(monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    """A handler comes to wait for its items only some time after they are in the queue."""
    original = Waits._in_thread

    async def in_thread(waits: Waits, work: Any) -> Any:  # Any: what it gives
        result = await original(waits, work)
        await asyncio.sleep(by_s)
        return result

    monkeypatch.setattr(Waits, "_in_thread", in_thread)


def test_item_that_ended_before_the_wait(
    make_bench: MakeBench, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for again, whatever comes; the next one is."""
    late(monkeypatch, 2.0)
    body = f"""
async def onSessionStart(self):
    began = time.time()
    said.append(await self.play({prompt!r}))
    said.append(round(time.time() - began, 1))
    said.append(await self.play({prompt!r}, stop_on="5"))
    said.append(round(time.time() - began, 1))
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(5.0)
    assert bench.said() == ["", 2.0, "", 4.0]
    caller.bye()


def test_recording_that_ended_before_the_wait(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it is, is known all the same."""
    late(monkeypatch, 2.0)
    target = tmp_path / "r.wav"
    body = f"""
async def onSessionStart(self):
    said.append(await self.record({str(target)!r}, max_seconds=1.0, stop_on=""))
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.speak(5.0, LOUD)
    with wave.open(str(target)) as file:
        assert bench.said() == [file.getnframes() * 1000 // file.getframerate()]
    assert bench.said() == [pytest.approx(1000, abs=40)]
    caller.bye()


def test_ended_items_are_the_handlers_own(
    make_bench: MakeBench, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next handler waits for its own items, and old-style ones hear of theirs."""
    body = f"""
async def onSessionStart(self):
    await self.play({prompt!r})
def onDtmf(self, key, duration):
    self.file = IvrAudioFile()
    self.file.open({prompt!r}, AUDIO_READ)
    self.enqueue(self.file, None)
def onEmptyQueue(self):
    said.append("empty")
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.0)
    assert bench.said() == []
    assert not bench.session.port.waits._ended
    caller.press(1)
    bench.wait(1.5)
    assert bench.said() == ["empty"]
    caller.bye()


@pytest.mark.parametrize("change", ["re-INVITE", "worker"])
def test_switches_outlive_a_change(make_bench: MakeBench, prompt: str, change: str) -> None:
    """`mute()` and `disconnectMedia()` hold on new ports and after a re-INVITE."""
    body = f"""
def onSessionStart(self):
    self.file = IvrAudioFile()
    self.file.open({prompt!r}, AUDIO_READ)
    self.file.loop = True
    self.enqueue(self.file, None)
    self.mute()
def onDtmf(self, key, duration):
    self.unmute()
"""
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.3)
    if change == "worker":
        bench.kill_worker()
        bench.wait(0.5)
        bench.replace_worker()
        bench.wait(0.5)
    else:
        caller.do(lambda call, now: call.reinvite(caller.sdp(), now=now))
    since_s = bench.clock.now()
    bench.wait(1.0)
    assert not any(len(set(h.packet.payload)) > 1 or loud(h.packet.payload) for h in caller.heard)
    caller.press(1)
    bench.wait(0.5)
    assert any(loud(h.packet.payload) for h in caller.heard_since(since_s))
    caller.bye()


def loud(payload: bytes) -> bool:
    """Not the silence of either law."""
    return not set(payload) <= {0xFF, 0x7F, 0xD5, 0x55}
