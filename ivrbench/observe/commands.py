"""What a client of the control socket may ask of the engine, and the answer it gets."""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "Answered",
    "Command",
    "Drain",
    "HangUp",
    "PlaceTestCall",
    "PressKeys",
    "ReloadScripts",
    "RollBack",
    "Stop",
    "Watch",
]


class _Command(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all commands; `request` comes back in the answer (`ControlClient` counts it)."""

    request: int = 0


class Watch(_Command, frozen=True):
    """Send `LegMeasured` for these legs (all if empty and `all_legs`), at most 10 a second."""

    legs: tuple[str, ...] = ()
    all_legs: bool = False


class HangUp(_Command, frozen=True):
    """End a leg as the script's `stopSession()` would."""

    leg: str


class ReloadScripts(_Command, frozen=True):
    """Load again; all scripts if `script` is ""."""

    script: str = ""


class RollBack(_Command, frozen=True):
    """Let an older generation that loaded serve new calls again (as a new generation)."""

    script: str
    generation: int


class PlaceTestCall(_Command, frozen=True):
    """Start the test phone on a script's name or a SIP URI."""

    target: str
    keys: str = ""
    wav: str = ""
    sound: bool = False
    """True: microphone and speaker of the engine's machine."""


class PressKeys(_Command, frozen=True):
    """Keys for the test phone's call."""

    leg: str
    keys: str


class Drain(_Command, frozen=True):
    """No new calls; end with the last one."""


class Stop(_Command, frozen=True):
    """End all calls and exit."""


Command = Watch | HangUp | ReloadScripts | RollBack | PlaceTestCall | PressKeys | Drain | Stop


class Answered(Struct, frozen=True, tag=True):
    """The engine's answer to one command."""

    request: int
    ok: bool
    text: str = ""
    """What was done, or why not, for people."""
    leg: str = ""
    """The leg the command made, if any."""
