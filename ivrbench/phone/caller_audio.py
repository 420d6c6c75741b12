"""CallerAudio: what the person at the phone says and hears: voice, sound card, recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codec import offered, rate_of
from .recording import Recording
from .sound import Sound
from .voice import Speaker, file_voice, silent_voice, text_voice, tone_voice

if TYPE_CHECKING:
    from contextlib import ExitStack

    from .hearing import Ear
    from .options import CallOptions

__all__ = ["CallerAudio"]


class CallerAudio:
    """Voice and ears of one call.

    Args:
        options: which.
        opened: closes what was opened here.
    """

    def __init__(self, options: CallOptions, opened: ExitStack) -> None:
        self._options = options
        self._opened = opened
        self.codecs = offered(options.codec)
        self.rate_hz = rate_of(self.codecs)
        self.sound = Sound(self.rate_hz)
        self._recording: Recording | None = None

    def voice(self) -> Speaker:
        """What the caller says. A text takes a moment to be spoken."""
        options, rate_hz = self._options, self.rate_hz
        if self._says_what_it_hears:
            return self.sound
        if options.wav is not None:
            return file_voice(options.wav, loop=options.loop_wav, rate_hz=rate_hz)
        if options.tone_hz:
            return tone_voice(options.tone_hz, rate_hz=rate_hz)
        if options.say:
            return text_voice(options.say, language=options.language, rate_hz=rate_hz)
        return silent_voice(rate_hz=rate_hz)

    @property
    def _says_what_it_hears(self) -> bool:
        return self._options.sound and self._options.voice == "microphone"

    def open_card(self) -> None:
        """Start the sound card, if one is wanted."""
        options = self._options
        if options.sound:
            self._opened.callback(self.sound.close)
            microphone = options.microphone if self._says_what_it_hears else None
            self.sound.use(microphone=microphone, speaker=options.speaker)

    def ears(self) -> tuple[Ear, ...]:
        """Who gets what is heard."""
        if self._options.record is None:
            return (self.sound.hear,)
        self._recording = Recording(self._options.record, self.rate_hz)
        self._opened.callback(self._recording.close)
        return self._recording.hear, self.sound.hear

    def recorded(self) -> list[str]:
        """What there is to say of the recording, in lines."""
        recording = self._recording
        if recording is None:
            return []
        lines = [f"recorded: {recording.path}, {recording.seconds:.2f} s"]
        if recording.error:
            lines.append(f"the recording ended early: {recording.error}")
        return lines
