"""Letting a script call somebody, from the screen and from the line console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe import commands
from tests.tui.conftest import settle, strip_text, workbench
from tests.tui.fake_engine import loaded
from tests.tui.test_plain import LISTENING, transcript

if TYPE_CHECKING:
    from tests.tui.fake_engine import FakeEngine

DIAL = commands.DialOut(script="menu", uri="sip:ann@192.0.2.7")


async def test_from_the_palette(engine: FakeEngine) -> None:
    """It asks for the address; what became of it is on the strip."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        entries["Call: menu calls…"].callback()
        await settle(app, pilot, engine)
        await pilot.press(*"sip:ann@192.0.2.7", "enter")
        await settle(app, pilot, engine)
        if not engine.asked:  # an engine that is not ours asks first
            await pilot.press("y")
            await settle(app, pilot, engine)
        assert engine.asked == [DIAL]
        assert "c90: menu calls sip:ann@192.0.2.7" in strip_text(app)


async def test_from_the_line_console(engine: FakeEngine) -> None:
    """dial NAME sip:URI; half a command is refused with an example."""
    engine.publish(LISTENING, loaded("menu", 1))
    text = await transcript(engine, "dial menu sip:ann@192.0.2.7", "dial menu", "dial no sip:a@b")
    assert engine.asked == [DIAL]
    assert "c90: menu calls sip:ann@192.0.2.7" in text
    assert "dial NAME sip:URI" in text
    assert "there is no script no" in text
