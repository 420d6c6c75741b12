"""The line console: golden transcripts, for people and as JSON."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC
from typing import TYPE_CHECKING

from ivrbench.clock import ManualClock
from ivrbench.observe import commands
from ivrbench.observe import events as ev
from ivrbench.tui import plain
from ivrbench.tui.plain import Console
from tests.tui.fake_engine import FakeEngine, bench_events, ladder_events, mailbox_failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from syrupy.assertion import SnapshotAssertion


async def turns() -> None:
    """Let what was published reach the console; nothing here waits for time."""
    for _ in range(20):
        await asyncio.sleep(0)


async def transcript(engine: FakeEngine, *typed: str | ev.Event, as_json: bool = False) -> str:
    """What stands on the terminal: commands as typed, events as they happen, and the output."""
    lines: list[str] = []

    async def type_in() -> AsyncIterator[str]:
        for one in typed:
            if isinstance(one, str):
                lines.append(f"> {one}")
                yield one
            else:
                engine.publish(one)
            await turns()
        yield "quit"

    console = Console(engine.connect, lines.append, engine.clock, as_json=as_json, zone=UTC)
    await console.run(type_in())
    return "\n".join([*lines, ""])


async def test_a_session(engine: FakeEngine, screens: SnapshotAssertion) -> None:
    """The verbs of the workbench, their answers, and what happens meanwhile."""
    engine.play(ladder_events())
    typed: list[str | ev.Event] = [
        "scripts",
        "legs",
        "press 1",
        "call pin_collect",
        "follow",
        "press 12#",
        mailbox_failed(),
        "mute on",
        "follow off",
        "ladder c12",
        "ladder c99",
        "reload pin_collect",
        "wait long",
        "wait 0",
        "sing",
        "hangup",
        "wait ended",
        "hangup",
        "call",
        "log 2",
    ]
    assert await transcript(engine, *typed) == screens
    kinds = [type(command).__name__ for command in engine.asked]
    assert kinds == ["PlaceTestCall", "TellPhone", "TellPhone", "ReloadScripts", "HangUp"]


async def test_json_lines(engine: FakeEngine) -> None:
    """Every line is an object that names its type; events come whole."""
    engine.play(bench_events())
    text = await transcript(
        engine,
        *("scripts", "legs", "ladder c12", "follow c12", "help", "log 1", "sing", "drain"),
        ev.KeyReceived("c12", 5, 100, "RFC 4733"),
        as_json=True,
    )
    values = [json.loads(one) for one in text.splitlines() if not one.startswith(">")]
    kinds = {value["type"] for value in values}
    assert kinds == {"script", "leg", "row", "answer", "help", "log", "error", "KeyReceived"}
    (key,) = [value for value in values if value["type"] == "KeyReceived"]
    assert (key["leg"], key["key"]) == ("c12", 5)
    assert commands.Drain() in engine.asked


async def test_no_engine_is_said(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the console ends instead of waiting for ever."""
    monkeypatch.setattr(plain, "READY_WITHIN_S", 0.0)
    assert "no engine: it does not listen for calls" in await transcript(engine, "legs")
    engine.die()
    text = await transcript(FakeEngineGone(), "legs")
    assert "the engine is gone: no engine at" in text


class FakeEngineGone(FakeEngine):
    """Nobody there."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.is_up = False


async def test_an_engine_that_goes_away_is_said(engine: FakeEngine) -> None:
    """What is known can still be asked for."""
    engine.play(ladder_events())
    lines: list[str] = []

    async def type_in() -> AsyncIterator[str]:
        yield "legs"
        engine.die()
        await turns()
        yield "call menu"

    await Console(engine.connect, lines.append, engine.clock, zone=UTC).run(type_in())
    assert lines[-1] == "error: the engine is not there"
