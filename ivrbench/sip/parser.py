"""The parser: bytes to `SipRequest` or `SipResponse` by splitting them (RFC 3261 §7)."""

from __future__ import annotations

import re

from ..errors import RemoteProtocolError
from .grammar import TOKEN, new_spelling, spellings
from .message import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    Problem,
    SipRequest,
    SipResponse,
)

__all__ = ["parse_message"]

_REQUEST_LINE = re.compile(rf"({TOKEN}) ([^\s<>\"]++) SIP/([0-9]++\.[0-9]++)")
_STATUS_LINE = re.compile(r"SIP/([0-9]++\.[0-9]++) ([0-9]++)(?: (.*+))?+")
_LOOSE_REQUEST_LINE = re.compile(r"\s*+(\S++)\s++(\S.*) SIP/[0-9.]++\s*+")
_FOLD = re.compile(r"\r\n[ \t]++")


def parse_message(data: bytes) -> SipRequest | SipResponse:
    """Split a message into its parts; call `check()` before trusting it.

    What is wrong but can still be answered is kept and raised by `check()`.

    Raises:
        RemoteProtocolError: nothing can be made of the bytes.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        # We differ: a head that simply stops is read as one with no body, as RFC 4475's baddn
        # comes.
        head_bytes, body = data.rstrip(b"\r\n"), b""
    else:
        head_bytes, body = data[:end], data[end + 4 :]
    if len(head_bytes) > MAX_HEAD_BYTES or len(body) > MAX_BODY_BYTES:
        raise RemoteProtocolError("message is too large", status_hint=513)
    head = head_bytes.decode("utf-8", "surrogateescape")
    if "\r\n " in head or "\r\n\t" in head:
        head = _FOLD.sub(" ", head)
    start, headers, problem = _split_head(head)
    return _with_start_line(start, head, headers, body, problem)


def _split_head(head: str) -> tuple[str, dict[str, list[str]], Problem]:
    """Start line, raw values by header key, and what is wrong but can be answered."""
    lines = head.split("\r\n")
    problem: Problem = None
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        problem = ("a line ends in a lone CR or LF", 400)
    headers: dict[str, list[str]] = {}
    known = spellings
    start = lines[0]
    del lines[0]
    for line in lines:
        name, colon, value = line.partition(":")
        key = known.get(name)
        if key is None or not colon:
            key = new_spelling(name) if colon else ""
            if not key:
                problem = problem or (f"bad header line {line[:80]!r}", 400)
                continue
        if key in headers:
            headers[key].append(value.strip())
        else:
            headers[key] = [value.strip()]
    if len(lines) > MAX_HEADERS:
        problem = (f"more than {MAX_HEADERS} headers", 400)
    return start, headers, problem


def _with_start_line(
    start: str,
    head: str,
    headers: dict[str, list[str]],
    body: bytes,
    problem: Problem,
) -> SipRequest | SipResponse:
    match = _REQUEST_LINE.fullmatch(start)
    if match is not None:
        method, uri, version = match.groups()
        if version != "2.0":
            problem = (f"SIP version {version} is not supported", 505)
        return SipRequest(method, uri, head, headers, body, problem)
    match = _STATUS_LINE.fullmatch(start)
    if match is not None:
        version, code, reason = match.groups()
        if version != "2.0" or len(code) != 3 or not "100" <= code <= "699":
            problem = (f"bad status line {start[:80]!r}", 400)
        return SipResponse(int(code[:3]), reason or "", head, headers, body, problem)
    match = _LOOSE_REQUEST_LINE.fullmatch(start)
    if match is None:
        raise RemoteProtocolError(f"not a SIP message: {start[:80]!r}")
    # RFC 4475 §3.1.2.7 to §3.1.2.10: a request line that is nearly right is answered 400.
    problem = problem or (f"bad request line {start[:80]!r}", 400)
    return SipRequest(match[1], match[2].strip(), head, headers, body, problem)
