"""`ivrbench dial`: let a script of the running engine call somebody."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from ivrbench.errors import EngineGone
from ivrbench.observe.client import ControlClient
from ivrbench.observe.commands import DialOut
from ivrbench.observe.events import LegChanged, LegEnded

from . import exits
from .arguments import settings_of_file
from .sockets import engine_socket

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from ivrbench.observe.events import Event

__all__ = ["dial"]


def dial(options: argparse.Namespace) -> int:
    """Place the call and tell on stdout what becomes of it, until it is answered or has failed.

    Returns:
        the exit code: 0 answered, 1 not.

    Raises:
        ConfigError: the settings cannot be used.
        EngineGone: no engine runs.
    """
    settings = settings_of_file(options)
    socket = engine_socket(options, settings)
    if socket is None:
        raise EngineGone("no engine runs here; --control-socket names another one")
    command = DialOut(script=options.script, uri=options.uri, from_=options.from_)
    return asyncio.run(_dial(socket, command))


async def _dial(socket: Path, command: DialOut) -> int:
    client = await ControlClient.connect(str(socket))
    try:
        answer = await client.request(command)
        print(answer.text, file=sys.stdout if answer.ok else sys.stderr)
        if not answer.ok:
            return exits.CHECK_FAILED
        async for message in client:
            if not isinstance(message, list):
                continue
            code = _tell(answer.leg, (stamped.event for stamped in message))
            if code is not None:
                return code
    finally:
        await client.close()
    return exits.ENGINE


def _tell(leg: str, events: Iterable[Event]) -> int | None:
    """Print what happened to a leg; gives the exit code once that is known."""
    for event in events:
        if isinstance(event, LegChanged) and event.leg == leg and event.code:
            print(f"{event.code} {event.reason}")
            if event.state in ("up", "held"):
                return exits.OK
        elif isinstance(event, LegEnded) and event.leg == leg:
            print(f"not answered: {event.reason}")
            return exits.CHECK_FAILED
    return None
