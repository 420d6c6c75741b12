"""One script: does it serve, its source, why it failed, its generations, its handlers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ivrbench.tui.text import Column, Line, clock_time, count, fit, line, row, wrap
from ivrbench.tui.views.highlight import coloured_lines, fit_spans
from ivrbench.tui.views.scripts import state_of

if TYPE_CHECKING:
    from ivrbench.observe.events import ScriptFailed
    from ivrbench.observe.snapshot import GenerationView, ScriptView
    from ivrbench.tui.model import Model

__all__ = [
    "banner_lines",
    "generation_lines",
    "handler_lines",
    "marked_line",
    "rollback_target",
    "source_lines",
    "source_title",
    "traceback_lines",
]

_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:, in (.+))?$')


def banner_lines(model: Model, script: ScriptView, width: int) -> list[Line]:
    """What loaded, what serves, what to do."""
    text, role = _banner(model, script)
    return [line((f" {part}", role)) for part in wrap(text, width - 1)]


def _banner(model: Model, script: ScriptView) -> tuple[str, str]:
    mark, role, note = state_of(model, script)
    latest, serving, name = script.latest, script.serving, script.name
    fix = "Fix the file and save: it reloads by itself."
    if script.removed or script.loading is not None or latest is None:
        return f"{mark} {note}", role
    if latest.state == "failed" and serving is not None:
        since = clock_time(serving.at_s, model.zone)
        there = f"{name}@{serving.generation} ({since}) keeps serving new calls"
        bad = f"{model.glyphs.bad} {name}@{latest.generation} did not load"
        return f"{bad}. {there}. {fix}", "bad"
    if latest.state == "failed":
        bad = f"{model.glyphs.bad} {name}@{latest.generation} did not load"
        return f"{bad}, and no version ever did: calls are refused. {fix}", "bad"
    if script.is_helper:
        users = ", ".join(script.helper_of) or "no script"
        return f"{model.glyphs.ok} {name}@{latest.generation} is a helper of {users}", "ok"
    if serving is not None and serving is not latest:
        how = "is pinned and serves" if script.pinned else "serves"
        undo = "p unpins it" if script.pinned else "Save the file, or b, to change that"
        there = f"{name}@{serving.generation} {how} new calls"
        here = f"{name}@{latest.generation} loaded and does not"
        return f"{model.glyphs.warn} {there}; {here}. {undo}.", "warn"
    since = clock_time(latest.at_s, model.zone)
    calls = script.live_calls
    text = f"{name}@{latest.generation} serving since {since}"
    if script.unchanged_at_s:
        at = clock_time(script.unchanged_at_s, model.zone)
        text += f" {model.glyphs.dot} saved unchanged {at}"
    return f"{model.glyphs.ok} {text} {model.glyphs.dot} {count(calls, 'call')}", "ok"


def source_title(model: Model, script: ScriptView) -> tuple[str, str]:
    """Titles of the source pane, left and right."""
    shown = model.selected_generation
    file = script.file.rpartition("/")[2] or f"{script.name}.py"
    if shown is None:
        return file, ""
    words = {
        "failed": "on disk, not serving" if shown is script.latest else "did not load",
        "serving": "serving",
        "older": "serves only its old calls",
        "retired": "retired",
        "held": "held: another is pinned",
    }
    converted = shown.loaded is not None and shown.loaded.converted
    python2 = f" {model.glyphs.dot} converted from Python 2" if converted else ""
    return file, f"@{shown.generation} {words.get(shown.state, shown.state)}{python2}"


def marked_line(generation: GenerationView | None) -> int:
    """The line where the load failed, 0 if it did not or is not known."""
    failed = generation.failed if generation else None
    return failed.line if failed else 0


def source_lines(model: Model, generation: GenerationView | None, width: int) -> list[Line]:
    """The text with line numbers; the failing line and the handlers are marked."""
    if generation is None or not generation.source:
        return [line(("  the source of this version is not known", "dim"))]
    marked = marked_line(generation)
    handlers = {at for _, at in generation.loaded.handlers} if generation.loaded else set()
    lines: list[Line] = []
    for number, spans in enumerate(coloured_lines(generation.source), 1):
        is_bad = number == marked
        mark = model.glyphs.cursor if is_bad else model.glyphs.open if number in handlers else " "
        lines.append(
            line(
                (f"{mark}{number:4}  ", "bad" if is_bad else "accent" if mark != " " else "dim"),
                *fit_spans(spans, max(0, width - 7)),
            )
        )
        if is_bad and generation.failed is not None:
            text = "".join(text for text, _ in spans)
            lines += _error_below(generation.failed, text, width)
    if generation.loaded is not None and generation.loaded.converted:
        lines += _conversion(generation.loaded.converted, width)
    return lines


def _conversion(difference: str, width: int) -> list[Line]:
    """What was changed in a script of Python 2 so that it runs."""
    lines = [line(""), line((fit("  Written for Python 2; what runs differs:", width), "warn"))]
    roles = {"+": "ok", "-": "bad", "@": "dim"}
    changed = difference.expandtabs(4).splitlines()[2:]
    return lines + [line((fit(f"  {t}", width), roles.get(t[:1], ""))) for t in changed]


def _error_below(failed: ScriptFailed, text: str, width: int) -> list[Line]:
    indent = " " * (7 + len(text) - len(text.lstrip()))
    lines = [
        line((fit(indent + "^" * max(1, len(text.strip())), width), "bad")),
        line((fit(f"{indent}{failed.error_type}: {failed.message}", width), "bad")),
    ]
    if failed.hint:
        lines.append(line((fit(indent + failed.hint, width), "warn")))
    return lines


def traceback_lines(
    model: Model, script: ScriptView, failed: ScriptFailed, width: int
) -> list[Line]:
    """Frames of the script's own files (all if asked), the error, and a hint."""
    frames = _frames(failed.traceback)
    folder = model.history.engine.script_path.rstrip("/")
    own = [f for f in frames if _is_own(f[0], folder, script)]
    shown = frames if model.all_frames or not own else own
    lines: list[Line] = []
    for file, number, function, code in shown:
        where = f", in {function}" if function else ""
        lines.append(line(fit(f"{file.rpartition('/')[2]}, line {number}{where}", width)))
        lines += [line((fit(text, width), "dim")) for text in code]
    if not shown and failed.line:
        lines.append(line(f"{failed.file.rpartition('/')[2]}, line {failed.line}"))
    lines.append(line(""))
    error = f"{failed.error_type}: {failed.message}"
    lines += [line((text, "bad")) for text in wrap(error, width)]
    if failed.hint:
        lines += [line((text, "warn")) for text in wrap(failed.hint, width)]
    if len(own) < len(frames):
        lines.append(line(""))
        text = "all frames" if shown is frames else "only your frames"
        other = "only yours" if shown is frames else f"all {len(frames)}"
        lines.append(line((f"{text} {model.glyphs.dot} t shows {other}", "dim")))
    return lines


