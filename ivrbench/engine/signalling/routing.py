"""Routing: where a request of ours goes first, and where next if that fails (RFC 3263 §4.3)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError, RemoteProtocolError
from ivrbench.sip.events import RequestTimedOut, ResponseReceived
from ivrbench.sip.flow import TRANSPORTS, Flow
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.sip.events import Event

    from .dns import Resolver
    from .transports import Transports

__all__ = ["AVOIDED_FOR_S", "SILENT_S", "Router", "Ways", "route_through", "wants_another_way"]

AVOIDED_FOR_S: Final = 60.0
"""How long a place that failed is tried only after the others."""
MAX_AVOIDED: Final = 1024
SILENT_S: Final = 5.0
"""A place that says nothing for so long is left for the next one, if there is one. RFC 3263 §4.3
means the 32 s of a transaction; nobody holds a telephone for so long. 4 copies over UDP went out.
"""


class Ways:
    """The places one request may be sent to; made by `Router.find`.

    Attributes:
        route: Route values the request needs.
    """

    def __init__(self, router: Router, flows: Sequence[Flow], route: tuple[str, ...]) -> None:
        self.route = route
        self._router = router
        self._flows = list(flows)

    @property
    def flow(self) -> Flow:
        """Where to send it now."""
        return self._flows[0]

    @property
    def flows(self) -> tuple[Flow, ...]:
        """All that are left, in the order to try."""
        return tuple(self._flows)

    @property
    def more(self) -> bool:
        """True if there is another place beside that in `flow`."""
        return len(self._flows) > 1

    def come_back(self, public_ip: str) -> bool:
        """True if the place in `flow` is a listener of ours, or seems to be from outside a NAT."""
        flow = self.flow
        return flow.remote in (flow.local, (public_ip, flow.local[1]))

    def replaced(self, flow: Flow, route: tuple[str, ...]) -> Ways:
        """One other place instead of these."""
        return Ways(self._router, [flow], route)

    def next(self) -> bool:
        """The place now in `flow` failed.

        Returns:
            True if there is another one, in `flow` now.
        """
        self._router.avoid(self._flows[0])
        return self.skip()

    def skip(self) -> bool:
        """The place now in `flow` is not wanted, for no fault of its own; as `next`."""
        if not self.more:
            return False
        del self._flows[0]
        return True


class Router:
    """Finds the flows for requests we send outside a dialog.

    Args:
        resolver: asks the DNS.
        transports: our side of the flows.
    """

    def __init__(self, resolver: Resolver, transports: Transports) -> None:
        self._resolver = resolver
        self._transports = transports
        self._avoided: OrderedDict[tuple[str, str, int], float] = OrderedDict()

    async def find(self, uri: str, route: Sequence[str] = ()) -> Ways:
        """Find the places a request may be sent to.

        Args:
            uri: Request-URI.
            route: Route values, such as those of an outbound proxy or a Service-Route; the first
                one leads.

        Raises:
            LocalProtocolError: there is no such place.
        """
        try:
            hop = parse_uri(parse_name_addr(route[0]).uri if route else uri)
        except RemoteProtocolError as error:
            raise LocalProtocolError(error.reason) from error
        versions = self._versions()
        found = await self._resolver.candidates(hop, TRANSPORTS, versions)
        flows = []
        for each in found:
            local = self._transports.local(each.transport, each.ip)
            if local is not None:
                remote = (each.ip, each.port)
                flows.append(Flow(each.transport, local, remote, host=each.host))
        if not flows:
            raise LocalProtocolError(
                f"{hop.host} leads to no address of IP version {' or '.join(map(str, versions))} "
                "that a transport of ours reaches"
            )
        now = asyncio.get_running_loop().time()
        # A place that failed not long ago comes last; the rest stays as the domain wants it.
        flows.sort(key=lambda flow: now < self._avoided.get(_place(flow), 0.0))
        return Ways(self, flows, tuple(route))

    def avoid(self, flow: Flow, for_s: float = AVOIDED_FOR_S) -> None:
        """A place failed: for a while, try others first."""
        self._avoided[_place(flow)] = asyncio.get_running_loop().time() + for_s
        if len(self._avoided) > MAX_AVOIDED:
            self._avoided.popitem(last=False)

    def trust(self, flow: Flow) -> None:
        """A place works again."""
        self._avoided.pop(_place(flow), None)

    def _versions(self) -> list[int]:
        """IP versions we listen on, 4 first: it is the one that works in more places."""
        return sorted({ip_address(each.ip).version for each in self._transports.listeners})


def route_through(proxy: str) -> tuple[str, ...]:
    """Route values that lead through a proxy; "": none."""
    if not proxy:
        return ()
    uri = proxy if ";lr" in proxy.lower() else f"{proxy};lr"
    return (f"<{uri}>",)


def wants_another_way(event: Event) -> bool:
    """True if a request failed at one place only and may be sent to the next."""
    # RFC 3263 §4.3: 503, a failure of the transport, or no answer at all.
    if isinstance(event, RequestTimedOut):
        return True
    return isinstance(event, ResponseReceived) and event.response.code == 503


def _place(flow: Flow) -> tuple[str, str, int]:
    return (flow.transport, *flow.remote)
