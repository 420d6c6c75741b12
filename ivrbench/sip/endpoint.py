"""Endpoint: a whole SIP user agent without sockets: bytes and `now` in, events and bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .events import Event
from .flow import Flow
from .invite import InviteCall
from .message import SipRequest
from .settings import EndpointSettings
from .tokens import Tokens
from .trace import Observer

__all__ = ["Endpoint", "EndpointStats"]

Headers = Sequence[tuple[str, str]]


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
    dropped: int
    retransmissions_received: int


class Endpoint:
    """A user agent: both sides of INVITE and non-INVITE transactions, dialogs, calls.

    After any call into it: send what `to_send()` gives, take events until `next_event()` is None, and call
    `on_deadline(now)` when `deadline()` has come.

    Args:
        settings: how it behaves.
        tokens: where tags and branches come from; None: the system's randomness.
        observer: called with every message sent or received; None costs nothing.

    Attributes:
        draining: True makes OPTIONS answer 503 instead of 200, so a proxy stops sending calls.
        handle_options: True delivers OPTIONS as RequestReceived instead of answering it here.
    """

    draining: bool
    handle_options: bool

    def __init__(
        self,
        settings: EndpointSettings | None = None,
        *,
        tokens: Tokens | None = None,
        observer: Observer | None = None,
    ) -> None:
        raise NotImplementedError

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one message: a datagram, a WebSocket message, or what `StreamFramer` gave. Never raises."""
        raise NotImplementedError

    def to_send(self) -> list[tuple[bytes, Flow]]:
        """What to send, in order; each is given once."""
        raise NotImplementedError

    def next_event(self) -> Event | None:
        """The oldest event not taken yet, None if there is none."""
        raise NotImplementedError

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called, None if no timer runs."""
        raise NotImplementedError

    def on_deadline(self, now: float) -> None:
        """Fire the timers that are due; early or late calls do no harm."""
        raise NotImplementedError

    def flow_failed(self, flow: Flow, now: float, reason: str = "") -> None:
        """A connection closed or a send on `flow` failed: its pending requests end with a 503 of our own.

        Calls stay up; their next request goes to the dialog's target on a new flow (`connection_id` 0).
        """
        raise NotImplementedError

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
        contact: str = "",
        route: Sequence[str] = (),
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
            contact: Contact value; made from the flow if not given.
            route: Route values (`<sip:proxy;lr>`), the first being where `flow` leads.

        Raises:
            LocalProtocolError: an argument cannot be sent.
        """
        raise NotImplementedError

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
    ) -> SipRequest:
        """Send a request outside any dialog (not INVITE, ACK or CANCEL); its outcome comes with `call` None."""
        raise NotImplementedError

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
        raise NotImplementedError

    def stats(self) -> EndpointStats:
        """What is alive and what was counted."""
        raise NotImplementedError
