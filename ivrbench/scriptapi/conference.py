"""IvrConference: a room in which calls hear each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ivrbench.scriptapi.arguments import need_str

if TYPE_CHECKING:
    from ivrbench.scriptapi.audiofile import IvrAudioFile, OpenAudio

__all__ = ["IvrConference", "RoomControl"]


class RoomControl(Protocol):
    """What the engine attaches to a conference object while it is queued or its call is there."""

    def set_muted(self, muted: bool) -> None:
        """The script called `mute` or `unmute`."""

    def announce(self, audio: OpenAudio) -> None:
        """Let everybody in the room hear a file. Raises OSError: it cannot be played."""

    def stop_announcements(self) -> None:
        """Drop what was announced and is not over."""

    def record(self, file: IvrAudioFile | None) -> None:
        """Record the room; None: no more. Raises OSError: no descriptor is left."""


class IvrConference:
    """A conference room, as one call is in it: enqueue it, and the call is in the room.

    `enqueue(room, room)` hears and speaks, `enqueue(room, None)` only hears, `enqueue(None, room)`
    only speaks, `enqueue(file, room)` speaks while it hears a file, `enqueue(room, file)` hears,
    and the file records the caller. The call leaves with `flush()`, or at its end.

    Args:
        room: the room's name; calls of any script that use the same name meet.

    Raises:
        ValueError: the name is empty.
    """

    def __init__(self, room: str) -> None:
        if not need_str("IvrConference", 1, room):
            raise ValueError("IvrConference() needs the name of a room")
        self._room = room
        self._muted = False
        self._controls: list[RoomControl] = []

    @property
    def room(self) -> str:
        """The room's name."""
        return self._room

    @property
    def muted(self) -> bool:
        """Whether the others do not hear this call."""
        return self._muted

    def mute(self) -> None:
        """Do not let the others hear this call; it hears them."""
        self._set_muted(True)

    def unmute(self) -> None:
        """Let the others hear this call again."""
        self._set_muted(False)

    def announce(self, file: IvrAudioFile) -> None:
        """Let everybody in the room hear a file, after those that play already.

        Raises:
            ValueError: the file is not open, or this object is not enqueued.
            OSError: the file cannot be played.
        """
        self._control("announce").announce(file.opened())

    def stop_announcements(self) -> None:
        """Drop the files that are heard or to be heard.

        Raises:
            ValueError: this object is not enqueued.
        """
        self._control("stop_announcements").stop_announcements()

    def record(self, file: IvrAudioFile) -> None:
        """Record everybody in the room, until `stop_recording` or the end of this call.

        Args:
            file: open for writing; `setRecordTime` limits the length.

        Raises:
            ValueError: the file is not open for writing, or this object is not enqueued.
            OSError: no descriptor is left.
        """
        if not file.opened().writing:
            raise ValueError(f"record() needs a file opened with AUDIO_WRITE, not {file!r}")
        self._control("record").record(file)

    def stop_recording(self) -> None:
        """End the recording; the file stays open.

        Raises:
            ValueError: this object is not enqueued.
        """
        self._control("stop_recording").record(None)

    def attach(self, control: RoomControl) -> None:
        """It was enqueued; for the engine."""
        self._controls.append(control)

    def detach(self, control: RoomControl) -> None:
        """That item is over; for the engine."""
        self._controls.remove(control)

    def _set_muted(self, muted: bool) -> None:
        self._muted = muted
        for control in list(self._controls):
            control.set_muted(muted)

    def _control(self, method: str) -> RoomControl:
        controls = list(self._controls)
        if not controls:
            raise ValueError(f"{method}() needs a conference that is enqueued")
        return controls[0]
