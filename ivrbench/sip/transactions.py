"""Transactions: the table that finds the transaction a message belongs to (RFC 3261 §17.1.3,
§17.2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client_transaction import ClientOwner, ClientTransaction
from .server_transaction import ServerTransaction
from .tokens import BRANCH_COOKIE

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .core import Core
    from .flow import Flow
    from .message import SipRequest, SipResponse
    from .trace import CallLabel

__all__ = ["Transactions", "server_key"]


class Transactions:
    """All transactions of one endpoint, by what matches them.

    Attributes:
        core: the endpoint's shared state.
        servers: by `server_key`.
        clients: by (branch, method).
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.servers: dict[Hashable, ServerTransaction] = {}
        self.clients: dict[Hashable, ClientTransaction] = {}
        self._merged: dict[Hashable, ServerTransaction] = {}

    def find_server(self, request: SipRequest, method: str = "") -> ServerTransaction | None:
        """The transaction a request belongs to; `method` "INVITE" finds what ACK and CANCEL are
        for.
        """
        key = server_key(request, method or request.method)
        found = self.servers.get(key)
        if found is not None and request.method == "ACK" and found.to_tag != request.to_tag:
            # RFC 3261 §17.2.3, RFC 2543 matching: the ACK must be for our response.
            return found if len(key) == _COOKIE_KEY_PARTS else None
        return found

    def find_merged(self, request: SipRequest) -> bool:
        """True if the same request reached us by another path (RFC 3261 §8.2.2.2)."""
        return not request.to_tag and _merge_key(request) in self._merged

    def add_server(self, request: SipRequest, flow: Flow, tag: str) -> ServerTransaction:
        """Start the server transaction of a new request."""
        key = server_key(request, request.method)
        transaction = ServerTransaction(self, request, flow, key, tag)
        self.servers[key] = transaction
        if not request.to_tag:
            transaction.merge_key = merge_key = _merge_key(request)
            self._merged.setdefault(merge_key, transaction)
        request.transaction = transaction
        return transaction

    def add_client(
        self,
        method: str,
        branch: str,
        data: bytes,
        flow: Flow,
        owner: ClientOwner,
        call: CallLabel | None,
        now: float,
    ) -> ClientTransaction:
        """Send a request and start its transaction."""
        transaction = ClientTransaction(self, method, branch, data, flow, owner)
        transaction.call = call
        self.clients[transaction.key] = transaction
        transaction.start(now)
        return transaction

    def find_client(self, response: SipResponse) -> ClientTransaction | None:
        """The transaction a response belongs to (RFC 3261 §17.1.3), None for a stray."""
        found = self.clients.get((response.via.branch, response.cseq_method))
        if found is None:
            return None
        own, theirs = found.request, response
        # RFC 3261 §18.1.2: the top Via must be ours, and (§8.1.3.3) the only one.
        same = own.via.host == theirs.via.host and own.via.port == theirs.via.port
        if not same or len(theirs.elements("via")) != 1 or own.cseq != theirs.cseq:
            return None
        return found if own.call_id == theirs.call_id and own.from_tag == theirs.from_tag else None

    def forget_server(self, transaction: ServerTransaction) -> None:
        """Drop a terminated server transaction."""
        self.servers.pop(transaction.key, None)
        self.core.unwatch_flow(transaction.flow, transaction)
        if self._merged.get(transaction.merge_key) is transaction:
            del self._merged[transaction.merge_key]

    def forget_client(self, transaction: ClientTransaction) -> None:
        """Drop a terminated client transaction."""
        self.clients.pop(transaction.key, None)
        self.core.unwatch_flow(transaction.flow, transaction)


_COOKIE_KEY_PARTS = 4  # Of the key of a peer with unique branches; RFC 2543 takes more.


def server_key(request: SipRequest, method: str) -> tuple[Hashable, ...]:
    """What two copies of a request have in common and no two requests have (RFC 3261 §17.2.3)."""
    if method == "ACK":
        method = "INVITE"
    via = request.via
    branch = via.branch
    # RFC 4475 §3.2.1: a branch of the bare cookie identifies nothing.
    if branch.startswith(BRANCH_COOKIE) and branch != BRANCH_COOKIE:
        return (branch, via.host, via.port, method)
    # RFC 2543 peers have no unique branch: the whole header tells requests apart.
    return (
        request.uri,
        request.from_tag,
        request.call_id,
        request.cseq,
        request.header("via"),
        method,
    )


def _merge_key(request: SipRequest) -> Hashable:
    return (request.call_id, request.from_tag, request.cseq, request.method)
