"""OutgoingInvite: one INVITE of ours, initial or in a dialog, from its first byte to its last ACK
(RFC 3261 §13.2).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .branch import MAX_FORKS, Branch, Refusal, best_refusal
from .call_state import CallEvent, CallState
from .dialog import DialogState
from .events import EndCause, ProvisionalReceived, RequestTimedOut, ResponseReceived
from .hunt import Hunt, way_failed
from .prack import rack_line
from .sending import Draft, Nobody, OutgoingRequest, dialog_request

if TYPE_CHECKING:
    from .dialog import Dialog
    from .events import Event
    from .invite import InviteCall
    from .message import SipRequest, SipResponse
    from .transactions import Transactions

__all__ = ["UNANSWERED", "OutgoingInvite"]

UNANSWERED = (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY)
# RFC 3326 §3.1.1: a phone that stops ringing for this shows no missed call.
_ELSEWHERE = 'Reason: SIP ;cause=200 ;text="Call completed elsewhere"\r\n'


class OutgoingInvite:
    """An INVITE we sent: the places it went to, the early dialogs there, the ACKs to each 2xx.

    Args:
        call: the call it belongs to.
        transactions: the endpoint's transactions.
        draft: what to send.
        initial: False for a re-INVITE.

    Attributes:
        initial: as given.
        draft: as given.
        branches: the places; one, unless `hunt` made more.
        forks: the early dialogs its responses made, by remote tag.
    """

    __slots__ = (
        "_answered",
        "_auto_ack",
        "_call",
        "_cancelled",
        "_described",
        "_hunt",
        "_owed",
        "_transactions",
        "branches",
        "draft",
        "forks",
        "initial",
    )

    def __init__(
        self, call: InviteCall, transactions: Transactions, draft: Draft, *, initial: bool
    ) -> None:
        self._call = call
        self._transactions = transactions
        self.draft = draft
        self.initial = initial
        # Without an offer in the INVITE the 2xx has it, and the user sends the ACK with the answer.
        self._auto_ack = bool(draft.body)
        self._described = False
        self._cancelled = self._answered = False
        self._owed: tuple[Branch, Dialog] | None = None
        self._hunt: Hunt | None = None
        self.forks: dict[str, Dialog] = {}
        self.branches = [Branch(self, transactions, call, call.dialog)]

    @property
    def request(self) -> SipRequest:
        """The INVITE as first sent: the same object whatever came after."""
        return self.branches[0].first_request

    def send(self, now: float) -> None:
        """Send the INVITE."""
        self.branches[0].send(now)

    @property
    def hunt(self) -> Hunt:
        """The places it has not gone to yet."""
        if self._hunt is None:
            self._hunt = Hunt(self, self._transactions.core)
        return self._hunt

    def send_to(self, seed: Dialog, now: float) -> Branch:
        """Send it to one more place."""
        branch = Branch(self, self._transactions, self._call, seed)
        self.branches.append(branch)
        self.watch()
        branch.send(now)
        return branch

    def begin_again(self, branch: Branch) -> None:
        """It goes out again to a place: the early dialogs of that place are no more."""
        self._described = False
        if not self.initial:
            return
        for tag in branch.tags:
            self.forks.pop(tag, None)
        branch.tags.clear()
        call = self._call
        if not self.forks:
            call.dialog = branch.seed
            call.advance(CallEvent.RETRIED)
        elif call.dialog.remote_tag not in self.forks:
            call.dialog = next(iter(self.forks.values()))

    @property
    def seeds(self) -> list[Dialog]:
        """The dialogs-to-be of all the places."""
        return [each.seed for each in self.branches]

    def watch(self) -> None:
        """Watch the connections to all the places."""
        self._call.watch({each.flow for each in self.seeds})

    @property
    def pending(self) -> bool:
        """True while there is no final response."""
        return any(each.pending for each in self.branches)

    @property
    def waiting(self) -> list[Branch]:
        """The places it waits to go out to again."""
        return [each for each in self.branches if each.retry.waiting is not None]

    @property
    def offer_sent(self) -> bool:
        """True while the offer in it has no answer that counts."""
        open_ = self.pending and not self._answered and not self._described
        return self._auto_ack and bool(self.draft.body) and open_

    @property
    def offer_received(self) -> bool:
        """True while the user owes an answer, in PRACK or ACK."""
        early = any(each.pracks.offer_open for each in self.branches)
        return early or (self._owed is not None and not self._auto_ack)

    def cancel(self, extra: str, now: float) -> None:
        """Give it up everywhere."""
        waiting = self.waiting
        if self.initial and (waiting or self.pending):
            self._call.advance(CallEvent.CANCELLED)
        self._cancelled = self._cancelled or self.pending
        self._end_hunt()
        for each in self.branches:
            each.cancel(extra, now)
        for each in waiting:
            # It was not on its way, only about to be sent again.
            refusal = each.retry.stop()
            if refusal is not None:
                self.on_refused(each, refusal, False, now)

    def stop(self, now: float) -> None:
        """Forget it without a word."""
        self._end_hunt()
        for each in self.branches:
            each.retry.stop()
            if each.pending:
                each.transaction.stop(now)

    def on_provisional(self, branch: Branch, response: SipResponse, now: float) -> None:
        """A 1xx came from one of the places."""
        call = self._call
        if call.state is CallState.DISCONNECTED or self._answered:
            return
        dialog = call.dialog
        if self.initial and response.to_tag and response.code > 100:
            if response.to_tag not in self.forks and len(self.forks) >= MAX_FORKS:
                return
            dialog = self._fork(branch, response)
            if not call.dialog.remote_tag:
                call.dialog = dialog
            call.advance(CallEvent.RINGING)
        elif self.initial:
            call.advance(CallEvent.TRYING)
        if response.code > 100 and response.has("rseq") and dialog.remote_tag:
            if not branch.pracks.is_new(response):
                return
            self._acknowledge(branch, response, dialog, now)
        self._emit(ProvisionalReceived(call, self.request, response))

    def _acknowledge(
        self, branch: Branch, response: SipResponse, dialog: Dialog, now: float
    ) -> None:
        """Send the PRACK of a reliable 1xx, or leave it to the user who must put an answer in."""
        if response.description and not self._auto_ack:
            branch.pracks.owe(response)
            return
        self._described = self._described or bool(response.description)
        self._send_prack(Draft("PRACK", rack_line(response)), dialog, now)

    def prack(self, response: SipResponse, draft: Draft, now: float) -> bool:
        """Send the user's PRACK with the answer to the offer in `response`; False: none is owed."""
        paid = (each.pracks.pay(response) for each in self.branches)
        line = next((line for line in paid if line), "")
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

    def _fork(self, branch: Branch, response: SipResponse) -> Dialog:
        """The early dialog with the peer of `response`; a new one for a tag not seen yet."""
        fork = self.forks.get(response.to_tag)
        if fork is None:
            fork = self.forks[response.to_tag] = branch.seed.fork(response)
            branch.tags.add(response.to_tag)
        return fork

    def on_answered(self, branch: Branch, response: SipResponse, now: float) -> None:
        """The first copy of a 2xx."""
        call = self._call
        if call.auth is not None:
            call.auth.learn(response)
        if not self.initial:
            call.dialog.refresh_target(response)
        elif not self._wins(branch, response, now):
            return
        branch.pracks.clear()
        self._owed = branch, call.dialog
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

    def _wins(self, branch: Branch, response: SipResponse, now: float) -> bool:
        """Give the call to who sent this 2xx, unless somebody has it."""
        call = self._call
        dialog = self._fork(branch, response)
        dialog.state = DialogState.CONFIRMED
        dialog.refresh_target(response)
        # RFC 3261 §13.2.2.4: the route set is that of the 2xx, whatever the 1xx said.
        dialog.route_set = response.record_routes[::-1]
        if call.state not in (*UNANSWERED, CallState.CANCELLING):
            del self.forks[dialog.remote_tag]
            self._release(branch, dialog, now)
            return False
        self._answered = True
        call.dialog = dialog
        self.forks.clear()
        self._stop_others(branch, _ELSEWHERE, now)
        call.watch({dialog.flow})
        return True

    def _stop_others(self, branch: Branch, extra: str, now: float) -> None:
        self._end_hunt()
        for each in self.branches:
            if each is not branch:
                each.stop(extra, now)

    def _end_hunt(self) -> None:
        if self._hunt is not None:
            self._hunt.close()

    def on_refused(
        self, branch: Branch, response: SipResponse, timed_out: bool, now: float
    ) -> None:
        """A 3xx to 6xx from one of the places, or nothing at all, and no further try there."""
        branch.refusal = Refusal(response, timed_out)
        if response.code >= 600:
            # RFC 3261 §16.7, step 5: that is the word of them all.
            self._stop_others(branch, "", now)
        elif self._hunt is not None and way_failed(response, timed_out):
            self._hunt.go_around(branch, now)
        if self._answered or any(each.open for each in self.branches):
            return
        if self._hunt is None or not self._hunt.go_on(now):
            self._refused(*best_refusal(self.branches), now)

    def _refused(self, response: SipResponse, timed_out: bool, now: float) -> None:
        """No place is left."""
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        event = RequestTimedOut if timed_out else ResponseReceived
        self._emit(event(call, self.request, response))
        if not self.initial:
            call.requests.after_refusal("INVITE", response, now)
        elif self._cancelled:
            call.finish(EndCause.CANCEL_SENT, now)
        else:
            call.finish(EndCause.TIMED_OUT if timed_out else EndCause.REFUSED, now)

    def _emit(self, event: Event) -> None:
        self._transactions.core.events.append(event)

    def ack(self, now: float, extra: str = "", body: bytes = b"", content_type: str = "") -> None:
        """Send the ACK to the 2xx of the call's dialog, if it is owed."""
        owed, self._owed = self._owed, None
        if owed is not None:
            self._send_ack(*owed, now, Draft("ACK", extra, body, content_type))

    def _release(self, branch: Branch, dialog: Dialog, now: float) -> None:
        """ACK and BYE for a 2xx that nobody wants: a fork that lost (RFC 3261 §13.2.2.4), a late
        answer.
        """
        self._send_ack(branch, dialog, now, Draft("ACK"))
        call = self._call
        if dialog.remote_tag == call.dialog.remote_tag:
            return  # It is the one that has the call, reached by two ways.
        bye = OutgoingRequest(
            self._transactions, dialog, Draft("BYE"), Nobody(), call.auth, call.label
        )
        bye.send(now)

    def _send_ack(self, branch: Branch, dialog: Dialog, now: float, draft: Draft) -> None:
        # RFC 3261 §13.2.2.4: the ACK to a 2xx is a request of its own with the CSeq number and the
        # credentials of the INVITE.
        core, invite = self._transactions.core, branch.transaction.request
        if self._call.auth is not None:
            proof = "".join(
                f"{name}: {value}\r\n"
                for name in ("Authorization", "Proxy-Authorization")
                for value in invite.headers(name)
            )
            draft = replace(draft, extra=proof + draft.extra)
        data, _, flow = dialog_request(core, dialog, draft, invite.cseq)
        branch.acks[dialog.remote_tag] = (data, flow)
        core.send(data, flow, now, self._call.label)
