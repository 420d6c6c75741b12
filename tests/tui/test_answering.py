"""Answering what scripts call: on the Call screen, from the palette, from the line console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe import commands
from ivrbench.observe import events as ev
from ivrbench.observe.phones import PhoneEnded, PhoneProgressed, PhoneReady, PhoneStarted
from tests.tui.conftest import Process, screen_text, settle, strip_text, workbench
from tests.tui.fake_engine import FakeEngine, loaded, rings
from tests.tui.test_call import press, told
from tests.tui.test_plain import LISTENING, transcript

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from ivrbench.tui.app import Workbench


def ring(engine: FakeEngine, phone: str, leg: str) -> None:
    """A call comes to the phone that waits; another one takes its place."""
    engine.publish(*rings(engine.clock, phone, leg))
    after = f"p{int(phone[1:]) + 50}"
    view = engine.hub.history.phones[phone]
    engine.publish(PhoneStarted(phone=after, target="", answers=view.started.answers))
    engine.publish(PhoneReady("127.0.0.1:7072", phone=after))


def answered(engine: FakeEngine, phone: str, leg: str) -> None:
    engine.publish(ev.LegChanged(leg, "up", 200, "OK"))
    engine.publish(PhoneProgressed("200", 9.0, "", phone=phone, leg=leg))


async def test_two_calls_on_the_phone(engine: FakeEngine) -> None:
    """It calls a script, the script calls somebody, and that rings here: a answers, and the keys
    go there; p goes to the other call and back; h lets the shown side hang up."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        text = await press(app, pilot, engine, "f4")
        assert "w callee  not here" in text
        text = await press(app, pilot, engine, "a")
        assert "nothing rings here" in text
        text = await press(app, pilot, engine, "w", "r")
        order = engine.asked[-1]
        assert isinstance(order, commands.PlaceTestCall)
        assert (order.target, order.answers, order.sound) == ("", "ring", True)
        assert "w callee  rings here" in text
        assert "no call yet" in text
        await press(app, pilot, engine, "c")
        answered(engine, "p22", "c22")
        ring(engine, "p21", "c22b")
        text = await press(app, pilot, engine, "1")
        assert "c22b rings: a answers, f refuses" in strip_text(app)
        assert "c22 · menu@1" in text
        text = await press(app, pilot, engine, "a")
        assert told(engine) == [("press", "1"), ("answer", "")]
        assert "◌ rings" in text
        assert "w callee  rings here" in text
        answered(engine, "p21", "c22b")
        text = await press(app, pilot, engine, "5")
        assert "c22b · menu@1" in text
        assert "sip:phone@bench → 200 9 ms" in text
        assert "rings: a answers" not in strip_text(app)
        await press(app, pilot, engine, "p", "6", "p", "h")
        phones = [c.phone for c in engine.asked if isinstance(c, commands.TellPhone)]
        assert phones[-3:] == ["c22b", "c22", "c22b"]
        assert told(engine)[-3:] == [("press", "5"), ("press", "6"), ("hangup", "")]
        engine.publish(PhoneEnded("we hung up", 200, True, 4.0, phone="p21", leg="c22b"))
        engine.publish(ev.LegEnded("c22", "engine", 200, "", 4.0))
        engine.publish(PhoneEnded("over", 200, True, 4.0, phone="p22", leg="c22"))
        await press(app, pilot, engine, "r")
        again = [c for c in engine.asked if isinstance(c, commands.PlaceTestCall)][-1]
        assert (again.target, again.answers) == ("menu", "")


async def test_refusing(engine: FakeEngine) -> None:
    """f refuses with a code of the list, or one that is typed; w lets all be refused so, and lets
    them go where they lead again."""
    engine.publish(loaded("menu", 1))
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        text = await press(app, pilot, engine, "f4", "f")
        assert "nothing rings here" in text
        await press(app, pilot, engine, "w", "r")
        ring(engine, "p21", "c9b")
        text = await press(app, pilot, engine, "f")
        assert "603 Decline" in text
        await press(app, pilot, engine, "1")
        assert told(engine) == [("refuse", "486")]
        engine.publish(PhoneEnded("refused", 486, False, 0.0, phone="p21", leg="c9b"))
        engine.publish(ev.LegEnded("c9b", "callee", 486, "Busy Here", 0.0))
        ring(engine, "p71", "c10b")
        await press(app, pilot, engine, "f", "o", *"404", "enter")
        assert told(engine)[-1] == ("refuse", "404")
        engine.publish(PhoneEnded("refused", 404, False, 0.0, phone="p71", leg="c10b"))
        text = await press(app, pilot, engine, "w", "2")
        assert "w callee  refuses with 603" in text
        text = await press(app, pilot, engine, "w", "0")
        assert told(engine)[-1] == ("hangup", "")
        assert "w callee  not here" in text


async def test_choices_reach_the_phone_that_waits(engine: FakeEngine) -> None:
    """Codec, voice, ways of keys and sound card are those of the next call that comes, too."""
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await press(app, pilot, engine, "f4", "w", "a", "g", "v", "t", "k", "o", "0")
        orders = [c for c in engine.asked if isinstance(c, commands.PlaceTestCall)]
        assert {order.answers for order in orders} == {"answer"}
        last = orders[-1]
        assert (last.codec, last.tone_hz, last.keys_by, last.sound) == (
            "pcmu",
            440,
            "rfc4733",
            False,
        )