def _frames(traceback: str) -> list[tuple[str, int, str, list[str]]]:
    """File, line, function and code lines of each frame."""
    frames: list[tuple[str, int, str, list[str]]] = []
    for text in traceback.splitlines():
        match = _FRAME.match(text)
        if match:
            frames.append((match[1], int(match[2]), match[3] or "", []))
        elif frames and text.startswith("    "):
            frames[-1][3].append(text)
    return frames


def _is_own(file: str, folder: str, script: ScriptView) -> bool:
    name = f"{script.name}.py"
    is_inside = bool(folder) and file.startswith(folder + "/")
    return is_inside or file == script.file or file.rpartition("/")[2].partition("@")[0] == name


def _state_of_version(
    model: Model, script: ScriptView, generation: GenerationView
) -> tuple[str, str, str]:
    """Word, role and note of a version."""
    glyphs, failed = model.glyphs, generation.failed
    calls = f"{count(generation.live_calls, 'call')} now"
    word, role, note = {
        "serving": (f"{glyphs.ok} SERVING", "ok", calls),
        "older": (f"{glyphs.up} old calls", "warn", calls),
        "retired": (f"{glyphs.ok} retired", "dim", count(generation.calls, "call")),
        "held": (f"{glyphs.held} held", "warn", f"@{script.pinned} is pinned"),
    }.get(generation.state, (f"{glyphs.bad} FAILED", "bad", ""))
    if failed is not None:
        note = f"{failed.error_type} :{failed.line}" if failed.line else failed.error_type
    if script.pinned and script.pinned == generation.generation:
        word = f"{glyphs.ok} PINNED"
    if generation.threads:
        note += f", {count(generation.threads, 'thread')} running"
    return word, role, note


def generation_lines(model: Model, script: ScriptView, width: int) -> list[Line]:
    """The versions, newest first: when, whether it loaded, what it serves."""
    glyphs = model.glyphs
    shown = model.selected_generation
    lines: list[Line] = []
    for generation in reversed(script.generations):
        word, role, note = _state_of_version(model, script, generation)
        lines.append(
            row(
                (
                    Column(glyphs.cursor if generation is shown else "", 1, "accent"),
                    Column("*" if generation.generation == model.marked_generation else "", 1),
                    Column(f"@{generation.generation}", 4),
                    Column(clock_time(generation.at_s, model.zone), 8, "dim"),
                    Column(word, 11, role),
                    Column(note, max(0, width - 30)),
                ),
                key=str(generation.generation),
                selected=generation is shown,
            )
        )
    return lines


def handler_lines(model: Model, generation: GenerationView, width: int) -> list[Line]:
    """Each handler of a version that loaded: line, calls, times, how often it raised."""
    loaded = generation.loaded
    lines = [line((fit(" handler           line  calls  last worst", width), "head"))]
    for name, number in sorted(loaded.handlers if loaded else (), key=lambda h: h[1]):
        stats = generation.handlers.get(name)
        if stats is None:
            lines.append(line((fit(f" {name:17} {number:4}      -", width), "dim")))
            continue
        times = f"{stats.last_ms:5.0f} {stats.worst_ms:5.0f}"
        lines.append(line(f" {fit(name, 17)} {number:4} {stats.calls:6} {times}"))
        if stats.raised:
            lines.append(line((f"   {model.glyphs.bad} raised {stats.raised}", "bad")))
    if len(lines) == 1:
        lines.append(line(("  none defined", "dim")))
    return lines


def rollback_target(model: Model) -> int:
    """The generation `b` would let serve again: the chosen one, else the newest good one before.

    Returns:
        0 if there is none.
    """
    script, chosen = model.selected_script, model.selected_generation
    if script is None:
        return 0
    if chosen is not None and model.generation and chosen.loaded and chosen.state != "serving":
        return chosen.generation
    good = [g.generation for g in script.generations if g.loaded and g.state != "serving"]
    return good[-1] if good else 0
