"""Keys of a call: RTP and INFO, their length, and when they are reported."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import KeyReceived
from tests.engine.harness import Caller

from .texts import KEYS, script

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall

    from .conftest import MakeBench


def test_rtp_keys_have_their_true_length(make_bench: MakeBench) -> None:
    """architecture §10: a key of 160 ms is reported as about 160; two presses are two."""
    bench = make_bench(script(KEYS))
    caller = Caller(bench)
    caller.dial()
    caller.press(1, 160)
    bench.wait(0.1)
    caller.press(1, 100)
    bench.wait(0.1)
    caller.press(11, 100)
    bench.wait(0.3)
    assert bench.said() == [(1, 160), (1, 100), (11, 100)]
    sources = {e.source for e in bench.of(KeyReceived) if isinstance(e, KeyReceived)}
    assert sources == {"RFC 4733"}
    assert bench.session.keys.pressed == "11#"
    caller.bye()


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal= *\r\nDuration= 160\r\n", (10, 160)),
        ("application/dtmf-relay", b"Signal=5\r\nDuration=90\r\n", (5, 90)),
        ("application/dtmf", b"#", (11, 250)),
    ],
)
def test_info_keys(make_bench: MakeBench, kind: str, body: bytes, key: tuple[int, int]) -> None:
    """architecture §10: both INFO bodies, blanks tolerated."""
    bench = make_bench(script(KEYS))
    caller = Caller(bench)
    caller.dial()
    caller.request("INFO", body, kind)
    assert bench.said() == [key]
    caller.bye()


def test_info_keys_while_media_is_detached(make_bench: MakeBench) -> None:
    """architecture §10: INFO keys arrive also then."""
    bench = make_bench(script(f"def onSessionStart(self):\n    self.disconnectMedia()\n{KEYS}"))
    caller = Caller(bench)
    caller.dial()
    caller.request("INFO", b"7", "application/dtmf")
    assert [key for key, _ in bench.said()] == [7]
    caller.bye()


def test_keys_not_wanted(make_bench: MakeBench) -> None:
    """ivr-api §2.2: disableDTMFDetection() is the master switch for all sources."""
    body = f"def onSessionStart(self):\n    self.disableDTMFDetection()\n{KEYS}"
    bench = make_bench(script(body))
    caller = Caller(bench)
    caller.dial()
    caller.press(1)
    caller.request("INFO", b"7", "application/dtmf")
    bench.wait(0.5)
    assert bench.said() == []
    caller.bye()


def test_settle_time(make_bench: MakeBench) -> None:
    """ivr-api §5: with 200 ms of settling a key seen twice is reported once."""
    bench = make_bench(script(KEYS), dtmf_settle_ms=200)
    caller = Caller(bench)
    caller.dial()
    caller.press(4, 100)
    caller.request("INFO", b"Signal=4\r\nDuration=100\r\n", "application/dtmf-relay")
    assert bench.said() == []
    bench.wait(0.5)
    assert [key for key, _ in bench.said()] == [4]
    caller.bye()


def test_report_at_the_press(make_bench: MakeBench) -> None:
    """`dtmf_report = press`: the handler runs while the key is still down."""
    bench = make_bench(script(KEYS), dtmf_report="press")
    caller = Caller(bench)
    caller.dial()
    began_s = bench.clock.now()
    caller.press(9, 400)
    (key,) = (s for s in bench.hub.history.live["c1"].timeline if isinstance(s.event, KeyReceived))
    assert key.at_s - bench.clock.wall() + bench.clock.now() - began_s < 0.06
    assert [key for key, _ in bench.said()] == [9]
    caller.bye()


def test_switches_of_receiving(make_bench: MakeBench) -> None:
    """ivr-api §2.2: deaf to RTP, keys excepted or not, and back; kept over a re-INVITE.

    A script is told what to do by a header of OPTIONS.
    """
    bench = make_bench(
        script(
            """
def onSipRequest(self, req):
    name = getHeader(req.hdrs, "X-Do")
    if name:
        getattr(self, name)()
def onDtmf(self, key, duration):
    said.append(key)
"""
        )
    )
    caller = Caller(bench)
    caller.dial()

    def request(headers: list[tuple[str, str]], call: InviteCall, now: float) -> None:
        call.request("OPTIONS", headers, now=now)

    def hears(*names: str) -> bool:
        for name in names:
            caller.do(partial(request, [("X-Do", name)]))
        before = len(bench.said())
        caller.press(5)
        bench.wait(0.5)
        return len(bench.said()) > before

    assert hears()
    assert not hears("disableReceiving")
    caller.do(lambda call, now: call.reinvite(caller.sdp(), now=now))
    assert not hears(), "a re-INVITE does not undo it"
    assert hears("enableDTMFReceiving")
    assert not hears("disableDTMFReceiving")
    assert hears("enableReceiving")
    assert not hears("disableDTMFDetection")
    assert hears("enableDTMFDetection")
    assert not hears("disconnectMedia")
    assert hears("connectMedia")
    caller.bye()
