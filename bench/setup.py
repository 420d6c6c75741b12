"""What a call costs the engine, and how soon scripts hear of keys and run after a save.

    python bench/setup.py

Starts `ivrbench --serve` on loopback and loads it with `callload.c`, compiled here. Prints a
table and writes `bench/results/setup.json`. About a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivrbench.observe.client import ControlClient
from ivrbench.observe.events import ScriptLoaded
from ivrbench.rtp.dtmf import dtmf_packets
from ivrbench.rtp.packet import RtpPacket
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import ResponseReceived
from ivrbench.sip.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SIP_PORT = 5390
SECONDS = 5.0
IN_FLIGHT = 30
RATE = 300
RATE_SECONDS = 10.0
LIVE_CALLS = 1000
KEYS = 40
RELOADS = 15
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

SCRIPTS = {
    "plain": "pass",
    "caller": (
        "def onSessionStart(self):\n        pass\n    def onBye(self):\n        self.stopSession()"
    ),
    "hangup": "def onSessionStart(self):\n        self.stopSession()",
    "keys": (
        "def onDtmf(self, key, duration):\n"
        "        with open(config['file'], 'a') as file:\n"
        "            file.write('%d %f\\n' % (key, time.monotonic()))"
    ),
}
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class EngineUnderTest:
    """An engine process in a folder of its own."""

    def __init__(self, folder: Path, more: str = "", log_level: int = 1) -> None:
        self.scripts = folder / "scripts"
        self.scripts.mkdir(parents=True)
        for name, body in SCRIPTS.items():
            self.write(name, body)
        (self.scripts / "keys.conf").write_text(f"file = {folder}/keys\n")
        self.socket = folder / "control"
        self.log = ""
        """What it wrote to its log; known when it was closed."""
        config = folder / "ivr.conf"
        config.write_text(
            f"script_path = {self.scripts}\nsip_port = {SIP_PORT}\nloglevel = {log_level}\n"
            f"control_socket = {self.socket}\nrtp_low_port = 20000\nrtp_high_port = 29999\n{more}"
        )
        command = [sys.executable, "-m", "ivrbench", "--serve", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        end = time.monotonic() + 20
        while not answers_options():
            if self.process.poll() is not None or time.monotonic() > end:
                _, said = self.process.communicate()
                raise SystemExit(f"the engine did not start: {said.decode()}")

    def write(self, name: str, body: str) -> None:
        """Write one script."""
        text = f"from ivr import *\nimport time\nclass IvrDialog(IvrDialogBase):\n    {body}\n"
        (self.scripts / f"{name}.py").write_text(text)

    @property
    def cpu_s(self) -> float:
        """CPU time of the engine process alone; the media worker is another."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    @property
    def memory_kb(self) -> int:
        """Resident memory that is its own."""
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(x.split()[1]) for x in lines if x.startswith("Private"))

    def close(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log = self.process.communicate()[1].decode(errors="replace")


def answers_options() -> bool:
    """Ask whether somebody takes SIP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect(("127.0.0.1", SIP_PORT))
        own = f"127.0.0.1:{sock.getsockname()[1]}"
        with contextlib.suppress(OSError):
            sock.send(
                f"OPTIONS sip:127.0.0.1:{SIP_PORT} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{time.time_ns()}\r\nMax-Forwards: 1\r\n"
                f"From: <sip:b@{own}>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {time.time_ns()}\r\n"
                "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return bool(sock.recv(2000))
        time.sleep(0.1)
        return False


@contextlib.contextmanager
def engine(more: str = "") -> Iterator[EngineUnderTest]:
    """An engine for one measurement."""
    with tempfile.TemporaryDirectory() as folder:
        under_test = EngineUnderTest(Path(folder) / "engine", more)
        try:
            yield under_test
        finally:
            under_test.close()


def load(
    program: Path, script: str, seconds: float, rate: float, in_flight: int, who: str
) -> subprocess.Popen[str]:
    """Start the load."""
    arguments = ["127.0.0.1", str(SIP_PORT), script, str(seconds), str(rate), str(in_flight), who]
    return subprocess.Popen([str(program), *arguments], stdout=subprocess.PIPE, text=True)


def per_cpu_second(program: Path, script: str, who: str, rate: float = 0.0) -> dict[str, Any]:
    """Set calls up and down and see what CPU time that takes."""
    with engine() as under_test:
        load(program, script, 0.5, 0, IN_FLIGHT, who).communicate()  # warm
        before = under_test.cpu_s
        seconds, in_flight = (RATE_SECONDS, 10_000) if rate else (SECONDS, IN_FLIGHT)
        out, _ = load(program, script, seconds, rate, in_flight, who).communicate()
        result: dict[str, Any] = json.loads(out)
        used = under_test.cpu_s - before
    result["cpu_s"] = round(used, 2)
    result["calls_per_cpu_s"] = round(result["done"] / used)
    return result


def memory_per_call(program: Path) -> float:
    """Private memory of the engine for each call that is up, in kB."""
    with engine() as under_test:
        load(program, "caller", 0.5, 0, IN_FLIGHT, "caller").communicate()
        before = under_test.memory_kb
        process = load(program, "caller", 4, 400, LIVE_CALLS, "script")
        time.sleep(LIVE_CALLS / 400 + 1)
        after = under_test.memory_kb
        process.kill()
        process.communicate()
    return (after - before) / LIVE_CALLS


class Phone:
    """A caller that presses keys on real sockets."""

    def __init__(self) -> None:
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (self.sip, self.rtp):
            sock.bind(("127.0.0.1", 0))
        self.sip.settimeout(2)
        self.flow = Flow("udp", self.sip.getsockname(), ("127.0.0.1", SIP_PORT))
        self.endpoint = Endpoint()
        self.sequence = self.timestamp = 0

    def call(self, script: str) -> None:
        """Call and wait for the answer."""
        uri = f"sip:{script}@127.0.0.1:{SIP_PORT}"
        body = SDP.format(port=self.rtp.getsockname()[1]).encode()
        me = f"<sip:bench@127.0.0.1:{self.flow.local[1]}>"
        self.sip_call = self.endpoint.invite(
            uri, self.flow, me, f"<{uri}>", (), body, now=time.monotonic()
        )
        while True:
            self.flush()
            self.endpoint.receive(self.sip.recv(9000), self.flow, time.monotonic())
            while (event := self.endpoint.next_event()) is not None:
                if isinstance(event, ResponseReceived):
                    self.flush()
                    media = event.response.body_text().partition("m=audio ")[2]
                    self.rtp.connect(("127.0.0.1", int(media.split()[0])))
                    return

    def flush(self) -> None:
        """Send what waits."""
        for data, flow in self.endpoint.to_send():
            self.sip.sendto(data, flow.remote)

    def press(self, key: int) -> tuple[float, float]:
        """Press a key for 100 ms; when its first packet went, and the first with the E bit."""
        began, sent = self.timestamp, []
        packets = dtmf_packets(key, 100)
        for event in packets:
            packet = RtpPacket(101, self.sequence, began, 7, event.payload, event.marker)
            self.rtp.send(packet.to_bytes())
            sent.append((time.monotonic(), bool(event.payload[1] & 0x80)))
            self.sequence = self.sequence + 1 & 0xFFFF
            self.timestamp += 160
            time.sleep(0.02)
        return sent[0][0], next(at for at, ended in sent if ended)

    def hang_up(self) -> None:
        """End the call."""
        self.sip_call.bye(now=time.monotonic())
        self.flush()


def key_latency(report: str) -> list[float]:
    """From a key's first or last packet to the line its handler writes, in ms."""
    with engine(f"dtmf_report = {report}\n") as under_test:
        phone = Phone()
        phone.call("keys")
        time.sleep(0.3)
        sent = []
        for number in range(KEYS):
            sent.append(phone.press(number % 10))
            time.sleep(0.0613)  # no multiple of the tick: every phase gets its share
        phone.hang_up()
        lines = (under_test.scripts.parent / "keys").read_text().splitlines()
    if len(lines) != KEYS:
        raise SystemExit(f"{len(lines)} of {KEYS} keys arrived")
    heard = [float(line.split()[1]) for line in lines]
    since = [first if report == "press" else last for first, last in sent]
    return [(at - begun) * 1000 for at, begun in zip(heard, since, strict=True)]


async def reload_latency() -> list[float]:
    """From saving a script to its new version serving, in ms."""
    taken = []
    with engine() as under_test:
        client = await ControlClient.connect(str(under_test.socket))
        for number in range(RELOADS):
            await asyncio.sleep(0.4)
            saved_s = time.time()
            under_test.write("plain", f"number = {number}")
            async with asyncio.timeout(5):
                taken.append(await _loaded(client, saved_s))
        await client.close()
    return taken


async def _loaded(client: ControlClient, saved_s: float) -> float:
    async for message in client:
        for stamped in message if isinstance(message, list) else ():
            if isinstance(stamped.event, ScriptLoaded) and stamped.at_s > saved_s:
                return (stamped.at_s - saved_s) * 1000
    raise SystemExit("the engine is gone")


def spread(values: list[float]) -> dict[str, float]:
    """Median and worst."""
    return {"median": round(statistics.median(values), 1), "worst": round(max(values), 1)}


def main() -> None:
    """Measure, print, keep."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "callload"
        source = str(HERE / "callload.c")
        flags = ["-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE"]
        subprocess.run(["cc", *flags, "-o", str(program), source], check=True)
        results["caller hangs up, no handlers"] = per_cpu_second(program, "plain", "caller")
        results["caller hangs up, two handlers"] = per_cpu_second(program, "caller", "caller")
        results["script hangs up"] = per_cpu_second(program, "hangup", "script")
        results[f"{RATE} calls/s for 10 s"] = per_cpu_second(program, "caller", "caller", RATE)
        for name, result in results.items():
            print(
                f"{name:32} {result['calls_per_cpu_s']:6} calls/CPU-s  {result['done']:6} done  "
                f"{result['failed']} failed  {result['repeated']} repeated  "
                f"answer {result['mean_ms']:.1f} ms, worst {result['worst_ms']:.1f} ms"
            )
        results["memory per call, kB"] = round(memory_per_call(program), 1)
        print(f"{'memory per call':32} {results['memory per call, kB']:6} kB")
    for report in ("release", "press"):
        results[f"key {report} to onDtmf, ms"] = latency = spread(key_latency(report))
        print(
            f"key {report + ' to onDtmf':28} {latency['median']:6} ms, worst {latency['worst']} ms"
        )
    results["save to serving, ms"] = latency = spread(asyncio.run(reload_latency()))
    print(f"{'save to serving':32} {latency['median']:6} ms, worst {latency['worst']} ms")
    kept = HERE / "results" / "setup.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
