"""Switchboard: the SIP endpoint on one side, sessions on the other; nothing here waits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivrbench.observe.events import (
    EngineDraining,
    LegEnded,
    LegStarted,
    SipTraced,
)
from ivrbench.sip.endpoint import Endpoint
from ivrbench.sip.events import (
    AuthenticationFailed,
    InviteReceived,
    ProvisionalReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from ivrbench.sip.flow import host_port
from ivrbench.sip.tokens import RandomTokens

from . import call_flow
from .admission import Admission, Refusal
from .cdr import callee_record, session_record
from .describe import peer_name, summary_of, without_keys
from .inbox import Inbox
from .leg import Leg
from .scripts.application import MAPPING_FILE, Mapping, choose_application, read_mapping
from .scripts.pool import ScriptPool
from .session import Session
from .signalling.access import Access
from .signalling.endpoint_settings import endpoint_settings
from .signalling.hops import Hops
from .signalling.location import Location
from .signalling.routing import route_through
from .views import RequestFacts

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ivrbench.clock import Clock
    from ivrbench.config.settings import Settings
    from ivrbench.media.messages import StreamCounts
    from ivrbench.observe.events import Event
    from ivrbench.observe.hub import Hub
    from ivrbench.scriptapi.port import RequestView
    from ivrbench.sip.events import Event as SipEvent
    from ivrbench.sip.flow import Flow
    from ivrbench.sip.tokens import Tokens
    from ivrbench.sip.trace import MessageSeen

    from .b2b.callee import Callee
    from .cdr import CdrFile
    from .media.link import MediaLink
    from .scripts.registry import Registry
    from .signalling.routing import Router

__all__ = ["Outcome", "Switchboard"]

log = logging.getLogger("ivrbench.call")

Outcome = ProvisionalReceived | ResponseReceived | RequestTimedOut
"""What becomes of a request outside any call."""


class Switchboard:
    """Everything a call touches, in one place.

    After anything came in by `receive`, `settle()` must follow: it hands events to sessions,
    sends what is to be sent and arms the endpoint's timer.

    Args:
        settings: assign a new value when they change; running calls see limits and codes of the
            newest, and keep what they agreed on.
        loop: the engine's loop.
        clock: its clock; `now()` must be what the loop's timers run on.
        hub: where everything is told.
        registry: the scripts.
        send: sends one SIP message.
        tokens: tags and branches; None: random.
        cdr: call records; None: none.
    """

    media: MediaLink
    """Set by whoever starts the media workers, before the first call."""
    router: Router
    """Set by whoever opens the sockets: finds where requests of ours go."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        hub: Hub,
        registry: Registry,
        send: Callable[[bytes, Flow], None],
        *,
        tokens: Tokens | None = None,
        cdr: CdrFile | None = None,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.now = clock.now
        self.hub = hub
        self.publish: Callable[[Event], object] = hub.publish
        self.registry = registry
        self.cdr = cdr
        self.inbox = Inbox(loop, self.settle)
        self.pool = ScriptPool(loop, self.inbox, clock, settings.script_threads)
        self.flow = call_flow
        self.endpoint_settings = endpoint_settings(settings)
        self.access = Access(settings)
        self.tokens = tokens or RandomTokens()
        self.endpoint = Endpoint(
            self.endpoint_settings,
            tokens=self.tokens,
            observer=self._seen,
            authority=self.access.authority,
            guard=self.access.guard,
        )
        self.location = Location(self)
        self.sessions: dict[str, Session] = {}
        """By the first leg's name."""
        self.by_local_tag: dict[str, Session] = {}
        self.on_idle: Callable[[], None] | None = None
        """Called when the last session of a draining engine is over."""
        self.on_call: Callable[[Session], None] | None = None
        """Called with each new session."""
        self.on_outcome: Callable[[Outcome], bool] = lambda _: False
        """Called with what became of a request outside any call; False: it is nobody's."""
        self.route_from: Callable[[str], tuple[str, ...]] = self._proxy_route
        """Route values of a call of ours, by its From."""
        self.contact_from: Callable[[str, Flow], str] = lambda *_: ""
        """Contact value of a call of ours, by its From and where it goes; "": the usual one."""
        self.callee_hop = ""
        """URI of the test phone that all calls of ours go to, "" while they go where they lead."""
        self._hops = Hops(loop, lambda: self.router, send)
        self._settings = settings
        self.admission = Admission(settings)
        self._mapping: tuple[Mapping, ...] = ()
        self.apply(settings)
        self._last_leg = 0
        self._traced: list[MessageSeen] = []
        self._armed: asyncio.TimerHandle | None = None
        self._armed_s = 0.0

    @property
    def settings(self) -> Settings:
        """What holds for the next call."""
        return self._settings

    def apply(self, settings: Settings) -> None:
        """Take new settings over.

        Raises:
            ConfigError: `application = $(mapping)` and its file cannot be used.
        """
        if settings.application == "$(mapping)":
            folders = settings.script_config_dirs
            found = next((f for f in folders if (f / MAPPING_FILE).exists()), folders[0])
            self._mapping = read_mapping(found / MAPPING_FILE)
        self.access.apply(settings)
        self._settings = self.admission.settings = settings

    # --- SIP in and out -----------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow) -> None:
        """One SIP message came in."""
        if self.access.takes(data, flow):
            self.endpoint.receive(data, flow, self.now())

    def flow_failed(self, flow: Flow, reason: str) -> None:
        """A connection is gone, or a message could not be sent."""
        self.location.flow_failed(flow)
        self.endpoint.flow_failed(flow, self.now(), reason)

    def uses(self, flow: Flow) -> bool:
        """True if a call or a phone needs this connection."""
        return self.endpoint.uses(flow) or self.location.uses(flow)

    def settle(self) -> None:
        """Take the endpoint's events, send its messages, arm its timer."""
        endpoint, send = self.endpoint, self._hops.send
        while True:
            while (event := endpoint.next_event()) is not None:
                try:
                    self._dispatch(event)
                except Exception:
                    # A fault of ours in one call; the others go on.
                    log.exception("%s was not handled", type(event).__name__)
            self._tell_traced()
            messages = endpoint.to_send()
            if not messages:
                break
            for data, flow in messages:
                send(data, flow)
        for notice in self.access.notices():
            self.publish(notice)
        self._arm()

    def _arm(self) -> None:
        """Keep one timer on the loop, at the endpoint's deadline or earlier."""
        deadline_s = self.endpoint.deadline()
        if deadline_s is None:
            return
        if self._armed is not None:
            # One that fires too early looks again; moving it for every message would cost more.
            if self._armed_s <= deadline_s:
                return
            self._armed.cancel()
        self._armed_s = deadline_s
        self._armed = self.loop.call_later(max(0.0, deadline_s - self.now()), self._due)

    def close(self) -> None:
        """Stop the timer, forget what waits."""
        self._hops.close()
        if self._armed is not None:
            self._armed.cancel()

    def _due(self) -> None:
        self._armed = None
        self.endpoint.on_deadline(self.now())
        self.settle()

    def _dispatch(self, event: SipEvent) -> None:
        if isinstance(event, InviteReceived):
            self._invited(event)
            return
        call = event.call
        if call is not None:
            if isinstance(call.owner, Leg):
                call_flow.receive(call.owner, event)
        elif isinstance(event, AuthenticationFailed):
            log.info("wrong password for %r from %s", event.user, event.flow.remote[0])
        elif isinstance(event, RequestReceived):
            if event.request.method == "REGISTER":
                self.location.answer(event.request)
            else:
                # ivr-api §7: outside a dialog nothing else is served.
                self.endpoint.respond(event.request, 404, now=self.now())
        elif not isinstance(event, Outcome):
            log.warning("%s belongs to no call", type(event).__name__)
        elif not self.on_outcome(event):
            log.debug("%s %d", event.request.method, event.response.code)

    # --- new calls ----------------------------------------------------------------------------

    def _invited(self, event: InviteReceived) -> None:
        call, request = event.call, event.request
        name = self.next_name()
        source = call.dialog.flow.remote[0]
        refusal = self.admission.check(source, len(self.sessions), self.now(), self.media.room)
        if refusal is not None:
            self._refuse(event, name, "", refusal)
            return
        application = self.choose(RequestFacts(request))
        generation = self.registry.acquire(application)
        if generation is None:
            self._refuse(event, name, application, self._unknown(application, source))
            return
        peer = peer_name(request)
        extra = {"leg": name, "script": application}
        log.info(
            "INVITE %s from %s → %s@%d",
            request.uri,
            peer,
            application,
            generation.number,
            extra=extra,
        )
        session = Session(self, generation, name, call)
        self.add(session)
        call_flow.begin(session, request, peer)
        if self.on_call is not None:
            self.on_call(session)

    def _proxy_route(self, _: str) -> tuple[str, ...]:
        return route_through(self._settings.outbound_proxy)

    def next_name(self) -> str:
        """The name of a new call's first leg."""
        self._last_leg += 1
        return f"c{self._last_leg}"

    def choose(self, request: RequestView) -> str:
        """The script that a request is for, "" if it names none."""
        return choose_application(self._settings.application, request, self._mapping)

    def add(self, session: Session) -> None:
        """A new session."""
        self.sessions[session.leg.name] = session
        self.by_local_tag[session.leg.dialog.local_tag] = session

    def _unknown(self, application: str, source: str) -> Refusal:
        self.access.missed(source, self.now())
        code = self._settings.unknown_application_code
        if application:
            text = f'no script "{application}" that loaded; see the load messages'
        else:
            text = "the INVITE names no script (header P-App-Name, URI parameter app, URI user)"
        return Refusal(code, "", text)

    def _refuse(self, event: InviteReceived, name: str, application: str, refusal: Refusal) -> None:
        call, request = event.call, event.request
        call.label.name = name
        call.reject(refusal.code, refusal.reason, refusal.headers, now=self.now())
        peer = peer_name(request)
        log.warning(
            "INVITE %s from %s refused with %d: %s",
            request.uri,
            peer,
            refusal.code,
            refusal.sentence,
            extra={"leg": name, "script": application},
        )
        dialog = call.dialog
        self.publish(
            LegStarted(
                leg=name,
                direction="in",
                script=application,
                generation=0,
                peer=peer,
                call_id=dialog.call_id,
                request_uri=request.uri,
                local_tag=dialog.local_tag,
            )
        )
        self.publish(LegEnded(name, "engine", refusal.code, refusal.sentence, 0.0))

    # --- ends ---------------------------------------------------------------------------------

    def forget(self, session: Session) -> None:
        """A session is over."""
        self.sessions.pop(session.leg.name, None)
        self.by_local_tag.pop(session.leg.dialog.local_tag, None)
        if not self.sessions and self.on_idle is not None:
            self.loop.call_soon(self.on_idle)

    def write_record(self, session: Session, counts: StreamCounts | None) -> None:
        """One row for a call that is over."""
        if self.cdr is None:
            return
        self.cdr.append(session_record(session, counts))

    def write_callee_record(self, callee: Callee, counts: StreamCounts | None) -> None:
        """One row for a second party that is gone."""
        if self.cdr is not None:
            self.cdr.append(callee_record(callee, counts))

    def drain(self, within_s: float) -> None:
        """No new calls; scripts hear `onServerShutdown`, those without it are ended."""
        if self.admission.draining:
            return
        self.admission.draining = self.endpoint.draining = True
        self.publish(EngineDraining(within_s, len(self.sessions)))
        for session in list(self.sessions.values()):
            session.shut_down()
        self.settle()

    def tell_all(self, handler: str) -> None:
        """A handler without arguments for every session: `onUser1`, `onUser2`."""
        for session in list(self.sessions.values()):
            session.tell(handler)
        self.settle()

    def send_message(self, local_tag: str, message: str) -> None:
        """`ivr.sendMessage`: an unknown tag is not an error."""
        session = self.by_local_tag.get(local_tag)
        if session is not None:
            session.tell("onIvrMessage", message)

    # --- the ladder ---------------------------------------------------------------------------

    def _seen(self, seen: MessageSeen) -> None:
        # The leg of a new call is not known yet; it is once the endpoint's events are taken.
        self._traced.append(seen)

    def _tell_traced(self) -> None:
        traced, self._traced = self._traced, []
        for seen in traced:
            flow = seen.flow
            self.publish(
                SipTraced(
                    leg=seen.call.name if seen.call is not None else "",
                    sent=seen.sent,
                    transport=flow.transport,
                    local=host_port(*flow.local),
                    remote=host_port(*flow.remote),
                    summary=seen.refused or summary_of(seen.data),
                    raw=without_keys(seen.data),
                    retransmission=seen.retransmission,
                )
            )
