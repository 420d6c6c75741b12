"""OutgoingInvite: one INVITE of ours, initial or in a dialog, from its first byte to its last ACK
(RFC 3261 §13.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .call_state import CallEvent, CallState
from .compose import make_request, make_via
from .dialog import DialogState
from .events import EndCause, ProvisionalReceived, RequestTimedOut, ResponseReceived
from .fsm import State

if TYPE_CHECKING:
    from .client_transaction import ClientTransaction
    from .core import Core
    from .dialog import Dialog
    from .events import Event
    from .flow import Flow
    from .invite import InviteCall
    from .message import SipResponse
    from .transactions import Transactions

__all__ = ["Nobody", "OutgoingInvite", "dialog_request"]

_UNANSWERED = (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY)
_CONTACT_METHODS = frozenset({"INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY"})


def dialog_request(
    core: Core,
    dialog: Dialog,
    method: str,
    cseq: int,
    extra: str = "",
    body: bytes = b"",
    content_type: str = "",
    *,
    flow: Flow | None = None,
) -> tuple[bytes, str, Flow]:
    """A request within a dialog (RFC 3261 §12.2.1.1), or the one that makes it.

    Args:
        core: the endpoint's shared state.
        dialog: tells addresses, target and route.
        method, cseq: of the request.
        extra: checked header lines.
        body, content_type: the body.
        flow: where to send it; None: where the dialog leads.

    Returns:
        the bytes, the branch, and the flow to send it on.
    """
    uri, routes = dialog.request_line_and_routes()
    flow = flow or dialog.next_flow(core.settings.symmetric)
    branch = core.tokens.branch()
    data = make_request(
        method,
        uri,
        via=make_via(flow, branch, core.settings),
        from_=dialog.from_value,
        to=dialog.to_value,
        call_id=dialog.call_id,
        cseq=cseq,
        routes=routes,
        contact=dialog.contact if method in _CONTACT_METHODS else "",
        extra=extra + core.agent_line,
        body=body,
        content_type=content_type,
    )
    return data, branch, flow


class Nobody:
    """The owner of a request whose outcome changes nothing: CANCEL, and the BYE to a fork that
    lost.
    """

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Not of interest."""

    def on_no_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Not of interest."""

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """Not of interest."""


class OutgoingInvite:
    """An INVITE we sent: its CANCEL, the ACKs to each 2xx, and the copies of those ACKs.

    Args:
        call: the call it belongs to.
        transactions: the endpoint's transactions.
        initial: False for a re-INVITE.
        auto_ack: False if the 2xx holds the offer, so that the user sends the ACK with the answer.

    Attributes:
        initial: as given.
        forks: the early dialogs its responses made, by remote tag.
        transaction: the client transaction, there after `send`.
    """

    __slots__ = (
        "_acks",
        "_auto_ack",
        "_call",
        "_cancel",
        "_cancel_sent",
        "_owed",
        "_transactions",
        "forks",
        "initial",
        "transaction",
    )

    transaction: ClientTransaction

    def __init__(
        self, call: InviteCall, transactions: Transactions, *, initial: bool, auto_ack: bool
    ) -> None:
        self._call = call
        self._transactions = transactions
        self.initial = initial
        self._auto_ack = auto_ack
        self._cancel: str | None = None
        self._cancel_sent = False
        self._owed: Dialog | None = None
        # To tag of each 2xx -> the ACK to repeat; None while the user owes it.
        self._acks: dict[str, tuple[bytes, Flow] | None] = {}
        self.forks: dict[str, Dialog] = {}

    def send(self, data: bytes, branch: str, flow: Flow, now: float) -> None:
        """Send the INVITE."""
        self.transaction = self._transactions.add_client(
            "INVITE", branch, data, flow, self, self._call.ref, now
        )

    @property
    def pending(self) -> bool:
        """True while there is no final response."""
        return not self.transaction.answered

    def cancel(self, extra: str, now: float) -> None:
        """Send CANCEL, or remember to: RFC 3261 §9.1 forbids it before a provisional response."""
        if self._cancel is None and self.pending:
            self._cancel = extra
            if self.transaction.state is State.PROCEEDING:
                self._send_cancel(now)

    def _send_cancel(self, now: float) -> None:
        self._cancel_sent = True
        transaction = self.transaction
        data = transaction.hop_request(
            "CANCEL", transaction.request.header("to"), self._cancel or ""
        )
        branch = transaction.request.via.branch
        self._transactions.add_client(
            "CANCEL", branch, data, transaction.flow, Nobody(), self._call.ref, now
        )
        core = self._transactions.core
        core.timers.start(core.settings.timers.give_up_s, self._give_up, None, now)

    def _give_up(self, _: None, now: float) -> None:
        # RFC 3261 §9.1: 64*T1 after the CANCEL the INVITE counts as cancelled, answered or not.
        if self.pending:
            response = self.transaction.local_response(487, "")
            self.transaction.stop(now)
            self._on_refused(response, True, now)

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Sort the responses to the INVITE."""
        if response.code < 200:
            self._on_provisional(response)
            if self._cancel is not None and not self._cancel_sent:
                self._send_cancel(now)
        elif response.code >= 300:
            self._on_refused(response, False, now)
        elif response.to_tag not in self._acks:
            self._acks[response.to_tag] = None
            self._on_answered(response, now)
        elif (ack := self._acks[response.to_tag]) is not None:
            # RFC 3261 §13.2.2.4: the ACK is repeated with each copy of the 2xx.
            self._transactions.core.send(*ack, now, self._call.ref, retransmission=True)

    def _on_provisional(self, response: SipResponse) -> None:
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        if self.initial and response.to_tag and response.code > 100:
            fork = self._fork(response)
            if not call.dialog.remote_tag:
                call.dialog = fork
            call.advance(CallEvent.RINGING)
        elif self.initial:
            call.advance(CallEvent.TRYING)
        self._emit(ProvisionalReceived(call, self.transaction.request, response))

    def _fork(self, response: SipResponse) -> Dialog:
        """The early dialog with the peer of `response`; a new one for a tag not seen yet."""
        fork = self.forks.get(response.to_tag)
        if fork is None:
            fork = self.forks[response.to_tag] = self._call.dialog.fork(response)
        return fork

    def _on_answered(self, response: SipResponse, now: float) -> None:
        """The first copy of a 2xx."""
        call = self._call
        if self.initial:
            dialog = self._fork(response)
            dialog.state = DialogState.CONFIRMED
            dialog.refresh_target(response)
            # RFC 3261 §13.2.2.4: the route set is that of the 2xx, whatever the 1xx said.
            dialog.route_set = response.record_routes[::-1]
            if call.state not in (*_UNANSWERED, CallState.CANCELLING):
                del self.forks[dialog.remote_tag]
                self._release(dialog, now)
                return
            call.dialog = dialog
            self.forks.clear()
        else:
            call.dialog.refresh_target(response)
        self._owed = call.dialog
        if call.state is CallState.CANCELLING:
            # A 2xx passed our CANCEL on its way: confirm it and hang up.
            call.hang_up("", EndCause.CANCEL_SENT, now)
            return
        call.advance(CallEvent.ANSWERED)
        if self._auto_ack:
            self.ack(now)
        if call.state is not CallState.DISCONNECTED:
            self._emit(ResponseReceived(call, self.transaction.request, response))

    def _on_refused(self, response: SipResponse, timed_out: bool, now: float) -> None:
        """A 3xx to 6xx, or none at all."""
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        event = RequestTimedOut if timed_out else ResponseReceived
        self._emit(event(call, self.transaction.request, response))
        if not self.initial:
            call.after_refusal("INVITE", response.code, now)
        elif self._cancel is not None:
            call.finish(EndCause.CANCEL_SENT, now)
        else:
            call.finish(EndCause.TIMED_OUT if timed_out else EndCause.REFUSED, now)

    def _emit(self, event: Event) -> None:
        self._transactions.core.events.append(event)

    def on_no_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """The INVITE timed out, or its flow failed."""
        self._on_refused(response, True, now)

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """No more copies of a 2xx will come (RFC 6026 timer M)."""
        self._acks.clear()

    def ack(self, now: float, extra: str = "", body: bytes = b"", content_type: str = "") -> None:
        """Send the ACK to the 2xx of the call's dialog, if it is owed."""
        dialog, self._owed = self._owed, None
        if dialog is not None:
            self._send_ack(dialog, now, extra, body, content_type)

    def _release(self, dialog: Dialog, now: float) -> None:
        """ACK and BYE for a 2xx that nobody wants: a fork that lost (RFC 3261 §13.2.2.4), a late
        answer.
        """
        self._send_ack(dialog, now)
        data, branch, flow = dialog_request(
            self._transactions.core, dialog, "BYE", dialog.take_cseq()
        )
        self._transactions.add_client("BYE", branch, data, flow, Nobody(), self._call.ref, now)

    def _send_ack(
        self,
        dialog: Dialog,
        now: float,
        extra: str = "",
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        # RFC 3261 §13.2.2.4: the ACK to a 2xx is a request of its own with the CSeq number of the
        # INVITE.
        core = self._transactions.core
        cseq = self.transaction.request.cseq
        data, _, flow = dialog_request(core, dialog, "ACK", cseq, extra, body, content_type)
        self._acks[dialog.remote_tag] = (data, flow)
        core.send(data, flow, now, self._call.ref)
