"""PhoneProcess: one test phone: how it is started, and what is handed to it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from ivrbench.observe.commands import PlaceTestCall

__all__ = ["PROGRAM", "PhoneProcess", "record_file", "start_phone"]

log = logging.getLogger("ivrbench.engine")

PROGRAM: Final = (sys.executable, "-m", "ivrbench")


class PhoneProcess:
    """One phone process and the leg it became.

    Args:
        name: "p3".
        process: it.
        order: what it was started for.
    """

    def __init__(self, name: str, process: Process, order: PlaceTestCall) -> None:
        self.name = name
        self.process = process
        self.order = order
        self.ended = False
        """True once it told how its call ended."""
        self.leg: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.last_error = ""
        """What it said last on standard error."""
        self.ready = asyncio.Event()
        """It can be called, or it is over."""
        self.is_idle = bool(order.answers)
        """True while it waits to be called."""

    @property
    def leg_name(self) -> str:
        """The leg it is, "" if it is none (yet)."""
        return self.leg.result() if self.leg.done() else ""

    def write(self, line: str) -> None:
        """Hand it a line of its standard input."""
        assert self.process.stdin is not None, "it was started with a pipe"
        self.process.stdin.write(" ".join(line.splitlines()).encode() + b"\n")

    async def lines(self) -> AsyncIterator[bytes]:
        """What it says on standard output."""
        assert self.process.stdout is not None, "it was started with a pipe"
        async for line in self.process.stdout:
            yield line

    async def log_errors(self) -> None:
        """Log what it says on standard error, until it is over."""
        assert self.process.stderr is not None, "it was started with a pipe"
        async for line in self.process.stderr:
            self.last_error = line.decode("utf-8", "replace").rstrip()
            log.info("test phone: %s", self.last_error)


def record_file(order: PlaceTestCall, name: str) -> str:
    """Where a phone writes what it hears; those that wait come one after the other."""
    if not order.record or not order.answers:
        return order.record
    path = Path(order.record)
    return str(path.with_name(f"{path.stem}-{name}{path.suffix}"))


async def start_phone(
    name: str, order: PlaceTestCall, target: str, login: tuple[str, str]
) -> PhoneProcess:
    """Start a phone.

    Args:
        name: "p3".
        order: what it is to do.
        target: the URI to call, or the address to wait at.
        login: name and password for whoever asks.

    Raises:
        OSError: it does not start.
    """
    if order.record:
        Path(order.record).parent.mkdir(parents=True, exist_ok=True)
    user, password = login
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_command_line(order, target, record_file(order, name), user),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        # The command line of a process can be read by everybody, its environment only by us.
        env={**os.environ, "IVRBENCH_PASSWORD": password} if user else None,
    )
    return PhoneProcess(name, process, order)


def _command_line(order: PlaceTestCall, target: str, record: str, user: str) -> list[str]:
    valued = {
        "--wait": order.answers,
        "--register": order.register,
        "--keys": order.keys,
        "--keys-by": order.keys_by,
        "--codec": order.codec,
        "--wav": order.wav,
        "--tone": str(order.tone_hz or ""),
        "--say": order.say,
        "--record": record,
        "--microphone": order.microphone,
        "--speaker": order.speaker,
        "--user": user,
    }
    arguments = [*PROGRAM, "call", target, "--from-workbench"]
    arguments += ["--level-test"] if order.level_test else []
    arguments += [f"{name}={value}" for name, value in valued.items() if value]
    arguments += ["--sound"] if order.sound else []
    return [*arguments, "--silent"] if order.silent else arguments
