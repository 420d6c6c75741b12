"""Core: what all parts of an endpoint share: settings, tokens, timers, outbox and events."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from .auth import DigestClient
from .timers import TimerQueue
from .trace import MessageSeen

if TYPE_CHECKING:
    from collections.abc import Callable

    from .auth import Credentials
    from .events import Event
    from .flow import Flow
    from .hunt import Place
    from .invite import InviteCall
    from .settings import EndpointSettings
    from .tokens import Tokens
    from .trace import CallLabel, Observer

__all__ = ["Core", "FlowUser"]


class FlowUser(Protocol):
    """Something that wants to know when its connection is gone."""

    def on_flow_failed(self, flow: Flow, now: float) -> None:
        """The flow it registered for does not work any more."""


class Core:
    """One endpoint's shared state; every transaction and call holds it.

    Attributes:
        settings, tokens: as given to the endpoint.
        timers: all timers.
        outbox: messages to send, with their flows.
        events: events not taken yet.
        sent: messages put in the outbox so far.
        calls: calls that are up, by local tag.
        credentials: who we are in which realm, unless a call was told otherwise; None: nobody.
        locate: tells where the telephone is that a GRUU of ours leads to (RFC 5627); None: nowhere.
        server_line, agent_line, allow_line, supported_line: header lines, ready to send.
    """

    __slots__ = (
        "_during_receive",
        "_flow_users",
        "_observer",
        "agent_line",
        "allow_line",
        "calls",
        "credentials",
        "events",
        "locate",
        "outbox",
        "sent",
        "server_line",
        "settings",
        "supported_line",
        "timers",
        "tokens",
    )

    def __init__(
        self, settings: EndpointSettings, tokens: Tokens, observer: Observer | None
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.timers = TimerQueue()
        self.outbox: list[tuple[bytes, Flow]] = []
        self.events: deque[Event] = deque()
        self.sent = 0
        self.calls: dict[str, InviteCall] = {}
        self.credentials: Credentials | None = None
        self.locate: Callable[[str], Place | None] = lambda _: None
        self.allow_line = f"Allow: {', '.join(settings.allowed_methods)}\r\n"
        tags = ", ".join(settings.supported)
        self.supported_line = f"Supported: {tags}\r\n" if tags else ""
        self.server_line = f"Server: {settings.user_agent}\r\n" if settings.user_agent else ""
        self.agent_line = f"User-Agent: {settings.user_agent}\r\n" if settings.user_agent else ""
        self._observer = observer
        self._during_receive: list[MessageSeen] | None = None
        self._flow_users: dict[Flow, dict[FlowUser, None]] = {}

    def digest_client(self, credentials: Credentials | None = None) -> DigestClient | None:
        """What answers the challenges to one call or request; None: nothing does."""
        chosen = credentials or self.credentials
        return DigestClient(chosen, self.tokens) if chosen is not None else None

    def send(
        self,
        data: bytes,
        flow: Flow,
        now: float,
        call: CallLabel | None = None,
        retransmission: bool = False,
    ) -> None:
        """Put a message in the outbox."""
        self.outbox.append((data, flow))
        self.sent += 1
        if self._observer is not None:
            self._see(MessageSeen(now, True, data, None, "", flow, call, retransmission))

    @property
    def observed(self) -> bool:
        """True if somebody looks at the messages."""
        return self._observer is not None

    def begin_receive(self) -> None:
        """Hold back what is sent from now on, until `end_receive` has shown the message that caused
        it.
        """
        self._during_receive = []

    def end_receive(self, seen: MessageSeen) -> None:
        """Show a received message, then what was sent because of it."""
        held, self._during_receive = self._during_receive or [], None
        for each in (seen, *held):
            self._see(each)

    def _see(self, seen: MessageSeen) -> None:
        if self._during_receive is not None:
            self._during_receive.append(seen)
        elif self._observer is not None:
            self._observer(seen)

    def watch_flow(self, flow: Flow, user: FlowUser) -> None:
        """Have `user` told when `flow` fails; only connections are watched."""
        if flow.transport != "udp":
            self._flow_users.setdefault(flow, {})[user] = None

    def unwatch_flow(self, flow: Flow, user: FlowUser) -> None:
        """Forget `watch_flow`."""
        if flow.transport != "udp":
            users = self._flow_users.get(flow)
            if users is not None:
                users.pop(user, None)
                if not users:
                    del self._flow_users[flow]

    def watch_flows(self, before: set[Flow], after: set[Flow], user: FlowUser) -> None:
        """Have `user` watch other flows than before."""
        for flow in before - after:
            self.unwatch_flow(flow, user)
        for flow in after - before:
            self.watch_flow(flow, user)

    def flow_users(self, flow: Flow) -> list[FlowUser]:
        """Who watches `flow`."""
        return list(self._flow_users.get(flow, ()))
