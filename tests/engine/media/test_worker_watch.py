"""A media worker that ends, hangs, or only waits for an engine that was held up itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.clock import ManualClock
from ivrbench.engine.media.worker_watch import until_gone
from ivrbench.testing.loop import VirtualLoop

if TYPE_CHECKING:
    import asyncio


class Client:
    """A worker's client, and what became of the worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.exited: asyncio.Future[str] = loop.create_future()
        self.heard_s = loop.time()
        self.killed_s = 0.0

    def speak(self) -> None:
        """It reports every second."""
        self.heard_s = self.loop.time()
        self._next = self.loop.call_later(1.0, self.speak)

    def hang(self) -> None:
        """No more reports."""
        self._next.cancel()

    def kill(self) -> None:
        assert not self.killed_s, "once is enough"
        self.killed_s = self.loop.time()
        self.loop.call_later(0.5, self.exited.set_result, "killed by signal 9")


def test_worker_that_hangs_is_ended() -> None:
    """It reports for ten minutes, then hangs: five seconds later it is killed, once."""
    loop = VirtualLoop(ManualClock())
    client = Client(loop)
    client.speak()
    began_s = loop.time()
    loop.call_later(600.0, client.hang)
    how = loop.run_until_complete(until_gone(client, loop.time))
    assert how == "killed by signal 9"
    assert 604.0 <= client.killed_s - began_s <= 606.5
    loop.close()


def test_worker_that_ends_is_noticed_at_once() -> None:
    """Nobody is killed."""
    loop = VirtualLoop(ManualClock())
    client = Client(loop)
    client.speak()
    began_s = loop.time()
    loop.call_later(2.2, client.exited.set_result, "ended with status 1")
    assert loop.run_until_complete(until_gone(client, loop.time)) == "ended with status 1"
    assert loop.time() - began_s < 2.3
    assert not client.killed_s
    client.hang()
    loop.close()
