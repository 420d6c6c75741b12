"""Branch: one place an INVITE of ours goes to, with the tries it takes there (RFC 3261 §13.2).

Most INVITEs have one. A callee with several phones has one for each, as a forking proxy makes them
(RFC 3261 §16.6).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .fsm import State
from .prack import Pracks
from .retry import InviteRetry
from .sending import Nobody, dialog_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client_transaction import ClientTransaction
    from .dialog import Dialog
    from .flow import Flow
    from .invite import InviteCall
    from .message import SipRequest, SipResponse
    from .outgoing import OutgoingInvite
    from .transactions import Transactions

__all__ = ["MAX_FORKS", "Branch", "Refusal", "best_refusal"]

MAX_FORKS = 32  # Early dialogs, and 2xx answers, of one branch; a hunt group has a handful.

# RFC 3261 §16.7, step 6: what tells how the call could be made after all.
_TELLING = frozenset({401, 407, 415, 420, 484})


class Refusal(NamedTuple):
    """Why there is no answer from one place."""

    response: SipResponse
    timed_out: bool
    """True: the response is our own, for one that did not come."""


class Branch:
    """One place.

    Args:
        invite: what goes there.
        transactions: the endpoint's transactions.
        call: the call.
        seed: the dialog-to-be it is sent with.

    Attributes:
        seed: as given; its target and flow follow redirects.
        transaction: the client transaction of the newest try, there after `send`.
        retry: what makes it go out again.
        pracks: what its reliable responses want acknowledged.
        refusal: why there is no answer; None before that.
        tags: To tags of the early dialogs with it.
        acks: To tag of each 2xx -> the ACK to repeat; None while the user owes it.
    """

    __slots__ = (
        "_call",
        "_cancel",
        "_cancel_sent",
        "_first",
        "_invite",
        "_transactions",
        "acks",
        "pracks",
        "refusal",
        "retry",
        "seed",
        "tags",
        "transaction",
    )

    transaction: ClientTransaction
    _first: ClientTransaction

    def __init__(
        self, invite: OutgoingInvite, transactions: Transactions, call: InviteCall, seed: Dialog
    ) -> None:
        self.seed = seed
        self.retry = InviteRetry(self, call, transactions.core, seed)
        self.pracks = Pracks()
        self.refusal: Refusal | None = None
        self.tags: set[str] = set()
        self.acks: dict[str, tuple[bytes, Flow] | None] = {}
        self._invite = invite
        self._transactions = transactions
        self._call = call
        self._cancel: str | None = None
        self._cancel_sent = False

    @property
    def initial(self) -> bool:
        """False for a re-INVITE."""
        return self._invite.initial

    @property
    def request(self) -> SipRequest:
        """The INVITE as first sent, to whatever place: the same object whatever came after."""
        return self._invite.request

    @property
    def first_request(self) -> SipRequest:
        """The INVITE as first sent to this place."""
        return self._first.request

    @property
    def pending(self) -> bool:
        """True while there is no final response."""
        return not self.transaction.answered

    @property
    def open(self) -> bool:
        """True while an answer from here changes what becomes of the call."""
        # One that was given up and never said a word is not waited for.
        unheard = self.cancelled and self.transaction.state is State.CALLING
        return self.retry.waiting is not None or (self.pending and not unheard)

    @property
    def cancelled(self) -> bool:
        """True once nobody wants its answer any more."""
        return self._cancel is not None

    def send(self, now: float) -> None:
        """Send the INVITE."""
        core, call, draft = self._transactions.core, self._call, self._invite.draft
        draft = replace(draft, extra=draft.extra + call.requests.request_lines())
        dialog, flow = (self.seed, self.seed.flow) if self.initial else (call.dialog, None)
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
        self.pracks.clear()
        self._invite.begin_again(self)
        self._invite.watch()
        self.send(now)

    def follow(self, flow: Flow | None, target: str, now: float) -> None:
        """Go where the redirect leads; None: it leads nowhere."""
        if flow is not None:
            self.retry.go(target or self.seed.remote_target, flow, now)
            return
        refusal = self.retry.stop()
        if refusal is not None and not self.retry.take(refusal, now):
            self._invite.on_refused(self, refusal, False, now)

    def stop(self, extra: str, now: float) -> None:
        """Another one has the call: neither wait nor go on."""
        if self.retry.stop() is None:
            self.cancel(extra, now)

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
            self._invite.on_refused(self, response, True, now)

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Sort the responses to the INVITE."""
        if response.code < 200:
            self._invite.on_provisional(self, response, now)
            if self._cancel is not None and not self._cancel_sent:
                self._send_cancel(now)
        elif response.code >= 300:
            if not self.retry.take(response, now):
                self._invite.on_refused(self, response, False, now)
        elif response.to_tag not in self.acks:
            if len(self.acks) < MAX_FORKS:
                self.acks[response.to_tag] = None
                self._invite.on_answered(self, response, now)
        elif (ack := self.acks[response.to_tag]) is not None:
            # RFC 3261 §13.2.2.4: the ACK is repeated with each copy of the 2xx.
            self._transactions.core.send(*ack, now, self._call.label, retransmission=True)

    def on_no_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """The INVITE timed out, or its flow failed."""
        if not self.retry.take(response, now):
            self._invite.on_refused(self, response, True, now)

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """No more copies of a 2xx will come (RFC 6026 timer M)."""
        if transaction is self.transaction:
            self.acks.clear()


def best_refusal(branches: Sequence[Branch]) -> Refusal:
    """The answer for all, when every place has refused (RFC 3261 §16.7, step 6)."""
    refusals = [each.refusal for each in branches if each.refusal is not None]
    return min(refusals, key=_rank)


def _rank(refusal: Refusal) -> tuple[int, bool, bool]:
    code = refusal.response.code
    # A 6xx is the word of them all; else the lowest class, and a word before none: 487 is but the
    # echo of a CANCEL of ours, 482 that of an INVITE that came by another way.
    no_word = refusal.timed_out or code in (482, 487)
    return code // 100 % 6, code not in _TELLING, no_word
