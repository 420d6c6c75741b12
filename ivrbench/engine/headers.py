"""Header blocks as scripts write them, `Name: value` lines, taken apart for the SIP core."""

from __future__ import annotations

__all__ = ["header_pairs"]


def header_pairs(block: str) -> tuple[tuple[str, str], ...]:
    """The headers of a block; lines may end in CRLF or LF, what is no header line is left out."""
    pairs = []
    for line in block.replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            pairs.append((name.strip(), value.strip()))
    return tuple(pairs)
