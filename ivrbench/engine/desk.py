"""Desk: carries out what clients of the control socket ask for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError
from ivrbench.observe.commands import (
    Answered,
    DialOut,
    Drain,
    Evaluate,
    HangUp,
    ListSoundCards,
    PinScript,
    PlaceTestCall,
    ReloadScripts,
    RollBack,
    Stop,
    TellPhone,
)
from ivrbench.scriptapi.uac import DialRequest
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.uri import parse_uri

from .console import Consoles
from .phones import Phones
from .uac import dial_out

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ivrbench.observe.commands import Command

    from .engine import Engine

__all__ = ["Desk"]

log = logging.getLogger("ivrbench.load")


class Desk:
    """The commands of one engine.

    Args:
        engine: who obeys.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.phones = Phones(engine)
        self._consoles = Consoles(engine.board)
        engine.hub.on_inspect = self._inspect

    async def handle(self, command: Command) -> Answered:
        """Carry out one command."""
        return await _COMMANDS[type(command)](self, command)

    def _inspect(self, legs: frozenset[str]) -> None:
        """A workbench shows these legs from now on."""
        for leg in legs:
            session = self._engine.board.sessions.get(leg)
            if session is not None and session.mailbox.call is None:
                session.inspector.look()

    async def _hang_up(self, command: HangUp) -> Answered:
        sessions, why = self._engine.board.sessions, "hung up from the workbench"
        session = sessions.get(command.leg)
        callee = next((s.b2b.callee for s in sessions.values() if s.b2b.has(command.leg)), None)
        if callee is not None:
            callee.fail(why)
        elif session is not None:
            session.hang_up("engine", why)
        else:
            return Answered(command.request, ok=False, text=f"{command.leg} is not up any more")
        self._engine.board.settle()
        return Answered(command.request, ok=True, text=f"{command.leg} hung up", leg=command.leg)

    async def _reload(self, command: ReloadScripts) -> Answered:
        self._engine.reload(command.script)
        what = command.script or "all scripts"
        return Answered(command.request, ok=True, text=f"loading {what} again")

    async def _roll_back(self, command: RollBack) -> Answered:
        name, number = command.script, command.generation
        back = self._engine.registry.rollback(name, number)
        if back is None:
            what = (
                f"@{number} of {name} is no kept version"
                if number
                else f"{name} has no older version"
            )
            return Answered(command.request, ok=False, text=f"{what} that loaded")
        log.info("%s: rolled back to @%d", name, back.number, extra={"script": name})
        text = f"{name}@{back.number} serves new calls again"
        return Answered(command.request, ok=True, text=text)

    async def _pin(self, command: PinScript) -> Answered:
        name, number = command.script, command.generation
        serving = self._engine.registry.pin(name, number)
        if serving is None:
            return Answered(command.request, ok=False, text=f"@{number} of {name} is not kept")
        text = f"{name}: new calls get @{serving.number}, "
        text += "whatever is loaded" if number else "and what is loaded after it"
        log.info("%s", text, extra={"script": name})
        return Answered(command.request, ok=True, text=text)

    async def _evaluate(self, command: Evaluate) -> Answered:
        return await self._consoles.evaluate(command)

    async def _place_call(self, command: PlaceTestCall) -> Answered:
        return await self.phones.place(command)

    async def _list_cards(self, command: ListSoundCards) -> Answered:
        cards, problem = await self.phones.cards()
        return Answered(command.request, ok=not problem, text=problem, cards=cards)

    async def _dial_out(self, command: DialOut) -> Answered:
        board = self._engine.board
        try:
            request = DialRequest(
                application=command.script,
                r_uri=str(parse_uri(command.uri)),
                from_header=parse_name_addr(command.from_).address if command.from_ else "",
            )
        except RemoteProtocolError as exc:
            return Answered(command.request, ok=False, text=f"cannot be called: {exc.reason}")
        leg, handle = dial_out(board, request)
        board.settle()
        text = handle.reason or f"{leg}: {command.script} calls {request.r_uri}"
        return Answered(command.request, ok=not handle.code, text=text, leg=leg)

    async def _tell_phone(self, command: TellPhone) -> Answered:
        problem = self.phones.tell(command)
        text = problem or f"{command.phone}: {command.verb} {command.argument}".rstrip()
        return Answered(command.request, ok=not problem, text=text)

    async def _drain(self, command: Drain) -> Answered:
        self._engine.drain()
        live = len(self._engine.board.sessions)
        return Answered(command.request, ok=True, text=f"draining, {live} calls are up")

    async def _stop(self, command: Stop) -> Answered:
        self._engine.stop()
        return Answered(command.request, ok=True, text="stopping")


_COMMANDS: Final[dict[type, Callable[..., Awaitable[Answered]]]] = {
    HangUp: Desk._hang_up,
    ReloadScripts: Desk._reload,
    RollBack: Desk._roll_back,
    PinScript: Desk._pin,
    Evaluate: Desk._evaluate,
    PlaceTestCall: Desk._place_call,
    ListSoundCards: Desk._list_cards,
    DialOut: Desk._dial_out,
    TellPhone: Desk._tell_phone,
    Drain: Desk._drain,
    Stop: Desk._stop,
}
