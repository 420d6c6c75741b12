"""OutgoingRequest: a request of ours, not INVITE, with the tries it takes (RFC 3261 §8.1, §22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .auth import Attempts
from .compose import MAX_FORWARDS, make_request, make_via
from .dialog import DialogState

if TYPE_CHECKING:
    from .auth import DigestClient
    from .client_transaction import ClientTransaction
    from .core import Core
    from .dialog import Dialog
    from .flow import Flow
    from .message import SipRequest, SipResponse
    from .trace import CallLabel
    from .transactions import Transactions

__all__ = ["Draft", "Nobody", "OutgoingRequest", "RequestOwner", "dialog_request"]

_CONTACT_METHODS = frozenset({"INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What the user wants sent; each try makes a message of it."""

    method: str
    extra: str = ""
    """Checked header lines, each ended by CRLF."""
    body: bytes = b""
    content_type: str = ""
    max_forwards: int = MAX_FORWARDS


def dialog_request(
    core: Core,
    dialog: Dialog,
    draft: Draft,
    cseq: int,
    auth: DigestClient | None = None,
    *,
    flow: Flow | None = None,
) -> tuple[bytes, str, Flow]:
    """A request within a dialog (RFC 3261 §12.2.1.1), or the one that makes it.

    Args:
        core: the endpoint's shared state.
        dialog: tells addresses, target and route.
        draft: what to send.
        cseq: CSeq number.
        auth: whose credentials go along; None for none.
        flow: where to send it; None: where the dialog leads.

    Returns:
        the bytes, the branch, and the flow to send it on.
    """
    uri, routes = dialog.request_line_and_routes()
    if ";gr" in uri and (place := core.locate(uri)) is not None:
        # RFC 5627 §5.4: we own this address, so nobody but us knows where it leads.
        uri = place.uri
        if not routes:
            routes = place.route
            if not dialog.keeps_flow(core.settings.symmetric):
                flow = flow or place.flow
    flow = flow or dialog.next_flow(core.settings.symmetric)
    branch = core.tokens.branch()
    method = draft.method
    proof = auth.lines(method, uri, draft.body) if auth is not None else ""
    data = make_request(
        method,
        uri,
        via=make_via(flow, branch, core.settings),
        from_=dialog.from_value,
        to=dialog.to_value,
        call_id=dialog.call_id,
        cseq=cseq,
        routes=routes,
        contact=dialog.contact if method in _CONTACT_METHODS else "",
        extra=f"{proof}{draft.extra}{core.agent_line}",
        body=draft.body,
        content_type=draft.content_type,
        max_forwards=draft.max_forwards,
    )
    return data, branch, flow


class RequestOwner(Protocol):
    """Who sent a request and wants its outcome."""

    def on_response(self, sent: OutgoingRequest, response: SipResponse, now: float) -> None:
        """A provisional or the final response."""

    def on_no_response(self, sent: OutgoingRequest, response: SipResponse, now: float) -> None:
        """No final response will come; `response` is our own 408 or 503."""


class Nobody:
    """The owner of a request whose outcome changes nothing: CANCEL, PRACK, the BYE to a fork that
    lost.
    """

    def on_response(self, sent: object, response: SipResponse, now: float) -> None:
        """Not of interest."""

    def on_no_response(self, sent: object, response: SipResponse, now: float) -> None:
        """Not of interest."""

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """Not of interest."""


class OutgoingRequest:
    """A request of ours: sent again with credentials when they are asked for, else just sent.

    Args:
        transactions: the endpoint's.
        dialog: it belongs to, or the one made up for it outside a dialog.
        draft: what to send.
        owner: who is told the outcome.
        auth: credentials; None: a challenge is the outcome.
        call: the call for the trace; None outside one.
        flow: where to send it; None: where the dialog leads.
    """

    __slots__ = (
        "_attempts",
        "_auth",
        "_call",
        "_dialog",
        "_draft",
        "_first",
        "_flow",
        "_owner",
        "_transactions",
        "method",
    )

    _first: ClientTransaction

    def __init__(
        self,
        transactions: Transactions,
        dialog: Dialog,
        draft: Draft,
        owner: RequestOwner,
        auth: DigestClient | None,
        call: CallLabel | None = None,
        flow: Flow | None = None,
    ) -> None:
        self.method = draft.method
        self._transactions = transactions
        self._dialog = dialog
        self._draft = draft
        self._owner = owner
        self._auth = auth
        self._attempts = Attempts()
        self._call = call
        self._flow = flow

    @property
    def request(self) -> SipRequest:
        """The request as first sent: the same object whatever came after."""
        return self._first.request

    def send(self, now: float) -> OutgoingRequest:
        """Send it; gives itself."""
        self._first = self._try(now)
        return self

    def _try(self, now: float) -> ClientTransaction:
        data, branch, flow = dialog_request(
            self._transactions.core,
            self._dialog,
            self._draft,
            self._dialog.take_cseq(),
            self._auth,
            flow=self._flow,
        )
        return self._transactions.add_client(self.method, branch, data, flow, self, self._call, now)

    def on_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Answer a challenge, or pass the response on."""
        again = (
            response.code in (401, 407)
            and self._auth is not None
            and self._dialog.state is not DialogState.TERMINATED
            and self._auth.take(response, self._attempts)
        )
        if self._auth is not None and 200 <= response.code < 300:
            self._auth.learn(response)
        if again:
            self._try(now)
        else:
            self._owner.on_response(self, response, now)

    def on_no_response(
        self, transaction: ClientTransaction, response: SipResponse, now: float
    ) -> None:
        """Nothing more will come."""
        self._owner.on_no_response(self, response, now)

    def on_client_ended(self, transaction: ClientTransaction) -> None:
        """Nothing is kept per transaction."""
