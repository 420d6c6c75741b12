"""The 49 torture messages of RFC 4475 reach a running engine, and messages of ours in the manner of
RFC 5118; each gets the answer it has to get, and the engine goes on as if nothing were.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from ivrbench.sip.flow import host_port
from ivrbench.sip.headers import parse_via
from ivrbench.sip.parser import parse_message
from tests.sip.test_torture import ANSWERS, EXPECTED, FOLDER

from .lab.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ivrbench.sip.message import SipMessage

    from .lab.network import Network

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not EXPECTED, reason="the RFC 4475 messages are not here"),
]

SCRIPT = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        pass
    """
SIP_PORT = 5060
IPV4, IPV6 = "127.0.0.1", "::1"
ANSWER_S = 100.0

WITH_A_SCRIPT: dict[str, int | str | None] = {
    name: 404 if name == "mpart01" else 200 for name, answer in ANSWERS.items() if answer is None
}
"""What our user answers: INVITEs find a script; a MESSAGE that belongs to no call finds nobody."""
ON_A_STREAM = {
    # Its body is shorter than it says: the rest may still come.
    "clerr": None,
    # Its file ends before the empty line.
    "baddn": None,
    # RFC 3261 §18.3: without Content-Length nobody knows where it ends.
    "inv2543": 400,
}

# RFC 5118 §4.1 to §4.10: what stands in the Request-URI, the Via and the description.
IPV6_MESSAGES = [
    ("OPTIONS", "sip:[2001:db8::10]", "[::1]", "", 200),
    ("OPTIONS", "sip:2001:db8::10", "[::1]", "", 400),
    ("OPTIONS", "sip:[2001:db8::10:5070]", "[::1]", "", 200),
    ("OPTIONS", "sip:[2001:db8::10]:5070", "[::1]", "", 200),
    ("OPTIONS", "sip:[2001:db8::10]", "[::1]", ";received=[2001:db8::9:255]", 200),
    ("OPTIONS", "sip:[2001:db8::10]", "[::1]", ";received=2001:db8::9:255", 200),
    ("OPTIONS", "sip:[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.2]", "", 200),
    ("OPTIONS", "sip:[2001:db8::10", "[::1]", "", 400),
    # RFC 5118 §4.9: wrong, and nothing is lost by taking it: the address is not looked at.
    ("OPTIONS", "sip:[2001:db8:::192.0.2.1]", "[::1]", "", 200),
    ("INVITE", "sip:app@[2001:db8::10]", "[::1]", "", 200),
]


def expected_answer(name: str, transport: str) -> int | str | None:
    """The final status a message has to get; None: no answer at all."""
    if EXPECTED[name][1] == "response":
        return None
    if transport == "tcp" and name in ON_A_STREAM:
        return ON_A_STREAM[name]
    return WITH_A_SCRIPT.get(name, ANSWERS.get(name, 400))


