"""The engine as a process: real sockets, real media worker, signals and exit codes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import (
    Answered,
    Drain,
    HangUp,
    PlaceTestCall,
    ReloadScripts,
    RollBack,
    TellPhone,
)
from ivrbench.observe.events import ConfigChanged, Event, HandlerCalled, LegEnded, ScriptLoaded
from ivrbench.observe.history import History
from ivrbench.observe.phones import PhoneKeyPressed
from ivrbench.observe.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.net

SCRIPT = """
from ivr import *
class IvrDialog(IvrDialogBase):
    def onDtmf(self, key, duration):
        pass
"""


def replace(path: Path, text: str) -> None:
    """Save a file as editors do: at no moment is there half of it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


class Process:
    """`ivrbench --serve` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = folder / "control"
        self.scripts = folder / "scripts"
        self.scripts.mkdir(exist_ok=True)
        replace(self.scripts / "app.py", SCRIPT)
        self.said = ""

    async def start(self, *options: str) -> None:
        """Start it and wait until it serves, or ends."""
        command = [sys.executable, "-m", "ivrbench", "--serve", "--script-path", str(self.scripts)]
        command += ["--control-socket", str(self.control), *options]
        self.process = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env={**os.environ, "HOME": str(self.folder)}
        )
        await self.read_until("ready: 1 scripts")

    async def read_until(self, text: str) -> None:
        """Read the log up to a line with this text, or its end."""
        assert self.process.stderr is not None
        while line := (await self.process.stderr.readline()).decode():
            self.said += line
            if text in line:
                return

    async def end(self) -> int:
        """Wait for its end; gives the exit code."""
        await self.read_until("never said")
        return await self.process.wait()

    @property
    def port(self) -> int:
        """The UDP port it serves."""
        found = re.search(r"SIP on udp:127\.0\.0\.1:(\d+)", self.said)
        assert found is not None, self.said
        return int(found[1])


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """An engine that is not running yet; killed in the end if it still does."""
    process = Process(tmp_path)
    yield process
    if process.process.returncode is None:
        process.process.kill()
        await process.end()


class Watcher:
    """A client of the control socket that remembers everything."""

    def __init__(self, client: ControlClient) -> None:
        self.client = client
        self.events: list[Event] = []

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The first event that is wanted, also if it came before."""
        seen = 0
        while True:
            for event in self.events[seen:]:
                if wanted(event):
                    return event
            seen = len(self.events)
            message = await anext(self.client)
            if isinstance(message, list):
                self.events += [stamped.event for stamped in message]


ANY_PORT = ("--listen", "udp:127.0.0.1:0")


async def test_commands_of_the_workbench(process: Process) -> None:
    """A test call, keys, hang-up, reload, roll-back and drain, as the workbench asks for them."""
    await process.start(*ANY_PORT)
    client = await ControlClient.connect(str(process.control))
    watch = Watcher(client)

    async def ask(command: PlaceTestCall | TellPhone | HangUp | RollBack | Drain) -> Answered:
        return await client.request(command)

    placed = await ask(PlaceTestCall(target="app"))
    assert (placed.ok, placed.text, placed.leg) == (True, "calling app", "c1")
    # The phone takes keys as soon as its call is up, which is what the answer says.
    assert (await ask(TellPhone(phone="c1", verb="press", argument="5"))).ok
    called = await watch.until(lambda e: isinstance(e, HandlerCalled) and e.handler == "onDtmf")
    assert isinstance(called, HandlerCalled)
    assert called.arguments.startswith("5, ")
    pressed = await watch.until(lambda e: isinstance(e, PhoneKeyPressed))
    assert isinstance(pressed, PhoneKeyPressed)
    assert (pressed.phone, pressed.leg, pressed.name) == (placed.phone, "c1", "5")
    assert not (await ask(TellPhone(phone="c9", verb="press", argument="5"))).ok
    assert (await ask(HangUp(leg="c1"))).ok
    ended = await watch.until(lambda e: isinstance(e, LegEnded))
    assert isinstance(ended, LegEnded)
    assert ended.reason == "hung up from the workbench"
    assert not (await ask(HangUp(leg="c1"))).ok
    replace(process.scripts / "app.py", SCRIPT + "# more\n")
    assert (await client.request(ReloadScripts(script="app"))).ok
    await watch.until(lambda e: isinstance(e, ScriptLoaded) and e.generation == 2)
    rolled = await ask(RollBack(script="app", generation=1))
    assert rolled.ok, rolled.text
    assert (await ask(Drain())).ok
    await client.close()
    assert await process.end() == 0
    assert not process.control.exists()


