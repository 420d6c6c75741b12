"""The 49 torture messages of RFC 4475 reach a running engine; it goes on as if nothing were."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.events import SipTraced

from .lab.engine import Engine
from .lab.network import IP

if TYPE_CHECKING:
    from .lab.network import Network

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "rfc4475"
pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the RFC 4475 messages are not here"),
]

SCRIPT = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        pass
    """


def options(own: tuple[str, int], number: int, transport: str) -> bytes:
    """An OPTIONS that has to be answered."""
    return (
        f"OPTIONS sip:{IP} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} {own[0]}:{own[1]};branch=z9hG4bKafter{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:after@{IP}>;tag=1\r\nTo: <sip:{IP}>\r\n"
        f"Call-ID: after{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def answer_by_udp(port: int, number: int, message: bytes) -> bytes:
    """Send a message, then OPTIONS; what answers the latter."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.bind((IP, 0))
        sock.sendto(message, (IP, port))
        sock.sendto(options(sock.getsockname(), number, "UDP"), (IP, port))
        while f"Call-ID: after{number}\r\n".encode() not in (data := sock.recv(65_535)):
            pass  # an answer to the message itself
        return data


def answer_by_tcp(port: int, number: int, message: bytes) -> bytes:
    """The same on connections; the first may be closed by what it carried."""
    with (
        socket.create_connection((IP, port), 5) as bad,
        socket.create_connection((IP, port), 5) as good,
    ):
        bad.sendall(message)
        good.sendall(options(good.getsockname(), number, "TCP"))
        return good.recv(65_535)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_torture_messages(tmp_path: Path, network: Network, transport: str) -> None:
    """After each of them OPTIONS gets 200, and no fault of ours is in the log."""
    files = sorted(FOLDER.glob("*.dat"))
    assert len(files) == 49
    ask = answer_by_udp if transport == "udp" else answer_by_tcp
    async with Engine(tmp_path / "engine", {"app": SCRIPT}) as engine:
        port = engine.port(transport)
        for number, file in enumerate(files):
            answer = await asyncio.to_thread(ask, port, number, file.read_bytes())
            assert answer.startswith(b"SIP/2.0 200 "), file.name
        await engine.until(lambda _: len(engine.seen(SipTraced, sent=False)) >= 49)
        assert "Traceback" not in engine.log_path.read_text()
        assert "was not handled" not in engine.log_path.read_text()
