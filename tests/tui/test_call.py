"""The Call screen: steering the test phone, redialling, what is said about latency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from ivrbench.observe import commands
from ivrbench.observe import events as ev
from ivrbench.observe.feel import key_feels, mouth_to_ear
from ivrbench.observe.phones import (
    PhoneChanged,
    PhoneEnded,
    PhoneHeard,
    PhoneKeyPressed,
    PhoneMeasured,
    PhoneProgressed,
    PhoneStarted,
)
from ivrbench.tui.redial import Moment, Redial, moments_of
from tests.tui.conftest import screen_text, settle, strip_text, workbench
from tests.tui.fake_engine import NOON_S, FakeEngine, call_events, leg_up, loaded

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from ivrbench.tui.app import Workbench


async def press(app: Workbench, pilot: Pilot[str], engine: FakeEngine, *keys: str) -> str:
    for key in keys:
        await pilot.press(key)
    await settle(app, pilot, engine)
    return screen_text(app)


def write(path: str) -> None:
    """What a phone would have recorded."""
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(b"RIFF")


def told(engine: FakeEngine) -> list[tuple[str, str]]:
    return [(c.verb, c.argument) for c in engine.asked if isinstance(c, commands.TellPhone)]


def pressed(engine: FakeEngine) -> list[tuple[str, str]]:
    return [each for each in told(engine) if each[0] != "hangup"]


async def test_steering_the_phone(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call: dialled by name, muted, held, keys typed and clicked, faults, voice, saved."""
    monkeypatch.chdir(tmp_path)
    engine.publish(loaded("menu", 1), loaded("mailbox", 1))
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "f4")
        assert "d to      mailbox" in text
        text = await press(app, pilot, engine, "ctrl+t")
        assert "no test call is up" in text
        await press(app, pilot, engine, "d", *["backspace"] * 7, *"menu")
        assert "KEYS→input" in strip_text(app)
        await press(app, pilot, engine, "enter")
        placed = engine.asked[-1]
        assert isinstance(placed, commands.PlaceTestCall)
        assert (placed.target, placed.record) == ("menu", str(tmp_path / placed.record))
        assert "KEYS→DTMF" in strip_text(app)
        await press(app, pilot, engine, "m", "x", "k", "1")
        assert told(engine) == [
            ("mute", "on"),
            ("hold", "on"),
            ("keys-by", "rfc4733"),
            ("press", "1"),
        ]
        engine.publish(
            PhoneChanged(True, True, "rfc4733", "silence", 0, 0, 0, phone="p21", leg="c21")
        )
        await settle(app, pilot, engine)
        assert "calling" in screen_text(app)
        await press(app, pilot, engine, "m", "n", "2", "v", "t", "ctrl+t", *"12,3", "enter")
        assert told(engine)[4:] == [
            ("mute", "off"),
            ("network", "5 0 0"),
            ("say", "tone 440"),
            ("press", "12,3"),
        ]
        pad = app.screen.query_one("#keypad")
        text = pad.lines[4].text  # type: ignore[attr-defined]
        await pilot.click("#keypad", offset=(text.index("5") + 1, 5))
        await settle(app, pilot, engine)
        assert told(engine)[-1] == ("press", "5")
        write(placed.record)
        text = await press(app, pilot, engine, "s")
        assert "saved" in text
    assert (tmp_path / "c21-heard.wav").is_file()
    assert not (tmp_path / "ivrbench" / "heard").exists()


