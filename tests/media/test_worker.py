"""The real worker process with real sockets on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.errors import MediaError
from ivrbench.media.client import InlineMedia, MediaClient, MediaSettings
from ivrbench.media.memory import MemoryNetwork
from ivrbench.media.messages import (
    CallClosed,
    ClipPart,
    CloseCall,
    CloseRecorder,
    ItemEnded,
    MediaEvent,
    OpenCall,
    OpenRecorder,
    PlayItem,
    RecorderClosed,
    RtpStarted,
    WorkerReady,
)
from ivrbench.media.ports import PortPool
from ivrbench.media.worker import Worker, attach, take_priority
from ivrbench.rtp.packet import RtpPacket, parse_rtp

from .lab import OUR_IP, Lab, octets, stream
from .own_address import OWN_IP

if TYPE_CHECKING:
    from pathlib import Path

net = pytest.mark.net
DEADLINE_S = 20.0


class Watcher:
    """Collects events and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[MediaEvent] = []
        self._news = asyncio.Event()

    def __call__(self, events: list[MediaEvent]) -> None:
        self.events += events
        self._news.set()

    async def wait(self, kind: type[Any]) -> Any:
        """The first event of a kind, of any type, hence Any."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self._news.clear()
                await self._news.wait()


@net
async def test_worker_plays_and_records(tmp_path: Path) -> None:
    """Prompt out and recording in through the process: golden audio, valid file, no leak."""
    watcher = Watcher()
    client = await MediaClient.start(MediaSettings(prompt_memory_mb=1), watcher)
    assert client.ready.pid == (await watcher.wait(WorkerReady)).pid
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    far.setblocking(False)
    pool = PortPool(OWN_IP, 22_100, 22_199)
    pair = pool.allocate()
    prompt = octets(1600)
    clip = client.arena.clip("p", "PCMU", lambda: (prompt, 0xFF, 8000))
    client.send(OpenCall(1, stream(remote_rtp=far.getsockname(), remote_rtcp=None)), pair.detach())
    fd = os.open(tmp_path / "r.wav", os.O_RDWR | os.O_CREAT, 0o600)
    client.send(OpenRecorder(1, limit_ms=60), [fd])
    client.send(PlayItem(1, 1, ClipPart(clip.offset, clip.n_samples), 0))
    client.send(PlayItem(1, 2, None, 1))
    loop = asyncio.get_running_loop()
    heard = b""
    async with asyncio.timeout(DEADLINE_S):
        for number in range(10_000):
            packet = parse_rtp(await loop.sock_recv(far, 2048))
            assert packet is not None
            heard += packet.payload
            said = RtpPacket(0, number & 0xFFFF, number * 160, 5, octets(160))
            far.sendto(said.to_bytes(), (OWN_IP, pair.port))
            if any(isinstance(e, ItemEnded) and e.item == 2 for e in watcher.events):
                break
    assert heard.startswith(prompt)
    assert (await watcher.wait(RtpStarted)).source == far.getsockname()
    assert (tmp_path / "r.wav").stat().st_size == 44 + 960
    client.send(CloseRecorder(1))
    client.send(CloseCall(1))
    assert (await watcher.wait(RecorderClosed)).n_bytes == 960
    await watcher.wait(CallClosed)
    pair.release()
    assert len(os.listdir(f"/proc/{client.ready.pid}/fd")) < 12
    again = PortPool(OWN_IP, pair.port, pair.port + 1).allocate()
    again.release()
    await client.close()
    assert "ended with status 0" in client.exited.result()
    far.close()


@net
async def test_worker_ends_with_its_engine() -> None:
    """The socket closes: the worker is gone, however many commands were on their way."""
    watcher = Watcher()
    client = await MediaClient.start(MediaSettings(prompt_memory_mb=1), watcher)
    for number in range(500):
        client.send(CloseCall(number))
    await client.close()
    async with asyncio.timeout(DEADLINE_S):
        assert "status 0" in await client.exited
    client.send(CloseCall(1))
    with pytest.raises(ProcessLookupError):
        os.kill(client.ready.pid, 0)


@net
async def test_death_of_the_worker_is_told() -> None:
    """A killed worker completes `exited` with a sentence; what is sent later closes its files."""
    client = await MediaClient.start(MediaSettings(prompt_memory_mb=1), Watcher())
    os.kill(client.ready.pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        assert "killed by signal 9" in await client.exited
    inner, outer = os.pipe()
    client.send(OpenRecorder(1), [outer])
    assert os.read(inner, 1) == b""
    os.close(inner)
    await client.close()


@net
async def test_worker_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how it ended."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MediaError, match="did not start: .* status 1"):
        await MediaClient.start(MediaSettings(prompt_memory_mb=1), Watcher())


@net
async def test_full_disk_for_real() -> None:
    """/dev/full refuses every byte: the recording ends with the system's sentence."""
    watcher = Watcher()
    media = InlineMedia(watcher, memory=False)
    pair = PortPool(OWN_IP, 22_100, 22_199).allocate()
    media.send(OpenCall(1, stream(remote_rtp=("127.0.0.1", 9))), pair.detach())
    media.send(OpenRecorder(1), [os.open("/dev/full", os.O_WRONLY)])
    media.send(PlayItem(1, 1, None, 1))
    for n in range(20):
        media.pump(100 + n * 0.005)
    (closed,) = [event for event in watcher.events if isinstance(event, RecorderClosed)]
    assert closed.error == "recording stopped: No space left on device"
    await media.close()
    pair.release()


