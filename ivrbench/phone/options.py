"""What one call of the test phone is told before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ivrbench.config import Listen

__all__ = ["CallOptions"]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options of `ivrbench call`."""

    target: str
    """A script's name, or a `sip:` URI; with `answers`, the address to wait at: `HOST[:PORT]`, ""
    for any port of 127.0.0.1."""
    register: str = ""
    """With `answers`: the address to be registered as, `sip:anna@example.org`; `user` and
    `password` go with it."""
    answers: str = ""
    """What the phone does when it is called, as `callee.read_answers` takes it; "": it calls."""
    keys: str = ""
    """Keys pressed once the call is up, as `keys.parse_keys` reads them; `,` pauses 0.5 s."""
    keys_by: str = "auto"
    """How keys are sent: one of `observe.phones.KEYS_BY`."""
    wav: Path | None = None
    """Audio file that plays the caller's voice; None: a tone or silence."""
    loop_wav: bool = False
    """True: the file starts again at its end; False: silence follows it."""
    tone_hz: int = 0
    """Without a file: a tone of this frequency as the caller's voice, 0 = none."""
    say: str = ""
    """Without either: a text that is the caller's voice, "" = none."""
    language: str = ""
    """The text's language, as `audio.tts` takes it."""
    record: Path | None = None
    """WAV file for what the phone hears; None: not recorded."""
    for_s: float | None = None
    """Seconds from the answer until the phone hangs up; None: the other side ends the call."""
    sound: bool = False
    """True: the speaker of this machine, and its microphone where nothing else is the voice."""
    silent: bool = False
    """True: silence is the voice, also with `sound`."""
    microphone: str = ""
    """A part of the microphone's name, "" for the system's choice."""
    speaker: str = ""
    """Likewise."""
    codec: str = ""
    """The only codec offered, a key of `codec.CODECS`; "": G.711 of both laws."""
    network: str = ""
    """What the packets go through, as `network.BadNetwork` understands it; "" is a good one."""
    user: str = ""
    """Who logs in where a password is asked for, "" for nobody."""
    password: str = ""
    """With that user; never from the command line, which others can see."""
    call_id: str = ""
    """Call-ID, for whoever wants to find the call afterwards; "": one is made up."""
    control_socket: Path | None = None
    """Control socket of a running engine, asked where a script's name is served."""
    listen: tuple[Listen, ...] = ()
    """Listeners of the configuration, used if no engine could be asked."""
    json: bool = False
    """True: the last line on stdout is one JSON object with the call's figures."""
    from_workbench: bool = False
    """True: lines on stdin steer the call (see `control`), lines on stdout are events in JSON."""

    @property
    def voice(self) -> str:
        """What the phone says, in words."""
        if self.wav is not None:
            return self.wav.name
        if self.tone_hz:
            return f"tone {self.tone_hz} Hz"
        if self.say:
            return f"text {self.say}"
        return "microphone" if self.sound and not self.silent else "silence"
