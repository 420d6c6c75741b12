"""What a call costs the media worker, beside a C loop with a socket for each call.

    python bench/media.py

Starts the real worker and two programs in C (`rtpfloor.c`, compiled here) in turns against the
same peer on loopback: the loop reads until a socket is empty, decodes and keeps what came; the
floor does only what the kernel demands. Then two workers whose calls talk to each other, plain and
encrypted; prints a table and writes `bench/results/media.json`. About two minutes. Each figure is
the median of short runs; with other work on the machine they still differ by a tenth or two.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ivrbench.media.client import MediaClient, MediaSettings
from ivrbench.media.messages import (
    CallClosed,
    CallReported,
    ClipPart,
    CloseCall,
    MediaEvent,
    OpenCall,
    OpenRecorder,
    PlayItem,
    SrtpParams,
    StreamParams,
    WatchCalls,
    WorkerReported,
)
from ivrbench.media.ports import PortPool

HERE = Path(__file__).parent
BASE_PORT = 42000
PEER_PORT = 41990
SETTLE_S = 4.0
"""All calls' first RTCP reports come within 3.75 s; later ones are half as many."""
WARM_UP_S = 0.5
MEASURED_S = 2.1
MARGIN_S = 0.5
"""The peer goes on for so long after the measured time."""
PAIR_PORT = 46000
PAIRS = ((1000, False), (1000, True)) * 3
"""Calls of each of two workers, and whether they are encrypted."""
KINDS = {
    "": "worker",
    "record": "worker, 1/3 record, 10 watched",
    "mix": "worker, 1/3 in rooms of three",
    "record mix": "worker, 1/3 record, 1/3 mix",
}
"""What the calls do besides playing, and how the table says it."""
ROUNDS = (
    (300, ("",)),
    (1000, ("", "record mix")),
    (1000, ("", "record", "mix", "record mix")),
    (1000, ("", "record", "mix", "record mix")),
)
"""Calls, and what they do; before each round the floor is measured."""


def compile_floor(folder: Path) -> Path:
    """Build the C program."""
    program = folder / "rtpfloor"
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(HERE / "rtpfloor.c")]
    subprocess.run(command, check=True)
    return program


