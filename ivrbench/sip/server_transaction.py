"""ServerTransaction: a request received and our answers to it (RFC 3261 §17.2, RFC 6026)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import LocalProtocolError
from .compose import record_route_lines, response_block, response_bytes, response_flow, tagged
from .fsm import INVITE_SERVER, NON_INVITE_SERVER, Action, Event, State
from .transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .flow import Flow
    from .message import SipRequest
    from .transactions import Transactions

__all__ = ["ServerOwner", "ServerTransaction"]


class ServerOwner(Protocol):
    """Who answers an INVITE."""

    def on_ack(self, request: SipRequest, now: float) -> bool:
        """An ACK matched the transaction of a 2xx; False for a copy."""

    def on_cancel(self, request: SipRequest, now: float) -> None:
        """A CANCEL for the unanswered INVITE came, and was answered."""

    def on_server_failed(self, transaction: ServerTransaction, now: float) -> None:
        """The flow failed before a final response was sent."""


class ServerTransaction(Transaction):
    """A request received and our answers to it.

    The request itself is not kept: every response is made from the header lines that all of them
    share.

    Attributes:
        method: of the request.
        to_tag: the To tag of our responses.
        owner: who is told about ACK and failure; INVITE only.
    """

    __slots__ = (
        "_block",
        "_plain_block",
        "_routes",
        "merge_key",
        "method",
        "owner",
        "to_tag",
    )

    def __init__(
        self, transactions: Transactions, request: SipRequest, flow: Flow, key: Hashable, tag: str
    ) -> None:
        settings = transactions.core.settings
        timers = settings.timers
        invite = request.method == "INVITE"
        super().__init__(
            transactions,
            key,
            INVITE_SERVER if invite else NON_INVITE_SERVER,
            response_flow(request, flow, settings.symmetric),
            timers.t4_s if invite else timers.give_up_s,
        )
        self.method = request.method
        self.to_tag = request.to_tag or tag
        self.owner: ServerOwner | None = None
        self.merge_key: Hashable = None
        server_line = self.core.server_line
        plain = response_block(request, flow)
        self._plain_block = plain + server_line
        self._block = tagged(plain, request, tag) + server_line
        self._routes = record_route_lines(request)

    @property
    def answered(self) -> bool:
        """True once a final response was sent."""
        return self.state not in (State.TRYING, State.PROCEEDING)

    def respond(
        self,
        code: int,
        reason: str = "",
        extra: str = "",
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> bytes:
        """Send a response.

        Args:
            code, reason: status; "" takes the usual phrase.
            extra: checked header lines.
            body, content_type: the body.
            now: the time.

        Returns:
            the bytes sent, for whoever must repeat a 2xx.

        Raises:
            LocalProtocolError: a final response was sent before, or the status cannot be sent.
        """
        event = Event.PROVISIONAL if code < 200 else Event.SUCCESS if code < 300 else Event.FAILURE
        if event not in self._table[self.state]:
            raise LocalProtocolError(f"{self.method} was answered before; {code} comes too late")
        # RFC 3261 §8.2.6.2: 100 need not have a tag; without one no early dialog is made of it.
        block = self._plain_block if code == 100 else self._block
        if 100 < code < 300 and self._routes:
            # RFC 3261 §12.1.1: the responses that make a dialog carry the route.
            block += self._routes
        self._last = response_bytes(code, reason, block, extra, body, content_type)
        data = self._last
        self.step(event, now)
        if self.answered:
            # Only the last response may go out again, and that of an accepted INVITE not from here.
            self._plain_block = self._block = self._routes = ""
            if self.state is State.ACCEPTED:
                self._last = b""
        return data

    def tell_ack(self, request: SipRequest, now: float) -> bool:
        """Take an ACK with our branch.

        Returns:
            False if the machine has no use for it: a copy.
        """
        if self.state is State.ACCEPTED:
            return self.owner is not None and self.owner.on_ack(request, now)
        return self.step(Event.ACK, now)

    def _tell_error(self, now: float) -> None:
        if self.owner is not None:
            self.owner.on_server_failed(self, now)

    def _end(self) -> None:
        self._transactions.forget_server(self)

    _DO = {
        Action.SEND: Transaction._send,
        Action.RESEND: Transaction._resend,
        Action.BACK_OFF: Transaction._back_off,
        Action.START_RESEND: Transaction._start_resend,
        Action.START_GIVE_UP: Transaction._start_give_up,
        Action.STOP_TIMERS: Transaction._stop_timers,
        Action.LINGER: Transaction._linger,
        Action.LINGER_2XX: Transaction._linger_2xx,
        Action.TELL_ERROR: _tell_error,
    }
