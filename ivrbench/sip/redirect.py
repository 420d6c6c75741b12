"""Targets: where else a redirected call may go, best first (RFC 3261 §8.1.3.4, §19.1.5)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError
from .headers import parse_name_addr
from .uri import parse_uri

if TYPE_CHECKING:
    from .message import SipResponse
    from .uri import SipUri

__all__ = ["Targets", "is_address"]

MAX_TARGETS = 16  # Contacts kept of all 3xx answers to one call.


class Targets:
    """The target set of one call.

    Args:
        uri: the first target, which was tried.
        limit: how many more may be tried.
    """

    __slots__ = ("_left", "_line", "_seen", "_sips_only")

    def __init__(self, uri: str, limit: int) -> None:
        self._seen = {uri}
        self._left = limit
        self._line: list[tuple[float, int, str]] = []
        # RFC 3261 §8.1.3.4: from sips only to sips.
        self._sips_only = uri[:5].lower() == "sips:"

    def add(self, response: SipResponse) -> None:
        """Take the contacts of a 3xx that were not tried yet."""
        for item in response.elements("contact")[:MAX_TARGETS]:
            try:
                contact = parse_name_addr(item)
                uri = parse_uri(contact.uri)
                preference = float(contact.params.get("q") or 1.0)
            except (RemoteProtocolError, ValueError):
                continue
            # RFC 3261 §19.1.5: the headers of a URI are not for us to put in a request.
            plain = contact.uri.partition("?")[0]
            refused = self._sips_only and uri.scheme != "sips"
            if plain not in self._seen and len(self._line) < MAX_TARGETS and not refused:
                self._seen.add(plain)
                self._line.append((-preference, len(self._seen), plain))
        self._line.sort()

    def next(self) -> str | None:
        """The best one left, None when there is none, or enough were tried."""
        if not self._line or not self._left:
            return None
        self._left -= 1
        return self._line.pop(0)[2]


def is_address(uri: SipUri) -> bool:
    """True if the host is an IP address, so that nobody needs to ask DNS."""
    try:
        ip_address((uri.param("maddr") or uri.host).strip("[]"))
    except ValueError:
        return False
    return True
