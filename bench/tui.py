"""How quick the workbench is: start to first frame, also with 2 000 legs, key to strip, screen
switch, 200 live legs, and what a day of calls does to its memory.

    python bench/tui.py [--json FILE]

Draws headless on an engine in memory, so the numbers are those of the workbench alone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivrbench.clock import ManualClock, SystemClock
from ivrbench.observe import events as ev
from ivrbench.observe.inspection import AttributeChanged, InspectedValue, LegInspected
from ivrbench.observe.serve import serve_connection
from ivrbench.tui.app import Workbench
from ivrbench.tui.model import Model
from ivrbench.tui.views.log import LogLines
from tests.tui.fake_engine import FakeEngine, leg_up, loaded, measured, sip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = (120, 36)
REPEATS = 20
LIVE_LEGS = 200
BUSY_LEGS = 2_000
LOAD_S = 5.0
LEVELS_PER_S = 10
CALLS_PER_DAY = 24 * 3600 // 4
"""One every four seconds, a day long; only their order matters."""

_START = """
import asyncio, sys, time
from ivrbench.clock import SystemClock
from ivrbench.tui.app import Workbench
from tests.tui.fake_engine import FakeEngine
engine = FakeEngine(SystemClock())
app = Workbench(engine.connect)
async def main():
    async with app.run_test(size=(120, 36)) as pilot:
        while app.model.link != "up":
            await asyncio.sleep(0.001)
        app.draw_now()
        print(time.time())
asyncio.run(main())
"""


def start_to_first_frame_ms() -> float:
    """A new process: interpreter, imports, style sheet, connection, first drawing."""
    started_s = time.time()
    done = subprocess.run(
        [sys.executable, "-c", _START], check=True, capture_output=True, text=True
    )
    return (float(done.stdout) - started_s) * 1000


_ATTACH = """
import asyncio, functools, sys, time
from ivrbench.observe.client import ControlClient
from ivrbench.tui.app import Workbench
app = Workbench(functools.partial(ControlClient.connect, sys.argv[1]))
async def main():
    async with app.run_test(size=(120, 36)):
        while app.model.link != "up":
            await asyncio.sleep(0.001)
        app.draw_now()
        print(time.time())