async def test_sigterm_drains_and_sighup_reloads(process: Process) -> None:
    """architecture §7: SIGHUP loads again, SIGTERM ends with 0."""
    await process.start(*ANY_PORT, "--listen", "tcp:127.0.0.1:0")
    assert "SIP on tcp:127.0.0.1:" in process.said
    replace(process.scripts / "app.py", SCRIPT + "# more\n")
    process.process.send_signal(signal.SIGHUP)
    await process.read_until("registered: app")
    process.process.send_signal(signal.SIGTERM)
    assert await process.end() == 0
    assert "draining" in process.said
    assert "Traceback" not in process.said


async def test_port_taken(process: Process) -> None:
    """architecture §7: exit 3 with a sentence that names the port; or the next one, if asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        listen = ("--listen", f"udp:127.0.0.1:{port}")
        await process.start(*listen)
        assert await process.end() == 3
        assert f"cannot listen on udp:127.0.0.1:{port}: port in use" in process.said
        assert "Traceback" not in process.said
        process.said = ""
        await process.start(*listen, "--next-free-port")
        assert process.port > port
        assert f"port {port} is taken, using {process.port}" in process.said
        process.process.send_signal(signal.SIGTERM)
        assert await process.end() == 0


async def test_script_saved_while_others_load(process: Process) -> None:
    """It is loaded again: files are watched before they are read."""
    app, new = process.scripts / "app.py", process.folder / "new"
    new.write_text(SCRIPT + "# more\n")
    (process.scripts / "later.py").write_text(
        f"import os\nos.replace({str(new)!r}, {str(app)!r})\n"
    )
    await process.start(*ANY_PORT)
    client = await ControlClient.connect(str(process.control))
    state = History()
    while not (found := state.scripts.get("app")) or found.generations[-1].generation < 2:
        message = await anext(client)
        if isinstance(message, Snapshot):
            state = History.resume(message)
        elif isinstance(message, list):
            for stamped in message:
                state.apply(stamped)
    await client.close()


async def test_a_media_worker_that_dies_is_replaced(process: Process) -> None:
    """A new worker comes up by itself, and calls go on being answered."""
    await process.start(*ANY_PORT)
    found = re.search(r"media worker 1: pid (\d+)", process.said)
    assert found is not None
    os.kill(int(found[1]), signal.SIGKILL)
    process.said = ""
    await process.read_until("media worker 1: pid")
    assert "killed by signal 9: a new one is started for its 0 calls" in process.said
    client = await ControlClient.connect(str(process.control))
    placed = await client.request(PlaceTestCall(target="app", keys="1"))
    assert placed.leg == "c1"
    called = await Watcher(client).until(lambda e: isinstance(e, HandlerCalled))
    assert isinstance(called, HandlerCalled)
    await client.close()


async def test_ivr_conf_changes_while_serving(process: Process) -> None:
    """tui §5: what can work from now on does, the rest is said; a bad line changes nothing."""
    config = process.folder / "ivr.conf"
    config.write_text("loglevel = 2\nunknown_application_code = 404\n")
    await process.start("--config", str(config), *ANY_PORT)
    client = await ControlClient.connect(str(process.control))
    watch = Watcher(client)
    replace(config, "loglevel = 3\nunknown_application_code = 480\nrtp_low_port = 12000\n")
    first = await watch.until(lambda e: isinstance(e, ConfigChanged))
    assert isinstance(first, ConfigChanged)
    assert not first.error
    assert set(first.applied) == {"loglevel", "unknown_application_code"}
    assert first.needs_restart == ("rtp_low_port",)
    replace(config, "loglevel = loud\n")
    second = await watch.until(lambda e: isinstance(e, ConfigChanged) and e is not first)
    assert isinstance(second, ConfigChanged)
    assert f"{config}:1" in second.error
    await client.close()
