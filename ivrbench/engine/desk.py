"""Desk: carries out what clients of the control socket ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.observe.commands import (
    Answered,
    Drain,
    HangUp,
    ListSoundCards,
    PlaceTestCall,
    ReloadScripts,
    RollBack,
    Stop,
    TellPhone,
)

from .phones import Phones

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ivrbench.observe.commands import Command

    from .engine import Engine

__all__ = ["Desk"]


class Desk:
    """The commands of one engine.

    Args:
        engine: who obeys.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.phones = Phones(engine)

    async def handle(self, command: Command) -> Answered:
        """Carry out one command."""
        return await _COMMANDS[type(command)](self, command)

    async def _hang_up(self, command: HangUp) -> Answered:
        session = self._engine.board.sessions.get(command.leg)
        if session is None:
            return Answered(command.request, ok=False, text=f"{command.leg} is not up any more")
        session.hang_up("engine", "hung up from the workbench")
        self._engine.board.settle()
        return Answered(command.request, ok=True, text=f"{command.leg} hung up", leg=command.leg)

    async def _reload(self, command: ReloadScripts) -> Answered:
        self._engine.reload(command.script)
        what = command.script or "all scripts"
        return Answered(command.request, ok=True, text=f"loading {what} again")

    async def _roll_back(self, command: RollBack) -> Answered:
        ok, text = self._engine.roll_back(command.script, command.generation)
        return Answered(command.request, ok=ok, text=text)

    async def _place_call(self, command: PlaceTestCall) -> Answered:
        phone, leg, text = await self.phones.place(command)
        ok = text.startswith("calling")
        return Answered(command.request, ok=ok, text=text, leg=leg, phone=phone)

    async def _list_cards(self, command: ListSoundCards) -> Answered:
        cards, problem = await self.phones.cards()
        return Answered(command.request, ok=not problem, text=problem, cards=cards)

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
    PlaceTestCall: Desk._place_call,
    ListSoundCards: Desk._list_cards,
    TellPhone: Desk._tell_phone,
    Drain: Desk._drain,
    Stop: Desk._stop,
}
