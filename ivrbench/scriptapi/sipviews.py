"""IvrSipDialog, IvrSipRequest, IvrSipReply: SIP as scripts see it, every text a str."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ivrbench.scriptapi.arguments import need_str
from ivrbench.scriptapi.host import the_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.port import DialogView, ReplyView, RequestView

__all__ = ["STATUS_NAMES", "IvrSipDialog", "IvrSipReply", "IvrSipRequest"]

STATUS_NAMES: Final = (
    "Disconnected",
    "Trying",
    "Proceeding",
    "Cancelling",
    "Early",
    "Connected",
    "Disconnecting",
)


class IvrSipDialog:
    """`self.dialog`: a live view of the SIP dialog (ivr-api §3.4). Made by the engine."""

    __slots__ = ("_view",)

    def __init__(self, view: DialogView) -> None:
        self._view = view

    @property
    def user(self) -> str:
        """User of the initial INVITE's request URI."""
        return self._view.user

    @property
    def domain(self) -> str:
        """Its host."""
        return self._view.domain

    @property
    def local_uri(self) -> str:
        """Our URI: the request URI of the initial INVITE."""
        return self._view.local_uri

    @property
    def remote_uri(self) -> str:
        """The peer's Contact, target of our requests; settable."""
        return self._view.remote_uri

    @remote_uri.setter
    def remote_uri(self, uri: str) -> None:
        self._view.set_remote_uri(need_str("remote_uri", 1, uri))

    @property
    def callid(self) -> str:
        """Call-ID."""
        return self._view.callid

    @property
    def remote_tag(self) -> str:
        """The peer's tag."""
        return self._view.remote_tag

    @property
    def local_tag(self) -> str:
        """Our tag; names the session in `ivr.sendMessage`."""
        return self._view.local_tag

    @property
    def remote_party(self) -> str:
        """The caller as `"Name" <uri>`, without tag."""
        return self._view.remote_party

    @property
    def local_party(self) -> str:
        """The To value as received."""
        return self._view.local_party

    @property
    def route(self) -> str:
        """ "" or a whole `Route: …` line."""
        return self._view.route

    @property
    def outbound_proxy(self) -> str:
        """The proxy requests go through first, "" if none."""
        return self._view.outbound_proxy

    @property
    def cseq(self) -> int:
        """The CSeq of our next request."""
        return self._view.cseq

    @property
    def status(self) -> int:
        """0 Disconnected … 5 Connected, 6 Disconnecting."""
        return self._view.status

    @property
    def status_str(self) -> str:
        """`status` as a word."""
        return STATUS_NAMES[self._view.status]

    @property
    def contact_uri(self) -> str:
        """Our Contact header line, as scripts of the first generation expect it."""
        user = f"{self._view.user}@" if self._view.user else ""
        return f"Contact: <sip:{user}{_own_address()}>\r\n"

    @property
    def sip_ip(self) -> str:
        """Our SIP address; first generation."""
        return the_host().local_sip_ip

    @property
    def sip_port(self) -> str:
        """Our SIP port; first generation."""
        return str(the_host().local_sip_port)

    @property
    def next_hop(self) -> str:
        """The proxy requests go through first; first generation."""
        return self._view.outbound_proxy


class IvrSipRequest:
    """One request (ivr-api §3.5). Made by the engine.

    Args:
        source: gives the request; asked on every read, so `invite_req` is live.
        live: True for `invite_req`, where setting `hdrs` changes the stored request; False for
            the copy a handler gets.
    """

    __slots__ = ("_hdrs", "_live", "_source")

    def __init__(self, source: Callable[[], RequestView], *, live: bool = False) -> None:
        self._source = source
        self._live = live
        self._hdrs: str | None = None

    @classmethod
    def copy_of(cls, view: RequestView) -> IvrSipRequest:
        """The object for a handler's argument."""
        return cls(lambda: view)

    @property
    def method(self) -> str:
        """INVITE, BYE, …"""
        return self._source().method

    @property
    def user(self) -> str:
        """User of the request URI."""
        return self._source().user

    @property
    def domain(self) -> str:
        """Its host."""
        return self._source().domain

    @property
    def r_uri(self) -> str:
        """The request URI."""
        return self._source().r_uri

    @property
    def from_uri(self) -> str:
        """The Contact URI; the From URI if there is none."""
        return self._source().from_uri

    @property
    def to(self) -> str:
        """The To value."""
        return self._source().to_header

    @property
    def callid(self) -> str:
        """Call-ID."""
        return self._source().callid

    @property
    def from_tag(self) -> str:
        """Tag of From."""
        return self._source().from_tag

    @property
    def to_tag(self) -> str:
        """Tag of To."""
        return self._source().to_tag

    @property
    def route(self) -> str:
        """The route set, comma separated."""
        return self._source().route

    @property
    def body(self) -> str:
        """The body as text."""
        return self._source().body

    @property
    def hdrs(self) -> str:
        """Headers the stack does not parse itself; settable."""
        return self._source().hdrs if self._hdrs is None else self._hdrs

    @hdrs.setter
    def hdrs(self, hdrs: str) -> None:
        need_str("hdrs", 1, hdrs)
        if self._live:
            self._source().hdrs = hdrs
        else:
            self._hdrs = hdrs

    @property
    def cseq(self) -> int:
        """CSeq number."""
        return self._source().cseq

    @property
    def dstip(self) -> str:
        """The address it came in on; first generation."""
        return the_host().local_sip_ip

    @property
    def port(self) -> str:
        """Its port; first generation."""
        return str(the_host().local_sip_port)

    @property
    def next_hop(self) -> str:
        """The first of the route set; first generation."""
        return self._source().route.partition(",")[0].strip()


def _from_header(request: IvrSipRequest) -> str:
    """The From value; read it with `getattr(req, "from")`, since `from` is a keyword."""
    return request._source().from_header


setattr(IvrSipRequest, "from", property(_from_header))


class IvrSipReply:
    """One reply (ivr-api §3.6). Made by the engine."""

    __slots__ = ("_view",)

    def __init__(self, view: ReplyView) -> None:
        self._view = view

    @property
    def code(self) -> int:
        """Status code."""
        return self._view.code

    @property
    def reason(self) -> str:
        """Reason phrase."""
        return self._view.reason

    @property
    def contact(self) -> str:
        """The Contact URI."""
        return self._view.contact

    @property
    def route(self) -> str:
        """The route set, comma separated."""
        return self._view.route

    @property
    def hdrs(self) -> str:
        """Headers the stack does not parse itself."""
        return self._view.hdrs

    @property
    def from_tag(self) -> str:
        """Tag of From, ours."""
        return self._view.from_tag

    @property
    def to_tag(self) -> str:
        """Tag of To, the peer's."""
        return self._view.to_tag

    @property
    def cseq(self) -> int:
        """CSeq number."""
        return self._view.cseq

    @property
    def body(self) -> str:
        """The body as text; first generation."""
        return self._view.body

    @property
    def next_request_uri(self) -> str:
        """The peer's Contact; first generation."""
        return self._view.contact

    @property
    def next_hop(self) -> str:
        """The first of the route set; first generation."""
        return self._view.route.partition(",")[0].strip()

    @property
    def remote_tag(self) -> str:
        """The peer's tag; first generation."""
        return self._view.to_tag

    @property
    def local_tag(self) -> str:
        """Our tag; first generation."""
        return self._view.from_tag


def _own_address() -> str:
    host = the_host()
    ip = f"[{host.local_sip_ip}]" if ":" in host.local_sip_ip else host.local_sip_ip
    return f"{ip}:{host.local_sip_port}"
