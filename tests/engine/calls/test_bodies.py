"""Bodies of INVITEs: the description among others, and bodies that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.harness import Caller

from .texts import script

if TYPE_CHECKING:
    from .conftest import MakeBench


def test_offer_in_a_multipart_body(make_bench: MakeBench) -> None:
    """RFC 5621 §3: the description is answered, re-offered too; the script may read the rest."""
    bench = make_bench(
        script("""
def onInvite(self, hdrs):
    said.append(self.invite_req.body.count("<presence/>"))
    return True
""")
    )
    caller = Caller(bench)

    def body(direction: str = "") -> bytes:
        located = b"--x\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
        described = b"--x\r\nContent-Type: application/sdp\r\n\r\n" + caller.sdp(direction)
        return located + described + b"\r\n--x--\r\n"

    mixed = "multipart/mixed;boundary=x"
    caller.call = caller.endpoint.invite(
        "sip:app@192.0.2.1",
        caller.flow,
        "<sip:ann@192.0.2.99>",
        "<sip:app@192.0.2.1>",
        body=body(),
        content_type=mixed,
        now=bench.clock.now(),
    )
    caller.settle()
    bench.wait()
    assert caller.got == ["100", "200"]
    assert "m=audio" in caller.last_body
    caller.do(lambda call, now: call.reinvite(body("sendonly"), (), mixed, now=now))
    assert caller.got[-1] == "200"
    assert "a=recvonly" in caller.last_body
    assert bench.said() == [1, 1]
    caller.bye()


def test_body_nobody_reads(make_bench: MakeBench) -> None:
    """RFC 3261 §8.2.3: 415 for something else than a description, and no leg."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.call = caller.endpoint.invite(
        "sip:app@192.0.2.1",
        caller.flow,
        "<sip:ann@192.0.2.99>",
        "<sip:app@192.0.2.1>",
        body=b"hello",
        content_type="text/plain",
        now=bench.clock.now(),
    )
    caller.settle()
    bench.wait()
    assert caller.got == ["415"]
    assert caller.replies[0].header("accept") == "application/sdp"
    assert not bench.board.sessions
