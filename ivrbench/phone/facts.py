"""What happens in a call of the test phone, as facts with a sentence each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ivrbench.sip.events import EndCause

if TYPE_CHECKING:
    from ivrbench.sdp.negotiate import Agreement

__all__ = [
    "EXIT_NO_NETWORK",
    "Answered",
    "CardOpened",
    "Ended",
    "Fact",
    "Figures",
    "Heard",
    "KeyPressed",
    "MediaChanged",
    "Noted",
    "Progressed",
    "Rang",
    "Ready",
    "RtpStarted",
    "SoundStarted",
    "shown_body",
]

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 1
EXIT_NO_NETWORK: Final = 3


@dataclass(frozen=True, slots=True)
class Progressed:
    """A provisional response came."""

    code: int
    reason: str
    after_s: float
    """Since the INVITE went out."""

    def __str__(self) -> str:
        return f"{self.code} {self.reason} after {_ms(self.after_s)}"


@dataclass(frozen=True, slots=True)
class Ready:
    """We can be called."""

    address: str
    """IP address and port of our SIP socket."""

    def __str__(self) -> str:
        return f"waiting for a call at sip:phone@{self.address}"


@dataclass(frozen=True, slots=True)
class Rang:
    """Somebody calls us."""

    call_id: str
    caller: str
    """URI of From."""
    called: str
    """URI of To."""

    def __str__(self) -> str:
        return f"{self.caller} calls {self.called}"


@dataclass(frozen=True, slots=True)
class Answered:
    """The call was answered."""

    code: int
    reason: str
    after_s: float
    """Since the INVITE went out."""
    agreement: Agreement
    """The audio agreed on."""

    def __str__(self) -> str:
        return f"{self.code} {self.reason} after {_ms(self.after_s)}: {_audio_text(self.agreement)}"


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """A re-INVITE of the other side changed the audio: hold, resume, another address or codec."""

    agreement: Agreement
    """The audio agreed on now."""

    def __str__(self) -> str:
        return f"audio changed by the other side: {_audio_text(self.agreement)}"


@dataclass(frozen=True, slots=True)
class RtpStarted:
    """The first RTP packet came."""

    after_s: float
    """Since the answer; below zero for early media, counted from the INVITE."""

    def __str__(self) -> str:
        return f"first audio packet {_since_answer(self.after_s)}"


@dataclass(frozen=True, slots=True)
class SoundStarted:
    """The first audio that is not silence was heard."""

    after_s: float
    """Since the answer; below zero for early media, counted from the INVITE."""

    def __str__(self) -> str:
        return f"first sound {_since_answer(self.after_s)}"


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of ours went down."""

    name: str
    """What is printed on the key."""
    duration_ms: int
    """How long it is held."""
    way: str
    """`RFC 4733`, `SIP INFO` or `in-band`."""

    def __str__(self) -> str:
        return f"key {self.name} for {self.duration_ms} ms by {self.way}"


@dataclass(frozen=True, slots=True)
class Heard:
    """Sound began or ended at our ear."""

    sounding: bool
    """True: it began."""
    at_s: float
    """When, by the clock of `now`."""

    def __str__(self) -> str:
        return "sound begins" if self.sounding else "sound ends"


@dataclass(frozen=True, slots=True)
class CardOpened:
    """A side of the sound card is in use."""

    text: str
    """Which, and how."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Noted:
    """Something else worth a line."""

    text: str
    """The sentence."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Figures:
    """What was heard and sent in the whole call."""

    received: int = 0
    """RTP packets of audio that came."""
    lost: int = 0
    """RTP packets that never came, by their sequence numbers."""
    late: int = 0
    """RTP packets that came after their turn to be played."""
    sent: int = 0
    """RTP packets sent."""
    jitter_ms: float = 0.0
    """Interarrival jitter (RFC 3550 §6.4.1)."""
    rtt_ms: float | None = None
    """Round trip by RTCP, None if unknown."""
    level_dbfs: float = -100.0
    """RMS level of all that was played, concealed packets and silence included."""
    peak_dbfs: float = -100.0
    """Highest sample."""
    audio_s: float = 0.0
    """Seconds of audio played from received packets."""
    concealed_s: float = 0.0
    """Seconds of audio made up where a packet was missing."""

    def __str__(self) -> str:
        expected = self.received + self.lost
        lost_percent = 100 * self.lost / expected if expected else 0.0
        rtt = "" if self.rtt_ms is None else f", round trip {self.rtt_ms:.1f} ms"
        return (
            f"heard: {self.received} packets, {self.lost} lost ({lost_percent:.1f} %), "
            f"{self.late} late, jitter {self.jitter_ms:.1f} ms{rtt}, "
            f"level {self.level_dbfs:.1f} dBFS, peak {self.peak_dbfs:.1f} dBFS, "
            f"{self.audio_s:.2f} s of audio, {self.concealed_s:.2f} s concealed"
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over; the last fact."""

    cause: EndCause
    """Why."""
    code: int
    """The final response to the INVITE, 0 if there was none."""
    reason: str
    """Its words; where nobody answered, what is known about why."""
    answered: bool
    """True if the call was up."""
    duration_s: float
    """From the answer to the end."""
    figures: Figures
    """What was heard."""
    trouble: str = ""
    """Why the phone gave up by itself, "" if it did not."""

    @property
    def exit_code(self) -> int:
        """What the process returns: 0 answered and ended, 1 refused, 3 nobody there."""
        if self.trouble:
            return EXIT_REFUSED
        if self.answered or self.cause is EndCause.CANCEL_SENT:
            return EXIT_OK
        return EXIT_NO_NETWORK if self.cause is EndCause.TIMED_OUT else EXIT_REFUSED

    def __str__(self) -> str:
        if self.trouble:
            return f"the call failed: {self.trouble}"
        if self.answered:
            return f"{self.cause.value} after {self.duration_s:.1f} s"
        if self.cause is EndCause.DROPPED:
            return "nobody called"
        if self.cause is EndCause.REJECTED:
            return f"refused with {self.code} {self.reason}"
        if self.cause is EndCause.REFUSED:
            return f"{self.code} {self.reason}"
        if self.cause is EndCause.TIMED_OUT:
            return f"{self.cause.value}: {self.reason}"
        return self.cause.value


Fact = (
    Progressed
    | Ready
    | Rang
    | Answered
    | MediaChanged
    | RtpStarted
    | SoundStarted
    | KeyPressed
    | CardOpened
    | Heard
    | Noted
    | Ended
)


def shown_body(body: bytes) -> str:
    """A short body as one line of text, with a colon before it."""
    text = " ".join(body.decode("utf-8", "replace").split())
    return f": {text[:200]}" if text else ""


def _audio_text(agreement: Agreement) -> str:
    """Codec, packet time, keys and direction in one phrase."""
    codec = agreement.codec
    keys = (
        f"keys as telephone-event pt {agreement.dtmf_pt}"
        if agreement.dtmf_pt is not None
        else "keys as SIP INFO"
    )
    address, port = agreement.remote_rtp
    return (
        f"{codec.name}/{codec.clock_rate_hz}, {agreement.direction.value}, "
        f"RTP at {address} port {port}, {keys}"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _since_answer(after_s: float) -> str:
    if after_s < 0:
        return f"{_ms(-after_s)} after the call began, before its answer"
    return f"{_ms(after_s)} after the answer"
