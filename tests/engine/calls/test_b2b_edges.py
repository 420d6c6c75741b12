"""Two-legged calls at their edges: what is rare, what goes wrong, and that nothing is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.cdr import CdrFile
from ivrbench.engine.uac import dial_out
from ivrbench.scriptapi.uac import DialRequest
from tests.engine.callee import Callee
from tests.engine.harness import sdp

from .two_legs import AFTER, BEFORE, BOTH, Scene, refuses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench


def test_offer_in_a_reliable_ringing(make_bench: MakeBench) -> None:
    """RFC 3262 §5: a callee that makes its offer in a 1xx gets an answer in the PRACK, on hold;
    what the caller answers follows in a re-INVITE.
    """
    scene = Scene(make_bench, BEFORE, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    ann.invite(body=b"")
    bench.wait()
    bob.provisional(183, described=True, reliable=True)
    bench.wait()
    prack = next(m for m in scene.messages("c1b") if "PRACK" in m)
    assert prack == "> PRACK (SDP)"
    bob.accept(b"")
    bench.wait(1)
    assert ann.got[-1] == "200"
    assert scene.messages("c1b")[-3:] == ["> INVITE (SDP)", "< 200 OK (SDP)", "> ACK"]
    assert "m=audio 40000" in bob.described
    assert "a=inactive" not in bob.described
    ann.bye()


def test_caller_without_a_codec_of_ours(make_bench: MakeBench) -> None:
    """Through us both need a codec we have: 488 for the caller, BYE for the callee."""
    scene = Scene(make_bench, BEFORE, Callee.accepts, b2b_media="anchored")
    scene.ann.invite(body=sdp(formats="18"))
    scene.bench.until(lambda: scene.bench.ended("c1"))
    scene.bench.wait()
    assert scene.ann.got[-1] == "488"
    assert scene.bob.got[-1] == "BYE"


def test_call_records_of_both(make_bench: MakeBench, tmp_path: Path) -> None:
    """One row for each leg: who called whom, how long, and what was pressed."""
    path = tmp_path / "cdr.json"
    for media in BOTH:
        scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media=media, cdr=CdrFile(path))
        scene.ann.dial()
        scene.bench.wait(0.5)
        if media == "anchored":
            scene.bob.press(5)
            scene.bench.wait(0.5)
        scene.ann.bye()
        scene.bench.wait(0.5)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    callees = [row for row in rows if row["leg"] == "c1b"]
    assert len(rows) == 4
    assert [row["direction"] for row in callees] == ["out", "out"]
    assert callees[0]["called"] == "sip:bob@192.0.2.50"
    assert callees[0]["caller"] == '"Ann" <sip:ann@192.0.2.99>'
    assert [row["keys"] for row in callees] == ["", "5"]
    assert {row["code"] for row in rows} == {200}
    assert all(0.4 < row["duration_s"] < 3 for row in callees)


def test_workbench_hangs_up_the_callee(make_bench: MakeBench) -> None:
    """As if it had hung up itself; while it rings, as if it had refused."""
    for answers, expected in ((Callee.accepts, "onOtherBye"), (Callee.rings, "other 487")):
        scene = Scene(make_bench, AFTER, answers)
        scene.ann.dial()
        scene.bench.wait()
        callee = scene.bench.session.b2b.callee
        assert callee is not None
        assert scene.bench.session.b2b.has("c1b")
        callee.fail("hung up from the workbench")
        scene.bench.board.settle()
        scene.bench.wait(1)
        said = scene.bench.said()
        assert expected in said
        assert ("onOtherBye" in said) is (expected == "onOtherBye")
        assert scene.ended("c1b").reason == "hung up from the workbench"
        assert scene.ann.got[-1] == "BYE"


def test_caller_refuses_the_callees_audio(make_bench: MakeBench) -> None:
    """Past us, no audio can be had: the callee is hung up, and so is the caller."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media="direct")
    scene.ann.reinvite_code = 488
    scene.ann.dial()
    scene.bench.until(lambda: scene.bench.ended("c1"))
    scene.bench.wait()
    assert "onOtherBye" in scene.bench.said()
    assert scene.bob.got[-1] == "BYE"
    assert scene.ended("c1b").reason == "the caller refused the callee's audio"


