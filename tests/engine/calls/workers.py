"""More than one media worker for a bench."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ivrbench.engine.media_link import Worker
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
    first = bench.media.pump

    def pump(now: float) -> None:
        first(now)
        media.pump(now)

    bench.media.pump = pump  # type: ignore[method-assign]
    bench.board.media.add(worker)
    return worker
