"""The media worker: a thin shell with sockets, priority and deadlines around `MediaPlane`.

Started by the engine as `python -m ivrbench.media.worker`; ends when the engine's socket closes.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import signal
import socket
import time
from typing import TYPE_CHECKING, Final

from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.media.arena import map_arena
from ivrbench.media.channel import MessageSender, decode_commands, receive_packet
from ivrbench.media.disk import DiskWriter, FdFile
from ivrbench.media.plane import TICK_S, MediaPlane
from ivrbench.media.sockets import UdpPoller, UdpRtcpSocket, UdpRtpSocket

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Worker", "attach", "main", "take_priority"]

FIFO_PRIORITY: Final = 10
NICENESS: Final = -15
MIN_SLEEP_S: Final = 0.0005
"""Slept in every tick, so that at SCHED_FIFO others get a tenth of the core whatever happens."""
MAX_BURST: Final = 2
"""Ticks done at once after a delay; those before them are skipped."""
OBEY_S: Final = 0.002
"""Time for commands in one tick; a rush of new calls must not delay those that are up."""
REPORT_S: Final = 1.0
MAX_UNSENT: Final = 10_000
"""Events waiting for an engine that does not read; beyond that, reports are left out."""
_DESCRIPTORS: Final = {messages.OpenCall: 2, messages.OpenRecorder: 1}


def attach(command: messages.Command, fds: Sequence[int]) -> tuple[list[object], int]:
    """Make sockets and files of the descriptors that a command owns.

    Args:
        command: the command.
        fds: descriptors that were not taken by earlier commands.

    Returns:
        What to give to `MediaPlane.apply`, and how many descriptors that took.

    Raises:
        MediaError: the kernel did not pass them all, because we may not have more open files.
    """
    n_needed = _DESCRIPTORS.get(type(command), 0)
    if len(fds) < n_needed:
        for fd in fds:
            os.close(fd)
        raise MediaError("the media worker has too many open files: raise the limit (ulimit -n)")
    if isinstance(command, messages.OpenCall):
        rtp, rtcp = (socket.socket(fileno=fd) for fd in fds[:2])
        return [UdpRtpSocket(rtp), UdpRtcpSocket(rtcp)], 2
    if isinstance(command, messages.OpenRecorder):
        return [FdFile(fds[0])], 1
    return [], 0


class Worker:
    """The loop.

    Args:
        channel: our end of the socket pair to the engine, non-blocking.
        plane: what is driven.
    """

    def __init__(self, channel: socket.socket, plane: MediaPlane) -> None:
        self._channel = channel
        self._plane = plane
        self._sender = MessageSender(channel)
        self._lateness_s: list[float] = []
        self._busy_s = 0.0
        self._ticks = 0
        self._skipped = 0
        self._report_at = 0.0
        self._packets = (0, 0)

    def run(self, ready: messages.WorkerReady) -> None:
        """Tick until the engine is gone."""
        self._sender.add(ready)
        deadline = time.monotonic() + TICK_S
        self._report_at = deadline + REPORT_S
        while True:
            time.sleep(max(deadline - time.monotonic(), MIN_SLEEP_S))
            start = time.monotonic()
            late_s = max(0.0, start - deadline)
            due = 1 + int(late_s / TICK_S)
            if not self._obey(start):
                break
            self.tick(due, start)
            deadline += due * TICK_S
            self._lateness_s.append(late_s)
            self._busy_s += time.monotonic() - start
            if start >= self._report_at:
                self._report(start)
            self._sender.flush()
        self._plane.close(time.monotonic())

    def tick(self, due: int, now: float) -> None:
        """Do the ticks that are due; what is too late for a burst is skipped."""
        if due > MAX_BURST:
            self._plane.skip(due - MAX_BURST)
            self._skipped += due - MAX_BURST
        for _ in range(min(due, MAX_BURST)):
            self._ticks += 1
            for event in self._plane.tick(now):
                if not isinstance(event, messages.CallReported) or self._engine_reads:
                    self._sender.add(event)

    @property
    def _engine_reads(self) -> bool:
        return len(self._sender) < MAX_UNSENT

    def _obey(self, now: float) -> bool:
        """Take the commands that came. False: the engine is gone."""
        while time.monotonic() < now + OBEY_S:
            packet = receive_packet(self._channel)
            if packet is None:
                break
            data, fds = packet
            if not data:
                return False
            for command in decode_commands(data):
                try:
                    attached, n_taken = attach(command, fds)
                except MediaError as exc:
                    self._refuse(command, str(exc))
                    fds = []
                    continue
                fds = fds[n_taken:]
                self._plane.apply(command, now, attached)
        return True

    def _refuse(self, command: messages.Command, reason: str) -> None:
        """A call or a recorder that could not be opened is closed as far as the engine sees."""
        if isinstance(command, messages.OpenCall):
            self._sender.add(messages.CallClosed(command.call, messages.StreamCounts()))
        elif isinstance(command, messages.OpenRecorder):
            self._sender.add(messages.RecorderClosed(command.recorder, 0, reason))

    def _report(self, now: float) -> None:
        late_ms = sorted(late_s * 1000 for late_s in self._lateness_s)
        packets = (self._plane.packets_in, self._plane.packets_out)
        if self._engine_reads:
            self._sender.add(
                messages.WorkerReported(
                    calls=self._plane.n_calls,
                    ticks=self._ticks,
                    late_p50_ms=round(late_ms[len(late_ms) // 2], 3),
                    late_p99_ms=round(late_ms[len(late_ms) * 99 // 100], 3),
                    late_max_ms=round(late_ms[-1], 3),
                    busy_ms_per_tick=round(self._busy_s * 1000 / self._ticks, 3),
                    skipped_ticks=self._skipped,
                    packets_in=packets[0] - self._packets[0],
                    packets_out=packets[1] - self._packets[1],
                )
            )
        self._lateness_s.clear()
        self._busy_s, self._ticks, self._skipped, self._packets = 0.0, 0, 0, packets
        self._report_at = now + REPORT_S


def take_priority() -> tuple[str, str]:
    """The best scheduling we are allowed: what it is, and why it is not better."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
    except OSError as exc:
        note = (
            f"SCHED_FIFO refused ({exc.strerror}): "
            f"grant CAP_SYS_NICE or LimitRTPRIO={FIFO_PRIORITY}"
        )
    else:
        return f"SCHED_FIFO {FIFO_PRIORITY}", ""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    except OSError:
        return "normal", note
    return f"nice {NICENESS}", note


def _raise_file_limit() -> None:
    """Three sockets for each call."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the worker process.

    Args:
        arguments: `--channel FD --arena FD`, both inherited.
    """
    parser = argparse.ArgumentParser(prog="python -m ivrbench.media.worker")
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--arena", type=int, required=True)
    options = parser.parse_args(arguments)
    # Ctrl-C in the terminal is the engine's business; we end when it closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _raise_file_limit()
    priority, note = take_priority()
    channel = socket.socket(fileno=options.channel)
    channel.setblocking(False)
    arena = map_arena(options.arena, writable=False)
    os.close(options.arena)
    plane = MediaPlane(
        arena,
        UdpPoller(),
        # The writing thread inherits our priority: it must not keep the interpreter waiting.
        writer=DiskWriter(),
        in_threads=True,
        wall_offset_s=time.time() - time.monotonic(),
    )
    gc.collect()
    gc.freeze()
    gc.disable()
    Worker(channel, plane).run(messages.WorkerReady(os.getpid(), priority, note))


if __name__ == "__main__":
    main()
