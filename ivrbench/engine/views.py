"""What scripts see of SIP: requests, replies and the dialog, as text that is never None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.errors import RemoteProtocolError
from ivrbench.sip.invite import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.message import SipRequest, SipResponse

__all__ = ["STATUS_CODES", "DialogFacts", "EmptyRequest", "ReplyFacts", "RequestFacts"]

# ivr-api numbering of `dialog.status`.
STATUS_CODES: Final = {
    CallState.DISCONNECTED: 0,
    CallState.TRYING: 1,
    CallState.PROCEEDING: 2,
    CallState.CANCELLING: 3,
    CallState.EARLY: 4,
    CallState.CONNECTED: 5,
    CallState.DISCONNECTING: 6,
}


def _text(value: str) -> str:
    """Bytes that are no UTF-8 are shown as replacement characters: getters never raise."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _contact_or_from(request: SipRequest) -> str:
    try:
        return request.from_uri
    except RemoteProtocolError:
        return ""


def _contact(response: SipResponse) -> str:
    try:
        contact = response.contact
    except RemoteProtocolError:
        return ""
    return contact.uri if contact is not None else ""


_REQUEST: Final[dict[str, Callable[[SipRequest], str]]] = {
    "method": lambda r: r.method,
    "user": lambda r: r.user,
    "domain": lambda r: r.domain,
    "r_uri": lambda r: r.uri,
    "from_uri": _contact_or_from,
    "from_header": lambda r: r.header("from"),
    "to_header": lambda r: r.header("to"),
    "callid": lambda r: r.call_id,
    "from_tag": lambda r: r.from_tag,
    "to_tag": lambda r: r.to_tag,
    "route": lambda r: r.route_text,
    "body": lambda r: r.body_text(),
    "hdrs": lambda r: r.extra_headers_text(),
}
_REPLY: Final[dict[str, Callable[[SipResponse], str]]] = {
    "reason": lambda r: r.reason,
    "contact": _contact,
    "route": lambda r: r.route_text,
    "hdrs": lambda r: r.extra_headers_text(),
    "from_tag": lambda r: r.from_tag,
    "to_tag": lambda r: r.to_tag,
    "body": lambda r: r.body_text(),
}


class RequestFacts:
    """A `RequestView` of a request; each field is worked out when it is first asked for."""

    method: str
    user: str
    domain: str
    r_uri: str
    from_uri: str
    from_header: str
    to_header: str
    callid: str
    from_tag: str
    to_tag: str
    route: str
    body: str
    hdrs: str
    cseq: int

    def __init__(self, request: SipRequest) -> None:
        self.request = request
        self.cseq = request.cseq

    def __getattr__(self, name: str) -> str:
        try:
            value = _text(_REQUEST[name](self.request))
        except KeyError:
            raise AttributeError(name) from None
        self.__dict__[name] = value
        return value


class EmptyRequest:
    """The `RequestView` of a leg that has had no INVITE yet."""

    def __init__(self) -> None:
        self.method = self.user = self.domain = self.r_uri = self.from_uri = ""
        self.from_header = self.to_header = self.callid = self.from_tag = self.to_tag = ""
        self.route = self.body = self.hdrs = ""
        self.cseq = 0


class ReplyFacts:
    """A `ReplyView` of a response; each field is worked out when it is first asked for."""

    code: int
    reason: str
    contact: str
    route: str
    hdrs: str
    from_tag: str
    to_tag: str
    cseq: int
    body: str

    def __init__(self, response: SipResponse) -> None:
        self.response = response
        self.code = response.code
        self.cseq = response.cseq

    def __getattr__(self, name: str) -> str:
        try:
            value = _text(_REPLY[name](self.response))
        except KeyError:
            raise AttributeError(name) from None
        self.__dict__[name] = value
        return value


class DialogFacts:
    """The `DialogView` of a leg: live, except that `status` moves on as the script is told.

    Args:
        call: the leg's SIP call; None as long as it has none.
        outbound_proxy: the configured proxy, "" if none.
        known: what stands, with a call or without.
    """

    user: str
    domain: str
    local_uri: str
    remote_uri: str
    callid: str
    remote_tag: str
    local_tag: str
    remote_party: str
    local_party: str
    route: str
    outbound_proxy: str
    cseq: int
    status: int

    def __init__(
        self, call: InviteCall | None, outbound_proxy: str, known: Mapping[str, str] | None = None
    ) -> None:
        self.call = call
        self.outbound_proxy = outbound_proxy
        self.status = STATUS_CODES[call.state] if call is not None else 0
        self.__dict__.update(known or {})

    def __getattr__(self, name: str) -> str | int:
        try:
            value = _DIALOG[name](self.call) if self.call is not None else _NO_CALL[name]
        except KeyError:
            raise AttributeError(name) from None
        return _text(value) if isinstance(value, str) else value

    def set_remote_uri(self, uri: str) -> None:
        """Change the target of later requests."""
        if self.call is not None:
            self.call.dialog.remote_target = uri


def _route_line(call: InviteCall) -> str:
    _, routes = call.dialog.request_line_and_routes()
    return f"Route: {', '.join(routes)}\r\n" if routes else ""


_DIALOG: Final[dict[str, Callable[[InviteCall], str | int]]] = {
    "user": lambda c: c.invite_request.user,
    "domain": lambda c: c.invite_request.domain,
    "local_uri": lambda c: c.invite_request.uri,
    "remote_uri": lambda c: c.dialog.remote_target,
    "callid": lambda c: c.dialog.call_id,
    "remote_tag": lambda c: c.dialog.remote_tag,
    "local_tag": lambda c: c.dialog.local_tag,
    "remote_party": lambda c: c.dialog.remote_party,
    "local_party": lambda c: c.dialog.local_party,
    "route": _route_line,
    "cseq": lambda c: c.dialog.next_cseq,
}
_NO_CALL: Final[dict[str, str | int]] = {
    **dict.fromkeys(_DIALOG, ""),
    "cseq": 0,
}
