"""What a message costs beside many accounts registered at a provider, in CPU time.

    python -m bench.registrations [--json FILE]

In virtual time, without a socket: one engine's switchboard, its accounts, and the registrar that
grants them all. Prints a table and keeps it as JSON (default: bench/results/registrations.json).
Two minutes.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ivrbench.engine.server import GC_THRESHOLDS
from ivrbench.engine.signalling import registrations
from ivrbench.engine.signalling.hops import Hops
from ivrbench.sip.flow import Flow
from tests.engine.provider import US, Provider

CALLER = Flow("udp", US, ("198.51.100.7", 5060))
OPTIONS = (
    "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK{n}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:a@198.51.100.7>;tag={n}\r\nTo: <sip:192.0.2.1>\r\n"
    "Call-ID: {n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
EXPIRES_S = 600


@dataclass(frozen=True)
class Result:
    """What was measured beside so many accounts."""

    accounts: int
    us_per_register: float
    """REGISTER of ours: made, sent, answered by the registrar, taken; half of it is theirs."""
    us_per_keepalive: float
    us_per_message: float
    """An OPTIONS of somebody, answered."""


def measure(accounts: int) -> Result:
    """Register, look at keepalives alone, then at refreshes, then at somebody's messages."""
    provider = Provider(accounts, expires_s=EXPIRES_S)
    provider.wait(accounts / registrations.STARTS_PER_S + 1)
    assert provider.states() == {"registered": accounts}
    pinged, began = provider.pinged, time.process_time()
    provider.wait(100.0)
    per_ping = (time.process_time() - began) / (provider.pinged - pinged)
    pinged, registered, began = provider.pinged, provider.registered, time.process_time()
    provider.wait(EXPIRES_S)
    spent = time.process_time() - began - per_ping * (provider.pinged - pinged)
    per_register = spent / (provider.registered - registered)
    per_message = min(answer_options(provider, batch) for batch in range(5))
    provider.close()
    return Result(accounts, per_register * 1e6, per_ping * 1e6, per_message * 1e6)


def answer_options(provider: Provider, batch: int) -> float:
    """CPU seconds for one OPTIONS, beside everything that is kept."""
    board = provider.board
    board._hops = Hops(board.loop, lambda: board.router, lambda data, flow: None)
    messages = [OPTIONS.format(n=f"{batch}x{n}").encode() for n in range(150)]
    began = time.process_time()
    for data in messages:
        board.receive(data, CALLER)
        board.settle()
    return (time.process_time() - began) / len(messages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / "registrations.json"
    parser.add_argument("--json", default=str(default))
    options = parser.parse_args()
    # All at once: pacing would make small numbers cheaper for each, as virtual time passes alone.
    registrations.STARTS_PER_S = 10_000.0  # type: ignore[misc]
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    print(f"{'accounts':>10}{'us/REGISTER':>14}{'us/keepalive':>14}{'us/message':>12}")
    results = []
    for accounts in (100, 1_000, 10_000):
        result = measure(accounts)
        results.append(result)
        print(
            f"{accounts:>10,}{result.us_per_register:>14.0f}{result.us_per_keepalive:>14.1f}"
            f"{result.us_per_message:>12.0f}"
        )
    path = Path(options.json)
    kept = {"python": platform.python_version(), "results": [asdict(each) for each in results]}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
