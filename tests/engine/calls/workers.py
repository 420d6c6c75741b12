"""More than one media worker for a bench."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ivrbench.engine.media.link import Worker
from ivrbench.media.plane import TICK_S
from ivrbench.testing.virtual import MediaOnDisk

if TYPE_CHECKING:
    from tests.engine.harness import Bench


def second_worker(bench: Bench) -> Worker:
    """Another media worker, moved by the same clock."""

    async def make() -> MediaOnDisk:
        return MediaOnDisk(lambda _: None, random_source=random.Random(2))

    media = bench.loop.run_until_complete(make())
    worker = Worker(2, media)
    media.on_events = lambda e: bench.board.media.receive(worker, e)

    def tick() -> None:
        media.pump(bench.clock.now())
        bench.loop.call_later(TICK_S, tick)

    tick()
    bench.board.media.add(worker)
    return worker
