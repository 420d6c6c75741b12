"""Registrations: our addresses at registrars, kept up and their connections kept alive."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.compose import make_contact
from ivrbench.sip.events import ProvisionalReceived
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.register import RegistrationState
from ivrbench.sip.uri import parse_uri

from .account_flows import AccountFlows
from .routing import route_through

if TYPE_CHECKING:
    from ivrbench.config.settings import Settings
    from ivrbench.sip.flow import Address, Flow

    from ..switchboard import Outcome, Switchboard
    from .binding import Binding
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
        self._accounts: dict[AccountFlows, None] = {}
        self._by_address: dict[tuple[str, str], AccountFlows] = {}
        """By user and host of the account."""
        self._by_flow: dict[Flow, dict[Binding, None]] = {}
        self._flows_to: Counter[str] = Counter()
        """How many bindings a registrar's address has."""
        self._to_leave: list[Binding] = []
        self._leaving: asyncio.Event | None = None
        transports.bound = self._bound

    @property
    def has_proxies(self) -> bool:
        """True if there are several proxies, and so one way through each."""
        return len(self._proxies) > 1

    @property
    def flows_wanted(self) -> int:
        """How many ways each account keeps open."""
        return len(self._proxies) if self.has_proxies else self.board.settings.register_flows

    @property
    def is_leaving(self) -> bool:
        """True once no more calls are to come."""
        return self._leaving is not None

    @property
    def _proxies(self) -> tuple[str, ...]:
        settings = self.board.settings
        return tuple(filter(None, (settings.outbound_proxy, *settings.backup_proxies)))

    def route_of(self, reg_id: int) -> tuple[str, ...]:
        """Route values that lead through the outbound proxy of a flow."""
        proxies = self._proxies
        return route_through(proxies[(reg_id - 1) % len(proxies)]) if proxies else ()

    def route_from(self, sender: str) -> tuple[str, ...]:
        """Route values of a call by whom it is from (RFC 3608 §6.1, RFC 5626 §4.3).

        Args:
            sender: From value; that of an account leads through its provider's Service-Route, by a
                flow that is up.
        """
        flows = self._by_address.get(_address(sender))
        if flows is None:
            return self.route_of(1)
        binding = flows.live or flows.bindings[0]
        return binding.route + binding.machine.service_route

    def contact_from(self, sender: str, flow: Flow) -> str:
        """Contact value of a call by whom it is from, "" for the usual one.

        Args:
            sender: From value.
            flow: where the call goes first.
        """
        user, host = _address(sender)
        flows = self._by_address.get((user, host))
        for each in flows.bindings if flows is not None else ():
            machine = each.machine
            if not machine.bound or each.flow != flow:
                continue
            if machine.gruu:
                return f"<{machine.gruu}>"
            if machine.takes_flows:
                usual = make_contact(flow, user, self.board.endpoint_settings)
                # RFC 5626 §4.3: requests of this call are to come by the same flow.
                return f"{usual[:-1]};ob>"
        return ""

    def apply(self, settings: Settings) -> None:
        """Start what is new, take back what is not wanted any more."""
        wanted = Counter(settings.register)
        for flows in list(self._accounts):
            if wanted[flows.account]:
                wanted[flows.account] -= 1
            else:
                flows.leave()
                self._forget(flows)
        now = self.board.now()
        for number, account in enumerate(wanted.elements()):
            try:
                flows = AccountFlows(self, account, now + number / STARTS_PER_S)
            except RemoteProtocolError as exc:
                log.error("register = %s: %s", account.uri, exc)
                continue
            self._accounts[flows] = None
            self._by_address[_address(account.uri)] = flows
            for binding in flows.bindings:
                self.add(binding)
                binding.arm()

    def add(self, binding: Binding) -> None:
        """One more binding."""
        self._bindings[binding.machine.call_id] = binding

    def _forget(self, flows: AccountFlows) -> None:
        del self._accounts[flows]
        for binding in flows.bindings:
            self.moved(binding, binding.flow, None)
            del self._bindings[binding.machine.call_id]
        if self._by_address.get(_address(flows.account.uri)) is flows:
            del self._by_address[_address(flows.account.uri)]

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
