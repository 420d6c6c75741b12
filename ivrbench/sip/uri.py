"""SipUri: sip: and sips: URIs (RFC 3261 §19.1); other schemes stay opaque text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote as _percent_decode

from ..errors import LocalProtocolError, RemoteProtocolError
from .flow import host_port

__all__ = ["HOST", "SipUri", "check_uri", "parse_uri", "uri_scheme", "uri_user"]

# host = hostname / IPv4address / IPv6reference. We differ: underscores are let in, as names in the
# field have them.
HOST = r"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9\-._]++)"

# SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]
# user may hold ; ? / & = + $ , so the user part ends at the last "@" and is found first.
_URI = re.compile(
    rf"(?P<scheme>[Ss][Ii][Pp][Ss]?):"
    rf"(?:(?P<user>[^\s\0@:<>\"]++)(?::(?P<password>[^\s\0@<>\"]*+))?@)?+"
    rf"(?P<host>{HOST})(?::(?P<port>[0-9]{{1,5}}))?+"
    rf"(?P<params>(?:;[^\s\0;?<>\"]++)*+)(?:\?(?P<headers>[^\s\0<>\"]*+))?"
)
_SENDABLE = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*+:[^\s<>\"\0]++")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*+(?=:)")
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class SipUri:
    """A parsed sip: or sips: URI.

    `user`, `password` and parameter values are kept escaped, as they were written; see
    `decoded_user`.
    """

    scheme: str
    user: str
    password: str
    host: str
    port: int
    """0 if none was written."""
    params: tuple[tuple[str, str | None], ...]
    headers: str

    @property
    def decoded_user(self) -> str:
        """The user part without %-escapes and without user parameters' meaning."""
        return _percent_decode(self.user, errors="surrogateescape")

    @property
    def bare_host(self) -> str:
        """The host without the brackets of an IPv6 address."""
        return self.host.strip("[]")

    def param(self, name: str) -> str | None:
        """Value of a URI parameter, "" for a flag, None if it is absent; in any case."""
        for key, value in self.params:
            if key.lower() == name.lower():
                return value or ""
        return None

    def __str__(self) -> str:
        password = f":{self.password}" if self.password else ""
        user = f"{self.user}{password}@" if self.user else ""
        params = "".join(f";{k}" if v is None else f";{k}={v}" for k, v in self.params)
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{host_port(self.host, self.port)}{params}{headers}"


def check_uri(text: str) -> None:
    """Refuse to send a URI, of any scheme, that would break the line it stands in.

    Raises:
        LocalProtocolError: no scheme, or white space, NUL, a quote or an angle bracket in it.
    """
    if not _SENDABLE.fullmatch(text):
        raise LocalProtocolError(f"{text!r} is no URI that can be sent")


def uri_scheme(text: str) -> str:
    """The scheme in lower case, "" if there is none."""
    match = _SCHEME.match(text)
    return match[0].lower() if match else ""


def uri_user(text: str) -> str:
    """The user part as it stands there, "" if there is none or it cannot be read."""
    try:
        return parse_uri(text).user
    except RemoteProtocolError:
        return ""


@lru_cache(maxsize=1024)
def parse_uri(text: str) -> SipUri:
    """Parse a sip: or sips: URI.

    Raises:
        RemoteProtocolError: 416 for another scheme, 400 for a URI that cannot be read.
    """
    match = _URI.fullmatch(text)
    if match is None:
        scheme = uri_scheme(text)
        if scheme and scheme not in ("sip", "sips"):
            # RFC 3261 §8.2.2.1: a scheme we do not understand is 416.
            raise RemoteProtocolError(f"scheme {scheme!r} is not supported", status_hint=416)
        raise RemoteProtocolError(f"bad URI {text!r}")
    port = int(match["port"] or 0)
    if port > MAX_PORT:
        raise RemoteProtocolError(f"port {port} in {text!r} does not exist")
    params = []
    for part in match["params"].split(";")[1:]:
        name, equals, value = part.partition("=")
        params.append((name, value if equals else None))
    return SipUri(
        scheme=match["scheme"].lower(),
        user=match["user"] or "",
        password=match["password"] or "",
        host=match["host"],
        port=port,
        params=tuple(params),
        headers=match["headers"] or "",
    )
