"""Scripts in virtual time: whatever they wait with takes no real time, in the same order always."""

from __future__ import annotations

import datetime
import queue
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ivrbench.testing import patches
from ivrbench.testing.threads import REAL_START

if TYPE_CHECKING:
    from ivrbench.testing import Bench, IvrScripts

HEAD = """
from ivr import *
import asyncio, concurrent.futures, queue, threading, time
said = []
"""


def run(bench: Bench, scripts: IvrScripts, body: str, top: str = "") -> list[object]:
    """Serve a script with this body of its onSessionStart, call it, and give what it said."""
    lines = "".join(f"        {line}\n" for line in body.strip("\n").splitlines())
    start = "async def" if "await " in body else "def"
    scripts.write(
        "app",
        f"{HEAD}{top}\nclass IvrDialog(IvrDialogBase):\n"
        f"    {start} onSessionStart(self):\n{lines}        self.stopSession()\n",
    )
    call = bench.dial("app")
    call.hangs_up(by="script", within_s=300)
    generation = bench.engine.registry.serving("app")
    assert generation is not None
    said: list[object] = generation.module.said
    return said


@pytest.mark.parametrize(
    "waits",
    [
        "time.sleep(60)",
        "threading.Event().wait(60)",
        "queue.Queue().get(timeout=60)\nexcept queue.Empty:\n    pass",
        "threading.Condition().__enter__() or threading.Condition",
        "threading.Semaphore(0).acquire(timeout=60)",
        "concurrent.futures.Future().result(60)\nexcept TimeoutError:\n    pass",
    ],
)
def test_waiting_takes_virtual_time(bench: Bench, ivr_scripts: IvrScripts, waits: str) -> None:
    """A minute passes for the script and for the call, at once."""
    if "Condition" in waits:
        waits = "c = threading.Condition()\n    with c:\n        c.wait(60)"
    lines = f"try:\n    {waits}" if "except" in waits else f"if True:\n    {waits}"
    body = f"began = time.monotonic()\n{lines}\nsaid.append(round(time.monotonic() - began, 3))"
    real_s = patches.REAL_MONOTONIC()
    assert run(bench, ivr_scripts, body) == [60.0]
    assert bench.now() - bench.began_s == pytest.approx(60, abs=0.5)
    assert patches.REAL_MONOTONIC() - real_s < 30, "it did not wait"