def test_callee_is_gone_before_its_audio_was_told(make_bench: MakeBench) -> None:
    """An offer that waits for the caller's dialog to be free is not sent for a callee who left."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media="direct")
    ann, bob, bench = scene.ann, scene.bob, scene.bench
    bench.lose = lambda data: data.startswith(b"ACK") and b"sip:app" in data[:60]
    ann.dial()
    bob.bye()
    bench.lose = lambda data: False
    bench.wait(3)
    assert ann.got.count("INVITE") <= 1
    bench.until(lambda: bench.ended("c1"))


@pytest.mark.parametrize("media", BOTH)
def test_call_of_ours_and_a_callee(make_bench: MakeBench, media: str) -> None:
    """A script that called somebody can connect a second party like any other."""
    scene = Scene(make_bench, AFTER, Callee.accepts, b2b_media=media)
    bench = scene.bench
    eve = Callee(bench, ("192.0.2.52", 5060), 43_000, Callee.accepts)

    async def begin() -> None:
        uri = "sip:eve@192.0.2.52"
        dial_out(bench.board, DialRequest(application="app", r_uri=uri, from_header="<sip:x@y>"))
        bench.board.settle()

    bench.run(begin())
    bench.wait(1)
    assert scene.bob.invite_request.header("from").startswith("<sip:eve@192.0.2.52>;tag=")
    if media == "direct":
        assert "m=audio 43000" in scene.bob.described
        assert "m=audio 41000" in eve.described
    else:
        eve.speak(0.3, 0x11)
        assert scene.is_heard(scene.bob, 0x11)
    scene.bob.bye()
    assert eve.got[-1] == "BYE"


def test_connect_none_on_a_call_of_ours(make_bench: MakeBench) -> None:
    """Nobody called anybody: a line in the log, and nothing else."""
    scene = Scene(make_bench, "def onSessionStart(self):\n    self.connectCallee(None)")
    bench = scene.bench
    eve = Callee(bench, ("192.0.2.52", 5060), 43_000, Callee.accepts)

    async def begin() -> None:
        uri = "sip:eve@192.0.2.52"
        dial_out(bench.board, DialRequest(application="app", r_uri=uri, from_header="<sip:x@y>"))
        bench.board.settle()

    bench.run(begin())
    bench.wait(1)
    assert bench.session.b2b.callee is None
    eve.bye()


def hang_up(scene: Scene) -> None:
    scene.ann.bye()


def hang_up_at_once(scene: Scene) -> None:
    now = scene.bench.clock.now()
    for one in (scene.bob, scene.ann):
        assert one.call is not None
        one.call.bye(now=now)
        one.do(lambda call, now: None)


def drop_the_network(scene: Scene) -> None:
    scene.bench.lose = lambda data: True
    scene.bench.session.hang_up("engine", "the test")


def give_up(scene: Scene) -> None:
    scene.ann.do(lambda call, now: call.bye(now=now))


@pytest.mark.parametrize("media", BOTH)
@pytest.mark.parametrize(
    ("body", "answers", "end"),
    [
        (AFTER, Callee.accepts, hang_up),
        (AFTER, Callee.accepts, hang_up_at_once),
        (AFTER, Callee.accepts, drop_the_network),
        (AFTER, Callee.rings, hang_up),
        (BEFORE, Callee.rings, give_up),
        (BEFORE, refuses(486), give_up),
        (BEFORE, None, give_up),
    ],
    ids=["BYE", "both BYE", "no network", "BYE, ringing", "CANCEL", "busy", "CANCEL, no answer"],
)
def test_nothing_is_left(
    make_bench: MakeBench,
    body: str,
    answers: Callable[[Callee, InviteCall], None] | None,
    end: Callable[[Scene], None],
    media: str,
) -> None:
    """Whatever the end: no session, leg, port, media call or transaction stays."""
    scene = Scene(make_bench, body, answers, b2b_media=media)
    scene.ann.invite()
    scene.bench.wait(0.5)
    end(scene)
    scene.bench.wait(70)
    assert scene.bench.nothing_left()
    stats = scene.bench.board.endpoint.stats()
    assert (stats.calls, stats.server_transactions, stats.client_transactions) == (0, 0, 0)
    scene.ended("c1b")
    scene.ended("c1")
