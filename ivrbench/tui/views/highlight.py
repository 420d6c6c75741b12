"""Python source in colours: keywords, texts, comments, numbers, names that are defined.

It works line by line on whatever is there, also on what does not compile.
"""

from __future__ import annotations

import keyword
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ivrbench.tui.text import Span, cells, clean, fit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["coloured_lines", "fit_spans"]

_TOKEN = re.compile(
    r"(?P<comment>#.*)"
    r"|(?P<string>[rbufRBUF]{0,2}(?P<quote>\"\"\"|'''|\"|'))"
    r"|(?P<decorator>^\s*@[\w.]+)"
    r"|(?P<number>\b\d[\w.]*)"
    r"|(?P<word>[^\W\d]\w*)"
)
_KEYWORDS = frozenset(keyword.kwlist) | {"self"}
MAX_COLOURED_LINES = 5_000
"""Longer sources are shown without colours."""


@lru_cache(maxsize=8)
def coloured_lines(source: str) -> tuple[tuple[Span, ...], ...]:
    """The lines of a source, each as text with roles."""
    texts = source.expandtabs(4).splitlines()
    if len(texts) > MAX_COLOURED_LINES:
        return tuple(((text, ""),) for text in texts)
    lines: list[tuple[Span, ...]] = []
    quote = ""
    for text in texts:
        spans: list[Span] = []
        quote = _colour(text, quote, spans)
        lines.append(tuple(spans))
    return tuple(lines)


def _colour(text: str, quote: str, spans: list[Span]) -> str:
    """Add the spans of one line.

    Args:
        text: the line.
        quote: what ends the text that an earlier line began, "" if none did.
        spans: where they go.

    Returns:
        What ends a text that goes on in the next line, "" if none does.
    """
    at = 0
    if quote:
        at = _end_of_string(text, 0, quote)
        spans.append((text[: at or len(text)], "string"))
        if not at:
            return quote
    before = ""
    while match := _TOKEN.search(text, at):
        if match.start() > at:
            spans.append((text[at : match.start()], ""))
        if match["string"]:
            end = _end_of_string(text, match.end(), match["quote"])
            spans.append((text[match.start() : end or len(text)], "string"))
            if not end:
                # A single quote that is not closed is a mistake of this line alone.
                return match["quote"] if len(match["quote"]) == 3 else ""
            at = end
            continue
        spans.append((match[0], _role(match, before)))
        before = match["word"] or ""
        at = match.end()
    if at < len(text):
        spans.append((text[at:], ""))
    return ""


def _role(match: re.Match[str], before: str) -> str:
    kind = match.lastgroup or ""
    if kind != "word":
        return {"decorator": "accent"}.get(kind, kind)
    if match["word"] in _KEYWORDS:
        return "keyword"
    return "head" if before in ("def", "class") else ""


def _end_of_string(text: str, at: int, quote: str) -> int:
    """Behind the quote that ends it, 0 if none does."""
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote)
        else:
            at += 1
    return 0


def fit_spans(spans: tuple[Span, ...], width: int) -> Iterator[Span]:
    """The spans in exactly `width` cells."""
    left = width
    for text, role in spans:
        text = clean(text)
        taken = cells(text)
        if taken > left:
            yield fit(text, left), role
            return
        yield text, role
        left -= taken
    yield " " * left, ""
