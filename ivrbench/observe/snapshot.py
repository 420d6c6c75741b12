"""What a newcomer needs to know: the state of the engine, its scripts and its legs as one value.

`History` folds events into these structures; a `Snapshot` of them is the first thing a client of
the control socket gets, and the workbench goes on folding from there.
"""

from __future__ import annotations

from msgspec import Struct, field

from ivrbench.observe.events import (
    ConfigChanged,
    EngineDraining,
    EngineReported,
    HandlerStarted,
    ItemEnqueued,
    KeyReceived,
    LegEnded,
    LegMeasured,
    LegStarted,
    ListenerChanged,
    MediaAgreed,
    RegistrationChanged,
    ScriptFailed,
    ScriptLoaded,
    ScriptLoading,
    SourceRefused,
    Stamped,
    WorkerChanged,
)
from ivrbench.observe.inspection import InspectionView
from ivrbench.observe.memory import MemoryChanged
from ivrbench.observe.phones import (
    PhoneChanged,
    PhoneEnded,
    PhoneHeard,
    PhoneKeyPressed,
    PhoneMeasured,
    PhoneProgressed,
    PhoneRang,
    PhoneReady,
    PhoneStarted,
)

__all__ = [
    "EngineView",
    "GenerationView",
    "HandlerStats",
    "ItemView",
    "LegView",
    "MonitorView",
    "PhoneView",
    "ScriptView",
    "Snapshot",
    "WholeLegs",
]


class EngineView(Struct):
    """The engine: what it is, and what it said last about itself."""

    version: str = ""
    pid: int = 0
    script_path: str = ""
    config_file: str = ""
    """Path of `ivr.conf`, "" if there is none."""
    console: bool = False
    """Lines of the console are carried out."""
    rtp_low_port: int = 0
    rtp_high_port: int = 0
    started_at_s: float = 0.0
    """Wall clock, seconds since 1970."""
    listeners: dict[str, ListenerChanged] = field(default_factory=dict)
    """By "udp 127.0.0.1:5060"."""
    registrations: dict[str, RegistrationChanged] = field(default_factory=dict)
    """By account; those taken back are gone."""
    refused_source: SourceRefused | None = None
    """The last one."""
    workers: dict[int, WorkerChanged] = field(default_factory=dict)
    report: EngineReported | None = None
    draining: EngineDraining | None = None
    config: ConfigChanged | None = None
    memory: MemoryChanged | None = None
    """None: it was never short."""


class HandlerStats(Struct):
    """How one handler of one generation did."""

    calls: int = 0
    raised: int = 0
    last_ms: float = 0.0
    worst_ms: float = 0.0


class GenerationView(Struct):
    """One try to load a script, good or bad."""

    generation: int
    at_s: float
    state: str
    """"serving", "older" (serves only calls it already has), "retired", "failed", or "held": it
    loaded, but another one is pinned."""
    loaded: ScriptLoaded | None = None
    failed: ScriptFailed | None = None
    live_calls: int = 0
    calls: int = 0
    """Calls it got since it was loaded."""
    threads: int = 0
    """Threads of `createThread` still running when it retired."""
    handlers: dict[str, HandlerStats] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The text of this generation."""
        event = self.loaded or self.failed
        return event.source if event else ""


class ScriptView(Struct):
    """One script: its generations, oldest first, and what it is doing."""

    name: str
    file: str = ""
    is_helper: bool = False
    helper_of: tuple[str, ...] = ()
    generations: list[GenerationView] = field(default_factory=list)
    loading: ScriptLoading | None = None
    removed: bool = False
    pinned: int = 0
    """The generation that new calls get whatever is loaded; 0: the newest."""
    unchanged_at_s: float = 0.0
    """When it was last saved with the same text; 0.0 if not since its last generation."""

    @property
    def latest(self) -> GenerationView | None:
        """The newest try, whether it loaded or not."""
        return self.generations[-1] if self.generations else None

    @property
    def serving(self) -> GenerationView | None:
        """The generation that new calls get."""
        return next((g for g in reversed(self.generations) if g.state == "serving"), None)

    @property
    def live_calls(self) -> int:
        """Calls up on any generation."""
        return sum(g.live_calls for g in self.generations)


class ItemView(Struct):
    """One item of a leg's playlist."""

    enqueued: ItemEnqueued
    state: str = "queued"
    """"queued", "playing", or how it ended: "played", "recorded", "flushed", …"""
    played_ms: int = 0
    recorded_ms: int = 0
    because: str = ""

    @property
    def is_over(self) -> bool:
        """True once it has ended, in whatever way."""
        return self.state not in ("queued", "playing")


