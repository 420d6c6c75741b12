"""Registrations: our addresses at registrars, kept up and their connections kept alive."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.events import ProvisionalReceived
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.register import RegistrationState
from ivrbench.sip.uri import parse_uri

from .binding import Binding
from .routing import route_through

if TYPE_CHECKING:
    from ivrbench.config.settings import Settings
    from ivrbench.sip.flow import Address, Flow

    from ..switchboard import Outcome, Switchboard
    from .routing import Router
    from .transports import Transports

__all__ = ["Registrations"]

log = logging.getLogger("ivrbench.sip")

STARTS_PER_S: Final = 100.0
"""New accounts; 10 000 are up after 100 s, and their refreshes stay as far apart."""
ENDS_PER_S: Final = 2000.0
"""Accounts taken back; calls that are still up must not wait for them."""


class Registrations:
    """All accounts; nothing here takes longer the more there are, but for all of them together.

    Args:
        board: its endpoint sends the requests.
        router: finds the registrars.
        transports: keeps the flows alive.

    Attributes:
        pings: whose STUN requests wait for an answer, by transaction id.
    """

    def __init__(self, board: Switchboard, router: Router, transports: Transports) -> None:
        self.board = board
        self.router = router
        self.transports = transports
        self.pings: dict[bytes, Binding] = {}
        self._bindings: dict[str, Binding] = {}
        """By Call-ID."""
        self._by_address: dict[tuple[str, str], Binding] = {}
        """By user and host of the account."""
        self._by_flow: dict[Flow, dict[Binding, None]] = {}
        self._flows_to: Counter[str] = Counter()
        """How many bindings a registrar's address has."""
        self._to_leave: list[Binding] = []
        self._leaving: asyncio.Event | None = None
        transports.bound = self._bound

    @property
    def route(self) -> tuple[str, ...]:
        """Route values that lead through the outbound proxy."""
        return route_through(self.board.settings.outbound_proxy)

    def route_from(self, sender: str) -> tuple[str, ...]:
        """Route values of a call by whom it is from (RFC 3608 §6.1).

        Args:
            sender: From value; that of an account leads through its provider's Service-Route.
        """
        binding = self._by_address.get(_address(sender))
        return self.route + (binding.machine.service_route if binding is not None else ())

    def apply(self, settings: Settings) -> None:
        """Start what is new, take back what is not wanted any more."""
        wanted = Counter(settings.register)
        for binding in list(self._bindings.values()):
            if wanted[binding.account]:
                wanted[binding.account] -= 1
            else:
                binding.leave()
                self._forget(binding)
        now = self.board.now()
        for number, account in enumerate(wanted.elements()):
            try:
                binding = Binding(self, account, now + number / STARTS_PER_S)
            except RemoteProtocolError as exc:
                log.error("register = %s: %s", account.uri, exc)
                continue
            self._bindings[binding.machine.call_id] = binding
            self._by_address[_address(account.uri)] = binding
            binding.arm()

    def _forget(self, binding: Binding) -> None:
        self.moved(binding, binding.flow, None)
        del self._bindings[binding.machine.call_id]
        if self._by_address.get(_address(binding.account.uri)) is binding:
            del self._by_address[_address(binding.account.uri)]

    def moved(self, binding: Binding, old: Flow | None, new: Flow | None) -> None:
        """A binding takes another way."""
        if binding.machine.call_id not in self._bindings or old == new:
            return
        if old is not None:
            self._flows_to[old.remote[0]] -= 1
            if not self._flows_to[old.remote[0]]:
                del self._flows_to[old.remote[0]]
            self._by_flow[old].pop(binding)
            if not self._by_flow[old]:
                del self._by_flow[old]
        if new is not None:
            self._flows_to[new.remote[0]] += 1
            self._by_flow.setdefault(new, {})[binding] = None

    def take(self, event: Outcome) -> bool:
        """Take the outcome of a request outside a dialog; False if it is none of ours."""
        binding = self._bindings.get(event.request.call_id)
        if binding is None:
            return False
        if isinstance(event, ProvisionalReceived):
            binding.heard()
        else:
            binding.take(event)
            self._check_left()
        return True

    def flow_failed(self, flow: Flow, reason: str) -> None:
        """A connection is gone."""
        for binding in list(self._by_flow.get(flow, ())):
            binding.flow_failed(reason)

    def uses(self, flow: Flow) -> bool:
        """True if calls are to come by this connection."""
        return flow in self._by_flow

    def knows(self, ip: str) -> bool:
        """True for the address of a registrar we are at."""
        return ip in self._flows_to

    def leave(self) -> None:
        """Take all bindings back: no more calls are to come."""
        if self._leaving is None:
            self._leaving = asyncio.Event()
            self._to_leave = list(self._bindings.values())
            for number, binding in enumerate(self._to_leave):
                binding.leave(number / ENDS_PER_S)
            self._check_left()

    async def close(self, within_s: float) -> None:
        """Leave, and wait until the registrars know, as far as there is time."""
        self.leave()
        assert self._leaving is not None, "just left"
        try:
            async with asyncio.timeout(within_s):
                await self._leaving.wait()
        except TimeoutError:
            log.info("not every registrar answered; what is left there expires by itself")
        for binding in self._bindings.values():
            binding.close()

    def _check_left(self) -> None:
        if self._leaving is None:
            return
        while self._to_leave and self._to_leave[-1].machine.state is RegistrationState.IDLE:
            self._to_leave.pop()
        if not self._to_leave:
            self._leaving.set()

    def _bound(self, flow: Flow, stun_id: bytes, mapped: Address) -> None:
        binding = self.pings.get(stun_id)
        if binding is not None and binding.flow is not None:
            if binding.flow.remote == flow.remote:
                del self.pings[stun_id]
                binding.bound(mapped)


def _address(value: str) -> tuple[str, str]:
    """User and host of a From value or URI; ("", "") if it cannot be read."""
    try:
        uri = parse_uri(parse_name_addr(value).uri)
    except RemoteProtocolError:
        return "", ""
    return uri.decoded_user, uri.host.lower()
