"""Many sockets at once: the compiled loop, and that calls are the same with it and without."""

from __future__ import annotations

import random
import socket
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.media import direct
from ivrbench.media.arena import PromptArena
from ivrbench.media.direct import NOT_DIRECT, DirectRows, direct_fd
from ivrbench.media.memory import MemoryNetwork, MemoryRtpSocket
from ivrbench.media.messages import (
    ClipPart,
    CloseCall,
    OpenCall,
    OpenRecorder,
    PlayItem,
    SetSwitches,
    SrtpParams,
    WatchCalls,
)
from ivrbench.media.plane import TICK_S, MediaPlane
from ivrbench.media.sockets import UdpPoller, UdpRtcpSocket, UdpRtpSocket

from .lab import FAR_RTP, FakeFile, octets, stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.media.sockets import Address

pytestmark = pytest.mark.net
needs_build = pytest.mark.skipif(
    not direct.BUILT, reason="no C compiler when ivrbench was installed"
)
SUITE = "AES_CM_128_HMAC_SHA1_80"
WIDTH = 40


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


@pytest.fixture
def pairs() -> Iterator[list[tuple[UdpRtpSocket, socket.socket]]]:
    """Five ports of ours, each with its peer."""
    made = [(bound(), bound()) for _ in range(5)]
    ports = [(UdpRtpSocket(ours), far) for ours, far in made]
    for port, far in ports:
        port.connect(far.getsockname())
    yield ports
    for port, far in ports:
        port.close()
        far.close()


@needs_build
def test_rows_are_sent(pairs: list[tuple[UdpRtpSocket, socket.socket]]) -> None:
    """Each socket sends the part of its own row that was asked for; other rows are left alone."""
    table = np.arange(8 * WIDTH, dtype=np.uint8).reshape(8, WIDTH)
    rows = (6, 0, 3, 1, 7)
    of = [(row, direct_fd(port)) for row, (port, _) in zip(rows, pairs, strict=True)]
    DirectRows(of).send(table, 5, 20)
    for row, (_, far) in zip(rows, pairs, strict=True):
        assert far.recv(100) == table[row, 5:25].tobytes()
        with pytest.raises(BlockingIOError):
            far.recv(100)


@needs_build
def test_rows_are_read(pairs: list[tuple[UdpRtpSocket, socket.socket]]) -> None:
    """A packet for each socket, cut at the row's end; 0 where there is none, or an error."""
    sizes = np.full(8, -7, np.int64)
    table = np.zeros((8, WIDTH), np.uint8)
    rows = (6, 0, 3, 1, 7)
    reading = DirectRows(
        [(row, direct_fd(port)) for row, (port, _) in zip(rows, pairs, strict=True)]
    )
    for index in (0, 1):
        pairs[index][1].sendto(b"%d" % index * 10, pairs[index][0]._bound.getsockname())
    pairs[2][1].sendto(b"x" * 100, pairs[2][0]._bound.getsockname())
    pairs[3][1].close()
    pairs[3][0].send(b"to nobody")  # the kernel tells that with the next call
    reading.read(table, sizes)
    assert sizes.tolist() == [10, 0, -7, WIDTH, -7, -7, 10, 0]
    assert table[6, :11].tobytes() == b"0" * 10 + b"\0"
    assert table[0, :11].tobytes() == b"1" * 10 + b"\0"
    assert table[3].tobytes() == b"x" * WIDTH
    reading.read(table, sizes)
    assert sizes[list(rows)].tolist() == [0] * 5


@needs_build
def test_error_of_one_is_no_error_of_another(
    pairs: list[tuple[UdpRtpSocket, socket.socket]],
) -> None:
    """A peer that is gone, or a socket that is closed, costs the others nothing."""
    table = np.arange(5 * WIDTH, dtype=np.uint8).reshape(5, WIDTH)
    sending = DirectRows([(row, direct_fd(port)) for row, (port, _) in enumerate(pairs)])
    pairs[1][1].close()
    pairs[3][0].close()
    for _ in range(3):
        sending.send(table, 0, WIDTH)
    for row in (0, 2, 4):
        assert [pairs[row][1].recv(100) for _ in range(3)] == [table[row].tobytes()] * 3


