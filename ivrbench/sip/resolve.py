"""Resolve: from a SIP URI to the addresses to try, in order (RFC 3263 §4, RFC 2782, RFC 7118 §5).

The rules alone: `candidates` is a generator that yields questions for the DNS and is sent the
records found, so it is the same with a real resolver and with a table in a test.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ..errors import LocalProtocolError

if TYPE_CHECKING:
    from .uri import SipUri

__all__ = [
    "Candidate",
    "Naptr",
    "Question",
    "Record",
    "RecordType",
    "Srv",
    "candidates",
]

MAX_CANDIDATES: Final = 32
"""Addresses tried for one request; a domain with more is not reached any better."""
MAX_SRV: Final = 16
"""Hosts of one service looked up."""
MAX_NAPTR: Final = 8
"""Services of one domain looked up."""

DEFAULT_PORTS: Final = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}
_SECURE: Final = {"tcp": "tls", "tls": "tls", "ws": "wss", "wss": "wss"}
# RFC 3263 §4.1 and RFC 7118 §5.4; "d2u", "d2t", "d2w" are UDP, TCP, WebSocket.
_SERVICES: Final = {
    "sip+d2u": "udp",
    "sip+d2t": "tcp",
    "sips+d2t": "tls",
    "sip+d2w": "ws",
    "sips+d2w": "wss",
}
_SRV_NAMES: Final = {
    "udp": "_sip._udp",
    "tcp": "_sip._tcp",
    "tls": "_sips._tcp",
    "ws": "_sip._ws",
    "wss": "_sips._ws",
}
_UNASKED: Final = ("tls", "tcp", "udp")
"""Services looked for where the domain names none, the best first."""


class RecordType(StrEnum):
    """What is asked of the DNS; the values are the types' names."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"


@dataclass(frozen=True, slots=True)
class Question:
    """One question: a name and a type of record."""

    name: str
    kind: RecordType


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403)."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


Record = Naptr | Srv | str
"""A NAPTR, an SRV, or the address of an A or AAAA."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place to send a request to."""

    transport: str
    ip: str
    port: int
    host: str = ""
    """The name the peer's certificate has to show (RFC 5922 §4); "": its address."""


@dataclass(frozen=True, slots=True)
class _Search:
    """What does not change in the search for one URI."""

    usable: Sequence[str]
    kinds: Sequence[RecordType]
    below: Callable[[int], int]
    host: str


Asking = Generator[Question, Sequence[Record], list[Candidate]]


def candidates(
    uri: SipUri,
    usable: Sequence[str],
    versions: Sequence[int],
    below: Callable[[int], int],
) -> Asking:
    """Where a request to `uri` may go; yields questions, is sent their records, returns the places.

    Args:
        uri: Request-URI, or the first Route.
        usable: transports we can send by.
        versions: IP versions we can send by, 4 and 6, the preferred first.
        below: an integer from 0 to its argument - 1, for the choice among equal SRV records.

    Returns:
        what to try, in order; empty if the name leads nowhere we can go.

    Raises:
        LocalProtocolError: the URI itself asks for something that cannot be.
    """
    # RFC 3263 §4: the target is maddr where there is one.
    target = (uri.param("maddr") or uri.host).strip("[]").rstrip(".").lower()
    transport = _asked_transport(uri)
    numeric = _is_address(target)
    host = "" if _is_address(uri.bare_host) else uri.bare_host.lower()
    kinds = [RecordType.AAAA if version == 6 else RecordType.A for version in versions]
    search = _Search(usable, kinds, below, host)
    if numeric or uri.port:
        # RFC 3263 §4.1: an address or a port leaves nothing to look up but the default transport.
        transport = transport or ("tls" if uri.scheme == "sips" else "udp")
        port = uri.port or DEFAULT_PORTS[transport]
        if transport not in usable:
            return []
        if numeric:
            reachable = ip_address(target).version in versions
            return [Candidate(transport, target, port, host)] if reachable else []
        return (yield from _addresses(target, transport, port, search))[:MAX_CANDIDATES]
    services = yield from _services(uri, target, transport, search)
    found: list[Candidate] = []
    for service, name in services:
        found += yield from _service(service, name, search)
        if len(found) >= MAX_CANDIDATES:
            return found[:MAX_CANDIDATES]
    if not found and not services:
        # RFC 3263 §4.2: no SRV records at all: the name itself, at the default port.
        transport = transport or ("tls" if uri.scheme == "sips" else "udp")
        if transport in usable:
            port = DEFAULT_PORTS[transport]
            found = yield from _addresses(target, transport, port, search)
    return found[:MAX_CANDIDATES]


