"""Stay: one item of a playlist that brings its call into a conference room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.scriptapi.conference import IvrConference

from .rooms import CLIP_FORM

if TYPE_CHECKING:
    from ivrbench.scriptapi.audiofile import IvrAudioFile, OpenAudio

    from ..session import Session
    from .call import MediaCall, Prompt
    from .rooms import Room

__all__ = ["Stay", "stay_of"]


class Stay:
    """What the script's conference object steers its call by (`RoomControl`).

    Args:
        session: whose call.
        item: its number in the playlist.
        conference: the script's object.
        hears: the call hears the room.
        speaks: the room hears the call.
    """

    def __init__(
        self, session: Session, item: int, conference: IvrConference, hears: bool, speaks: bool
    ) -> None:
        self._session = session
        self._item = item
        self._conference = conference
        self.name = conference.room
        self.hears, self.speaks = hears, speaks
        self.is_there = False
        """The call is in the room."""
        self._room: Room | None = None
        self._media: MediaCall | None = None
        self._is_over = False
        self._announced: list[Prompt] = []
        """What the room is to hear once there is audio."""
        self._recording = 0
        """Our number of the file that the room is recorded into, 0 for none."""
        self._post = session.board.inbox.post
        conference.attach(self)

    def __repr__(self) -> str:
        return f"<Stay of {self.leg_name} in {self.name!r}>"

    @property
    def title(self) -> str:
        """For people: "room sales"."""
        return f"room {self.name}"

    @property
    def leg_name(self) -> str:
        """Whose it is."""
        return self._session.leg.name

    @property
    def local_tag(self) -> str:
        """The name of the session for scripts."""
        return self._session.leg.dialog.local_tag

    @property
    def call_number(self) -> int:
        """The call's number at its worker, 0 while it has none."""
        return self._media.number if self._media is not None else 0

    # --- on the loop --------------------------------------------------------------------------

    def placed(self, item: messages.PlayItem, media: MediaCall) -> messages.PlayItem:
        """The item as the worker is told it; from now on the room is kept open for it."""
        self._media = media
        self._room = self._session.board.media.rooms.enter(self, media.worker)
        if self._recording:
            self._record(self._recording)
        announced, self._announced = self._announced, []
        for prompt in announced:
            self._announce(prompt)
        return replace(
            item,
            room=self._room.number,
            hears=self.hears,
            speaks=self.speaks,
            muted=self._conference.muted,
        )

    def arrived(self) -> None:
        """The item's turn has come."""
        if self._room is not None:
            self.is_there = True
            self._session.board.media.rooms.joined(self._room, self)

    def over(self) -> None:
        """The item has ended; once."""
        self._is_over = True
        self._conference.detach(self)
        for prompt in self._announced:
            prompt.release()
        room, self._room = self._room, None
        if room is None:
            return
        rooms = self._session.board.media.rooms
        was_there, self.is_there = self.is_there, False
        rooms.leave(room, self)
        if was_there:
            rooms.left(room, self)

    def tell_speaker(self, local_tag: str) -> None:
        """Let the script know who speaks."""
        self._session.tell("onSpeaker", self.name, local_tag)

    # --- RoomControl: any thread --------------------------------------------------------------

    def set_muted(self, muted: bool) -> None:
        """`conference.mute()` and `unmute()`."""
        self._post(self._mute, muted)

    def announce(self, audio: OpenAudio) -> None:
        """`conference.announce(file)`: decoded here, in the script's thread."""
        try:
            prompt = self._session.playlist.prompt(audio, CLIP_FORM)
        except MediaError as exc:
            raise OSError(f"cannot play {audio.name}: {exc}") from exc
        self._post(self._announce, prompt)

    def stop_announcements(self) -> None:
        """`conference.stop_announcements()`."""
        self._post(self._flush)

    def record(self, file: IvrAudioFile | None) -> None:
        """`conference.record(file)` and `stop_recording()`."""
        handle = self._session.playlist.recordings.open(file) if file is not None else 0
        self._post(self._record, handle)

    def _mute(self, muted: bool) -> None:
        if self._room is not None:
            self._send(messages.MuteMember(self.call_number, self._item, muted))

    def _announce(self, prompt: Prompt) -> None:
        if self._is_over:
            prompt.release()
        elif self._room is None or self._media is None:
            self._announced.append(prompt)
        else:
            self._session.board.media.rooms.announce(self._room, self._media.worker, prompt)

    def _flush(self) -> None:
        if self._room is not None:
            self._session.board.media.rooms.flush(self._room)

    def _record(self, handle: int) -> None:
        self._recording = handle
        if self._room is not None:
            recorder = self._session.playlist.recordings.number(handle)
            self._send(messages.RecordRoom(self._room.number, recorder))

    def _send(self, command: messages.Command) -> None:
        if self._media is not None:
            self._media.worker.media.send(command)


def stay_of(session: Session, item: int, play: object, record: object) -> Stay | None:
    """What brings a call into a room if one of these is a conference, else None."""
    for thing in (play, record):
        if isinstance(thing, IvrConference):
            return Stay(session, item, thing, play is thing, record is thing)
    return None
