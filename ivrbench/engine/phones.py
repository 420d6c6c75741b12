"""Phones: test phone processes started for the workbench, what they are told and what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ivrbench.config import read_users
from ivrbench.errors import ConfigError
from ivrbench.observe.commands import SoundCard
from ivrbench.observe.phones import PhoneEnded, PhoneEvent, PhoneStarted
from ivrbench.sip.flow import host_port

if TYPE_CHECKING:
    from ivrbench.observe.commands import PlaceTestCall, TellPhone

    from .engine import Engine
    from .session import Session

__all__ = ["Phones"]

log = logging.getLogger("ivrbench.engine")

SPOKEN: Final = ("udp", "tcp")
"""Transports the test phone has."""
RINGS_WITHIN_S: Final = 5.0
"""Python and its sound library start in about 1 s; then the INVITE must come."""
HANGS_UP_WITHIN_S: Final = 3.0
_decoder: Final[msgspec.json.Decoder[PhoneEvent]] = msgspec.json.Decoder(PhoneEvent)
_PROGRAM: Final = (sys.executable, "-m", "ivrbench")
_CARD: Final = re.compile(r"^(?P<inputs>\d+) in, (?P<outputs>\d+) out\t(?P<name>.+)$", re.MULTILINE)
_MARK: Final = re.compile(r";test-call=(\d+)")


class _Phone:
    """One phone process and the leg it became."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.ended = False
        """True once it told how its call ended."""
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

    async def place(self, command: PlaceTestCall) -> tuple[str, str, str]:
        """Start a call and wait until it reaches us.

        Returns:
            the phone and its leg, each "" if there is none, and a sentence.
        """
        target = self._target(command.target)
        if not target:
            return "", "", "there is no SIP listener to call"
        number = next(self._numbers)
        try:
            process = await _start(command, f"{target};test-call={number}", self._login(command))
        except OSError as exc:
            return "", "", f"the test phone did not start: {exc.strerror}"
        except ConfigError as exc:
            return "", "", str(exc)
        phone = self._phones[number] = _Phone(f"p{number}", process)
        self._engine.board.publish(
            PhoneStarted(phone=phone.name, target=command.target, recording=command.record)
        )
        task = asyncio.get_running_loop().create_task(self._watch(number, phone))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        leg = ""
        if not _is_uri(command.target):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RINGS_WITHIN_S):
                    leg = await asyncio.shield(phone.leg)
            if phone.leg.done() and not leg:
                return phone.name, "", "the test phone ended"
        return phone.name, leg, f"calling {command.target}"

    async def cards(self) -> tuple[tuple[SoundCard, ...], str]:
        """The sound cards of this machine, and why they are not known ("" if they are).

        The sound library never comes into the engine's process: a phone is asked.
        """
        pipe = asyncio.subprocess.PIPE
        command = [*_PROGRAM, "call", "--devices"]
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        told, problem = await process.communicate()
        if process.returncode:
            return (), problem.decode(errors="replace").strip().removeprefix("ivrbench: ")
        found = _CARD.finditer(told.decode(errors="replace"))
        cards = (SoundCard(one["name"], int(one["inputs"]), int(one["outputs"])) for one in found)
        return tuple(cards), ""

    def tell(self, command: TellPhone) -> str:
        """Hand a line to a phone.

        Returns:
            "" if it was handed over, else why not.
        """
        line = f"{command.verb} {command.argument}".strip()
        for phone in self._phones.values():
            leg = phone.leg.result() if phone.leg.done() else ""
            if command.phone in (phone.name, leg) and phone.process.stdin is not None:
                phone.process.stdin.write(" ".join(line.splitlines()).encode() + b"\n")
                return ""
        return f"{command.phone} is not a call of the test phone"

    async def close(self) -> None:
        """End all test calls."""
        for phone in list(self._phones.values()):
            with contextlib.suppress(ProcessLookupError):
                phone.process.terminate()
        if self._watching:
            await asyncio.wait(self._watching, timeout=HANGS_UP_WITHIN_S)

    def _target(self, wanted: str) -> str:
        """The URI to call for a script's name or a URI; "" if there is nobody to call."""
        if _is_uri(wanted):
            return wanted
        listeners = self._engine.transports.listeners
        listener = next((each for each in listeners if each.transport in SPOKEN), None)
        if listener is None:
            return ""
        ip = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.ip, listener.ip)
        transport = "" if listener.transport == "udp" else f";transport={listener.transport}"
        return f"sip:{wanted}@{host_port(ip, listener.port)}{transport}"

    def _login(self, command: PlaceTestCall) -> tuple[str, str]:
        """The first of our users, with the password, where our own scripts are called.

        Raises:
            ConfigError: the file of users cannot be used.
        """
        users = self._engine.board.settings.users
        if users is None or _is_uri(command.target):
            return "", ""
        return next(iter(read_users(users).items()))

    def _call_began(self, session: Session) -> None:
        mark = _MARK.search(session.leg.call.invite_request.uri)
        phone = self._phones.get(int(mark[1])) if mark else None
        if phone is not None and not phone.leg.done():
            phone.leg.set_result(session.leg.name)

    async def _watch(self, number: int, phone: _Phone) -> None:
        await asyncio.gather(self._relay(phone), _log_errors(phone))
        await phone.process.wait()
        del self._phones[number]
        if not phone.leg.done():
            phone.leg.set_result("")
        if not phone.ended:
            text = f"the test phone ended with exit code {phone.process.returncode}"
            self._engine.board.publish(
                PhoneEnded(
                    phone=phone.name,
                    leg=phone.leg.result(),
                    text=text,
                    code=0,
                    answered=False,
                    duration_s=0.0,
                )
            )

    async def _relay(self, phone: _Phone) -> None:
        """Publish what the phone tells, under its name and its leg's."""
        assert phone.process.stdout is not None, "it was started with a pipe"
        async for line in phone.process.stdout:
            try:
                event = _decoder.decode(line)
            except msgspec.MsgspecError:
                log.info("test phone: %s", line.decode("utf-8", "replace").rstrip())
                continue
            leg = phone.leg.result() if phone.leg.done() else ""
            phone.ended = phone.ended or isinstance(event, PhoneEnded)
            self._engine.board.publish(msgspec.structs.replace(event, phone=phone.name, leg=leg))


