"""What the outside sees and can do: addresses behind a NAT, forged headers, floods, a proxy."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import SipTraced, SourceRefused
from ivrbench.sip.flow import Flow
from tests.engine.harness import CALLER, ENGINE, Caller, sdp

from .texts import script

if TYPE_CHECKING:
    from tests.engine.harness import Bench

    from .conftest import MakeBench

MAPPED = ("203.0.113.5", 30_000)
"""Where packets of a caller behind a NAT come from."""


def sent(bench: Bench) -> list[str]:
    """Every message of ours, as text."""
    return [
        event.raw.decode() for event in bench.told if isinstance(event, SipTraced) and event.sent
    ]


# --- nothing of ours carries a line somebody else wrote ---------------------------------------

STATEMENTS = [
    'self.sendRequest("INFO\\r\\nInjected: x", "")',
    'self.sendRequest("INFO x", "")',
    'self.sendRequest("INFO", "X-A: a\\rInjected: x")',
    'self.sendRequest("INFO", "X-A: a\\0Injected: x")',
    'self.sendRequest("INFO", "X A: Injected")',
    'self.sendRequest("INFO", "Via: Injected")',
    'self.sendRequest("INFO", "Content-Length: 0 Injected")',
    'self.refer("sip:ann@example.org\\r\\nInjected: x")',
    'self.refer("<sip:ann@example.org>\\r\\nInjected: x")',
    'self.refer("sip:ann@example.org", -1, "<sip:us@example.org>\\nInjected: x")',
    'self.refer("sip:ann@example.org", -1, "", "X-A: a\\rInjected: x")',
    'self.bye("X-A: a\\rInjected: x")',
    'self.bye("X-A: a\\0Injected: x")',
    'self.bye("From: <sip:Injected>")',
]
REPLIES = [
    'self.sendReply(486, "Busy\\r\\nInjected: x", "")',
    'self.sendReply(486, "Busy\\nInjected: x", "")',
    'self.sendReply(486, "Busy", "X-A: a\\rInjected: x")',
    'self.sendReply(486, "Busy", "To: <sip:Injected>")',
    'self.reject(486, "Busy\\r\\nInjected: x")',
    'raise semserror({"code": 486, "reason": "Busy\\r\\nInjected: x", "hdrs": ""})',
    'raise semserror({"code": 486, "reason": "Busy", "hdrs": "X-A: a\\rInjected: x"})',
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_injection_within_a_call(make_bench: MakeBench, statement: str) -> None:
    """A line end, a NUL or a header of the stack itself goes nowhere; the call goes on."""
    bench = make_bench(script(f"def onSessionStart(self):\n    {statement}"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.0)
    assert not [text for text in sent(bench) if "Injected" in text]
    assert bench.board.sessions
    caller.bye()
    assert not bench.board.sessions


@pytest.mark.parametrize("statement", REPLIES)
def test_injection_in_the_answer(make_bench: MakeBench, statement: str) -> None:
    """The caller gets an answer all the same."""
    bench = make_bench(script(f"def onInvite(self, hdrs):\n    {statement}\n    return True"))
    caller = Caller(bench)
    caller.dial()
    bench.wait(1.0)
    assert not [text for text in sent(bench) if "Injected" in text]
    assert caller.got[0] == "100"
    assert caller.got[1] in ("200", "486", "500")
    if caller.got[1] == "200":
        caller.bye()
    assert not bench.board.sessions


def test_what_came_is_not_sent_on(make_bench: MakeBench) -> None:
    """Header values of the caller, folded lines too, reach the script without their line ends."""
    bench = make_bench(
        script("""
def onInvite(self, hdrs):
    said.append(getHeader(hdrs, "X-Evil"))
    self.sendReply(200, "OK", "X-Echo: " + said[0] + "\\r\\n")
