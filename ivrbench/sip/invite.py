"""InviteCall: one call, on the called or the calling side (RFC 3261 §12 to §15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from .call_state import CALL_TABLE, CallEvent, CallState
from .dialog import Dialog, DialogState
from .events import CallEnded, EndCause
from .grammar import Headers, check_headers, check_text, check_token
from .incoming import IncomingInvites
from .outgoing import UNANSWERED, OutgoingInvite
from .reply import Reply
from .requests import CallRequests
from .sending import Draft
from .trace import CallLabel

if TYPE_CHECKING:
    from .auth import DigestClient
    from .core import Core
    from .flow import Flow
    from .message import SipRequest, SipResponse
    from .server_transaction import ServerTransaction
    from .transactions import Transactions

__all__ = ["CallState", "InviteCall"]

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
        replaces: the call this one takes the place of (RFC 3891), hung up once this one is
            answered; None for nearly every call. Set None to keep both.
        owner: free for the user of the endpoint; the core never looks at it.
        label: what the trace says of its messages; name it as you like.
        auth, incoming, requests: the core's own.
    """

    def __init__(
        self,
        core: Core,
        transactions: Transactions,
        dialog: Dialog,
        auth: DigestClient | None,
        *,
        is_caller: bool,
    ) -> None:
        self.state = CallState.TRYING
        self.is_caller = is_caller
        self.dialog = dialog
        self.invite_request: SipRequest
        self.relay_bye = False
        self.replaces: InviteCall | None = None
        self.owner: object = None
        self.label = CallLabel()
        self.auth = auth
        self.incoming = IncomingInvites(self, core)
        self.requests = CallRequests(self, core, transactions)
        self._core = core
        self._transactions = transactions
        self._outgoing: OutgoingInvite | None = None
        core.calls[dialog.local_tag] = self
        self._watched: set[Flow] = set()
        self.watch({dialog.flow})

    @property
    def invite_sent(self) -> bool:
        """True while an INVITE of ours has no final response."""
        return self._outgoing is not None and self._outgoing.pending

    @property
    def invite_pending(self) -> bool:
        """True while an INVITE either way has no final response, or ours waits to go out again, so
        that a re-INVITE of ours must wait.
        """
        waiting = self._outgoing is not None and bool(self._outgoing.waiting)
        return self.invite_sent or waiting or self.incoming.pending is not None

    @property
    def offer_sent(self) -> bool:
        """True while an offer of ours has no answer (RFC 3264 §4)."""
        outgoing = self._outgoing is not None and self._outgoing.offer_sent
        return outgoing or self.incoming.offer_sent or self.requests.offer_sent

    @property
    def offer_received(self) -> bool:
        """True while we owe the answer to an offer."""
        outgoing = self._outgoing is not None and self._outgoing.offer_received
        return outgoing or self.incoming.offer_received or self.requests.offer_received

    @property
    def outgoing(self) -> OutgoingInvite | None:
        """Our last INVITE; the core's own."""
        return self._outgoing

    @property
    def forks(self) -> dict[str, Dialog]:
        """The early dialogs of our unanswered call, one for each phone it reached, by remote
        tag.
        """
        return self._outgoing.forks if self._outgoing is not None else {}

    def provisional(
        self,
        code: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        reliable: bool | None = None,
        now: float,
    ) -> None:
        """Send a 1xx to the initial INVITE (101 to 199 make the dialog early); see `respond`."""
        request = self.invite_request
        self.respond(request, code, reason, headers, body, content_type, reliable=reliable, now=now)

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
        reliable: bool | None = None,
        now: float,
    ) -> None:
        """Answer a re-INVITE, what RequestReceived brought, or the BYE when `relay_bye` is set.

        A 2xx waits by itself for the PRACK of a provisional response with a description.

        Args:
            request: what to answer.
            code, reason, headers, body, content_type: of the response.
            reliable: a 1xx to an INVITE is repeated until its PRACK (RFC 3262)? None: if the caller
                wants it so, or knows how and there is a body.
            now: the time.

        Raises:
            LocalProtocolError: it was answered before, is ours, or `reliable` is True and the
                caller does not know how.
        """
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
        reply = Reply(code, reason, extra, body, content_type)
        if request.method == "INVITE":
            self.incoming.respond(request, transaction, reply, reliable, now)
        else:
            self.requests.respond(request, transaction, reply, now)
        self.requests.describe(body, content_type)

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
        extra = check_headers(headers)
        if method == "UPDATE":
            if body and (self.offer_sent or self.offer_received):
                # RFC 3311 §5.1.
                raise LocalProtocolError("no UPDATE with an offer while another has no answer")
            extra += self.requests.request_lines()
            self.requests.describe(body, content_type)
        return self.requests.send(Draft(method, extra, body, content_type), now).request

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
        draft = Draft("INVITE", extra, body, content_type)
        self._outgoing = OutgoingInvite(self, self._transactions, draft, initial=False)
        self._outgoing.send(now)
        self.requests.describe(body, content_type)
        return self._outgoing.request

    def ack(
        self, body: bytes = b"", content_type: str = "", headers: Headers = (), *, now: float
    ) -> None:
        """Send the ACK to the 2xx of a body-less INVITE of ours; does nothing if no ACK is owed."""
        check_text(content_type, "content type")
        extra = check_headers(headers)
        if self._outgoing is not None and self.state is not CallState.DISCONNECTED:
            self._outgoing.ack(now, extra, body, content_type)
            self.requests.describe(body, content_type)

    def prack(
        self,
        response: SipResponse,
        body: bytes,
        content_type: str = "application/sdp",
        headers: Headers = (),
        *,
        now: float,
    ) -> None:
        """Acknowledge a reliable 1xx that holds the offer, with our answer; does nothing if none is
        owed. All others are acknowledged by the core.
        """
        check_text(content_type, "content type")
        draft = Draft("PRACK", check_headers(headers), body, content_type)
        if self._outgoing is not None and self._outgoing.prack(response, draft, now):
            self.requests.describe(body, content_type)

    def follow(self, flow: Flow | None, uri: str = "", target: str = "", *, now: float) -> None:
        """Call the target that `Redirected` named, on the flow that leads there.

        Args:
            flow: where the next hop is; None: nowhere, so the next target is tried, if any.
            uri: the target it leads to; "": the one that was named first.
            target: Request-URI, if that is another one.
            now: the time.
        """
        outgoing = self._outgoing
        if outgoing is None or not outgoing.initial or self.state not in UNANSWERED:
            return
        named = (each for each in outgoing.waiting if uri in ("", each.seed.remote_target))
        branch = next(named, None)
        if branch is not None:
            branch.follow(flow, target, now)

    def bye(self, headers: Headers = (), *, now: float) -> None:
        """Hang up, whatever the state: BYE; before the answer CANCEL (our call) or 487 (theirs).

        RFC 3261 §15: a BYE of the called side waits for the ACK of its 2xx.
        """
        extra = check_headers(headers)
        if self.state is CallState.CONNECTED:
            self.requests.hang_up(extra, EndCause.BYE_SENT, now)
        elif self.state in UNANSWERED:
            if self.is_caller:
                self.cancel(headers, now=now)
            else:
                self.incoming.give_up(extra, now)

    def cancel(self, headers: Headers = (), *, now: float) -> None:
        """Give up our unanswered INVITE or re-INVITE: CANCEL goes out at once, or after the first
        1xx.

        If a 2xx to the initial INVITE wins the race the core sends ACK and BYE, without
        ResponseReceived; `CallEnded` comes in every case.
        """
        extra = check_headers(headers)
        if self._outgoing is not None:
            self._outgoing.cancel(extra, now)

    def drop(self, *, now: float) -> None:
        """Forget the call without sending anything."""
        self.incoming.drop(now)
        self.requests.drop(now)
        if self._outgoing is not None:
            self._outgoing.stop(now)
        self.finish(EndCause.DROPPED, now)

    def has_dialog(self, call_id: str, remote_tag: str) -> bool:
        """True if a dialog of this call is meant; our tag led here."""
        if call_id != self.dialog.call_id:
            return False
        return remote_tag == self.dialog.remote_tag or remote_tag in self.forks

    def on_invite(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Take the initial INVITE; the called side's first step."""
        self.invite_request = request
        self.incoming.take(request, transaction, now)

    def on_ack(self, request: SipRequest, now: float) -> bool:
        """Take an ACK within the dialog; False for a copy."""
        return self.incoming.on_ack(request, now)

    def watch(self, flows: set[Flow]) -> None:
        """Watch these connections, and no other."""
        self._core.watch_flows(self._watched, flows, self)
        self._watched = flows

    def on_flow_failed(self, flow: Flow, now: float) -> None:
        """The connection of a dialog is gone; the next request finds its own way."""
        seeds = self._outgoing.seeds if self._outgoing is not None else ()
        for dialog in (self.dialog, *self.forks.values(), *seeds):
            dialog.flow_lost = dialog.flow_lost or dialog.flow == flow

    def start(self, draft: Draft, now: float) -> None:
        """Send the initial INVITE; the calling side's first step."""
        self._outgoing = OutgoingInvite(self, self._transactions, draft, initial=True)
        self._outgoing.send(now)
        self.requests.describe(draft.body, draft.content_type)
        self.invite_request = self._outgoing.request

    def answered(self, now: float) -> None:
        """A 2xx of ours to an INVITE went out."""
        self.advance(CallEvent.ANSWERED)
        self.dialog.state = DialogState.CONFIRMED
        if self._outgoing is not None:
            for branch in self._outgoing.waiting:
                branch.retry.overtaken()
        replaced, self.replaces = self.replaces, None
        if replaced is not None:
            # RFC 3891 §3: BYE for one that is up, CANCEL for one of ours that rings.
            replaced.bye(now=now)

    def advance(self, event: CallEvent) -> None:
        """Step the call machine; what the state has no use for changes nothing."""
        self.state = CALL_TABLE[self.state].get(event, self.state)

    def finish(self, cause: EndCause, now: float) -> None:
        """The end, once: forget everything and tell."""
        if self.state is CallState.DISCONNECTED:
            return
        self.advance(CallEvent.ENDED)
        self.dialog.state = DialogState.TERMINATED
        self.incoming.stop()
        self.requests.stop(now)
        if self._outgoing is not None:
            # An INVITE of a dialog that is no more would otherwise wait for its answer for ever.
            self._outgoing.cancel("", now)
        if self._core.calls.get(self.dialog.local_tag) is self:
            del self._core.calls[self.dialog.local_tag]
        self.watch(set())
        self._core.events.append(CallEnded(self, cause))

    def __repr__(self) -> str:
        side = "caller" if self.is_caller else "called"
        return f"<InviteCall {self.dialog.call_id} {side} {self.state}>"
