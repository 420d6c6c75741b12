"""`IvrUAC.dialout` in a running engine: who calls it, what the new session is, who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.config.values import CallLimit
from tests.engine.callee import Callee
from tests.engine.harness import Caller

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall
    from tests.engine.harness import Bench

    from .conftest import MakeBench

CALLED = """
from ivr import *
said = []

class IvrDialog(IvrDialogBase):
    def onSessionStart(self):
        said.append((
            self.dialog.user, self.dialog.domain, self.dialog.local_uri, self.dialog.local_tag,
            self.getSessionParams(), self.getAppParam("a"), self.invite_req.body[:3],
            self.invite_req.method,
        ))

    def onFailed(self, code, reason):
        said.append(("failed", code))
        return True
"""
ARGUMENTS = '"u", "called", "sip:ann@192.0.2.98", "<sip:ivr@h>", "sip:me@h", "<sip:ann@h>"'


def placing(body: str) -> str:
    """A script whose onSessionStart calls somebody."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        "from ivr import *\nimport threading\nsaid = []\n\n"
        f"class IvrDialog(IvrDialogBase):\n    def onSessionStart(self):\n{lines}\n"
    )


def two(make_bench: MakeBench, body: str, **settings: object) -> tuple[Bench, Caller, Callee]:
    """A caller of a script that calls a callee."""
    bench = make_bench({"app": placing(body), "called": CALLED}, **settings)
    return bench, Caller(bench), Callee(bench, ("192.0.2.98", 5060), 41_000, Callee.accepts)


def test_from_a_handler(make_bench: MakeBench) -> None:
    """The handler goes on at once; the new session is one of the named script."""
    bench, caller, callee = two(
        make_bench, f"self.handle = IvrUAC().dialout({ARGUMENTS})\nsaid.append(self.handle.code)"
    )
    caller.dial()
    bench.wait(0.5)
    assert bench.said()[0] == 0
    assert bench.said()[1] == ("u", "", "sip:me@h", "e-tag-3", None, "", "v=0", "")
    assert callee.invite_request.header("from").startswith("<sip:ivr@h>")
    assert callee.invite_request.header("to") == "<sip:ann@h>"
    assert [s.generation.script for s in bench.board.sessions.values()] == ["app", "called"]
    callee.bye()
    caller.bye()


@pytest.mark.parametrize(
    ("given", "seen"),
    [('["a", 1]', ["a"]), ('{"a": "b", 2: "c"}', {"a": "b"}), ("(1, 2)", None)],
)
def test_session_params(make_bench: MakeBench, given: str, seen: object) -> None:
    """A list of str or a dict of str arrives; headers are sent, their parameters readable."""
    more = f'"tag-7", "P-App-Param: a=7\\r\\nX-More: yes\\r\\n", {given}'
    bench, caller, callee = two(make_bench, f"IvrUAC().dialout({ARGUMENTS}, {more})")
    caller.dial()
    bench.wait(0.5)
    assert bench.said()[-1][3:6] == ("tag-7", seen, "7")
    assert callee.invite_request.from_tag == "tag-7"
    assert callee.invite_request.header("x-more") == "yes"
    callee.bye()
    caller.bye()


def test_from_a_thread(make_bench: MakeBench) -> None:
    """Threads of a script may call, and wait for the answer."""
    body = f"""
def work():
    said.append("in")
    handle = IvrUAC().dialout({ARGUMENTS})
    said.append(handle.wait(60))
self.thread = threading.Thread(target=work)
self.thread.start()
"""
    bench, caller, callee = two(make_bench, body.strip())
    caller.dial()
    bench.until(lambda: 200 in bench.said())
    callee.bye()
    caller.bye()


def test_waiting_for_the_answer(make_bench: MakeBench) -> None:
    """A handler may block until the call is answered; only its own call waits."""
    bench, caller, callee = two(
        make_bench, f'said.append("in")\nsaid.append(IvrUAC().dialout({ARGUMENTS}).wait())'
    )
    caller.dial()
    bench.until(lambda: 200 in bench.said())
    callee.bye()
    caller.bye()


def test_awaiting_the_answer(make_bench: MakeBench) -> None:
    """An async handler awaits it, and the loop goes on."""
    script = placing(f"said.append(await IvrUAC().dialout({ARGUMENTS}))")
    script = script.replace("def onSessionStart", "async def onSessionStart")
    bench = make_bench({"app": script, "called": CALLED})
    caller, callee = Caller(bench), Callee(bench, ("192.0.2.98", 5060), 41_000, Callee.accepts)
    caller.dial()
    bench.wait(0.5)
    assert 200 in bench.said()
    callee.bye()
    caller.bye()


