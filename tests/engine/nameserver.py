"""A name server on loopback that knows what the test tells it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from dns.message import QueryMessage

__all__ = ["NameServer"]

_SOA = "ns.example. root.example. 1 2 3 4 30"


class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone`: text of records by (name, type). `async with` starts and stops it.

    Attributes:
        zone: `("_sip._udp.example.org", "SRV"): ["10 1 5060 a.example.org."]`.
        asked: names and types, in order.
        broken: names it answers SERVFAIL for.
        silent: names it does not answer for.
        ttl_s: of every record.
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.ttl_s = 60
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = cast("QueryMessage", dns.message.from_wire(data))
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        records = self.zone.get((name, kind))
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            response.answer.append(
                dns.rrset.from_text(question.name, self.ttl_s, "IN", kind, *records)
            )
        else:
            if not any(known == name for known, _ in self.zone):
                response.set_rcode(dns.rcode.NXDOMAIN)
            # RFC 2308 §5: the SOA's minimum says how long "nothing there" may be remembered.
            response.authority.append(dns.rrset.from_text("example.", 30, "IN", "SOA", _SOA))
        self._transport.sendto(response.to_wire(), addr)

    async def __aenter__(self) -> NameServer:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()
