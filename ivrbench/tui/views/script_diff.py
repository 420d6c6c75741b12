"""What changed between two versions of a script."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ivrbench.tui.text import Line, fit, line

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import GenerationView, ScriptView

__all__ = ["changed_lines", "diff_title", "version_before", "version_diff_lines"]

_ROLES = {"+": "ok", "-": "bad", "@": "accent"}


def version_before(
    script: ScriptView, shown: GenerationView, marked: int = 0
) -> GenerationView | None:
    """What a version is compared with: a marked one, the one that serves, or the one before.

    Args:
        script: whose versions.
        shown: the version.
        marked: another one of any age, 0 for none.
    """
    chosen = [g for g in script.generations if g.generation == marked and g is not shown]
    if chosen:
        return chosen[0]
    if shown.failed is not None and script.serving is not None:
        return script.serving
    older = [g for g in script.generations if g.generation < shown.generation and g.source]
    return older[-1] if older else None


def changed_lines(before: GenerationView, shown: GenerationView) -> str:
    """The lines of a version that are not as they were: "84-90, 95", "" if none is.

    What was taken out counts as the line that follows it.
    """
    old, new = before.source.splitlines(), shown.source.splitlines()
    spans = (
        (first + 1, max(last, first + 1))
        for tag, _, _, first, last in difflib.SequenceMatcher(None, old, new, False).get_opcodes()
        if tag != "equal"
    )
    return ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in spans)


def diff_title(before: GenerationView, shown: GenerationView) -> str:
    """Which two."""
    return f"diff @{before.generation} → @{shown.generation}"


def version_diff_lines(before: GenerationView, shown: GenerationView, width: int) -> list[Line]:
    """The changed lines with three around them."""
    texts = difflib.unified_diff(
        before.source.splitlines(), shown.source.splitlines(), lineterm="", n=3
    )
    lines = [
        line((fit(text.expandtabs(4), width), _ROLES.get(text[:1], "dim")))
        for text in list(texts)[2:]
    ]
    return lines or [line(("  no line changed", "dim"))]
