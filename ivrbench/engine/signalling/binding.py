"""Binding: one address of ours at its registrar, by one flow, and what keeps that open."""

from __future__ import annotations

import logging
import math
import secrets
import socket
import uuid
from typing import TYPE_CHECKING, Final

from ivrbench.errors import LocalProtocolError
from ivrbench.sip import stun
from ivrbench.sip.auth import DigestClient
from ivrbench.sip.compose import make_contact
from ivrbench.sip.events import RequestTimedOut
from ivrbench.sip.headers import parse_name_addr
from ivrbench.sip.register import CSEQ_GAP, Registration, RegistrationState, registrar_of
from ivrbench.sip.tokens import RandomTokens
from ivrbench.sip.uri import parse_uri

from .routing import AVOIDED_FOR_S, SILENT_S, wants_another_way

if TYPE_CHECKING:
    import asyncio

    from ivrbench.sip.events import ResponseReceived
    from ivrbench.sip.flow import Address, Flow
    from ivrbench.sip.grammar import Headers
    from ivrbench.sip.message import SipRequest

    from .account_flows import AccountFlows
    from .registrations import Registrations
    from .routing import Ways

__all__ = ["Binding"]

log = logging.getLogger("ivrbench.sip")

DATAGRAM_KEEP_ALIVE_S: Final = 25.0
"""RFC 5626 §4.4.2: 24 to 29 s, as NATs forget UDP after 30."""
STREAM_KEEP_ALIVE_S: Final = 100.0
"""RFC 5626 §4.4.1: 95 to 120 s."""
ASK_AGAIN_S: Final = 5.0
"""After a STUN request that got no answer: a flow that is dead should not be one for long."""
MAX_UNANSWERED: Final = 3
"""STUN requests in a row without an answer: the way is dead."""
STUN_ID_BYTES: Final = 12
TRIED_WITHIN_S: Final = 32.0
"""How long one try takes that nobody answers (RFC 3261 §17.1.2.2, timer F)."""


