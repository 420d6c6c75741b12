"""Control: lines that the workbench writes to a phone while it calls, and its switches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ivrbench.errors import ConfigError, LocalProtocolError
from ivrbench.observe.phones import KEYS_BY, PhoneChanged

from .callee import Callee, read_code
from .keys import parse_keys
from .transfer import refer_target
from .voice import file_voice, silent_voice, text_voice, tone_voice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ivrbench.clock import Clock

    from .call import PhoneCall
    from .network import BadNetwork
    from .rtp_stream import RtpStream
    from .sound import Sound
    from .voice import Speaker

__all__ = ["Control"]

DEFAULT: Final = "default"
"""In place of a card's name: the system's choice."""


class Control:
    """Carries out `press 12#`, `mute on`, `hold off`, `keys-by inband`, `network 5 200 20`,
    `rtcp off`, `say tone 440`, `speaker NAME`, `transfer URI`, `answer`, `refuse 486` and `hangup`;
    a line without a verb is keys.

    Args:
        call: whom it steers.
        stream: its audio.
        network: what its packets go through.
        clock: now.
        voice: what the phone says at first, in words.
        sound: the sound card.
    """

    def __init__(
        self,
        call: PhoneCall,
        stream: RtpStream,
        network: BadNetwork,
        clock: Clock,
        *,
        voice: str,
        sound: Sound,
    ) -> None:
        self._call = call
        self._stream = stream
        self._network = network
        self._clock = clock
        self._voice = voice
        self._sound = sound

    @property
    def switches(self) -> PhoneChanged:
        """How they are now."""
        return PhoneChanged(
            muted=self._stream.muted,
            held=self._call.held,
            keys_by=self._call.keys.by,
            voice=self._voice,
            loss_percent=self._network.loss_percent,
            delay_ms=self._network.delay_ms,
            jitter_ms=self._network.jitter_ms,
            rtcp_broken=self._stream.rtcp_broken,
            microphone=self._sound.names[0],
            speaker=self._sound.names[1],
        )

    async def do(self, line: str) -> bool:
        """Carry out one line.

        Returns:
            True if a switch was turned.

        Raises:
            ConfigError: it cannot be understood, or not be done; the sentence says why.
        """
        verb, _, argument = line.strip().partition(" ")
        action = _VERBS.get(verb)
        if action is None:
            self._call.keys.add(parse_keys(line))
            return False
        await action(self, argument.strip())
        return verb not in _ONCE

    async def _press(self, keys: str) -> None:
        self._call.keys.add(parse_keys(keys))

    async def _hold_on(self, key: str) -> None:
        self._call.keys.hold_on(key)

    async def _mute(self, argument: str) -> None:
        self._stream.muted = _on(argument)

    async def _hold(self, argument: str) -> None:
        try:
            self._call.hold(_on(argument), self._clock.now())
        except LocalProtocolError as exc:
            raise ConfigError(f"no hold now: {exc}") from exc

    async def _keys_by(self, argument: str) -> None:
        if argument not in KEYS_BY:
            raise ConfigError(f"keys are sent by {', '.join(KEYS_BY)}, not by {argument!r}")
        self._call.keys.by = argument

    async def _be_bad(self, argument: str) -> None:
        self._network.set(argument)

    async def _rtcp(self, argument: str) -> None:
        self._stream.rtcp_broken = not _on(argument)

    async def _say(self, argument: str) -> None:
        what, _, value = argument.partition(" ")
        rate_hz = self._stream.rate_hz
        match what:
            case "silence":
                speaker: Speaker = silent_voice(rate_hz=rate_hz)
            case "tone":
                speaker = tone_voice(_whole(value), rate_hz=rate_hz)
            case "wav":
                speaker = await asyncio.to_thread(
                    file_voice, Path(value), loop=False, rate_hz=rate_hz
                )
            case "text":
                speaker = await asyncio.to_thread(text_voice, value, rate_hz=rate_hz)
            case "microphone":
                await self._microphone(value)
                return
            case _:
                raise ConfigError(
                    "a phone says silence, tone HZ, wav FILE, text WORDS or microphone, "
                    f"not {argument!r}"
                )
        self._stream.speak(speaker)
        names = {"tone": f"tone {value} Hz", "text": f"text {value}", "wav": Path(value).name}
        self._voice = names.get(what, what)

    async def _microphone(self, name: str) -> None:
        self._sound.use(microphone="" if name == DEFAULT else name)
        self._stream.speak(self._sound)
        self._voice = "microphone"

    async def _speaker(self, name: str) -> None:
        self._sound.use(speaker="" if name == DEFAULT else name)

    async def _transfer(self, argument: str) -> None:
        try:
            target = refer_target(argument, self._call.peer_uri)
            self._call.transfer(target, self._clock.now())
        except LocalProtocolError as exc:
            raise ConfigError(f"no transfer now: {exc}") from exc

    async def _answer(self, argument: str) -> None:
        self._ring("answered", lambda callee, now: callee.answer(now))

    async def _refuse(self, argument: str) -> None:
        code = read_code(argument)
        self._ring("refused", lambda callee, now: callee.refuse(code, now))

    def _ring(self, what: str, decide: Callable[[Callee, float], None]) -> None:
        if not isinstance(self._call, Callee):
            raise ConfigError(f"this call is ours: it cannot be {what}")
        try:
            decide(self._call, self._clock.now())
        except LocalProtocolError as exc:
            raise ConfigError(str(exc)) from exc

    async def _hang_up(self, argument: str) -> None:
        self._call.hang_up(self._clock.now())


def _on(text: str) -> bool:
    if text not in ("on", "off"):
        raise ConfigError(f"on or off, not {text!r}")
    return text == "on"


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no frequency in Hz") from None


_ONCE: Final = ("press", "hold-on", "transfer", "answer", "refuse", "hangup")
"""These turn no switch."""
_VERBS: Final[dict[str, Callable[[Control, str], Awaitable[None]]]] = {
    "press": Control._press,
    "hold-on": Control._hold_on,
    "mute": Control._mute,
    "hold": Control._hold,
    "keys-by": Control._keys_by,
    "network": Control._be_bad,
    "rtcp": Control._rtcp,
    "say": Control._say,
    "microphone": Control._microphone,
    "speaker": Control._speaker,
    "transfer": Control._transfer,
    "answer": Control._answer,
    "refuse": Control._refuse,
    "hangup": Control._hang_up,
}