def test_from_a_thread_of_the_script(make_bench: MakeBench) -> None:
    """createThread: a script calls when it has loaded, without any call of its own."""
    text = f"""
from ivr import *
said = []

def work():
    said.append(IvrUAC().dialout({ARGUMENTS}).wait(60))

createThread(work)

class IvrDialog(IvrDialogBase):
    pass
"""
    bench = make_bench({"app": text, "called": CALLED})
    callee = Callee(bench, ("192.0.2.98", 5060), 41_000, Callee.accepts)
    bench.until(lambda: 200 in bench.said())
    callee.bye()


def test_unknown_script(make_bench: MakeBench) -> None:
    """The handle knows at once; the workbench sees a leg that failed."""
    arguments = ARGUMENTS.replace('"called"', '"nobody"')
    bench, caller, _ = two(make_bench, f"said.append(IvrUAC().dialout({arguments}).code)")
    caller.dial()
    assert bench.said() == [404]
    ended = bench.ended("c2")
    assert ended is not None
    assert (ended.by, ended.code) == ("engine", 404)
    caller.bye()


@pytest.mark.parametrize(
    ("r_uri", "hdrs"),
    [
        ("sip:called@192.0.2.98", ""),
        ("sip:x@192.0.2.98;app=called", ""),
        ("sip:x@192.0.2.98", "P-App-Name: called\\r\\n"),
    ],
)
def test_script_chosen_as_for_a_call_that_comes_in(
    make_bench: MakeBench, r_uri: str, hdrs: str
) -> None:
    """An empty name asks `application`."""
    call = f'IvrUAC().dialout("u", "", "{r_uri}", "", "sip:me@h", "", "", "{hdrs}")'
    bench, caller, callee = two(make_bench, call)
    caller.dial()
    bench.wait(0.5)
    assert len(bench.said()) == 1
    callee.bye()
    caller.bye()


def test_local_tag_in_use(make_bench: MakeBench) -> None:
    """A tag names one session; the second call fails and harms nobody."""
    call = f'IvrUAC().dialout({ARGUMENTS}, "t7").code'
    bench, caller, callee = two(make_bench, f"said.append({call})\nsaid.append({call})")
    caller.dial()
    bench.wait(0.5)
    assert bench.said()[:2] == [0, 482]
    assert len(callee.invites) == 1
    callee.bye()
    caller.bye()


def test_session_limit(make_bench: MakeBench) -> None:
    """Calls of ours count like any others."""
    bench, caller, _ = two(
        make_bench,
        f"said.append(IvrUAC().dialout({ARGUMENTS}).code)",
        session_limit=CallLimit(1),
    )
    caller.dial()
    assert bench.said() == [503]
    caller.bye()


def test_script_whose_dialog_cannot_be_made(make_bench: MakeBench) -> None:
    """The call is given up, and nothing is left."""
    new = "    def __new__(cls, capsule):\n        1 / 0\n\n    def onSessionStart"
    broken = CALLED.replace("    def onSessionStart", new)
    bench = make_bench({"app": placing(f"IvrUAC().dialout({ARGUMENTS})"), "called": broken})
    caller, callee = Caller(bench), Callee(bench, ("192.0.2.98", 5060), 41_000)
    caller.dial()
    bench.wait(0.5)
    assert "INVITE" not in callee.got or "CANCEL" in callee.got
    ended = bench.ended("c2")
    assert ended is not None
    assert ended.by == "error"
    caller.bye()


def test_sixty_calls(make_bench: MakeBench) -> None:
    """Many calls leave nothing behind, answered or refused."""
    body = f"for n in range(60):\n    IvrUAC().dialout({ARGUMENTS})"
    bench, caller, callee = two(make_bench, body)
    busy = callee.refuses(486)

    def every_second(me: Callee, call: InviteCall) -> None:
        if len(me.invites) % 2:
            me.accepts(call)
        else:
            busy(me, call)

    callee._answers = every_second
    caller.dial()
    bench.wait(2)
    caller.bye()
    for session in list(bench.board.sessions.values()):
        session.stop("script")
    bench.board.settle()
    bench.wait(2)
    assert bench.nothing_left()
