"""Phones: test phone processes started for the workbench, what they are told and what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
from typing import TYPE_CHECKING, Final

import msgspec

from ivrbench.config import read_users
from ivrbench.errors import ConfigError, RemoteProtocolError
from ivrbench.observe.commands import Answered, SoundCard
from ivrbench.observe.phones import PhoneEnded, PhoneEvent, PhoneRang, PhoneReady, PhoneStarted
from ivrbench.sip.flow import host_port
from ivrbench.sip.uri import parse_uri

from .phone_process import PROGRAM, PhoneProcess, record_file, start_phone

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ivrbench.observe.commands import PlaceTestCall, TellPhone

    from .engine import Engine
    from .session import Session
    from .signalling.transports import Listener

__all__ = ["Phones"]

log = logging.getLogger("ivrbench.engine")

SPOKEN: Final = ("udp", "tcp")
"""Transports the test phone has."""
RINGS_WITHIN_S: Final = 5.0
"""Python and its sound library start in about 1 s; then the INVITE must come."""
HANGS_UP_WITHIN_S: Final = 3.0
_decoder: Final[msgspec.json.Decoder[PhoneEvent]] = msgspec.json.Decoder(PhoneEvent)
_CARD: Final = re.compile(r"^(?P<inputs>\d+) in, (?P<outputs>\d+) out\t(?P<name>.+)$", re.MULTILINE)
_MARK: Final = re.compile(r";test-call=(\d+)")


class Phones:
    """The test calls of one engine; each is a process of its own, speaking real SIP to us.

    A parameter of the Request-URI tells which phone a call came from; where we call a phone, the
    Call-ID does.

    Args:
        engine: whom they call.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = itertools.count(1)
        self._phones: dict[int, PhoneProcess] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        engine.board.on_call = self._call_began

    async def place(self, command: PlaceTestCall) -> Answered:
        """Start a call and wait until it reaches us; or a phone, until we can call it."""
        if command.answers:
            self._send_idle_away()
            if command.register:
                self._engine.board.callee_hop = ""
        try:
            phone = await self._start(command)
        except OSError as exc:
            text = f"the test phone did not start: {exc.strerror}"
            return Answered(command.request, ok=False, text=text)
        except ConfigError as exc:
            return Answered(command.request, ok=False, text=str(exc))
        leg = await self._arrived(phone)
        text = f"calling {command.target}" if command.target else "level test"
        if command.answers:
            to = command.register or "what scripts call"
            text = f"{to} comes to the test phone"
        ok = bool(leg) or not phone.leg.done()
        if not ok:
            why = phone.last_error.removeprefix("ivrbench: ") or "the log may say why"
            text = f"the test phone ended: {why}"
        return Answered(command.request, ok=ok, text=text, leg=leg, phone=phone.name)

    async def _arrived(self, phone: PhoneProcess) -> str:
        """Wait until a phone's call is a leg, or until it can be called; its leg, "" if none."""
        waits, target = bool(phone.order.answers), phone.order.target
        if waits or not (_is_uri(target) or phone.order.level_test):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RINGS_WITHIN_S):
                    await (phone.ready.wait() if waits else asyncio.shield(phone.leg))
        return phone.leg_name

    async def _start(self, order: PlaceTestCall) -> PhoneProcess:
        """Start a phone's process, and listen to it.

        Raises:
            OSError: it does not start.
            ConfigError: there is nobody to call, or the file of users cannot be used.
        """
        number = next(self._numbers)
        name = f"p{number}"
        if order.level_test:
            target, login = "", ("", "")
        elif order.answers:
            target = host_port(_reachable(self._listener()), 0)
            login = self._registers_as(order)
        else:
            target = f"{self._target(order.target)};test-call={number}"
            login = self._login(order)
        phone = self._phones[number] = await start_phone(name, order, target, login)
        self._engine.board.publish(
            PhoneStarted(
                phone=name,
                target=order.target or order.register,
                recording=record_file(order, name),
                answers=order.answers,
            )
        )
        self._begin(self._watch(number, phone))
        return phone

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cards(self) -> tuple[tuple[SoundCard, ...], str]:
        """The sound cards of this machine, and why they are not known ("" if they are).

        The sound library never comes into the engine's process: a phone is asked.
        """
        pipe = asyncio.subprocess.PIPE
        command = [*PROGRAM, "call", "--devices"]
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
        for phone in self._phones.values():
            if command.phone in (phone.name, phone.leg_name):
                if phone.is_idle and command.verb == "hangup":
                    phone.is_idle = False
                    self._engine.board.callee_hop = ""
                phone.write(f"{command.verb} {command.argument}".strip())
                return ""
        return f"{command.phone} is not a call of the test phone"

    async def close(self) -> None:
        """End all test calls."""
        for phone in list(self._phones.values()):
            phone.is_idle = False
            with contextlib.suppress(ProcessLookupError):
                phone.process.terminate()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=HANGS_UP_WITHIN_S)

    def _send_idle_away(self) -> None:
        """Another phone takes its place; calls do not go where they lead meanwhile."""
        for phone in self._phones.values():
            if phone.is_idle:
                phone.is_idle = False
                phone.write("hangup")

    def _listener(self) -> Listener:
        """Where the phone meets us.

        Raises:
            ConfigError: nowhere.
        """
        listeners = self._engine.transports.listeners
        listener = next((each for each in listeners if each.transport in SPOKEN), None)
        if listener is None:
            raise ConfigError("there is no SIP listener to call")
        return listener

    def _target(self, wanted: str) -> str:
        """The URI to call for a script's name or a URI."""
        if _is_uri(wanted):
            return wanted
        listener = self._listener()
        transport = "" if listener.transport == "udp" else f";transport={listener.transport}"
        return f"sip:{wanted}@{host_port(_reachable(listener), listener.port)}{transport}"

    def _login(self, command: PlaceTestCall) -> tuple[str, str]:
        """The first of our users, with the password, where our own scripts are called.

        Raises:
            ConfigError: the file of users cannot be used.
        """
        users = self._engine.board.settings.users
        if users is None or _is_uri(command.target):
            return "", ""
        return next(iter(read_users(users).items()))

    def _registers_as(self, order: PlaceTestCall) -> tuple[str, str]:
        """Name and password at the registrar, ("", "") if there is no password.

        Raises:
            ConfigError: the address, or the file of users, cannot be used.
        """
        if not order.register:
            return "", ""
        try:
            user = parse_uri(order.register).decoded_user
        except RemoteProtocolError as exc:
            raise ConfigError(f"{order.register} cannot be registered as: {exc.reason}") from exc
        users = self._engine.board.settings.users
        known = read_users(users) if users is not None else {}
        password = order.password or known.get(user, "")
        return (user, password) if password else ("", "")

    def _call_began(self, session: Session) -> None:
        mark = _MARK.search(session.leg.call.invite_request.uri)
        phone = self._phones.get(int(mark[1])) if mark else None
        if phone is not None and not phone.leg.done():
            phone.leg.set_result(session.leg.name)

    async def _watch(self, number: int, phone: PhoneProcess) -> None:
        await asyncio.gather(self._relay(phone), phone.log_errors())
        await phone.process.wait()
        del self._phones[number]
        if phone.is_idle:
            self._engine.board.callee_hop = ""
        if not phone.leg.done():
            phone.leg.set_result("")
        phone.ready.set()
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

    async def _relay(self, phone: PhoneProcess) -> None:
        """Publish what the phone tells, under its name and its leg's."""
        async for line in phone.lines():
            try:
                event = _decoder.decode(line)
            except msgspec.MsgspecError:
                log.info("test phone: %s", line.decode("utf-8", "replace").rstrip())
                continue
            match event:
                case PhoneReady(address=address):
                    self._can_be_called(phone, address)
                case PhoneRang(call_id=call_id):
                    self._was_called(phone, call_id)
                case PhoneEnded():
                    phone.ended = True
            name, leg = phone.name, phone.leg_name
            self._engine.board.publish(msgspec.structs.replace(event, phone=name, leg=leg))

    def _can_be_called(self, phone: PhoneProcess, address: str) -> None:
        if phone.is_idle and not phone.order.register:
            self._engine.board.callee_hop = f"sip:{address}"
        phone.ready.set()

    def _was_called(self, phone: PhoneProcess, call_id: str) -> None:
        """Find the leg; another phone takes the next call. Until it is there, this one is busy."""
        live = self._engine.hub.history.live.values()
        legs = (leg.name for leg in live if leg.started.call_id == call_id)
        phone.leg.set_result(next(legs, ""))
        if phone.is_idle:
            phone.is_idle = False
            self._begin(self._follow(phone.order))

    async def _follow(self, order: PlaceTestCall) -> None:
        try:
            await self._start(order)
        except (OSError, ConfigError) as exc:
            log.error("no test phone takes the next call: %s", exc)
            self._engine.board.callee_hop = ""


def _is_uri(target: str) -> bool:
    return target.startswith(("sip:", "sips:"))


def _reachable(listener: Listener) -> str:
    """Our address for a phone on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.ip, listener.ip)
