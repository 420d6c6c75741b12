"""`ivrbench call --save-test`: the call that was just made, as a pytest test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ControlError
from ivrbench.observe.case import Step, case_of, quoted
from ivrbench.observe.case_said import with_voice
from ivrbench.observe.case_secrets import asked_for_secret, without_numbers
from ivrbench.observe.case_source import Checks, save_case
from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import Watch
from ivrbench.observe.history import History
from ivrbench.observe.ladder import legs_of
from ivrbench.observe.snapshot import Snapshot, WholeLegs

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.observe.snapshot import LegView

__all__ = ["save_test"]

OVER_WITHIN_S: Final = 5.0
"""A script may take its time after the caller has hung up."""


def save_test(
    control_socket: Path, call_id: str, file: Path, *, said: str | Path = "", masks: bool = False
) -> str:
    """Ask the engine what the call was, and add it to a file of tests.

    Args:
        control_socket: the engine's.
        call_id: of the call.
        file: of tests.
        said: what the phone said from the answer on: a file or a text; "": nothing.
        masks: other numbers stand for those that were pressed.

    Returns:
        a sentence for the user.

    Raises:
        ControlError: the call cannot become a test, or the file cannot be written.
        EngineGone: the engine is not there any more.
    """
    case = case_of(asyncio.run(_legs(control_socket, call_id)))
    if said:
        case = with_voice(case, Step(0.0, "call", "say", [quoted(str(said)), "wait=False"]))
    prompt, hint = asked_for_secret(case), ""
    if masks and without_numbers(case) is case:
        hint = "; no number of three keys or more was pressed"
    elif prompt and not masks:
        hint = f"; keys after {prompt} are in it as pressed (--mask-numbers)"
    return f"saved: {save_case(case, file, checks=Checks(masks=masks))} in {file}{hint}"


async def _legs(control_socket: Path, call_id: str) -> list[LegView]:
    client = await ControlClient.connect(str(control_socket))
    history = History()
    try:
        async with asyncio.timeout(OVER_WITHIN_S):
            async for message in client:
                if isinstance(message, Snapshot):
                    history = History.resume(message)
                elif isinstance(message, WholeLegs):
                    history.take_whole(message.legs)
                else:
                    for stamped in message:
                        history.apply(stamped)
                legs = _finished(history, call_id)
                brief = tuple(leg.name for leg in legs if leg.brief)
                if brief:
                    await client.request(Watch(legs=brief))
                elif legs:
                    return legs
    except TimeoutError:
        raise ControlError("the call is not over: the script keeps its session") from None
    finally:
        await client.close()
    raise ControlError("the engine does not know the call")


def _finished(history: History, call_id: str) -> list[LegView]:
    """The legs of a call that is over; none if it is not."""
    found = (leg for leg in history.done.values() if leg.started.call_id == call_id)
    leg = next(found, None)
    return legs_of(history, leg.name) if leg is not None else []
