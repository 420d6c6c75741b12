"""CallRequests: what is asked within one call, either way, INVITE and its ACK and CANCEL apart (RFC
3261 §12.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError
from .call_state import CallEvent, CallState
from .events import (
    ByeReceived,
    EndCause,
    ProvisionalReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from .refer import parse_refer_to
from .sending import Draft, OutgoingRequest
from .session_timer import SessionTimer, too_small

if TYPE_CHECKING:
    from .core import Core
    from .grammar import Headers
    from .invite import InviteCall
    from .message import SipMessage, SipRequest, SipResponse
    from .reply import Reply
    from .server_transaction import ServerTransaction
    from .transactions import Transactions

__all__ = ["GLARE_RETRY_AFTER_S", "CallRequests", "event_package"]

# RFC 3261 §12.2.1.2, RFC 5057 §5.3: after these answers to a request that renews the dialog it is
# gone.
_DIALOG_GONE = {"INVITE": (408, 481), "UPDATE": (408, 481)}
# RFC 5057 §4.5: what is refused there is the subscription, not the call.
_USAGES_OF_THEIR_OWN = ("NOTIFY", "SUBSCRIBE")
GLARE_RETRY_AFTER_S = 10  # RFC 3261 §14.2, RFC 3311 §5.2: chosen between 0 and 10 seconds.


class CallRequests:
    """The requests of one call, INVITE apart.

    Args:
        call: the call.
        core: the endpoint's shared state.
        transactions: the endpoint's.
    """

    __slots__ = (
        "_bye",
        "_call",
        "_core",
        "_description",
        "_end_cause",
        "_open",
        "_referrals",
        "_sent",
        "_session",
        "_transactions",
        "_update",
    )

    def __init__(self, call: InviteCall, core: Core, transactions: Transactions) -> None:
        self._call = call
        self._core = core
        self._transactions = transactions
        self._end_cause = EndCause.BYE_SENT
        self._update: SipRequest | None = None
        self._open: dict[SipRequest, None] | None = None
        self._session: SessionTimer | None = None
        self._sent: OutgoingRequest | None = None
        self._referrals = 0
        self._bye: tuple[str, EndCause] | None = None
        self._description = b""

    @property
    def session(self) -> SessionTimer:
        """The session timer, made when first needed."""
        if self._session is None:
            self._session = SessionTimer(self._core, self.refresh, self.expire)
        return self._session

    def is_timed(self, message: SipMessage) -> bool:
        """True if `message` and its answer concern the session timer; most calls have none."""
        wish_s = self._core.settings.session_expires_s
        return self._session is not None or wish_s > 0 or message.has("session-expires")

    def answer_lines(self, request: SipRequest) -> str:
        """What the session timer adds to our 2xx to an INVITE or UPDATE."""
        return self.session.answer_lines(request) if self.is_timed(request) else ""

    def answered(self, request: SipRequest, now: float) -> None:
        """Our 2xx to an INVITE or UPDATE was sent."""
        if self.is_timed(request):
            self.session.answered(request, now)

    def request_lines(self) -> str:
        """What the session timer adds to an INVITE or UPDATE of ours."""
        timed = self._session is not None or self._core.settings.session_expires_s > 0
        return self.session.request_lines() if timed else ""

    def confirmed(self, response: SipResponse, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours came."""
        if self.is_timed(response):
            self.session.confirmed(response, now)

    @property
    def offer_sent(self) -> bool:
        """True while the offer in an UPDATE of ours has no answer."""
        return self._sent is not None

    @property
    def offer_received(self) -> bool:
        """True while an UPDATE with an offer waits for our answer."""
        return self._update is not None and bool(self._update.body)

    def send(self, draft: Draft, now: float) -> OutgoingRequest:
        """Send a request; the call's events tell its outcome."""
        call = self._call
        sent = OutgoingRequest(
            self._transactions, call.dialog, draft, self, call.auth, call.label
        ).send(now)
        if draft.method == "UPDATE" and draft.body:
            self._sent = sent
        elif draft.method == "REFER":
            self._referrals += 1
        return sent

    def hang_up(self, extra: str, cause: EndCause, now: float) -> None:
        """End a call that is up, or a race that was lost; `cause` is for CallEnded."""
        call = self._call
        call.advance(CallEvent.HUNG_UP)
        call.incoming.refuse_pending(now)
        self._bye = (extra, cause)
        self.send_waiting_bye(now)

    def send_waiting_bye(self, now: float) -> None:
        """Send the BYE that is due, unless an ACK must come first."""
        call = self._call
        # RFC 3261 §15: no BYE before the ACK of our 2xx came or its time is over.
        if self._bye is None or call.incoming.unacknowledged:
            return
        (extra, self._end_cause), self._bye = self._bye, None
        if call.outgoing is not None:
            call.outgoing.ack(now)
        self.send(Draft("BYE", extra), now)

    def describe(self, body: bytes, content_type: str) -> None:
        """Remember our newest description: a re-INVITE that only refreshes repeats it."""
        if body and content_type.startswith("application/sdp"):
            self._description = body

    def refresh(self, method: str, now: float) -> bool:
        """The session timer's wish: send an UPDATE or re-INVITE; False if this is not the
        moment.
        """
        call = self._call
        moment = not (call.invite_pending or call.offer_sent or call.offer_received)
        if call.state is not CallState.CONNECTED or not moment:
            return False
        if method == "INVITE" and self._description:
            call.reinvite(self._description, now=now)
        else:
            self.send(Draft("UPDATE", self.request_lines()), now)
        return True

    def expire(self, now: float) -> None:
        """The session timer's other wish: nobody refreshed it."""
        if self._call.state is CallState.CONNECTED:
            self.hang_up("", EndCause.SESSION_EXPIRED, now)

    def after_refusal(self, method: str, response: SipResponse, now: float) -> None:
        """Hang up after an answer that says the dialog is gone."""
        if self._call.state is not CallState.CONNECTED:
            return
        if method in _USAGES_OF_THEIR_OWN:
            return
        if response.code in _DIALOG_GONE.get(method, (481,)):
            self.hang_up("", EndCause.BYE_SENT, now)
        elif method in _DIALOG_GONE and self._session is not None:
            self.session.refused(method, response, now)

    def on_response(self, sent: OutgoingRequest, response: SipResponse, now: float) -> None:
        """A response to a request of ours."""
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        if response.code < 200:
            self._core.events.append(ProvisionalReceived(call, sent.request, response))
            return
        self._settle(sent, response.code)
        self._core.events.append(ResponseReceived(call, sent.request, response))
        if sent.method == "BYE":
            call.finish(self._end_cause, now)
        elif response.code >= 300:
            self.after_refusal(sent.method, response, now)
        elif sent.method == "UPDATE":
            call.dialog.refresh_target(response)
            self.confirmed(response, now)

    def on_no_response(self, sent: OutgoingRequest, response: SipResponse, now: float) -> None:
        """A request of ours timed out, or its flow failed."""
        call = self._call
        if call.state is CallState.DISCONNECTED:
            return
        self._settle(sent, response.code)
        self._core.events.append(RequestTimedOut(call, sent.request, response))
        if sent.method == "BYE":
            call.finish(self._end_cause, now)
        else:
            self.after_refusal(sent.method, response, now)

    def _settle(self, sent: OutgoingRequest, code: int) -> None:
        if sent is self._sent:
            self._sent = None
        elif sent.method == "REFER" and code >= 300:
            self._referrals -= 1

    def take(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Take a request of the other side; its transaction was just made."""
        call = self._call
        transaction.call = call.label
        dialog = call.forks.get(request.from_tag, call.dialog)
        if request.cseq <= dialog.remote_cseq:
            # RFC 3261 §12.2.2: out of order.
            transaction.respond(500, "CSeq out of order", now=now)
            return
        dialog.remote_cseq = request.cseq
        if request.method == "INVITE":
            call.incoming.take_reinvite(request, transaction, now)
        elif request.method != "BYE":
            self._take_other(request, transaction, now)
        elif dialog is call.dialog:
            self._take_bye(request, transaction, now)
        else:
            # One branch of a forked call went away; the others may still answer.
            del call.forks[request.from_tag]
            transaction.respond(200, now=now)

    def _take_other(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Answer it, or have the user do so."""
        try:
            code, extra = self._own_answer(request, now)
        except RemoteProtocolError as error:
            code, extra = error.status_hint, ""
        if code:
            transaction.respond(code, extra=extra, now=now)
            request.transaction = None
            return
        if request.method == "UPDATE":
            self._update = request
        if self._open is None:
            self._open = {}
        self._open[request] = None
        self._core.events.append(RequestReceived(self._call, request))

    def stop(self, now: float) -> None:
        """The call is over: RFC 3261 §15.1.2 has what is still unanswered get 487."""
        if self._session is not None:
            self._session.stop()
        waiting, self._open = self._open, None
        for request in waiting or ():
            if request.transaction is not None:
                request.transaction.respond(487, now=now)
                request.transaction = None

    def drop(self, now: float) -> None:
        """Forget what is unanswered without a word."""
        waiting, self._open = self._open, None
        for request in waiting or ():
            if request.transaction is not None:
                request.transaction.stop(now)
                request.transaction = None

    def _own_answer(self, request: SipRequest, now: float) -> tuple[int, str]:
        """Status and header lines of the answer the core gives, (0, "") if the user gives it."""
        if request.method not in self._core.settings.allowed_methods:
            return 0, ""  # The user's own business.
        match request.method:
            case "UPDATE":
                return self._update_refusal(request)
            case "PRACK":
                if not self._call.incoming.on_prack(request, now):
                    # RFC 3262 §3: it acknowledges nothing that waits.
                    return 481, ""
                # One without a description is no more than an acknowledgement: nobody's business.
                return (0, "") if request.description else (200, "")
            case "REFER":
                if len(request.headers("refer-to")) != 1:
                    raise RemoteProtocolError("not exactly one Refer-To")
                parse_refer_to(request.header("refer-to"))
        return 0, ""

    def _update_refusal(self, request: SipRequest) -> tuple[int, str]:
        call = self._call
        if self._update is not None or (request.description and call.offer_received):
            # RFC 3311 §5.2: one after the other, and not while we owe an answer.
            wait_s = self._core.tokens.below(GLARE_RETRY_AFTER_S + 1)
            return 500, f"Retry-After: {wait_s}\r\n"
        if request.description and call.offer_sent:
            return 491, ""
        minimum = too_small(request, self._core.settings)
        return (422, minimum) if minimum else (0, "")

    def default_answer(self, request: SipRequest) -> tuple[int, Headers]:
        """Status and headers for a request its user has no use for."""
        settings = self._core.settings
        match request.method:
            case "PRACK" | "UPDATE":
                return 200, ()
            case "OPTIONS":
                # RFC 3261 §11.2.
                allow = ("Allow", ", ".join(settings.allowed_methods))
                return 200, (("Accept", ", ".join(settings.accept)), allow)
            case "SUBSCRIBE" | "NOTIFY" if event_package(request) not in settings.event_packages:
                # RFC 6665 §7.3.2, §8.2.1.
                return 489, (("Allow-Events", ", ".join(settings.event_packages)),)
            case "SUBSCRIBE":
                # RFC 3515 §2.4.4: a subscription to what a REFER does comes from the REFER alone.
                return 403, ()
            case "NOTIFY":
                unasked = event_package(request) == "refer" and not self._referrals
                return (481 if unasked else 200), ()
        return 501, ()

    def respond(
        self, request: SipRequest, transaction: ServerTransaction, reply: Reply, now: float
    ) -> None:
        """Send the user's response to one of them."""
        call, code = self._call, reply.code
        update = request.method == "UPDATE"
        more = self.answer_lines(request) if update and 200 <= code < 300 else ""
        reply.send(transaction, now, more)
        if code < 200:
            return
        request.transaction = None
        if self._open is not None:
            self._open.pop(request, None)
        if request is self._update:
            self._update = None
            if code < 300:
                call.dialog.refresh_target(request)
                self.answered(request, now)
        elif request.method == "BYE":
            call.finish(EndCause.BYE_RECEIVED, now)
        elif request.method == "NOTIFY" and event_package(request) == "refer":
            over = request.header("subscription-state").lower().startswith("terminated")
            self._referrals -= bool(over and self._referrals)

    def _take_bye(self, request: SipRequest, transaction: ServerTransaction, now: float) -> None:
        """Take a BYE for the call."""
        call = self._call
        call.incoming.refuse_pending(now)
        if call.relay_bye and call.state is CallState.CONNECTED:
            call.advance(CallEvent.HUNG_UP)
            self._core.events.append(ByeReceived(call, request))
            return
        transaction.respond(200, now=now)
        request.transaction = None
        self._core.events.append(ByeReceived(call, request))
        call.finish(EndCause.BYE_RECEIVED, now)


def event_package(request: SipRequest) -> str:
    """The event package of a SUBSCRIBE or NOTIFY, without parameters; "" if it names none."""
    return request.header("event").partition(";")[0].strip().lower()
