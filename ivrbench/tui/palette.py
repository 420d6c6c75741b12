"""Every command by name, for the command palette (ctrl+p)."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from ivrbench.errors import ConfigError
from ivrbench.observe.commands import Drain, PinScript, ReloadScripts, RollBack
from ivrbench.tui.answering import ANSWERS, REFUSALS
from ivrbench.tui.calling import NETWORKS
from ivrbench.tui.columns import ask_columns
from ivrbench.tui.filter import LEVELS, Filter
from ivrbench.tui.palette_legs import case_commands, leg_commands
from ivrbench.tui.phone_choice import idle_phone, is_test_leg, ringing_phone
from ivrbench.tui.saved_filters import choose_filter, filters_file, read_filters
from ivrbench.tui.text import count
from ivrbench.tui.views.health import health_panes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ivrbench.observe.snapshot import ScriptView
    from ivrbench.tui.app import Workbench

__all__ = ["commands"]

CODEC_NAMES = (
    ("", "PCMU or PCMA"),
    ("pcmu", "PCMU only"),
    ("pcma", "PCMA only"),
    ("g722", "G.722 only"),
    ("opus", "Opus only"),
)
"""Each of `observe.phones.CODECS`, for people."""


def commands(app: Workbench) -> Iterator[SystemCommand]:
    """What can be done now. What cannot stays listed, with the reason."""
    yield from _calls(app)
    yield from _scripts(app)
    yield from leg_commands(app)
    yield from case_commands(app)
    yield from _filters(app)
    yield from _views(app)
    yield from _engine(app)
    yield SystemCommand("Quit", "Leave; asks if calls are up", app.action_leave)


def _views(app: Workbench) -> Iterator[SystemCommand]:
    yield SystemCommand("View: theme…", "Choose the colours", app.action_change_theme)
    yield SystemCommand("View: ASCII glyphs", "Unicode or ASCII signs", app.action_ascii)
    yield SystemCommand("View: plain colours", "Grey only, and back", app.action_plain_colours)
    about = "Two rows for each level on the Call screen, and back"
    yield SystemCommand("View: bigger meters", about, app.action_bigger_meters)
    about = count(len(app.model.history.done), "call") + " that are over; the engine keeps them"
    yield SystemCommand("View: clear done calls", about, app.action_clear_done)
    shown = ", ".join(app.model.leg_columns)
    yield SystemCommand(
        "View: columns…", f"Of the list of legs: {shown}", partial(ask_columns, app)
    )
    for level, name in enumerate(LEVELS):
        yield SystemCommand(
            f"View: log level {name.lower()}",
            "Only errors" if level == 0 else "This level and those before it",
            partial(_set_level, app, level),
        )
    yield SystemCommand("View: help", "What this screen means, and its keys", app.action_help)


def _engine(app: Workbench) -> Iterator[SystemCommand]:
    yield SystemCommand(
        "Engine: drain",
        "No new calls; the engine ends with the last one",
        partial(app.change, Drain(), "drain: no new calls, end with the last one"),
    )
    restart = "Start it again" if app.model.can_restart else "not ours to start: look for it again"
    yield SystemCommand("Engine: start again", restart, app.start_again)
    about = "Starts it on this machine alone, and copies its address"
    yield SystemCommand("Engine: open browser view", about, app.beside.browse)
    config = app.model.history.engine.config_file or "there is none: all settings are defaults"
    yield SystemCommand("Engine: where is ivr.conf", config, partial(app.say, config))
    yield SystemCommand(
        "Engine: copy diagnostics",
        "Versions, addresses, health: for a report",
        partial(_copy_diagnostics, app),
    )


def _set_level(app: Workbench, level: int) -> None:
    app.model.log_level = level
    app.draw_now()


def _copy_diagnostics(app: Workbench) -> None:
    engine = app.model.history.engine
    lines = [
        f"ivrbench {engine.version}, engine pid {engine.pid}, Python {platform.python_version()}, "
        f"Textual {version('textual')}, {platform.platform()}",
        f"terminal {os.environ.get('TERM', '?')} {app.size.width}x{app.size.height}",
    ]
    for _, title, page in health_panes(app.model, app.clock.wall()):
        lines += [title, *(f"  {one.text.rstrip()}" for one in page)]
    app.copy("\n".join(lines))


def _calls(app: Workbench) -> Iterator[SystemCommand]:
    for name, script in sorted(app.model.history.scripts.items()):
        if not script.is_helper:
            why = "" if script.serving else " (no version loaded: it will be refused)"
            yield SystemCommand(
                f"Call: dial {name}", f"Call it with the test phone{why}", partial(app.dial, name)
            )
            yield SystemCommand(
                f"Call: {name} calls…",
                "Let it call a SIP URI",
                partial(app.calling.ask_call_out, name),
            )
    leg = app.model.selected_leg
    name = leg.name if leg is not None and leg.ended is None else ""
    yield SystemCommand(
        f"Call: hang up {name}".rstrip(),
        "End the selected call" if name else "no live call selected",
        app.action_hang_up,
    )
    n_tests = sum(1 for each in app.model.history.live.values() if is_test_leg(app.model, each))
    yield SystemCommand(
        "Call: hang up all test calls",
        f"{count(n_tests, 'test call')} up" if n_tests else "no test call is up",
        app.calling.end_all,
    )
    yield from _phone(app)
    test = app.model.test_call
    about = f"Digits go to {test.name}" if test else "no test call is up"
    yield SystemCommand("Call: keys to the test call", about, app.action_give_keys)


def _phone(app: Workbench) -> Iterator[SystemCommand]:
    calling, model = app.calling, app.model
    up = "" if model.phone_to_tell else ": no test call is up"
    yield SystemCommand("Call: dial…", "A script's name or a SIP URI", calling.ask_target)
    yield SystemCommand("Call: redial", "The last test call again, without its keys", calling.again)
    yield SystemCommand("Call: redial with keys", "The last test call again", calling.redial)
    on = "off" if model.redial_on_reload else "on"
    yield SystemCommand(
        f"Call: redial on reload {on}",
        "The last test call again after each good reload",
        calling.toggle_redial_on_reload,
    )
    yield SystemCommand("Call: type keys…", f"1234#,,5{up}", calling.ask_keys)
    yield SystemCommand("Call: transfer…", f"To a script or a SIP URI{up}", calling.ask_transfer)
    yield SystemCommand("Call: the other test call", "Of several", calling.next_phone)
    yield from _answers(app)
    for verb in ("mute", "hold"):
        yield SystemCommand(f"Call: {verb}", f"On or off{up}", partial(calling.toggle, verb))
    yield SystemCommand("Call: save what was heard", "As a WAV file", calling.save_heard)
    yield SystemCommand("Call: voice…", "Microphone, silence, tone, file, text", calling.ask_voice)
    yield from _audio(app)
    yield from _networks(app, up)


def _audio(app: Workbench) -> Iterator[SystemCommand]:
    model = app.model
    used = model.sound.used
    yield SystemCommand(
        f"Audio: {'no sound card' if used else 'sound card again'}",
        "From the next call on",
        partial(app.cards.use, not used),
    )
    about = "Is the microphone heard, and the loudspeaker? Without a call"
    yield SystemCommand("Audio: level test", about, app.cards.test_levels)
    for side, name in (("microphone", "microphone"), ("speaker", "loudspeaker")):
        about = f"Now and for the next calls: {getattr(model.sound, side) or 'the system chooses'}"
        yield SystemCommand(f"Audio: choose {name}…", about, partial(app.cards.ask_card, side))
    about = "What the caller says, now and in the next calls"
    yield SystemCommand("Audio: use a WAV as microphone…", about, app.calling.ask_file)


def _answers(app: Workbench) -> Iterator[SystemCommand]:
    """The call that rings here, and those to come."""
    ringing, idle, answering = ringing_phone(app.model), idle_phone(app.model), app.answering
    about = "nothing rings here"
    if ringing is not None and ringing.rang is not None:
        about = f"{ringing.rang.caller} calls {ringing.rang.called}"
    yield SystemCommand("Call: answer", about, answering.answer)
    yield SystemCommand("Call: refuse with…", about, answering.ask_refusal)
    for code, reason in REFUSALS.items():
        title = f"Call: refuse with {code} {reason}"
        yield SystemCommand(title, about, partial(answering.refuse, code))
    for _, answers, meaning in ANSWERS:
        title = f"Call: what scripts call: {answers}"
        title = "Call: answer as timeout" if answers == "never" else title
        yield SystemCommand(title, meaning, partial(answering.take, answers))
    for code, reason in REFUSALS.items():
        yield SystemCommand(
            f"Call: answer as {code}",
            f"What scripts call is refused here with {code} {reason}",
            partial(answering.take, code),
        )
    about = "They go where they lead" if idle is not None else "they go where they lead now"
    yield SystemCommand("Call: what scripts call: not here", about, partial(answering.take, "off"))


def _networks(app: Workbench, up: str) -> Iterator[SystemCommand]:
    for _, argument, meaning in NETWORKS:
        yield SystemCommand(
            f"Network: {meaning}",
            f"Test phone only{up}",
            partial(app.calling.tell, "network", argument),
        )
    about = f"Test phone only: no reports go out, none are read{up}"
    yield SystemCommand("Network: break RTCP", about, partial(app.calling.tell, "rtcp", "off"))
    about = f"Reports go out and are read again{up}"
    yield SystemCommand("Network: RTCP again", about, partial(app.calling.tell, "rtcp", "on"))
    about = "Test phone only: calls to it are answered here"
    yield SystemCommand("Network: register to…", about, app.answering.ask_register)
    for codec, name in CODEC_NAMES:
        yield SystemCommand(
            f"Network: answer with codec {name}",
            "Test phone only: what it offers and accepts from the next call on",
            partial(app.calling.use_codec, codec),
        )


def _scripts(app: Workbench) -> Iterator[SystemCommand]:
    yield SystemCommand("Script: new from template…", "Write one", app.action_new_script)
    yield SystemCommand("Script: reload all", "Load every script again", app.action_reload_all)
    about = "Import all in a process of its own; the engine does not see it"
    yield SystemCommand("Script: check (import only)", about, app.beside.check)
    for name, script in sorted(app.model.history.scripts.items()):
        yield SystemCommand(
            f"Script: reload {name}",
            "Load it again",
            partial(app.change, ReloadScripts(name), f"load {name} again"),
        )
        yield SystemCommand(
            f"Script: open {name}",
            "Its source and state, its handlers and how long they took",
            partial(app.open_script, name),
        )
        yield from _versions(app, script)


def _versions(app: Workbench, script: ScriptView) -> Iterator[SystemCommand]:
    name = script.name
    for older in [g for g in script.generations if g.loaded and g.state != "serving"]:
        number = older.generation
        yield SystemCommand(
            f"Script: roll back {name} to @{number}",
            "New calls get this version again",
            partial(app.change, RollBack(name, number), f"roll {name} back to @{number}"),
        )
    serving = script.serving
    if script.pinned:
        yield SystemCommand(
            f"Script: unpin {name}",
            f"New calls get the newest version again, not @{script.pinned}",
            partial(app.change, PinScript(name, 0), f"unpin {name}"),
        )
    elif serving is not None and not script.is_helper:
        number = serving.generation
        yield SystemCommand(
            f"Script: pin {name} to @{number}",
            "New calls get this version, whatever is loaded",
            partial(app.change, PinScript(name, number), f"pin {name} to @{number}"),
        )


def _filters(app: Workbench) -> Iterator[SystemCommand]:
    """For the log, which is on two screens and is where filters are worth keeping."""
    with suppress(ConfigError):  # said where filters are chosen
        for name, text in sorted(read_filters(filters_file(os.environ)).items()):
            yield SystemCommand(
                f"Filter: {name}", f"The log with  {text}", partial(_use, app, text)
            )
    about = app.model.log_filter.text or "no filter is typed"
    yield SystemCommand(
        "Filter: save the log's…",
        about,
        partial(choose_filter, app, app.model.log_filter.text, partial(_use, app)),
    )


def _use(app: Workbench, text: str) -> None:
    app.model.log_filter = Filter(text)
    app.action_go("log")
    app.draw_now()
