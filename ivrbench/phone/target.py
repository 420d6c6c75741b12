"""Whom to call: a script's name or a SIP URI becomes a Request-URI, a transport and an address."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ivrbench.config import Listen
from ivrbench.errors import ConfigError, RemoteProtocolError, SipError
from ivrbench.observe.client import ControlClient
from ivrbench.observe.snapshot import Snapshot
from ivrbench.sip.flow import Address, host_port
from ivrbench.sip.uri import SipUri, parse_uri, uri_scheme

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["DEFAULT_LISTENER", "Target", "engine_listeners", "read_place", "read_target", "resolve"]

DEFAULT_LISTENER: Final = Listen("udp", "127.0.0.1", 5060)
DEFAULT_PORT: Final = 5060  # RFC 3261 §19.1.2
SPOKEN: Final = ("udp", "tcp")
USER_UNESCAPED: Final = "-_.!~*'()&=+$,;?/"  # RFC 3261 §25.1: unreserved and user-unreserved
SNAPSHOT_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where the INVITE goes."""

    uri: str
    """Request-URI."""
    transport: str
    """`udp` or `tcp`."""
    host: str
    """Name or address, without brackets."""
    port: int


def read_target(text: str, listeners: Iterable[Listen]) -> Target:
    """Understand what the user typed.

    Args:
        text: a script's name, or a `sip:` URI.
        listeners: where scripts are served; the first one the phone can speak to is taken.

    Raises:
        ConfigError: it is neither, or needs a transport the phone does not have.
    """
    if not uri_scheme(text) and ":" not in text and "@" not in text:
        return _script_target(text, listeners)
    try:
        uri = parse_uri(text)
    except RemoteProtocolError as exc:
        raise ConfigError(f"{text!r} is neither a script's name nor a SIP URI: {exc}") from exc
    transport = (uri.param("transport") or "udp").lower()
    if uri.scheme != "sip" or transport not in SPOKEN:
        raise ConfigError(f"{text}: the test phone speaks SIP over UDP and TCP only")
    return Target(_request_uri(uri), transport, uri.bare_host, uri.port or DEFAULT_PORT)


def read_place(text: str) -> Address:
    """Where to wait for a call: `HOST[:PORT]`, "" for any port of 127.0.0.1; port 0 is any.

    Raises:
        ConfigError: it is no numeric address with a port.
    """
    host, bracket, rest = text.removeprefix("[").partition("]")
    port = rest.removeprefix(":")
    if not bracket:
        host, _, port = text.partition(":")
    try:
        return str(ipaddress.ip_address(host or "127.0.0.1")), int(port or 0)
    except ValueError:
        raise ConfigError(f"{text!r} is no address to wait at, as 127.0.0.1:5070 is") from None


def _script_target(name: str, listeners: Iterable[Listen]) -> Target:
    if not name.strip():
        raise ConfigError("whom to call? Give a script's name or a sip: URI")
    listener = next((known for known in listeners if known.transport in SPOKEN), DEFAULT_LISTENER)
    host = _reachable(listener.ip)
    suffix = "" if listener.transport == "udp" else f";transport={listener.transport}"
    user = quote(name, safe=USER_UNESCAPED)
    uri = f"sip:{user}@{host_port(host, listener.port)}{suffix}"
    return Target(uri, listener.transport, host, listener.port)


def _reachable(ip: str) -> str:
    """An address to send to where a server listens on `ip`; the wildcard is met on loopback."""
    address = ipaddress.ip_address(ip)
    if not address.is_unspecified:
        return ip
    return "127.0.0.1" if address.version == 4 else "::1"


def _request_uri(uri: SipUri) -> str:
    # RFC 3261 §19.1.1: a Request-URI carries no headers part.
    return str(SipUri(uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params, ""))


async def resolve(target: Target) -> Address:
    """The numeric address of a target.

    Raises:
        SipError: there is no such host.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except OSError as exc:
        raise SipError(f"{target.host}: {exc.strerror or 'no such host'}") from exc
    host, port = found[0][4][:2]
    return str(host), int(port)


async def engine_listeners(control_socket: Path) -> list[Listen]:
    """Ask a running engine where it takes SIP.

    Returns:
        its listeners, first one first.

    Raises:
        EngineGone: nobody answers at `control_socket`.
    """
    client = await ControlClient.connect(str(control_socket))
    try:
        async with asyncio.timeout(SNAPSHOT_TIMEOUT_S):
            snapshot = await anext(client)
    except TimeoutError:
        return []
    finally:
        await client.close()
    if not isinstance(snapshot, Snapshot):
        return []
    up = (listener for listener in snapshot.engine.listeners.values() if listener.up)
    return [Listen(listener.transport, listener.ip, listener.port) for listener in up]
