"""Gruus: addresses that lead to one telephone of a user while it is registered (RFC 5627).

A public one is made of the user's address and the instance; a temporary one tells neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from .tokens import Tokens
    from .uri import SipUri

__all__ = ["Gruus"]

MAX_TEMPORARY: Final = 64
"""Of one telephone; with a refresh every 20 minutes that is a day of calls to return."""
PREFIX: Final = "gruu."
_INSTANCE_CHARS: Final = ":-._+"


class Gruus:
    """The GRUUs of a registrar.

    Args:
        tokens: makes temporary ones that nobody can guess.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._given: dict[tuple[str, str], tuple[str, dict[str, None]]] = {}
        """User and instance -> Call-ID of its REGISTERs, and the temporary ones, oldest first."""
        self._owners: dict[str, tuple[str, str]] = {}

    def public(self, address: SipUri, instance: str) -> str:
        """The one that stays the same."""
        name = quote(instance.strip("<>"), safe=_INSTANCE_CHARS)
        return str(replace(_plain(address), params=(("gr", name),)))

    def temporary(self, address: SipUri, instance: str, call_id: str) -> str:
        """A new one; those before stay good as long as the telephone registers by one Call-ID."""
        owner = address.decoded_user, instance
        if owner in self._given and self._given[owner][0] != call_id:
            self.forget(*owner)  # RFC 5627 §5.1: it was restarted, or is another one.
        _, given = self._given.setdefault(owner, (call_id, {}))
        if len(given) >= MAX_TEMPORARY:
            oldest = next(iter(given))
            del given[oldest], self._owners[oldest]
        name = f"{PREFIX}{self._tokens.tag()}{self._tokens.tag()}"
        given[name] = None
        self._owners[name] = owner
        return str(replace(_plain(address), user=name, params=(("gr", None),)))

    def forget(self, user: str, instance: str) -> None:
        """The telephone is not registered any more."""
        _, given = self._given.pop((user, instance), ("", {}))
        for name in given:
            del self._owners[name]

    def owner(self, uri: SipUri) -> tuple[str, str] | None:
        """User and instance (without angle brackets, "" for any) that a URI leads to.

        Returns:
            None for a temporary one that is nobody's.
        """
        name = uri.param("gr")
        if name is None:
            return uri.decoded_user, ""
        if name:
            return uri.decoded_user, unquote(name)
        user, instance = self._owners.get(uri.decoded_user, ("", ""))
        return (user, instance.strip("<>")) if user else None


def _plain(address: SipUri) -> SipUri:
    return replace(address, password="", params=(), headers="")
