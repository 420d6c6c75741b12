"""Glyphs for every state, in Unicode and in ASCII. Each stands beside a word, never alone."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ASCII", "ROLES", "UNICODE", "Glyphs"]

ROLES = (
    *("dim", "ok", "bad", "warn", "accent", "head"),
    *("keyword", "string", "comment", "number"),
)
"""Roles of text; the style sheet gives each a look through `.line--ROLE`."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs that stand beside words."""

    up: str = "●"
    waiting: str = "◌"
    held: str = "‖"
    ok: str = "✓"
    bad: str = "✗"
    warn: str = "!"
    play: str = "▶"
    record: str = "■"
    cursor: str = "▌"
    rule: str = "─"
    branch: str = "└"
    dot: str = "·"
    arrow: str = "→"
    deleted: str = "⌫"
    busy: str = "…"
    full: str = "█"
    empty: str = "░"
    bar_left: str = "▕"
    bar_right: str = "▏"
    down: str = "▼"
    open: str = "▸"
    opened: str = "▾"
    is_ascii: bool = False

    def draw(self, text: str) -> str:
        """Text as it goes to the terminal: in the ASCII set without anything beyond ASCII."""
        if not self.is_ascii or text.isascii():
            return text
        return text.translate(_TO_ASCII).encode("ascii", "replace").decode("ascii")


_TO_ASCII = str.maketrans(
    {
        **{"…": "~", "·": "-", "→": ">", "─": "-", "│": "|", "└": "`", "×": "x", "≈": "~"},
        **{
            "▸": ">",
            "▾": "v",
            "═": "=",
            "▶": ">",
            "◀": "<",
            "◂": "<",
            "Δ": "d",
            "✓": "+",
            "✗": "X",
        },
        **dict(zip("▁▂▃▄▅▆▇█", "._-=+*#@", strict=True)),
        **dict.fromkeys("┌┐┘├┤┬┴┼", "+"),
    }
)

UNICODE = Glyphs()
ASCII = Glyphs(
    up="(*)",
    waiting="(o)",
    held="||",
    ok="+",
    bad="X",
    play=">",
    record="[rec]",
    cursor=">",
    rule="-",
    branch="`",
    dot="-",
    arrow="->",
    deleted="[x]",
    busy="..",
    full="#",
    empty=".",
    bar_left="[",
    bar_right="]",
    down="v",
    open=">",
    opened="v",
    is_ascii=True,
)
