"""ClientTransaction: a request of ours and the responses to it (RFC 3261 §17.1, RFC 6026)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .compose import encode, response_block, response_bytes
from .fsm import INVITE_CLIENT, NON_INVITE_CLIENT, Action, Event, State
from .message import SipRequest, SipResponse
from .parser import parse_message
from .transaction import Transaction

if TYPE_CHECKING:
    from .flow import Flow
    from .transactions import Transactions

__all__ = ["ClientOwner", "ClientTransaction"]


class ClientOwner(Protocol):
    """Who sent a request."""

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """A provisional or the final response; more than once for 2xx to INVITE."""

    def on_no_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """No final response will come; `response` is our own 408 or 503."""

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """The transaction is forgotten."""


class ClientTransaction(Transaction):
    """A request of ours and the responses to it.

    Attributes:
        method: of the request.
        owner: who is told.
        sent_by: what our Via says, which the responses must repeat.
    """

    __slots__ = ("_ended", "_request", "_response", "data", "method", "owner", "sent_by")

    def __init__(
        self,
        transactions: Transactions,
        method: str,
        branch: str,
        data: bytes,
        flow: Flow,
        owner: ClientOwner,
    ) -> None:
        timers = transactions.core.settings.timers
        invite = method == "INVITE"
        super().__init__(
            transactions,
            (branch, method),
            INVITE_CLIENT if invite else NON_INVITE_CLIENT,
            flow,
            timers.d_s if invite else timers.t4_s,
        )
        self.method = method
        self.owner = owner
        self.data = data
        self._last = data
        self._request: SipRequest | None = None
        self._response: SipResponse | None = None
        self._ended = False

    @property
    def request(self) -> SipRequest:
        """The request as sent."""
        if self._request is None:
            request = parse_message(self.data)
            assert isinstance(request, SipRequest), "we sent it"
            request.check()
            self._request = request
        return self._request

    @property
    def answered(self) -> bool:
        """True once a final response came, or none will."""
        return self.state not in (State.CALLING, State.TRYING, State.PROCEEDING)

    def start(self, now: float) -> None:
        """Send the request and start timers A and B, or E and F."""
        self._send(now)
        self._start_resend(now)
        self._start_give_up(now)

    def receive(self, response: SipResponse, now: float) -> bool:
        """Take a response with our branch.

        Returns:
            False if the machine has no use for it.
        """
        self._response = response
        event = (
            Event.PROVISIONAL
            if response.code < 200
            else Event.SUCCESS
            if response.code < 300
            else Event.FAILURE
        )
        return self.step(event, now)

    def hop_request(self, method: str, to_value: str, extra: str = "") -> bytes:
        """ACK to a 3xx-6xx, or CANCEL: same Request-URI, Via, Route (RFC 3261 §17.1.1.3, §9.1)."""
        request = self.request
        routes = "".join(f"Route: {value}\r\n" for value in request.headers("route"))
        return encode(
            f"{method} {request.uri} SIP/2.0\r\nVia: {request.header('via')}\r\n"
            f"Max-Forwards: 70\r\n{routes}From: {request.header('from')}\r\nTo: {to_value}\r\n"
            f"Call-ID: {request.call_id}\r\nCSeq: {request.cseq} {method}\r\n"
            f"{extra}{self.core.agent_line}Content-Length: 0\r\n\r\n"
        )

    def local_response(self, code: int, reason: str) -> SipResponse:
        """What stands for an answer that never came (RFC 3261 §8.1.3.1)."""
        block = response_block(self.request, self.flow)
        response = parse_message(response_bytes(code, reason, block))
        assert isinstance(response, SipResponse), "we made it"
        response.check()
        return response

    def _back_off(self, now: float) -> None:
        if self.method == "INVITE":
            self._run_resend(2 * self._interval_s, now)
        else:
            super()._back_off(now)

    def _send_ack(self, now: float) -> None:
        assert self._response is not None, "only a response leads here"
        ack = self.hop_request("ACK", self._response.header("to"))
        self.core.send(ack, self.flow, now, self.call)

    def _tell(self, now: float) -> None:
        assert self._response is not None, "only a response leads here"
        self.owner.on_response(self, self._response, now)

    def _tell_timeout(self, now: float) -> None:
        self.owner.on_no_response(self, self.local_response(408, ""), now)

    def _tell_error(self, now: float) -> None:
        self.owner.on_no_response(self, self.local_response(503, ""), now)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._transactions.forget_client(self)
            self.owner.on_client_ended(self)

    _DO = {
        Action.RESEND: Transaction._resend,
        Action.BACK_OFF: _back_off,
        Action.SLOW_DOWN: Transaction._slow_down,
        Action.STOP_TIMERS: Transaction._stop_timers,
        Action.LINGER: Transaction._linger,
        Action.LINGER_2XX: Transaction._linger_2xx,
        Action.SEND_ACK: _send_ack,
        Action.TELL: _tell,
        Action.TELL_TIMEOUT: _tell_timeout,
        Action.TELL_ERROR: _tell_error,
    }
