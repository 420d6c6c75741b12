"""IncomingInvites: the INVITEs of the other side of one call, from 100 to ACK (RFC 3261 §13.3,
§14.2, §9.2; RFC 3262 §3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from .answer import Answer
from .call_state import CallEvent, CallState
from .events import AckReceived, AckTimedOut, CancelReceived, EndCause, ReinviteReceived
from .reliable import ReliableProvisionals
from .reply import Reply
from .requests import GLARE_RETRY_AFTER_S
from .session_timer import too_small
from .status import status_line

if TYPE_CHECKING:
    from .core import Core
    from .invite import InviteCall
    from .message import SipRequest
    from .server_transaction import ServerTransaction
    from .timers import Timer

__all__ = ["IncomingInvites"]

_STILL_HERE = Reply(183)  # What a long silence is broken with, where nothing was said before.
REFRESH_S = 60.0  # RFC 3261 §13.3.1.1: a proxy gives up an INVITE it hears nothing of.


class IncomingInvites:
    """What the called side of an INVITE must remember: the one not answered, and the 2xx not
    acknowledged.

    Args:
        call: the call they belong to.
        core: the endpoint's shared state.

    Attributes:
        pending: the INVITE without final response, None if there is none.
    """

    __slots__ = (
        "_answers",
        "_call",
        "_core",
        "_held",
        "_last",
        "_refresh_timer",
        "_reliable",
        "_transaction",
        "pending",
    )

    def __init__(self, call: InviteCall, core: Core) -> None:
        self.pending: SipRequest | None = None
        self._call = call
        self._core = core
        self._transaction: ServerTransaction | None = None
        self._answers: dict[int, Answer] = {}
        self._reliable: ReliableProvisionals | None = None
        self._held: Reply | None = None
        self._last = _STILL_HERE
        self._refresh_timer: Timer | None = None

    @property
    def unacknowledged(self) -> bool:
        """True while a 2xx of ours waits for its ACK."""
        return bool(self._answers)

    @property
    def offer_sent(self) -> bool:
        """True while an offer of ours waits for its answer, in ACK or PRACK."""
        early = self._reliable is not None and self._reliable.offer_open
        return early or any(each.wants_sdp for each in self._answers.values())

    @property
    def offer_received(self) -> bool:
        """True while an INVITE with an offer has no answer that counts."""
        described = self._reliable is not None and self._reliable.described
        return self.pending is not None and bool(self.pending.description) and not described

    def take(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Start with an INVITE, initial or not: 100 at once."""
        self.pending = request
        self._transaction = transaction
        self._reliable = self._held = None
        self._last = _STILL_HERE
        transaction.owner = self
        transaction.call = self._call.label
        # RFC 3261 §17.2.1: within 200 ms, unless it is known that an answer comes sooner.
        transaction.respond(100, now=now)
        self._refresh_timer = self._core.timers.start(REFRESH_S, self._refresh, None, now)

    def take_reinvite(
        self, request: SipRequest, transaction: ServerTransaction, now: float
    ) -> None:
        """Start with a re-INVITE, or refuse it because another INVITE or UPDATE is in the way."""
        call = self._call
        code, extra = 0, ""
        if self.pending is not None or call.requests.offer_received:
            # RFC 3261 §14.2, RFC 3311 §5.2: one before the answer to the last one.
            code = 500
            extra = f"Retry-After: {self._core.tokens.below(GLARE_RETRY_AFTER_S + 1)}\r\n"
        elif call.invite_sent or call.offer_sent:
            # RFC 3261 §14.2: our own INVITE is pending; RFC 5407 §3.1.5: so is an answer in an ACK.
            code = 491
        elif call.state is not CallState.CONNECTED:
            code = 481
        elif extra := too_small(request, self._core.settings):
            code = 422
        if code:
            transaction.respond(code, extra=extra, now=now)
            request.transaction = None
        else:
            self.take(request, transaction, now)
            self._core.events.append(ReinviteReceived(call, request))

    def respond(
        self,
        request: SipRequest,
        transaction: ServerTransaction,
        reply: Reply,
        reliable: bool | None,
        now: float,
    ) -> None:
        """Send the user's response to one of them, or have it wait for a PRACK."""
        code = reply.code
        if 100 < code < 200 and self._reliably(request, reply, reliable):
            status_line(code, reply.reason)
            if self._reliable is None:
                self._reliable = ReliableProvisionals(
                    self._core, request, transaction, self._prack_missing
                )
            self._reliable.send(reply, now)
            self._progressed(reply)
        elif 200 <= code < 300 and self._reliable is not None and self._reliable.blocks_2xx:
            status_line(code, reply.reason)
            request.transaction = None
            self._held = reply
        else:
            self._send(request, transaction, reply, now)

    def _reliably(self, request: SipRequest, reply: Reply, wanted: bool | None) -> bool:
        if "100rel" not in self._core.settings.supported:
            required = possible = False
        else:
            required = request.names_tag("100rel", "require")
            possible = required or request.names_tag("100rel", "supported")
        if wanted and not possible:
            raise LocalProtocolError("the caller does not support reliable provisional responses")
        # A description gets lost with its packet, so it is worth a PRACK; ringing is not.
        return required or (possible and (bool(reply.body) if wanted is None else wanted))

    def _progressed(self, reply: Reply) -> None:
        self._last = Reply(reply.code, reply.reason, reply.extra)
        if self.pending is self._call.invite_request:
            self._call.advance(CallEvent.RINGING)

    def _send(
        self, request: SipRequest, transaction: ServerTransaction, reply: Reply, now: float
    ) -> None:
        call, code = self._call, reply.code
        more = call.requests.answer_lines(request) if 200 <= code < 300 else ""
        data = reply.send(transaction, now, more)
        if code <= 100:
            return
        if code < 200:
            self._progressed(reply)
            self._last = reply
            return
        request.transaction = None
        self._end_pending()
        if code >= 300:
            transaction.owner = None
            if request is call.invite_request:
                call.finish(EndCause.REJECTED, now)
            return
        call.dialog.refresh_target(request)
        early = self._reliable is not None and self._reliable.described
        wants_sdp = not request.description and not early
        self._answers[request.cseq] = Answer(
            self._core, transaction, data, wants_sdp, self._ack_missing, now
        )
        call.requests.answered(request, now)
        call.answered(now)

    def _end_pending(self) -> None:
        if self.pending is None:
            return
        self.pending = self._transaction = self._held = None
        self._core.timers.stop(self._refresh_timer)
        if self._reliable is not None:
            self._reliable.stop()

    def _refresh(self, _: None, now: float) -> None:
        """RFC 3261 §13.3.1.1: say once a minute that we are still at it."""
        request, transaction = self.pending, self._transaction
        if request is None or transaction is None:
            return
        self._refresh_timer = self._core.timers.start(REFRESH_S, self._refresh, None, now)
        if self._held is not None or (self._reliable is not None and self._reliable.blocks_2xx):
            return
        reply = self._last
        if not reply.extra:
            reply = Reply(reply.code, reply.reason, f"Contact: {self._call.dialog.contact}\r\n")
        self.respond(request, transaction, reply, False, now)

    def refuse_pending(self, now: float) -> None:
        """RFC 3261 §15.1.2: what is pending when a dialog ends is answered 487."""
        self._refuse(487, "", now)

    def _refuse(self, code: int, extra: str, now: float) -> None:
        pending, transaction = self.pending, self._transaction
        self._end_pending()
        if pending is not None and transaction is not None:
            transaction.owner = None
            transaction.respond(code, extra=extra, now=now)
            pending.transaction = None

    def give_up(self, extra: str, now: float) -> None:
        """The user hangs up on the unanswered initial INVITE: 487, and the call ends."""
        self._refuse(487, extra, now)
        self._call.finish(EndCause.REJECTED, now)

    def drop(self, now: float) -> None:
        """Forget the pending one without a word."""
        pending, transaction = self.pending, self._transaction
        self._end_pending()
        if pending is not None and transaction is not None:
            transaction.owner = None
            transaction.stop(now)
            pending.transaction = None

    def stop(self) -> None:
        """The call is over: no 2xx is repeated any more."""
        self._end_pending()
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

    def on_prack(self, request: SipRequest, now: float) -> bool:
        """Take a PRACK; False if it acknowledges nothing."""
        reliable = self._reliable
        if reliable is None or not reliable.take(request, now):
            return False
        pending, transaction, held = self.pending, self._transaction, self._held
        if held is not None and not reliable.blocks_2xx and pending and transaction:
            self._send(pending, transaction, held, now)
        return True

    def on_ack(self, request: SipRequest, now: float) -> bool:
        """Take an ACK for a 2xx; False for a copy, which is absorbed."""
        answer = self._answers.pop(request.cseq, None)
        if answer is None:
            return False
        answer.stop()
        self._core.events.append(AckReceived(self._call, request))
        self._call.requests.send_waiting_bye(now)
        return True

    def on_server_failed(self, transaction: ServerTransaction, now: float) -> None:
        """The connection of the unanswered INVITE is gone."""
        initial = self.pending is self._call.invite_request
        self._end_pending()
        if initial:
            self._call.finish(EndCause.DROPPED, now)

    def _prack_missing(self, _: None, now: float) -> None:
        """64*T1 went by without a PRACK: RFC 3262 §3 has us refuse the INVITE."""
        initial = self.pending is self._call.invite_request
        self._refuse(504, "", now)
        if initial:
            self._call.finish(EndCause.PRACK_TIMED_OUT, now)

    def _ack_missing(self, answer: Answer, now: float) -> None:
        """64*T1 went by without an ACK."""
        answer.stop()
        self._answers = {cseq: each for cseq, each in self._answers.items() if each is not answer}
        call = self._call
        self._core.events.append(AckTimedOut(call))
        if call.state is CallState.CONNECTED:
            # RFC 3261 §13.3.1.4: the dialog is confirmed but the session should be ended by BYE.
            call.requests.hang_up("", EndCause.ACK_TIMED_OUT, now)
        else:
            call.requests.send_waiting_bye(now)
