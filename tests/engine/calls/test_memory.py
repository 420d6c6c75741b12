"""A call that is over is freed at once: by reference counting, not by the garbage collector."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import Caller

from .texts import script
from .two_legs import AFTER, BEFORE, BOTH, Scene, refuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ivrbench.engine.session import Session
    from tests.engine.harness import Bench

    from .conftest import MakeBench


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """What would wait for the collector stays; what is logged is not kept."""
    gc.disable()
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


class Watched:
    """Every session of a bench and what belongs to it, held weakly."""

    def __init__(self, bench: Bench) -> None:
        self.refs: dict[str, weakref.ref[object]] = {}
        bench.board.on_call = self.watch

    def watch(self, session: Session) -> None:
        """A new session."""
        leg = session.leg
        parts = {"session": session, "leg": leg, "playlist": session.playlist, "b2b": session.b2b}
        self.refs |= {f"{leg.name} {name}": weakref.ref(part) for name, part in parts.items()}

    def left(self) -> list[str]:
        """What is still there."""
        assert self.refs, "a call was watched"
        return [name for name, ref in self.refs.items() if ref() is not None]


WAITED_S = 11.0
"""A handler that asks the loop for something would wait so long: a timer of virtual time alone."""

PROMPT = """
def onSessionStart(self):
    self.setTimer(1, 100)
    self.setTimer(2, 0.1)
    self.vars["a"] = self.dialog.callid
    self.pause = IvrNullAudio()
    self.pause.init()
    self.enqueue(self.pause, None)
def onTimer(self, id):
    self.detect_silence(500)
def onDtmf(self, key, duration):
    said.append(key)
"""
WAITS = """
async def onSessionStart(self):
    said.append(await self.collect(max_digits=5, timeout=30))
"""
RAISES = """
def onSessionStart(self):
    raise ValueError(self)
"""


@pytest.mark.parametrize("body", [PROMPT, WAITS, RAISES])
def test_call(make_bench: MakeBench, body: str) -> None:
    """Prompts, timers, keys, a handler that waits, one that raised: the caller hangs up."""
    bench = make_bench(script(body))
    watched = Watched(bench)
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.2)
    caller.press(5)
    caller.bye()
    bench.wait(1)
    assert watched.left() == []


@pytest.mark.parametrize(
    "body",
    [
        "def onInvite(self, hdrs):\n    raise semserror({'code': 486, 'reason': '', 'hdrs': ''})",
        "def onInvite(self, hdrs):\n    raise ValueError(self)",
        "def onInvite(self, hdrs):\n    self.reject(603)",
        "def onSessionStart(self):\n    self.bye()\n    self.stopSession()",
        "def onSessionStart(self):\n    self.dropSession()",
        "def onSessionStart(self):\n    self.redirect('sip:eve@192.0.2.9')\n    self.stopSession()",
    ],
)
def test_call_that_the_script_ends(make_bench: MakeBench, body: str) -> None:
    """Refused by the script, failed, hung up, dropped."""
    bench = make_bench(script(body))
    watched = Watched(bench)
    caller = Caller(bench)
    caller.invite()
    bench.until(bench.ended)
    bench.wait(WAITED_S)
    assert watched.left() == []


def test_cancelled_call(make_bench: MakeBench) -> None:
    """The caller gives up before the answer."""
    bench = make_bench(script("def onInvite(self, hdrs):\n    self.ring()"))
    watched = Watched(bench)
    caller = Caller(bench)
    caller.invite()
    bench.wait(1)
    caller.do(lambda call, now: call.cancel(now=now))
    bench.wait(1)
    assert watched.left() == []


@pytest.mark.parametrize("media", BOTH)
@pytest.mark.parametrize("body", [AFTER, BEFORE])
def test_two_parties(make_bench: MakeBench, media: str, body: str) -> None:
    """Either party hangs up, in either order of answers."""
    scene = Scene(make_bench, body, b2b_media=media)
    watched = Watched(scene.bench)
    scene.ann.invite()
    scene.bench.wait(0.2)
    scene.bob.provisional(180)
    scene.bob.accept()
    scene.bench.wait(0.5)
    callee = scene.bench.session.b2b.callee
    assert callee is not None
    watched.refs |= {"callee": weakref.ref(callee), "audio": weakref.ref(callee.audio)}
    watched.refs["callee's leg"] = weakref.ref(callee.leg)
    watched.refs |= {"near": weakref.ref(callee.session.port.waits)}
    del callee
    scene.ann.speak(0.2)
    scene.bob.bye()
    scene.bench.wait(1)
    assert scene.ended("c1")
    assert watched.left() == []


@pytest.mark.parametrize("media", BOTH)
@pytest.mark.parametrize("code", [486, 302])
def test_callee_that_refuses(make_bench: MakeBench, media: str, code: int) -> None:
    """The caller's call ends with the callee's refusal."""
    scene = Scene(make_bench, BEFORE, refuses(code), b2b_media=media)
    watched = Watched(scene.bench)
    scene.ann.invite()
    scene.bench.wait(1)
    assert scene.ended("c1")
    assert watched.left() == []


@pytest.mark.parametrize("media", BOTH)
def test_caller_gives_up_while_the_callee_rings(make_bench: MakeBench, media: str) -> None:
    """Both INVITEs are cancelled."""
    scene = Scene(make_bench, BEFORE, b2b_media=media)
    watched = Watched(scene.bench)
    scene.ann.invite()
    scene.bench.wait(0.2)
    scene.bob.provisional(180)
    scene.ann.do(lambda call, now: call.cancel(now=now))
    scene.bench.wait(1)
    assert scene.ended("c1")
    assert watched.left() == []


DIALS = """
def onSessionStart(self):
    self.handle = IvrUAC().dialout("bob", "out", "sip:bob@192.0.2.50", "", "", "")
