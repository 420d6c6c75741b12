"""A hand-written peer for one endpoint, and a network of two on a virtual clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ivrbench.sip.auth_server import DigestServer
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import Event, InviteReceived
from ivrbench.sip.flow import Flow
from ivrbench.sip.message import SipRequest, SipResponse
from ivrbench.sip.parser import parse_message
from ivrbench.sip.tokens import CountingTokens

if TYPE_CHECKING:
    from ivrbench.sip.invite import InviteCall
    from ivrbench.sip.settings import EndpointSettings

OURS = ("192.0.2.1", 5060)
PEER = ("192.0.2.2", 5060)
UDP = Flow("udp", OURS, PEER)
TCP = Flow("tcp", OURS, PEER, 7)
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\n"

E = TypeVar("E")


def sip(text: str, body: bytes = b"") -> bytes:
    """A message from lines written with plain line ends; adds Content-Length."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode(
        "utf-8", "surrogateescape"
    ) + body


def request(
    method: str,
    *,
    branch: str,
    cseq: int = 1,
    to_tag: str = "",
    uri: str = "sip:menu@192.0.2.1",
    from_tag: str = "peer",
    call_id: str = "call-1",
    extra: str = "",
    body: bytes = b"",
    transport: str = "UDP",
    contact: str = "<sip:peer@192.0.2.2:5060>",
) -> bytes:
    """A request of the peer; `branch` goes after the cookie."""
    tag = f";tag={to_tag}" if to_tag else ""
    contact_line = f"Contact: {contact}\n" if contact and method in ("INVITE", "UPDATE") else ""
    return sip(
        f"""{method} {uri} SIP/2.0
        Via: SIP/2.0/{transport} 192.0.2.2:5060;branch=z9hG4bK{branch};rport
        Max-Forwards: 70
        From: "Peer" <sip:peer@192.0.2.2>;tag={from_tag}
        To: <sip:menu@192.0.2.1>{tag}
        Call-ID: {call_id}
        CSeq: {cseq} {method}
        {contact_line}{extra}""",
        body,
    )


def response(
    to: SipRequest,
    code: int,
    *,
    to_tag: str = "",
    extra: Sequence[str] = (),
    body: bytes = b"",
    contact: str = "<sip:menu@192.0.2.2:5060>",
) -> bytes:
    """The peer's response to a request of ours."""
    tag = f";tag={to_tag}" if to_tag and "tag=" not in to.header("to") else ""
    lines = [f"SIP/2.0 {code} Reason", *(f"Via: {via}" for via in to.headers("via"))]
    lines += [f"From: {to.header('from')}", f"To: {to.header('to')}{tag}"]
    lines += [f"Call-ID: {to.header('call-id')}", f"CSeq: {to.header('cseq')}", *extra]
    if 100 < code < 300 and to.method == "INVITE":
        lines.append(f"Contact: {contact}")
    return sip("\n".join(lines), body)


class Rig:
    """One endpoint, its clock, and what it said so far; the test plays the peer by hand."""

    def __init__(self, settings: EndpointSettings | None = None, flow: Flow = UDP) -> None:
        self.endpoint = Endpoint(settings, tokens=CountingTokens("us"))
        self.flow = flow
        self.now = 100.0
        self.flows: list[Flow] = []

    def receive(self, data: bytes) -> list[SipRequest | SipResponse]:
        """Deliver bytes; gives what was sent because of them."""
        self.endpoint.receive(data, self.flow, self.now)
        return self.sent()

    def sent(self) -> list[SipRequest | SipResponse]:
        """What was sent since the last look, parsed and checked."""
        messages = []
        for data, flow in self.endpoint.to_send():
            message = parse_message(data)
            message.check()
            messages.append(message)
            self.flows.append(flow)
        return messages

    def codes(self) -> list[int]:
        """Status codes sent since the last look; requests must not be among them."""
        return [m.code if isinstance(m, SipResponse) else -1 for m in self.sent()]

    def sent_request(self) -> SipRequest:
        """The one request sent since the last look."""
        (message,) = self.sent()
        assert isinstance(message, SipRequest)
        return message

    def events(self) -> list[Event]:
        """Events not taken yet."""
        found = []
        while (event := self.endpoint.next_event()) is not None:
            found.append(event)
        return found

    def event(self, kind: type[E]) -> E:
        """The only event there is, of that kind."""
        (found,) = self.events()
        assert isinstance(found, kind), found
        return found

    def pass_time(self, seconds: float) -> list[SipRequest | SipResponse]:
        """Let time go by, timer by timer; gives what was sent."""
        end = self.now + seconds
        while (due := self.endpoint.deadline()) is not None and due <= end:
            self.now = due
            self.endpoint.on_deadline(due)
        self.now = end
        return self.sent()

    def invited(self, *, branch: str = "inv", body: bytes = SDP, extra: str = "") -> InviteCall:
        """A call just received; 100 was sent."""
        self.receive(request("INVITE", branch=branch, body=body, extra=extra))
        return self.event(InviteReceived).call

    def connected(self, *, body: bytes = SDP) -> InviteCall:
        """A call received, answered and acknowledged."""
        call = self.invited(body=body)
        call.accept(body=SDP, content_type="application/sdp", now=self.now)
        self.receive(request("ACK", branch="ack", to_tag=call.dialog.local_tag))
        self.events()
        return call

    def calling(self, *, body: bytes = SDP) -> tuple[InviteCall, SipRequest]:
        """A call of ours and its INVITE as sent."""
        call = self.endpoint.invite(
            "sip:menu@192.0.2.2",
            self.flow,
            "<sip:me@192.0.2.1>",
            "<sip:menu@192.0.2.2>",
            body=body,
            now=self.now,
        )
        return call, self.sent_request()

    def called_back(self) -> InviteCall:
        """A call of ours that was answered with tag `peer`; the ACK is out."""
        call, invite = self.calling()
        self.receive(response(invite, 200, to_tag="peer", body=SDP))
        self.events()
        return call

    def assert_empty(self) -> None:
        """Nothing is left: no call, transaction or timer."""
        stats = self.endpoint.stats()
        left = (stats.calls, stats.server_transactions, stats.client_transactions, stats.timers)
        assert left == (0, 0, 0, 0), stats


