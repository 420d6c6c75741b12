"""Header values with structure: Via, addresses (From, To, Contact, Route), CSeq (RFC 3261 §20)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import RemoteProtocolError
from .grammar import PARAMS, QUOTED, TOKEN, parse_params, quote, unquote
from .uri import HOST

__all__ = [
    "MAX_CSEQ",
    "CSeq",
    "NameAddr",
    "RAck",
    "Via",
    "parse_cseq",
    "parse_name_addr",
    "parse_number",
    "parse_rack",
    "parse_via",
]

MAX_CSEQ = 2**31 - 1  # RFC 3261 §8.1.1.5: the number must be less than 2**31.

# via-parm = sent-protocol LWS sent-by *( SEMI via-params ); sent-by = host [ COLON port ]
_VIA = re.compile(
    rf"\s*+SIP\s*+/\s*+{TOKEN}\s*+/\s*+({TOKEN})\s++({HOST})(?:\s*+:\s*+([0-9]{{1,5}}))?+"
    rf"({PARAMS})\s*+(?:,|$)",
    re.IGNORECASE | re.DOTALL,
)

# name-addr = [ display-name ] LAQUOT addr-spec RAQUOT; display-name = *(token LWS) / quoted-string
# We differ: an unquoted display name may hold characters no token has (RFC 4475 §3.1.2.15), as
# phones send them.
_NAME_ADDR = re.compile(
    rf'\s*+(?:({QUOTED})\s*+|([^"<>;]*+))<\s*+([^<>\s]++)\s*+>({PARAMS})\s*+', re.DOTALL
)
# addr-spec without <>: RFC 3261 §20: its ";" start header parameters, not URI parameters.
_ADDR_SPEC = re.compile(rf'\s*+([A-Za-z][A-Za-z0-9+\-.]*+:[^\s<>";]*+)({PARAMS})\s*+', re.DOTALL)

_RACK = re.compile(rf"\s*+([0-9]{{1,10}})\s++([0-9]{{1,10}})\s++({TOKEN})\s*+")
_CSEQ = re.compile(rf"\s*+([0-9]++)\s++({TOKEN})\s*+")


def _split_params(text: str) -> dict[str, str | None]:
    """Parameters of a text the patterns above let through, the usual unquoted ones without a
    pattern.
    """
    if '"' in text:
        return parse_params(text)
    params: dict[str, str | None] = {}
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        params.setdefault(name.strip().lower(), value.strip() if equals else None)
    return params


class Via:
    """The top Via of a message.

    Attributes:
        transport: as written (`UDP`).
        host: sent-by host as written.
        port: sent-by port, 0 if none.
        end: how many characters of the header value this via-parm takes, comma excluded.
    """

    __slots__ = ("_branch", "_params", "_params_text", "end", "host", "port", "transport")

    def __init__(self, transport: str, host: str, port: int, params_text: str, end: int) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.end = end
        self._params_text = params_text
        self._params: dict[str, str | None] | None = None
        self._branch: str | None = None

    @property
    def params(self) -> dict[str, str | None]:
        """The parameters by lower-case name."""
        if self._params is None:
            self._params = _split_params(self._params_text)
        return self._params

    @property
    def branch(self) -> str:
        """The branch parameter, "" if absent."""
        if self._branch is None:
            self._branch = self.params.get("branch") or ""
        return self._branch


def parse_via(value: str) -> Via:
    """Parse the first via-parm of a Via value.

    Raises:
        RemoteProtocolError: 400.
    """
    match = _VIA.match(value)
    if match is None:
        raise RemoteProtocolError(f"bad Via {value!r}")
    transport, host, port, params = match.groups()
    return Via(transport, host, int(port or 0), params, match.end(4))


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A From, To, Contact, Route, Refer-To … value."""

    display_name: str
    """Without quotes, "" if there is none."""
    uri: str
    """The URI as written, any scheme."""
    params_text: str
    """Header parameters as written, from the first `;`."""

    @property
    def params(self) -> dict[str, str | None]:
        """The header parameters by lower-case name."""
        return _split_params(self.params_text)

    @property
    def tag(self) -> str:
        """The tag parameter, "" if absent."""
        return (self.params.get("tag") or "") if self.params_text else ""

    @property
    def address(self) -> str:
        """The value without parameters: `"Name" <uri>`."""
        return f"{quote(self.display_name)} <{self.uri}>" if self.display_name else f"<{self.uri}>"


def parse_name_addr(value: str) -> NameAddr:
    """Parse one name-addr or addr-spec with its parameters.

    Raises:
        RemoteProtocolError: 400.
    """
    match = _NAME_ADDR.fullmatch(value)
    if match is not None:
        quoted, plain, uri, params = match.groups()
        return NameAddr(unquote(quoted) if quoted else (plain or "").strip(), uri, params.strip())
    match = _ADDR_SPEC.fullmatch(value)
    if match is None:
        raise RemoteProtocolError(f"bad address {value!r}")
    return NameAddr("", match[1], match[2].strip())


@dataclass(frozen=True, slots=True)
class CSeq:
    """A CSeq value."""

    number: int
    method: str


def parse_cseq(value: str) -> CSeq:
    """Parse a CSeq value.

    Raises:
        RemoteProtocolError: 400, also for a number of 2**31 or more.
    """
    match = _CSEQ.fullmatch(value)
    if match is None:
        raise RemoteProtocolError(f"bad CSeq {value!r}")
    digits, method = match.groups()
    # Ten digits are enough for 2**31 - 1; longer ones are not worth converting (wsinv has leading
    # zeros: 0009).
    number = int(digits) if len(digits) <= 20 else MAX_CSEQ + 1
    if number > MAX_CSEQ:
        raise RemoteProtocolError(f"CSeq number {digits[:20]} is too large")
    return CSeq(number, method)


@dataclass(frozen=True, slots=True)
class RAck:
    """A RAck value (RFC 3262 §7.2): which provisional response a PRACK acknowledges."""

    rseq: int
    cseq: int
    method: str


def parse_rack(value: str) -> RAck:
    """Parse a RAck value.

    Raises:
        RemoteProtocolError: 400.
    """
    match = _RACK.fullmatch(value)
    if match is None:
        raise RemoteProtocolError(f"bad RAck {value[:40]!r}")
    return RAck(int(match[1]), int(match[2]), match[3])


def parse_number(value: str) -> int | None:
    """A header value that is a plain number with or without parameters: RSeq, Min-SE, Retry-After;
    None for anything else.
    """
    digits = value.partition(";")[0].strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None