async def test_breaking_rtcp(engine: FakeEngine) -> None:
    """n offers it, and the way back; so does the palette."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "f4", "n", "r")
        assert "no test call is up" in text
        await press(app, pilot, engine, "c", "n", "r")
        assert told(engine) == [("rtcp", "off")]
        changed = PhoneChanged(False, False, "auto", "silence", 0, 0, 0, rtcp_broken=True)
        engine.publish(replace(changed, phone="p21", leg="c21"))
        text = await press(app, pilot, engine)
        assert "n network no RTCP, good" in text
        text = await press(app, pilot, engine, "n")
        assert "RTCP again" in text
        await press(app, pilot, engine, "r")
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        entries["Network: break RTCP"].callback()
        entries["Network: RTCP again"].callback()
        await settle(app, pilot, engine)
        assert told(engine)[1:] == [("rtcp", "on"), ("rtcp", "off"), ("rtcp", "on")]


async def test_level_test(engine: FakeEngine) -> None:
    """It shows the Call screen with the meters, and says in the end how it was; redial is not
    about it, and keys do not go there."""
    async with workbench(engine) as (app, pilot):
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        entries["Audio: level test"].callback()
        await settle(app, pilot, engine)
        assert engine.asked == [commands.PlaceTestCall("", level_test=True)]
        assert app.current_mode == "call"
        measured = PhoneMeasured(-31.0, -12.2, -20.0, -18.0, 0, 0, 0, 0.0, -1.0, 0)
        engine.publish(replace(measured, phone="p21"))
        text = await press(app, pilot, engine, "1")
        assert "p21 · level test" in text
        assert "peak -12  ok" in text
        assert told(engine) == []
        await press(app, pilot, engine, "o", "t")
        assert engine.asked[-1] == commands.PlaceTestCall("", level_test=True)
        verdict = "level test: the microphone is heard, peak -12 dBFS"
        engine.publish(PhoneEnded(verdict, 0, True, 15.0, phone="p22"))
        text = await press(app, pilot, engine, "r")
        assert verdict in text
        assert "there was no test call yet" in text


async def test_choosing_cards_from_the_palette(engine: FakeEngine) -> None:
    """Microphone and loudspeaker each have their entry, and one says whether there is a card."""
    async with workbench(engine) as (app, pilot):
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        for name in ("microphone", "loudspeaker"):
            assert "the system chooses" in entries[f"Audio: choose {name}…"].help
        entries["Audio: choose loudspeaker…"].callback()
        text = await press(app, pilot, engine)
        assert "HDMI" in text
        await press(app, pilot, engine, "2")
        assert (app.model.sound.speaker, app.model.sound.microphone) == ("HDMI", "")
        entries["Audio: no sound card"].callback()
        assert not app.model.sound.used


async def test_sound_card_and_transfer(engine: FakeEngine) -> None:
    """Cards are asked of the engine's machine; a choice counts now and for the next calls."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "f4", "t")
        assert "no test call is up" in text
        text = await press(app, pilot, engine, "o", "m")
        assert "USB Headset" in text
        assert "HDMI" not in text
        await press(app, pilot, engine, "1", "o", "l", "2", "v", "x", *"hi", "enter", "c")
        placed = engine.asked[-1]
        assert isinstance(placed, commands.PlaceTestCall)
        assert (placed.sound, placed.microphone, placed.speaker) == (True, "USB Headset", "HDMI")
        assert (placed.say, placed.silent) == ("hi", False)
        await press(app, pilot, engine, "o", "l", "0", "t", *"voicemail", "enter")
        assert told(engine) == [("speaker", "default"), ("transfer", "voicemail")]
        text = await press(app, pilot, engine, "o", "0", "v", "0", "h", "g", "g", "g")
        assert "g codec   G722" in text
        await press(app, pilot, engine, "c")
        placed = engine.asked[-1]
        assert isinstance(placed, commands.PlaceTestCall)
        assert placed.codec == "g722"
        assert (placed.sound, placed.silent, placed.microphone) == (False, True, "")


async def test_key_held_on_the_keyboard_is_one_key(engine: FakeEngine) -> None:
    """Terminals do not say when a key goes up: they send it 30 times a second."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await press(app, pilot, engine, "f4", "c")
        for wait_s in (0.5, 0.03, 0.03, 0.2):
            engine.clock.advance(wait_s)  # type: ignore[attr-defined]
            await press(app, pilot, engine, "5")
        assert told(engine) == [("press", "5"), ("hold-on", "5"), ("hold-on", "5"), ("press", "5")]
        assert "sent 5 5" in strip_text(app)


async def test_several_test_calls(engine: FakeEngine) -> None:
    """`c` makes one more; `p` gives keys and screen to the other, `h` ends that one."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        text = await press(app, pilot, engine, "f4", "p")
        assert "there is no other test call" in text
        await press(app, pilot, engine, "c", "c")
        assert app.model.test_leg == "c22"
        for n in ("21", "22"):
            engine.publish(PhoneHeard(True, engine.clock.wall(), phone=f"p{n}", leg=f"c{n}"))
        await press(app, pilot, engine, "p", "5")
        assert app.model.test_leg == "c21"
        asked = [c for c in engine.asked if isinstance(c, commands.TellPhone)]
        assert [(c.phone, c.argument) for c in asked] == [("c21", "5")]
        await press(app, pilot, engine, "h")
        assert engine.asked[-1] == commands.TellPhone("c21", "hangup")