@needs_build
def test_what_does_not_fit_is_refused(pairs: list[tuple[UdpRtpSocket, socket.socket]]) -> None:
    """No memory outside the tables is touched, whatever is asked for."""
    fd = direct_fd(pairs[0][0])
    table, sizes = np.zeros((4, WIDTH), np.uint8), np.zeros(4, np.int64)
    for row in (4, -1):
        with pytest.raises(ValueError, match="outside the table"):
            DirectRows([(row, fd)]).send(table, 0, WIDTH)
        with pytest.raises(ValueError, match="outside the table"):
            DirectRows([(row, fd)]).read(table, sizes)
    with pytest.raises(ValueError, match="outside the table"):
        DirectRows([(3, fd)]).read(table, sizes[:3])
    with pytest.raises(ValueError, match="outside the table"):
        DirectRows([(3, fd)]).send(table, 1, WIDTH)
    with pytest.raises(ValueError, match="negative"):
        DirectRows([(3, fd)]).send(table, -1, WIDTH)
    frozen = np.zeros((4, WIDTH), np.uint8)
    frozen.setflags(write=False)
    with pytest.raises((BufferError, ValueError)):
        DirectRows([(3, fd)]).read(frozen, sizes)
    with pytest.raises(BlockingIOError):
        pairs[0][1].recv(100)


def test_who_is_direct(
    pairs: list[tuple[UdpRtpSocket, socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not who has no peer yet, who wants the kernel's time of each packet, or is no socket."""
    port, far = pairs[0]
    single = UdpRtpSocket(bound())
    assert direct_fd(single) == NOT_DIRECT
    single.close()
    assert direct_fd(MemoryRtpSocket(MemoryNetwork(), FAR_RTP)) == NOT_DIRECT
    port.stamp(True)
    assert direct_fd(port) == NOT_DIRECT
    port.stamp(False)
    assert (direct_fd(port) != NOT_DIRECT) == direct.BUILT
    port.connect(far.getsockname())
    assert (direct_fd(port) != NOT_DIRECT) == direct.BUILT
    monkeypatch.setattr(direct, "BUILT", False)
    assert direct_fd(port) == NOT_DIRECT


def prompt(seed: int) -> tuple[bytes, int, int]:
    return octets(8000, seed), 0xFF, 8000


class Line:
    """One plane on real sockets in virtual time; loopback delivers before `send` returns.

    Call 1 talks to call 2, call 3 to call 4, and so on; each records what it hears.
    """

    def __init__(self, n_calls: int, srtp: bool) -> None:
        self.arena = PromptArena(1)
        self.plane = MediaPlane(
            self.arena.memory, UdpPoller(), random_source=random.Random(3), wall_offset_s=1.7e9
        )
        self.now = 100.0
        self.files = [FakeFile() for _ in range(n_calls)]
        ports = [(bound(), bound()) for _ in range(n_calls)]
        names: list[Address] = [rtp.getsockname() for rtp, _ in ports]
        for index, (rtp, rtcp) in enumerate(ports):
            call, other = index + 1, index ^ 1
            keys = (bytes([index]) * 30, bytes([other]) * 30)
            agreed = stream(
                remote_rtp=names[other],
                remote_rtcp=ports[other][1].getsockname(),
                srtp=SrtpParams(SUITE, *keys) if srtp and index < 8 else None,
            )
            opened = OpenCall(call, agreed)
            self.plane.apply(opened, self.now, [UdpRtpSocket(rtp), UdpRtcpSocket(rtcp)])
            self.plane.apply(OpenRecorder(call), self.now, [self.files[index]])
            clip = self.arena.clip(str(call), "PCMU", partial(prompt, call))
            part = ClipPart(clip.offset, clip.n_samples, loop=True)
            self.plane.apply(PlayItem(call, 1, part, call), self.now)

    def run(self, n_ms: int) -> None:
        for _ in range(round(n_ms / 1000 / TICK_S)):
            self.now += TICK_S
            self.plane.tick(self.now)

    def close(self) -> list[bytes]:
        """End all; returns what was recorded."""
        self.plane.close(self.now)
        self.arena.close()
        return [bytes(file.data) for file in self.files]


def a_second_of_calls(srtp: bool) -> tuple[list[bytes], tuple[int, int]]:
    """Calls with a watched one, one that is muted, and one that ends."""
    line = Line(16, srtp)
    line.run(300)
    line.plane.apply(WatchCalls((1, 2, 10)), line.now)
    line.plane.apply(SetSwitches(12, muted=True), line.now)
    line.run(300)
    line.plane.apply(CloseCall(5), line.now)
    line.plane.apply(WatchCalls(()), line.now)
    line.run(400)
    counts = line.plane.packets_in, line.plane.packets_out
    return line.close(), counts


@needs_build
@pytest.mark.parametrize("srtp", [False, True], ids=["plain", "srtp"])
def test_calls_are_the_same_without_it(srtp: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every packet sent and read, and every octet recorded, is that of the loop in Python."""
    recorded, counts = a_second_of_calls(srtp)
    used: list[int] = []
    monkeypatch.setattr(direct, "BUILT", False)
    monkeypatch.setattr(DirectRows, "send", lambda self, *_: used.append(len(self)))
    in_python, counts_in_python = a_second_of_calls(srtp)
    assert not any(used)
    assert recorded == in_python
    assert counts == counts_in_python
    assert min(counts) > 15 * 45
    assert all(len(set(data)) > 50 for data in recorded), "silence was recorded"
