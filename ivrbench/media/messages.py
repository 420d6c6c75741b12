"""What the engine and the media worker say to each other: commands one way, events the other.

A packet on the socket is a msgpack list of messages; the engine sends one packet for each turn of
its loop, the worker one for each tick. Sockets and files travel beside the packet as descriptors,
in the order of the commands that own them. Times `at_s` are CLOCK_MONOTONIC seconds, which all
processes of a machine share.
"""

from __future__ import annotations

from msgspec import Struct

from ivrbench.media._message import Message
from ivrbench.media.record_messages import (
    CallRecorded,
    PauseRecorder,
    RecordCall,
    RecorderSealed,
    SealRecorder,
    SilenceHeard,
    WatchSilence,
)
from ivrbench.media.room_messages import (
    CloseRoom,
    ConnectCalls,
    FlushRoom,
    MuteMember,
    PlayInRoom,
    RecordRoom,
    RoomItemEnded,
    RoomRecorded,
    SpeakerChanged,
)

__all__ = [
    "CallClosed",
    "CallRecorded",
    "CallReported",
    "ClipPart",
    "CloseCall",
    "CloseRecorder",
    "CloseRoom",
    "Command",
    "ConnectCalls",
    "DtlsParams",
    "FlushQueue",
    "FlushRoom",
    "ItemEnded",
    "ItemStarted",
    "KeyPressed",
    "KeyReleased",
    "KeysAgreed",
    "KeysFailed",
    "MediaEvent",
    "MixInPart",
    "MuteMember",
    "OpenCall",
    "OpenRecorder",
    "PauseRecorder",
    "PlayInRoom",
    "PlayItem",
    "QueueEmptied",
    "RecordCall",
    "RecordRoom",
    "RecorderClosed",
    "RecorderSealed",
    "RoomItemEnded",
    "RoomRecorded",
    "RtpStarted",
    "RtpTimedOut",
    "SealRecorder",
    "SeekItem",
    "SendKeys",
    "SetLoop",
    "SetSwitches",
    "SilenceHeard",
    "SilencePart",
    "SpeakerChanged",
    "SrtpParams",
    "StreamCounts",
    "StreamParams",
    "UpdateCall",
    "UseCertificate",
    "WatchCalls",
    "WatchSilence",
    "WorkerReady",
    "WorkerReported",
]


class SrtpParams(Struct, frozen=True, array_like=True):
    """Keys of encrypted audio. They are not shown."""

    suite: str
    """As in SDP: "AES_CM_128_HMAC_SHA1_80", …"""
    send_key: bytes
    """Master key and salt of what we send."""
    receive_key: bytes
    """Master key and salt of what the peer sends."""

    def __repr__(self) -> str:
        return f"SrtpParams({self.suite})"


class DtlsParams(Struct, frozen=True, array_like=True):
    """How DTLS is to agree on keys."""

    active: bool
    """True: we begin the handshake."""
    fingerprint: str
    """What the peer's certificate must have: "sha-256 4A:AD:…"."""


class StreamParams(Struct, frozen=True, array_like=True):
    """What offer/answer agreed for one call's audio."""

    codec: str
    """Encoding name as in SDP, upper case: "PCMU", "OPUS"."""
    payload_type: int
    """Payload type we send the codec with."""
    dtmf_payload_type: int
    """Payload type we send telephone-event with, -1 if not negotiated."""
    ptime_ms: int
    """Packet length the peer prefers; the longest one not above it that the codec has is sent."""
    remote_rtp: tuple[str, int] | None
    """Where to send; None: not known yet."""
    remote_rtcp: tuple[str, int] | None
    """The same as `remote_rtp`: RTCP shares the RTP port (RFC 5761)."""
    send: bool
    """False while the peer holds us (we may not send)."""
    receive: bool
    """False while we may not receive."""
    latch: bool
    """`nat = latch`: take the first valid packet's source as the peer's address."""
    dead_rtp_s: float
    """Seconds without a packet until `RtpTimedOut`; 0 = never."""
    clock_rate_hz: int = 8000
    """RTP clock of the codec."""
    fmtp: str = ""
    """What the peer's fmtp asks for."""
    receive_payload_type: int = -1
    """Payload type of the codec in packets we receive; -1: as sent."""
    receive_dtmf_payload_type: int = -1
    """Payload type of telephone-event in packets we receive; -1: as sent."""
    dtmf_clock_rate_hz: int = 8000
    """RTP clock of telephone-event."""
    dtmf_inband: bool = False
    """True: listen for keys in the audio."""
    srtp: SrtpParams | None = None
    """Keys, if the audio is encrypted with keys of the session description."""
    dtls: DtlsParams | None = None
    """How to agree on keys, if the audio is encrypted with those of DTLS. `srtp` may then have
    those of an earlier handshake, which hold until there is another.
    """

    @property
    def audio_in(self) -> int:
        """Payload type of received audio."""
        received = self.receive_payload_type
        return received if received >= 0 else self.payload_type

    @property
    def dtmf_in(self) -> int:
        """Payload type of received keys, -1 if not negotiated."""
        received = self.receive_dtmf_payload_type
        return received if received >= 0 else self.dtmf_payload_type

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTCP comes and goes through the RTP port."""
        return self.remote_rtcp is not None and self.remote_rtcp == self.remote_rtp


class ClipPart(Message, frozen=True, tag="clip"):
    """Audio in the prompt arena, in the form of the call's codec (`codecs.form_of`)."""

    offset_bytes: int
    n_samples: int
    loop: bool = False


