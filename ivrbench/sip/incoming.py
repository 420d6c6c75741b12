"""IncomingInvites: the INVITEs of the other side of one call, from 100 to ACK (RFC 3261 §13.3,
§14.2, §9.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answer import Answer
from .call_state import CallEvent, CallState
from .dialog import DialogState
from .events import AckReceived, AckTimedOut, CancelReceived, EndCause, ReinviteReceived

if TYPE_CHECKING:
    from .core import Core
    from .invite import InviteCall
    from .message import SipRequest
    from .server_transaction import ServerTransaction

__all__ = ["IncomingInvites"]

GLARE_RETRY_AFTER_S = 10  # RFC 3261 §14.2: Retry-After is chosen between 0 and 10 seconds.


class IncomingInvites:
    """What the called side of an INVITE must remember: the one not answered, and the 2xx not
    acknowledged.

    Args:
        call: the call they belong to.
        core: the endpoint's shared state.

    Attributes:
        pending: the INVITE without final response, None if there is none.
    """

    __slots__ = ("_answers", "_call", "_core", "pending")

    def __init__(self, call: InviteCall, core: Core) -> None:
        self.pending: SipRequest | None = None
        self._call = call
        self._core = core
        self._answers: dict[int, Answer] = {}

    @property
    def unacknowledged(self) -> bool:
        """True while a 2xx of ours waits for its ACK."""
        return bool(self._answers)

    def take(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Start with an INVITE, initial or not: 100 at once."""
        self.pending = request
        transaction.owner = self
        transaction.call = self._call.ref
        # RFC 3261 §17.2.1: within 200 ms, unless it is known that an answer comes sooner.
        transaction.respond(100, now=now)

    def take_reinvite(
        self, request: SipRequest, transaction: ServerTransaction, now: float
    ) -> None:
        """Start with a re-INVITE, or refuse it because another INVITE is in the way."""
        if self.pending is not None:
            # RFC 3261 §14.2: an INVITE before the answer to the last one.
            wait_s = self._core.tokens.below(GLARE_RETRY_AFTER_S + 1)
            transaction.respond(500, extra=f"Retry-After: {wait_s}\r\n", now=now)
        elif self._call.invite_pending or any(each.wants_sdp for each in self._answers.values()):
            # RFC 3261 §14.2: our own INVITE is pending; RFC 5407 §3.1.5: so is an answer in an ACK.
            transaction.respond(491, now=now)
        elif self._call.state is not CallState.CONNECTED:
            transaction.respond(481, now=now)
        else:
            self.take(request, transaction, now)
            self._core.events.append(ReinviteReceived(self._call, request))

    def responded(
        self,
        request: SipRequest,
        transaction: ServerTransaction,
        code: int,
        data: bytes,
        now: float,
    ) -> None:
        """A response to one of them was sent as `data`."""
        call = self._call
        initial = request is call.invite_request
        if code < 200:
            if initial and code > 100:
                call.advance(CallEvent.RINGING)
            return
        self.pending = None
        if code < 300:
            call.dialog.refresh_target(request)
            self._answers[request.cseq] = Answer(
                self._core, transaction, data, not request.body, self._ack_missing, now
            )
            call.advance(CallEvent.ANSWERED)
            call.dialog.state = DialogState.CONFIRMED
        else:
            transaction.owner = None
            if initial:
                call.finish(EndCause.REJECTED, now)

    def refuse_pending(self, now: float) -> None:
        """RFC 3261 §15.1.2: what is pending when a dialog ends is answered 487."""
        pending, self.pending = self.pending, None
        if pending is not None and pending.transaction is not None:
            pending.transaction.owner = None
            pending.transaction.respond(487, now=now)
            pending.transaction = None

    def drop(self, now: float) -> None:
        """Forget the pending one without a word."""
        pending, self.pending = self.pending, None
        if pending is not None and pending.transaction is not None:
            pending.transaction.owner = None
            pending.transaction.stop(now)
            pending.transaction = None

    def stop(self) -> None:
        """The call is over: no 2xx is repeated any more."""
        for answer in self._answers.values():
            answer.stop()
        self._answers.clear()

    def on_cancel(self, request: SipRequest, now: float) -> None:
        """Take a CANCEL of the unanswered INVITE; the CANCEL itself was answered."""
        initial = self.pending is self._call.invite_request
        self.refuse_pending(now)
        self._core.events.append(CancelReceived(self._call, request))
        if initial:
            self._call.advance(CallEvent.CANCELLED)
            self._call.finish(EndCause.CANCEL_RECEIVED, now)

    def on_ack(self, request: SipRequest, now: float) -> bool:
        """Take an ACK for a 2xx; False for a copy, which is absorbed."""
        answer = self._answers.pop(request.cseq, None)
        if answer is None:
            return False
        answer.stop()
        self._core.events.append(AckReceived(self._call, request))
        self._call.send_waiting_bye(now)
        return True

    def on_server_failed(self, transaction: ServerTransaction, now: float) -> None:
        """The connection of the unanswered INVITE is gone."""
        initial = self.pending is self._call.invite_request
        self.pending = None
        if initial:
            self._call.finish(EndCause.DROPPED, now)

    def _ack_missing(self, answer: Answer, now: float) -> None:
        """64*T1 went by without an ACK."""
        answer.stop()
        self._answers = {cseq: each for cseq, each in self._answers.items() if each is not answer}
        call = self._call
        self._core.events.append(AckTimedOut(call))
        if call.state is CallState.CONNECTED:
            # RFC 3261 §13.3.1.4: the dialog is confirmed but the session should be ended by BYE.
            call.hang_up("", EndCause.ACK_TIMED_OUT, now)
        else:
            call.send_waiting_bye(now)
