"""SIPp: runs a scenario of `tests/interop/sipp` against an engine."""

from __future__ import annotations

import asyncio
import csv
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .network import IP, free_port, until_open
from .processes import always_in_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from .engine import Engine

__all__ = ["SippResult", "run_sipp", "sipp_at"]

SCENARIOS = Path(__file__).parents[1] / "sipp"
T1_MS = 500
GIVES_UP_S = 110


@dataclass(frozen=True, slots=True)
class SippResult:
    """How a run went."""

    exit_code: int
    """0: every call went as the scenario says."""
    successful: int
    failed: int
    retransmissions: int
    errors: str
    """What SIPp complained about."""


async def run_sipp(
    engine: Engine,
    scenario: str,
    folder: Path,
    *,
    script: str = "answer",
    calls: int = 1,
    per_s: int = 10,
    hold_ms: int = 500,
    transport: str = "udp",
    within_s: int = 120,
    t1_ms: int = T1_MS,
    more: Sequence[str] = (),
) -> SippResult:
    """Run `scenario` for a number of calls and return what came of it.

    Args:
        engine: the engine to call.
        scenario: name of the XML file.
        folder: where SIPp may write.
        script: user part of the Request-URI.
        calls: how many in all.
        per_s: new calls a second.
        hold_ms: how long a call stays up, where the scenario has a plain pause.
        transport: "udp" or "tcp".
        within_s: then SIPp gives up.
        t1_ms: when SIPp sends again what nobody answered.
        more: further options of SIPp.
    """
    path = SCENARIOS / f"{scenario}.xml"
    if t1_ms != T1_MS:
        text = path.read_text().replace(f'retrans="{T1_MS}"', f'retrans="{t1_ms}"')
        path = folder / path.name
        path.write_text(text)
    statistics = folder / f"{scenario}.csv"
    errors = folder / f"{scenario}.errors"
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"{IP}:{engine.port(transport)}", "-sf", str(path)),
        *("-t", "u1" if transport == "udp" else "t1", "-s", script),
        *("-i", IP, "-p", str(free_port(kind)), "-mi", IP, "-mp", str(free_port(kind) & ~3)),
        *("-m", str(calls), "-r", str(per_s), "-l", str(calls), "-d", str(hold_ms)),
        *(
            "-nostdin",
            "-timeout",
            f"{within_s}s",
            "-timeout_error",
            "-recv_timeout",
            str(GIVES_UP_S * 1000),
        ),
        *("-trace_err", "-error_file", str(errors)),
        *("-trace_stat", "-stf", str(statistics), "-fd", "1"),
        *more,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=always_in_time,
    )
    try:
        async with asyncio.timeout(within_s + 10):
            complaint = (await process.communicate())[1].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if errors.exists():
        complaint += errors.read_text(errors="replace")[:4_000]
    with statistics.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    last = rows[-1]
    return SippResult(
        exit_code=process.returncode or 0,
        successful=int(last["SuccessfulCall(C)"]),
        failed=int(last["FailedCall(C)"]),
        retransmissions=int(last["Retransmissions(C)"]),
        errors=complaint,
    )


@asynccontextmanager
async def sipp_at(
    port: int, scenario: str, folder: Path, *more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A SIPp with one of its own scenarios, which takes messages at a UDP port by now."""
    process = await asyncio.create_subprocess_exec(
        *("sipp", "-sn", scenario, "-i", IP, "-p", str(port), "-mi", IP, "-nostdin"),
        *("-timeout", f"{GIVES_UP_S}s", "-timeout_error", *more),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=always_in_time,
    )
    try:
        await until_open(port)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
