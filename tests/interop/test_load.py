"""`ivrbench load` against our own engine and against SIPp."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ivrbench.observe.events import KeyReceived

from .lab.engine import Engine
from .lab.network import IP, free_port
from .lab.processes import always_in_time
from .lab.sipp import sipp_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab.network import Network

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

KEYS = """
    from ivr import *
    class IvrDialog(IvrDialogBase):
        def onDtmf(self, key, ms):
            pass
    """


async def load(*arguments: str) -> tuple[int, Any]:  # Any: JSON
    """The exit code and the figures of a run."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ivrbench", "load", *arguments, "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=always_in_time,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None, "it has ended"
    return process.returncode, json.loads(output or b"{}")


async def test_a_script_of_a_running_engine(tmp_path: Path, network: Network) -> None:
    """Every call is answered, hears something and presses its keys."""
    async with Engine(tmp_path / "engine", {"keys": KEYS}) as engine:
        call = ("--calls", "20", "--rate", "10", "--for", "1.5", "--call-s", "2")
        code, figures = await load(
            "keys", *call, "--keys", "42", "--control-socket", str(engine.socket)
        )
        assert code == 0
        assert (figures["placed"], figures["answered"], figures["failed"]) == (15, 15, 0)
        assert figures["packets"]["lost"] == 0
        assert figures["packets"]["received"] > 15 * 70
        assert figures["mos"]["worst"] > 3.5
        await engine.until_done(15)
        nobody = ("nobody", "--calls", "2", "--rate", "2", "--for", "1")
        code, figures = await load(*nobody, "--control-socket", str(engine.socket))
        assert code == 1
        assert figures["failures"] == [{"code": 404, "reason": "404 Not Found", "calls": 2}]
        pressed = engine.seen(KeyReceived)
        assert sorted(event.key for event in pressed) == [2] * 15 + [4] * 15


async def test_somebody_elses_server(
    tmp_path: Path, network: Network, need: Callable[[str], None]
) -> None:
    """SIPp answers as many calls as it wants to, and sends the sound back."""
    need("sipp")
    port, echo = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM) & ~3
    async with sipp_at(port, "uas", tmp_path, "-rtp_echo", "-mp", str(echo)):
        uri = f"sip:uas@{IP}:{port}"
        code, figures = await load(uri, "--calls", "5", "--rate", "5", "--for", "1")
        assert code == 0
        assert (figures["placed"], figures["answered"], figures["cut"]) == (5, 5, 0)
        assert figures["packets"]["sent"] > 5 * 40
