"""Grammar: the lexical rules of RFC 3261 §25.1 that every header shares, and what may not be sent.

All patterns use possessive quantifiers, so none of them can be made to backtrack by hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ..errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "COMPACT_NAMES",
    "MANAGED_HEADERS",
    "PARAMS",
    "QUOTED",
    "TOKEN",
    "Headers",
    "check_headers",
    "check_text",
    "check_token",
    "header_key",
    "is_token",
    "new_spelling",
    "parse_params",
    "quote",
    "spellings",
    "split_commas",
    "unquote",
]

Headers = Sequence[tuple[str, str]]
"""Header lines to send: (name, value) pairs in order."""

# token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"
# quoted-string = SWS DQUOTE *(qdtext / quoted-pair) DQUOTE
QUOTED = r'"(?:[^"\\]|\\.)*+"'
# generic-param = token [ EQUAL gen-value ]; gen-value = token / host / quoted-string
# We differ: an unquoted value may hold anything but separators and brackets, as peers in the field
# send it.
PARAMS = rf'(?:\s*+;\s*+{TOKEN}(?:\s*+=\s*+(?:{QUOTED}|[^\s;,"<>]++))?+)*+'

_TOKEN_RE = re.compile(TOKEN)
_PARAM_RE = re.compile(rf'\s*+;\s*+({TOKEN})(?:\s*+=\s*+({QUOTED}|[^\s;,"<>]++))?+', re.DOTALL)
_UNSENDABLE = re.compile(r"[\r\n\0]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_LIST_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?+|<[^<>]*+>|[^,"<]++|<)++', re.DOTALL)

# RFC 3261 §7.3.3 and the IANA registry.
COMPACT_NAMES = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

MANAGED_HEADERS = frozenset(
    {
        "via",
        "from",
        "to",
        "call-id",
        "cseq",
        "max-forwards",
        "content-length",
        "content-type",
        "route",
        "record-route",
    }
)
"""Headers the core writes itself; given as extra headers they would be there twice."""


def is_token(text: str) -> bool:
    """True if `text` is a token: a method, header name or option tag."""
    return _TOKEN_RE.fullmatch(text) is not None


MAX_SPELLINGS = 2_000  # Every known name in several cases fits; strangers cannot grow it further.
spellings: dict[str, str] = {}
"""Header name as written -> key of the header table."""


def new_spelling(name: str) -> str:
    """The table key of a header name in any spelling, "" for something that is no header name."""
    written = name
    name = name.rstrip(" \t").lower()
    if not is_token(name):
        return ""
    key = COMPACT_NAMES.get(name, name)
    if len(spellings) < MAX_SPELLINGS:
        spellings[written] = key
    return key


def header_key(name: str) -> str:
    """The table key of a header name, long or compact, in any case; "" for no header name."""
    return spellings.get(name) or new_spelling(name)


def check_token(text: str, what: str) -> None:
    """Refuse to send a method or header name that is no token.

    Raises:
        LocalProtocolError: `text` is not a token.
    """
    if not is_token(text):
        raise LocalProtocolError(f"{what} {text!r} has a character SIP does not allow there")


def check_text(text: str, what: str) -> None:
    """Refuse to send a text that would end its line.

    Raises:
        LocalProtocolError: CR, LF or NUL in it.
    """
    if _UNSENDABLE.search(text):
        raise LocalProtocolError(f"{what} {text!r} contains a line end or NUL")


@lru_cache(maxsize=512)
def _check_name(name: str) -> None:
    check_token(name, "header name")
    lowered = name.lower()
    if COMPACT_NAMES.get(lowered, lowered) in MANAGED_HEADERS:
        raise LocalProtocolError(f"header {name!r} is written by the SIP stack itself")


def check_headers(headers: Headers) -> str:
    """The header lines as text, ready to send.

    Raises:
        LocalProtocolError: a name is no token or one the core writes itself, or a value has a line
            end.
    """
    lines = []
    for name, value in headers:
        _check_name(name)
        check_text(value, f"value of header {name}")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines)


def quote(text: str) -> str:
    """`text` as a quoted-string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The content of a quoted-string; other text as it is."""
    if len(text) >= 2 and text[0] == '"' == text[-1]:
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    return text


def parse_params(text: str) -> dict[str, str | None]:
    """Parameters of `;name=value;flag` by lower-case name; the first of a name wins.

    Raises:
        RemoteProtocolError: 400, the text is no parameter list.
    """
    params: dict[str, str | None] = {}
    position = 0
    while match := _PARAM_RE.match(text, position):
        name, value = match.groups()
        params.setdefault(name.lower(), value)
        position = match.end()
    if text[position:].strip():
        raise RemoteProtocolError(f"bad parameters {text.strip()!r}")
    return params


def split_commas(value: str) -> list[str]:
    """The elements of a comma-separated header value; commas in quotes and <> do not count."""
    if "," not in value:
        value = value.strip()
        return [value] if value else []
    return [item for part in _LIST_ITEM.findall(value) if (item := part.strip())]