""")
    )
    got: list[bytes] = []
    bench.attach(CALLER, lambda reply, _: got.append(reply))
    invite = (
        f"INVITE sip:app@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx\r\n"
        f"From: <sip:a@b>;tag=x\r\nTo: <sip:app@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        f"Contact: <sip:a@192.0.2.99>\r\nX-Evil: a\r\n Injected: b\r\nMax-Forwards: 70\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(sdp())}\r\n\r\n"
    ).encode() + sdp()
    bench.send(invite, Flow("udp", CALLER, ENGINE))
    bench.wait()
    assert got[-1].startswith(b"SIP/2.0 200 ")
    lines = got[-1].split(b"\r\n")
    assert [line for line in lines if line.startswith(b"X-Echo: a")]
    assert not [line for line in lines if line.startswith(b"Injected")]
    bench.wait(100.0)  # Nobody confirms it: it ends.


# --- behind a NAT -----------------------------------------------------------------------------


def test_public_ip(make_bench: MakeBench) -> None:
    """Contact and SDP show the address outside; what the caller sends there comes to us."""
    bench = make_bench(script("pass"), public_ip="198.51.100.80")

    def translated(data: bytes, flow: Flow) -> None:
        bench.board.receive(data, replace(flow, local=ENGINE))
        bench.board.settle()

    bench.attach(("198.51.100.80", 5060), translated)
    caller = Caller(bench)
    caller.dial()
    (ok,) = (reply for reply in caller.replies if reply.code == 200)
    assert ok.header("contact").startswith("<sip:app@198.51.100.80:5060")
    assert "\r\nc=IN IP4 198.51.100.80\r\n" in caller.last_body
    assert " IN IP4 198.51.100.80\r\n" in caller.last_body.partition("o=")[2].partition("s=")[0]
    assert ENGINE[0] not in caller.last_body
    caller.bye()
    assert caller.got[-1] == "200"


@pytest.mark.parametrize("nat", ["no", "latch"])
def test_caller_behind_a_nat(make_bench: MakeBench, nat: str) -> None:
    """The INVITE names an address nobody can reach. With `latch` everything goes to where packets
    come from; without it only what SIP sends back by itself (RFC 3261 §18.2.2) does.
    """
    bench = make_bench(
        script(
            "def onTimer(self, id):\n    self.stopSession()\n"
            "def onSessionStart(self):\n    self.setTimer(1, 2)"
        ),
        nat=nat,
    )
    got: list[bytes] = []
    bench.attach(MAPPED, lambda data, _: got.append(data))
    private: list[bytes] = []
    bench.attach(("10.0.0.9", 5060), lambda data, _: private.append(data))
    audio, _ = bench.network.pair(MAPPED[0], 31_000)
    body = sdp(40_000, ip="10.0.0.9")
    head = (
        "{method} sip:app@192.0.2.1 SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bK{method}\r\n"
        "From: <sip:a@b>;tag=x\r\nTo: <sip:app@192.0.2.1>{tag}\r\nCall-ID: c\r\n"
        "CSeq: 1 {method}\r\nContact: <sip:a@10.0.0.9>\r\nMax-Forwards: 70\r\n"
    )
    described = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    flow = Flow("udp", MAPPED, ENGINE)
    bench.send((head.format(method="INVITE", tag="") + described).encode() + body, flow)
    bench.wait()
    assert got[-1].startswith(b"SIP/2.0 200 ")
    assert f";rport={MAPPED[1]};".encode() in got[-1]
    assert f";received={MAPPED[0]}\r\n".encode() in got[-1]
    tag = got[-1].decode().partition("To: ")[2].partition("\r\n")[0].partition(">")[2]
    bench.send((head.format(method="ACK", tag=tag) + "\r\n").encode(), flow)
    bench.wait(0.1)
    port = int(got[-1].decode().partition("m=audio ")[2].split(" ")[0])
    audio.send_to(bytes([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7]) + bytes(160), (ENGINE[0], port))
    bench.wait(1.0)
    heard = len(audio.others)
    bench.wait(1.0)
    byes = [data for data in (got if nat == "latch" else private) if data.startswith(b"BYE ")]
    assert byes
    assert (heard > 20) is (nat == "latch")
    bench.wait(40.0)  # Nobody answers the BYE.


# --- floods -----------------------------------------------------------------------------------


def options(n: int) -> bytes:
    """A request that costs little to answer."""
    return (
        f"OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK{n}\r\n"
        f"From: <sip:a@b>;tag={n}\r\nTo: <sip:192.0.2.1>\r\nCall-ID: c{n}\r\n"
        f"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def test_source_that_sends_too_much_is_slowed_down(make_bench: MakeBench) -> None:
    """Over 200 messages a second of one source most get no answer; others are served as before;
    it is told once, and over when the source is quiet.
    """
    bench = make_bench(script("pass"))
    got: list[bytes] = []
    bench.attach(CALLER, lambda reply, _: got.append(reply))
    for n in range(3000):
        bench.send(options(n), Flow("udp", CALLER, ENGINE))
    bench.wait(0.5)
    assert 100 <= len(got) <= 1000
    told = [event for event in bench.told if isinstance(event, SourceRefused)]
    assert [(event.source, event.banned_s) for event in told] == [(CALLER[0], 0.0)]
    other = Caller(bench, ("192.0.2.98", 5060))
    other.dial()
    assert other.got[-1] == "200"
    other.bye()
    bench.wait(10.0)
    before = len(got)
    bench.send(options(9999), Flow("udp", CALLER, ENGINE))
    bench.wait()
    assert len(got) == before + 1


def test_network_of_allow_from_is_not_slowed_down(make_bench: MakeBench) -> None:
    """A proxy brings the calls of thousands."""
    bench = make_bench(script("pass"), allow_from=(ip_network("192.0.2.99"),))
    got: list[bytes] = []
    bench.attach(CALLER, lambda reply, _: got.append(reply))
    for n in range(3000):
        bench.send(options(n), Flow("udp", CALLER, ENGINE))
    bench.wait(0.5)
    assert len(got) == 3000


def test_broken_messages_get_a_source_banned(make_bench: MakeBench) -> None:
    """40 within a minute, for `ban_time`, and not a second longer."""
    bench = make_bench(script("pass"), ban_time=60)
    got: list[bytes] = []
    bench.attach(CALLER, lambda reply, _: got.append(reply))
    for n in range(45):
        bench.send(options(n).replace(b"CSeq: 1 OPTIONS", b"CSeq: x"), Flow("udp", CALLER, ENGINE))
    bench.wait()
    assert len(got) == 40
    for at_s, answered in ((50.0, 0), (15.0, 1)):
        bench.wait(at_s)
        got.clear()
        bench.send(options(int(at_s)), Flow("udp", CALLER, ENGINE))
        bench.wait()
        assert len(got) == answered
    told = [event.reason for event in bench.told if isinstance(event, SourceRefused)]
    assert told == ["sends what is no SIP"]


# --- behind a front proxy ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nearest", "uri", "route"),
    [
        (
            "<sip:192.0.2.40:5070;lr>",
            "sip:ann@192.0.2.99",
            "<sip:192.0.2.40:5070;lr>, <sip:192.0.2.41;lr>",
        ),
        (
            "<sip:192.0.2.40:5070>",
            "sip:192.0.2.40:5070",
            "<sip:192.0.2.41;lr>, <sip:ann@192.0.2.99>",
        ),
        (
            "<sip:edge.example;lr>",
            "sip:ann@192.0.2.99",
            "<sip:edge.example;lr>, <sip:192.0.2.41;lr>",
        ),
        (
            "<sip:nowhere.example;lr>",
            "sip:ann@192.0.2.99",
            "<sip:nowhere.example;lr>, <sip:192.0.2.41;lr>",
        ),
    ],
)
def test_record_route(make_bench: MakeBench, nearest: str, uri: str, route: str) -> None:
    """RFC 3261 §12.1.1: our BYE names the caller, and goes by the proxies, nearest first. One
    without lr routes strictly: its URI is that of the request, and the caller comes last (§12.2).
    One with a name is asked for, and if nobody knows it stands where the INVITE came from.
    """
    bench = make_bench(script("def onSessionStart(self):\n    self.stopSession()"))
    came: list[tuple[tuple[str, int], str]] = []
    bench.engine.names["edge.example"] = [("192.0.2.42", 5072)]
    edge = ("192.0.2.42", 5072) if "edge" in nearest else ("192.0.2.40", 5070)
    for place in {("192.0.2.40", 5070), edge}:
        bench.attach(place, lambda data, flow: came.append((flow.local, data.decode())))
    head = (
        "{method} sip:app@192.0.2.1 SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.40:5070;branch=z9hG4bK{method}\r\n"
        f"Record-Route: {nearest}, <sip:192.0.2.41;lr>\r\n"
        "From: <sip:a@b>;tag=x\r\nTo: <sip:app@192.0.2.1>{tag}\r\nCall-ID: c\r\n"
        "CSeq: 1 {method}\r\nContact: <sip:ann@192.0.2.99>\r\nMax-Forwards: 70\r\n"
    )
    described = f"Content-Type: application/sdp\r\nContent-Length: {len(sdp())}\r\n\r\n"
    flow = Flow("udp", ("192.0.2.40", 5070), ENGINE)
    bench.send((head.format(method="INVITE", tag="") + described).encode() + sdp(), flow)
    bench.wait()
    tag = came[-1][1].partition("To: ")[2].partition("\r\n")[0].partition(">")[2]
    bench.send((head.format(method="ACK", tag=tag) + "\r\n").encode(), flow)
    bench.wait()
    ((place, bye), *_) = (each for each in came if each[1].startswith("BYE "))
    assert place == edge
    assert bye.startswith(f"BYE {uri} SIP/2.0\r\n")
    routes = [line for line in bye.split("\r\n") if line.startswith("Route: ")]
    assert ", ".join(routes).replace("Route: ", "") == route
    bench.wait(40.0)


def test_options_while_draining(make_bench: MakeBench) -> None:
    """503 with Retry-After to a probe, from the moment on; the call that is up goes on."""
    bench = make_bench(script("def onServerShutdown(self):\n    pass"))
    caller = Caller(bench)
    caller.dial()
    got: list[str] = []
    bench.attach(("192.0.2.98", 5060), lambda data, _: got.append(data.decode()))
    flow = Flow("udp", ("192.0.2.98", 5060), ENGINE)
    data = options(1).replace(b"192.0.2.99", b"192.0.2.98")
    bench.send(data, flow)
    bench.wait()
    bench.board.drain(60.0)
    bench.send(data.replace(b"z9hG4bK1", b"z9hG4bK2"), flow)
    bench.wait()
    assert [text.split("\r\n")[0] for text in got] == [
        "SIP/2.0 200 OK",
        "SIP/2.0 503 Service Unavailable",
    ]
    assert "\r\nRetry-After: " in got[1]
    assert bench.board.sessions
    caller.bye()