asyncio.run(main())
"""


async def attach_to_busy_engine_ms() -> tuple[float, float]:
    """An engine with 2 000 legs that each have a history: how long its loop is kept by a newcomer's
    snapshot, and from a new process of the workbench to its first frame."""
    engine = FakeEngine(SystemClock())
    engine.publish(loaded("menu", 1))
    for number in range(BUSY_LEGS):
        engine.publish(*list(a_call(f"c{number}"))[:-1])
    gc.collect()
    gc.freeze()
    started_s = time.perf_counter()
    _, feed = engine.hub.connect(lambda: None)
    kept_ms = (time.perf_counter() - started_s) * 1000
    engine.hub.disconnect(feed)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/engine.sock"
        server = await asyncio.start_unix_server(
            lambda reader, writer: serve_connection(reader, writer, engine.hub, engine.handle), path
        )
        async with server:
            started_s = time.time()
            client = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _ATTACH, path, stdout=subprocess.PIPE
            )
            shown, _ = await client.communicate()
    gc.unfreeze()
    return kept_ms, (float(shown) - started_s) * 1000


class Timed(Workbench):
    """Notes when it last wrote to the terminal."""

    drawn_at_s = 0.0
    drawn_screen: Any = None

    # Textual has no public hook for "this frame went out".
    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        self.drawn_at_s, self.drawn_screen = time.perf_counter(), screen


async def until(condition: Callable[[], bool]) -> None:
    """Wait in the smallest steps that let the application run."""
    while not condition():  # noqa: ASYNC110 - nothing signals what is waited for
        await asyncio.sleep(0)


async def interaction_ms() -> dict[str, list[float]]:
    """Key to strip, and screen switch, in a running workbench."""
    engine = FakeEngine(SystemClock())
    engine.publish(loaded("menu", 1))
    app = Timed(engine.connect)
    keys: list[float] = []
    switches: list[float] = []
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: app.model.link == "up")
        await app.prepare_screens()  # as `run` has it
        await pilot.pause(0.3)
        await pilot.press("c")
        await until(lambda: app.model.keys_owner == "call")
        for n in range(REPEATS):
            sent, mode = len(app.model.sent_keys), app.current_mode

            def is_on_strip(sent: int = sent) -> bool:
                return len(app.model.sent_keys) > sent

            def is_switched(mode: str = mode) -> bool:
                return app.current_mode != mode

            # Another one each time: the same again so soon would be a key held down.
            keys.append(await _timed(app, "56"[n % 2], is_on_strip))
            switches.append(await _timed(app, "right_square_bracket", is_switched))
            await pilot.pause()
    return {"key to strip": keys, "screen switch": switches}


async def _timed(app: Timed, key: str, happened: Callable[[], bool]) -> float:
    """From the key to the first frame that went out after it had its effect."""
    started_s = time.perf_counter()
    app.simulate_key(key)
    await until(happened)
    effect_s = time.perf_counter()
    await until(lambda: app.drawn_at_s > effect_s and app.drawn_screen is app.screen)
    return (app.drawn_at_s - started_s) * 1000


async def cpu_share_with_legs() -> float:
    """Share of a core with 200 live legs whose levels all come ten times a second."""
    engine = FakeEngine(SystemClock())
    engine.publish(loaded("menu", 1))
    for number in range(LIVE_LEGS):
        engine.publish(*leg_up(f"c{number}", "menu", 1, "sip:bob@10.0.0.8"))
    app = Workbench(engine.connect)
    async with app.run_test(size=SIZE):
        await until(lambda: app.model.link == "up")
        await asyncio.sleep(0.5)
        started_s, cpu_s = time.perf_counter(), time.process_time()
        tick = 0
        while time.perf_counter() - started_s < LOAD_S:
            tick += 1
            for number in range(LIVE_LEGS):
                engine.publish(measured(f"c{number}", 0, tick * 100, -40.0 + tick % 30))
            await asyncio.sleep(1 / LEVELS_PER_S)
        return (time.process_time() - cpu_s) / (time.perf_counter() - started_s)


def memory_growth() -> tuple[float, float]:
    """MiB after the first hour of a day of calls, and what the other 23 added."""
    engine, model, drawn = FakeEngine(ManualClock()), Model(), LogLines()
    engine.publish(loaded("menu", 1))
    after_hour = 0.0
    for call in range(CALLS_PER_DAY):
        for event in a_call(f"c{call}"):
            stamped = engine.hub.publish(event)
            model.take_events([stamped])
        if call % 50 == 0:
            drawn.update(model, 120)
        if call == CALLS_PER_DAY // 24:
            after_hour = resident_mib()
    return after_hour, resident_mib() - after_hour


def a_call(leg: str) -> Iterator[ev.Event]:
    """A call of a minute: set up, prompts, keys, attributes, SIP, a log line, its end."""
    yield from leg_up(leg, "menu", 1, "sip:bob@10.0.0.8")
    for n, name in enumerate(("INVITE", "200 OK", "ACK", "BYE", "200 OK")):
        yield sip(leg, bool(n % 2), name, f"{n} X", "X-Filler: " + "x" * 400)
    yield LegInspected(leg, 1, (AttributeChanged("self.keys", InspectedValue("''")),), True)
    for n in range(5):
        yield ev.ItemEnqueued(leg, n, "prompt", f"wav/{n}.wav", "", 3000)
        yield ev.ItemStarted(leg, n)
        yield ev.KeyReceived(leg, n, 100, "RFC 4733")
        changed = AttributeChanged("self.keys", InspectedValue(str(n) * 8), "before")
        yield LegInspected(leg, n + 2, (changed,))
        yield ev.HandlerCalled(leg, n + 2, "onDtmf", f"{n}, 100", "None", "", 1.0, "menu.py", 9)
        yield ev.ItemEnded(leg, n, "flushed", 900, 0, f"key {n}")
    yield ev.LogWritten(2, "call", f"{leg} ended by caller after 60.0 s", leg, "menu", "x" * 300)
    yield ev.LegEnded(leg, "caller", 200, "BYE", 60.0)


def resident_mib() -> float:
    """What the process has in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure, print a table, keep a JSON."""
    parser = argparse.ArgumentParser(description="Speed of the workbench")
    parser.add_argument("--json", type=Path, default=Path("bench/results/tui.json"))
    options = parser.parse_args()
    starts = [start_to_first_frame_ms() for _ in range(3)]
    # Before an engine with 2 000 legs was in this process: no workbench has one to clean up behind.
    interaction = asyncio.run(interaction_ms())
    kept_ms, attached_ms = asyncio.run(attach_to_busy_engine_ms())
    share = asyncio.run(cpu_share_with_legs())
    held, grown = memory_growth()
    rows = [
        ("start to first frame", statistics.median(starts), 600.0, "ms"),
        (f"{BUSY_LEGS} legs: first frame", attached_ms, 900.0, "ms"),
        (f"{BUSY_LEGS} legs: engine held", kept_ms, 50.0, "ms"),
        ("key to strip, median", statistics.median(interaction["key to strip"]), 50.0, "ms"),
        ("screen switch, median", statistics.median(interaction["screen switch"]), 100.0, "ms"),
        ("screen switch, worst", max(interaction["screen switch"]), 100.0, "ms"),
        (f"{LIVE_LEGS} live legs", share * 100, 20.0, "% of a core"),
        ("memory after an hour", held, 200.0, "MiB"),
        ("memory, 23 h more", grown, 10.0, "MiB"),
    ]
    for name, value, goal, unit in rows:
        print(f"{name:26} {value:8.1f} {unit:12} goal {goal:.0f}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    results = {
        name: {"value": value, "goal": goal, "unit": unit} for name, value, goal, unit in rows
    }
    options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