class SilencePart(Message, frozen=True, tag="silence"):
    """Silence; `length_ms` -1 = for ever."""

    length_ms: int = -1


class MixInPart(Message, frozen=True, tag="mixin"):
    """Two clips mixed; ends with the first one."""

    first: ClipPart
    second: ClipPart
    interval_ms: int
    """From one start of the second clip to the next, and from the beginning to the first."""
    level: float
    """Of the second clip while it is heard; the first one has the rest. Below 0.01 the second is
    heard alone and as loud as it is, and the first one waits."""
    finish: bool
    """When the first clip ends while the second is heard, that is heard to its end."""
    once: bool
    """The second clip comes only once."""
    immediate: bool
    """The second clip comes at the beginning for the first time."""


class OpenCall(Message, frozen=True):
    """A call begins. Carries two descriptors: its bound RTP and RTCP sockets."""

    call: int
    stream: StreamParams


class UpdateCall(Message, frozen=True):
    """Offer/answer completed again: new address, codec or direction. Switches stay as they are."""

    call: int
    stream: StreamParams


class CloseCall(Message, frozen=True):
    """The call is over: sockets are closed, the item in progress ends, then `CallClosed`."""

    call: int


class PlayItem(Message, frozen=True):
    """Append one (play, record) pair to the call's playlist; starts at once if it is empty.

    The item ends when its play part ends or its recorder reaches its limit, whichever comes
    first. With neither part it never ends by itself.
    """

    call: int
    item: int
    """Chosen by the engine, unique within the call, ascending."""
    play: ClipPart | SilencePart | MixInPart | None
    recorder: int
    """A recorder opened with `OpenRecorder`, 0 for none."""
    room: int = 0
    """A conference room the call is in while the item lasts, 0 for none. Such an item ends by
    itself only if it plays a clip that ends, or records up to a limit."""
    hears: bool = False
    """The call hears the room."""
    speaks: bool = False
    """The room hears the call."""
    muted: bool = False
    """Not for now, see `MuteMember`."""


class FlushQueue(Message, frozen=True):
    """Drop the current and all waiting items. They end with reason "flushed"; no QueueEmptied."""

    call: int


class SeekItem(Message, frozen=True):
    """Set the play position of an item that is queued or playing."""

    call: int
    item: int
    position_samples: int


class SetLoop(Message, frozen=True):
    """Turn looping of a queued or playing clip on or off."""

    call: int
    item: int
    loop: bool


class SetSwitches(Message, frozen=True):
    """The script's switches, all at once; they survive `UpdateCall`."""

    call: int
    attached: bool = True
    """False: no RTP in or out, the playlist stands still."""
    muted: bool = False
    """True: nothing is sent; the playlist goes on."""
    receiving: bool = True
    """False: incoming RTP is dropped and nothing is recorded; no RTP timeout."""
    keys_while_deaf: bool = False
    """True: RFC 4733 packets get through while `receiving` is off."""
    detect_keys: bool = True


class SendKeys(Message, frozen=True):
    """Send RFC 4733 events one after the other; needs a negotiated telephone-event."""

    call: int
    keys: tuple[int, ...]
    """0-9, 10 = `*`, 11 = `#`, 12-15 = A-D."""
    duration_ms: int = 100
    gap_ms: int = 60
    """At least 60 are kept: the last packet of a key is sent three times."""


class OpenRecorder(Message, frozen=True):
    """Make a file ready to record into. Carries one descriptor, open for writing at offset 0."""

    recorder: int
    """Chosen by the engine, unique in this worker, > 0."""
    law: str = "pcm16"
    """Sample format written: "pcm16", "alaw" or "ulaw"."""
    limit_ms: int = -1
    """Recording length over the recorder's whole life; -1 = none."""
    rate_hz: int = 0
    """Sample rate of the file; 0: that of the first call that records into it."""
    channels: int = 1
    """2: the caller left, what the caller hears right; it begins with the item, not with the first
    packet, and goes on while nothing is received."""
    container: str = "wav"
    """Kind of file: "wav", "raw" (samples alone) or "mp3"."""


class CloseRecorder(Message, frozen=True):
    """Finish the file: all data and a valid header on disk, then `RecorderClosed`."""

    recorder: int


class UseCertificate(Message, frozen=True):
    """What we show in DTLS; before the first call that needs it."""

    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "UseCertificate(…)"


class WatchCalls(Message, frozen=True):
    """Report these calls every `interval_ms` (levels, position, counts) until told otherwise."""

    calls: tuple[int, ...]
    interval_ms: int = 100