async def test_call_to_somebody_else_is_hung_up_too(engine: FakeEngine) -> None:
    """It is no leg of the engine's: the phone itself is told."""
    async with workbench(engine) as (app, pilot):
        await press(app, pilot, engine, "f4")
        engine.publish(PhoneStarted(phone="p9", target="sip:anna@192.0.2.1"))
        app.model.begin_test_call("p9")
        gone = "the microphone is gone: the caller says nothing"
        engine.publish(PhoneProgressed("note", 0.0, gone, phone="p9"))
        await settle(app, pilot, engine)
        assert gone in strip_text(app)
        await press(app, pilot, engine, "h")
        assert told(engine) == [("hangup", "")]


async def test_redial_presses_at_the_same_moments(engine: FakeEngine) -> None:
    """r hangs up, calls again, and presses a key as long after the same prompt as before."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        await press(app, pilot, engine, "f4", "r")
        assert "there was no test call yet" in strip_text(app)
        await press(app, pilot, engine, "c")
        play(engine, "c21", "hello.wav")
        engine.clock.advance(1.5)  # type: ignore[attr-defined]
        engine.publish(
            PhoneKeyPressed("4", 100, "RFC 4733", engine.clock.wall(), phone="p21", leg="c21")
        )
        await settle(app, pilot, engine)
        await press(app, pilot, engine, "r")
        await settle(app, pilot, engine)
        kinds = [type(c).__name__ for c in engine.asked]
        assert kinds == ["PlaceTestCall", "TellPhone", "PlaceTestCall"]
        play(engine, "c22", "hello.wav")
        await settle(app, pilot, engine)
        assert pressed(engine) == []
        engine.clock.advance(1.5)  # type: ignore[attr-defined]
        await settle(app, pilot, engine)
        assert pressed(engine) == [("press", "4")]
        # After a reload the same again, if it was asked for; a difference ends it.
        await press(app, pilot, engine, "ctrl+r")
        engine.publish(
            PhoneKeyPressed("4", 100, "RFC 4733", engine.clock.wall(), phone="p22", leg="c22")
        )
        engine.publish(loaded("menu", 2))
        await settle(app, pilot, engine)
        await settle(app, pilot, engine)
        assert isinstance(engine.asked[-1], commands.PlaceTestCall)
        play(engine, "c23", "other.wav")
        await settle(app, pilot, engine)
        assert "redial stopped: key 4 came after hello.wav, now other.wav" in strip_text(app)


def play(engine: FakeEngine, leg: str, file: str) -> None:
    number = int(leg[1:])
    engine.publish(PhoneProgressed("200", 9.0, "", phone=f"p{number}", leg=leg))
    engine.publish(ev.ItemEnqueued(leg, 1, "", file, "", 3000), ev.ItemStarted(leg, 1))


async def test_calling_somebody_else(engine: FakeEngine) -> None:
    """A call that never reaches our engine has the keyboard all the same."""
    async with workbench(engine) as (app, pilot):
        who: dict[str, Any] = {"phone": "p9"}
        engine.publish(PhoneStarted("sip:bob@10.0.0.8", **who))
        engine.publish(PhoneProgressed("200", 30.0, "", **who))
        app.model.begin_test_call("p9")
        text = await press(app, pilot, engine, "f4", "7")
        assert "p9 · sip:bob@10.0.0.8" in text
        assert told(engine) == [("press", "7")]
        engine.publish(PhoneEnded("486 Busy Here", 486, False, 0.0, **who))
        text = await press(app, pilot, engine)
        assert "486 Busy Here" in text
        assert "KEYS→DTMF" not in strip_text(app)


def test_latency_has_parts_that_add_up() -> None:
    """tone + settle + script + audio, measured at the phone where it was silent before."""
    engine = FakeEngine()
    engine.publish(*leg_up("c1", "menu", 1, "test phone"))
    who: dict[str, Any] = {"phone": "p1", "leg": "c1"}
    engine.publish(PhoneStarted("menu", **who))
    engine.publish(PhoneKeyPressed("1", 100, "RFC 4733", NOON_S, **who))
    engine.publish(PhoneKeyPressed("2", 100, "RFC 4733", NOON_S + 9, **who))
    steps: list[tuple[float, ev.Event]] = [
        (0.3, ev.KeyReceived("c1", 1, 100, "RFC 4733")),
        (0.003, ev.HandlerCalled("c1", 1, "onDtmf", "1, 100", "None", "", 3.0, "p.py", 9)),
        (0.002, ev.ItemStarted("c1", 1)),
        (0.02, PhoneHeard(True, NOON_S + 0.342, **who)),
    ]
    engine.play(iter(steps))
    history = engine.hub.history
    first, second = key_feels(history.phones["p1"], history.live["c1"])
    parts = (first.tone_ms, first.settle_ms, first.script_ms, first.audio_ms)
    assert parts == pytest.approx((100, 200, 3, 39), abs=0.1)
    assert first.sound_ms == pytest.approx(342, abs=0.1)
    assert first.measured
    assert not second.reached
    assert mouth_to_ear(history.phones["p1"], history.live["c1"]) is None


def test_latency_while_something_sounds_is_told_by_the_prompt() -> None:
    """Barge-in: what changes is heard when the prompt's packets have been through the buffer."""
    engine = FakeEngine()
    engine.play(call_events())
    history = engine.hub.history
    feels = key_feels(history.phones["p1"], history.live["c12"])
    assert [feel.measured for feel in feels] == [False, False, False]
    assert feels[0].sound_ms is not None
    assert feels[1].reached
    assert feels[1].sound_ms is None
    way = mouth_to_ear(history.phones["p1"], history.live["c12"])
    assert way is not None
    assert (way.mic_ms, way.packet_ms, way.buffer_ms, way.speaker_ms) == (30, 20, 40, 40)
    assert way.path_ms == pytest.approx(0.2 + 10)
    assert way.total_ms == pytest.approx(140.2)


