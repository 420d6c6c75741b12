"""The engine dies, comes back, or is left."""

from __future__ import annotations

import pytest

from ivrbench.observe import commands
from tests.tui.conftest import Process, screen_text, settle, strip_text, until, workbench
from tests.tui.fake_engine import FakeEngine, bench_events, leg_up, loaded


async def test_death_is_shown_and_the_engine_starts_again(engine: FakeEngine) -> None:
    """Exit code, last words; `r` starts it; the screen goes on with the new state."""
    process = Process(engine)
    engine.play(bench_events())
    async with workbench(engine, process=process) as (app, pilot):
        await pilot.press("c")
        await settle(app, pilot, engine)
        engine.die()
        await settle(app, pilot, engine)
        text = screen_text(app)
        assert "The engine stopped" in text
        assert "exit code 1" in text
        assert "udp 127.0.0.1:5080 is in use" in text
        assert "DOWN since" in text
        assert "KEYS→DTMF" not in text
        process.refuses = "the engine did not start (exit code 3)"
        await pilot.press("r")
        await until(app, pilot, engine, "the engine did not start (exit code 3)")
        process.refuses = ""
        await pilot.press("r")
        await until(app, pilot, engine, "engine ● up")
        engine.publish(loaded("menu", 1))
        await settle(app, pilot, engine)
        assert process.starts == 2
        assert "The engine stopped" not in screen_text(app)
        assert "● up" in screen_text(app).splitlines()[0]
        assert "0 live" in screen_text(app)


async def test_a_dead_engine_can_be_read(engine: FakeEngine) -> None:
    """`l` goes to the log that was kept; commands bring the box back."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        engine.die()
        await settle(app, pilot, engine)
        await pilot.press("l")
        await settle(app, pilot, engine)
        assert app.current_mode == "log"
        assert "mailbox@5 failed" in screen_text(app)
        await pilot.press("f2")
        await settle(app, pilot, engine)
        await pilot.press("r")
        await settle(app, pilot, engine)
        assert "No engine there" in screen_text(app)


async def test_a_client_that_was_cut_comes_back_by_itself(engine: FakeEngine) -> None:
    """The engine is there: no box, the new snapshot is shown."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        (client,) = engine.clients
        engine.cut()
        await settle(app, pilot, engine)
        engine.publish(loaded("other", 1))
        await settle(app, pilot, engine)
        assert "other" in screen_text(app)
        assert "No engine" not in screen_text(app)
        assert engine.clients != [client]


async def test_leaving_an_engine_of_somebody_else_leaves_it_alone(engine: FakeEngine) -> None:
    """Attached: no question, no command."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert app.return_value == "detach"
    assert engine.asked == []


async def test_leaving_without_calls_stops_our_engine(engine: FakeEngine) -> None:
    """Only test calls are up: nobody is asked."""
    engine.publish(loaded("menu", 1), *leg_up("c1", "menu", 1, "test phone"))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await pilot.press("ctrl+q")
        await settle(app, pilot, engine)
    assert app.return_value == "stop"
    assert engine.asked == [commands.Stop()]


@pytest.mark.parametrize(
    ("key", "asked"), [("k", []), ("d", [commands.Drain()]), ("s", [commands.Stop()])]
)
async def test_leaving_with_calls_asks(
    engine: FakeEngine, key: str, asked: list[commands.Command]
) -> None:
    """Keep serving, drain, stop: each does that and no more; esc stays."""
    engine.play(bench_events())
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await pilot.press("ctrl+q")
        await settle(app, pilot, engine)
        assert "Leave the workbench?" in screen_text(app)
        assert "4 calls that the test phone did not make are up." in screen_text(app)
        await pilot.press("escape")
        await settle(app, pilot, engine)
        assert "Leave the workbench?" not in screen_text(app)
        await pilot.press("ctrl+q")
        await settle(app, pilot, engine)
        await pilot.press(key)
        await settle(app, pilot, engine)
    assert app.return_value == {"k": "keep", "d": "drain", "s": "stop"}[key]
    assert engine.asked == asked


async def test_drawing_before_a_screen_is_composed(engine: FakeEngine) -> None:
    """Events come at any moment, also between pushing a screen and its first frame."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        app.action_go("script")
        app.draw_now()
        await settle(app, pilot, engine)
        engine.die()
        app.model.lose_engine("gone", 0.0)
        app.ask(commands.ReloadScripts())
        app.draw_now()
        await settle(app, pilot, engine)
        assert "No engine there" in screen_text(app)
        engine.start()
        app.link.again()
        await until(app, pilot, engine, "engine ● up")
        app.draw_now()
        app.draw_now()
        assert "No engine there" not in screen_text(app)


async def test_no_engine_from_the_start(engine: FakeEngine) -> None:
    """The sentence of the connection is shown."""
    engine.is_up = False
    async with workbench(engine) as (app, pilot):
        await settle(app, pilot, engine)
        assert "No engine there" in screen_text(app)
        assert "Connection refused" in screen_text(app)
        assert "KEYS" not in strip_text(app)