class LegView(Struct):
    """One call leg, live or done."""

    started: LegStarted
    at_s: float
    """When it began."""
    state: str = "trying"
    """"trying", "early", "up", "held", "ending", "done"."""
    code: int = 0
    reason: str = ""
    answered_at_s: float = 0.0
    """0.0: not answered."""
    ended: LegEnded | None = None
    joined: str = ""
    """The leg it talks with, "" if with none."""
    is_direct: bool = False
    """Their audio goes past us."""
    warning: str = ""
    raised: int = 0
    """How many handlers raised."""
    running: HandlerStarted | None = None
    """The handler that has not returned yet, if it takes long."""
    media: MediaAgreed | None = None
    measured: LegMeasured | None = None
    items: list[ItemView] = field(default_factory=list)
    keys: str = ""
    """The last keys pressed, oldest first."""
    last_key: KeyReceived | None = None
    timeline: list[Stamped] = field(default_factory=list)
    """What happened to it, oldest first, without SIP messages and levels."""
    sip: list[Stamped] = field(default_factory=list)
    """Its SIP messages, oldest first: the first ones, and the newest."""
    sip_dropped: int = 0
    """Messages that fell out between those."""
    inspected: InspectionView | None = None
    """Attributes of its dialog object; None: nobody looked."""
    touched_at_s: float = 0.0
    """When somebody first changed the call by hand; 0.0: never."""
    brief: bool = False
    """Of what lies before the snapshot, timeline, messages, attributes and ended items are left
    out: a client that watches the leg gets it whole (`WholeLegs`)."""

    @property
    def name(self) -> str:
        """ "c12"."""
        return self.started.leg

    @property
    def playing(self) -> ItemView | None:
        """The item that sounds or records now."""
        return next((item for item in self.items if item.state == "playing"), None)


class PhoneView(Struct):
    """One test phone and its call."""

    started: PhoneStarted
    at_s: float
    """When it was started."""
    leg: str = ""
    """The leg it is, "" if it has not reached us (yet)."""
    ready: PhoneReady | None = None
    rang: PhoneRang | None = None
    steps: list[PhoneProgressed] = field(default_factory=list)
    keys: list[PhoneKeyPressed] = field(default_factory=list)
    """Keys that went down, oldest first."""
    sounds: list[PhoneHeard] = field(default_factory=list)
    """When sound began and ended at its ear."""
    switches: PhoneChanged | None = None
    measured: PhoneMeasured | None = None
    ended: PhoneEnded | None = None

    @property
    def name(self) -> str:
        """ "p3"."""
        return self.started.phone

    @property
    def is_idle(self) -> bool:
        """True while it waits and nobody has called it."""
        return self.started.answers != "" and self.rang is None

    @property
    def is_level_test(self) -> bool:
        """True if it calls nobody: its microphone and loudspeaker are tried."""
        return not self.started.target and not self.started.answers

    @property
    def is_ringing(self) -> bool:
        """True while somebody calls it and has no answer."""
        return self.rang is not None and self.ended is None and self.after_ms("200") is None

    def after_ms(self, step: str) -> float | None:
        """How long a step took, None if it has not come."""
        return next((s.after_ms for s in self.steps if s.step == step), None)


class MonitorView(Struct):
    """What scripts wrote about one call into the monitoring store."""

    at_s: float = 0.0
    """When it last changed."""
    leg: str = ""
    """The leg it is about, "" if the id is no leg's."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """By property; more than one only where values were added."""
    finished: bool = False


class Snapshot(Struct, tag=True):
    """Everything at one moment; the next event is `seq` + 1."""

    seq: int
    at_s: float
    engine: EngineView
    scripts: dict[str, ScriptView]
    live: dict[str, LegView]
    """In the order they began."""
    done: dict[str, LegView]
    """In the order they ended, oldest first."""
    done_total: int
    """Legs ended in the engine's life, more than `done` holds."""
    phones: dict[str, PhoneView]
    """Test phones, oldest first."""
    sip: list[Stamped]
    """Messages that belong to no leg."""
    logs: list[Stamped]
    monitor: dict[str, MonitorView] = field(default_factory=dict)
    """By call id, oldest first."""


class WholeLegs(Struct, tag=True):
    """Legs that were brief in the snapshot, as they are after the events sent so far."""

    legs: list[LegView]
