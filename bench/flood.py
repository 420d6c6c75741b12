"""How soon good callers are answered while somebody floods the engine with garbage.

    python -m bench.flood

Starts `ivrbench --serve` on loopback, calls it with `callload.c` without and with 5 000 datagrams
of garbage a second beside it. This machine is trusted, so nothing is banned: every datagram is
looked at. Prints a table and writes `bench/results/flood.json`. About half a minute.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.setup import HERE, SIP_PORT, EngineUnderTest

GARBAGE_PER_S = 5_000
SECONDS = 10.0
CALLS_PER_S = 50
IN_FLIGHT = 200
BURST_S = 0.01
P99_LIMIT_MS = 200.0
LOG_LEVEL = 1  # Warnings: a line for each good call would hide those for garbage.

GOOD = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: x\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def garbage(n_datagrams: int) -> list[bytes]:
    """Noise, and SIP messages that are cut or have bytes changed."""
    dice = random.Random(1)
    made = []
    for number in range(n_datagrams):
        if number % 2:
            made.append(dice.randbytes(dice.randrange(20, 600)))
            continue
        text = bytearray(GOOD)
        for _ in range(5):
            text[dice.randrange(len(text))] = dice.randrange(256)
        made.append(bytes(text[: dice.randrange(20, len(text))]))
    return made


class Flood:
    """Sends garbage from a thread of its own until it is told to stop."""

    def __init__(self, per_s: int) -> None:
        self.sent = 0
        self._per_s = per_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        datagrams = garbage(1_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            began_s = time.monotonic()
            while not self._stopped.wait(BURST_S):
                due = int((time.monotonic() - began_s) * self._per_s)
                while self.sent < due:
                    sock.sendto(datagrams[self.sent % len(datagrams)], ("127.0.0.1", SIP_PORT))
                    self.sent += 1

    def stop(self) -> int:
        """End it; how many datagrams went out."""
        self._stopped.set()
        self._thread.join()
        return self.sent


def measure(program: Path, per_s: int) -> dict[str, Any]:
    """Call with this much garbage beside."""
    with tempfile.TemporaryDirectory() as folder:
        under_test = EngineUnderTest(Path(folder) / "engine", log_level=LOG_LEVEL)
        try:
            flood = Flood(per_s)
            command = [str(program), "127.0.0.1", str(SIP_PORT), "caller", str(SECONDS)]
            command += [str(CALLS_PER_S), str(IN_FLIGHT), "caller"]
            said = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
            sent = flood.stop()
        finally:
            under_test.close()
    result: dict[str, Any] = json.loads(said)
    return {**result, "garbage": sent, "log_lines": len(under_test.log.splitlines())}


def main() -> None:
    """Measure, print, keep."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "callload"
        flags = ["-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE"]
        command = ["cc", *flags, "-o", str(program), str(HERE / "callload.c")]
        subprocess.run(command, check=True)
        print("garbage/s    sent  calls  failed  repeated  mean ms   p99 ms  worst ms  log lines")
        for per_s in (0, GARBAGE_PER_S):
            result = results[f"{per_s} datagrams of garbage/s"] = measure(program, per_s)
            print(
                f"{per_s:9} {result['garbage']:7} {result['done']:6} {result['failed']:7} "
                f"{result['repeated']:9} {result['mean_ms']:8.1f} {result['p99_ms']:8.1f} "
                f"{result['worst_ms']:9.1f} {result['log_lines']:10}"
            )
    kept = HERE / "results" / "flood.json"
    kept.write_text(json.dumps(results, indent=2) + "\n")
    if result["failed"] or result["p99_ms"] >= P99_LIMIT_MS:
        raise SystemExit(f"good callers are not answered within {P99_LIMIT_MS:.0f} ms")


if __name__ == "__main__":
    main()
