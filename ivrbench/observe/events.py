"""Everything that happened, as values: what the workbench, the log and the history are made from.

The engine publishes events to the `Hub`; each gets a number and a wall-clock time (`Stamped`).
Facts are never dropped on their way to a client; the `Coalescing` ones may be replaced by a newer
one of the same leg.
"""

from __future__ import annotations

from msgspec import Struct

from ivrbench.observe._event import EventBase
from ivrbench.observe.inspection import InspectionEvent
from ivrbench.observe.memory import MemoryChanged
from ivrbench.observe.phones import PhoneEvent, PhoneMeasured
from ivrbench.observe.rooms import RoomEvent

__all__ = [
    "COALESCING",
    "ApiCalled",
    "ConfigChanged",
    "EngineDraining",
    "EngineReported",
    "Event",
    "HandlerCalled",
    "HandlerRaised",
    "HandlerStarted",
    "ItemEnded",
    "ItemEnqueued",
    "ItemStarted",
    "KeyReceived",
    "LegChanged",
    "LegEnded",
    "LegMeasured",
    "LegStarted",
    "LegWarned",
    "LegsJoined",
    "ListenerChanged",
    "LogWritten",
    "MediaAgreed",
    "MediaEnded",
    "MediaRestored",
    "MonitorChanged",
    "QueueFlushed",
    "RecordingEnded",
    "RegistrationChanged",
    "ScriptFailed",
    "ScriptLoaded",
    "ScriptLoading",
    "ScriptPinned",
    "ScriptRemoved",
    "ScriptRetired",
    "ScriptUnchanged",
    "SipTraced",
    "SourceRefused",
    "Stamped",
    "WorkerChanged",
]


# --- engine ---------------------------------------------------------------------------------


class ListenerChanged(EventBase, frozen=True):
    """A SIP listener opened, failed or closed."""

    transport: str
    """"udp", "tcp", …"""
    ip: str
    port: int
    up: bool
    reason: str = ""
    """For people: "port 5060 is taken, using 5061", or why it failed."""


class RegistrationChanged(EventBase, frozen=True):
    """What became of one `register` of `ivr.conf`."""

    account: str
    """As in the file: `sip:bench@example.org`."""
    state: str
    """"not registered", "registering", "registered", "refreshing", "waiting", "leaving"."""
    reason: str = ""
    """For people: why it waits to try again; "" if there is nothing to say."""
    expires_s: int = 0
    """What the registrar granted last; 0 while nothing is bound."""


class SourceRefused(EventBase, frozen=True):
    """Somebody sends too much, or what nobody should: its messages are not answered any more."""

    source: str
    """IP address, or the network of an IPv6 one."""
    reason: str
    """For people: "gives wrong passwords", "sends too much"."""
    banned_s: float
    """How long nothing of it is taken; 0: only what is too much is dropped."""


class WorkerChanged(EventBase, frozen=True):
    """A media worker started or ended."""

    worker: int
    pid: int
    up: bool
    priority: str = ""
    """"SCHED_FIFO 10", "nice -15", "normal"."""
    reason: str = ""


class EngineReported(EventBase, frozen=True):
    """Health, once a second."""

    live_legs: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    busy_ms_per_tick: float
    skipped_ticks: int
    packets_in_per_s: int
    packets_out_per_s: int
    ports_used: int
    ports_total: int
    sip_in: int
    sip_out: int
    sip_retransmitted: int
    sip_refused: int
    """Messages that could not be parsed, were dropped, or came from who is kept away."""
    transactions: int
    script_threads_busy: int
    script_threads: int
    memory_mb: int = 0
    """MiB the engine uses, without media workers and prompts."""
    memory_limit_mb: int = 0
    """What it may use; 0: there is no limit."""


class EngineDraining(EventBase, frozen=True):
    """No new calls; the engine ends with its last call or after `within_s`."""

    within_s: float
    live_legs: int


class ConfigChanged(EventBase, frozen=True):
    """`ivr.conf` changed on disk."""

    applied: tuple[str, ...]
    """Keys that work from now on."""
    needs_restart: tuple[str, ...]
    error: str = ""
    """Why the new file is not used at all, with file and line."""


class LogWritten(EventBase, frozen=True):
    """One log line."""

    level: int
    """0 error, 1 warning, 2 info, 3 debug."""
    source: str
    """"load", "call", "sip", "rtp", "script", "engine", "watch", "config"."""
    text: str
    leg: str = ""
    script: str = ""
    detail: str = ""
    """More lines, such as a traceback."""


# --- scripts --------------------------------------------------------------------------------


class ScriptLoading(EventBase, frozen=True):
    """A load takes longer than 2 s."""

    script: str
    generation: int
    file: str
    line: int
    """Line executing now."""
    elapsed_s: float


