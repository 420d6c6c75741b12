"""Dialog: what two user agents remember of each other (RFC 3261 §12)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError
from .compose import DEFAULT_PORT
from .flow import TRANSPORTS, Flow
from .headers import parse_name_addr
from .uri import SipUri, check_uri, parse_uri

if TYPE_CHECKING:
    from .message import SipMessage, SipRequest, SipResponse

__all__ = ["Dialog", "DialogState", "next_hop_flow"]

_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
DEFAULT_TLS_PORT = 5061  # RFC 3261 §19.1.2.


class DialogState(StrEnum):
    """How far a dialog is."""

    EARLY = "Early"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


@dataclass(slots=True)
class Dialog:
    """One dialog; live: target and CSeq numbers move on with the messages."""

    call_id: str
    local_tag: str
    remote_tag: str
    """"" for an RFC 2543 peer, and for our call before the first answer."""
    local_party: str
    """Our From/To value without tag: `"Name" <uri>`."""
    remote_party: str
    """The other side's."""
    local_uri: str
    """URI of `local_party`."""
    remote_uri: str
    """URI of `remote_party`."""
    _target: str
    route_set: tuple[str, ...]
    """Route values in the order we send them."""
    next_cseq: int
    """CSeq number of the next request we send."""
    remote_cseq: int
    """Highest CSeq number received, -1 before the first."""
    flow: Flow
    """The flow the dialog was made on."""
    contact: str
    """Our Contact value."""
    state: DialogState = DialogState.EARLY
    flow_lost: bool = False
    """True once the connection of `flow` is gone."""

    @classmethod
    def from_request(
        cls, request: SipRequest, flow: Flow, local_tag: str, contact: str, first_cseq: int
    ) -> Dialog:
        """The called side's dialog, from the INVITE (RFC 3261 §12.1.1).

        Raises:
            RemoteProtocolError: 400, no usable Contact or Record-Route.
        """
        peer = request.contact
        if peer is None and request.via.branch:
            raise RemoteProtocolError("INVITE has no Contact")
        # RFC 3261 §12.1.1: an RFC 2543 INVITE may lack Contact; its From URI is the target then.
        target = peer.uri if peer is not None else request.from_.uri
        return cls(
            call_id=request.call_id,
            local_tag=local_tag,
            remote_tag=request.from_tag,
            local_party=request.to.address,
            remote_party=request.from_.address,
            local_uri=request.to.uri,
            remote_uri=request.from_.uri,
            _target=_without_headers(target),
            route_set=_readable(request.record_routes),
            next_cseq=first_cseq,
            remote_cseq=request.cseq,
            flow=flow,
            contact=contact,
        )

    def fork(self, response: SipResponse) -> Dialog:
        """The calling side's dialog with the peer that sent `response` (RFC 3261 §12.1.2).

        `self` is the dialog-to-be the INVITE was sent with; a Contact that cannot be read leaves
        its target.
        """
        dialog = Dialog(
            call_id=self.call_id,
            local_tag=self.local_tag,
            remote_tag=response.to_tag,
            local_party=self.local_party,
            remote_party=self.remote_party,
            local_uri=self.local_uri,
            remote_uri=self.remote_uri,
            _target=self.remote_target,
            route_set=response.record_routes[::-1],
            next_cseq=self.next_cseq,
            remote_cseq=-1,
            flow=self.flow,
            contact=self.contact,
            flow_lost=self.flow_lost,
        )
        dialog.refresh_target(response)
        return dialog

    def refresh_target(self, message: SipMessage) -> None:
        """Take the Contact of a re-INVITE, an UPDATE or a 2xx to one (RFC 3261 §12.2); a bad one is
        left alone.
        """
        try:
            contact = message.contact
        except RemoteProtocolError:
            return
        if contact is not None and _uri(contact.uri) is not None:
            self.remote_target = _without_headers(contact.uri)

    @property
    def remote_target(self) -> str:
        """Contact URI of the other side: the Request-URI of what we send.

        Setting it raises LocalProtocolError for what cannot stand in a request line.
        """
        return self._target

    @remote_target.setter
    def remote_target(self, uri: str) -> None:
        check_uri(uri)
        self._target = uri

    def take_cseq(self) -> int:
        """The CSeq number for the request about to be sent."""
        self.next_cseq += 1
        return self.next_cseq - 1

    @property
    def from_value(self) -> str:
        """Our From value in requests of this dialog."""
        return f"{self.local_party};tag={self.local_tag}"

    @property
    def to_value(self) -> str:
        """The To value in requests of this dialog."""
        return (
            f"{self.remote_party};tag={self.remote_tag}" if self.remote_tag else self.remote_party
        )

    def request_line_and_routes(self) -> tuple[str, tuple[str, ...]]:
        """Request-URI and Route values for a request (RFC 3261 §12.2.1.1)."""
        if not self.route_set:
            return self.remote_target, ()
        first = _route_uri(self.route_set[0])
        if first is None or first.param("lr") is not None:
            return self.remote_target, self.route_set
        # RFC 3261 §12.2.1.1: a strict router wants itself as Request-URI and our target at the end.
        return str(first), (*self.route_set[1:], f"<{self.remote_target}>")

    def keeps_flow(self, symmetric: bool) -> bool:
        """True while its requests go the way it was made, whatever its target says."""
        return not self.flow_lost and (self.flow.reliable or symmetric)

    def next_flow(self, symmetric: bool) -> Flow:
        """Where a request of this dialog is sent."""
        if self.keeps_flow(symmetric):
            return self.flow
        hop = _route_uri(self.route_set[0]) if self.route_set else _uri(self.remote_target)
        return next_hop_flow(hop, self.flow)


def next_hop_flow(uri: SipUri | None, flow: Flow) -> Flow:
    """The flow to a next hop.

    Args:
        uri: the next hop, None if it could not be read. Its `hop` is set for a name, which only the
            DNS knows, and for an address of the other IP version.
        flow: the flow in use so far; its local address is kept.
    """
    if uri is None:
        return replace(flow, connection_id=0)
    host = (uri.param("maddr") or uri.host).strip("[]")
    transport = (uri.param("transport") or "").lower()
    if transport not in TRANSPORTS:
        transport = "tls" if uri.scheme == "sips" else flow.transport
    if not (":" in host or _IPV4.fullmatch(host)):
        # Where nobody knows the name, the way the dialog was made is as good as any.
        return Flow(transport, flow.local, flow.remote, host=flow.host, hop=str(uri))
    port = uri.port or (DEFAULT_TLS_PORT if transport in ("tls", "wss") else DEFAULT_PORT)
    foreign = (":" in host) != (":" in flow.local[0])
    return Flow(transport, flow.local, (host, port), hop=str(uri) if foreign else "")


def _uri(text: str) -> SipUri | None:
    try:
        return parse_uri(text)
    except RemoteProtocolError:
        return None


def _without_headers(uri: str) -> str:
    """RFC 3261 §19.1.1: a Contact may hold headers, a Request-URI may not."""
    parsed = _uri(uri)
    return uri.removesuffix(f"?{parsed.headers}") if parsed is not None else uri


def _readable(routes: tuple[str, ...]) -> tuple[str, ...]:
    """The routes, if every one leads somewhere."""
    for value in routes:
        if _route_uri(value) is None:
            raise RemoteProtocolError(f"bad Record-Route {value[:80]!r}")
    return routes


def _route_uri(value: str) -> SipUri | None:
    try:
        return parse_uri(parse_name_addr(value).uri)
    except RemoteProtocolError:
        return None
