"""`async def` handlers that wait: play, say, collect, record; and answering by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio import tts
from ivrbench.audio.files import decode_file
from ivrbench.observe.events import (
    HandlerRaised,
    ItemEnded,
    ItemEnqueued,
    LogWritten,
    MonitorChanged,
)
from tests.engine.calls.texts import KEYS, script, states
from tests.engine.harness import Caller

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.calls.conftest import MakeBench
    from tests.engine.harness import Bench


def ends(bench: Bench) -> list[tuple[str, int]]:
    """How the items ended, and how much of each was played, in tenths of a second."""
    found = [e for e in bench.told if isinstance(e, ItemEnded)]
    return [(e.reason, e.played_ms // 100) for e in found]


def raised(bench: Bench) -> list[str]:
    return [f"{e.error_type}: {e.message}" for e in bench.told if isinstance(e, HandlerRaised)]


def test_play_waits_for_the_end(make_bench: MakeBench, prompt: str) -> None:
    """Prompts follow each other without a gap; no onEmptyQueue comes for them."""
    bench = make_bench(
        script(
            f"""
async def onSessionStart(self):
    said.append(await self.play({prompt!r}, {prompt!r}))
    file = IvrAudioFile()
    file.open({prompt!r}, AUDIO_READ)
    said.append(await self.play(file, stop_on="5"))
    said.append(await self.play())
    self.stopSession()
def onEmptyQueue(self):
    said.append("empty")
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    assert bench.said() == ["", "", ""]
    assert ends(bench) == [("played", 5)] * 3
    enqueued = [e for e in bench.told if isinstance(e, ItemEnqueued)]
    assert [e.play for e in enqueued] == [prompt] * 3


def test_a_key_stops_a_prompt(make_bench: MakeBench, prompt: str) -> None:
    """The key is given back; others are for who asks next, or for onDtmf in the end."""
    bench = make_bench(
        script(
            f"""
async def onSessionStart(self):
    said.append(await self.play({prompt!r}, stop_on="12"))
    said.append(await self.play({prompt!r}, stop_on="3"))
    said.append("handler over")
"""
            + KEYS
        )
    )
    caller = Caller(bench)
    caller.dial()
    caller.request("INFO", b"2", "application/dtmf")
    caller.request("INFO", b"3", "application/dtmf")
    caller.request("INFO", b"4", "application/dtmf")
    bench.wait(1)
    assert bench.said()[:3] == ["2", "3", "handler over"]
    assert [key for key, _ in bench.said()[3:]] == [4]
    caller.request("INFO", b"5", "application/dtmf")
    bench.wait()
    assert bench.said()[4][0] == 5
    assert ends(bench)[0][0] == "flushed"
    assert [e.because for e in bench.told if isinstance(e, ItemEnded)][0] == "key 2"
    caller.bye()


def test_keys_nobody_asked_for(make_bench: MakeBench) -> None:
    """Typed while the handler was busy: they come to onDtmf in their order, when it is over."""
    bench = make_bench(
        script(
            """
async def onSessionStart(self):
    import asyncio
    said.append(await self.collect(1, 5.0))
    await asyncio.sleep(2)
    said.append("handler over")
"""
            + KEYS
        )
    )
    caller = Caller(bench)
    caller.dial()
    for key in (b"7", b"8", b"9"):
        caller.request("INFO", key, "application/dtmf")
    bench.wait(1)
    assert bench.said() == ["7"]
    bench.wait(2)
    assert bench.said()[1] == "handler over"
    assert [key for key, _ in bench.said()[2:]] == [8, 9]
    caller.bye()


