"""Whole pages of words: nothing here yet, the engine is down."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ivrbench.tui.text import Line, fit, line, minutes, wrap

if TYPE_CHECKING:
    from ivrbench.tui.model import Model

__all__ = ["down_lines", "empty_lines"]

MAX_SHOWN_ENGINE_LINES = 8


def empty_lines(model: Model) -> list[Line]:
    """For the legs pane before the first call: how to get one."""
    engine = model.history.engine
    lines = [line("")]
    if not model.history.scripts:
        lines += [
            line((f"     No script yet in {engine.script_path or 'the script folder'}", "head")),
            line(("        n", "accent"), "  writes one from a template, and it can be called"),
            line("        Or save a NAME.py there: it loads by itself and shows up here."),
            line("        docs/api.md says what a script can do."),
            line(""),
        ]
    lines.append(line(("     No call yet", "head")))
    if model.history.scripts:
        lines.append(
            line(("        c", "accent"), "  calls the selected script with the test phone")
        )
    for listener in engine.listeners.values():
        if listener.up:
            ip = f"[{listener.ip}]" if ":" in listener.ip else listener.ip
            address = f"sip:NAME@{ip}:{listener.port}"
            either = "or dial in:" if model.history.scripts else "Then dial in:"
            lines.append(line(f"        {either} {address}   (NAME = script)"))
            break
    lines += [line(""), line(("     This page goes away with the first call.", "dim"))]
    lines.append(line(("     F1 explains the screen.", "dim")))
    return lines


def _exit_text(code: int) -> str:
    """How a process ended; a negative code is a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def down_lines(model: Model, now_s: float, width: int) -> list[Line]:
    """The engine is not there: why, its last words, what can be done."""
    lines: list[Line] = []
    if model.engine_exit is not None:
        lines.append(line((fit(_exit_text(model.engine_exit), width), "bad")))
    lines += [line(fit(text, width)) for text in wrap(model.down_reason, width)]
    lines.append(line((f"down for {minutes(now_s - model.down_since_s)}", "dim")))
    if model.engine_lines:
        lines += [line(""), line(("its last words:", "head"))]
        lines += [
            line((fit(text, width), "dim")) for text in model.engine_lines[-MAX_SHOWN_ENGINE_LINES:]
        ]
    lines += [line(""), line("Calls on the old engine are gone. What happened is kept here:")]
    lines.append(line("look at the log, legs and scripts while it is down."))
    return lines
