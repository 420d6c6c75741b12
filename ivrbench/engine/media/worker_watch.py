"""Worker watch: notices when a media worker is gone, and ends one that hangs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watched", "until_gone"]

log = logging.getLogger("ivrbench.rtp")

STUCK_S: Final = 5.0
"""A worker reports every second; one that says nothing for so long has no calls any more."""
LOOK_EVERY_S: Final = 1.0


class Watched(Protocol):
    """What is asked of a worker's client."""

    exited: asyncio.Future[str]
    heard_s: float
    """When it last said something, on the loop's clock."""

    def kill(self) -> None:
        """End the process at once."""


async def until_gone(worker: Watched, now: Callable[[], float]) -> str:
    """Wait until a worker is gone, whether it ended by itself or hangs.

    Args:
        worker: its client.
        now: the loop's clock.

    Returns:
        how it ended, a sentence.
    """
    killed = False
    while not worker.exited.done():
        # What it said while we were held up ourselves is read before this returns.
        await asyncio.wait((worker.exited,), timeout=LOOK_EVERY_S)
        if not killed and now() - worker.heard_s > STUCK_S and not worker.exited.done():
            log.error("a media worker has said nothing for %g s: it is ended", STUCK_S)
            killed = True
            worker.kill()
    return worker.exited.result()