def test_timers_of_threading(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """They fire in the order of their times, and `join` waits for them."""
    body = """
timers = [threading.Timer(s, said.append, (s,)) for s in (3, 1, 2)]
for timer in timers:
    timer.start()
began = time.time()
for timer in timers:
    timer.join()
said.append(round(time.time() - began, 3))
timers[0].join()
lost = threading.Timer(5, said.append, ("never",))
lost.start()
lost.cancel()
lost.join()
timers[1].join(0.5)
"""
    assert run(bench, ivr_scripts, body) == [1, 2, 3, 3.0]


def test_threads_hand_things_over(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Queues between threads of a script, one sleeping, one waiting."""
    body = """
box = queue.Queue()
def work():
    for n in range(3):
        time.sleep(10)
        box.put(n)
thread = threading.Thread(target=work)
thread.start()
for _ in range(3):
    said.append((box.get(), round(time.monotonic() - began)))
thread.join()
"""
    assert run(bench, ivr_scripts, "began = time.monotonic()\n" + body) == [
        (0, 10),
        (1, 20),
        (2, 30),
    ]


def test_async_handlers(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """`asyncio.sleep`, `to_thread`, and even `time.sleep` on the loop."""
    body = """
began = time.monotonic()
await asyncio.sleep(20)
await asyncio.to_thread(time.sleep, 20)
time.sleep(20)
said.append(round(time.monotonic() - began, 3))
said.append(time.strftime("%H:%M:%S") == time.strftime("%H:%M:%S", time.localtime(time.time())))
"""
    assert run(bench, ivr_scripts, body) == [60.0, True]


def test_a_loop_of_its_own(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """`asyncio.run` in a handler: its sleeping, waiting and threads take no real time."""
    top = """
async def other():
    await asyncio.sleep(30)
    said.append("other")
async def wait():
    task = asyncio.create_task(other())
    await asyncio.to_thread(time.sleep, 10)
    said.append(round(asyncio.get_running_loop().time() - began))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 5)
    except TimeoutError:
        said.append(round(time.monotonic() - began))
    await task
"""
    body = """
global began
began = time.monotonic()
asyncio.run(wait())
said.append(round(time.monotonic() - began, 3))
"""
    real_s = patches.REAL_MONOTONIC()
    assert run(bench, ivr_scripts, body, top) == [10, 15, "other", 30.0]
    assert patches.REAL_MONOTONIC() - real_s < 20, "it did not wait"


def test_a_loop_in_a_thread(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Handlers give it work, as to a library with a loop in the background."""
    top = """
loop = asyncio.new_event_loop()
def serve():
    loop.run_forever()
createThread(serve)
async def fetch(n):
    await asyncio.sleep(n)
    return n
"""
    body = """
futures = [asyncio.run_coroutine_threadsafe(fetch(n), loop) for n in (20, 10)]
said.append([future.result(60) for future in futures])
said.append(round(time.monotonic() - began, 2))
"""
    assert run(bench, ivr_scripts, "began = time.monotonic()\n" + body, top) == [[20, 10], 20.0]


def test_a_loop_with_sockets(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Somebody outside takes real time; the loop hears them all the same."""
    top = """
import socket
here, there = socket.socketpair()
here.setblocking(False)
async def talk():
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, there.send, b"hello")
    return await loop.sock_recv(here, 10)
async def server():
    listening = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    await asyncio.sleep(0.05)
    listening.close()
"""
    body = """
said.append(asyncio.run(talk()))
asyncio.run(server())
here.close()
there.close()
"""
    assert run(bench, ivr_scripts, body, top) == [b"hello"]


def test_a_loop_while_a_script_loads(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """It takes no time either."""
    assert run(bench, ivr_scripts, "said.append(1)", "asyncio.run(asyncio.sleep(3600))") == [1]


def test_dates(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Scripts see the day and hour the test sets; dates they make are real ones."""
    top = "from datetime import date, datetime, timedelta, timezone"
    body = """
time.sleep(60)
said.append(str(datetime.now()))
said.append(str(date.today()))
said.append(abs(datetime.now(timezone.utc).timestamp() - time.time()) < 0.001)
said.append(isinstance(datetime(2026, 1, 1), date) and isinstance(datetime.now(), datetime))
said.append((datetime.strptime("18:30", "%H:%M") + timedelta(hours=1)).hour)
"""
    bench.starts_at("2026-12-24 18:30")
    today = datetime.date.today()
    said = run(bench, ivr_scripts, body, top)
    assert str(said[0])[:16] == "2026-12-24 18:31"
    assert said[1:] == ["2026-12-24", True, True, 19]
    assert datetime.date.today() in (today, today + datetime.timedelta(1)), "the test's own"
    assert isinstance(today, datetime.date)
    assert datetime.datetime.now() > datetime.datetime(2020, 1, 1)


def test_executors(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """As many at a time as the pool allows, and its end waits for all."""
    body = """
began = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    done = list(pool.map(lambda s: time.sleep(s) or s, (10, 10, 10)))
said.append((done, round(time.monotonic() - began, 3)))
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    future = pool.submit(lambda: 1 / 0)
said.append(type(future.exception()).__name__)
"""
    assert run(bench, ivr_scripts, body) == [([10, 10, 10], 20.0), "ZeroDivisionError"]


def test_locks(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Who holds a lock may sleep; the others wait for it in virtual time."""
    top = """
lock = threading.Lock()
again = threading.RLock()
def hold():
    with lock, again, again:
        time.sleep(30)
"""
    body = """
thread = threading.Thread(target=hold)
thread.start()
time.sleep(1)
said.append((lock.locked(), lock.acquire(False), lock.acquire(timeout=2)))
began = time.monotonic()
with lock:
    said.append(round(time.monotonic() - began, 3))
with again:
    condition = threading.Condition(again)
    with condition:
        condition.wait(1)
try:
    again.release()
except RuntimeError as exc:
    said.append(str(exc))
"""
    assert run(bench, ivr_scripts, body, top) == [
        (True, False, False),
        27.0,
        "release unlocked lock",
    ]


def test_create_thread(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Threads of `createThread` run in the same time, from the first call on."""
    top = """
def tick():
    while True:
        time.sleep(10)
        said.append("tick")
createThread(tick)
"""
    assert run(bench, ivr_scripts, "time.sleep(35)", top).count("tick") == 3


def test_a_script_that_sleeps_while_it_loads(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """It takes no time either."""
    assert run(bench, ivr_scripts, "said.append(1)", "time.sleep(3600)") == [1]


def test_others_keep_their_time(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """The test itself and threads of its own see the machine's time; in the end all is put back."""
    before = (time.sleep, threading.Condition.wait)
    run(bench, ivr_scripts, "time.sleep(200)")
    assert time.monotonic() == pytest.approx(patches.REAL_MONOTONIC(), abs=1.0)
    assert time.time() == pytest.approx(patches.REAL_TIME(), abs=1.0)
    box: queue.Queue[float] = queue.Queue()
    thread = threading.Thread(target=lambda: box.put(time.monotonic()))
    thread.start()
    assert box.get(timeout=20) == pytest.approx(patches.REAL_MONOTONIC(), abs=5.0)
    thread.join()
    bench.close()
    assert time.sleep is patches.REAL_SLEEP
    assert before[0] is patches.REAL_SLEEP
    assert threading.Condition.wait is patches.REAL_WAIT
    assert threading.Thread.start is REAL_START


def test_a_thread_that_does_not_come_back(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """The test fails, with the line where the script is."""
    ivr_scripts.write(
        "app",
        HEAD + "class IvrDialog(IvrDialogBase):\n"
        "    def onSessionStart(self):\n        while not said:\n            pass\n",
    )
    bench.open()
    bench.engine.threads.patience_s = 0.05
    call = bench.dial("app")
    with pytest.raises(AssertionError, match="has not come back for 0.05 s") as caught:
        call.hangs_up(by="script")
    assert "app.py@1" in str(caught.value)
    generation = bench.engine.registry.serving("app")
    assert generation is not None
    generation.module.said.append("enough")


def test_no_thread_is_left(bench: Bench, ivr_scripts: IvrScripts) -> None:
    """Threads that wait for ever end with the bench."""
    before = threading.active_count()
    run(bench, ivr_scripts, "threading.Thread(target=threading.Event().wait).start()")
    assert threading.active_count() > before
    bench.close()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(5)
    assert threading.active_count() <= before
