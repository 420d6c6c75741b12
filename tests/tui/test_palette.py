"""Commands that only the palette has, or has by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.observe import commands
from ivrbench.observe import events as ev
from ivrbench.tui.cases import Case
from tests.tui.conftest import screen_text, settle, strip_text, workbench
from tests.tui.fake_engine import FakeEngine, bench_events, call_events, leg_up, loaded
from tests.tui.test_call import press, told

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from ivrbench.tui.app import Workbench


async def choose(app: Workbench, pilot: Pilot[str], engine: FakeEngine, title: str) -> str:
    """What is on the screen after this entry was chosen."""
    entries = {c.title: c for c in app.get_system_commands(app.screen)}
    entries[title].callback()
    await settle(app, pilot, engine)
    return screen_text(app)


def titles(app: Workbench) -> list[str]:
    return [c.title for c in app.get_system_commands(app.screen)]


def kinds(folder: Path) -> set[str]:
    """Of the files of leg c1."""
    return {file.suffix for file in folder.glob("c1-*")}


async def test_files_of_a_leg(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ladder in four kinds, and each recording that is over, are put where we were started."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "spool" / "msg.wav"
    source.parent.mkdir()
    source.write_bytes(b"RIFF")
    async with workbench(engine) as (app, pilot):
        await choose(app, pilot, engine, "Leg: save pcap")
        assert "there is no call to save" in strip_text(app)
        engine.publish(*leg_up("c1", "menu", 1, "sip:bob@192.0.2.8"))
        for item, file in ((1, str(source)), (2, "/nowhere/gone.wav")):
            engine.publish(ev.ItemEnqueued("c1", item, "", "", file, -1))
            engine.publish(ev.ItemStarted("c1", item))
            engine.publish(ev.ItemEnded("c1", item, "recorded", 0, 900))
        engine.publish(ev.ItemEnqueued("c1", 3, "", "", "/tmp/running.wav", -1))
        await settle(app, pilot, engine)
        for kind in ("pcap", "txt", "md", "svg"):
            await choose(app, pilot, engine, f"Leg: save {kind}")
            assert "saved" in strip_text(app)
        await choose(app, pilot, engine, "Leg: export recording msg.wav")
        await choose(app, pilot, engine, "Leg: export recording gone.wav")
        assert "not saved: No such file" in strip_text(app)
        assert "Leg: export recording running.wav" not in titles(app)
    assert (tmp_path / "msg.wav").read_bytes() == b"RIFF"
    assert kinds(tmp_path) == {".pcap", ".txt", ".md", ".svg"}


async def test_answering_anyway(engine: FakeEngine) -> None:
    """A caller whom the script left without an answer: the script's call answers by hand."""
    async with workbench(engine) as (app, pilot):
        engine.publish(
            ev.LegStarted("c1", "in", "menu", 1, "sip:b@b", "c1@b", "sip:menu@b", "t"),
            ev.LegWarned("c1", "INVITE not answered: onInvite returned None (default suppressed)"),
        )
        await settle(app, pilot, engine)
        await choose(app, pilot, engine, "Call: answer c1 anyway")
        assert engine.asked == [commands.Evaluate(leg="c1", text="self.answer()", may_change=True)]
        engine.publish(ev.LegChanged("c1", "up", 200, "OK"), ev.LegWarned("c1", ""))
        await settle(app, pilot, engine)
        assert "Call: answer c1 anyway" not in titles(app)


async def test_redial_without_keys(engine: FakeEngine) -> None:
    """The last call again, and nothing is pressed in it."""
    engine.play(call_events())
    async with workbench(engine) as (app, pilot):
        await choose(app, pilot, engine, "Call: redial")
        placed = engine.asked[-1]
        assert isinstance(placed, commands.PlaceTestCall)
        assert placed.target == "pin_collect"
        assert told(engine) == []
    async with workbench(FakeEngine()) as (app, pilot):
        await choose(app, pilot, engine, "Call: redial")
        assert "there was no test call yet" in strip_text(app)


async def test_wav_as_microphone(engine: FakeEngine, tmp_path: Path) -> None:
    """It asks for the file."""
    async with workbench(engine) as (app, pilot):
        await choose(app, pilot, engine, "Audio: use a WAV as microphone…")
        await press(app, pilot, engine, *"/a.wav", "enter")
        assert app.model.phone_voice == "wav /a.wav"


async def test_cases_by_name(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each can be heard, and its file opened at its line."""
    file = tmp_path / "test_menu.py"
    file.write_text('def test_one(bench):\n    call = bench.dial("menu")\n')
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        app.model.cases.rows = [Case(file, "test_one", 1, "menu")]
        opened: list[tuple[object, ...]] = []
        monkeypatch.setattr(app, "edit", lambda *where: opened.append(where))
        await choose(app, pilot, engine, "Case: open test file of test_one")
        assert opened == [(str(file), 1)]
        await choose(app, pilot, engine, "Case: listen to test_one")
        placed = engine.asked[-1]
        assert isinstance(placed, commands.PlaceTestCall)
        assert placed.target == "menu"


async def test_views(engine: FakeEngine) -> None:
    """Done calls off the screen, grey instead of colours, two rows for each level; and back."""
    engine.play(bench_events())
    async with workbench(engine) as (app, pilot):
        assert "── done" in screen_text(app)
        text = await choose(app, pilot, engine, "View: clear done calls")
        assert "── done" not in text
        n_filters = len(app.get_line_filters())
        await choose(app, pilot, engine, "View: plain colours")
        assert len(app.get_line_filters()) == n_filters + 1
        await choose(app, pilot, engine, "View: plain colours")
        assert len(app.get_line_filters()) == n_filters


async def test_bigger_meters(engine: FakeEngine) -> None:
    """Twice the rows, on the screen that has them."""
    engine.play(call_events())
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "f4")
        n_bars = sum("▕" in row for row in text.splitlines())
        text = await choose(app, pilot, engine, "View: bigger meters")
        assert sum("▕" in row for row in text.splitlines()) == 2 * n_bars
        text = await choose(app, pilot, engine, "View: bigger meters")
        assert sum("▕" in row for row in text.splitlines()) == n_bars


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (ev.ConfigChanged(("loglevel",), ()), "✓ ivr.conf: 1 setting changed"),
        (
            ev.ConfigChanged(("loglevel", "users"), ("sip_port",)),
            "ivr.conf: 3 settings changed, 1 needs a restart (sip_port)",
        ),
        (ev.ConfigChanged((), (), "ivr.conf:3: no number"), "ivr.conf is not used: ivr.conf:3"),
    ],
)
async def test_changed_settings(engine: FakeEngine, changed: ev.ConfigChanged, text: str) -> None:
    """Never a silent partial apply."""
    async with workbench(engine) as (app, pilot):
        engine.publish(changed)
        await settle(app, pilot, engine)
        assert text in strip_text(app)