def _asked_transport(uri: SipUri) -> str:
    """The transport the URI names, "" if it leaves the choice."""
    transport = (uri.param("transport") or "").lower()
    if transport and transport not in DEFAULT_PORTS:
        raise LocalProtocolError(f"{uri}: transport {transport!r} is not spoken here")
    if uri.scheme != "sips" or not transport:
        return transport
    if transport not in _SECURE:
        # RFC 3261 §26.2.2: sips means TLS all the way.
        raise LocalProtocolError(f"{uri}: sips cannot go over {transport}")
    return _SECURE[transport]


def _services(
    uri: SipUri, target: str, transport: str, search: _Search
) -> Generator[Question, Sequence[Record], list[tuple[str, Sequence[Record]]]]:
    """The services of a domain that exist, the preferred first: transport and SRV records."""
    if transport:
        names = [(transport, f"{_SRV_NAMES[transport]}.{target}")]
    else:
        records = yield Question(target, RecordType.NAPTR)
        names = _preferred(records, uri.scheme == "sips")
        if not names:
            # RFC 3263 §4.1: no NAPTR: each transport we speak is looked for.
            names = [
                (each, f"{_SRV_NAMES[each]}.{target}")
                for each in _UNASKED
                if uri.scheme != "sips" or each == "tls"
            ]
    found = []
    for each, name in names:
        if each not in search.usable:
            continue
        records = yield Question(name, RecordType.SRV)
        if records:
            found.append((each, records))
    return found


def _preferred(records: Sequence[Record], secure: bool) -> list[tuple[str, str]]:
    """Transport and SRV name of the NAPTR records we understand, in their order."""
    ours = [
        (record.order, record.preference, transport, record.replacement)
        for record in records
        if isinstance(record, Naptr)
        and record.flags.lower() == "s"
        and (transport := _SERVICES.get(record.service.lower(), ""))
        # RFC 3263 §4.1: for sips, only services that are secure.
        and (not secure or transport in _SECURE.values())
    ]
    return [(transport, name) for _, _, transport, name in sorted(ours)[:MAX_NAPTR]]


def _service(transport: str, records: Sequence[Record], search: _Search) -> Asking:
    """The addresses behind the SRV records of one service."""
    found: list[Candidate] = []
    for srv in _in_order([r for r in records if isinstance(r, Srv)], search.below)[:MAX_SRV]:
        # RFC 2782: a target of "." says that the service is decidedly not there.
        name = srv.target.rstrip(".").lower()
        if name and srv.port:
            found += yield from _addresses(name, transport, srv.port, search)
    return found


def _in_order(records: list[Srv], below: Callable[[int], int]) -> list[Srv]:
    """By priority, and within one by chance according to the weights (RFC 2782)."""
    ordered: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        # Records of weight 0 come first, so that they have a small chance.
        left = sorted(
            (r for r in records if r.priority == priority), key=lambda record: record.weight
        )
        while left:
            mark = below(sum(record.weight for record in left) + 1)
            for record in left:
                mark -= record.weight
                if mark <= 0:
                    break
            ordered.append(record)
            left.remove(record)
    return ordered


def _addresses(name: str, transport: str, port: int, search: _Search) -> Asking:
    """The addresses of one host."""
    found: list[Candidate] = []
    for kind in search.kinds:
        records = yield Question(name, kind)
        found += [Candidate(transport, r, port, search.host) for r in records if isinstance(r, str)]
    return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
