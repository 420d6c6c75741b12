"""A handler that does not return: where it hangs is on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe import events as ev
from tests.tui.conftest import NARROW, WIDE, screen_text, settle, workbench
from tests.tui.fake_engine import call_events

if TYPE_CHECKING:
    from tests.tui.fake_engine import FakeEngine

STACK = (
    '  File "pin_collect.py@7", line 16, in onDtmf\n    self.look_up(key)\n'
    '  File "util.py@7", line 4, in look_up\n    time.sleep(3600)\n'
)


def stuck(stack: str = STACK, elapsed_ms: float = 3200.0) -> ev.HandlerStarted:
    return ev.HandlerStarted("c12", 9, "onDtmf", 16, elapsed_ms, stack=stack)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
async def test_the_place_stands_at_the_call(engine: FakeEngine, size: tuple[int, int]) -> None:
    """Below the leg's row, at both sizes, until the handler returns."""
    async with workbench(engine, size) as (app, pilot):
        engine.play(call_events())
        engine.publish(stuck(stack="", elapsed_ms=21.0))
        await settle(app, pilot, engine)
        assert "not back" not in screen_text(app)
        engine.publish(stuck())
        await settle(app, pilot, engine)
        assert "not back from look_up, util.py@7:4  time.sleep(3600)" in screen_text(app)
        engine.publish(
            ev.HandlerCalled("c12", 9, "onDtmf", "1, 100", "None", "", 4000.0, "p.py", 15)
        )
        await settle(app, pilot, engine)
        assert "not back" not in screen_text(app)


@pytest.mark.parametrize("screen", ["f2", "f4"])
async def test_the_stack_is_in_the_panes(engine: FakeEngine, screen: str) -> None:
    """The way from the handler to the line, with their source, below what happened before."""
    async with workbench(engine, WIDE) as (app, pilot):
        engine.play(call_events())
        engine.publish(stuck())
        await pilot.press(screen)
        await settle(app, pilot, engine)
        text = screen_text(app)
        told = [
            "onDtmf() has not returned for 3 s: this call waits",
            "pin_collect.py@7:16 in onDtmf  self.look_up(key)",
            "util.py@7:4 in look_up  time.sleep(3600)",
        ]
        places = [text.index(one) for one in told]
        assert places == sorted(places)


async def test_a_deep_stack_keeps_its_inner_end(engine: FakeEngine) -> None:
    """Six frames: what is below them is what hangs."""
    frames = "".join(f'  File "m.py@1", line {n}, in f{n}\n    f{n + 1}()\n' for n in range(1, 41))
    async with workbench(engine, WIDE) as (app, pilot):
        engine.play(call_events())
        engine.publish(stuck(frames))
        await settle(app, pilot, engine)
        text = screen_text(app)
        assert "m.py@1:40 in f40" in text
        assert "m.py@1:34 in f34" not in text
