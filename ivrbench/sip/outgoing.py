"""OutgoingInvite: one INVITE of ours, initial or in a dialog, from its first byte to its last ACK
(RFC 3261 §13.2).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .call_state import CallEvent, CallState
from .dialog import DialogState
from .events import EndCause, ProvisionalReceived, RequestTimedOut, ResponseReceived
from .fsm import State
from .prack import Pracks, rack_line
from .retry import InviteRetry
from .sending import Draft, Nobody, OutgoingRequest, dialog_request

if TYPE_CHECKING:
    from .client_transaction import ClientTransaction
    from .dialog import Dialog
    from .events import Event
    from .flow import Flow
    from .invite import InviteCall
    from .message import SipRequest, SipResponse
    from .transactions import Transactions

__all__ = ["UNANSWERED", "OutgoingInvite"]

UNANSWERED = (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY)
MAX_FORKS = 32  # Early dialogs, and 2xx answers, of one INVITE; a hunt group has a handful.


class OutgoingInvite:
    """An INVITE we sent: its tries, its CANCEL, the ACKs to each 2xx, and the copies of those ACKs.

    Args:
        call: the call it belongs to.
        transactions: the endpoint's transactions.
        draft: what to send.
        initial: False for a re-INVITE.

    Attributes:
        initial: as given.
        draft: as given.
        forks: the early dialogs its responses made, by remote tag.
        transaction: the client transaction of the newest try, there after `send`.
        request: the INVITE as first sent.
        retry: what makes it go out again.
    """

    __slots__ = (
        "_acks",
        "_auto_ack",
        "_call",
        "_cancel",
        "_cancel_sent",
        "_described",
        "_first",
        "_owed",
        "_pracks",
        "_seed",
        "_transactions",
        "draft",
        "forks",
        "initial",
        "retry",
        "transaction",
    )

    transaction: ClientTransaction
    _first: ClientTransaction

    def __init__(
        self, call: InviteCall, transactions: Transactions, draft: Draft, *, initial: bool
    ) -> None:
        self._call = call
        self._transactions = transactions
        self.draft = draft
        self.initial = initial
        self._seed = call.dialog
        # Without an offer in the INVITE the 2xx has it, and the user sends the ACK with the answer.
        self._auto_ack = bool(draft.body)
        self._described = False
        self._cancel: str | None = None
        self._cancel_sent = False
        self._owed: Dialog | None = None
        # To tag of each 2xx -> the ACK to repeat; None while the user owes it.
        self._acks: dict[str, tuple[bytes, Flow] | None] = {}
        self._pracks = Pracks()
        self.forks: dict[str, Dialog] = {}
        self.retry = InviteRetry(self, call, transactions.core, self._seed)

    @property
    def request(self) -> SipRequest:
        """The INVITE as first sent: the same object whatever came after."""
        return self._first.request

    def send(self, now: float) -> None:
        """Send the INVITE."""
        core, call, draft = self._transactions.core, self._call, self.draft
        draft = replace(draft, extra=draft.extra + call.requests.request_lines())
        dialog, flow = (self._seed, self._seed.flow) if self.initial else (call.dialog, None)
        data, branch, flow = dialog_request(
            core, dialog, draft, dialog.take_cseq(), call.auth, flow=flow
        )
        self.transaction = self._transactions.add_client(
            "INVITE", branch, data, flow, self, call.label, now
        )
        if not self.retry.tries:
            self._first = self.transaction
        self.retry.tries += 1

    def send_again(self, now: float) -> None:
        """Send it again with a new CSeq number: whatever early dialogs there were are no more."""
        self.forks.clear()
        self._pracks.clear()
        self._described = False
        if self.initial:
            self._call.dialog = self._seed
            self._call.advance(CallEvent.RETRIED)
        self.send(now)

    @property
    def pending(self) -> bool:
        """True while there is no final response."""
        return not self.transaction.answered

    @property
    def cancelled(self) -> bool:
        """True once the user gave it up."""
        return self._cancel is not None

    @property
    def offer_sent(self) -> bool:
        """True while the offer in it has no answer that counts."""
        return self._auto_ack and bool(self.draft.body) and self.pending and not self._described

    @property
    def offer_received(self) -> bool:
        """True while the user owes an answer, in PRACK or ACK."""
        return self._pracks.offer_open or (self._owed is not None and not self._auto_ack)

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
            "CANCEL", branch, data, transaction.flow, Nobody(), self._call.label, now
        )
        core = self._transactions.core
        core.timers.start(core.settings.timers.give_up_s, self._give_up, None, now)

    def _give_up(self, _: None, now: float) -> None:
        # RFC 3261 §9.1: 64*T1 after the CANCEL the INVITE counts as cancelled, answered or not.
        if self.pending:
            response = self.transaction.local_response(487, "")
            self.transaction.stop(now)
            self.refused(response, True, now)

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Sort the responses to the INVITE."""
        if response.code < 200:
            self._on_provisional(response, now)
            if self._cancel is not None and not self._cancel_sent:
                self._send_cancel(now)
        elif response.code >= 300:
            if not self.retry.take(response, now):
                self.refused(response, False, now)
        elif response.to_tag not in self._acks:
            if len(self._acks) < MAX_FORKS:
                self._acks[response.to_tag] = None
                self._on_answered(response, now)
        elif (ack := self._acks[response.to_tag]) is not None:
            # RFC 3261 §13.2.2.4: the ACK is repeated with each copy of the 2xx.
            self._transactions.core.send(*ack, now, self._call.label, retransmission=True)

    def _on_provisional(self, response: SipResponse, now: float) -> None:
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        dialog = call.dialog
        if self.initial and response.to_tag and response.code > 100:
            if response.to_tag not in self.forks and len(self.forks) >= MAX_FORKS:
                return
            dialog = self._fork(response)
            if not call.dialog.remote_tag:
                call.dialog = dialog
            call.advance(CallEvent.RINGING)
        elif self.initial:
            call.advance(CallEvent.TRYING)
        if response.code > 100 and response.has("rseq") and dialog.remote_tag:
            if not self._pracks.is_new(response):
                return
            self._acknowledge(response, dialog, now)
        self._emit(ProvisionalReceived(call, self.request, response))

    def _acknowledge(self, response: SipResponse, dialog: Dialog, now: float) -> None:
        """Send the PRACK of a reliable 1xx, or leave it to the user who must put an answer in."""
        if response.description and not self._auto_ack:
            self._pracks.owe(response)
            return
        self._described = self._described or bool(response.description)
        self._send_prack(Draft("PRACK", rack_line(response)), dialog, now)

    def prack(self, response: SipResponse, draft: Draft, now: float) -> bool:
        """Send the user's PRACK with the answer to the offer in `response`; False: none is owed."""
        line = self._pracks.pay(response)
        dialog = self.forks.get(response.to_tag, self._call.dialog)
        if not line or self._call.state is CallState.DISCONNECTED:
            return False
        # The offer is answered, so the 2xx has none and its ACK needs no answer.
        self._auto_ack = self._described = True
        self._send_prack(replace(draft, extra=line + draft.extra), dialog, now)
        return True

    def _send_prack(self, draft: Draft, dialog: Dialog, now: float) -> None:
        call = self._call
        request = OutgoingRequest(
            self._transactions, dialog, draft, Nobody(), call.auth, call.label
        )
        request.send(now)

    def _fork(self, response: SipResponse) -> Dialog:
        """The early dialog with the peer of `response`; a new one for a tag not seen yet."""
        fork = self.forks.get(response.to_tag)
        if fork is None:
            fork = self.forks[response.to_tag] = self._seed.fork(response)
        return fork

    def _on_answered(self, response: SipResponse, now: float) -> None:
        """The first copy of a 2xx."""
        call = self._call
        if call.auth is not None:
            call.auth.learn(response)
        if self.initial:
            dialog = self._fork(response)
            dialog.state = DialogState.CONFIRMED
            dialog.refresh_target(response)
            # RFC 3261 §13.2.2.4: the route set is that of the 2xx, whatever the 1xx said.
            dialog.route_set = response.record_routes[::-1]
            if call.state not in (*UNANSWERED, CallState.CANCELLING):
                del self.forks[dialog.remote_tag]
                self._release(dialog, now)
                return
            call.dialog = dialog
            self.forks.clear()
        else:
            call.dialog.refresh_target(response)
        self._pracks.clear()
        self._owed = call.dialog
        if call.state is CallState.CANCELLING:
            # A 2xx passed our CANCEL on its way: confirm it and hang up.
            call.requests.hang_up("", EndCause.CANCEL_SENT, now)
            return
        call.advance(CallEvent.ANSWERED)
        if self._auto_ack:
            self.ack(now)
        if call.state is CallState.CONNECTED:
            call.requests.confirmed(response, now)
        if call.state is not CallState.DISCONNECTED:
            self._emit(ResponseReceived(call, self.request, response))

    def refused(self, response: SipResponse, timed_out: bool, now: float) -> None:
        """A 3xx to 6xx, or none at all, and no further try."""
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        event = RequestTimedOut if timed_out else ResponseReceived
        self._emit(event(call, self.request, response))
        if not self.initial:
            call.requests.after_refusal("INVITE", response, now)
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
        if not self.retry.take(response, now):
            self.refused(response, True, now)

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """No more copies of a 2xx will come (RFC 6026 timer M)."""
        if transaction is self.transaction:
            self._acks.clear()

    def ack(self, now: float, extra: str = "", body: bytes = b"", content_type: str = "") -> None:
        """Send the ACK to the 2xx of the call's dialog, if it is owed."""
        dialog, self._owed = self._owed, None
        if dialog is not None:
            self._send_ack(dialog, now, Draft("ACK", extra, body, content_type))

    def _release(self, dialog: Dialog, now: float) -> None:
        """ACK and BYE for a 2xx that nobody wants: a fork that lost (RFC 3261 §13.2.2.4), a late
        answer.
        """
        self._send_ack(dialog, now, Draft("ACK"))
        call = self._call
        bye = OutgoingRequest(
            self._transactions, dialog, Draft("BYE"), Nobody(), call.auth, call.label
        )
        bye.send(now)

    def _send_ack(self, dialog: Dialog, now: float, draft: Draft) -> None:
        # RFC 3261 §13.2.2.4: the ACK to a 2xx is a request of its own with the CSeq number and the
        # credentials of the INVITE.
        core, invite = self._transactions.core, self.transaction.request
        if self._call.auth is not None:
            proof = "".join(
                f"{name}: {value}\r\n"
                for name in ("Authorization", "Proxy-Authorization")
                for value in invite.headers(name)
            )
            draft = replace(draft, extra=proof + draft.extra)
        data, _, flow = dialog_request(core, dialog, draft, invite.cseq)
        self._acks[dialog.remote_tag] = (data, flow)
        core.send(data, flow, now, self._call.label)
