"""What test phones report: events of the same stream, told by the phone's own process.

The phone writes each as one line of JSON; the engine adds which phone it was and which leg that
is, and publishes it. Times are the wall clock of the machine where phone and engine run.
"""

from __future__ import annotations

from ivrbench.observe._event import EventBase

__all__ = [
    "ANSWERS",
    "CODECS",
    "KEYS_BY",
    "PhoneChanged",
    "PhoneEnded",
    "PhoneEvent",
    "PhoneHeard",
    "PhoneKeyPressed",
    "PhoneMeasured",
    "PhoneProgressed",
    "PhoneRang",
    "PhoneReady",
    "PhoneStarted",
]

KEYS_BY = ("auto", "rfc4733", "info", "inband")
"""How the phone sends keys; auto: RFC 4733 where it was agreed on, else SIP INFO."""


CODECS = ("", "pcmu", "pcma", "g722", "opus")
"""What the phone offers: both laws of G.711, or one codec alone."""


ANSWERS = ("ring", "answer", "never")
"""What a phone does when it is called: rings until it is told, answers at once, rings for ever; or
a code, "486": refuses with it."""


class _PhoneEvent(EventBase, frozen=True, kw_only=True):
    phone: str = ""
    """"p3"; filled in by the engine."""
    leg: str = ""
    """The leg it is, "" while it has not reached us, or calls somebody else."""


class PhoneStarted(_PhoneEvent, frozen=True):
    """A test phone was started."""

    target: str
    """What was asked for: a script's name or a URI, "" for a level test; where it is to be called:
    the address it is registered as, "" for calls that scripts make."""
    recording: str = ""
    """WAV file of what it hears, on the engine's machine."""
    answers: str = ""
    """One of `ANSWERS`, or a code, if it is there to be called; "": it calls `target`."""


class PhoneProgressed(_PhoneEvent, frozen=True):
    """The call got further, or something is to be said about it."""

    step: str
    """"dialled", a SIP code, "packet" (first audio packet), "sound" (first sound), "audio", "card"
    (a sound card is in use) or "note"."""
    after_ms: float
    """Since the INVITE; "packet" and "sound" since the answer, below zero for early media."""
    text: str
    """The same for people."""


class PhoneReady(_PhoneEvent, frozen=True):
    """It can be called."""

    address: str
    """IP address and port of its SIP socket."""


class PhoneRang(_PhoneEvent, frozen=True):
    """Somebody calls it."""

    call_id: str
    caller: str
    """URI of From."""
    called: str
    """URI of To."""
    at_s: float
    """When, wall clock."""


class PhoneKeyPressed(_PhoneEvent, frozen=True):
    """A key of the phone went down."""

    name: str
    """As printed on it."""
    duration_ms: int
    way: str
    """"RFC 4733", "SIP INFO" or "in-band"."""
    at_s: float
    """When, wall clock."""


class PhoneHeard(_PhoneEvent, frozen=True):
    """Sound began or ended at the phone's ear."""

    sounding: bool
    at_s: float


class PhoneChanged(_PhoneEvent, frozen=True):
    """Its switches, after one was turned."""

    muted: bool
    held: bool
    keys_by: str
    """One of `KEYS_BY`."""
    voice: str
    """What it says: "silence", "tone 440 Hz", "text WORDS", a file's name, "microphone"."""
    loss_percent: float
    delay_ms: int
    jitter_ms: int
    rtcp_broken: bool = False
    """True: it sends no reports and reads none."""
    microphone: str = ""
    """The card that is the microphone, "" if none is open."""
    speaker: str = ""


class PhoneMeasured(_PhoneEvent, frozen=True):
    """Levels and counters at the phone; coalesces."""

    out_dbfs: float
    """What it says."""
    out_peak_dbfs: float
    in_dbfs: float
    """What it hears."""
    in_peak_dbfs: float
    received: int
    lost: int
    late: int
    jitter_ms: float
    rtt_ms: float
    """-1.0: not known yet."""
    buffer_ms: int
    """Audio waiting to be played."""
    mic_ms: int = 0
    """From the air to the phone's codec, by the ring before it and the driver's word; 0 without
    a microphone."""
    speaker_ms: int = 0
    """From the phone's codec to the air; 0 without a loudspeaker."""


class PhoneEnded(_PhoneEvent, frozen=True):
    """The call is over."""

    text: str
    """How, for people."""
    code: int
    answered: bool
    duration_s: float


PhoneEvent = (
    PhoneStarted
    | PhoneProgressed
    | PhoneReady
    | PhoneRang
    | PhoneKeyPressed
    | PhoneHeard
    | PhoneChanged
    | PhoneMeasured
    | PhoneEnded
)
