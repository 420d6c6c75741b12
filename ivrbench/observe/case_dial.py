"""How a recorded call was dialled, as far as a script can see; secrets by name are masked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.observe.events import SipTraced
from ivrbench.observe.sipmessage import MessageText

if TYPE_CHECKING:
    from ivrbench.observe.snapshot import LegView

__all__ = ["MASK", "SECRET", "Dial", "dial_of"]

MASK: Final = "secret"
TEST_PHONE: Final = '"test phone"'
SECRET: Final = re.compile(r"pin|pass(word|wd|phrase)?|token|secret|api[-_]?key|auth", re.I)
_PARAMS: Final = "p-app-param"
_SEEN_BY_SCRIPTS: Final = re.compile(
    r"(x-|p-(?!app-))|diversion$|history-info$|subject$|alert-info$", re.I
)
"""Headers that callers add for scripts; the rest belongs to the call, not to the test."""


@dataclass(frozen=True, slots=True)
class Dial:
    """What `bench.dial` is given beside the script."""

    uri: str = ""
    """"" where the script's name is the user of the Request-URI."""
    caller: str = ""
    """From, "" for the test phone."""
    params: tuple[tuple[str, str], ...] = ()
    """Of P-App-Param."""
    headers: tuple[tuple[str, str], ...] = ()
    how: tuple[str, ...] = ()
    """Other arguments, where this was no telephone as most are: `keys=False`, `body=b""`."""
    masked: bool = False
    """A value was replaced by `MASK`."""


def dial_of(leg: LegView) -> Dial:
    """Read a leg's INVITE."""
    user = leg.started.request_uri.partition(":")[2].partition("@")[0].partition(";")[0]
    uri = "" if user == leg.started.script else _without_password(leg.started.request_uri)
    traced = leg.sip[0].event if leg.sip else None
    if not isinstance(traced, SipTraced):
        return Dial(uri)
    params: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    masked = uri != "" and uri != leg.started.request_uri
    for name, value in _headers(MessageText(traced.raw)):
        if name.lower() == _PARAMS:
            found = (part.strip().partition("=") for part in value.split(";") if part.strip())
            params += [(key, text) for key, _, text in found]
        elif _SEEN_BY_SCRIPTS.match(name):
            headers.append((name, value))
    shown_params, shown_headers = _mask(params), _mask(headers)
    masked = masked or (shown_params, shown_headers) != (tuple(params), tuple(headers))
    text = MessageText(traced.raw)
    return Dial(uri, _caller(text), shown_params, shown_headers, _how(text), masked)


def _how(message: MessageText) -> tuple[str, ...]:
    if not message.body:
        return ('body=b""',)
    knows_keys = not message.has_sdp or any("telephone-event" in each for each in message.body)
    return () if knows_keys else ("keys=False",)


def _caller(message: MessageText) -> str:
    address = message.header("from") or message.header("f")
    return "" if address.startswith(TEST_PHONE) else re.sub(r";tag=[^;]*", "", address)


def _headers(message: MessageText) -> list[tuple[str, str]]:
    pairs = []
    for line in message.head[1:]:
        name, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            pairs.append((name.strip(), value.strip()))
    return pairs


def _mask(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, MASK if SECRET.search(name) else value) for name, value in pairs)


def _without_password(uri: str) -> str:
    scheme, colon, rest = uri.partition(":")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{colon}{user.partition(':')[0]}{at}{host}"