def _is_uri(target: str) -> bool:
    return target.startswith(("sip:", "sips:"))


async def _start(
    command: PlaceTestCall, target: str, login: tuple[str, str]
) -> asyncio.subprocess.Process:
    if command.record:
        Path(command.record).parent.mkdir(parents=True, exist_ok=True)
    user, password = login
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *_command_line(command, target, user),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        # The command line of a process can be read by everybody, its environment only by us.
        env={**os.environ, "IVRBENCH_PASSWORD": password} if user else None,
    )


def _command_line(command: PlaceTestCall, target: str, user: str) -> list[str]:
    valued = {
        "--keys": command.keys,
        "--keys-by": command.keys_by,
        "--codec": command.codec,
        "--wav": command.wav,
        "--tone": str(command.tone_hz or ""),
        "--say": command.say,
        "--record": command.record,
        "--microphone": command.microphone,
        "--speaker": command.speaker,
        "--user": user,
    }
    arguments = [*_PROGRAM, "call", target, "--from-workbench"]
    arguments += [f"{name}={value}" for name, value in valued.items() if value]
    arguments += ["--sound"] if command.sound else []
    return [*arguments, "--silent"] if command.silent else arguments


async def _log_errors(phone: _Phone) -> None:
    assert phone.process.stderr is not None, "it was started with a pipe"
    async for line in phone.process.stderr:
        log.info("test phone: %s", line.decode("utf-8", "replace").rstrip())
