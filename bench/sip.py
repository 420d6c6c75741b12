"""How fast the SIP core is, in memory: no sockets, one core, CPU seconds.

    python bench/sip.py [--json FILE] [--seconds 2]

Prints a table and keeps it as JSON (default: bench/results/sip.json).
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import InviteReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.guard import SourceGuard
from ivrbench.sip.parser import parse_message
from ivrbench.sip.settings import EndpointSettings

if TYPE_CHECKING:
    from collections.abc import Callable

FLOW = Flow("udp", ("192.0.2.10", 5060), ("192.0.2.20", 5060))
SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.20\r\ns=-\r\n"
    "c=IN IP4 192.0.2.20\r\nt=0 0\r\n"
    "m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
)
INVITE = (
    "INVITE sip:menu@192.0.2.10:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-proxy-{n};rport\r\n"
    "Via: SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bK-caller-{n};received=203.0.113.9\r\n"
    "Max-Forwards: 69\r\n"
    'From: "Alice Example" <sip:alice@example.org>;tag=f{n}\r\n'
    "To: <sip:menu@example.net>\r\n"
    "Call-ID: {n}-a84b4c76e66710@pc33.example.org\r\n"
    "CSeq: 314159 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.20:5060>\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, INFO\r\n"
    "Supported: replaces, timer\r\n"
    "User-Agent: Example Phone 1.0\r\n"
    "P-Asserted-Identity: <sip:alice@example.org>\r\n"
    "P-App-Param: language=en;greeting=morning;account=4711\r\n"
    "Accept: application/sdp, application/dtmf-relay\r\n"
    "Content-Type: application/sdp\r\n"
    f"Content-Length: {len(SDP)}\r\n\r\n{SDP}"
)
LATER = (
    "{method} sip:menu@192.0.2.10:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-{method}-{n};rport\r\n"
    "Max-Forwards: 69\r\n"
    'From: "Alice Example" <sip:alice@example.org>;tag=f{n}\r\n'
    "To: <sip:menu@example.net>;tag={tag}\r\n"
    "Call-ID: {n}-a84b4c76e66710@pc33.example.org\r\n"
    "CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
)


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    what: str
    per_cpu_second: float
    goal: float


def rate(batch: Callable[[int], int], seconds: float) -> float:
    """Best of three runs of `batch` (which returns how many things it did), per CPU second."""
    best = 0.0
    number = 0
    for _ in range(3):
        done = 0
        start = time.process_time()
        while (spent := time.process_time() - start) < seconds / 3:
            done += batch(number)
            number += 1
        best = max(best, done / spent)
    return best


def parse_only(_: int) -> int:
    data = INVITE.format(n=1).encode()
    for _ in range(1000):
        parse_message(data)
    return 1000


def parse_and_route(_: int) -> int:
    data = INVITE.format(n=1).encode()
    for _ in range(1000):
        message = parse_message(data)
        message.check()
        assert message.via.branch
    return 1000


def invite_messages(batch: int, count: int) -> list[tuple[str, bytes]]:
    names = [f"{batch}x{number}" for number in range(count)]
    return [(name, INVITE.format(n=name).encode()) for name in names]


class Calls:
    """Batches of calls through one endpoint; messages are made outside the measured time."""

    def __init__(self, *, with_bye: bool, settings: EndpointSettings | None = None) -> None:
        self.endpoint = Endpoint(settings)
        self.with_bye = with_bye
        self.now = 0.0

    def batch(self, number: int, count: int = 500) -> float:
        """CPU seconds for `count` calls: INVITE, 100, 200, ACK[, BYE, 200], all timers run out."""
        invites = invite_messages(number, count)
        start = time.process_time()
        tags = [(name, self._set_up(data)) for name, data in invites]
        spent = time.process_time() - start
        acks, byes = (
            [LATER.format(method=method, n=name, tag=tag, cseq=cseq).encode() for name, tag in tags]
            for method, cseq in (("ACK", 314159), ("BYE", 314160))
        )
        start = time.process_time()
        self._receive(acks)
        if self.with_bye:
            self._receive(byes)
        self._run_dry()
        spent += time.process_time() - start
        if not self.with_bye:
            # The calls stay up; ending them is not what this line measures.
            self._receive(byes)
            self._run_dry()
        return spent

    def set_up_and_keep(self, number: int, count: int, extra: str) -> None:
        """Calls that stay up, their INVITEs with more header lines."""
        for name, data in invite_messages(number, count):
            tag = self._set_up(data.replace(b"Content-Type", extra.encode() + b"Content-Type"))
            ack = LATER.format(method="ACK", n=name, tag=tag, cseq=314159)
            self._receive([ack.encode()])

    def _set_up(self, invite: bytes) -> str:
        self.endpoint.receive(invite, FLOW, self.now)
        event = self.endpoint.next_event()
        assert isinstance(event, InviteReceived)
        event.call.accept(body=b"v=0\r\n", content_type="application/sdp", now=self.now)
        self.endpoint.to_send()
        return event.call.dialog.local_tag

    def _receive(self, messages: list[bytes]) -> None:
        for data in messages:
            self.endpoint.receive(data, FLOW, self.now)
            while self.endpoint.next_event():
                pass
            self.endpoint.to_send()

    def _run_dry(self) -> None:
        """Let every timer run out."""
        while (due := self.endpoint.deadline()) is not None:
            self.now = due
            self.endpoint.on_deadline(due)
        self.endpoint.to_send()


def call_rate(seconds: float, *, with_bye: bool) -> float:
    calls = Calls(with_bye=with_bye)
    spent = [calls.batch(number) for number in range(max(3, int(seconds * 4)))]
    stats = calls.endpoint.stats()
    assert stats.calls == stats.server_transactions == stats.timers == 0, "something was kept"
    return 500 / min(spent)


def refusal_rate(endpoint: Endpoint, seconds: float, now: float) -> float:
    """Calls refused a second, CPU, beside whatever else is alive in `endpoint`."""
    best = 1e9
    for number in range(1, max(3, int(seconds * 4)) + 1):
        invites = invite_messages(number, 300)
        start = time.process_time()
        for _, data in invites:
            endpoint.receive(data, FLOW, now)
            event = endpoint.next_event()
            assert isinstance(event, InviteReceived)
            event.call.reject(486, now=now)
            endpoint.next_event()
            endpoint.to_send()
            endpoint.deadline()
        best = min(best, time.process_time() - start)
    return 300 / best


def live_rate(seconds: float, live: int) -> float:
    """Beside `live` transactions that wait for their timers."""
    endpoint = Endpoint()
    for _, data in invite_messages(0, live):
        endpoint.receive(data, FLOW, 0.0)
        endpoint.to_send()
        endpoint.next_event()
    return refusal_rate(endpoint, seconds, 1.0)


def idle_rate(seconds: float, idle: int) -> float:
    """Beside `idle` calls that are up, each with a session timer of its own length."""
    calls = Calls(with_bye=False, settings=EndpointSettings(max_session_expires_s=3600))
    for batch in range(idle // 500):
        calls.set_up_and_keep(batch, 500, f"Session-Expires: {900 + batch};refresher=uac\r\n")
    calls.endpoint.on_deadline(calls.now + 40.0)
    calls.endpoint.to_send()
    assert calls.endpoint.stats().calls == idle
    return refusal_rate(calls.endpoint, seconds, calls.now + 41.0)


def garbage_rate(seconds: float) -> float:
    """Datagrams of one flooding source that the guard turns away."""
    endpoint = Endpoint(guard=SourceGuard())
    data = INVITE.format(n=1).encode()[:200]

    def batch(number: int) -> int:
        for _ in range(1000):
            endpoint.receive(data, FLOW, number / 1000)
        return 1000

    return rate(batch, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", default=str(Path(__file__).parent / "results" / "sip.json"))
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time for each line")
    options = parser.parse_args()
    gc.freeze()
    seconds: float = options.seconds
    size = len(INVITE.format(n=1).encode())
    results = [
        Result(f"parse, {size}-byte INVITE", rate(parse_only, seconds), 0),
        Result("parse and routing fields", rate(parse_and_route, seconds), 45_000),
        Result("INVITE 100 200 ACK, timers out", call_rate(seconds, with_bye=False), 10_000),
        Result("INVITE 100 200 ACK BYE 200, timers out", call_rate(seconds, with_bye=True), 0),
        *(
            Result(f"INVITE 100 486 beside {live:,} transactions", live_rate(seconds, live), 0)
            for live in (100, 1_000, 5_000, 20_000)
        ),
        *(
            Result(f"INVITE 100 486 beside {idle:,} calls", idle_rate(seconds, idle), 0)
            for idle in (500, 2_500, 10_000)
        ),
        Result("garbage of one source, with a guard", garbage_rate(seconds), 0),
    ]
    report(results, Path(options.json))


def report(results: list[Result], path: Path) -> None:
    """Print the table and keep it."""
    print(f"{'SIP core, in memory':<46}{'per CPU-second':>16}{'goal':>10}")
    for result in results:
        goal = f"{result.goal:,.0f}" if result.goal else "-"
        print(f"{result.what:<46}{result.per_cpu_second:>16,.0f}{goal:>10}")
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"python": platform.python_version(), "results": [asdict(each) for each in results]}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