class Binding:
    """One flow of an account: its machine, the way its REGISTER takes, its timers.

    Args:
        owner: what all accounts share.
        flows: the account, with its other bindings.
        reg_id: which of them this is, from 1.
        starts_s: when; the engine's clock.

    Attributes:
        account: whom it registers.
        machine: decides what is sent when.
        servers: how many its way led to when it was looked for.

    Raises:
        RemoteProtocolError: its URI cannot be read.
    """

    def __init__(
        self, owner: Registrations, flows: AccountFlows, reg_id: int, starts_s: float
    ) -> None:
        self.account = flows.account
        self._flows = flows
        self._flow: Flow | None = None
        self._owner = owner
        self._board = owner.board
        self._uri = parse_uri(flows.account.uri)
        self._tokens = RandomTokens()
        self.machine = Registration(
            self._instance(),
            self._tokens,
            reg_id=reg_id,
            gruu=self._board.settings.gruu,
            now=starts_s,
        )
        self._auth = DigestClient(self._login, self._tokens)
        self._ways: Ways | None = None
        self.servers = 0
        self._parked = False
        """True while there is no server that another binding does not lead to."""
        self._timer: asyncio.TimerHandle | None = None
        self._keeping: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        """Running while a registrar has said nothing and there is another one."""
        self._sent: SipRequest | None = None
        """The newest REGISTER: the outcome of others, to registrars left behind, is nothing."""
        self._asking: asyncio.Task[None] | None = None
        self._stun_id = b""
        self._unanswered = 0
        self._mapped: Address | None = None

    def _instance(self) -> str:
        # RFC 5626 §4.1: the same after a restart, another one for a second engine beside us.
        settings = self._board.settings
        place = f"{socket.gethostname()} {settings.config_file} {self.account.uri}"
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, place)}"

    @property
    def route(self) -> tuple[str, ...]:
        """Route values that lead through the outbound proxy of this flow."""
        return self._owner.route_of(self.machine.reg_id)

    @property
    def flow(self) -> Flow | None:
        """The way to the registrar; None while there is none."""
        return self._flow

    @flow.setter
    def flow(self, flow: Flow | None) -> None:
        self._owner.moved(self, self._flow, flow)
        self._flow = flow

    def arm(self) -> None:
        """Show what changed; look again when the machine wants to."""
        self._flows.changed(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_s = self.machine.deadline()
        if deadline_s is not None and not self._parked:
            wait_s = max(0.0, deadline_s - self._board.now())
            self._timer = self._board.loop.call_later(wait_s, self._due)

    def look_again(self) -> None:
        """There may be another server by now."""
        if self._parked:
            self._parked = False
            self.arm()

    def close(self) -> None:
        """Stop all timers."""
        for handle in (self._timer, self._keeping, self._silence, self._asking):
            if handle is not None:
                handle.cancel()

    def leave(self, after_s: float = 0.0) -> None:
        """Take the binding back, now or a little later."""
        if after_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._board.loop.call_later(after_s, self.leave)
            return
        self.machine.leave(self._board.now())
        if self._keeping is not None:
            self._keeping.cancel()
        self.arm()

    # --- asking -------------------------------------------------------------------------------

    def _due(self) -> None:
        self._timer = None
        if self.flow is not None and self.machine.state is RegistrationState.REGISTERED:
            self._send()
        elif self.flow is not None and self.machine.state is RegistrationState.LEAVING:
            self._send()
        elif self._asking is None:
            self._asking = self._board.loop.create_task(self._find())

    async def _find(self) -> None:
        """Find the registrar, then ask it."""
        try:
            ways = await self._owner.router.find(str(registrar_of(self._uri)), self.route)
        except LocalProtocolError as exc:
            self._failed(str(exc))
        else:
            self._ways = ways
            self.servers = len({flow.remote[0] for flow in ways.flows})
            if self._pass_taken():
                self.flow = ways.flow
                self._send()
            else:
                self._park()
        finally:
            self._asking = None

    def _pass_taken(self) -> bool:
        """Leave out servers that other bindings lead to; False if none is left."""
        assert self._ways is not None, "just found"
        while self._flows.is_taken(self._ways.flow, self):
            if not self._ways.skip():
                return False
        return True

    def _park(self) -> None:
        """Wait until there is another server; nothing is wrong, calls come by the others."""
        self._parked = True
        self.arm()

    def _send(self) -> None:
        flow, board = self.flow, self._board
        assert flow is not None, "a way was found"
        headers = self._headers(flow)
        party = f"<{self._uri.scheme}:{self._uri.user}@{self._uri.host}>"
        try:
            self._sent = board.endpoint.send_request(
                "REGISTER",
                str(registrar_of(self._uri)),
                flow,
                party,
                party,
                headers,
                now=board.now(),
                call_id=self.machine.call_id,
                cseq=self.machine.cseq,
                route=self.route,
                auth=self._auth,
            )
        except LocalProtocolError as exc:
            self._failed(str(exc))
        else:
            asks = self.machine.state is RegistrationState.REGISTERING
            if asks and self._ways is not None and self._ways.more:
                self._silence = board.loop.call_later(SILENT_S, self._silent)
        board.settle()
        self._flows.changed(self)

    def _headers(self, flow: Flow) -> Headers:
        contact = make_contact(flow, self._uri.user, self._board.endpoint_settings)
        headers = self.machine.request_headers(parse_name_addr(contact).uri)
        if self.machine.state is RegistrationState.REGISTERING:
            # A refresh uses the nonce of the time before; what was refused starts anew.
            self._auth = DigestClient(self._login, self._tokens)
        return headers

    def _silent(self) -> None:
        """Not a word: ask the next one."""
        self._silence = None
        if self.machine.state is RegistrationState.REGISTERING and self._next_way():
            # Tries with credentials took numbers that nobody told us of.
            self._ask_next("the registrar does not answer", self.machine.cseq + CSEQ_GAP)

    def _next_way(self) -> bool:
        """The server that was asked failed; False if there is no other."""
        return self._ways is not None and self._ways.next() and self._pass_taken()

    def heard(self) -> None:
        """The registrar is there."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _ask_next(self, why: str, cseq: int) -> None:
        """RFC 3263 §4.3: the next address of the registrar, at once."""
        assert self._ways is not None, "one was asked before"
        self.machine.on_flow_failed(why, self._board.now())
        self.flow = self._ways.flow
        self.machine.cseq = cseq
        self._send()

    def _login(self, _: str) -> tuple[str, str] | None:
        """Name and password, whatever realm the registrar names."""
        settings = self._board.settings
        password = self.account.password or settings.password
        name = self.account.user or settings.user or self._uri.decoded_user
        return (name, password) if password else None

    def take(self, event: ResponseReceived | RequestTimedOut) -> None:
        """The outcome of a REGISTER."""
        if event.request is not self._sent:
            return
        self.heard()
        machine, now = self.machine, self._board.now()
        leaving = machine.state is RegistrationState.LEAVING
        if wants_another_way(event) and not leaving and self._next_way():
            cseq = max(machine.cseq, event.response.cseq) + 1
            self._ask_next(event.response.reason, cseq)
            return
        if isinstance(event, RequestTimedOut):
            self._failed(_no_answer(event))
            return
        machine.on_response(event.response, now)
        if machine.state is RegistrationState.REGISTERED:
            self._keep_alive()
        elif machine.state is not RegistrationState.REFRESHING:
            self._release()
        self.arm()

    def _failed(self, reason: str) -> None:
        self.machine.on_no_response(reason, self._board.now())
        self._avoid()
        self._release()
        self.arm()

    def _avoid(self) -> None:
        """Calls go elsewhere first, until this flow has been tried again."""
        due_s = self.machine.deadline()
        if self.flow is not None and due_s is not None:
            again_s = due_s - self._board.now() + TRIED_WITHIN_S
            self._owner.router.avoid(self.flow, max(again_s, AVOIDED_FOR_S))

    def _release(self) -> None:
        self.flow = None
        self._owner.pings.pop(self._stun_id, None)
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    # --- keeping the way open -----------------------------------------------------------------

    def _keep_alive(self) -> None:
        flow, asked_s = self.flow, self.machine.keep_alive_s
        assert flow is not None, "a registration has a flow"
        self._unanswered = 0
        self._owner.router.trust(flow)
        if flow.transport != "udp":
            # RFC 5626 §4.4.1: a Flow-Timer of the registrar is kept to, less a fifth.
            self._owner.transports.keep_alive(flow, asked_s * 0.8 or STREAM_KEEP_ALIVE_S)
        elif self._keeping is None:
            self._ping()

    def _ping(self) -> None:
        flow = self.flow
        if flow is None:
            return
        if self._unanswered >= MAX_UNANSWERED:
            self.flow_failed("the registrar does not answer keepalives")
            return
        # RFC 5626 §4.4: no later than the Flow-Timer of the registrar says, less a fifth.
        usual_s = min(DATAGRAM_KEEP_ALIVE_S, self.machine.keep_alive_s * 0.8 or math.inf)
        wait_s = min(usual_s, ASK_AGAIN_S) if self._unanswered else usual_s
        self._keeping = self._board.loop.call_later(wait_s, self._ping)
        if self.machine.outbound:
            self._unanswered += 1
            self._owner.pings.pop(self._stun_id, None)
            self._stun_id = secrets.token_bytes(STUN_ID_BYTES)
            self._owner.pings[self._stun_id] = self
            self._owner.transports.datagrams.send(stun.request(self._stun_id), flow)
        else:
            # A registrar that does not know RFC 5626 need not know STUN on its SIP port.
            self._owner.transports.datagrams.send(b"\r\n\r\n", flow)

    def bound(self, mapped: Address) -> None:
        """The answer to our last STUN request came."""
        self._unanswered = 0
        if self._mapped not in (None, mapped):
            log.info("%s: the NAT's address is %s:%d now", self.account.uri, *mapped)
            self.machine.on_address_changed(self._board.now())
            self.arm()
        self._mapped = mapped

    def flow_failed(self, reason: str) -> None:
        """The way calls come by is gone."""
        if self.machine.answer_due:
            return  # The transaction tells.
        self.machine.on_flow_failed(reason, self._board.now())
        self._avoid()
        self._release()
        self.arm()


def _no_answer(event: RequestTimedOut) -> str:
    if event.response.code == 408:
        return "the registrar does not answer"
    return "the registrar cannot be reached"
