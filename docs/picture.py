"""Draws `docs/workbench.svg`, the picture in the README: `.venv/bin/python docs/picture.py`.

The workbench runs without a terminal on an engine that plays a written list of events.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ivrbench.tui.app import Workbench  # noqa: E402
from tests.tui.fake_engine import FakeEngine, bench_events  # noqa: E402

SIZE = (120, 36)


async def draw() -> str:
    """What the Bench screen looks like with a few calls up, as SVG."""
    fake = FakeEngine()
    fake.play(bench_events())
    app = Workbench(fake.connect, clock=fake.clock, zone=UTC)
    async with app.run_test(size=SIZE) as pilot:
        while not app.model.history.scripts:
            await pilot.pause()
        await pilot.pause()
        app.draw_now()
        await pilot.pause()
        return app.export_screenshot(title="ivrbench")


if __name__ == "__main__":
    picture = asyncio.run(draw())
    (ROOT / "docs" / "workbench.svg").write_text(picture, encoding="utf-8")
