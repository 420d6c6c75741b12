"""`semserror` and old arguments at places of a call where they are rarely met (ivr-api §2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.callee import Callee
from tests.engine.harness import Caller, sdp

from .texts import script

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench

REFUSAL = '{"code": 488, "reason": "Not Now", "hdrs": "X-Why: so\\r\\n"}'


@pytest.mark.parametrize("handler", ["onTimer(self, id)", "onEmptyQueue(self)"])
def test_outside_of_an_invite(make_bench: MakeBench, handler: str) -> None:
    """There is nothing to refuse: the call ends, and the caller hears so."""
    bench = make_bench(
        script(
            "def onSessionStart(self):\n    self.pause = IvrNullAudio()\n    self.pause.init(200)\n"
            "    self.enqueue(self.pause, None)\n    self.setTimer(1, 0.2)\n"
            f"def {handler}:\n    raise semserror({REFUSAL!s})"
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.until(bench.ended)
    assert bench.story()[-2:] == ["> BYE", "< 200 OK"]
    ended = bench.ended()
    assert ended is not None
    assert (ended.by, ended.reason) == (
        "script",
        f"{handler.partition('(')[0]} raised semserror 488 Not Now",
    )


def test_of_a_re_invite(make_bench: MakeBench) -> None:
    """That INVITE gets the reply; the call goes on as it was."""
    bench = make_bench(
        script(
            "def onInvite(self, hdrs):\n    if self.dialog.status_str == 'Connected':\n"
            f"        raise semserror({REFUSAL!s})\n    return True"
        )
    )
    caller = Caller(bench)
    caller.dial()
    caller.do(lambda call, now: call.reinvite(sdp(direction="sendonly"), now=now))
    assert "> 488 Not Now" in bench.story()
    assert bench.ended() is None
    since_s = bench.clock.now()
    bench.wait(0.5)
    assert len(caller.heard_since(since_s)) > 15, "it is not held"
    caller.bye()


def test_without_all_of_its_parts(make_bench: MakeBench) -> None:
    """It is an exception like any other: told, and the call goes on."""
    bench = make_bench(
        script(
            "def onSessionStart(self):\n    self.setTimer(1, 0.2)\n"
            "def onTimer(self, id):\n    raise semserror({'code': 488})"
        )
    )
    caller = Caller(bench)
    caller.dial()
    bench.wait(1)
    assert bench.story()[-1] == "onTimer!"
    assert bench.ended() is None
    caller.bye()


def test_headers_of_the_answer_for_old_scripts(make_bench: MakeBench) -> None:
    """`onSessionStart(hdrs)` of a call of ours has those of the 200 (ivr-api §11)."""
    places = (
        "def onSessionStart(self):\n"
        '    IvrUAC().dialout("u", "old", "sip:bob@192.0.2.98", "", "", "", "", "X-Asked: 1\\r\\n")'
    )
    old = (
        "def onSessionStart(self, hdrs):\n    said.append(hdrs)\ndef onBye(self):\n    return True"
    )
    bench = make_bench({"app": script(places), "old": script(old)})

    def answers(callee: Callee, call: InviteCall) -> None:
        kind = "application/sdp"
        call.accept((("X-Answer", "yes"),), callee.sdp(), kind, now=bench.clock.now())

    bob = Callee(bench, ("192.0.2.98", 5060), 41_000, answers)
    caller = Caller(bench)
    caller.dial()
    bench.wait(0.5)
    (hdrs,) = bench.said()
    assert "X-Answer: yes\r\n" in hdrs
    assert "X-Asked" not in hdrs
    bob.bye()
    caller.bye()
