"""The fold: events in, the state of engine, scripts and legs out, for the engine and its clients.

The engine's `History` has seen every event; a client's begins with `History.resume(snapshot)`.
Both end in the same state. Memory is bounded: each collection has a limit here.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from msgspec import structs

from ivrbench.observe import (
    _fold_inspection,
    _fold_legs,
    _fold_monitor,
    _fold_phones,
    _fold_rooms,
    _fold_scripts,
)
from ivrbench.observe._fold_legs import KEY_NAMES
from ivrbench.observe.events import (
    ConfigChanged,
    EngineDraining,
    EngineReported,
    ListenerChanged,
    LogWritten,
    RegistrationChanged,
    SipTraced,
    SourceRefused,
    Stamped,
    WorkerChanged,
)
from ivrbench.observe.memory import MemoryChanged
from ivrbench.observe.snapshot import (
    EngineView,
    LegView,
    MonitorView,
    PhoneView,
    ScriptView,
    Snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["KEY_NAMES", "MAX_DONE_LEGS", "MAX_LOG_LINES", "MAX_SIP_MESSAGES", "History", "Ring"]

MAX_DONE_LEGS = 200
MAX_SIP_MESSAGES = 5_000
MAX_SIP_BYTES = 4_194_304  # 5 000 messages × about 800 bytes
MAX_LOG_LINES = 2_000
MAX_LOG_BYTES = 2_097_152  # 2 000 lines × about 120 bytes, and 150 tracebacks of 12 kB


class Ring:
    """The newest events of one kind, bounded by number and by bytes."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self.events: deque[Stamped] = deque()
        self.dropped = 0
        """Events that fell out at the old end."""

    def add(self, stamped: Stamped) -> None:
        """Take one more; the oldest fall out. The newest stays even if it is too large alone."""
        self.events.append(stamped)
        self.n_bytes += _weight(stamped)
        while len(self.events) > 1 and (
            len(self.events) > self.max_events or self.n_bytes > self.max_bytes
        ):
            self.n_bytes -= _weight(self.events.popleft())
            self.dropped += 1

    def fill(self, events: Iterable[Stamped]) -> None:
        """Take many."""
        for stamped in events:
            self.add(stamped)


def _weight(stamped: Stamped) -> int:
    event = stamped.event
    if isinstance(event, SipTraced):
        return len(event.raw)
    if isinstance(event, LogWritten):
        return len(event.text) + len(event.detail)
    return 0


class History:
    """The state of everything, kept by applying events in order.

    Args:
        engine: what the engine says about itself; changed by later events.
    """

    def __init__(self, engine: EngineView | None = None) -> None:
        self.engine = engine or EngineView()
        self.scripts: dict[str, ScriptView] = {}
        self.live: dict[str, LegView] = {}
        self.done: dict[str, LegView] = {}
        self.done_total = 0
        self.phones: dict[str, PhoneView] = {}
        self.monitor: dict[str, MonitorView] = {}
        """By the call id that scripts gave."""
        self.sip = Ring(MAX_SIP_MESSAGES, MAX_SIP_BYTES)
        self.logs = Ring(MAX_LOG_LINES, MAX_LOG_BYTES)
        self.seq = 0
        self.at_s = 0.0

    @classmethod
    def resume(cls, snapshot: Snapshot) -> History:
        """Go on from a snapshot, which is taken over, not copied."""
        history = cls(snapshot.engine)
        history.scripts = snapshot.scripts
        history.live = snapshot.live
        history.done = snapshot.done
        history.done_total = snapshot.done_total
        history.phones = snapshot.phones
        history.monitor = snapshot.monitor
        history.sip.fill(snapshot.sip)
        history.logs.fill(snapshot.logs)
        history.seq, history.at_s = snapshot.seq, snapshot.at_s
        return history

    def snapshot(self, max_whole_legs: int | None = None) -> Snapshot:
        """The state now. It shares its parts with this history: encode it before going on.

        Args:
            max_whole_legs: so many legs have their timelines and messages, newest first, the live
                ones before the done ones; None for all.
        """
        newest = chain(reversed(self.live), reversed(self.done))
        whole = set(islice(newest, max_whole_legs))
        return Snapshot(
            seq=self.seq,
            at_s=self.at_s,
            engine=self.engine,
            scripts=self.scripts,
            live={name: leg if name in whole else _brief(leg) for name, leg in self.live.items()},
            done={name: leg if name in whole else _brief(leg) for name, leg in self.done.items()},
            done_total=self.done_total,
            phones=self.phones,
            sip=list(self.sip.events),
            logs=list(self.logs.events),
            monitor=self.monitor,
        )

    def apply(self, stamped: Stamped) -> None:
        """Fold one event in. Events about a leg or script that is not known are ignored."""
        self.seq, self.at_s = stamped.seq, stamped.at_s
        _FOLDS[type(stamped.event)](self, stamped, stamped.event)

    def take_whole(self, legs: Iterable[LegView]) -> None:
        """Put legs that were brief in the snapshot in their places."""
        for leg in legs:
            for where in (self.live, self.done):
                if leg.name in where:
                    where[leg.name] = leg

    def phone_of(self, leg: str) -> PhoneView | None:
        """The test phone that a leg is, None if it is somebody else."""
        phones = reversed(self.phones.values())
        return next((phone for phone in phones if leg and phone.leg == leg), None)

    def leg(self, name: str) -> LegView | None:
        """A leg by name, live or done."""
        return self.live.get(name) or self.done.get(name)

    def finish(self, leg: LegView) -> None:
        """Move a leg from the live ones to the done ones; the oldest done leg falls out."""
        self.live.pop(leg.name, None)
        self.done[leg.name] = leg
        self.done_total += 1
        while len(self.done) > MAX_DONE_LEGS:
            del self.done[next(iter(self.done))]