def test_collect(make_bench: MakeBench, prompt: str) -> None:
    """Ended by a terminator, by enough keys, by time; typing ahead stops the prompt."""
    bench = make_bench(
        script(
            f"""
async def onSessionStart(self):
    said.append(await self.collect(4, 2.0, prompt={prompt!r}))
    said.append(await self.collect(2, 2.0, prompt={prompt!r}))
    said.append(await self.collect(9, 1.5))
    said.append(await self.collect(9, 1.5))
    self.stopSession()
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    for key in b"12#345":
        caller.request("INFO", bytes([key]), "application/dtmf")
    bench.wait(1.0)
    assert bench.said() == ["12", "34"]
    bench.wait(0.8)
    assert bench.said() == ["12", "34", "5"]
    bench.until(bench.ended)
    assert bench.said() == ["12", "34", "5", ""]
    assert [reason for reason, _ in ends(bench)] == ["flushed", "flushed"]


def test_record(make_bench: MakeBench, tmp_path: Path) -> None:
    """Ended by its limit or a key; the length comes back and the file is whole."""
    bench = make_bench(
        script(
            f"""
async def onSessionStart(self):
    said.append(await self.record("{tmp_path}/a.wav", 0.5))
    file = IvrAudioFile()
    file.open("{tmp_path}/b.wav", AUDIO_WRITE)
    said.append(await self.record(file, 5, stop_on="#"))
    file.close()
    self.stopSession()
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    caller.speak(1.0)
    caller.request("INFO", b"#", "application/dtmf")
    bench.until(bench.ended)
    first, second = bench.said()
    assert first == 500
    assert 300 <= second <= 600
    assert len(decode_file(tmp_path / "a.wav")[0]) == 4000
    assert len(decode_file(tmp_path / "b.wav")[0]) == second * 8


def test_say(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is spoken in a thread and played."""
    pcm = np.full(8000, 8000, np.int16)
    monkeypatch.setattr(tts, "synthesise", lambda text, rate_hz: pcm)
    body = "async def onSessionStart(self):\n    await self.say('hello')\n    self.stopSession()"
    bench = make_bench(script(body))
    Caller(bench).dial()
    bench.until(bench.ended)
    assert ends(bench) == [("played", 5)]


@pytest.mark.parametrize("wait", ["play(PROMPT)", "collect()", "record(RECORD, 50)"])
def test_hanging_up_ends_the_wait(
    make_bench: MakeBench, prompt: str, tmp_path: Path, wait: str
) -> None:
    """The handler ends by HungUp, which nobody needs to catch; onBye comes after it."""
    bench = make_bench(
        f"PROMPT, RECORD = {prompt!r}, '{tmp_path}/r.wav'\n"
        + script(
            f"""
async def onSessionStart(self):
    try:
        await self.{wait}
    except HungUp:
        said.append("hung up")
        raise
def onBye(self):
    said.append("onBye")
    self.stopSession()
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    bench.until(bench.ended)
    assert bench.said() == ["hung up", "onBye"]
    assert raised(bench) == []


def test_after_the_end_there_is_nothing_to_wait_for(make_bench: MakeBench, prompt: str) -> None:
    """Each wait raises at once."""
    bench = make_bench(
        script(
            f"""
async def onBye(self):
    for wait in (self.play({prompt!r}), self.collect()):
        try:
            await wait
        except HungUp:
            said.append("hung up")
    self.stopSession()
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    bench.until(bench.ended)
    assert bench.said() == ["hung up", "hung up"]


def test_a_prompt_that_is_missing(make_bench: MakeBench) -> None:
    """OSError where it is awaited."""
    body = "async def onSessionStart(self):\n    await self.play('/no/such.wav')"
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait()
    (text,) = raised(bench)
    assert text.startswith("FileNotFoundError: [Errno 2] Could not open file '/no/such.wav'")
    caller.bye()


# --- before the answer ------------------------------------------------------------------------


def test_playing_before_the_answer(make_bench: MakeBench, prompt: str) -> None:
    """180, 183 with audio, a prompt, then 200: all from one handler."""
    bench = make_bench(
        script(
            f"""
async def onInvite(self, hdrs):
    self.ring("X-A: b\\r\\n")
    self.early_media()
    await self.play({prompt!r})
    self.answer()
    await self.play({prompt!r})
    said.append("played")
def onSessionStart(self):
    said.append("onSessionStart")
    self.stopSession()
"""
        )
    )
    caller = Caller(bench)
    caller.invite()
    bench.until(bench.ended)
    assert caller.got[:4] == ["100", "180", "183", "200"]
    assert caller.replies[1].header("x-a") == "b"
    assert states(bench)[:3] == ["early", "early", "up"]
    assert ends(bench) == [("played", 5)] * 2
    assert bench.said() == ["played", "onSessionStart"]


def test_playing_needs_an_answer(make_bench: MakeBench, prompt: str) -> None:
    """A sentence instead of waiting for ever."""
    body = f"async def onInvite(self, hdrs):\n    await self.play({prompt!r})"
    bench = make_bench(script(body))
    Caller(bench).invite()
    bench.until(bench.ended)
    assert raised(bench) == [
        "RuntimeError: call answer() or early_media() before playing or recording"
    ]


@pytest.mark.parametrize(
    ("how", "code"), [("", "486"), ("404", "404"), ("603, 'No', 'X-A: b\\r\\n'", "603")]
)
def test_reject(make_bench: MakeBench, how: str, code: str) -> None:
    """A refusal ends the session; a second answer does nothing."""
    bench = make_bench(
        script(f"def onInvite(self, hdrs):\n    self.reject({how})\n    self.answer()")
    )
    caller = Caller(bench)
    caller.invite()
    bench.until(bench.ended)
    assert caller.got == ["100", code]


def test_answer_later(make_bench: MakeBench) -> None:
    """onInvite returned None; a timer answers, although an INFO came in between."""
    bench = make_bench(
        script(
            """
def onInvite(self, hdrs):
    self.ring()
    self.setTimer(1, 1.0)
def onTimer(self, id):
    self.answer()
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "180", "200"]
    caller.bye()


# --- the other additions ----------------------------------------------------------------------


def test_keys_to_the_caller(make_bench: MakeBench) -> None:
    """RFC 4733 events reach the caller, in order."""
    body = "def onSessionStart(self):\n    self.setTimer(1, 0.2)\n"
    body += "def onTimer(self, id):\n    self.send_dtmf('1#a', 80)"
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(2)
    events = [h.packet.payload[0] for h in caller.heard if h.packet.payload_type == 101]
    assert list(dict.fromkeys(events)) == [1, 11, 12]
    caller.bye()


def test_keys_before_there_is_audio(make_bench: MakeBench) -> None:
    """Keys pressed in `onSessionStart`, or before the answer, go out when audio begins."""
    body = "def onInvite(self, hdrs):\n    self.send_dtmf('1')\n    return True\n"
    body += "def onSessionStart(self):\n    self.send_dtmf('2')"
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    events = [h.packet.payload[0] for h in caller.heard if h.packet.payload_type == 101]
    assert list(dict.fromkeys(events)) == [1, 2]
    caller.bye()


def test_keys_to_a_caller_that_knows_none(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why nothing is heard."""
    bench = make_bench(script("def onSessionStart(self):\n    self.send_dtmf('1')"))
    caller = Caller(bench)
    caller.dial(body=caller.sdp().replace(b" 101", b""))
    bench.wait()
    assert "send_dtmf: " in caplog.text
    caller.bye()


def test_call_variables(make_bench: MakeBench) -> None:
    """A dict of each call; the workbench sees every change."""
    bench = make_bench(
        script(
            """
def onSessionStart(self):
    self.vars["account"] = 12
    self.vars["step"] = "pin"
    del self.vars["step"]
    said.append((self.vars, len(self.vars), list(self.vars), self.vars["account"]))
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.wait()
    ((variables, count, names, account),) = bench.said()
    assert (repr(variables), count, names, account) == ("{'account': 12}", 1, ["account"], 12)
    told = [(e.leg, e.name, e.value) for e in bench.told if isinstance(e, MonitorChanged)]
    assert told == [("c1", "account", "12"), ("c1", "step", "pin"), ("c1", "step", "")]
    caller.bye()


def test_hold_and_resume(make_bench: MakeBench) -> None:
    """A re-INVITE that holds the call, and one that takes it back."""
    body = (
        "def onHold(self):\n    said.append('hold')\ndef onResume(self):\n    said.append('back')"
    )
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    for direction in ("sendonly", "sendonly", "sendrecv"):
        offer = caller.sdp(direction)
        caller.do(lambda call, now, offer=offer: call.reinvite(offer, now=now))  # type: ignore[misc]
        bench.wait()
    assert bench.said() == ["hold", "back"]
    caller.bye()


def test_names_of_old_scripts_come_first(make_bench: MakeBench) -> None:
    """A script's own `play`, `answer` and `vars` are its own."""
    bench = make_bench(
        script(
            """
def play(self, what):
    said.append(what)
def onInvite(self, hdrs):
    self.answer = 5
    self.vars = []
    self.play(self.answer)
    return True
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    assert bench.said() == [5]
    assert not [e for e in bench.told if isinstance(e, LogWritten) and e.level == 0]
    caller.bye()


def test_what_needs_no_handler_goes_on_meanwhile(make_bench: MakeBench, prompt: str) -> None:
    """While a handler waits, re-INVITEs are answered and a stop is carried out when it returns."""
    bench = make_bench(
        script(
            f"""
async def onSessionStart(self):
    self.stopSession()
    said.append(await self.collect(1, 3.0))
    said.append(await self.play({prompt!r}))
def onTimer(self, id):
    said.append("timer")
"""
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.session.timers.set(1, 0.1)
    body = caller.sdp("sendonly")
    caller.do(lambda call, now: call.reinvite(body, now=now))
    bench.wait(0.3)
    assert caller.got == ["100", "200", "100", "200"]
    assert bench.said() == []
    caller.do(lambda call, now: call.reinvite(caller.sdp(), now=now))
    caller.press(7)
    bench.until(bench.ended)
    assert bench.said() == ["7", "", "timer"]
