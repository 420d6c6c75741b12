"""Header search and application parameters, exactly as scripts have always had them.

These functions look at the block of header lines a script gets as `hdrs`. They are lenient and
odd on purpose (ivr-api §1.4, §1.5); the SIP core has its own parser.
"""

from __future__ import annotations

__all__ = ["all_headers", "app_params", "first_header", "session_param"]

_PARAM_HEADERS = ("P-App-Param", "P-Iptel-Param")
"""Name since March 2007, name before."""


def first_header(headers: str, name: str) -> str:
    """Value of the first header called `name`, "" if there is none or `name` is ""."""
    found = _find(headers, name, 1)
    return found[0] if found else ""


def all_headers(headers: str, name: str) -> str:
    """Values of all headers called `name`, joined with ", "."""
    return ", ".join(_find(headers, name, len(headers)))


def app_params(headers: str) -> dict[str, str]:
    """The parameters of P-App-Param (or P-Iptel-Param) as `getAppParam` shows them.

    Split at `;`, then at `=`: a part with more than one `=` is dropped, nothing is trimmed or
    unquoted, the first of a repeated key wins.
    """
    params: dict[str, str] = {}
    for part in _param_header(headers).split(";"):
        pieces = part.split("=")
        if part and len(pieces) <= 2:
            params.setdefault(pieces[0], pieces[1] if len(pieces) == 2 else "")
    return params


def session_param(headers: str, name: str) -> str:
    """A parameter of P-App-Param as the older `getSessionParam` shows it, "" if absent.

    The header is split at `,`; keys are case-insensitive, blanks around key and `=` are skipped,
    quotes protect `;` and fall away; the first value that is not empty wins.
    """
    if not name:
        return ""
    for part in _param_header(headers).split(","):
        for item in _split_unquoted(part):
            key, equals, value = item.partition("=")
            if equals and key.strip(" \t").lower() == name.lower():
                text = _unquoted(value.strip(" \t"))
                if text:
                    return text
    return ""


def _param_header(headers: str) -> str:
    for name in _PARAM_HEADERS:
        if value := first_header(headers, name):
            return value
    return ""


def _find(headers: str, name: str, limit: int) -> list[str]:
    found: list[str] = []
    wanted = name.lower()
    if not wanted:
        return found
    for line in headers.split("\n"):
        if line[: len(name)].lower() != wanted:
            continue
        # Spaces before the colon are skipped; a tab there makes the line not match.
        rest = line[len(name) :].lstrip(" ")
        if rest.startswith(":"):
            found.append(rest[1:].lstrip(" ").split("\r", 1)[0])
            if len(found) == limit:
                break
    return found


def _split_unquoted(text: str) -> list[str]:
    """Split at `;` outside of quotes; a backslash protects the character after it."""
    parts, start, quote, i = [], 0, "", 0
    while i < len(text):
        char = text[i]
        if char == "\\":
            i += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == ";":
            parts.append(text[start:i])
            start = i + 1
        i += 1
    return [*parts, text[start:]]


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] in "\"'" and value[-1] == value[0]:
        return value[1:-1]
    return value