Command = (
    OpenCall
    | UpdateCall
    | CloseCall
    | PlayItem
    | FlushQueue
    | SeekItem
    | SetLoop
    | SetSwitches
    | SendKeys
    | OpenRecorder
    | CloseRecorder
    | UseCertificate
    | WatchCalls
    | CloseRoom
    | ConnectCalls
    | FlushRoom
    | MuteMember
    | PlayInRoom
    | RecordRoom
    | PauseRecorder
    | SealRecorder
    | RecordCall
    | WatchSilence
)


class StreamCounts(Struct, frozen=True, array_like=True):
    """RTP counters of one call since it began."""

    received: int = 0
    sent: int = 0
    lost: int = 0
    late: int = 0
    """Packets that came after their turn to be played."""
    duplicate: int = 0
    foreign: int = 0
    """Packets dropped because they came from an address the SDP did not name."""
    invalid: int = 0
    """Packets that are not RTP, or of a payload type nobody negotiated."""
    jitter_ms: float = 0.0
    rtt_ms: float = -1.0
    """From RTCP, up to a tick (5 ms) too much; -1 = not known."""
    mos: float = 0.0
    """Estimated listening quality (ITU-T G.107), 1 to 4.5; 0 = nothing received."""


class ItemStarted(Message, frozen=True):
    """An item's first frame goes out now."""

    call: int
    item: int
    at_s: float


class ItemEnded(Message, frozen=True):
    """An item is over. If it recorded, the file is complete and its header valid before this."""

    call: int
    item: int
    reason: str
    """"played", "recorded" (limit reached), "flushed", "closed" (call ended), "error"."""
    played_ms: int
    recorded_ms: int
    at_s: float
    error: str = ""
    """For people, when the reason is "error": disk full, …"""


class QueueEmptied(Message, frozen=True):
    """An item ended by itself and nothing followed."""

    call: int
    at_s: float


class KeyPressed(Message, frozen=True):
    """First RFC 4733 packet of a key, or its tones."""

    call: int
    key: int
    at_s: float
    inband: bool = False
    """Heard in the audio."""


class KeyReleased(Message, frozen=True):
    """The key's end: E bit, a following event, or 100 ms without its packets."""

    call: int
    key: int
    duration_ms: int
    """True length as the packets or the tones say."""
    at_s: float
    inband: bool = False
    """Heard in the audio."""


class KeysAgreed(Message, frozen=True):
    """DTLS agreed on keys; the engine keeps them for a worker that comes after this one."""

    call: int
    keys: SrtpParams


class KeysFailed(Message, frozen=True):
    """DTLS agreed on no keys: the call has no audio."""

    call: int
    reason: str
    at_s: float


class RtpStarted(Message, frozen=True):
    """The first valid packet came."""

    call: int
    source: tuple[str, int]
    at_s: float


class RtpTimedOut(Message, frozen=True):
    """No packet for `dead_rtp_s`. Said once; said again only after packets came."""

    call: int
    at_s: float


class CallReported(Message, frozen=True):
    """Levels, play position and counts of one watched call. May be dropped or merged."""

    call: int
    in_dbfs: float
    in_peak_dbfs: float
    out_dbfs: float
    out_peak_dbfs: float
    item: int
    """Item now playing, 0 for none."""
    position_ms: int
    recorded_ms: int
    buffer_ms: int
    """Depth of the jitter buffer."""
    counts: StreamCounts


class CallClosed(Message, frozen=True):
    """Sockets closed, ports free, files complete; last counters. Nothing follows for the call."""

    call: int
    counts: StreamCounts


class RecorderClosed(Message, frozen=True):
    """A recorder's file is complete; `error` says why it ended early, "" if it did not.

    Said once for each recorder: after `CloseRecorder`, or by itself when the disk failed.
    """

    recorder: int
    n_bytes: int
    """Audio bytes written, without the header."""
    error: str = ""
    rate_hz: int = 8000
    """Sample rate of the file."""


class WorkerReady(Message, frozen=True):
    """Said once at start."""

    pid: int
    priority: str
    """"SCHED_FIFO 10", "nice -15" or "normal"."""
    note: str = ""
    """Why the priority is not better, for people."""


class WorkerReported(Message, frozen=True):
    """How the tick does, once a second, over the ticks since the last report."""

    calls: int
    ticks: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    busy_ms_per_tick: float
    skipped_ticks: int
    packets_in: int
    packets_out: int


MediaEvent = (
    ItemStarted
    | ItemEnded
    | QueueEmptied
    | KeyPressed
    | KeyReleased
    | KeysAgreed
    | KeysFailed
    | RtpStarted
    | RtpTimedOut
    | CallReported
    | CallClosed
    | RecorderClosed
    | RecorderSealed
    | WorkerReady
    | WorkerReported
    | RoomItemEnded
    | RoomRecorded
    | SpeakerChanged
    | CallRecorded
    | SilenceHeard
)
