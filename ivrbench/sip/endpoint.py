"""Endpoint: a whole SIP user agent without sockets: bytes and `now` in, events and bytes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError, RemoteProtocolError
from .compose import MAX_FORWARDS, make_contact
from .core import Core
from .dialog import Dialog
from .events import ProvisionalReceived, RequestTimedOut, ResponseReceived
from .grammar import Headers, check_headers, check_text, check_token
from .headers import NameAddr, parse_name_addr
from .hunt import check_places
from .invite import InviteCall
from .outgoing import UNANSWERED
from .reception import Reception
from .sending import Draft, OutgoingRequest
from .settings import EndpointSettings
from .tokens import RandomTokens
from .transactions import Transactions
from .uri import check_uri, uri_user

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .auth import Credentials, DigestClient
    from .auth_server import DigestServer
    from .events import Event
    from .flow import Flow
    from .guard import SourceGuard
    from .hunt import Place
    from .message import SipRequest, SipResponse
    from .tokens import Tokens
    from .trace import Observer

__all__ = ["Endpoint", "EndpointStats"]


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """What is alive now, and counts since the start."""

    calls: int
    server_transactions: int
    client_transactions: int
    timers: int
    received: int
    sent: int
    malformed_answered: int
    """Requests that were no valid SIP but could be answered."""
    refused: int
    """Requests answered by the endpoint itself with 3xx to 6xx, the malformed ones among them."""
    dropped: int
    """Messages without an answer: garbage, stray responses, ACKs for nothing."""
    retransmissions_received: int


class Endpoint:
    """A user agent: both sides of INVITE and non-INVITE transactions, dialogs, calls.

    After any call into it: send what `to_send()` gives, take events until `next_event()` is None,
    and call `on_deadline(now)` when `deadline()` has come.

    Args:
        settings: how it behaves.
        tokens: where tags and branches come from; None: the system's randomness.
        observer: called with every message sent or received; None costs nothing.
        authority: who asks for passwords: requests outside any call must prove who sent them, but
            for OPTIONS; None: nobody has to. `SipRequest.auth_user` tells who it was.
        guard: who refuses floods and scanners; None: nobody. Asked for every message, before
            anything else is done with it.

    Attributes:
        credentials: who we are in which realm, for calls and requests that were not told
            otherwise; None: challenges are refusals.
        draining: True makes OPTIONS answer 503 instead of 200, so a proxy stops sending calls.
        handle_options: True delivers OPTIONS as RequestReceived instead of answering it here.
    """

    def __init__(
        self,
        settings: EndpointSettings | None = None,
        *,
        tokens: Tokens | None = None,
        observer: Observer | None = None,
        authority: DigestServer | None = None,
        guard: SourceGuard | None = None,
    ) -> None:
        self._core = Core(settings or EndpointSettings(), tokens or RandomTokens(), observer)
        self._transactions = Transactions(self._core)
        self._reception = Reception(self._core, self._transactions)
        self._reception.authority = authority
        self._reception.guard = guard

    @property
    def draining(self) -> bool:
        """True: OPTIONS gets 503."""
        return self._reception.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._reception.draining = value

    @property
    def credentials(self) -> Credentials | None:
        """Who we are in which realm, for calls and requests that were not told otherwise."""
        return self._core.credentials

    @credentials.setter
    def credentials(self, value: Credentials | None) -> None:
        self._core.credentials = value

    @property
    def handle_options(self) -> bool:
        """True: OPTIONS is delivered."""
        return self._reception.handle_options

    @handle_options.setter
    def handle_options(self, value: bool) -> None:
        self._reception.handle_options = value

    def locate(self, place_of: Callable[[str], Place | None]) -> None:
        """Have `place_of` tell where a GRUU of ours leads; None: it is none (RFC 5627)."""
        self._core.locate = place_of

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one message, a datagram or what a framer gave; never raises."""
        self._reception.receive(data, flow, now)

    def to_send(self) -> list[tuple[bytes, Flow]]:
        """What to send, in order; each is given once."""
        sent = self._core.outbox
        self._core.outbox = []
        return sent

    def next_event(self) -> Event | None:
        """The oldest event not taken yet, None if there is none."""
        events = self._core.events
        return events.popleft() if events else None

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called, None if no timer runs."""
        return self._core.timers.deadline()

    def on_deadline(self, now: float) -> None:
        """Fire the timers that are due; early or late calls do no harm."""
        self._core.timers.run(now)

    def flow_failed(self, flow: Flow, now: float, reason: str = "") -> None:
        """A connection closed or a send on `flow` failed: its pending requests end with a 503 of
        our own.

        Calls stay up; their next request goes to the dialog's target on a new flow (`connection_id`
        0).
        """
        users = self._core.flow_users(flow)
        if not flow.reliable:
            users += [each for each in self._transactions.clients.values() if each.flow == flow]
        for user in users:
            user.on_flow_failed(flow, now)

    def uses(self, flow: Flow) -> bool:
        """True if a call or a transaction lives on this connection."""
        return bool(self._core.flow_users(flow))

    def invite(
        self,
        uri: str,
        flow: Flow,
        from_: str,
        to: str,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        *,
        now: float,
        local_tag: str = "",
        call_id: str = "",
        cseq: int = 0,
        max_forwards: int = MAX_FORWARDS,
        contact: str = "",
        route: Sequence[str] = (),
        credentials: Credentials | None = None,
        instead_of: InviteCall | None = None,
        spares: Sequence[Place] = (),
    ) -> InviteCall:
        """Call `uri`.

        Args:
            uri: Request-URI.
            flow: where the first hop is; over a reliable transport it may have `connection_id` 0.
            from_: From value without tag (`"Name" <sip:…>`).
            to: To value without tag.
            headers: more headers.
            body: the offer; empty asks for an offer in the 2xx.
            content_type: of the body.
            local_tag, call_id: chosen here if not given.
            cseq: CSeq number of the first try; 0: `first_cseq`.
            max_forwards: hops it may take; less where it goes on for somebody else's call.
            contact: Contact value; made from the flow if not given.
            route: Route values (`<sip:proxy;lr>`), the first being where `flow` leads: an outbound
                proxy, a Service-Route.
            credentials: what answers 401 and 407; None: those of the endpoint.
            instead_of: a call of ours with the same tag that nobody has answered yet: it is given
                up for this one, by CANCEL or BYE if an answer comes after all.
            spares: further ways to the same phone, as in `also_invite`.

        Raises:
            LocalProtocolError: an argument cannot be sent.
        """
        check_text(content_type, "content type")
        check_places(spares)
        core = self._core
        extra = check_headers(headers) + core.allow_line + core.supported_line
        dialog = self._dialog_to_be(uri, flow, from_, to, local_tag, call_id, route)
        check_text(contact, "contact")
        if core.calls.get(dialog.local_tag) not in (None, instead_of):
            raise LocalProtocolError(f"tag {dialog.local_tag!r} belongs to another call")
        user = uri_user(dialog.local_uri)
        dialog.contact = contact or make_contact(flow, user, core.settings)
        dialog.next_cseq = cseq or dialog.next_cseq
        if instead_of is not None:
            instead_of.cancel(now=now)
        auth = core.digest_client(credentials)
        call = InviteCall(core, self._transactions, dialog, auth, is_caller=True)
        call.start(Draft("INVITE", extra, body, content_type, max_forwards), now)
        if spares and call.outgoing is not None:
            call.outgoing.hunt.keep(call.outgoing.branches[0], spares, now)
        return call

    def also_invite(
        self, call: InviteCall, ways: Sequence[Place], turn: int = 0, *, now: float
    ) -> None:
        """Call one more phone of the callee with the same INVITE, as a forking proxy does (RFC 3261
        §16.6).

        The first that answers has the call, the others hear CANCEL; it is refused once all have
        refused. Does nothing if it was answered, refused or given up already.

        Args:
            call: made by `invite` at the same moment.
            ways: to the phone; another one than the first is used when those before it failed, or
                say nothing for 5 s (RFC 5626 §7).
            turn: 0: at once; else when all phones of lower turns have refused, or rang for 20 s.
            now: the time.

        Raises:
            LocalProtocolError: a URI or a route cannot be sent, or the call is not ours.
        """
        check_places(ways)
        if not call.is_caller or call.outgoing is None:
            raise LocalProtocolError("only a call of ours goes to several phones")
        if call.state in UNANSWERED:
            call.outgoing.hunt.add(ways, turn, now)

    def _dialog_to_be(
        self,
        uri: str,
        flow: Flow,
        from_: str,
        to: str,
        local_tag: str,
        call_id: str,
        route: Sequence[str],
    ) -> Dialog:
        """The dialog a first request is sent with: no remote tag yet."""
        core = self._core
        local, remote = _address(from_, "From"), _address(to, "To")
        check_uri(uri)
        for text, what in (
            (local_tag, "tag"),
            (call_id, "Call-ID"),
            *((r, "route") for r in route),
        ):
            check_text(text, what)
        return Dialog(
            call_id=call_id or core.tokens.call_id(),
            local_tag=local_tag or core.tokens.tag(),
            remote_tag="",
            local_party=local.address,
            remote_party=remote.address,
            local_uri=local.uri,
            remote_uri=remote.uri,
            _target=uri,
            route_set=tuple(route),
            next_cseq=core.settings.first_cseq,
            remote_cseq=-1,
            flow=flow,
            contact="",
        )

    def send_request(
        self,
        method: str,
        uri: str,
        flow: Flow,
        from_: str,
        to: str,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        *,
        now: float,
        call_id: str = "",
        cseq: int = 1,
        route: Sequence[str] = (),
        credentials: Credentials | None = None,
        auth: DigestClient | None = None,
    ) -> SipRequest:
        """Send a request outside any dialog (not INVITE, ACK or CANCEL); its outcome comes with
        `call` None.

        It is sent again with credentials if they are asked for, each time with the next CSeq
        number: that of the response tells which was the last.

        Args:
            auth: what answers challenges, kept from one request to the next so that the next is not
                challenged again; None: `credentials`, or those of the endpoint.

        Raises:
            LocalProtocolError: an argument cannot be sent.
        """
        check_token(method, "method")
        check_text(content_type, "content type")
        if method in ("INVITE", "ACK", "CANCEL"):
            raise LocalProtocolError(f"{method} is not sent with send_request()")
        dialog = self._dialog_to_be(uri, flow, from_, to, "", call_id, route)
        dialog.next_cseq = cseq
        draft = Draft(method, check_headers(headers), body, content_type)
        auth = auth or self._core.digest_client(credentials)
        sent = OutgoingRequest(self._transactions, dialog, draft, self, auth, flow=flow)
        return sent.send(now).request

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
        """Answer a request delivered with `call` None; a second final answer is refused.

        Raises:
            LocalProtocolError: answered before, or something that cannot be sent.
        """
        check_text(content_type, "content type")
        extra = check_headers(headers)
        transaction = request.transaction
        if transaction is None:
            raise LocalProtocolError(f"{request.method} was answered before, or is ours")
        transaction.respond(code, reason, extra, body, content_type, now=now)
        if code >= 200:
            request.transaction = None

    def stats(self) -> EndpointStats:
        """What is alive and what was counted."""
        reception = self._reception
        return EndpointStats(
            calls=len(self._core.calls),
            server_transactions=len(self._transactions.servers),
            client_transactions=len(self._transactions.clients),
            timers=len(self._core.timers),
            received=reception.received,
            sent=self._core.sent,
            malformed_answered=reception.malformed_answered,
            refused=reception.refused,
            dropped=reception.dropped,
            retransmissions_received=reception.retransmissions,
        )

    def on_response(self, sent: OutgoingRequest, response: SipResponse, now: float) -> None:
        """A response to a request outside any dialog; the requests call this."""
        event = ProvisionalReceived if response.code < 200 else ResponseReceived
        self._core.events.append(event(None, sent.request, response))

    def on_no_response(self, sent: OutgoingRequest, response: SipResponse, now: float) -> None:
        """No response to a request outside any dialog; the requests call this."""
        self._core.events.append(RequestTimedOut(None, sent.request, response))

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<Endpoint calls={stats.calls} servers={stats.server_transactions} "
            f"clients={stats.client_transactions} timers={stats.timers}>"
        )


def _address(value: str, what: str) -> NameAddr:
    check_text(value, what)
    try:
        return parse_name_addr(value)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{what}: {error.reason}") from error
