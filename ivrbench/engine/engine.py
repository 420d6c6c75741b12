"""Engine: all parts of one engine, made, wired and closed again."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import resource
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import ivrbench
from ivrbench import logs, scriptapi
from ivrbench.config import differences, load_settings
from ivrbench.errors import ConfigError, MediaError
from ivrbench.media.client import MediaClient, MediaSettings
from ivrbench.observe.events import ConfigChanged, ListenerChanged, LogWritten, WorkerChanged
from ivrbench.observe.history import History
from ivrbench.observe.hub import Hub
from ivrbench.observe.snapshot import EngineView
from ivrbench.sip.flow import host_port

from .cdr import CdrFile
from .control import ControlServer
from .desk import Desk
from .media.link import MediaLink, Worker
from .media.worker_watch import until_gone
from .memory.guard import MemoryGuard
from .metrics import Metrics
from .metrics_page import MetricsPage
from .reports import Reporter
from .scripts.host import ScriptHost
from .scripts.library import ScriptLibrary
from .scripts.registry import Registry
from .signalling.datagrams import local_address_towards
from .signalling.dns import Resolver
from .signalling.registrations import Registrations
from .signalling.routing import Router
from .signalling.tls import tls_contexts
from .signalling.transports import Transports
from .switchboard import Switchboard

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ivrbench.clock import Clock
    from ivrbench.config.settings import Settings
    from ivrbench.logs import LogLine
    from ivrbench.media.messages import MediaEvent
    from ivrbench.observe.events import Event
    from ivrbench.sip.flow import Flow

__all__ = ["Engine"]

log = logging.getLogger("ivrbench.engine")

SOMEWHERE: Final = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}
"""An address out there, to learn which of ours leads there; nothing is sent (RFC 5737, 3849)."""
SOON_S: Final = 1.0
"""What calls still up get when the time to shut down is over, for their BYE to be answered."""
LAST_WORDS_S: Final = 0.05
"""From the last call's end to the engine's: answers and media commands get out."""
WORKER_RETRY_S: Final = 2.0
"""Between tries to start a media worker that does not start."""


class Engine:
    """One engine. `await open()`, then `await ended()`, then `await close()`.

    Args:
        settings: what to serve and where.
        loop: the running loop.
        clock: the machine's.

    Attributes:
        board: sessions.
        transports: listeners.
        hub: everything that happened.
    """

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.settings = settings
        file = settings.config_file
        self._in_file = load_settings(file) if file is not None else settings
        """What `ivr.conf` said last; the command line may say otherwise in `board.settings`."""
        self._loop = loop
        view = EngineView(
            version=ivrbench.__version__,
            pid=os.getpid(),
            script_path=str(settings.script_path),
            config_file=str(settings.config_file or ""),
            console=settings.console_is_on,
            rtp_low_port=settings.rtp_low_port,
            rtp_high_port=settings.rtp_high_port,
            started_at_s=clock.wall(),
        )
        self.hub = Hub(clock, History(view), self._watch_legs)
        self.registry = Registry(self.tell)
        cdr = CdrFile(settings.cdr) if settings.cdr is not None else None
        self.transports = Transports(
            self._receive,
            self._flow_failed,
            self._settle,
            in_use=self._in_use,
            admit=lambda ip: self.board.access.takes_connection(ip, clock.now()),
            tls=tls_contexts(settings),
        )
        self.board = Switchboard(
            settings, loop, clock, self.hub, self.registry, self.transports.send, cdr=cdr
        )
        self.board.media = MediaLink(self.board)
        self._memory = MemoryGuard(self.board)
        self.board.on_idle = self._idle
        self.board.router = Router(Resolver(), self.transports)
        self.registrations = Registrations(self.board, self.board.router, self.transports)
        self.board.on_outcome = self.registrations.take
        self.board.access.trusts = self.registrations.knows
        self.board.route_from = self.registrations.route_from
        self.board.contact_from = self.registrations.contact_from
        self.library = ScriptLibrary(
            settings.script_path,
            settings.script_config_dirs,
            self.registry,
            self.tell,
            clock,
            config_file=settings.config_file,
            on_config_changed=self._config_changed,
            python2=settings.python2_conversion,
        )
        self.desk = Desk(self)
        self._control: ControlServer | None = None
        self._reporter: Reporter | None = None
        self._cdr = cdr
        self._metrics_page: MetricsPage | None = None
        self._end = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._untee = logs.tee(self._logged)

    # --- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Bring everything up; calls come in when this returns.

        Raises:
            PortTaken: a SIP listener cannot be had.
            MediaError: no media worker starts.
            ConfigError: the control socket or the metrics page cannot be had.
        """
        _raise_file_limit()
        if self.settings.control_socket is not None:
            path = self.settings.control_socket
            self._control = ControlServer(path, self.hub, self.desk.handle)
            await self._control.open()
            log.info("control socket %s", path)
        if self.settings.metrics_listen is not None:
            self._metrics_page = MetricsPage(Metrics(self.board).text)
            await self._metrics_page.open(*self.settings.metrics_listen)
        # Workers first: a caller that comes with the first datagram finds everything in place.
        for number in range(1, max(1, self.settings.media_workers) + 1):
            await self._start_worker(number)
        for listen in self.settings.listeners:
            await self._listen(listen.transport, listen.ip, listen.port)
        self._memory.apply(self.settings)
        scriptapi.install(self._script_host())
        if self.settings.watch:
            self.library.start_watching()  # first: what is saved while scripts load is seen too
        await asyncio.to_thread(self.library.load_all)
        self.library.start_threads()
        self._reporter = Reporter(self.board)
        self.registrations.apply(self.settings)

    async def ended(self) -> None:
        """Wait until the engine was told to stop and its calls are over."""
        await self._end.wait()

    async def close(self) -> None:
        """Close everything."""
        for session in list(self.board.sessions.values()):
            session.hang_up("engine", "the server shuts down")
            session.finish()  # nobody waits for the answer to this BYE
        self.board.settle()
        await self._media_closed()
        await self.registrations.close(SOON_S)
        self.library.close()
        self._memory.close()
        if self._reporter is not None:
            self._reporter.close()
        await self.desk.phones.close()
        if self._control is not None:
            await self._control.close()
        if self._metrics_page is not None:
            await self._metrics_page.close()
        for task in self._tasks:
            task.cancel()
        for worker in list(self.board.media.workers):
            worker.gone = True
            await worker.media.close()
        self.board.settle()
        self.transports.close()
        self.board.pool.close()
        self.board.close()
        if self._cdr is not None:
            self._cdr.close()
        self._untee()

    async def _media_closed(self) -> None:
        """Wait until the workers are done with all calls: recordings whole, records written."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON_S):
                await self.board.media.all_closed()

    def drain(self) -> None:
        """No new calls; end with the last one, or after `max_shutdown_time`."""
        if self.board.admission.draining:
            return
        within_s = float(self.board.settings.max_shutdown_time)
        log.info("draining: %d calls are up", len(self.board.sessions))
        self.board.drain(within_s)
        self.registrations.leave()
        if not self.board.sessions:
            self._idle()
        self._loop.call_later(within_s, self.stop)

    def stop(self) -> None:
        """End all calls by BYE and the engine soon after."""
        self.drain()
        for session in list(self.board.sessions.values()):
            session.hang_up("engine", "the server shuts down")
        self.board.settle()
        self._loop.call_later(SOON_S, self._end.set)

    def _idle(self) -> None:
        if self.board.admission.draining:
            self._loop.call_later(LAST_WORDS_S, self._end.set)

    # --- scripts and settings -----------------------------------------------------------------

    def reload(self, script: str = "") -> None:
        """Load a script again, or all."""
        self.library.reload(script)

    def _config_changed(self) -> None:
        """`ivr.conf` changed; in the library's thread."""
        path = self.settings.config_file
        if path is None:
            return
        try:
            new = load_settings(path)
        except ConfigError as exc:
            self.tell(ConfigChanged((), (), str(exc)))
            return
        self.board.inbox.post(self._apply, new)

    def _apply(self, new: Settings) -> None:
        applied, needs_restart = differences(self._in_file, new)
        was_bad = bool(self.hub.history.engine.config and self.hub.history.engine.config.error)
        if not applied and not needs_restart and not was_bad:
            return
        self._in_file = new
        # What the command line said stays; only what changed in the file is taken over.
        changed = replace(self.board.settings, **{name: getattr(new, name) for name in applied})
        try:
            self.board.apply(changed)
            self.registrations.apply(changed)
            self._memory.apply(changed)
        except ConfigError as exc:
            self.hub.publish(ConfigChanged((), (), str(exc)))
            return
        self.library.python2 = changed.python2_conversion
        logs.set_level(changed.loglevel)
        self.hub.publish(ConfigChanged(applied, needs_restart))

    # --- listeners and workers ----------------------------------------------------------------

    async def _listen(self, transport: str, ip: str, port: int) -> None:
        next_free = self.settings.next_free_port
        listener = await self.transports.open(transport, ip, port, next_free=next_free)
        reason = ""
        if port and listener.port != port:
            reason = f"port {port} is taken, using {listener.port}"
        where = f"{transport}:{host_port(ip, listener.port)}"
        tell = log.warning if reason else log.info
        tell("SIP on %s%s", where, f" ({reason})" if reason else "")
        self.hub.publish(ListenerChanged(transport, ip, listener.port, True, reason))

    async def _start_worker(self, number: int, died: Worker | None = None) -> None:
        """Start a media worker, or the next one in the place of one that died."""
        early: list[MediaEvent] = []
        arena = died.media.arena if died is not None else None
        client = await MediaClient.start(
            MediaSettings(self.settings.prompt_memory_mb), early.extend, arena
        )
        worker = died or Worker(number, client)
        client.on_events = lambda events: self.board.media.receive(worker, events)
        ready = client.ready
        log.info("media worker %d: pid %d, %s", number, ready.pid, ready.priority)
        if ready.note:
            log.info("media worker %d: %s", number, ready.note)
        self.hub.publish(WorkerChanged(number, ready.pid, True, ready.priority, ready.note))
        if died is None:
            self.board.media.add(worker)
        else:
            self.board.media.replaced(worker, client)
        self._spawn(self._mind_worker(worker, client))

    async def _mind_worker(self, worker: Worker, client: MediaClient) -> None:
        """When a worker ends, a new one is started, which takes its calls over."""
        how = await until_gone(client, self._loop.time)
        if worker.gone:
            return
        log.error("%s: a new one is started for its %d calls", how, len(worker.calls))
        self.hub.publish(WorkerChanged(worker.number, client.ready.pid, False, "", how))
        self.board.media.lost(worker, how)
        while True:
            try:
                await self._start_worker(worker.number, worker)
            except MediaError as exc:
                log.error("%s", exc)
            else:
                return
            await asyncio.sleep(WORKER_RETRY_S)

    def _script_host(self) -> ScriptHost:
        """What scripts read as our address: the first listener's, a concrete one."""
        first = self.transports.listeners[0]
        ip = first.ip
        if ipaddress.ip_address(ip).is_unspecified:
            ip = self.settings.public_ip or local_address_towards(SOMEWHERE[first.ip])
        return ScriptHost(self.board, ip, first.port)

    # --- wires --------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Publish an event from any thread; log lines go to the log, which publishes them."""
        if isinstance(event, LogWritten):
            logger = logging.getLogger(f"{logs.ROOT}.{event.source}")
            text = f"{event.text}\n{event.detail}" if event.detail else event.text
            extra = {"leg": event.leg, "script": event.script}
            logger.log(logs.LEVELS[event.level], "%s", text, extra=extra)
        else:
            self.board.inbox.post(self.hub.publish, event)

    def _logged(self, line: LogLine) -> None:
        written = LogWritten(line.level, line.source, line.text, line.leg, line.script, line.detail)
        if self.board.inbox.on_loop:
            self.hub.publish(written)
        else:
            self.board.inbox.post(self.hub.publish, written)

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.board.receive(data, flow)

    def _flow_failed(self, flow: Flow, reason: str) -> None:
        self.board.flow_failed(flow, reason)
        self.registrations.flow_failed(flow, reason)

    def _in_use(self, flow: Flow) -> bool:
        return self.board.uses(flow) or self.registrations.uses(flow)

    def _settle(self) -> None:
        self.board.settle()

    def _watch_legs(self, legs: frozenset[str], all_legs: bool) -> None:
        self.board.media.watch(legs, all_legs)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _raise_file_limit() -> None:
    """Two sockets for each call until the worker has them, one for each connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
