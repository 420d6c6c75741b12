"""Logins: which name and password answer a challenge to a call of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.config.settings import Settings
    from ivrbench.sip.auth import Credentials

__all__ = ["login_of"]


def login_of(settings: Settings, addresses: Sequence[str]) -> Credentials:
    """What `ivr.conf` says for a call.

    An account's password answers its own realm, and whatever realm its provider names for calls
    that go there or come from there. Without `register` lines `user` and `password` are for
    outgoing calls alone and answer every realm.

    Args:
        settings: with the accounts.
        addresses: URIs or From values that have to do with the call.
    """
    hosts = {host for address in addresses if (host := _host(address))}

    def login(realm: str) -> tuple[str, str] | None:
        for account in settings.register:
            password = account.password or settings.password
            if password and _host(account.uri) in {realm.lower(), *hosts}:
                return account.user or settings.user or _user(account.uri), password
        if not settings.register and settings.user and settings.password:
            return settings.user, settings.password
        return None

    return login


def _host(address: str) -> str:
    try:
        return parse_uri(parse_name_addr(address).uri).host.lower()
    except RemoteProtocolError:
        return ""


def _user(uri: str) -> str:
    return parse_uri(uri).decoded_user
