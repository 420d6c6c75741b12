"""SipRequest and SipResponse: lazy views of a message (RFC 3261 §7).

Parsing splits the head into names and raw values and no more. `check()` reads what routing needs
(Via, From, To, Call-ID, CSeq); everything else is parsed when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError
from .body import find_description
from .grammar import header_key, split_commas
from .headers import NameAddr, Via, parse_cseq, parse_name_addr, parse_via
from .uri import SipUri, parse_uri

if TYPE_CHECKING:
    from .server_transaction import ServerTransaction

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_HEADERS",
    "MAX_HEAD_BYTES",
    "Problem",
    "SipMessage",
    "SipRequest",
    "SipResponse",
]

MAX_HEAD_BYTES = 65_535  # The largest datagram; streams get no more.
MAX_BODY_BYTES = 1_048_576  # 1 MiB: far above any SDP, small enough for hundreds of connections.
MAX_HEADERS = 256  # Header lines; RFC 4475's longest message has under 50.

Problem = tuple[str, int] | None
"""What is wrong with a message that can still be answered, and the status of the answer."""

_MANDATORY = ("via", "from", "to", "call-id", "cseq")
_SINGLE = ("from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type")
# ivr-API header blocks leave out what the stack reads itself.
_NOT_EXTRA = frozenset(
    "via from to call-id cseq contact route record-route max-forwards content-type content-length "
    "rack rseq".split()
)


class SipMessage:
    """What requests and responses share.

    Attributes set by `check()`: `via` (top), `call_id`, `cseq`, `cseq_method`, `from_tag`,
    `to_tag`.
    """

    __slots__ = (
        "_body",
        "_from",
        "_head",
        "_headers",
        "_problem",
        "_to",
        "call_id",
        "cseq",
        "cseq_method",
        "from_tag",
        "to_tag",
        "via",
    )

    via: Via
    call_id: str
    cseq: int
    cseq_method: str
    from_tag: str
    to_tag: str

    def __init__(
        self, head: str, headers: dict[str, list[str]], body: bytes, problem: Problem
    ) -> None:
        self._head = head
        self._headers = headers
        self._body = body
        self._problem = problem
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None

    def check(self) -> None:
        """Validate what routing rests on and fill the attributes it sets.

        Raises:
            RemoteProtocolError: with the status to answer: 505 version, 400 for the rest.
        """
        if self._problem is not None:
            raise RemoteProtocolError(self._problem[0], status_hint=self._problem[1])
        headers = self._headers
        for name in _MANDATORY:
            if name not in headers:
                # RFC 4475 §3.3.1: a request without them can be answered with 400.
                raise RemoteProtocolError(f"{name} header is missing")
        for name in _SINGLE:
            values = headers.get(name)
            if values is not None and len(values) > 1:
                raise RemoteProtocolError(f"{name} header is there {len(values)} times")
        # First, so that whatever is wrong further down can be answered along the Via.
        self.via = parse_via(headers["via"][0])
        self.call_id = headers["call-id"][0]
        if not self.call_id:
            raise RemoteProtocolError("call-id header is empty")
        cseq = parse_cseq(headers["cseq"][0])
        self.cseq, self.cseq_method = cseq.number, cseq.method
        self._from = parse_name_addr(headers["from"][0])
        self._to = parse_name_addr(headers["to"][0])
        self.from_tag = self._from.tag
        self.to_tag = self._to.tag
        length = headers.get("content-length")
        if length is not None:
            self._cut_body(length[0])

    def _cut_body(self, length: str) -> None:
        if not length.isascii() or not length.isdigit() or len(length) > 10:
            raise RemoteProtocolError(f"bad Content-Length {length!r}")
        body_bytes = int(length)
        if body_bytes > MAX_BODY_BYTES:
            raise RemoteProtocolError(f"body of {body_bytes} bytes", status_hint=413)
        if body_bytes > len(self._body):
            # RFC 3261 §18.3: a datagram that ends before its body is answered 400.
            raise RemoteProtocolError(
                f"body has {len(self._body)} bytes, Content-Length says {body_bytes}"
            )
        self._body = self._body[:body_bytes]

    def has(self, name: str) -> bool:
        """True if the header is there at all."""
        return header_key(name) in self._headers

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header as written, folding undone; compact names count."""
        values = self._headers.get(header_key(name))
        return values[0] if values else default

    def headers(self, name: str) -> list[str]:
        """The values of every header line of that name."""
        return list(self._headers.get(header_key(name), ()))

    def elements(self, name: str) -> list[str]:
        """The elements of a header that may be a comma-separated list, over all its lines."""
        return [
            item
            for value in self._headers.get(header_key(name), ())
            for item in split_commas(value)
        ]

    def names_tag(self, tag: str, *names: str) -> bool:
        """True if one of these headers (Supported, Require) names an option tag, in any case."""
        return any(tag == each.lower() for name in names for each in self.elements(name))

    @property
    def body(self) -> bytes:
        """The body, byte for byte."""
        return self._body

    @property
    def description(self) -> bytes:
        """The session description in the body, which may hold more; b"" if there is none."""
        return find_description(self)

    def body_text(self) -> str:
        """The body as text; bytes that are no UTF-8 become surrogates and encode back to
        themselves.
        """
        return self._body.decode("utf-8", "surrogateescape")

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" if there is none."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def from_(self) -> NameAddr:
        """The From header.

        Raises:
            RemoteProtocolError: it cannot be read; not after `check()`.
        """
        if self._from is None:
            self._from = parse_name_addr(self.header("from"))
        return self._from

    @property
    def to(self) -> NameAddr:
        """The To header; raises as `from_` does."""
        if self._to is None:
            self._to = parse_name_addr(self.header("to"))
        return self._to

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact, None if there is none or it is `*`.

        Raises:
            RemoteProtocolError: it cannot be read.
        """
        contacts = self._headers.get("contact")
        if not contacts:
            return None
        # The comma of a second contact makes the plain reading fail, and only then is splitting
        # worth it.
        value = contacts[0] if "," not in contacts[0] else next(iter(split_commas(contacts[0])), "")
        return parse_name_addr(value) if value and value != "*" else None

    @property
    def record_routes(self) -> tuple[str, ...]:
        """The Record-Route elements in the order of the message."""
        return tuple(self.elements("record-route")) if "record-route" in self._headers else ()

    def extra_headers(self) -> list[tuple[str, str]]:
        """The headers the stack does not read itself, as (name as received, value)."""
        extra = []
        for line in self._head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name = name.rstrip(" \t")
            if header_key(name) not in _NOT_EXTRA:
                extra.append((name, value.strip()))
        return extra

    def extra_headers_text(self) -> str:
        """`extra_headers()` as a block of `Name: value` lines, each ended by CRLF."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.extra_headers())


