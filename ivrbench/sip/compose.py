"""Compose: messages to send, as bytes (RFC 3261 §8.1.1, §8.2.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .flow import Flow, host_port
from .status import status_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .headers import Via
    from .message import SipRequest
    from .settings import EndpointSettings

__all__ = [
    "DEFAULT_PORT",
    "MAX_FORWARDS",
    "encode",
    "make_contact",
    "make_request",
    "make_via",
    "record_route_lines",
    "response_block",
    "response_bytes",
    "response_flow",
    "tagged",
]

DEFAULT_PORT = (
    5060  # RFC 3261 §19.1.2; 5061 for TLS never matters here: TLS answers use their connection.
)
MAX_FORWARDS = 70  # RFC 3261 §8.1.1.6.

_RPORT_FLAG = re.compile(r";\s*+rport\s*+(?=[;,]|$)", re.IGNORECASE)
_RECEIVED = re.compile(r";\s*+received\s*+=[^;,]*+", re.IGNORECASE)


def encode(text: str, body: bytes = b"") -> bytes:
    """A head that may hold bytes that were no UTF-8, and its body."""
    return text.encode("utf-8", "surrogateescape") + body


def _body_lines(body: bytes, content_type: str) -> str:
    if body and content_type:
        return f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return f"Content-Length: {len(body)}\r\n\r\n"


def _stamp(value: str, via: Via, flow: Flow) -> str:
    """The top Via as it goes back: with where the request really came from."""
    top, rest = value[: via.end], value[via.end :]
    params = via.params
    host, port = flow.remote
    if "received" in params:
        top = _RECEIVED.sub("", top)
    if "rport" in params:
        # RFC 3581 §4: fill rport, and add received even if it equals sent-by.
        top = f"{_RPORT_FLAG.sub(f';rport={port}', top, count=1)};received={host}"
    elif via.host.strip("[]") != host:
        # RFC 3261 §18.2.1.
        top = f"{top};received={host}"
    return top + rest


def response_block(request: SipRequest, flow: Flow) -> str:
    """The header lines every response to `request` has: Via stamped, From, Call-ID, CSeq, and To
    last.

    Works on a request that failed `check()` too: what is missing there is missing here.
    """
    vias = request.headers("via")
    via = getattr(request, "via", None)
    if via is not None and vias:
        vias[0] = _stamp(vias[0], via, flow)
    lines = [f"Via: {value}\r\n" for value in vias]
    for name in ("From", "Call-ID", "CSeq", "To"):
        value = request.header(name)
        if value:
            lines.append(f"{name}: {value}\r\n")
    return "".join(lines)


def tagged(block: str, request: SipRequest, tag: str) -> str:
    """The same block with our tag on its last line, To, unless it has one (RFC 3261 §8.2.6.2)."""
    if getattr(request, "to_tag", "") or not request.has("to"):
        return block
    return f"{block[:-2]};tag={tag}\r\n"


def record_route_lines(request: SipRequest) -> str:
    """The Record-Route lines of a request, for the responses that make its dialog (RFC 3261
    §12.1.1).
    """
    return "".join(f"Record-Route: {value}\r\n" for value in request.headers("record-route"))


def response_flow(request: SipRequest, flow: Flow, symmetric: bool) -> Flow:
    """Where responses go (RFC 3261 §18.2.2, RFC 3581 §4).

    We differ: `maddr` is not obeyed, as it would let a stranger aim our packets.
    """
    via = getattr(request, "via", None)
    if flow.reliable or symmetric or via is None or "rport" in via.params:
        return flow
    port = via.port or DEFAULT_PORT
    return (
        flow if port == flow.remote[1] else Flow(flow.transport, flow.local, (flow.remote[0], port))
    )


def response_bytes(
    code: int, reason: str, block: str, extra: str = "", body: bytes = b"", content_type: str = ""
) -> bytes:
    """A whole response.

    Args:
        code, reason: status; "" takes the usual phrase.
        block: from `response_block`.
        extra: further header lines, each ended by CRLF.
        body, content_type: the body.

    Raises:
        LocalProtocolError: bad code or reason.
    """
    return encode(status_line(code, reason) + block + extra + _body_lines(body, content_type), body)


def make_via(flow: Flow, branch: str, settings: EndpointSettings) -> str:
    """Our Via value for a request on `flow`."""
    sent_by = host_port(settings.public_host or flow.local[0], flow.local[1])
    # RFC 5923 §5: our connection may bring us the peer's requests too.
    alias = ";alias" if flow.stream else ""
    # RFC 3581 §3: ask for the answer to come back to the port we sent from.
    return f"SIP/2.0/{flow.transport.upper()} {sent_by};branch={branch};rport{alias}"


def make_contact(flow: Flow, user: str, settings: EndpointSettings) -> str:
    """Our Contact value for a dialog on `flow`."""
    host = host_port(settings.public_host or flow.local[0], flow.local[1])
    transport = "" if flow.transport == "udp" else f";transport={flow.transport}"
    return f"<sip:{user}@{host}{transport}>" if user else f"<sip:{host}{transport}>"


def make_request(
    method: str,
    uri: str,
    *,
    via: str,
    from_: str,
    to: str,
    call_id: str,
    cseq: int,
    routes: Sequence[str] = (),
    contact: str = "",
    extra: str = "",
    body: bytes = b"",
    content_type: str = "",
    max_forwards: int = MAX_FORWARDS,
) -> bytes:
    """A whole request; the values must have been checked."""
    route_line = f"Route: {', '.join(routes)}\r\n" if routes else ""
    contact_line = f"Contact: {contact}\r\n" if contact else ""
    return encode(
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: {max_forwards}\r\n"
        f"{route_line}"
        f"From: {from_}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        f"{contact_line}{extra}{_body_lines(body, content_type)}",
        body,
    )