Fate = Callable[[int], Sequence[float]]
"""Number of a packet -> the delays of its copies in seconds; no delay at all: lost."""


class Network:
    """Two endpoints joined by packets that may be lost, doubled and overtaken, on one virtual
    clock.

    With `secret` the called one asks for a password, which the caller knows.
    """

    def __init__(
        self,
        fate: Fate,
        on_event: Callable[[str, Event, float], None],
        settings: EndpointSettings | None = None,
        *,
        secret: bool = False,
    ) -> None:
        self.now = 0.0
        asks = DigestServer("r", {"me": "secret"}.get, b"k" * 16, CountingTokens("nonce"))
        self.ends = {
            "caller": Endpoint(settings, tokens=CountingTokens("caller")),
            "called": Endpoint(
                settings, tokens=CountingTokens("called"), authority=asks if secret else None
            ),
        }
        self.ends["caller"].credentials = lambda _: ("me", "secret")
        self._flows = {
            "caller": Flow("udp", OURS, PEER),
            "called": Flow("udp", PEER, OURS),
        }
        self._fate = fate
        self._on_event = on_event
        self._packets: list[tuple[float, int, str, bytes]] = []
        self._actions: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    def at(self, when: float, action: Callable[[float], None]) -> None:
        """Do something at a time; `now` is given to it."""
        self._count += 1
        heapq.heappush(self._actions, (when, self._count, action))

    def call(self) -> InviteCall:
        """The caller calls."""
        return self.ends["caller"].invite(
            "sip:menu@192.0.2.2:5060",
            self._flows["caller"],
            "<sip:me@192.0.2.1>",
            "<sip:menu@192.0.2.2>",
            body=SDP,
            now=self.now,
        )

    def run(self, until: float) -> None:
        """Deliver, fire and act in the order of time."""
        self._settle()
        while (when := self._next()) is not None and when <= until:
            self.now = max(self.now, when)
            if self._packets and self._packets[0][0] <= self.now:
                _, _, name, data = heapq.heappop(self._packets)
                self.ends[name].receive(data, self._flows[name], self.now)
            elif self._actions and self._actions[0][0] <= self.now:
                heapq.heappop(self._actions)[2](self.now)
            else:
                for end in self.ends.values():
                    end.on_deadline(self.now)
            self._settle()

    def _next(self) -> float | None:
        times = [end.deadline() for end in self.ends.values()]
        heads = [queue[0][0] for queue in (self._packets, self._actions) if queue]
        known = [time for time in (*times, *heads) if time is not None]
        return min(known) if known else None

    def _settle(self) -> None:
        """Hand out events and put what was sent on the wire, until both ends are quiet."""
        busy = True
        while busy:
            busy = False
            for name, end in self.ends.items():
                while (event := end.next_event()) is not None:
                    busy = True
                    self._on_event(name, event, self.now)
                for data, _ in end.to_send():
                    busy = True
                    other = "called" if name == "caller" else "caller"
                    for delay in self._fate(self._count):
                        self._count += 1
                        heapq.heappush(self._packets, (self.now + delay, self._count, other, data))
                    self._count += 1