async def test_from_the_palette(engine: FakeEngine) -> None:
    """Answering, refusing with a code, and what becomes of calls to come, on any screen."""

    async def choose(app: Workbench, pilot: Pilot[str], title: str) -> None:
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        entries[title].callback()
        await settle(app, pilot, engine)
        if "Take what scripts call?" in screen_text(app):  # an engine that is not ours asks first
            await press(app, pilot, engine, "y")

    async with workbench(engine) as (app, pilot):
        entries = {c.title: c.help for c in app.get_system_commands(app.screen)}
        assert entries["Call: answer"] == "nothing rings here"
        await choose(app, pilot, "Call: refuse with 486 Busy Here")
        assert "nothing rings here" in strip_text(app)
        await choose(app, pilot, "Call: answer as timeout")
        ring(engine, "p21", "c9b")
        await settle(app, pilot, engine)
        assert "rings: a answers" not in strip_text(app)
        entries = {c.title: c.help for c in app.get_system_commands(app.screen)}
        assert entries["Call: answer"] == "sip:phone@bench calls sip:conf@192.0.2.9"
        await choose(app, pilot, "Call: answer")
        await choose(app, pilot, "Call: answer as 486")
        await choose(app, pilot, "Call: what scripts call: not here")
        assert told(engine) == [("answer", ""), ("hangup", "")]
        answers = [c.answers for c in engine.asked if isinstance(c, commands.PlaceTestCall)]
        assert answers == ["never", "486"]


async def test_registering(engine: FakeEngine) -> None:
    """By an address and a password, which is not shown and goes with later choices; esc at the
    password changes nothing; w takes what scripts call again."""
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        text = await press(app, pilot, engine, "f4", "w", "n", *"anna@example.org", "enter")
        assert "Password" in text
        await press(app, pilot, engine, "escape")
        assert not engine.asked
        text = await press(app, pilot, engine, "w", "n", *"anna@example.org", "enter", *"secret")
        assert "secret" not in text
        text = await press(app, pilot, engine, "enter")
        order = engine.asked[-1]
        assert isinstance(order, commands.PlaceTestCall)
        assert (order.register, order.password) == ("sip:anna@example.org", "secret")
        assert "w callee  is anna@example.org" in text
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        entries["Network: answer with codec PCMA only"].callback()
        text = await press(app, pilot, engine)
        order = engine.asked[-1]
        assert isinstance(order, commands.PlaceTestCall)
        assert (order.codec, order.register, order.password) == (
            "pcma",
            "sip:anna@example.org",
            "secret",
        )
        assert "g codec   PCMA" in text
        await press(app, pilot, engine, "w", "a")
        order = engine.asked[-1]
        assert isinstance(order, commands.PlaceTestCall)
        assert (order.answers, order.register, order.password) == ("answer", "", "")
        entries["Network: register to…"].callback()
        text = await press(app, pilot, engine)
        assert "Register to" in text


async def test_taken_calls_are_test_calls(engine: FakeEngine) -> None:
    """Leaving does not ask about them, and hanging up all test calls ends them."""
    async with workbench(engine, process=Process(engine)) as (app, pilot):
        await press(app, pilot, engine, "f4", "w", "a")
        ring(engine, "p21", "c9b")
        answered(engine, "p21", "c9b")
        await settle(app, pilot, engine)
        assert app.model.foreign_calls == 0
        assert "test call c9b ● up" in strip_text(app)
        entries = {c.title: c for c in app.get_system_commands(app.screen)}
        assert entries["Call: hang up all test calls"].help == "1 test call up"
        entries["Call: hang up all test calls"].callback()
        await settle(app, pilot, engine)
        assert told(engine) == [("hangup", "")]


async def test_from_the_line_console(engine: FakeEngine) -> None:
    """callee says what becomes of them; it tells when it rings; answer, refuse."""
    engine.publish(LISTENING, loaded("menu", 1))
    text = await transcript(
        engine,
        "answer",
        "callee loudly",
        "callee off",
        "callee ring",
        *rings(engine.clock, "p21", "c9b"),
        "answer",
        "press 1",
        "callee 603",
        "callee off",
    )
    assert "nothing rings here" in text
    assert "callee ring|answer|never|486|off" in text
    assert "calls of scripts go where they lead" in text
    assert "* c9b rings: sip:phone@bench calls sip:conf@192.0.2.9" in text
    assert told(engine) == [("answer", ""), ("press", "1"), ("hangup", "")]
    phones = [c.phone for c in engine.asked if isinstance(c, commands.TellPhone)]
    assert phones == ["p21", "c9b", "p22"]


async def test_refused_from_the_line_console(engine: FakeEngine) -> None:
    """refuse takes a code, 486 without one."""
    engine.publish(LISTENING)
    ringing = rings(engine.clock, "p21", "c9b")
    await transcript(engine, "callee ring", *ringing, "refuse", "refuse 404")
    assert told(engine) == [("refuse", "486"), ("refuse", "404")]
