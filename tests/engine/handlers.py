"""A pool of script threads on the running loop, for tests of handlers."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from ivrbench.clock import ManualClock
from ivrbench.engine.inbox import Inbox
from ivrbench.engine.outcome import Call, Outcome, Running
from ivrbench.engine.scripts.pool import ScriptPool
from ivrbench.engine.scripts.runner import Mailbox
from tests.scriptapi.fakes import FakePort

if TYPE_CHECKING:
    import threading

    from tests.engine.scripts.bench import Bench

HEAD = "from ivr import *\nimport asyncio, functools, sys, threading\n"
DEADLINE_S = 20.0


class Harness:
    """A pool on the running loop, and mailboxes of scripts given as text."""

    def __init__(self, bench: Bench, threads: int) -> None:
        loop = asyncio.get_running_loop()
        self.bench = bench
        self.clock = ManualClock()
        self.inbox = Inbox(loop, lambda: None)
        self.pool = ScriptPool(loop, self.inbox, self.clock, threads)
        self.slow: list[Running] = []
        self.outcomes: deque[Outcome] = deque()
        self._more = asyncio.Event()

    def script(self, body: str, name: str = "menu") -> Mailbox:
        """A mailbox with a dialog of a class with this body."""
        indented = "".join(f"    {line}\n" for line in body.splitlines())
        self.bench.write(f"{name}.py", f"{HEAD}class IvrDialog(IvrDialogBase):\n{indented}")
        self.bench.changed(f"{name}.py")
        return self.mailbox(name)

    def mailbox(self, name: str = "menu") -> Mailbox:
        """Another call of a script."""
        mailbox = Mailbox(self.pool, self.bench.serving(name), FakePort(), self.slow.append)
        mailbox.create(self.done)
        return mailbox

    def done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._more.set()

    async def outcome(self, handler: str) -> Outcome:
        """Wait for the outcome of a handler; others before it are dropped."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while self.outcomes:
                    outcome = self.outcomes.popleft()
                    if outcome.call.handler == handler:
                        return outcome
                self._more.clear()
                await self._more.wait()

    async def call(self, mailbox: Mailbox, handler: str, *args: object, **more: Any) -> Outcome:
        mailbox.post(Call(handler, args, **more), self.done)
        return await self.outcome(handler)


BLOCK = "sys.reached.release(); sys.gate.wait()"


def reached() -> bool:
    semaphore: threading.Semaphore = sys.reached  # type: ignore[attr-defined]
    return semaphore.acquire(timeout=DEADLINE_S)
