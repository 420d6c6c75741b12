"""Verbs of the line console about scripts: their calls, versions, attributes and notes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ivrbench.observe.commands import (
    DialOut,
    Evaluate,
    PinScript,
    PlaceTestCall,
    RollBack,
    TellPhone,
)
from ivrbench.observe.phones import ANSWERS
from ivrbench.tui.new_script import TEMPLATES, write_script
from ivrbench.tui.phone_choice import idle_phone, ringing_phone, show_phone
from ivrbench.tui.views.inspect import moment_lines, tree_lines
from ivrbench.tui.views.monitor import monitor_texts
from ivrbench.tui.views.script import generation_lines
from ivrbench.tui.views.script_diff import diff_title, version_before, version_diff_lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ivrbench.observe.snapshot import GenerationView, PhoneView, ScriptView
    from ivrbench.tui.plain import Console

__all__ = ["HELP", "VERBS"]

WIDTH: Final = 100
BUSY: Final = "486"
HELP: Final = (
    "call NAME|sip:URI      the test phone calls; press, mute, hold … are about that call",
    "dial NAME sip:URI      a script calls somebody",
    "press 12#              keys; a comma is a pause of 0.5 s",
    "mute on|off   hold on|off   keys-by rfc4733|info|inband|auto",
    "say silence | tone HZ | wav FILE | text WORDS | microphone",
    "microphone NAME   speaker NAME        another sound card; default: the system's choice",
    "network LOSS DELAY JITTER             rtcp on|off   transfer NAME|sip:URI",
    "callee ring|answer|never|486|off      what becomes of calls that scripts make",
    "answer   refuse 486    the call that rings at the test phone",
    "hangup [LEG]           the test call, or any other",
    "legs   scripts   log [N]",
    "ladder LEG [LEG…]      messages, keys and script calls of one call, or of several",
    "follow LEG|all|off     what happens in a call, as it happens",
    "reload [NAME]          load one script again, or all",
    "versions NAME   diff NAME [OLD NEW]   rollback NAME [N]   pin NAME N   unpin NAME",
    "new TEMPLATE NAME      write a script: hello, menu, pin, voicemail, announcement, events",
    "inspect LEG            its attributes, and what each handler changed",
    "eval LEG LINE          Python between two handlers; !LINE may change the call",
    "monitor                what scripts wrote by monitorLog and into vars",
    "wait SECONDS | wait ended             for files of commands",
    "drain   quit",
)


def _script(console: Console, name: str) -> ScriptView | None:
    script = console.model.history.scripts.get(name)
    if script is None:
        console.say("error", text=f"there is no script {name or '(which?)'}: scripts lists them")
    return script


async def _versions(console: Console, name: str) -> None:
    script = _script(console, name)
    if script is None:
        return
    console.model.select_script(name)
    values = [
        {
            "script": name,
            "generation": g.generation,
            "state": g.state,
            "at_s": g.at_s,
            "calls": g.calls,
            "live_calls": g.live_calls,
            "pinned": g.generation == script.pinned,
        }
        for g in reversed(script.generations)
    ]
    console.tell(
        "version", [one.text for one in generation_lines(console.model, script, 80)], values
    )


async def _diff(console: Console, words: str) -> None:
    name, *numbers = words.split() or [""]
    script = _script(console, name)
    if script is None:
        return
    if any(not number.lstrip("@").isdigit() for number in numbers):
        console.say("error", text="diff NAME [OLD NEW], as in diff menu 2 5")
        return
    wanted = [int(number.lstrip("@")) for number in numbers]
    shown = _version(script, wanted[-1] if wanted else 0)
    before = None
    if shown is not None:
        before = version_before(script, shown, wanted[0] if len(wanted) > 1 else 0)
    if shown is None or before is None:
        console.say("error", text="there are no two such versions: versions NAME lists them")
        return
    texts = [diff_title(before, shown)]
    texts += [one.text for one in version_diff_lines(before, shown, WIDTH)]
    console.tell("diff", texts, [{"text": text.rstrip()} for text in texts])


def _version(script: ScriptView, number: int) -> GenerationView | None:
    found = (g for g in script.generations if g.generation == number)
    return next(found, None) if number else script.latest


async def _roll_back(console: Console, words: str) -> None:
    name, _, number = words.partition(" ")
    if _script(console, name) is not None:
        await console.ask(RollBack(name, _number(number)))


async def _pin(console: Console, words: str) -> None:
    name, _, number = words.partition(" ")
    script = _script(console, name)
    if script is not None:
        serving = script.serving.generation if script.serving else 0
        await console.ask(PinScript(name, _number(number) or serving))


async def _unpin(console: Console, name: str) -> None:
    if _script(console, name) is not None:
        await console.ask(PinScript(name, 0))


def _number(text: str) -> int:
    """ "@3" or "3"; 0 for what is no number."""
    digits = text.strip().removeprefix("@")
    return int(digits) if digits.isdigit() else 0


async def _new(console: Console, words: str) -> None:
    template, _, name = words.partition(" ")
    if template not in [known for _, known, _ in TEMPLATES]:
        names = ", ".join(known for _, known, _ in TEMPLATES)
        console.say("error", text=f"new TEMPLATE NAME, of {names}")
        return
    folder = Path(console.model.history.engine.script_path)
    try:
        path = write_script(folder, name.strip() or template, template)
    except (ValueError, OSError) as error:
        console.say("error", text=f"not written: {error}")
    else:
        console.say("answer", ok=True, text=f"wrote {path}")


async def _inspect(console: Console, name: str) -> None:
    model = console.model
    leg = await console.find_leg(name)
    if leg is None:
        return
    if leg.inspected is None and leg.ended is None:
        await console.watch(leg.name)
        text = f"the attributes of {leg.name} are kept from now on: ask again after its next event"
        console.say("answer", ok=True, text=text)
        return
    if leg.inspected is None:
        text = f"nobody looked at {leg.name}: inspect = all keeps what every call has"
        console.say("error", text=text)
        return
    values = leg.inspected.at(model.history.seq)
    texts = [one.text for one in moment_lines(model, leg, WIDTH)]
    texts += [one.text for one in tree_lines(model, leg, console.now_s(), WIDTH)]
    console.tell(
        "attribute",
        texts,
        [
            {"leg": leg.name, "path": path, "value": msgspec.to_builtins(value)}
            for path, value in values.items()
        ],
    )


async def _evaluate(console: Console, words: str) -> None:
    name, _, text = words.partition(" ")
    text = text.strip()
    await console.ask(Evaluate(name, text.removeprefix("!").strip(), text.startswith("!")))


async def _monitor(console: Console, _: str) -> None:
    entries = console.model.history.monitor
    values = [{"id": name, **msgspec.to_builtins(entry)} for name, entry in entries.items()]
    console.tell("monitor", monitor_texts(console.model), values)


async def _dial(console: Console, words: str) -> None:
    name, _, uri = words.partition(" ")
    if not uri:
        console.say("error", text="dial NAME sip:URI, as in dial menu sip:ann@192.0.2.7")
    elif _script(console, name) is not None:
        await console.ask(DialOut(script=name, uri=uri.strip()))


async def _callee(console: Console, answers: str) -> None:
    idle = idle_phone(console.model)
    if answers not in (*ANSWERS, "off") and not answers.isdigit():
        console.say("error", text=f"callee {'|'.join(ANSWERS)}|486|off")
    elif answers != "off":
        await console.ask(PlaceTestCall("", answers=answers))
    elif idle is not None:
        await console.ask(TellPhone(idle.name, "hangup"))
    else:
        console.say("answer", ok=True, text="calls of scripts go where they lead")


async def _answer(console: Console, _: str) -> None:
    phone = ringing_phone(console.model)
    if phone is not None:
        show_phone(console.model, phone)
    await _tell_ringing(console, phone, "answer")


async def _refuse(console: Console, code: str) -> None:
    await _tell_ringing(console, ringing_phone(console.model), "refuse", code or BUSY)


async def _tell_ringing(
    console: Console, phone: PhoneView | None, verb: str, argument: str = ""
) -> None:
    if phone is None:
        console.say("error", text="nothing rings here: callee ring lets what scripts call ring")
    else:
        await console.ask(TellPhone(phone.name, verb, argument))


VERBS: Final[dict[str, Callable[[Console, str], Awaitable[None]]]] = {
    "dial": _dial,
    "callee": _callee,
    "answer": _answer,
    "refuse": _refuse,
    "versions": _versions,
    "diff": _diff,
    "rollback": _roll_back,
    "pin": _pin,
    "unpin": _unpin,
    "new": _new,
    "inspect": _inspect,
    "eval": _evaluate,
    "monitor": _monitor,
}