def request(method: str, uri: str, via: str, number: int, body: str = "") -> bytes:
    """A request of ours."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via};branch=z9hG4bKafter{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:after@[::1]>;tag=1\r\nTo: <sip:app@[::1]>\r\n"
        f"Call-ID: after{number}\r\nCSeq: 1 {method}\r\nContact: <sip:after@[::1]:9>\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Datagrams:
    """Sends to the engine, and listens wherever its answers go: RFC 3261 §18.2.2 sends them to the
    port of the Via.
    """

    def __init__(self, ip: str, port: int, more_ports: Iterable[int] = ()) -> None:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._target = (ip, port)
        self._sockets = []
        for own in {0, *more_ports}:
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.bind((ip, own))
            self._sockets.append(sock)
        self.last: SipMessage | None = None
        """The answer that was found last."""
        self.own = self._sockets[0].getsockname()[:2]

    def send(self, data: bytes) -> None:
        self._sockets[0].sendto(data, self._target)

    def answer(self, call_id: str, within_s: float = ANSWER_S) -> int | None:
        """The final status for a Call-ID; None if none comes."""
        end = time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            for sock in select.select(self._sockets, [], [], left)[0]:
                message = parse_message(sock.recv(65_535))
                code = getattr(message, "code", 0)
                if code >= 200 and message.header("call-id") == call_id:
                    self.last = message
                    return int(code)
        return None

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


def vias() -> set[int]:
    """The ports that answers to the torture messages go to."""
    ports = {SIP_PORT}
    for file in FOLDER.glob("*.dat"):
        with contextlib.suppress(Exception):
            port = parse_via(parse_message(file.read_bytes()).header("via")).port
            ports |= {port} if port is not None and port > 1024 else set()
    return ports


def codes_by_udp(port: int, is_up: Callable[[str, int | None], None]) -> None:
    """Send each message, then OPTIONS; tell what was answered."""
    wire = Datagrams(IPV4, port, vias())
    try:
        for number, name in enumerate(EXPECTED):
            data = (FOLDER / f"{name}.dat").read_bytes()
            wire.send(data)
            wanted = expected_answer(name, "udp")
            code = wire.answer(parse_message(data).header("call-id")) if wanted else None
            wire.send(request("OPTIONS", "sip:x", f"UDP {host_port(*wire.own)}", number))
            assert wire.answer(f"after{number}") == 200, f"after {name}"
            is_up(name, code)
    finally:
        wire.close()


def codes_by_tcp(port: int, is_up: Callable[[str, int | None], None]) -> None:
    """The same, each on a connection of its own, OPTIONS on another."""
    with socket.create_connection((IPV4, port), ANSWER_S) as good:
        for number, name in enumerate(EXPECTED):
            with socket.create_connection((IPV4, port), ANSWER_S) as bad:
                bad.sendall((FOLDER / f"{name}.dat").read_bytes())
                code = final_code(bad, f"to {name}") if expected_answer(name, "tcp") else None
                good.sendall(request("OPTIONS", "sip:x", f"TCP {host_port(IPV4, 9)}", number))
                assert final_code(good, f"after {name}") == 200
                bad.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    assert expected_answer(name, "tcp") or bad.recv(1) == b"", name
            is_up(name, code)


def final_code(sock: socket.socket, what: str) -> int:
    """The first final status that comes; 0 if the connection is closed before."""
    data = b""
    while not (found := [line for line in data.split(b"\r\n") if is_final(line)]):
        try:
            more = sock.recv(65_535)
        except TimeoutError:
            raise AssertionError(f"no answer {what}") from None
        if not more:
            return 0
        data += more
    return int(found[0].split(b" ")[1])


def is_final(line: bytes) -> bool:
    """True for a whole status line that is not 1xx."""
    return line.startswith(b"SIP/2.0 ") and line[8:11].isdigit() and line[8:9] != b"1"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_torture_messages(
    tmp_path: Path, network: Network, need: Callable[[str], None], transport: str
) -> None:
    """Each gets its answer, or none where none is due; after each of them OPTIONS gets 200, and no
    fault of ours is in the log.
    """
    need("own network")
    assert len(EXPECTED) == 49
    got: dict[str, int | None] = {}
    send = codes_by_udp if transport == "udp" else codes_by_tcp
    async with Engine(tmp_path / "engine", {"app": SCRIPT}, "application = app\n") as engine:
        await asyncio.to_thread(send, engine.port(transport), got.__setitem__)
        assert got == {name: expected_answer(name, transport) for name in EXPECTED}
        no_fault_of_ours(engine)


async def test_ipv6_messages(tmp_path: Path, network: Network) -> None:
    """RFC 5118: references in brackets in every place, over a socket of IPv6."""
    more = ("--listen", f"udp:[{IPV6}]:0")
    async with Engine(tmp_path / "engine", {"app": SCRIPT}, "", more) as engine:
        listeners = engine.state.engine.listeners.values()
        port = next(found.port for found in listeners if found.ip == IPV6)
        wire = Datagrams(IPV6, port)
        got = []
        for number, (method, uri, sent_by, params, _) in enumerate(IPV6_MESSAGES):
            body = ""
            if method == "INVITE":
                body = (
                    "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\n"
                    "m=audio 9000 RTP/AVP 0\r\n"
                )
            data = request(method, uri, f"UDP {sent_by}{params}", number, body)
            wire.send(data)
            got.append(await asyncio.to_thread(wire.answer, f"after{number}"))
        wire.close()
        assert got == [code for *_, code in IPV6_MESSAGES]
        no_fault_of_ours(engine)
        assert wire.last is not None
        assert wire.last.header("contact") == f"<sip:app@[{IPV6}]:{port}>"
        assert f"\r\nc=IN IP6 {IPV6}\r\n" in wire.last.body_text()


def no_fault_of_ours(engine: Engine) -> None:
    """Nothing in the log but what came."""
    log = engine.log_path.read_text()
    assert "Traceback" not in log
    assert "was not handled" not in log
