"""Headers: blocks as scripts write them, taken apart for the SIP core, and what some mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ivrbench.sip.message import SipRequest

__all__ = ["header_pairs", "knows_100rel"]


def header_pairs(block: str) -> tuple[tuple[str, str], ...]:
    """The headers of a block; lines may end in CRLF or LF, what is no header line is left out."""
    pairs = []
    for line in block.replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def knows_100rel(request: SipRequest) -> bool:
    """The caller takes reliable provisional responses (RFC 3262 §3)."""
    return request.names_tag("100rel", "require", "supported")
