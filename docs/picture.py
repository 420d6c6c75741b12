"""Draws the pictures of the README and the documentation: `.venv/bin/python docs/picture.py`.

The workbench runs without a terminal on an engine that plays written lists of events.
"""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ivrbench.tui.app import Workbench  # noqa: E402
from tests.tui import fake_engine  # noqa: E402
from tests.tui.inspect_events import inspect_events  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ivrbench.observe.events import Event

SIZE = (120, 36)
PICTURES: dict[str, tuple[Callable[[], Iterator[tuple[float, Event]]], tuple[str, ...]]] = {
    "workbench": (fake_engine.bench_events, ()),
    "ladder": (fake_engine.ladder_events, ("f3", *["up"] * 8)),
    "call": (fake_engine.call_events, ("f4",)),
    "script": (fake_engine.bench_events, ("f5", "n")),
    "inspect": (inspect_events, ("f6", *["left"] * 4)),
}
"""File name, what happened, and the keys pressed."""


async def draw(name: str) -> str:
    """One picture as SVG."""
    events, keys = PICTURES[name]
    fake = fake_engine.FakeEngine()
    fake.play(events())
    app = Workbench(fake.connect, clock=fake.clock, zone=UTC)
    async with app.run_test(size=SIZE) as pilot:
        while not app.model.history.scripts:
            await pilot.pause()
        if name == "call":  # levels are drawn as they come in
            fake.play(fake_engine.phone_events(fake_engine.NOON_S))
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
            app.draw_now()
        app.model.news = None
        for _ in range(3):
            await pilot.pause()
            app.draw_now()
        await pilot.pause()
        return app.export_screenshot(title="ivrbench")


def words(picture: str) -> list[str]:
    """The text of a picture, line by line: what tells whether it is of today."""
    return [
        unescape("".join(re.findall(r"<text[^>]*>([^<]*)</text>", line))).replace("\u00a0", " ")
        for line in picture.splitlines()
        if "<text" in line
    ]


if __name__ == "__main__":
    for name in PICTURES:
        picture = asyncio.run(draw(name))
        (ROOT / "docs" / f"{name}.svg").write_text(picture, encoding="utf-8")