class ScriptLoaded(EventBase, frozen=True):
    """A generation loaded; new calls get it. A helper (no application) has `helper_of`."""

    script: str
    generation: int
    file: str
    load_ms: float
    is_helper: bool = False
    helper_of: tuple[str, ...] = ()
    because: str = ""
    """Why it was loaded again: "util.py changed", "rolled back", "" for its own change."""
    is_held: bool = False
    """It serves nobody: new calls get the generation that is pinned."""
    handlers: tuple[tuple[str, int], ...] = ()
    """Handlers it defines, with the line of each."""
    source: str = ""
    """Text of this generation, as saved."""
    converted: str = ""
    """What was changed because it is written for Python 2, as a unified diff; "" if nothing."""


class ScriptFailed(EventBase, frozen=True):
    """A generation did not load; `serving_generation` keeps serving."""

    script: str
    generation: int
    file: str
    line: int
    """1-based line of the script itself, 0 if unknown."""
    error_type: str
    message: str
    traceback: str
    hint: str = ""
    """"did you mean 'greeting'?", …"""
    serving_generation: int = 0
    """0: none, calls are refused."""
    source: str = ""


class ScriptUnchanged(EventBase, frozen=True):
    """Saved with the same text: no new generation."""

    script: str
    generation: int


class ScriptRemoved(EventBase, frozen=True):
    """The file is gone; live calls keep their generation, new calls are refused."""

    script: str
    live_calls: int


class ScriptPinned(EventBase, frozen=True):
    """New calls get this generation, whatever is loaded after it; 0: the newest again."""

    script: str
    generation: int


class ScriptRetired(EventBase, frozen=True):
    """The last call of an older generation ended."""

    script: str
    generation: int
    calls: int
    """How many calls it served in all."""
    threads: int = 0
    """Threads of `createThread` still running."""


# --- legs -----------------------------------------------------------------------------------


class LegStarted(EventBase, frozen=True):
    """A call leg exists. `leg` is "c12"; the other leg of a two-legged call is "c12b"."""

    leg: str
    direction: str
    """"in" or "out"."""
    script: str
    generation: int
    peer: str
    """For people: the caller's or callee's URI, or "test phone"."""
    call_id: str
    request_uri: str
    local_tag: str
    pair: str = ""
    """The leg it belongs to, "" for a first leg."""


class LegChanged(EventBase, frozen=True):
    """Signalling state: "trying", "early", "up", "held", "ending"."""

    leg: str
    state: str
    code: int = 0
    reason: str = ""


class LegEnded(EventBase, frozen=True):
    """The leg is over."""

    leg: str
    by: str
    """"caller", "script", "engine", "callee", "error"."""
    code: int
    """200 for a call that was up; else the refusal's code."""
    reason: str
    """For people."""
    duration_s: float
    """From answer to end; 0.0 if never answered."""


class LegsJoined(EventBase, frozen=True):
    """The two parties of a call hear each other, or no longer."""

    leg: str
    """The first leg."""
    other: str
    """The second one; "": they are apart."""
    past_us: bool = False
    """Their audio does not run through our media worker."""


class LegWarned(EventBase, frozen=True):
    """Something about the leg the developer should know, in one sentence; "" takes it back."""

    leg: str
    text: str


class MediaAgreed(EventBase, frozen=True):
    """Offer/answer completed."""

    leg: str
    codec: str
    clock_rate_hz: int
    payload_type: int
    ptime_ms: int
    dtmf_payload_type: int
    """-1: no telephone-event."""
    local: str
    """"ip:port" of our RTP."""
    remote: str
    direction: str
    """Ours: "sendrecv", "sendonly", "recvonly", "inactive"."""


class MediaRestored(EventBase, frozen=True):
    """The media worker of a call died; another one has its audio now, on new ports."""

    leg: str
    local: str
    """"ip:port" of our RTP."""
    away_ms: int
    """How long the call had no audio."""
    reason: str


class SipTraced(EventBase, frozen=True):
    """One SIP message on the wire."""

    leg: str
    """"" if it belongs to none."""
    sent: bool
    transport: str
    local: str
    remote: str
    summary: str
    """"INVITE (SDP)", "200 OK (SDP)", or why it was refused."""
    raw: bytes
    retransmission: bool = False


class LegMeasured(EventBase, frozen=True):
    """Levels, position and RTP counters; coalesces."""

    leg: str
    in_dbfs: float
    in_peak_dbfs: float
    out_dbfs: float
    out_peak_dbfs: float
    item: int
    position_ms: int
    recorded_ms: int
    buffer_ms: int
    received: int
    sent: int
    lost: int
    late: int
    foreign: int
    jitter_ms: float
    rtt_ms: float
    mos: float = 0.0
    """Estimated quality of what is heard (ITU-T G.107), 1 to 4.5; 0: nothing was."""


