"""What we add to the API does the same in handlers of either kind, `def` and `async def`."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import pytest

from tests.engine.callee import Callee
from tests.engine.harness import Caller, sdp

from .texts import script
from .two_legs import BOB

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import MakeBench

STYLES = ("def", "async def")


def in_style(style: str, text: str) -> str:
    """The script with handlers of this kind."""
    return script(text.replace("def on", f"{style} on"))


@pytest.mark.parametrize("style", STYLES)
def test_answering(make_bench: MakeBench, style: str) -> None:
    """ring, early_media, answer; keys before there is audio; hold and silence are told."""
    bench = make_bench(
        in_style(
            style,
            """
def onInvite(self, hdrs):
    self.ring()
    self.early_media()
    self.answer("X-A: b\\r\\n")
def onSessionStart(self):
    self.vars["state"] = "up"
    self.send_dtmf("7")
    self.detect_silence(300)
def onSilence(self, ms):
    self.detect_silence(0)
    said.append(ms)
def onHold(self):
    said.append("held")
def onResume(self):
    said.append(dict(self.vars))
""",
        )
    )
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.3)
    bench.wait(0.5)
    caller.do(lambda call, now: call.reinvite(sdp(direction="sendonly"), now=now))
    caller.do(lambda call, now: call.reinvite(sdp(), now=now))
    assert caller.got[:4] == ["100", "180", "183", "200"]
    assert bench.said() == [300, "held", {"state": "up"}]
    assert 7 in [h.packet.payload[0] for h in caller.heard if h.packet.payload_type == 101]
    caller.bye()


@pytest.mark.parametrize("style", STYLES)
def test_refusing(make_bench: MakeBench, style: str) -> None:
    """reject, with reason and headers."""
    text = "def onInvite(self, hdrs):\n    self.reject(603, 'Not now', 'X-A: b\\r\\n')"
    bench = make_bench(in_style(style, text))
    caller = Caller(bench)
    caller.dial()
    assert caller.got == ["100", "603"]
    assert (caller.replies[-1].reason, caller.replies[-1].header("x-a")) == ("Not now", "b")


@pytest.mark.parametrize("style", STYLES)
def test_recording_and_rooms(make_bench: MakeBench, tmp_path: Path, style: str) -> None:
    """record_call, IvrConference, and the silence that comes with it."""
    path = tmp_path / "whole.wav"
    bench = make_bench(
        in_style(
            style,
            f"""
def onSessionStart(self):
    self.file = self.record_call({str(path)!r})
    self.room = IvrConference("sales")
    self.enqueue(self.room, self.room)
    self.setTimer(1, 1)
def onTimer(self, id):
    self.room.mute()
    said.append(self.room.muted)
    self.room.unmute()
    said.append(self.room.muted)
    self.file.close()
    self.flush()
    said.append(self.queueIsEmpty())
    self.stopSession()
""",
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    assert bench.said() == [True, False, True]
    with wave.open(str(path), "rb") as wav:
        assert wav.getnchannels() == 2
        assert wav.getnframes() / wav.getframerate() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("style", STYLES)
def test_calling_out_and_transferring(make_bench: MakeBench, style: str) -> None:
    """A handle of dialout, onRinging, onFailed; transfer and onTransfer."""
    bench = make_bench(
        {
            "app": in_style(
                style,
                """
def onSessionStart(self):
    to = "sip:bob@192.0.2.50"
    self.handle = IvrUAC().dialout("bob", "out", to, "<sip:ivr@example.com>", "", "", "tag-out")
    self.setTimer(1, 1)
def onTimer(self, id):
    said.append((self.handle.local_tag, self.handle.code, self.handle.reason))
    self.transfer("sip:eve@example.com")
def onTransfer(self, code, reason):
    said.append(code)
    self.stopSession()
""",
            ),
            "out": in_style(
                style,
                """
def onRinging(self, code, reason):
    said.append(reason)
def onFailed(self, code, reason):
    said.append((code, reason))
    return True
""",
            ),
        }
    )
    caller, callee = Caller(bench), Callee(bench, BOB, 40_500)
    caller.answers["REFER"] = 603
    caller.dial()
    bench.until(lambda: callee.invites)
    callee.provisional(180)
    callee.refuse(486)
    bench.until(bench.ended)
    assert bench.said() == [("tag-out", 486, "Busy Here"), 603, "Ringing", (486, "Busy Here")]
