"""Metrics: what is counted, how it is written, and the page it is read from."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from ivrbench.config.values import CallLimit
from ivrbench.engine import metrics_page
from ivrbench.engine.metrics import Metrics
from ivrbench.engine.metrics_page import MAX_CLIENTS, MAX_HEAD_BYTES, MetricsPage
from ivrbench.errors import ConfigError
from ivrbench.media.messages import WorkerReported
from ivrbench.observe.events import RegistrationChanged
from tests.engine.calls.conftest import make_bench
from tests.engine.calls.texts import script
from tests.engine.harness import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.engine.calls.conftest import MakeBench

__all__ = ["make_bench"]  # The fixture of the calls' folder.

# Text format 0.0.4: metric_name ["{" label_name "=" `"` value `"` … "}"] value
SAMPLE = re.compile(
    r"(ivrbench_[a-z_]+)(\{[a-z_]+=\"(?:[^\"\\\n]|\\.)*\"(?:,[a-z_]+=\"(?:[^\"\\\n]|\\.)*\")*\})? "
    r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
)
HEAD = re.compile(r"# (HELP|TYPE) (ivrbench_[a-z_]+) (\S.*)")


def read(page: str) -> dict[str, float]:
    """The samples of a page, by name with labels; every line must be in the format."""
    samples: dict[str, float] = {}
    families: list[str] = []
    assert page.endswith("\n")
    for line in page.splitlines():
        if line.startswith("#"):
            head = HEAD.fullmatch(line)
            assert head is not None, line
            families += [head[2]] if head[1] == "HELP" else []
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        assert re.sub("_(bucket|sum|count)$", "", sample[1]) == families[-1] or (
            sample[1] == families[-1]
        )
        name = sample[1].removeprefix("ivrbench_") + (sample[2] or "").replace('"', "")
        assert name not in samples
        samples[name] = float(sample[3])
    assert len(set(families)) == len(families)
    return samples


def test_calls(make_bench: MakeBench) -> None:
    """A call that rang, one that found no script, one too many, and a handler that raised."""
    bench = make_bench(
        script("""
def onInvite(self, hdrs):
    self.setTimer(1, 1)
def onTimer(self, id):
    self.sendReply(200, "OK", "")
    raise ValueError("oh")
