"""A provider in virtual time: registrar and our accounts at it, without a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from ivrbench.clock import ManualClock
from ivrbench.config import Account, Settings
from ivrbench.engine.scripts.registry import Registry
from ivrbench.engine.signalling.registrations import Registrations
from ivrbench.engine.signalling.routing import Router, Ways
from ivrbench.engine.switchboard import Switchboard
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.sip import stun
from ivrbench.sip.auth_server import AuthOutcome
from ivrbench.sip.compose import response_block, response_bytes, tagged
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest
from ivrbench.sip.parser import parse_message
from ivrbench.testing.loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivrbench.engine.signalling.transports import Transports
    from ivrbench.sip.auth_server import DigestServer

__all__ = ["US", "Provider"]

US = ("192.0.2.1", 5060)
REGISTRAR = ("192.0.2.50", 5060)
KEPT = 100
"""Requests; a provider of thousands of accounts must not cost the memory of them all."""
OUTSIDE = ("203.0.113.9", 5060)
"""Our address as the registrar sees it."""


class Provider:
    """An engine's accounts and the registrar that grants them all; close it in the end.

    Args:
        accounts: how many.
        expires_s: what the registrar grants.
        settings: more of what `ivr.conf` says.

    Attributes:
        registered: REGISTERs answered.
        pinged: keepalives answered.
        outside: our address as the registrar sees it.
        peak_per_s: most REGISTERs that came in one second.
    """

    def __init__(
        self,
        accounts: int,
        *,
        expires_s: int = 600,
        **settings: Any,  # Any: each has its type.
    ) -> None:
        self.clock = ManualClock()
        self.loop = VirtualLoop(self.clock)
        asyncio.set_event_loop(None)
        self.expires_s = expires_s
        self.registered = self.pinged = self.peak_per_s = 0
        self.outside = OUTSIDE
        self.guard: DigestServer | None = None
        """Who asks for passwords; None: nobody does."""
        self.challenged = 0
        self.silent: list[Flow] = []
        """Ways that are found first, where nobody answers."""
        self.servers = [Flow("udp", US, REGISTRAR)]
        """Ways that are found after them, in this order."""
        self.dead: set[Flow] = set()
        """Those that have died."""
        self.flow_timer_s = 0
        """How often it wants to hear of us; 0: it does not say."""
        self.gruu = ""
        """What is given to whom wants one."""
        self.got: deque[tuple[Flow, SipRequest]] = deque(maxlen=KEPT)
        """The newest REGISTERs that were answered, and the way each came."""
        self._second = (0, 0)
        hub = Hub(self.clock, History())
        self.settings = Settings(
            register=tuple(Account(f"sip:u{n}@192.0.2.50", "", "x") for n in range(accounts)),
            **settings,
        )
        self.board = Switchboard(
            self.settings, self.loop, self.clock, hub, Registry(lambda _: None), self._send
        )
        sockets = SimpleNamespace(datagrams=SimpleNamespace(send=self._ping), bound=None)
        self.transports = cast("Transports", sockets)
        self.router = cast("Router", self)
        self.registrations = Registrations(self.board, self.router, self.transports)
        self.board.on_outcome = self.registrations.take
        self.board.access.trusts = self.registrations.knows
        self.registrations.apply(self.settings)

    def _through(self, route: Sequence[str]) -> list[Flow]:
        """The way to the proxy that leads, if one does."""
        hosts = [each.partition(":")[2].partition(";")[0] for each in route[:1]]
        return [Flow("udp", US, (host, 5060)) for host in hosts]

    async def find(self, uri: str, route: Sequence[str] = ()) -> Ways:
        """The servers, or a proxy before them."""
        return Ways(
            self.router, self._through(route) or [*self.silent, *self.servers], tuple(route)
        )

    def avoid(self, flow: Flow, for_s: float = 0.0) -> None:
        """Nothing is remembered."""

    def trust(self, flow: Flow) -> None:
        """Nothing is remembered."""

    def states(self) -> dict[str, int]:
        """How many accounts are in each state."""
        found: dict[str, int] = {}
        for change in self.board.hub.history.engine.registrations.values():
            found[change.state] = found.get(change.state, 0) + 1
        return found

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def close(self) -> None:
        """Stop everything; the registrar hears nothing of it."""
        self.loop.run_until_complete(self.registrations.close(0.0))
        self.board.pool.close()
        self.board.close()
        self.loop.close()

    def _send(self, data: bytes, flow: Flow) -> None:
        """A REGISTER: the answer comes a little later."""
        if flow in self.silent or flow in self.dead:
            return
        request = parse_message(data)
        assert isinstance(request, SipRequest)
        assert request.method == "REGISTER"
        self.registered += 1
        second = int(self.clock.now())
        self._second = (second, self._second[1] + 1 if self._second[0] == second else 1)
        self.peak_per_s = max(self.peak_per_s, self._second[1])
        request.check()
        back, now = Flow("udp", flow.remote, US), self.clock.now()
        block = tagged(response_block(request, back), request, "r")
        if self.guard is not None:
            verdict = self.guard.check(request, now)
            if verdict.outcome is not AuthOutcome.PROVED:
                self.challenged += 1
                stale = verdict.outcome is AuthOutcome.STALE
                challenge = self.guard.challenge(now, stale=stale)
                self._answer(flow, response_bytes(401, "", block, challenge))
                return
        self.got.append((flow, request))
        contact = f"{request.header('contact')};expires={self.expires_s}"
        if "gruu" in request.elements("supported"):
            contact += f';pub-gruu="{self.gruu}"'
        extra = (
            f"Contact: {contact}\r\n"
            "Supported: outbound\r\nRequire: outbound\r\n"
            "Service-Route: <sip:192.0.2.60;lr>\r\n"
        )
        if self.flow_timer_s:
            extra += f"Flow-Timer: {self.flow_timer_s}\r\n"
        self._answer(flow, response_bytes(200, "", block, extra))

    def _answer(self, flow: Flow, answer: bytes) -> None:
        self.loop.call_later(0.01, self._deliver, answer, flow)

    def _deliver(self, data: bytes, flow: Flow) -> None:
        self.board.receive(data, flow)
        self.board.settle()

    def _ping(self, data: bytes, flow: Flow) -> None:
        message = stun.parse(data)
        assert message is not None
        if flow in self.dead:
            return
        self.pinged += 1
        assert self.transports.bound is not None
        self.loop.call_later(
            0.01, self.transports.bound, flow, message.transaction_id, self.outside
        )