def start_c(program: Path, role: str, calls: int, seconds: float) -> subprocess.Popen[str]:
    """Run one side of the C program."""
    arguments = [role, str(calls), str(seconds), str(BASE_PORT), str(PEER_PORT)]
    return subprocess.Popen([str(program), *arguments], stdout=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a C process printed."""
    output, _ = process.communicate(timeout=30)
    values: dict[str, Any] = json.loads(output)
    return values


def cpu_s(pid: int) -> float:
    """Exact CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory_kb(pid: int) -> int:
    """Memory of a process that is its own."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    return 0


async def measure_cpu(pid: int) -> tuple[float, float]:
    """CPU time of a process over `MEASURED_S`, and how long that really was."""
    before, start = cpu_s(pid), time.monotonic()
    await asyncio.sleep(MEASURED_S)
    return cpu_s(pid) - before, time.monotonic() - start


def measure_c(program: Path, role: str, calls: int) -> dict[str, Any]:
    """CPU of the C loop, or of the floor."""
    peer = start_c(program, "peer", calls, WARM_UP_S + MEASURED_S + MARGIN_S)
    floor = result_of(start_c(program, role, calls, MEASURED_S))
    cost = floor["cpu_s"] / (calls * MEASURED_S)
    return {
        "what": f"C {role}",
        "calls": calls,
        "cpu_ms_per_call_s": cost * 1000,
        "late_max_ms": floor["late_max_ms"],
        "missed": result_of(peer)["missed"],
    }


def stream_to(port: int, srtp: SrtpParams | None = None) -> StreamParams:
    """What the calls have agreed with whoever is at this port."""
    return StreamParams(
        codec="PCMU",
        payload_type=0,
        dtmf_payload_type=101,
        ptime_ms=20,
        remote_rtp=("127.0.0.1", port),
        remote_rtcp=("127.0.0.1", port + 1),
        send=True,
        receive=True,
        latch=False,
        dead_rtp_s=300.0,
        srtp=srtp,
    )


def lateness(reports: list[WorkerReported]) -> dict[str, float]:
    """How late ticks were, by a worker's own figures."""
    return {
        "late_p99_ms": max((report.late_p99_ms for report in reports), default=0.0),
        "late_max_ms": max((report.late_max_ms for report in reports), default=0.0),
        "skipped_ticks": sum(report.skipped_ticks for report in reports),
    }


class Bench:
    """One run of the worker."""

    def __init__(self, program: Path, calls: int, kind: str) -> None:
        self.program = program
        self.calls = calls
        self.kind = kind
        self.reports: list[WorkerReported] = []
        self.levels = 0

    def on_events(self, events: list[MediaEvent]) -> None:
        """Keep the worker's own figures."""
        self.reports += [event for event in events if isinstance(event, WorkerReported)]
        self.levels += sum(isinstance(event, CallReported) for event in events)

    def fill(self, client: MediaClient, folder: Path) -> PortPool:
        """Open the calls, each playing a prompt in a loop, recording, or in a room with two."""
        noise = np.random.default_rng(1).integers(0, 256, 800_000, np.uint8).tobytes()
        clip = client.arena.clip("noise", "PCMU", lambda: (noise, 0xFF, 8000))
        pool = PortPool("127.0.0.1", BASE_PORT, BASE_PORT + 2 * self.calls)
        for call in range(1, self.calls + 1):
            client.send(OpenCall(call, stream_to(PEER_PORT)), pool.allocate().detach())
            recorder = 0
            if "mix" in self.kind and call % 3 == 1:
                room = 1 + call // 9
                client.send(PlayItem(call, 1, None, 0, room=room, hears=True, speaks=True))
                continue
            if "record" in self.kind and call % 3 == 0:
                recorder = call
                flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
                fd = os.open(folder / f"{call}.wav", flags, 0o600)
                client.send(OpenRecorder(recorder), [fd])
            part = ClipPart(clip.offset, clip.n_samples, loop=True)
            client.send(PlayItem(call, 1, part, recorder))
        if self.kind == "record":
            client.send(WatchCalls(tuple(range(1, 11))))
        return pool

    async def run(self, folder: Path) -> dict[str, Any]:
        """Start worker and peer, measure, stop."""
        client = await MediaClient.start(MediaSettings(), self.on_events)
        pid = client.ready.pid
        empty_kb = memory_kb(pid)
        self.fill(client, folder)
        await asyncio.sleep(SETTLE_S)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp:
            # A peer has a port for RTCP too; closed, it would answer each report with an error.
            rtcp.bind(("127.0.0.1", PEER_PORT + 1))
            peer = start_c(self.program, "peer", self.calls, WARM_UP_S + MEASURED_S + MARGIN_S)
            await asyncio.sleep(WARM_UP_S)
            n_reports = len(self.reports)
            used, passed = await measure_cpu(pid)
            full_kb = memory_kb(pid)
            missed = result_of(peer)["missed"]
        # The first one also covers the time before.
        reports = self.reports[n_reports + 1 :]
        await client.close()
        return {
            "what": KINDS[self.kind],
            "calls": self.calls,
            "priority": client.ready.priority,
            "cpu_ms_per_call_s": used / (self.calls * passed) * 1000,
            **lateness(reports),
            "missed": missed,
            "in_out": [
                sum(report.packets_in for report in reports),
                sum(report.packets_out for report in reports),
            ],
            "kb_per_call": (full_kb - empty_kb) / self.calls,
        }


class Pair:
    """Two workers, each call of one talking to a call of the other."""

    def __init__(self, calls: int, *, encrypted: bool) -> None:
        self.calls = calls
        self.encrypted = encrypted
        self.reports: list[WorkerReported] = []
        self.closed: list[CallClosed] = []
        self.all_closed = asyncio.Event()

    def on_events(self, events: list[MediaEvent]) -> None:
        """Keep the workers' own figures and the calls' last counts."""
        self.reports += [event for event in events if isinstance(event, WorkerReported)]
        self.closed += [event for event in events if isinstance(event, CallClosed)]
        if len(self.closed) == 2 * self.calls:
            self.all_closed.set()

    def fill(self, client: MediaClient, here: int, there: int, *, mirrored: bool) -> None:
        """Open one side's calls."""
        noise = np.random.default_rng(1).integers(0, 256, 800_000, np.uint8).tobytes()
        clip = client.arena.clip("noise", "PCMU", lambda: (noise, 0xFF, 8000))
        pool = PortPool("127.0.0.1", here, here + 2 * self.calls)
        for call in range(1, self.calls + 1):
            port = there + 2 * (call - 1)
            keys = (bytes([1]) * 30, bytes([2]) * 30)
            suite, (send, receive) = "AES_CM_128_HMAC_SHA1_80", keys[:: -1 if mirrored else 1]
            srtp = SrtpParams(suite, send, receive) if self.encrypted else None
            client.send(OpenCall(call, stream_to(port, srtp)), pool.allocate().detach())
            client.send(PlayItem(call, 1, ClipPart(clip.offset, clip.n_samples, loop=True), 0))

    async def run(self) -> dict[str, Any]:
        """Start both workers, measure, stop."""
        clients = [await MediaClient.start(MediaSettings(), self.on_events) for _ in range(2)]
        ports = (BASE_PORT, PAIR_PORT)
        for index, client in enumerate(clients):
            self.fill(client, ports[index], ports[1 - index], mirrored=bool(index))
        await asyncio.sleep(1.0)
        n_reports = len(self.reports)
        measured = await asyncio.gather(*(measure_cpu(client.ready.pid) for client in clients))
        reports = self.reports[n_reports + 2 :]
        for client in clients:
            for call in range(1, self.calls + 1):
                client.send(CloseCall(call))
        async with asyncio.timeout(10):
            await self.all_closed.wait()
        for client in clients:
            await client.close()
        cost = sum(used / passed for used, passed in measured) / (2 * self.calls)
        return {
            "what": "two workers" + (", SRTP" if self.encrypted else ""),
            "calls": 2 * self.calls,
            "cpu_ms_per_call_s": cost * 1000,
            **lateness(reports),
            "missed": sum(event.counts.lost for event in self.closed),
        }


def one_pair(program: Path, calls: int, encrypted: bool) -> dict[str, Any]:
    """Two workers, compared with the C programs measured just before."""
    c = [measure_c(program, role, calls) for role in ("floor", "loop")]
    return compared(asyncio.run(Pair(calls, encrypted=encrypted).run()), c)


def compared(row: dict[str, Any], c: list[dict[str, Any]]) -> dict[str, Any]:
    """The row with its ratios to the C programs of the same round."""
    for found in c:
        name = found["what"].replace("C ", "x_")
        row[name] = row["cpu_ms_per_call_s"] / found["cpu_ms_per_call_s"]
    return row


def one_round(
    program: Path, folder: Path, calls: int, kinds: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The C programs once, and each kind of worker once."""
    c = [measure_c(program, role, calls) for role in ("floor", "loop")]
    workers = [asyncio.run(Bench(program, calls, kind).run(folder)) for kind in kinds]
    return [compared(row, c) for row in (*c, *workers)]


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each ratio and cost; the worst lateness and all losses of all."""
    row = dict(runs[0])
    for name in ("x_floor", "x_loop", "cpu_ms_per_call_s"):
        row[name] = sorted(run[name] for run in runs)[len(runs) // 2]
    for name in ("late_p99_ms", "late_max_ms"):
        if name in row:
            row[name] = max(run[name] for run in runs)
    for name in ("missed", "skipped_ticks"):
        if name in row:
            row[name] = sum(run[name] for run in runs)
    row["x_loop_runs"] = [round(run["x_loop"], 3) for run in runs]
    return row


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(
        f"{'':32}{'calls':>6}{'ms CPU':>9}{'calls':>8}{'x C':>8}{'x C':>8}{'late':>8}{'late':>8}",
        end="",
    )
    print(f"{'skipped':>9}{'missed':>8}{'kB':>8}")
    print(f"{'':32}{'':>6}{'/call/s':>9}{'/core':>8}{'loop':>8}{'floor':>8}", end="")
    print(f"{'p99 ms':>8}{'max ms':>8}", end="")
    print(f"{'ticks':>9}{'packets':>8}{'/call':>8}")
    for row in rows:
        cost = row["cpu_ms_per_call_s"]
        print(f"{row['what']:32}{row['calls']:6}{cost:9.3f}{1000 / cost:8.0f}", end="")
        print(
            f"{row['x_loop']:8.2f}{row['x_floor']:8.2f}{row.get('late_p99_ms', float('nan')):8.2f}",
            end="",
        )
        print(f"{row['late_max_ms']:8.2f}{row.get('skipped_ticks', 0):9}", end="")
        print(f"{row['missed']:8}{row.get('kb_per_call', float('nan')):8.1f}")


def main() -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = compile_floor(folder)
        runs: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for calls, kinds in ROUNDS:
            for row in one_round(program, folder, calls, kinds):
                runs.setdefault((row["what"], calls), []).append(row)
        for calls, encrypted in PAIRS:
            row = one_pair(program, calls, encrypted)
            runs.setdefault((row["what"], row["calls"]), []).append(row)
        rows = [middle(same) for same in runs.values()]
    show(rows)
    cost = {(row["what"], row["calls"]): row["cpu_ms_per_call_s"] for row in rows}
    gain = 2 * cost["worker", 1000] / cost["two workers", 2000]
    print(f"two workers carry {gain:.2f} times the calls of one")
    target = HERE / "results" / "media.json"
    target.parent.mkdir(exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": sys.version.split()[0],
    }
    target.write_text(
        json.dumps({"machine": machine, "two_workers_gain": round(gain, 3), "rows": rows}, indent=1)
        + "\n"
    )


if __name__ == "__main__":
    main()