def onBye(self):
    return True
"""


@pytest.mark.parametrize("answer", ["accepts", "refuses"])
def test_call_of_ours(make_bench: MakeBench, answer: str) -> None:
    """A session made by `dialout`, answered and hung up, or refused."""
    how = refuses(486) if answer == "refuses" else None
    scene = Scene(make_bench, DIALS, how)
    bench = scene.bench
    (bench.folder / "out.py").write_text(script("def onBye(self):\n    return True"))
    bench.library.load_all()
    watched = Watched(bench)
    scene.ann.dial()
    bench.wait(0.2)
    if answer == "accepts":
        watched.watch(bench.board.sessions["c2"])
        scene.bob.accept()
        bench.wait(0.3)
        scene.bob.bye()
    scene.ann.bye()
    bench.wait(WAITED_S)
    assert not bench.board.sessions
    assert watched.left() == []


AUDIO = """
def onSessionStart(self):
    import os
    self.file = IvrAudioFile()
    self.file.open(os.path.join(config["folder"], "said.wav"), AUDIO_WRITE)
    self.whole = self.record_call(os.path.join(config["folder"], "whole.wav"))
    self.room = IvrConference("room")
    self.enqueue(None, self.file)
def onDtmf(self, key, duration):
    self.flush()
    self.enqueue(self.room, self.room)
    self.detect_silence(100)
"""
MISSES = """
async def onSessionStart(self):
    try:
        await self.play("/nowhere.wav")
    except OSError as exc:
        said.append(type(exc).__name__)
    await self.play("/nowhere.wav")
"""
TRANSFERS = """
def onSessionStart(self):
    self.transfer("sip:eve@192.0.2.9")
"""


@pytest.mark.parametrize("body", [AUDIO, MISSES, TRANSFERS])
def test_audio_and_transfers(make_bench: MakeBench, tmp_path: Path, body: str) -> None:
    """Recordings and rooms, a prompt that is missing, a transfer nobody tells of."""
    bench = make_bench({"app": script(body), "app.conf": f"folder={tmp_path}\n"})
    watched = Watched(bench)
    caller = Caller(bench)
    caller.dial()
    caller.speak(0.2)
    caller.press(5)
    caller.speak(0.3)
    caller.bye()
    bench.wait(WAITED_S)
    assert watched.left() == []


KEEPS = """
kept = []
def onSessionStart(self):
    self.kept.append(self)
    self.pause = IvrNullAudio()
    self.pause.init()
    self.enqueue(self.pause, None)
def onBye(self):
    return True
def use(self):
    self.stopSession()
    self.flush()
    self.mute()
    self.setTimer(1, 1)
    self.removeTimer(1)
    self.removeTimers()
    self.enqueue(None, None)
    self.connectCallee(None)
    self.terminateOtherLeg()
    self.sendRequest("INFO", "")
    self.sendReply(200, "OK", "")
    self.send_dtmf("1")
    self.bye()
    self.dropSession()
    return (self.queueIsEmpty(), self.dialog.status_str, self.dialog.local_tag != "",
            self.invite_req.method, self.getAppParam("a"), self.getSessionParams())
"""


def test_dialog_object_that_the_script_keeps(make_bench: MakeBench) -> None:
    """Its methods do nothing, its attributes stay; all goes when the script lets go of it."""
    bench = make_bench(script(KEEPS))
    watched = Watched(bench)
    caller = Caller(bench)
    caller.dial()
    caller.bye()
    bench.wait(1)
    generation = bench.board.registry.serving("app")
    assert generation is not None
    kept: list[_Kept] = generation.dialog_class.kept  # type: ignore[attr-defined]
    assert kept[0].use() == (True, "Disconnected", True, "INVITE", "", None)
    assert "c1 session" in watched.left()
    kept.clear()
    assert watched.left() == []


class _Kept:
    """The script's class."""

    use: Callable[[], tuple[object, ...]]