def _brief(leg: LegView) -> LegView:
    """What the list of legs shows of it, for clients that may never look closer."""
    waiting = [item for item in leg.items if not item.is_over] if leg.ended is None else []
    return structs.replace(leg, items=waiting, timeline=[], sip=[], inspected=None, brief=True)


def _listener(history: History, _: Stamped, event: ListenerChanged) -> None:
    listeners = history.engine.listeners
    name = f"{event.transport} {event.ip}:{event.port}"
    if not event.up and name in listeners and not event.reason:
        del listeners[name]
    else:
        listeners[name] = event


def _registration(history: History, _: Stamped, event: RegistrationChanged) -> None:
    if event.state == "not registered":
        history.engine.registrations.pop(event.account, None)
    else:
        history.engine.registrations[event.account] = event


def _source(history: History, _: Stamped, event: SourceRefused) -> None:
    history.engine.refused_source = event


def _worker(history: History, _: Stamped, event: WorkerChanged) -> None:
    history.engine.workers[event.worker] = event


def _report(history: History, _: Stamped, event: EngineReported) -> None:
    history.engine.report = event


def _draining(history: History, _: Stamped, event: EngineDraining) -> None:
    history.engine.draining = event


def _memory(history: History, _: Stamped, event: MemoryChanged) -> None:
    history.engine.memory = event


def _config(history: History, _: Stamped, event: ConfigChanged) -> None:
    history.engine.config = event


def _log(history: History, stamped: Stamped, _: LogWritten) -> None:
    history.logs.add(stamped)


def _sip(history: History, stamped: Stamped, event: SipTraced) -> None:
    leg = history.leg(event.leg)
    if leg is None:
        history.sip.add(stamped)
    else:
        _fold_legs.keep_message(leg, stamped)


# The events differ in type per entry; `apply` looks each up by its own class.
_FOLDS: dict[type, Callable[[Any, Stamped, Any], None]] = {
    ListenerChanged: _listener,
    RegistrationChanged: _registration,
    SourceRefused: _source,
    WorkerChanged: _worker,
    EngineReported: _report,
    EngineDraining: _draining,
    ConfigChanged: _config,
    MemoryChanged: _memory,
    LogWritten: _log,
    SipTraced: _sip,
    **_fold_scripts.FOLDS,
    **_fold_legs.FOLDS,
    **_fold_phones.FOLDS,
    **_fold_monitor.FOLDS,
    **_fold_inspection.FOLDS,
    **_fold_rooms.FOLDS,
}
