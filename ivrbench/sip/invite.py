"""InviteCall: one call, on the called or the calling side (RFC 3261 §12 to §15)."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from .call_state import CALL_TABLE, CallEvent, CallState
from .dialog import Dialog, DialogState
from .events import (
    ByeReceived,
    CallEnded,
    EndCause,
    ProvisionalReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from .grammar import Headers, check_headers, check_text, check_token
from .incoming import IncomingInvites
from .outgoing import OutgoingInvite, dialog_request

if TYPE_CHECKING:
    from .client_transaction import ClientTransaction
    from .core import Core
    from .message import SipRequest, SipResponse
    from .server_transaction import ServerTransaction
    from .transactions import Transactions

__all__ = ["CallState", "InviteCall"]

# RFC 3261 §12.2.1.2, RFC 5057 §5.3: after these answers to a request that renews the dialog it is
# gone.
_DIALOG_GONE = {"INVITE": (408, 481), "UPDATE": (408, 481)}
_METHODS_OF_THEIR_OWN = frozenset({"INVITE", "ACK", "BYE", "CANCEL"})


class InviteCall:
    """One call; made by `Endpoint.invite` or delivered by `InviteReceived`.

    All methods take `now` and put messages in the endpoint's `to_send()`. On a call that ended they
    do nothing, but `request` and `reinvite` raise. Headers are (name, value) pairs; CR, LF or NUL
    in them, or a header the core writes itself (Via, From, To, Call-ID, CSeq, Max-Forwards,
    Content-Length, …), raises LocalProtocolError.

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
        self._outgoing: OutgoingInvite | None = None
        self._incoming = IncomingInvites(self, core)
        self._bye: tuple[str, EndCause] | None = None
        self._end_cause = EndCause.BYE_SENT
        core.calls[dialog.local_tag] = self
        core.watch_flow(dialog.flow, self)

    @property
    def invite_pending(self) -> bool:
        """True while an INVITE either way has no final response, so that a re-INVITE of ours must
        wait.
        """
        sent = self._outgoing is not None and self._outgoing.pending
        return sent or self._incoming.pending is not None

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
        """Answer a re-INVITE, what RequestReceived brought, or the BYE when `relay_bye` is set."""
        if self.state is CallState.DISCONNECTED:
            return
        transaction = request.transaction
        if transaction is None:
            raise LocalProtocolError(f"{request.method} was answered before, or is ours")
        check_text(content_type, "content type")
        extra = check_headers(headers)
        own_contact = any(name.lower() in ("contact", "m") for name, _ in headers)
        if 100 < code < 300 and request.method in ("INVITE", "UPDATE") and not own_contact:
            extra = f"Contact: {self.dialog.contact}\r\n{extra}"
        if 200 <= code < 300 and request.method == "INVITE":
            extra = f"{extra}{self._core.allow_line}{self._core.supported_line}"
        data = transaction.respond(code, reason, extra, body, content_type, now=now)
        if code >= 200:
            request.transaction = None
        if request.method == "INVITE":
            self._incoming.responded(request, transaction, code, data, now)
        elif code >= 200:
            if request.method == "UPDATE" and code < 300:
                self.dialog.refresh_target(request)
            elif request.method == "BYE":
                self.finish(EndCause.BYE_RECEIVED, now)

    def request(
        self,
        method: str,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
    ) -> SipRequest:
        """Send a request within the dialog (not INVITE, ACK, BYE or CANCEL, which have methods of
        their own).

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
            LocalProtocolError: an INVITE is pending (see `invite_pending`) or the call is not
                connected.
        """
        if self.state is not CallState.CONNECTED or self.invite_pending:
            raise LocalProtocolError(
                "no re-INVITE now: the call is not up, or an INVITE is pending"
            )
        check_text(content_type, "content type")
        extra = check_headers(headers) + self._core.allow_line + self._core.supported_line
        if self._outgoing is not None:
            # The user never sent the ACK of its last INVITE; the peer must not wait for it any
            # longer.
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
            self.hang_up(extra, EndCause.BYE_SENT, now)
        elif self.state in (CallState.TRYING, CallState.PROCEEDING, CallState.EARLY):
            if self.is_caller:
                self.cancel(headers, now=now)
            else:
                self.respond(self.invite_request, 487, headers=headers, now=now)

    def cancel(self, headers: Headers = (), *, now: float) -> None:
        """Give up our unanswered INVITE or re-INVITE: CANCEL goes out at once, or after the first
        1xx.

        If a 2xx to the initial INVITE wins the race the core sends ACK and BYE, without
        ResponseReceived; `CallEnded` comes in every case.
        """
        extra = check_headers(headers)
        if self._outgoing is not None and self._outgoing.pending:
            if self._outgoing.initial:
                self.advance(CallEvent.CANCELLED)
            self._outgoing.cancel(extra, now)

    def drop(self, *, now: float) -> None:
        """Forget the call without sending anything."""
        self._incoming.drop(now)
        if self._outgoing is not None and self._outgoing.pending:
            self._outgoing.transaction.stop(now)
        self.finish(EndCause.DROPPED, now)

    def has_dialog(self, request: SipRequest) -> bool:
        """True if `request` belongs to a dialog of this call (its To tag led here)."""
        if request.call_id != self.dialog.call_id:
            return False
        tag = request.from_tag
        return tag == self.dialog.remote_tag or tag in self._forks()

    def _forks(self) -> dict[str, Dialog]:
        """The early dialogs of our initial INVITE, by remote tag."""
        return self._outgoing.forks if self._outgoing is not None else {}

    def on_invite(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Take the initial INVITE; the called side's first step."""
        self.invite_request = request
        self._incoming.take(request, transaction, now)

    def on_request(self, request: SipRequest, now: float) -> None:
        """Take a request within the dialog; its transaction was just made."""
        transaction = request.transaction
        assert transaction is not None, "the endpoint makes it before it comes here"
        transaction.call = self.ref
        dialog = self._forks().get(request.from_tag, self.dialog)
        if request.cseq <= dialog.remote_cseq:
            # RFC 3261 §12.2.2: out of order.
            transaction.respond(500, "CSeq out of order", now=now)
            return
        dialog.remote_cseq = request.cseq
        if request.method == "BYE" and dialog is not self.dialog:
            # One branch of a forked call went away; the others may still answer.
            del self._forks()[request.from_tag]
            transaction.respond(200, now=now)
        elif request.method == "INVITE":
            self._incoming.take_reinvite(request, transaction, now)
        elif request.method == "BYE":
            self._on_bye(request, transaction, now)
        else:
            self._core.events.append(RequestReceived(self, request))

    def _on_bye(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        self._incoming.refuse_pending(now)
        if self.relay_bye and self.state is CallState.CONNECTED:
            self.advance(CallEvent.HUNG_UP)
            self._core.events.append(ByeReceived(self, request))
            return
        transaction.respond(200, now=now)
        request.transaction = None
        self._core.events.append(ByeReceived(self, request))
        self.finish(EndCause.BYE_RECEIVED, now)

    def on_ack(self, request: SipRequest, now: float) -> bool:
        """Take an ACK within the dialog; False for a copy."""
        return self._incoming.on_ack(request, now)

    def on_flow_failed(self, now: float) -> None:
        """The connection of the dialog is gone; the next request finds its own way."""
        for dialog in (self.dialog, *self._forks().values()):
            dialog.flow_lost = True

    def start(self, data: bytes, branch: str, *, auto_ack: bool, now: float) -> None:
        """Send the initial INVITE; the calling side's first step."""
        self._outgoing = OutgoingInvite(self, self._transactions, initial=True, auto_ack=auto_ack)
        self._outgoing.send(data, branch, self.dialog.flow, now)
        self.invite_request = self._outgoing.transaction.request

    def after_refusal(self, method: str, code: int, now: float) -> None:
        """Hang up after an answer that says the dialog is gone."""
        if code in _DIALOG_GONE.get(method, (481,)) and self.state is CallState.CONNECTED:
            self.hang_up("", EndCause.BYE_SENT, now)

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
            self.finish(self._end_cause, now)
        elif response.code >= 300:
            self.after_refusal(transaction.method, response.code, now)
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
            self.finish(self._end_cause, now)
        else:
            self.after_refusal(transaction.method, response.code, now)

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """Nothing is kept per request."""

    def hang_up(self, extra: str, cause: EndCause, now: float) -> None:
        """End a call that is up, or a race that was lost; `cause` is for CallEnded."""
        self.advance(CallEvent.HUNG_UP)
        self._incoming.refuse_pending(now)
        self._bye = (extra, cause)
        self.send_waiting_bye(now)

    def send_waiting_bye(self, now: float) -> None:
        """Send the BYE that is due, unless an ACK must come first."""
        # RFC 3261 §15: no BYE before the ACK of our 2xx came or its time is over.
        if self._bye is None or self._incoming.unacknowledged:
            return
        (extra, self._end_cause), self._bye = self._bye, None
        if self._outgoing is not None:
            self._outgoing.ack(now)
        self._send("BYE", extra, b"", "", now)

    def advance(self, event: CallEvent) -> None:
        """Step the call machine; what the state has no use for changes nothing."""
        self.state = CALL_TABLE[self.state].get(event, self.state)

    def finish(self, cause: EndCause, now: float) -> None:
        """The end, once: forget everything and tell."""
        if self.state is CallState.DISCONNECTED:
            return
        self.advance(CallEvent.ENDED)
        self.dialog.state = DialogState.TERMINATED
        self._incoming.stop()
        if self._outgoing is not None:
            # An INVITE of a dialog that is no more would otherwise wait for its answer for ever.
            self._outgoing.cancel("", now)
        self._core.calls.pop(self.dialog.local_tag, None)
        self._core.unwatch_flow(self.dialog.flow, self)
        self._core.events.append(CallEnded(self, cause))

    def __repr__(self) -> str:
        side = "caller" if self.is_caller else "called"
        return f"<InviteCall {self.dialog.call_id} {side} {self.state}>"
