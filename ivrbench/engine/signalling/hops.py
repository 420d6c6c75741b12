"""Hops: what goes within a dialog to a place that has a name: a Route, or the other side's Contact
(RFC 3263 §4, RFC 3261 §12.2.1.1).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ivrbench.sip.flow import Flow

    from .routing import Router, Ways

__all__ = ["Hops"]

ASKED_FOR_S: Final = 1.0
"""How long a message waits for the DNS. An ACK cannot wait long; what comes later is remembered
there for the next one."""


class Hops:
    """Sends messages, each in its turn; what has no name to be asked for goes at once.

    A name that leads nowhere, or not in time, does not keep a message back: it goes where the
    dialog's messages came from or went before, as that place knew how to pass them on.

    Args:
        loop: runs it.
        router: tells who finds names; asked for at each name.
        send: sends one message by a flow.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        router: Callable[[], Router],
        send: Callable[[bytes, Flow], None],
    ) -> None:
        self._loop = loop
        self._router = router
        self._send = send
        self._waiting: dict[str, list[tuple[bytes, Flow]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message, now or once its hop is found."""
        if not flow.hop:
            self._send(data, flow)
            return
        waiting = self._waiting.get(flow.hop)
        if waiting is not None:
            waiting.append((data, flow))
            return
        self._waiting[flow.hop] = [(data, flow)]
        self._start(self._find(flow.hop))

    def close(self) -> None:
        """Forget what waits."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _find(self, hop: str) -> None:
        found: list[Ways] = []
        await asyncio.wait([self._start(self._ask(hop, found))], timeout=ASKED_FOR_S)
        for data, flow in self._waiting.pop(hop):
            self._send(data, _by(flow, found))

    async def _ask(self, hop: str, found: list[Ways]) -> None:
        try:
            found.append(await self._router().find(hop))
        except (LocalProtocolError, OSError):
            pass  # It goes where the others went.


def _by(flow: Flow, found: list[Ways]) -> Flow:
    """The way to the hop by the transport that the message names in its Via."""
    for ways in found:
        for each in ways.flows:
            if each.transport == flow.transport:
                return each
    return replace(flow, hop="")
