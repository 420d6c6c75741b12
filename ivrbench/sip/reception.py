"""Reception: what becomes of a received message: matched, refused, or made into an event (RFC 3261
§8.2, §18.2).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError
from .auth_server import AuthOutcome
from .body import accepts_description, is_understood
from .call_state import CallState
from .compose import make_contact, response_block, response_bytes, response_flow, tagged
from .dialog import Dialog
from .events import AuthenticationFailed, InviteReceived, RequestReceived
from .fsm import Event, State
from .guard import Offence
from .headers import parse_via
from .invite import InviteCall
from .message import SipRequest, SipResponse
from .outgoing import UNANSWERED
from .parser import parse_message
from .refer import parse_replaces
from .session_timer import too_small
from .settings import MergedRequestPolicy
from .trace import MessageSeen
from .uri import parse_uri

if TYPE_CHECKING:
    from .auth_server import DigestServer
    from .core import Core
    from .flow import Flow
    from .guard import SourceGuard
    from .trace import CallLabel
    from .transactions import Transactions

__all__ = ["Reception"]

# RFC 3261, 3262, 3311, 3428, 3515, 3903, 6086, 6665: not doing one of these is 405, anything else
# is 501.
_KNOWN_METHODS = frozenset(
    "INVITE ACK CANCEL BYE OPTIONS REGISTER PRACK UPDATE MESSAGE REFER NOTIFY SUBSCRIBE PUBLISH "
    "INFO".split()
)
_DIALOG_METHODS = frozenset(
    {"BYE", "PRACK", "UPDATE", "INFO"}
)  # Meaningless outside a dialog: 481.
_DESCRIBED_METHODS = frozenset({"INVITE", "UPDATE", "PRACK"})
_KEEPALIVE_BYTES = b"\r\n\0 \t"
DRAINING_RETRY_AFTER_S = 60
MAX_REASON_CHARS = 200  # Enough for a line in the ladder; the offending text may be 64 kB.


class Reception:
    """The receiving half of an endpoint.

    Attributes:
        draining, handle_options, authority, guard: see `Endpoint`.
        received, malformed_answered, refused, dropped, retransmissions: counts since the start.
    """

    def __init__(self, core: Core, transactions: Transactions) -> None:
        self.draining = False
        self.handle_options = False
        self.authority: DigestServer | None = None
        self.guard: SourceGuard | None = None
        self.received = 0
        self.malformed_answered = 0
        self.refused = 0
        self.dropped = 0
        self.retransmissions = 0
        self._core = core
        self._transactions = transactions
        self._tag_key = core.tokens.tag().encode()
        self._call: CallLabel | None = None
        self._copy = False

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one message; whatever it is, nothing is raised."""
        if data[:1] in (b"\r", b"\n", b"\0", b" ", b"\t", b""):
            # RFC 3261 §7.5: line ends before a start line are skipped; alone they keep a NAT
            # binding open.
            data = data.lstrip(_KEEPALIVE_BYTES)
            if not data:
                return
        if self.guard is not None and not self.guard.admit(flow.remote[0], now):
            return
        self.received += 1
        observed = self._core.observed
        if observed:
            self._copy = False
            self._core.begin_receive()
        message: SipRequest | SipResponse | None = None
        refused = ""
        try:
            message = parse_message(data)
            message.check()
            if isinstance(message, SipResponse):
                refused = self._on_response(message, now)
            else:
                refused = self._on_request(message, flow, now)
        except RemoteProtocolError as error:
            refused = self._on_malformed(message, error, flow, now)
        if observed:
            self._core.end_receive(
                MessageSeen(now, False, data, message, refused, flow, self._call, self._copy)
            )
        self._call = None

    # Each _on_… returns why the message was refused or dropped, "" if it was taken.

    def _on_malformed(
        self,
        message: SipRequest | SipResponse | None,
        error: RemoteProtocolError,
        flow: Flow,
        now: float,
    ) -> str:
        why = error.reason[:MAX_REASON_CHARS]
        if self.guard is not None:
            self.guard.offend(flow.remote[0], Offence.MALFORMED, now)
        if isinstance(message, SipRequest) and message.method != "ACK" and message.has("via"):
            if getattr(message, "via", None) is None:
                try:
                    message.via = parse_via(message.header("via"))
                except RemoteProtocolError:
                    pass  # The answer goes to where the packet came from, with Via as it was.
            self.malformed_answered += 1
            return self._refuse(message, error.status_hint, flow, now, why)
        return self._drop(why)

    def _refuse(
        self, request: SipRequest, code: int, flow: Flow, now: float, why: str, extra: str = ""
    ) -> str:
        """Answer without a transaction (RFC 3261 §8.2.7): nothing is kept, a copy gets the same
        answer.
        """
        plain = response_block(request, flow)
        # RFC 3261 §8.2.7: the tag of a stateless answer must come out the same for every copy.
        tag = blake2b(
            plain.encode("utf-8", "replace"), digest_size=8, key=self._tag_key
        ).hexdigest()
        block = tagged(plain, request, tag) + self._core.server_line
        target = response_flow(request, flow, self._core.settings.symmetric)
        self._core.send(response_bytes(code, "", block, extra), target, now)
        self.refused += code >= 300
        return why

    def _drop(self, why: str) -> str:
        self.dropped += 1
        return why

    def _on_response(self, response: SipResponse, now: float) -> str:
        transaction = self._transactions.find_client(response)
        if transaction is None:
            return self._drop("stray response")
        self._call = transaction.call
        self._copy = transaction.state in (State.ACCEPTED, State.COMPLETED)
        self.retransmissions += self._copy
        transaction.receive(response, now)
        return ""

    def _on_request(self, request: SipRequest, flow: Flow, now: float) -> str:
        if request.method == "ACK":
            return self._on_ack(request, now)
        transaction = self._transactions.find_server(request)
        if transaction is not None:
            self._call = transaction.call
            self._copy = True
            self.retransmissions += 1
            transaction.step(Event.REQUEST, now)
            return ""
        if flow.stream and not request.has("content-length"):
            # RFC 3261 §18.3: without it nobody knows where a message on a stream ends.
            raise RemoteProtocolError("Content-Length is missing")
        if request.method == "CANCEL":
            return self._on_cancel(request, flow, now)
        if request.has("require"):
            supported = self._core.settings.supported
            unknown = [t for t in request.elements("require") if t.lower() not in supported]
            if unknown:
                # RFC 3261 §8.2.2.3.
                extra = f"Unsupported: {', '.join(unknown)}\r\n"
                return self._refuse(request, 420, flow, now, "Require names unknown tags", extra)
        if request.to_tag:
            return self._on_in_dialog(request, flow, now)
        return self._on_new(request, flow, now)

    def _on_ack(self, request: SipRequest, now: float) -> str:
        transaction = self._transactions.find_server(request)
        if transaction is not None:
            self._call = transaction.call
            self._copy = not transaction.tell_ack(request, now)
            return ""
        call = self._core.calls.get(request.to_tag)
        if call is None or not call.has_dialog(request.call_id, request.from_tag):
            # RFC 3261 §17: an ACK is never answered.
            return self._drop("ACK for no call")
        self._call = call.label
        self._copy = not call.on_ack(request, now)
        return ""

    def _on_cancel(self, request: SipRequest, flow: Flow, now: float) -> str:
        invite = self._transactions.find_server(request, "INVITE")
        if invite is None:
            return self._refuse(request, 481, flow, now, "CANCEL for no INVITE")
        self._call = invite.call
        # RFC 3261 §9.2: the CANCEL is answered 200 whether or not it still changes anything, with
        # the same tag.
        cancel = self._transactions.add_server(request, flow, invite.to_tag)
        cancel.call = invite.call
        cancel.respond(200, now=now)
        if not invite.answered and invite.owner is not None:
            invite.owner.on_cancel(request, now)
        return ""

    def _on_in_dialog(self, request: SipRequest, flow: Flow, now: float) -> str:
        call = self._core.calls.get(request.to_tag)
        if call is None or not call.has_dialog(request.call_id, request.from_tag):
            return self._refuse(request, 481, flow, now, "no such dialog")
        self._call = call.label
        why = self._unusable_body(request, flow, now)
        if why:
            return why
        transaction = self._transactions.add_server(request, flow, "")
        call.requests.take(request, transaction, now)
        return ""

    def _on_new(self, request: SipRequest, flow: Flow, now: float) -> str:
        """A request outside any dialog."""
        settings = self._core.settings
        uri = request.parsed_uri
        hops = request.header("max-forwards", "70")
        if not (hops.isascii() and hops.isdigit()):
            raise RemoteProtocolError(f"bad Max-Forwards {hops[:20]!r}")
        method = request.method
        if method not in settings.allowed_methods:
            code = 405 if method in _KNOWN_METHODS else 501
            return self._refuse(
                request, code, flow, now, f"{method} is not done here", self._core.allow_line
            )
        if not hops.strip("0") and method != "OPTIONS":
            # As the reference server does; OPTIONS with 0 is for us by definition (RFC 3261 §11,
            # RFC 4475 §3.3.11).
            return self._refuse(request, 483, flow, now, "Max-Forwards is 0")
        if self.authority is not None and method != "OPTIONS":
            why = self._challenge(self.authority, request, flow, now)
            if why:
                return why
        merged = self._transactions.find_merged(request)
        if merged and settings.merged_request_policy is MergedRequestPolicy.REJECT:
            return self._refuse(request, 482, flow, now, "the same request came by another path")
        if method == "OPTIONS" and not self.handle_options:
            return self._answer_options(request, flow, now)
        if method in _DIALOG_METHODS:
            return self._refuse(request, 481, flow, now, f"{method} outside a dialog")
        if method == "INVITE":
            return self._on_invite(request, uri.user, flow, now)
        return self._deliver(request, flow)

    def _deliver(self, request: SipRequest, flow: Flow) -> str:
        self._transactions.add_server(request, flow, self._core.tokens.tag())
        self._core.events.append(RequestReceived(None, request))
        return ""

    def _challenge(
        self, authority: DigestServer, request: SipRequest, flow: Flow, now: float
    ) -> str:
        """401 without keeping anything, "" if the request proves who sent it (RFC 3261 §22.1)."""
        verdict = authority.check(request, now)
        if verdict.outcome is AuthOutcome.PROVED:
            request.auth_user = verdict.user
            return ""
        if verdict.outcome is AuthOutcome.WRONG:
            self._core.events.append(AuthenticationFailed(None, request, flow, verdict.user))
            if self.guard is not None:
                self.guard.offend(flow.remote[0], Offence.BAD_PASSWORD, now)
        lines = authority.challenge(now, stale=verdict.outcome is AuthOutcome.STALE)
        return self._refuse(request, 401, flow, now, verdict.outcome.value, lines)

    def _replaced(self, request: SipRequest) -> tuple[InviteCall | None, int]:
        """The call an INVITE takes the place of, or the status to refuse it with (RFC 3891 §3)."""
        if "replaces" not in self._core.settings.supported or not request.has("replaces"):
            return None, 0
        values = request.headers("replaces")
        if len(values) > 1:
            raise RemoteProtocolError("Replaces is there more than once")
        replaces = parse_replaces(values[0])
        call = self._core.calls.get(replaces.to_tag)
        if call is None or not call.has_dialog(replaces.call_id, replaces.from_tag):
            return None, 481
        if call.state is CallState.CONNECTED:
            return (None, 486) if replaces.early_only else (call, 0)
        if call.state in UNANSWERED:
            # Only a call of ours can be taken over while it rings.
            return (call, 0) if call.is_caller else (None, 481)
        return None, 603

    def _answer_options(self, request: SipRequest, flow: Flow, now: float) -> str:
        if self.draining:
            extra = f"Retry-After: {DRAINING_RETRY_AFTER_S}\r\n"
            self._refuse(request, 503, flow, now, "", extra)
            return ""
        core = self._core
        extra = self._accept_line + core.allow_line + core.supported_line
        self._refuse(request, 200, flow, now, "", extra)
        return ""

    @property
    def _accept_line(self) -> str:
        return f"Accept: {', '.join(self._core.settings.accept)}\r\n"

    def _unusable_body(self, request: SipRequest, flow: Flow, now: float) -> str:
        """415 for a description we cannot read, 406 for a caller that cannot read ours."""
        if request.method not in _DESCRIBED_METHODS:
            return ""
        if not is_understood(request, self._core.settings.accept):
            why = f"{request.content_type} is not understood"
            extra = f"{self._accept_line}Accept-Encoding: identity\r\n"
            return self._refuse(request, 415, flow, now, why, extra)
        if request.method == "INVITE" and not accepts_description(request):
            why = "Accept leaves no room for a session description"
            return self._refuse(request, 406, flow, now, why, self._accept_line)
        return ""

    def _on_invite(self, request: SipRequest, user: str, flow: Flow, now: float) -> str:
        why = self._unusable_body(request, flow, now)
        if why:
            return why
        minimum = too_small(request, self._core.settings)
        if minimum:
            return self._refuse(request, 422, flow, now, "session interval too small", minimum)
        replaced, code = self._replaced(request)
        if code:
            return self._refuse(request, code, flow, now, "Replaces names no call to take over")
        core = self._core
        tag = core.tokens.tag()
        contact = make_contact(flow, user, core.settings)
        dialog = Dialog.from_request(request, flow, tag, contact, core.settings.first_cseq)
        try:
            parse_uri(dialog.remote_target)
        except RemoteProtocolError as error:
            # 416 is about the Request-URI only.
            raise RemoteProtocolError(f"Contact: {error.reason}") from error
        transaction = self._transactions.add_server(request, flow, tag)
        call = InviteCall(core, self._transactions, dialog, core.digest_client(), is_caller=False)
        call.replaces = replaced
        self._call = call.label
        call.on_invite(request, transaction, now)
        core.events.append(InviteReceived(call, request))
        return ""