@pytest.mark.parametrize(("command", "n"), [(OpenCall(1, stream()), 1), (OpenRecorder(1), 0)])
def test_descriptors_that_did_not_arrive(command: OpenCall | OpenRecorder, n: int) -> None:
    """At the limit of open files the kernel drops some: those that came are closed, and said."""
    inner, outer = os.pipe()
    fds = [outer][:n]
    with pytest.raises(MediaError, match="too many open files"):
        attach(command, fds)
    os.close(inner)
    if n:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(outer)
    else:
        os.close(outer)


@pytest.mark.parametrize(
    ("refused", "priority"),
    [((), "SCHED_FIFO 10"), (("fifo",), "nice -15"), (("fifo", "nice"), "normal")],
)
def test_best_priority_allowed(
    monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...], priority: str
) -> None:
    """SCHED_FIFO, else nice, else nothing; the note says what to grant."""

    def answer(name: str) -> None:
        if name in refused:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", lambda *_: answer("fifo"))
    monkeypatch.setattr(os, "setpriority", lambda *_: answer("nice"))
    got, note = take_priority()
    assert got == priority
    assert ("LimitRTPRIO" in note) == bool(refused)


@pytest.mark.parametrize(("due", "skipped"), [(1, 0), (2, 0), (3, 1), (40, 38)])
def test_late_worker_skips_and_never_bursts(due: int, skipped: int) -> None:
    """Two ticks are done at once at most; those before them are left out, their time passes."""
    lab = Lab()
    for call in range(1, 5):
        lab.open(call, 4000 + 2 * call)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    Worker(ours, lab.plane).tick(due, lab.now)
    ours.close()
    theirs.close()
    n_sent = 0
    while lab.rtp.receive() is not None:
        n_sent += 1
    assert n_sent == min(due, 2)
    punctual = Lab()
    for call in range(1, 5):
        punctual.open(call, 4000 + 2 * call)
    punctual.run(due * 5)
    punctual.sent.clear()
    lab.run(20)
    punctual.run(20)
    assert [p.timestamp for p in lab.sent] == [p.timestamp for p in punctual.sent]
    behind = [
        (p.sequence - q.sequence) & 0xFFFF for p, q in zip(punctual.sent, lab.sent, strict=True)
    ]
    assert sum(behind) == skipped


async def test_inline_twin_has_the_same_interface() -> None:
    """`InlineMedia` in virtual time: commands at the next tick, events from `pump`."""
    watcher = Watcher()
    media = InlineMedia(watcher)
    network = MemoryNetwork()
    prompt = octets(800)
    clip = media.arena.clip("p", "PCMU", lambda: (prompt, 0xFF, 8000))
    media.send(OpenCall(1, stream()), network.pair(OUR_IP, 4000))
    media.send(PlayItem(1, 1, ClipPart(clip.offset, clip.n_samples), 0))
    media.pump(50.0)
    media.pump(50.2)
    assert [e.reason for e in watcher.events if isinstance(e, ItemEnded)] == ["played"]
    await media.close()
    assert isinstance(watcher.events[-1], CallClosed)
    assert media.exited.done()
    assert network.n_sockets == 0
