"""What a client of the control socket may ask of the engine, and the answer it gets."""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "Answered",
    "Command",
    "DialOut",
    "Drain",
    "Evaluate",
    "HangUp",
    "ListSoundCards",
    "PinScript",
    "PlaceTestCall",
    "ReloadScripts",
    "RollBack",
    "SoundCard",
    "Stop",
    "TellPhone",
    "Watch",
]


class _Command(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all commands; `request` comes back in the answer (`ControlClient` counts it)."""

    request: int = 0


class Watch(_Command, frozen=True):
    """Send `LegMeasured` for these legs (all if empty and `all_legs`), at most 10 a second.

    Those that were brief in the snapshot come whole (`WholeLegs`).
    """

    legs: tuple[str, ...] = ()
    all_legs: bool = False
    inspected: tuple[str, ...] = ()
    """Tell what attributes the dialog objects of these legs have (`LegInspected`)."""


class HangUp(_Command, frozen=True):
    """End a leg as the script's `stopSession()` would."""

    leg: str


class ReloadScripts(_Command, frozen=True):
    """Load again; all scripts if `script` is ""."""

    script: str = ""


class RollBack(_Command, frozen=True):
    """Let an older generation that loaded serve new calls again."""

    script: str
    generation: int
    """0: the one that served before."""


class PinScript(_Command, frozen=True):
    """Let new calls get one generation, whatever is loaded after it."""

    script: str
    generation: int
    """0: the newest that loads, as usual."""


class PlaceTestCall(_Command, frozen=True):
    """Start the test phone on a script's name or a SIP URI; with `answers`, to be called.

    Calls that scripts make then go to this phone, whatever their URI says, until it is told to
    hang up; but with `register` only those to that address. Once it was called, another one takes
    its place.
    """

    target: str
    answers: str = ""
    """What it does when it is called: one of `phones.ANSWERS` or a code; "": it calls."""
    register: str = ""
    """With `answers`: be called by this address, `sip:anna@example.org`, not by our scripts."""
    password: str = ""
    """Of that user; "": that of our own users, if there is one."""
    level_test: bool = False
    """True: no call at all; the microphone's level is told for a while, the speaker beeps."""
    keys: str = ""
    """Pressed once the call is up; `,` pauses 0.5 s."""
    keys_by: str = ""
    """One of `phones.KEYS_BY`, "" for auto."""
    codec: str = ""
    """One of `phones.CODECS`; "" for G.711."""
    wav: str = ""
    """File that is the caller's voice."""
    tone_hz: int = 0
    """Without a file: a tone as the caller's voice, 0 for none."""
    say: str = ""
    """Without either: a text that is the caller's voice."""
    sound: bool = False
    """True: the speaker of the engine's machine, and its microphone where nothing else is said."""
    silent: bool = False
    """True: silence is the voice, also with `sound`."""
    microphone: str = ""
    """A part of the card's name, "" for the system's choice."""
    speaker: str = ""
    record: str = ""
    """WAV file for what the phone hears; its folder is made if it is not there."""


class ListSoundCards(_Command, frozen=True):
    """Ask which sound cards the engine's machine has."""


class DialOut(_Command, frozen=True):
    """Let a script call somebody; `Answered.leg` is the call."""

    script: str
    uri: str
    from_: str = ""
    """Who calls, a URI or a whole From value; "": our own address."""


class TellPhone(_Command, frozen=True):
    """Turn a switch of a test phone, or press its keys."""

    phone: str
    """The phone, "p3", or the leg it is, "c12"."""
    verb: str
    """"press", "mute", "hold", "keys-by", "network", "rtcp", "say", "microphone", "speaker",
    "transfer", "answer", "refuse" or "hangup": see docs/phone.md."""
    argument: str = ""
    """"12#", "on", "inband", "5 200 20" (loss in percent, delay and jitter in ms), …"""


class Evaluate(_Command, frozen=True):
    """Evaluate a line of Python between two handlers of a call; `self` is its dialog object."""

    leg: str
    text: str
    may_change: bool = False
    """False: a line that would change the call is refused."""


class Drain(_Command, frozen=True):
    """No new calls; end with the last one."""


class Stop(_Command, frozen=True):
    """End all calls and exit."""


Command = (
    Watch
    | HangUp
    | ReloadScripts
    | RollBack
    | PinScript
    | PlaceTestCall
    | ListSoundCards
    | DialOut
    | TellPhone
    | Evaluate
    | Drain
    | Stop
)


class SoundCard(Struct, frozen=True):
    """A sound card, or one of its sides."""

    name: str
    inputs: int
    """Microphone channels."""
    outputs: int
    """Loudspeaker channels."""


class Answered(Struct, frozen=True, tag=True):
    """The engine's answer to one command."""

    request: int
    ok: bool
    text: str = ""
    """What was done, or why not, for people."""
    leg: str = ""
    """The leg the command made, if any."""
    phone: str = ""
    """The test phone the command started, if any."""
    cards: tuple[SoundCard, ...] = ()
    """For `ListSoundCards`."""
