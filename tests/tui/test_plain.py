"""The line console: golden transcripts, for people and as JSON."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC
from typing import TYPE_CHECKING

from ivrbench.clock import ManualClock
from ivrbench.observe import commands, hub
from ivrbench.observe import events as ev
from ivrbench.tui import plain
from ivrbench.tui.model import Model
from ivrbench.tui.plain import Console
from ivrbench.tui.views.leg import media_lines
from tests.tui.fake_engine import (
    FakeEngine,
    bench_events,
    ladder_events,
    leg_up,
    loaded,
    mailbox_failed,
)
from tests.tui.inspect_events import inspect_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest
    from syrupy.assertion import SnapshotAssertion


LISTENING = ev.ListenerChanged("udp", "127.0.0.1", 5080, up=True)


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
    assert kinds == ["PlaceTestCall", "TellPhone", "TellPhone", "ReloadScripts", "TellPhone"]


async def test_versions_and_attributes(
    engine: FakeEngine, screens: SnapshotAssertion, tmp_path: Path
) -> None:
    """What F5 and F6 do: versions, differences, pinning, attributes, lines of Python."""
    engine.play(inspect_events())
    engine.results = {"self.keys": "'1234'", "self.flush()": "None"}
    engine.publish(loaded("pin_collect", 8, source="new\n"))
    engine.publish(*leg_up("c13", "pin_collect", 8, "sip:bob@10.0.0.8"))
    typed = (
        *("versions pin_collect", "versions nobody", "diff pin_collect", "diff pin_collect 8 7"),
        *("diff pin_collect x", "diff pin_collect 3 4", "rollback pin_collect @7", "rollback no"),
        *("rollback pin_collect", "pin pin_collect 7", "pin pin_collect", "unpin pin_collect"),
        *("inspect c12", "inspect c13", "inspect c99", "eval c12 self.keys"),
        *("eval c12 !self.flush()", "eval c12 self.flush"),
    )
    assert await transcript(engine, *typed) == screens
    assert engine.asked == [
        commands.RollBack("pin_collect", 7),
        commands.RollBack("pin_collect", 0),
        commands.PinScript("pin_collect", 7),
        commands.PinScript("pin_collect", 8),
        commands.PinScript("pin_collect", 0),
        commands.Evaluate("c12", "self.keys"),
        commands.Evaluate("c12", "self.flush()", may_change=True),
        commands.Evaluate("c12", "self.flush"),
    ]


async def test_inspecting_a_leg_watches_it(engine: FakeEngine) -> None:
    """Its attributes are kept from then on; those of a call that is over are not."""
    engine.publish(LISTENING, loaded("menu", 1), *leg_up("c1", "menu", 1, "sip:bob@10.0.0.8"))
    seen: list[frozenset[str]] = []
    engine.hub.on_inspect = seen.append
    over = ev.LegEnded("c1", "caller", 200, "BYE", 1.0)
    text = await transcript(engine, "inspect c1", over, "inspect c1")
    assert seen == [frozenset({"c1"})]
    assert "kept from now on" in text
    assert "inspect = all" in text


async def test_monitoring_store(engine: FakeEngine) -> None:
    """What scripts wrote: at their call's media, and all of it, also of ids that are no call's."""
    engine.publish(LISTENING, loaded("menu", 1), *leg_up("c1", "menu", 1, "sip:bob@10.0.0.8"))
    tag = engine.hub.history.live["c1"].started.local_tag
    assert "no script wrote" in await transcript(engine, "monitor")
    engine.publish(
        ev.MonitorChanged("c1", tag, "state", "menu"),
        ev.MonitorChanged("c1", tag, "key", "1", added=True),
        ev.MonitorChanged("c1", tag, "key", "2", added=True),
        ev.MonitorChanged("", "shop\n", "open", "yes"),
        ev.MonitorChanged("", "shop\n", finished=True),
    )
    text = await transcript(engine, "monitor")
    assert "c1  state = menu  key = 1, 2\n" in text
    assert "shop   open = yes  finished\n" in text
    model = Model()
    model.take_snapshot(engine.hub.history.snapshot())
    leg = model.history.live["c1"]
    lines = [one.text.rstrip() for one in media_lines(model, leg, 60, 10)]
    assert "notes state = menu  key = 1, 2" in lines
    values = await transcript(engine, "monitor", as_json=True)
    assert '"values":{"open":["yes"]}' in values.replace(" ", "")


async def test_a_new_script(engine: FakeEngine, tmp_path: Path) -> None:
    """Written into the script folder, unless there is one."""
    engine.publish(LISTENING)
    engine.hub.history.engine.script_path = str(tmp_path)
    text = await transcript(engine, "new menu first", "new menu first", "new x y", "new hello")
    assert (tmp_path / "first.py").is_file()
    assert (tmp_path / "hello.py").is_file()
    assert "not written" in text
    assert "new TEMPLATE NAME, of hello, menu" in text


async def test_json_lines(engine: FakeEngine) -> None:
    """Every line is an object that names its type; events come whole."""
    engine.play(bench_events())
    text = await transcript(
        engine,
        *("scripts", "legs", "ladder c12", "follow c12", "help", "log 1", "sing", "drain"),
        *("versions mailbox", "diff mailbox"),
        ev.KeyReceived("c12", 5, 100, "RFC 4733"),
        as_json=True,
    )
    values = [json.loads(one) for one in text.splitlines() if not one.startswith(">")]
    kinds = {value["type"] for value in values}
    assert kinds == {"script", "leg", "row", "answer", "help", "log", "error", "KeyReceived"} | {
        "version",
        "diff",
    }
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


async def test_a_leg_that_came_in_brief(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a busy engine most legs come without their messages: `ladder` fetches them first."""
    monkeypatch.setattr(hub, "MAX_WHOLE_LEGS", 0)
    engine.play(ladder_events())
    text = await transcript(engine, "ladder c12")
    assert "INVITE" in text
    assert "connectCallee" in text
