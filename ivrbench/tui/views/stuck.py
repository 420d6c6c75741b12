"""A handler that has not returned: where it is, read while it runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ivrbench.tui.text import Line, fit, line

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import LegView
    from ivrbench.tui.model import Model

__all__ = ["stuck_lines", "stuck_note", "stuck_place"]

MAX_FRAMES = 6
"""The innermost ones: that is where it hangs."""

# As `traceback.format_list` writes a frame.
_FRAME = re.compile(r'^  File "(.*)", line (\d+), in (.*)$')


class _Frame(NamedTuple):
    place: str
    """"menu.py@3:31"."""
    function: str
    code: str
    """The line of the source, "" if it is not known."""


def _frames(stack: str) -> list[_Frame]:
    """The frames of a stack, outermost first."""
    frames: list[_Frame] = []
    for text in stack.splitlines():
        found = _FRAME.match(text)
        if found is not None:
            place = f"{found[1].rpartition('/')[2]}:{found[2]}"
            frames.append(_Frame(place, found[3], ""))
        elif frames and not frames[-1].code:
            frames[-1] = frames[-1]._replace(code=text.strip())
    return frames


def stuck_place(leg: LegView) -> tuple[str, int] | None:
    """File name without folder, and line, where the leg's handler hangs; None if it does not."""
    frames = _frames(leg.running.stack) if leg.running is not None else []
    if not frames:
        return None
    name, _, number = frames[-1].place.rpartition(":")
    return name.partition("@")[0], int(number)


def stuck_note(leg: LegView) -> str:
    """Where the leg's handler hangs, for the line below its row; "" if it does not."""
    frames = _frames(leg.running.stack) if leg.running is not None else []
    if not frames:
        return ""
    inner = frames[-1]
    return f"not back from {inner.function}, {inner.place}  {inner.code}".rstrip()


def stuck_lines(model: Model, leg: LegView, width: int, height: int = MAX_FRAMES + 1) -> list[Line]:
    """A sentence and the stack, outermost first; nothing if no handler hangs.

    Args:
        model: for its glyphs.
        leg: whose handler.
        width: cells of a line.
        height: lines wanted at most; the outer frames are left out first.
    """
    running = leg.running
    frames = _frames(running.stack) if running is not None else []
    n_frames = min(MAX_FRAMES, height - 1)
    if running is None or not frames or n_frames < 1:
        return []
    text = f"{running.handler}() has not returned for {running.elapsed_ms / 1000:.0f} s"
    lines = [line((fit(f"{model.glyphs.warn} {text}: this call waits", width), "warn"))]
    for frame in frames[-n_frames:]:
        at = f"  {frame.place} in {frame.function}  "
        lines.append(line((at, "dim"), (fit(frame.code, max(0, width - len(at))), "warn")))
    return lines
