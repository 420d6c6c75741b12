"""CallTape: the recording of a whole call, and its silence; what a script asked for of both."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ivrbench.media import messages

from ..part import Part

if TYPE_CHECKING:
    from ivrbench.scriptapi.audiofile import IvrAudioFile

    from ..session import Session
    from .call import MediaCall
    from .recordings import Recordings

__all__ = ["CallTape"]

log = logging.getLogger("ivrbench.call")


class CallTape(Part):
    """What the worker is to do with what is said; told again when another one has the call.

    Args:
        session: whose call.
        recordings: its files.
    """

    def __init__(self, session: Session, recordings: Recordings) -> None:
        super().__init__(session)
        self._recordings = recordings
        self._media: MediaCall | None = None
        self._file: IvrAudioFile | None = None
        # Held so that a script may forget it.
        self._handle = 0
        self._silence_ms = 0
        self._awaited_ms = 0
        """The silence that ends a recording of an `async def` handler, 0 for none."""

    def record(self, file: IvrAudioFile) -> None:
        """Record into this file from now on; any thread. Raises OSError: no descriptor is left."""
        handle = self._recordings.open(file)
        self.session.board.inbox.post(self._record, file, handle)

    def watch_silence(self, limit_ms: int) -> None:
        """Tell of silence that lasts so long; 0: not any more. On the loop."""
        self._silence_ms = limit_ms
        self._watch()

    def await_silence(self, limit_ms: int) -> None:
        """End what a handler waits for after so much silence; 0: that is over. On the loop."""
        if limit_ms or self._awaited_ms:
            self._awaited_ms = limit_ms
            self._watch()

    def _watch(self) -> None:
        if self._media is not None:
            limit_ms = self._awaited_ms or self._silence_ms
            self._media.send(messages.WatchSilence(self._media.number, limit_ms))

    def media_opened(self, media: MediaCall) -> None:
        """Audio flows."""
        self._media = media
        self._start()
        if self._silence_ms or self._awaited_ms:
            self._watch()

    def media_lost(self) -> None:
        """The worker died; another one will have the call."""
        self._media = None

    def silent(self, event: messages.SilenceHeard) -> None:
        """The caller has been silent for as long as the script asked."""
        if self.is_over:
            return
        if self._awaited_ms:
            self.session.port.waits.silent()
        else:
            self.session.tell("onSilence", event.silent_ms)

    def recorded(self, event: messages.CallRecorded) -> None:
        """The recording is over; a full disk is told by the file's own end."""
        name = self._recordings.name_of(self._handle)
        if event.reason == "recorded" and name:
            log.info("%s has its full length", name, extra={"leg": self.session.leg.name})
            self.session.tell("onRecordingEnded", name, "")
        if event.reason != "stopped":
            self._file, self._handle = None, 0

    def _record(self, file: IvrAudioFile, handle: int) -> None:
        if not self.is_over:
            self._file, self._handle = file, handle
            self._start()

    def _start(self) -> None:
        if self._media is not None and self._recordings.is_open(self._handle):
            recorder = self._recordings.number(self._handle)
            self._media.send(messages.RecordCall(self._media.number, recorder))
