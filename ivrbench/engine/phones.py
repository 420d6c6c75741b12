"""Phones: test phone processes started for the workbench, and keys handed to them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import sys
from typing import TYPE_CHECKING, Final

from ivrbench.sip.flow import host_port

if TYPE_CHECKING:
    from ivrbench.observe.commands import PlaceTestCall

    from .engine import Engine
    from .session import Session

__all__ = ["Phones"]

log = logging.getLogger("ivrbench.engine")

RINGS_WITHIN_S: Final = 5.0
"""Python and its sound library start in about 1 s; then the INVITE must come."""
HANGS_UP_WITHIN_S: Final = 3.0
_MARK: Final = re.compile(r";test-call=(\d+)")


class _Phone:
    """One phone process and the leg it became."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.leg: asyncio.Future[str] = asyncio.get_running_loop().create_future()


class Phones:
    """The test calls of one engine; each is a process of its own, speaking real SIP to us.

    A parameter of the Request-URI tells which phone a call came from.

    Args:
        engine: whom they call.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = itertools.count(1)
        self._phones: dict[int, _Phone] = {}
        self._watching: set[asyncio.Task[None]] = set()
        engine.board.on_call = self._call_began

    async def place(self, command: PlaceTestCall) -> tuple[str, str]:
        """Start a call and wait until it reaches us.

        Returns:
            its leg, "" if there is none, and a sentence.
        """
        target = self._target(command.target)
        if not target:
            return "", "there is no SIP listener to call"
        number = next(self._numbers)
        arguments = ["-m", "ivrbench", "call", f"{target};test-call={number}", "--from-workbench"]
        arguments += ["--keys", command.keys] if command.keys else []
        arguments += ["--wav", command.wav] if command.wav else []
        arguments += ["--sound"] if command.sound else []
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, stdin=pipe, stdout=nowhere, stderr=pipe
            )
        except OSError as exc:
            return "", f"the test phone did not start: {exc.strerror}"
        phone = self._phones[number] = _Phone(process)
        task = asyncio.get_running_loop().create_task(self._watch(number, phone))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        if not command.target.startswith(("sip:", "sips:")):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RINGS_WITHIN_S):
                    leg = await asyncio.shield(phone.leg)
                    return leg, f"calling {command.target}" if leg else "the test phone ended"
        return "", f"calling {command.target}"

    def press(self, leg: str, keys: str) -> str:
        """Hand keys to the phone of a leg.

        Returns:
            "" if they were handed over, else why not.
        """
        for phone in self._phones.values():
            if phone.leg.done() and phone.leg.result() == leg and phone.process.stdin is not None:
                phone.process.stdin.write(f"{keys}\n".encode())
                return ""
        return f"{leg} is not a call of the test phone"

    async def close(self) -> None:
        """End all test calls."""
        for phone in list(self._phones.values()):
            with contextlib.suppress(ProcessLookupError):
                phone.process.terminate()
        if self._watching:
            await asyncio.wait(self._watching, timeout=HANGS_UP_WITHIN_S)

    def _target(self, wanted: str) -> str:
        """The URI to call for a script's name or a URI; "" if there is nobody to call."""
        if wanted.startswith(("sip:", "sips:")):
            return wanted
        listener = next(iter(self._engine.transports.listeners), None)
        if listener is None:
            return ""
        ip = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.ip, listener.ip)
        transport = "" if listener.transport == "udp" else f";transport={listener.transport}"
        return f"sip:{wanted}@{host_port(ip, listener.port)}{transport}"

    def _call_began(self, session: Session) -> None:
        mark = _MARK.search(session.leg.call.invite_request.uri)
        phone = self._phones.get(int(mark[1])) if mark else None
        if phone is not None and not phone.leg.done():
            phone.leg.set_result(session.leg.name)

    async def _watch(self, number: int, phone: _Phone) -> None:
        assert phone.process.stderr is not None, "it was started with a pipe"
        async for line in phone.process.stderr:
            log.info("test phone: %s", line.decode("utf-8", "replace").rstrip())
        await phone.process.wait()
        del self._phones[number]
        if not phone.leg.done():
            phone.leg.set_result("")
