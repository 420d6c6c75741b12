"""The list of scripts: generation, calls, and whether new calls are served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.tui.text import Column, Line, count, line, row
from ivrbench.tui.views.cases import case_mark

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import ScriptView
    from ivrbench.tui.model import Model

__all__ = ["failed_count", "script_lines", "state_of"]


def script_lines(model: Model, width: int) -> list[Line]:
    """A header, then a row for each script with a note below where one is needed."""
    name_width = width - 2 - 5 - 6 - 11
    lines = [_row(model, ("script", "gen", "calls", "state"), name_width, role="head")]
    selected = model.selected_script
    for name in sorted(model.history.scripts):
        script = model.history.scripts[name]
        mark, role, note = state_of(model, script)
        label = f"{name} (helper)" if script.is_helper else name
        serving = script.serving
        calls = "-" if script.is_helper else str(script.live_calls)
        lines.append(
            _row(
                model,
                (label, f"@{serving.generation}" if serving else "-", calls, mark),
                name_width,
                role=role,
                key=name,
                selected=selected is script,
            )
        )
        cases, bad = case_mark(model, name)
        if note or cases:
            before = f"{note}  " if note and cases else note
            room = max(0, width - 1 - len(cases))
            text = f"{before:>{room}}"[-room:] if room else ""
            lines.append(line((text, "dim" if role == "ok" else role), (cases, bad)))
    return lines


def _row(
    model: Model,
    texts: tuple[str, str, str, str],
    name_width: int,
    *,
    role: str = "",
    key: str = "",
    selected: bool = False,
) -> Line:
    plain = role if role == "head" else ""
    return row(
        (
            Column(model.glyphs.cursor if selected else "", 1, "accent"),
            Column(texts[0], name_width, plain),
            Column(texts[1], 4, plain, right=True),
            Column(texts[2], 5, plain, right=True),
            Column(texts[3], 10, role),
        ),
        key=key,
        selected=selected,
    )


def state_of(model: Model, script: ScriptView) -> tuple[str, str, str]:
    """A script's state: mark with word, role, and a note ("" for none)."""
    glyphs = model.glyphs
    latest, serving = script.latest, script.serving
    if script.removed:
        serves = f"serving @{serving.generation} to " if serving else ""
        note = f"{serves}{count(script.live_calls, 'call')}"
        return f"{glyphs.deleted} deleted", "warn", note
    if script.loading is not None:
        note = f"at line {script.loading.line}"
        return f"{glyphs.busy} load {script.loading.elapsed_s:.0f} s", "warn", note
    if latest is None:
        return f"{glyphs.waiting} new", "dim", ""
    if latest.state == "failed" and serving is None:
        return f"{glyphs.bad} none", "bad", "calls are refused"
    if latest.state == "failed" and serving is not None:
        mark = f"{glyphs.bad} @{latest.generation} bad"
        return mark, "bad", f"serving @{serving.generation}"
    if serving is not None and serving is not latest:
        why = "pinned" if script.pinned else "rolled back"
        return f"{glyphs.ok} ok", "warn", f"{why}: @{latest.generation} does not serve"
    older = sum(g.live_calls for g in script.generations if g.state == "older")
    note = f"{older} on an older version" if older else ""
    return f"{glyphs.ok} ok", "ok", note


def failed_count(model: Model) -> int:
    """Scripts whose newest version did not load."""
    latest = (script.latest for script in model.history.scripts.values())
    return sum(1 for generation in latest if generation and generation.state == "failed")
