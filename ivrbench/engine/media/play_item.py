"""Item: one entry of a playlist, as the engine knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.media import messages

if TYPE_CHECKING:
    from ivrbench.scriptapi.audiofile import OpenAudio

    from .call import MediaCall, Prompt
    from .mixed_in import MixedIn
    from .playlist import Playlist
    from .stay import Stay

__all__ = ["Item"]


class Item:
    """One entry, and what the script's file object steers it by (`PlaybackControl`)."""

    def __init__(
        self,
        playlist: Playlist,
        number: int,
        play: object | None,
        record: object | None,
    ) -> None:
        self.playlist = playlist
        self.number = number
        # Held so that a script may forget its objects while they are queued.
        self.play, self.record = play, record
        self.audio: OpenAudio | None = None
        self.prompt: Prompt | None = None
        self.mixed: MixedIn | None = None
        """What is heard over the prompt."""
        self.stay: Stay | None = None
        """Brings the call into a room."""
        self.silence_ms = 0
        self.loop = False
        self.recorder = 0
        self.sent = False
        self.started_s = 0.0
        self.halted_samples = 0
        """Where it was when its worker died."""
        self.because = ""
        """Why it was flushed: "key 1"."""
        self.passed_over = 0
        """Endings to ignore: it was taken out of the worker's list to be put in again."""

    @property
    def is_playing(self) -> bool:
        """It has begun."""
        return self.started_s > 0.0

    def position_samples(self, now: float) -> int:
        """Where it is about now."""
        if self.prompt is None or not self.started_s:
            return 0
        played = int((now - self.started_s) * self.prompt.rate_hz)
        n_samples = self.prompt.n_samples
        if self.mixed is not None:
            return played
        return played % n_samples if self.loop and n_samples else min(played, n_samples)

    def halt(self, now: float) -> None:
        """Remember the place: its worker is gone."""
        self.halted_samples = self.position_samples(now)
        if self.started_s and self.silence_ms > 0:
            self.silence_ms = max(1, self.silence_ms - round((now - self.started_s) * 1000))

    def go_on(self, media: MediaCall, now: float) -> None:
        """Continue at that place, if it had begun."""
        if not self.started_s:
            return
        self.started_s = now
        if self.prompt is not None and self.halted_samples:
            self.started_s -= self.halted_samples / self.prompt.rate_hz
            media.seek(self.number, self.halted_samples)

    def part(self) -> messages.ClipPart | messages.SilencePart | messages.MixInPart | None:
        """What is to be played, for the worker; None: nothing."""
        if self.prompt is None:
            return messages.SilencePart(self.silence_ms) if self.silence_ms else None
        clip = self.prompt.part(self.loop)
        return self.mixed.part(clip) if self.mixed is not None else clip

    # PlaybackControl

    def set_loop(self, loop: bool) -> None:
        """`file.loop = …` while it waits or plays."""
        self.loop = loop
        self.playlist.post(self.playlist.set_loop, self, loop)

    def seek(self, back_ms: int | None) -> None:
        """`file.rewind(…)`: acts on the item that plays."""
        self.playlist.post(self.playlist.seek, self, back_ms)

    def write_out(self) -> None:
        """A prompt has nothing to write."""

    def set_paused(self, paused: bool) -> None:
        """A prompt goes on; only recordings pause."""

    def finish(self) -> None:
        """`file.close()`: the prompt goes on from memory."""
