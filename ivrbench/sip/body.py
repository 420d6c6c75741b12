"""Bodies: the session description in a message, by itself or as a part of several (RFC 3261 §7.4,
RFC 2046 §5.1, RFC 5621).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .message import SipMessage

__all__ = ["SDP", "accepts_description", "find_description", "is_understood"]

SDP = "application/sdp"
MAX_PARTS = 16  # A description with a location, a picture and what a telephone network adds: four.

# boundary := 0*69<bchars> bcharsnospace
_BOUNDARY = re.compile(r";\s*+boundary\s*+=\s*+(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.I)
_HANDLING = re.compile(r";\s*+handling\s*+=\s*+\"?(\w++)", re.I)
_PART_HEADER = re.compile(rb"(?:^|\r\n)(content-(?:type|disposition))[ \t]*+:([^\r\n]*+)", re.I)
_FOLDING = re.compile(rb"\r\n[ \t]++")


class _Part(NamedTuple):
    """One body: what it is, whether it may be left aside, and its bytes."""

    media_type: str
    handling: str
    """"required", "optional", "" if nothing is said."""
    data: bytes


def find_description(message: SipMessage) -> bytes:
    """The session description of a message; b"" if it has none."""
    body = message.body
    # We differ from RFC 3261 §7.4.1: without Content-Type it is taken for a description.
    if not body or message.content_type in (SDP, ""):
        return body
    return next((part.data for part in _parts(message) if part.media_type == SDP), b"")


def is_understood(message: SipMessage, accepted: Sequence[str]) -> bool:
    """False if the body has to be refused with 415 (RFC 3261 §8.2.3).

    Args:
        message: any request.
        accepted: media types that are known here.
    """
    if not message.body:
        return True
    if message.header("content-encoding", "identity").strip().lower() not in ("identity", ""):
        return False  # RFC 3261 §20.12: we can undo none.
    if message.content_type in (*accepted, ""):
        return True
    if _handling(message.header("content-disposition")) == "optional":
        return True
    parts = _parts(message)
    # We differ from RFC 5621 §8.2: what stands beside a description may be left aside unless it
    # says that it may not; few senders say `optional` of what is.
    return any(part.media_type in accepted for part in parts) and not any(
        part.handling == "required" and part.media_type not in accepted for part in parts
    )


def accepts_description(message: SipMessage) -> bool:
    """False if the sender takes no session description in the answer (RFC 3261 §20.1)."""
    if not message.has("accept") or SDP in message.header("accept"):
        return True  # As nearly everybody writes it.
    ranges = (each.partition(";")[0].strip().lower() for each in message.elements("accept"))
    return any(each in (SDP, "application/*", "*/*") for each in ranges)


def _handling(disposition: str) -> str:
    match = _HANDLING.search(disposition)
    return match[1].lower() if match is not None else ""


def _parts(message: SipMessage) -> list[_Part]:
    """The parts of a multipart body; none for a body of another type or that cannot be read."""
    match = _BOUNDARY.search(message.header("content-type"))
    if match is None or not message.content_type.startswith("multipart/"):
        return []
    delimiter = b"\r\n--" + (match[1] or match[2]).encode("utf-8", "surrogateescape")
    _, *chunks = (b"\r\n" + message.body).split(delimiter, MAX_PARTS + 1)
    parts = []
    for chunk in chunks[:MAX_PARTS]:
        padding, line_end, rest = chunk.partition(b"\r\n")
        if not line_end or padding.strip(b" \t"):
            break  # The last delimiter, or what only begins like one.
        head, _, data = (b"\r\n" + rest).partition(b"\r\n\r\n")
        fields = {
            name.lower(): value.decode("utf-8", "surrogateescape")
            for name, value in _PART_HEADER.findall(_FOLDING.sub(b" ", head))
        }
        media_type = fields.get(b"content-type", "text/plain").partition(";")[0].strip().lower()
        parts.append(_Part(media_type, _handling(fields.get(b"content-disposition", "")), data))
    return parts