class MediaEnded(EventBase, frozen=True):
    """The leg's audio is over; its last counts, whether somebody watched or not."""

    leg: str
    received: int
    sent: int
    lost: int
    late: int
    foreign: int
    jitter_ms: float
    rtt_ms: float
    mos: float = 0.0
    """Estimated quality of what was heard (ITU-T G.107), 1 to 4.5; 0: nothing was."""


# --- what the script does -------------------------------------------------------------------


class ItemEnqueued(EventBase, frozen=True):
    """`enqueue()` put an item into the playlist."""

    leg: str
    item: int
    label: str
    """Attribute of the dialog that holds the file, "welcome_msg", or ""."""
    play: str
    """File name, "silence", "" for none."""
    record: str
    """File name, "" for none."""
    length_ms: int
    """-1: unknown or endless."""
    record_limit_ms: int = -1
    loop: bool = False
    note: str = ""
    """"resampled 44.1 → 8 kHz", …"""
    text: str = ""
    """What is spoken, by text to speech."""


class ItemStarted(EventBase, frozen=True):
    leg: str
    item: int


class ItemEnded(EventBase, frozen=True):
    """How an item ended: "played", "recorded", "flushed", "closed", "error"."""

    leg: str
    item: int
    reason: str
    played_ms: int
    recorded_ms: int
    because: str = ""
    """"key 1", "call ended", "disk full: …"."""


class QueueFlushed(EventBase, frozen=True):
    leg: str
    items: int


class KeyReceived(EventBase, frozen=True):
    """A key reached us, before its handler runs."""

    leg: str
    key: int
    duration_ms: int
    source: str
    """"RFC 4733", "INFO", "in-band"."""


class HandlerStarted(EventBase, frozen=True):
    """Only for handlers that run longer than 20 ms: it has not returned yet."""

    leg: str
    call: int
    """Matches `HandlerCalled.call`."""
    handler: str
    line: int
    elapsed_ms: float
    waits: bool = False
    """An `async def` that waits for something: nothing is held up."""
    stack: str = ""
    """Where it is, as in a traceback from the handler on; "" in its first second."""


class HandlerCalled(EventBase, frozen=True):
    """A handler ran and returned."""

    leg: str
    call: int
    handler: str
    arguments: str
    """As in the source: "1, 100"."""
    returned: str
    """`repr`, with "default suppressed" told by `default`."""
    default: str
    """"" where the event has no default; else "ran" or "suppressed"."""
    elapsed_ms: float
    file: str
    line: int
    waited: bool = False
    """An `async def`: it may have waited for most of the time."""


class HandlerRaised(EventBase, frozen=True):
    """A handler raised; `on_script_error` says what became of the call."""

    leg: str
    call: int
    script: str
    generation: int
    handler: str
    arguments: str
    error_type: str
    message: str
    traceback: str
    file: str
    line: int
    elapsed_ms: float
    then: str
    """"the call goes on", "the call was ended", …"""


class ApiCalled(EventBase, frozen=True):
    """The script called a method that changes its call: flush, setTimer, stopSession, …"""

    leg: str
    name: str
    arguments: str
    file: str
    line: int


class MonitorChanged(EventBase, frozen=True):
    """A script wrote into the monitoring store: `monitorLog`, `monitorLogAdd`, `monitorFinish`."""

    leg: str
    """The leg whose local tag `callid` is, "" if it is none's."""
    callid: str
    name: str = ""
    """The property, "" for `monitorFinish`."""
    value: str = ""
    added: bool = False
    """The value comes after those that are there."""
    finished: bool = False


class RecordingEnded(EventBase, frozen=True):
    leg: str
    file: str
    n_bytes: int
    length_ms: int
    error: str = ""


Event = (
    ListenerChanged
    | RegistrationChanged
    | SourceRefused
    | WorkerChanged
    | EngineReported
    | EngineDraining
    | ConfigChanged
    | LogWritten
    | ScriptLoading
    | ScriptLoaded
    | ScriptFailed
    | ScriptUnchanged
    | ScriptRemoved
    | ScriptRetired
    | ScriptPinned
    | LegStarted
    | LegChanged
    | LegEnded
    | LegWarned
    | LegsJoined
    | MediaAgreed
    | MediaRestored
    | SipTraced
    | LegMeasured
    | MediaEnded
    | ItemEnqueued
    | ItemStarted
    | ItemEnded
    | QueueFlushed
    | KeyReceived
    | HandlerStarted
    | HandlerCalled
    | HandlerRaised
    | ApiCalled
    | MonitorChanged
    | RecordingEnded
    | InspectionEvent
    | MemoryChanged
    | RoomEvent
    | PhoneEvent
)

COALESCING: tuple[type, ...] = (LegMeasured, EngineReported, HandlerStarted, PhoneMeasured)
"""Events of which a slow client needs only the newest."""


class Stamped(Struct, frozen=True, array_like=True):
    """An event with its number and time."""

    seq: int
    """Ascending from 1 in one engine's life."""
    at_s: float
    """Wall clock, seconds since 1970."""
    event: Event
