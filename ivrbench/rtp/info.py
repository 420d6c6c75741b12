"""Keys in the bodies of SIP INFO requests: `application/dtmf-relay` and `application/dtmf`.

Neither has an RFC. A dtmf-relay body has a line `Signal=` and mostly a line `Duration=` in
milliseconds; a dtmf body is a single character. Both come in many spellings.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.rtp.dtmf import FLASH, KEY_NAMES, key_from_name

__all__ = [
    "DTMF",
    "DTMF_RELAY",
    "InfoKey",
    "build_dtmf",
    "build_dtmf_relay",
    "parse_info",
]

DTMF_RELAY: Final = "application/dtmf-relay"
DTMF: Final = "application/dtmf"
DEFAULT_DURATION_MS: Final = 250  # what senders of dtmf-relay say when nobody told them
MAX_DURATION_MS: Final = 10_000  # longer is a mistake in the unit or a lie
MAX_BODY_BYTES: Final = 1024  # a key needs less than 40
UNSUPPORTED_MEDIA_TYPE: Final = 415


class InfoKey(NamedTuple):
    """A key a SIP INFO told of."""

    key: int
    """Key number."""
    duration_ms: int
    """How long the sender says it is down."""


_LINE: Final = re.compile(r"^[ \t]*(signal|duration)[ \t]*=[ \t]*(\S*)[ \t]*$", re.I | re.M)


def parse_info(content_type: str, body: bytes) -> InfoKey:
    """Read the key out of a SIP INFO.

    Args:
        content_type: the request's Content-Type; parameters and case do not matter.
        body: the request's body.

    Returns:
        The key.

    Raises:
        RemoteProtocolError: 415 for another content type, 400 for a body without a key.
    """
    kind = content_type.partition(";")[0].strip().lower()
    text = body[:MAX_BODY_BYTES].decode("ascii", "replace").replace("\r", "\n")
    if kind == DTMF:
        return InfoKey(_key(text.strip()), DEFAULT_DURATION_MS)
    if kind != DTMF_RELAY:
        raise RemoteProtocolError(
            f"An INFO of type {content_type[:60]!r} tells no key.",
            status_hint=UNSUPPORTED_MEDIA_TYPE,
        )
    values = {name.lower(): value for name, value in reversed(_LINE.findall(text))}
    return InfoKey(_key(values.get("signal", "")), _duration_ms(values.get("duration", "")))


def _key(text: str) -> int:
    key = key_from_name(text)
    if key is None and text.isdigit() and text.isascii() and len(text) == 2:
        key = int(text)  # 10 for *, 11 for #, … as in RFC 4733
    if key is None or key > FLASH:
        raise RemoteProtocolError(f"The INFO names no key: {text[:20]!r}.")
    return key


def _duration_ms(text: str) -> int:
    if not (text.isdigit() and text.isascii() and len(text) <= 9):
        return DEFAULT_DURATION_MS
    return min(int(text), MAX_DURATION_MS)


def build_dtmf_relay(key: int, duration_ms: int) -> bytes:
    """Return the body of an INFO of type `application/dtmf-relay`.

    Raises:
        LocalProtocolError: there is no such key.
    """
    return f"Signal={_signal(key)}\r\nDuration={duration_ms}\r\n".encode("ascii")


def build_dtmf(key: int) -> bytes:
    """Return the body of an INFO of type `application/dtmf`.

    Raises:
        LocalProtocolError: there is no such key.
    """
    return _signal(key).encode("ascii")


def _signal(key: int) -> str:
    if not 0 <= key <= FLASH:
        raise LocalProtocolError(f"There is no key number {key}.")
    return str(key) if key == FLASH else KEY_NAMES[key]
