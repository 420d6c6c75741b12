"""Resolver: the questions of RFC 3263, asked of the system's name servers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dns.asyncresolver
import dns.exception
import dns.resolver

from ivrbench.sip.resolve import Naptr, RecordType, Srv, candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ivrbench.sip.resolve import Candidate, Question, Record
    from ivrbench.sip.uri import SipUri

__all__ = ["Resolver"]

log = logging.getLogger("ivrbench.sip")

ANSWER_WITHIN_S: Final = 4.0
"""For one question, all name servers and repetitions together."""
RESOLVED_WITHIN_S: Final = 6.0
"""For all questions about one URI; a caller waits that long for a domain whose servers are dead."""
MAX_CACHED: Final = 4096
"""Answers kept until their TTL is over, those that say "no such name" among them (RFC 2308)."""
FAILED_FOR_S: Final = 10.0
"""How long a question that got no answer is not asked again."""
MAX_FAILED: Final = 1024
HOSTS: Final = Path("/etc/hosts")


class Resolver:
    """Finds addresses for SIP URIs.

    Args:
        nameservers: addresses to ask; None: those of the system.
        port: theirs.
        below: chance for the choice among equal SRV records: an integer from 0 to its argument - 1.
        hosts: file of names that need no name server.
    """

    def __init__(
        self,
        nameservers: Sequence[str] | None = None,
        port: int = 53,
        below: Callable[[int], int] = random.randrange,
        hosts: Path = HOSTS,
    ) -> None:
        self._below = below
        self._hosts = hosts
        self._failed: OrderedDict[Question, float] = OrderedDict()
        try:
            self._dns = dns.asyncresolver.Resolver(configure=nameservers is None)
        except dns.resolver.NoResolverConfiguration as exc:
            log.warning("no name server: %s; only addresses and /etc/hosts work", exc)
            self._dns = dns.asyncresolver.Resolver(configure=False)
        if nameservers is not None:
            self._dns.nameservers = list(nameservers)
            self._dns.port = port
        self._dns.cache = dns.resolver.LRUCache(MAX_CACHED)

    async def candidates(
        self, uri: SipUri, usable: Sequence[str], versions: Sequence[int]
    ) -> list[Candidate]:
        """Where a request to `uri` may go, in the order to try.

        Args:
            uri: Request-URI or first Route.
            usable: transports we can send by.
            versions: IP versions we can send by, the preferred first.

        Returns:
            the places; empty if the name leads nowhere.

        Raises:
            LocalProtocolError: the URI asks for something that cannot be.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + RESOLVED_WITHIN_S
        asking = candidates(uri, usable, versions, self._below)
        try:
            question = next(asking)
            while True:
                left_s = until_s - loop.time()
                question = asking.send(await self._records(question, left_s))
        except StopIteration as done:
            found: list[Candidate] = done.value
            return found

    async def _records(self, question: Question, left_s: float) -> Sequence[Record]:
        if question.kind in (RecordType.A, RecordType.AAAA) and (known := self._known(question)):
            return known
        now = asyncio.get_running_loop().time()
        if left_s <= 0 or now < self._failed.get(question, 0.0):
            return ()
        try:
            answer = await self._dns.resolve(
                question.name,
                question.kind.value,
                raise_on_no_answer=False,
                lifetime=min(ANSWER_WITHIN_S, left_s),
            )
        except dns.resolver.NXDOMAIN:
            return ()
        except (dns.exception.DNSException, OSError) as exc:
            log.warning("%s %s: %s", question.name, question.kind.value, exc)
            self._failed[question] = now + FAILED_FOR_S
            if len(self._failed) > MAX_FAILED:
                self._failed.popitem(last=False)
            return ()
        return [_record(question.kind, data) for data in answer.rrset or ()]

    def _known(self, question: Question) -> list[str]:
        """The addresses the machine itself has for a name."""
        version = 6 if question.kind is RecordType.AAAA else 4
        if question.name == "localhost":
            # RFC 6761 §6.3: this name is never asked of a name server.
            return ["::1" if version == 6 else "127.0.0.1"]
        try:
            lines = self._hosts.read_text(errors="replace").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            address, *names = line.partition("#")[0].split() or [""]
            if question.name in (name.lower() for name in names):
                found.append(address)
        return [address for address in found if _version(address) == version]


def _record(kind: RecordType, data: Any) -> Record:  # Any: the library's classes are not typed.
    if kind is RecordType.NAPTR:
        return Naptr(
            data.order,
            data.preference,
            data.flags.decode("ascii", "replace"),
            data.service.decode("ascii", "replace"),
            data.replacement.to_text(omit_final_dot=True),
        )
    if kind is RecordType.SRV:
        return Srv(data.priority, data.weight, data.port, data.target.to_text())
    return str(data.address)


def _version(address: str) -> int:
    try:
        return ip_address(address).version
    except ValueError:
        return 0