class SipRequest(SipMessage):
    """A request.

    Attributes:
        method: as written; methods are case-sensitive.
        uri: the Request-URI as written.
        transaction: how to answer it, set by the endpoint when it delivers the request.
        auth_user: who proved to have sent it, "" if nobody had to (RFC 3261 §22).
    """

    __slots__ = ("auth_user", "method", "transaction", "uri")

    def __init__(
        self,
        method: str,
        uri: str,
        head: str,
        headers: dict[str, list[str]],
        body: bytes,
        problem: Problem,
    ) -> None:
        super().__init__(head, headers, body, problem)
        self.method = method
        self.uri = uri
        self.transaction: ServerTransaction | None = None
        self.auth_user = ""

    def check(self) -> None:
        super().check()
        if self.cseq_method != self.method:
            # RFC 4475 §3.1.2.17.
            raise RemoteProtocolError(
                f"CSeq is of {self.cseq_method}, the request is {self.method}"
            )

    @property
    def parsed_uri(self) -> SipUri:
        """The Request-URI.

        Raises:
            RemoteProtocolError: 416 scheme, 400 unreadable.
        """
        return parse_uri(self.uri)

    @property
    def r_uri(self) -> str:
        """The Request-URI as written."""
        return self.uri

    @property
    def user(self) -> str:
        """User part of the Request-URI, as written; "" if there is none."""
        try:
            return self.parsed_uri.user
        except RemoteProtocolError:
            return ""

    @property
    def domain(self) -> str:
        """Host of the Request-URI; "" if it has none."""
        try:
            return self.parsed_uri.host
        except RemoteProtocolError:
            return ""

    @property
    def from_uri(self) -> str:
        """Where later requests to the sender go: the Contact URI, the From URI without one."""
        contact = self.contact
        return contact.uri if contact is not None else self.from_.uri

    @property
    def route_text(self) -> str:
        """The route set this request gives its receiver, comma-separated."""
        return ", ".join(self.record_routes)

    def __repr__(self) -> str:
        return f"<SipRequest {self.method} {self.uri} cseq={self.header('cseq')!r}>"


class SipResponse(SipMessage):
    """A response.

    Attributes:
        code: 100 to 699.
        reason: the reason phrase as written, may be empty.
    """

    __slots__ = ("code", "reason")

    def __init__(
        self,
        code: int,
        reason: str,
        head: str,
        headers: dict[str, list[str]],
        body: bytes,
        problem: Problem,
    ) -> None:
        super().__init__(head, headers, body, problem)
        self.code = code
        self.reason = reason

    @property
    def route_text(self) -> str:
        """The route set this response gives the caller, comma-separated."""
        return ", ".join(reversed(self.record_routes))

    def __repr__(self) -> str:
        return f"<SipResponse {self.code} {self.reason} cseq={self.header('cseq')!r}>"