def test_moments_of_a_call_without_phone_facts() -> None:
    """Calls of an older phone are told by when the keys reached us."""
    engine = FakeEngine()
    engine.play(call_events())
    moments = moments_of(engine.hub.history.live["c12"], None)
    assert [(m.key, m.n_prompts, m.prompt) for m in moments] == [
        ("1", 2, "menu.wav"),
        ("2", 3, "pin_prompt.wav"),
    ]


def test_a_prompt_that_ends_earlier_stops_the_redial() -> None:
    """Its key would go to another prompt."""
    engine = FakeEngine()
    engine.play(call_events())
    leg = engine.hub.history.live["c12"]
    redial = Redial([Moment("1", 1, "default_en.wav", 60.0)])
    assert redial.due(leg, NOON_S) == ("", None)
    assert redial.problem == "menu.wav began before key 1 was pressed"
    assert redial.is_over


async def test_the_script_that_is_called_is_the_selected_one(engine: FakeEngine) -> None:
    """Whoever calls a script by name looks at it next, and calls it again with c."""
    engine.publish(loaded("alpha", 1), loaded("menu", 1))
    async with workbench(engine) as (app, pilot):
        app.dial("menu")
        await settle(app, pilot, engine)
        assert app.model.script == "menu"
        assert "menu.py" in await press(app, pilot, engine, "f5")
        app.calling.dial("sip:bob@192.0.2.1")
        await settle(app, pilot, engine)
        assert app.model.script == "menu"


async def test_the_editor_opens_where_the_script_was_last(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """e on the Call screen: the last handler or call, or the line where a handler hangs."""
    engine.publish(loaded("menu", 1))
    opened: list[tuple[str, int]] = []
    async with workbench(engine) as (app, pilot):
        monkeypatch.setattr(app, "edit", lambda file, line: opened.append((file, line)))
        await press(app, pilot, engine, "f4", "e")
        assert "no call of a script of ours yet" in strip_text(app)
        await press(app, pilot, engine, "c")
        engine.publish(ev.ApiCalled("c21", "flush", "", "/s/menu.py", 16))
        await press(app, pilot, engine, "e")
        stack = '  File "menu.py@1", line 9, in onDtmf\n    time.sleep(9)\n'
        engine.publish(ev.HandlerStarted("c21", 2, "onDtmf", 9, 1500.0, stack=stack))
        await press(app, pilot, engine, "e")
        assert opened == [("/s/menu.py", 16), ("/home/dev/scripts/menu.py", 9)]


async def test_all_test_calls_are_hung_up_from_the_palette(engine: FakeEngine) -> None:
    """Also those that are not on the screen; other callers stay."""
    engine.publish(loaded("menu", 1), *leg_up("c3", "menu", 1, "sip:bob@10.0.0.8"))
    async with workbench(engine) as (app, pilot):
        await press(app, pilot, engine, "f4", "c", "c")
        (command,) = (
            command
            for command in app.get_system_commands(app.screen)
            if command.title == "Call: hang up all test calls"
        )
        assert command.help == "2 test calls up"
        command.callback()
        await settle(app, pilot, engine)
        assert list(app.model.history.live) == ["c3"]