"""),
        session_limit=CallLimit(1),
    )
    metrics = Metrics(bench.board)
    empty = read(metrics.text())
    assert empty["calls"] == empty["call_setup_seconds_count"] == empty["draining"] == 0
    assert empty["call_setup_seconds_bucket{le=+Inf}"] == 0
    caller = Caller(bench)
    caller.dial()
    bench.wait(10.0)
    other = Caller(bench, ("192.0.2.98", 5060), 41_000)
    other.dial()
    up = read(metrics.text())
    assert up["calls"] == 1
    assert up["calls_refused_total"] == 1
    assert up["media_load{worker=1}"] == 1
    assert up["rtp_ports_used"] == 1
    caller.bye()
    other.dial("nobody")
    got = read(metrics.text())
    assert got["calls"] == got["media_load{worker=1}"] == got["rtp_ports_used"] == 0
    assert got["calls_total{direction=in,script=app}"] == 1
    assert got["calls_answered_total{direction=in}"] == 1
    assert got["calls_ended_total{direction=in,by=caller,code=200}"] == 1
    assert got["calls_ended_total{direction=in,by=engine,code=503}"] == 1
    assert got["calls_ended_total{direction=in,by=engine,code=404}"] == 1
    assert got["handler_errors_total{script=app,handler=onTimer}"] == 1
    assert got["call_setup_seconds_bucket{le=0.5}"] == 0
    assert got["call_setup_seconds_bucket{le=2.0}"] == 1
    assert got["call_setup_seconds_count"] == 1
    assert got["call_setup_seconds_sum"] == pytest.approx(1.0, abs=0.1)
    assert got["call_seconds_total"] == pytest.approx(10.2, abs=0.2)
    assert got["sip_messages_total{direction=in}"] >= 5
    assert got["resident_bytes"] > 1e6


def test_call_that_was_up_before(make_bench: MakeBench) -> None:
    """What was not seen to begin has no set-up time; its end counts."""
    bench = make_bench(script("pass"))
    caller = Caller(bench)
    caller.dial()
    metrics = Metrics(bench.board)
    caller.do(lambda call, now: call.reinvite(caller.sdp("sendonly"), now=now))
    caller.do(lambda call, now: call.reinvite(caller.sdp(), now=now))
    caller.bye()
    got = read(metrics.text())
    assert got["call_setup_seconds_count"] == 0
    assert got["calls_ended_total{direction=,by=caller,code=200}"] == 1


def test_media_worker(make_bench: MakeBench) -> None:
    """What a worker reports each second; nothing of one that has not said anything yet."""
    bench = make_bench(script("pass"))
    metrics = Metrics(bench.board)
    assert "media_late_seconds{" not in metrics.text()
    bench.worker.report = WorkerReported(
        calls=2,
        ticks=200,
        late_p50_ms=0.1,
        late_p99_ms=2.5,
        late_max_ms=7.0,
        busy_ms_per_tick=0.25,
        skipped_ticks=3,
        packets_in=100,
        packets_out=99,
    )
    got = read(metrics.text())
    assert got["media_late_seconds{worker=1,quantile=0.5}"] == pytest.approx(0.0001)
    assert got["media_late_seconds{worker=1,quantile=0.99}"] == pytest.approx(0.0025)
    assert got["media_late_seconds{worker=1,quantile=1}"] == pytest.approx(0.007)
    assert got["media_busy_seconds{worker=1}"] == pytest.approx(0.00025)
    assert got["media_skipped_ticks{worker=1}"] == 3
    assert got["rtp_packets{worker=1,direction=in}"] == 100
    assert got["rtp_packets{worker=1,direction=out}"] == 99
    assert got["media_worker_up{worker=1}"] == 1
    bench.worker.gone = True
    assert read(metrics.text())["media_worker_up{worker=1}"] == 0
    bench.worker.gone = False


def test_names_that_a_caller_chose_are_no_labels(make_bench: MakeBench) -> None:
    """Calls to whatever name make no new line: what is not here counts for none."""
    bench = make_bench(script("pass"))
    metrics = Metrics(bench.board)
    for n in range(5):
        caller = Caller(bench, ("192.0.2.98", 5060), 41_000 + 2 * n)
        caller.dial(f"nobody{n}")
    page = metrics.text()
    assert "nobody" not in page
    assert read(page)["calls_total{direction=in,script=}"] == 5


def test_registrations_bans_and_draining(make_bench: MakeBench) -> None:
    """Accounts are counted by state; bans while they last and for ever."""
    bench = make_bench(script("pass"))
    metrics = Metrics(bench.board)
    for n in range(3):
        state = "registered" if n else "waiting"
        bench.board.publish(RegistrationChanged(f"sip:{n}@example.org", state))
    for _ in range(20):
        bench.board.access.missed("203.0.113.5", bench.clock.now())
    got = read(metrics.text())
    assert (got["registrations{state=registered}"], got["registrations{state=waiting}"]) == (2, 1)
    assert got["bans_total"] == got["banned"] == 1
    bench.board.drain(1.0)
    assert read(metrics.text())["draining"] == 1


def test_text_that_needs_escapes() -> None:
    """Text format: backslash, quote and line end are escaped in labels."""
    text = _text({('a"b\\c\nd',): 1.5})
    assert 'ivrbench_x{label="a\\"b\\\\c\\nd"} 1.5' in text


def _text(samples: dict[tuple[str, ...], float]) -> str:
    from ivrbench.engine.metrics import _Text

    text = _Text()
    text.family("x", "gauge", "meaning", ("label",), samples)
    return str(text)


@pytest.fixture
async def page() -> AsyncIterator[MetricsPage]:
    """A page that is open."""
    page = MetricsPage(lambda: "ivrbench_x 1\n")
    await page.open("127.0.0.1", 0)
    yield page
    await page.close()


async def fetch(page: MetricsPage, data: bytes) -> bytes:
    """All that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
    writer.write(data)
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return got


@pytest.mark.net
@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /metrics HTTP/1.1", "200 OK", b"ivrbench_x 1\n"),
        ("GET / HTTP/1.0", "200 OK", b"ivrbench_x 1\n"),
        ("GET /metrics?x=1 HTTP/1.1", "200 OK", b"ivrbench_x 1\n"),
        ("HEAD /metrics HTTP/1.1", "200 OK", b""),
        ("GET /other HTTP/1.1", "404 Not Found", b"The page is /metrics.\n"),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed", b""),
        ("GET /metrics", "400 Bad Request", b""),
        ("OPTIONS sip:x SIP/2.0", "400 Bad Request", b""),
        ("\xff\x00 \xff", "400 Bad Request", b""),
    ],
)
async def test_page(page: MetricsPage, request_line: str, status: str, body: bytes) -> None:
    """One page, for GET and HEAD; everything else is told so, in HTTP."""
    got = await fetch(page, f"{request_line}\r\nHost: x\r\n\r\n".encode("latin-1"))
    head, _, rest = got.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert b"\r\nConnection: close" in head
    assert rest == body
    if not request_line.startswith("HEAD"):
        assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head


@pytest.mark.net
async def test_page_has_limits(page: MetricsPage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head without end, a client that says nothing, and too many of them are cut."""
    long = await fetch(page, b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * MAX_HEAD_BYTES + b"\r\n\r\n")
    assert long.startswith(b"HTTP/1.1 431 ") or long == b""
    idle = [await asyncio.open_connection("127.0.0.1", page.port) for _ in range(MAX_CLIENTS)]
    assert await fetch(page, b"") == b""
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()
    monkeypatch.setattr(metrics_page, "CLIENT_S", 0.0)
    assert await fetch(page, b"GET / HT") == b""


@pytest.mark.net
async def test_page_whose_port_is_taken(page: MetricsPage) -> None:
    """The complaint names the key."""
    with pytest.raises(ConfigError, match=r"metrics_listen: cannot listen on 127\.0\.0\.1:\d+"):
        await MetricsPage(str).open("127.0.0.1", page.port)
