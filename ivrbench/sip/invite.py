"""InviteCall: one call, as the side that was called or the side that calls (RFC 3261 §12 to §15)."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from .answer import Answer
from .call_state import CALL_TABLE, CallEvent, CallState
from .dialog import Dialog, DialogState
from .events import (
    AckReceived,
    AckTimedOut,
    ByeReceived,
    CallEnded,
    CancelReceived,
    EndCause,
    ProvisionalReceived,
    ReinviteReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from .grammar import Headers, check_headers, check_text, check_token
from .outgoing import OutgoingInvite, dialog_request

if TYPE_CHECKING:
    from .client_transaction import ClientTransaction
    from .core import Core
    from .message import SipRequest, SipResponse
    from .server_transaction import ServerTransaction
    from .transactions import Transactions

__all__ = ["CallState", "InviteCall"]

# RFC 3261 §12.2.1.2, RFC 5057 §5.3: after these answers to a request that renews the dialog it is gone.
_DIALOG_GONE = {"INVITE": (408, 481), "UPDATE": (408, 481)}
_METHODS_OF_THEIR_OWN = frozenset({"INVITE", "ACK", "BYE", "CANCEL"})
GLARE_RETRY_AFTER_S = 10  # RFC 3261 §14.2: Retry-After is chosen between 0 and 10 seconds.


class InviteCall:
    """One call; made by `Endpoint.invite` or delivered by `InviteReceived`.

    All methods take `now` and put messages in the endpoint's `to_send()`. On a call that ended they do nothing,
    but `request` and `reinvite` raise. Headers are (name, value) pairs; CR, LF or NUL in them, or a header the
    core writes itself (Via, From, To, Call-ID, CSeq, Max-Forwards, Content-Length, …), raises LocalProtocolError.

    Attributes:
        state: see `CallState`.
        is_caller: True if we sent the initial INVITE.
        dialog: the dialog; live, so its target and CSeq numbers move on.
        invite_request: the initial INVITE.
        relay_bye: set True to answer a BYE yourself with `respond`.
        owner: free for the user of the endpoint; the core never looks at it.
        ref: weak reference to this call, for what outlives it.
    """

    def __init__(
        self, core: Core, transactions: Transactions, dialog: Dialog, *, is_caller: bool
    ) -> None:
        self.state = CallState.TRYING
        self.is_caller = is_caller
        self.dialog = dialog
        self.invite_request: SipRequest
        self.relay_bye = False
        self.owner: object = None
        self.ref = weakref.ref(self)
        self._core = core
        self._transactions = transactions
        self._forks: dict[str, Dialog] = {}
        self._outgoing: OutgoingInvite | None = None
        self._incoming: SipRequest | None = None
        self._answers: dict[int, Answer] = {}
        self._bye: tuple[str, EndCause] | None = None
        self._end_cause = EndCause.BYE_SENT
        core.calls[dialog.local_tag] = self
        core.watch_flow(dialog.flow, self)

    # ------------------------------------------------------------------ what the user does

    @property
    def invite_pending(self) -> bool:
        """True while an INVITE either way has no final response, so that a re-INVITE of ours must wait."""
        sent = self._outgoing is not None and self._outgoing.pending
        return sent or self._incoming is not None

    def provisional(
        self,
        code: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> None:
        """Send a 1xx to the initial INVITE (101 to 199 make the dialog early)."""
        self.respond(self.invite_request, code, reason, headers, body, content_type, now=now)

    def accept(
        self, headers: Headers = (), body: bytes = b"", content_type: str = "", *, now: float
    ) -> None:
        """Send 200 to the initial INVITE, with our Contact, again and again until its ACK comes.

        Raises:
            LocalProtocolError: it was answered before, or this call is ours.
        """
        self.respond(self.invite_request, 200, "", headers, body, content_type, now=now)

    def reject(self, code: int, reason: str = "", headers: Headers = (), *, now: float) -> None:
        """Send a 3xx to 6xx to the initial INVITE; the call ends."""
        self.respond(self.invite_request, code, reason, headers, now=now)

    def respond(
        self,
        request: SipRequest,
        code: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> None:
        """Answer a request of this call: a re-INVITE, RequestReceived, the BYE when `relay_bye` is set."""
        if self.state is CallState.DISCONNECTED:
            return
        transaction = request.transaction
        if transaction is None:
            raise LocalProtocolError(f"{request.method} was answered before, or is ours")
        check_text(content_type, "content type")
        extra = check_headers(headers)
        if request.method in ("INVITE", "UPDATE") and 100 < code < 300:
            extra = f"Contact: {self.dialog.contact}\r\n{extra}"
        if code >= 200 and code < 300 and request.method == "INVITE":
            extra = f"{extra}{self._core.allow_line}{self._core.supported_line}"
        data = transaction.respond(code, reason, extra, body, content_type, now=now)
        if code >= 200:
            request.transaction = None
        if request.method == "INVITE":
            self._invite_responded(request, transaction, code, data, now)
        elif code >= 200:
            if request.method == "UPDATE" and code < 300:
                self.dialog.refresh_target(request)
            elif request.method == "BYE":
                self._finish(EndCause.BYE_RECEIVED, now)

    def _invite_responded(
        self,
        request: SipRequest,
        transaction: ServerTransaction,
        code: int,
        data: bytes,
        now: float,
    ) -> None:
        initial = request is self.invite_request
        if code < 200:
            if initial and code > 100:
                self._advance(CallEvent.RINGING)
            return
        self._incoming = None
        if code < 300:
            self.dialog.refresh_target(request)
            self._answers[request.cseq] = Answer(
                self._core, transaction, data, not request.body, self._ack_missing, now
            )
            self._advance(CallEvent.ANSWERED)
            self.dialog.state = DialogState.CONFIRMED
        else:
            transaction.owner = None
            if initial:
                self._finish(EndCause.REJECTED, now)

    def request(
        self,
        method: str,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> SipRequest:
        """Send a request within the dialog (not INVITE, ACK, BYE or CANCEL, which have methods of their own).

        Returns:
            the request; the same object comes back in ResponseReceived or RequestTimedOut.

        Raises:
            LocalProtocolError: there is no dialog yet or any more, or the request cannot be sent.
        """
        check_token(method, "method")
        if method in _METHODS_OF_THEIR_OWN:
            raise LocalProtocolError(f"{method} is not sent with request()")
        if self.state not in (CallState.EARLY, CallState.CONNECTED):
            raise LocalProtocolError(f"no {method} in a call that is {self.state}")
        check_text(content_type, "content type")
        return self._send(method, check_headers(headers), body, content_type, now).request

    def _send(
        self, method: str, extra: str, body: bytes, content_type: str, now: float
    ) -> ClientTransaction:
        cseq = self.dialog.take_cseq()
        data, branch, flow = dialog_request(
            self._core, self.dialog, method, cseq, extra, body, content_type
        )
        return self._transactions.add_client(method, branch, data, flow, self, self.ref, now)

    def reinvite(
        self,
        body: bytes = b"",
        headers: Headers = (),
        content_type: str = "application/sdp",
        *,
        now: float,
    ) -> SipRequest:
        """Send a re-INVITE; without body it asks for an offer, and `ack` is then yours to call.

        Raises:
            LocalProtocolError: an INVITE is pending (see `invite_pending`) or the call is not connected.
        """
        if self.state is not CallState.CONNECTED or self.invite_pending:
            raise LocalProtocolError(
                "no re-INVITE now: the call is not up, or an INVITE is pending"
            )
        check_text(content_type, "content type")
        extra = check_headers(headers) + self._core.allow_line + self._core.supported_line
        if self._outgoing is not None:
            # The user never sent the ACK of its last INVITE; the peer must not wait for it any longer.
            self._outgoing.ack(now)
        self._outgoing = OutgoingInvite(
            self, self._transactions, initial=False, auto_ack=bool(body)
        )
        cseq = self.dialog.take_cseq()
        sent = dialog_request(self._core, self.dialog, "INVITE", cseq, extra, body, content_type)
        self._outgoing.send(*sent, now)
        return self._outgoing.transaction.request

    def ack(
        self, body: bytes = b"", content_type: str = "", headers: Headers = (), *, now: float
    ) -> None:
        """Send the ACK to the 2xx of a body-less INVITE of ours; does nothing if no ACK is owed."""
        check_text(content_type, "content type")
        extra = check_headers(headers)
        if self._outgoing is not None and self.state is not CallState.DISCONNECTED:
            self._outgoing.ack(now, extra, body, content_type)

    def bye(self, headers: Headers = (), *, now: float) -> None:
        """Hang up, whatever the state: BYE; before the answer CANCEL (our call) or 487 (theirs).

        RFC 3261 §15: a BYE of the called side waits for the ACK of its 2xx.
        """
        extra = check_headers(headers)
        if self.state is CallState.CONNECTED:
            self._hang_up(extra, EndCause.BYE_SENT, now)
        elif self.state in (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY):
            if self.is_caller:
                self.cancel(headers, now=now)
            else:
                self.respond(self.invite_request, 487, headers=headers, now=now)

    def cancel(self, headers: Headers = (), *, now: float) -> None:
        """Give up our unanswered INVITE or re-INVITE: CANCEL goes out at once, or after the first 1xx.

        If a 2xx to the initial INVITE wins the race the core sends ACK and BYE, without ResponseReceived;
        `CallEnded` comes in every case.
        """
        extra = check_headers(headers)
        if self._outgoing is not None and self._outgoing.pending:
            if self._outgoing.initial:
                self._advance(CallEvent.CANCELLED)
            self._outgoing.cancel(extra, now)

    def drop(self, *, now: float) -> None:
        """Forget the call without sending anything."""
        incoming = self._incoming
        if incoming is not None and incoming.transaction is not None:
            incoming.transaction.stop(now)
        if self._outgoing is not None and self._outgoing.pending:
            self._outgoing.transaction.stop(now)
        self._finish(EndCause.DROPPED, now)

    # ------------------------------------------------------------------ requests from the other side

    def has_dialog(self, request: SipRequest) -> bool:
        """True if `request` belongs to a dialog of this call (its To tag led here)."""
        if request.call_id != self.dialog.call_id:
            return False
        tag = request.from_tag
        return tag == self.dialog.remote_tag or tag in self._forks

    def on_invite(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Take the initial INVITE; the called side's first step."""
        self.invite_request = self._incoming = request
        transaction.owner = self
        transaction.call = self.ref
        transaction.respond(100, now=now)

    def on_request(self, request: SipRequest, now: float) -> None:
        """Take a request within the dialog; its transaction was just made."""
        transaction = request.transaction
        assert transaction is not None, "the endpoint makes it before it comes here"
        transaction.call = self.ref
        dialog = self._forks.get(request.from_tag, self.dialog)
        if request.cseq <= dialog.remote_cseq:
            # RFC 3261 §12.2.2: out of order.
            transaction.respond(500, "CSeq out of order", now=now)
            return
        dialog.remote_cseq = request.cseq
        if request.method == "INVITE":
            self._on_reinvite(request, transaction, now)
        elif request.method == "BYE":
            self._on_bye(request, transaction, now)
        else:
            self._core.events.append(RequestReceived(self, request))

    def _on_reinvite(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        if self._incoming is not None:
            # RFC 3261 §14.2: an INVITE before the answer to the last one.
            wait_s = self._core.tokens.below(GLARE_RETRY_AFTER_S + 1)
            transaction.respond(500, extra=f"Retry-After: {wait_s}\r\n", now=now)
        elif self.invite_pending or any(answer.wants_sdp for answer in self._answers.values()):
            # RFC 3261 §14.2: our own INVITE is pending; RFC 5407 §3.1.5: so is an answer in an ACK.
            transaction.respond(491, now=now)
        elif self.state is not CallState.CONNECTED:
            transaction.respond(481, now=now)
        else:
            self._incoming = request
            transaction.owner = self
            transaction.respond(100, now=now)
            self._core.events.append(ReinviteReceived(self, request))

    def _on_bye(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        self._refuse_pending_invite(now)
        if self.relay_bye and self.state is CallState.CONNECTED:
            self._advance(CallEvent.HUNG_UP)
            self._core.events.append(ByeReceived(self, request))
            return
        transaction.respond(200, now=now)
        request.transaction = None
        self._core.events.append(ByeReceived(self, request))
        self._finish(EndCause.BYE_RECEIVED, now)

    def _refuse_pending_invite(self, now: float) -> None:
        """RFC 3261 §15.1.2: what is pending when a dialog ends is answered 487."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None and incoming.transaction is not None:
            incoming.transaction.owner = None
            incoming.transaction.respond(487, now=now)
            incoming.transaction = None

    def on_cancel(self, request: SipRequest, now: float) -> None:
        """Take a CANCEL of the unanswered INVITE; the CANCEL itself was answered."""
        initial = self._incoming is self.invite_request
        self._refuse_pending_invite(now)
        self._core.events.append(CancelReceived(self, request))
        if initial:
            self._advance(CallEvent.CANCELLED)
            self._finish(EndCause.CANCEL_RECEIVED, now)

    def on_ack(self, request: SipRequest, now: float) -> bool:
        """Take an ACK for a 2xx; False for a copy, which is absorbed."""
        answer = self._answers.pop(request.cseq, None)
        if answer is None:
            return False
        answer.stop()
        self._core.events.append(AckReceived(self, request))
        self._send_waiting_bye(now)
        return True

    def on_server_failed(self, transaction: ServerTransaction, now: float) -> None:
        """The connection of an unanswered INVITE is gone."""
        initial = self._incoming is self.invite_request
        self._incoming = None
        if initial:
            self._finish(EndCause.DROPPED, now)

    def on_flow_failed(self, now: float) -> None:
        """The connection of the dialog is gone; the next request finds its own way."""
        for dialog in (self.dialog, *self._forks.values()):
            dialog.flow_lost = True

    # ------------------------------------------------------------------ responses to our requests

    def start(self, data: bytes, branch: str, *, auto_ack: bool, now: float) -> None:
        """Send the initial INVITE; the calling side's first step."""
        self._outgoing = OutgoingInvite(self, self._transactions, initial=True, auto_ack=auto_ack)
        self._outgoing.send(data, branch, self.dialog.flow, now)
        self.invite_request = self._outgoing.transaction.request

    def on_provisional(self, outgoing: OutgoingInvite, response: SipResponse, now: float) -> None:
        """A 1xx to an INVITE of ours."""
        if self.state is CallState.DISCONNECTED:
            return
        if outgoing.initial:
            if response.to_tag and response.code > 100:
                fork = self._fork(response)
                if self.state is not CallState.CONNECTED and not self.dialog.remote_tag:
                    self.dialog = fork
                self._advance(CallEvent.RINGING)
            else:
                self._advance(CallEvent.TRYING)
        request = outgoing.transaction.request
        self._core.events.append(ProvisionalReceived(self, request, response))

    def _fork(self, response: SipResponse) -> Dialog:
        """The early dialog with the peer of `response`; a new one for a tag not seen yet."""
        fork = self._forks.get(response.to_tag)
        if fork is None:
            fork = self._forks[response.to_tag] = self.dialog.fork(response)
        return fork

    def on_answered(self, outgoing: OutgoingInvite, response: SipResponse, now: float) -> None:
        """The first copy of a 2xx to an INVITE of ours."""
        if outgoing.initial:
            dialog = self._fork(response)
            dialog.state = DialogState.CONFIRMED
            dialog.refresh_target(response)
            # RFC 3261 §13.2.2.4: the route set is that of the 2xx, whatever the 1xx said.
            dialog.route_set = response.record_routes[::-1]
            if self.state is CallState.CANCELLING:
                self._lose_race(outgoing, dialog, now)
                return
            if self.state not in (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY):
                outgoing.release(dialog, now)
                return
            self.dialog = dialog
            self._forks.clear()
            self._advance(CallEvent.ANSWERED)
        else:
            self.dialog.refresh_target(response)
        outgoing.answered(self.dialog, now)
        request = outgoing.transaction.request
        if self.state is not CallState.DISCONNECTED:
            self._core.events.append(ResponseReceived(self, request, response))

    def _lose_race(self, outgoing: OutgoingInvite, dialog: Dialog, now: float) -> None:
        """A 2xx passed our CANCEL on its way: confirm it and hang up."""
        self.dialog = dialog
        self._forks.clear()
        outgoing.answered(dialog, now)
        self._hang_up("", EndCause.CANCEL_SENT, now)

    def on_refused(
        self, outgoing: OutgoingInvite, response: SipResponse, timed_out: bool, now: float
    ) -> None:
        """A 3xx to 6xx to an INVITE of ours, or none at all."""
        if self.state is CallState.DISCONNECTED:
            return
        event = RequestTimedOut if timed_out else ResponseReceived
        self._core.events.append(event(self, outgoing.transaction.request, response))
        if not outgoing.initial:
            self._after_refusal("INVITE", response.code, now)
        elif outgoing.cancelled:
            self._finish(EndCause.CANCEL_SENT, now)
        else:
            self._finish(EndCause.TIMED_OUT if timed_out else EndCause.REFUSED, now)

    def _after_refusal(self, method: str, code: int, now: float) -> None:
        if code in _DIALOG_GONE.get(method, (481,)) and self.state is CallState.CONNECTED:
            self._hang_up("", EndCause.BYE_SENT, now)

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """A response to a request of ours that was no INVITE."""
        if self.state is CallState.DISCONNECTED:
            return
        if response.code < 200:
            event = ProvisionalReceived(self, transaction.request, response)
            self._core.events.append(event)
            return
        self._core.events.append(ResponseReceived(self, transaction.request, response))
        if transaction.method == "BYE":
            self._finish(self._end_cause, now)
        elif response.code >= 300:
            self._after_refusal(transaction.method, response.code, now)
        elif transaction.method == "UPDATE":
            self.dialog.refresh_target(response)

    def on_no_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """A request of ours that was no INVITE timed out, or its flow failed."""
        if self.state is CallState.DISCONNECTED:
            return
        self._core.events.append(RequestTimedOut(self, transaction.request, response))
        if transaction.method == "BYE":
            self._finish(self._end_cause, now)
        else:
            self._after_refusal(transaction.method, response.code, now)

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """Nothing is kept per request."""

    # ------------------------------------------------------------------ the end

    def _ack_missing(self, answer: Answer, now: float) -> None:
        """64*T1 went by without an ACK."""
        answer.stop()
        self._answers = {cseq: a for cseq, a in self._answers.items() if a is not answer}
        self._core.events.append(AckTimedOut(self))
        # RFC 3261 §13.3.1.4: the dialog is confirmed but the session should be ended by BYE.
        if self.state is CallState.CONNECTED:
            self._hang_up("", EndCause.ACK_TIMED_OUT, now)
        else:
            self._send_waiting_bye(now)

    def _hang_up(self, extra: str, cause: EndCause, now: float) -> None:
        self._advance(CallEvent.HUNG_UP)
        self._refuse_pending_invite(now)
        self._bye = (extra, cause)
        self._send_waiting_bye(now)

    def _send_waiting_bye(self, now: float) -> None:
        # RFC 3261 §15: no BYE before the ACK of our 2xx came or its time is over.
        if self._bye is None or self._answers:
            return
        (extra, self._end_cause), self._bye = self._bye, None
        if self._outgoing is not None:
            self._outgoing.ack(now)
        self._send("BYE", extra, b"", "", now)

    def _advance(self, event: CallEvent) -> None:
        self.state = CALL_TABLE[self.state].get(event, self.state)

    def _finish(self, cause: EndCause, now: float) -> None:
        if self.state is CallState.DISCONNECTED:
            return
        self._advance(CallEvent.ENDED)
        self.dialog.state = DialogState.TERMINATED
        for answer in self._answers.values():
            answer.stop()
        self._answers.clear()
        self._forks.clear()
        if self._outgoing is not None:
            # An INVITE of a dialog that is no more would otherwise wait for its answer for ever.
            self._outgoing.cancel("", now)
        self._core.calls.pop(self.dialog.local_tag, None)
        self._core.unwatch_flow(self.dialog.flow, self)
        self._core.events.append(CallEnded(self, cause))

    def __repr__(self) -> str:
        side = "caller" if self.is_caller else "called"
        return f"<InviteCall {self.dialog.call_id} {side} {self.state}>"
