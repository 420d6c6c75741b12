"""The control socket's file: who may use it, what was there before, what stays behind."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

import pytest

from ivrbench.clock import ManualClock
from ivrbench.engine.control import ControlServer
from ivrbench.errors import ConfigError, IvrbenchError
from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import Answered, Command, HangUp
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.observe.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.net


async def handle(command: Command) -> Answered:
    """Knows one leg."""
    assert isinstance(command, HangUp)
    if command.leg != "c1":
        raise IvrbenchError(f"{command.leg} is not there")
    return Answered(command.request, ok=True, text="done")


def server_at(path: Path) -> ControlServer:
    """A server that is not open yet."""
    return ControlServer(path, Hub(ManualClock(), History()), handle)


async def test_only_the_owner_may_use_it(tmp_path: Path) -> None:
    """architecture §2: mode 0600; a client gets a snapshot and answers; nothing is left behind."""
    path = tmp_path / "control"
    server = server_at(path)
    await server.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    client = await ControlClient.connect(str(path))
    assert isinstance(await anext(client), Snapshot)
    answered = await client.request(HangUp(leg="c1"))
    assert (answered.ok, answered.text) == (True, "done")
    refused = await client.request(HangUp(leg="c2"))
    assert (refused.ok, refused.text) == (False, "c2 is not there")
    await server.close()
    assert not path.exists()
    await client.close()


async def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    """An engine that was killed leaves its socket; the next one takes its place."""
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    server = server_at(path)
    await server.open()
    await server.close()
    assert not path.exists()


async def test_live_socket_is_refused(tmp_path: Path) -> None:
    """Two engines do not share a socket; the sentence says how to reach the first."""
    path = tmp_path / "control"
    first = server_at(path)
    await first.open()
    with pytest.raises(ConfigError, match=r"another engine has .*--attach"):
        await server_at(path).open()
    assert path.exists()
    await first.close()


async def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A file that is no socket is somebody's data."""
    path = tmp_path / "control"
    path.write_text("important")
    with pytest.raises(ConfigError, match="is no socket"):
        await server_at(path).open()
    assert path.read_text() == "important"


async def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """The sentence names the path and the reason."""
    with pytest.raises(ConfigError, match="cannot make the control socket"):
        await server_at(tmp_path / "none" / "control").open()
