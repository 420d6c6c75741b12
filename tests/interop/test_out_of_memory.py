"""Scripts that take all the memory there is: they get a `MemoryError`, and nobody else ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.commands import HangUp
from ivrbench.observe.events import HandlerRaised
from ivrbench.observe.memory import MemoryChanged, MemoryUser

from .lab.engine import Engine
from .test_phone import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from .lab.network import Network

    Calling = asyncio.Task[tuple[int, dict[str, Any]]]

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

LIMIT_MB = 256
EATER = """
import time
from ivr import *
kept = []
class IvrDialog(IvrDialogBase):
    def onDtmf(self, key, ms):
        if key == 1:
            collected = []
            while True:
                collected.append("number %d" % len(collected))
        if key == 2:
            b"much" * (1 << 32)
        if key == 3:
            self.mine = []
            self.eat(self.mine)
        for n in range(100):
            try:
                self.eat(kept)
            except MemoryError:
                time.sleep(0.1)
    def eat(self, into):
        while True:
            into.append("x" * 20_000)
"""
"""1: collects for itself; 2: asks for too much at once; 3: the call keeps it; 4: the script keeps
it, and takes no error for an answer. It keeps its calls, too."""
OTHER = """
from ivr import *
class IvrDialog(IvrDialogBase):
    def onDtmf(self, key, ms):
        monitorLogAdd("other", "keys", str(key))
    def onBye(self):
        self.stopSession()
"""
PATIENCE = "15"
"""Seconds until a caller hangs up whom nobody ends before."""


@pytest.fixture(autouse=True)
def _own_network(network: Network) -> None:
    """Every process here meets the others there."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(
        tmp_path / "engine",
        {"eater": EATER, "other": OTHER},
        f"max_memory_mb = {LIMIT_MB}\nsession_limit = 100\n",
    )
    async with made:
        yield made


def used_mb(engine: Engine) -> int:
    """Private memory of the engine."""
    assert engine.process is not None
    text = Path(f"/proc/{engine.process.pid}/status").read_text()
    return int(text.partition("RssAnon:")[2].split()[0]) >> 10


def data_limit(pid: int) -> tuple[int, int]:
    """What a process may map, now and at most."""
    return resource.prlimit(pid, resource.RLIMIT_DATA)


async def hang_up(engine: Engine, calling: Calling) -> None:
    """End the eater's call, from the workbench."""
    (leg,) = engine.state.live
    await engine.ask(HangUp(leg))
    await calling


async def keys_arrive(engine: Engine) -> None:
    """A caller of the other script is answered, and its handler runs."""
    before = len(engine.state.monitor["other"].values["keys"]) if engine.state.monitor else 0
    code, _ = await call(engine, "other", "--keys", "7", "--for", "1")
    assert code == 0, engine.log_tail()
    await until_keys(engine, before + 1)


async def until_keys(engine: Engine, n_keys: int) -> None:
    """Wait until so many keys have reached the other script; the caller knows of them earlier."""
    await engine.until(
        lambda s: "other" in s.monitor and len(s.monitor["other"].values["keys"]) == n_keys
    )


@pytest.mark.parametrize(("key", "lines"), [("1", (9, 10)), ("2", (12,))])
async def test_a_handler_asks_for_too_much(
    engine: Engine, key: str, lines: tuple[int, ...]
) -> None:
    """It gets a `MemoryError`; other calls hear nothing of it, meanwhile and afterwards."""
    base_mb = used_mb(engine)
    other = asyncio.create_task(call(engine, "other", "--keys", "1,,2,,3,,4,,5", "--for", "6"))
    await engine.until_leg("up")
    eater = asyncio.create_task(call(engine, "eater", "--keys", key, "--for", "4"))
    raised = await engine.until_event(HandlerRaised)
    assert raised.error_type == "MemoryError"
    assert raised.file.endswith("eater.py")
    assert raised.line in lines
    for code, figures in await asyncio.gather(other, eater):
        assert (code, figures["lost"]) == (0, 0), engine.log_tail()
    await until_keys(engine, 5)
    assert engine.state.monitor["other"].values["keys"] == ["1", "2", "3", "4", "5"]
    await engine.until(lambda s: s.engine.memory is None or s.engine.memory.state == "roomy")
    assert used_mb(engine) < base_mb + 50
    await keys_arrive(engine)


async def test_a_call_that_keeps_it(engine: Engine) -> None:
    """New calls are refused until it has ended, and told when to come again."""
    eater = asyncio.create_task(call(engine, "eater", "--keys", "3", "--for", PATIENCE))
    full = await engine.until_event(MemoryChanged, state="full")
    assert MemoryUser("eater@1", 1) in [MemoryUser(each.script, each.calls) for each in full.users]
    code, figures = await call(engine, "other", "--for", "1")
    assert (code, figures["code"]) == (1, 503), figures
    await hang_up(engine, eater)
    again = await engine.until_event(MemoryChanged, state="roomy")
    assert again.refused == 1
    await keys_arrive(engine)


async def test_a_script_that_keeps_it(engine: Engine) -> None:
    """The engine lives on, takes no calls, and can be told to end; a media worker is replaced."""
    assert engine.process is not None
    eater = asyncio.create_task(call(engine, "eater", "--keys", "4", "--for", "6"))
    raised = await engine.until_event(HandlerRaised)
    assert (raised.error_type, raised.message) == (
        "OutOfMemory",
        "there is no more memory, see max_memory_mb",
    )
    code, figures = await call(engine, "other", "--for", "1")
    assert (code, figures["code"]) == (1, 503), figures
    assert (await eater)[0] == 0
    # Programs that the engine starts begin with its limit; a media worker has none.
    (worker,) = engine.state.engine.workers.values()
    os.kill(worker.pid, signal.SIGKILL)
    await engine.until(lambda s: s.engine.workers[1].up and s.engine.workers[1].pid != worker.pid)
    assert data_limit(engine.state.engine.workers[1].pid) == (resource.RLIM_INFINITY,) * 2
    assert data_limit(engine.process.pid)[0] < 2 << 30
    for leg in list(engine.state.live):
        await engine.ask(HangUp(leg))
    await engine.until(lambda s: not s.live)
    assert engine.process.returncode is None
