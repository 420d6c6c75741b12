"""Recordings: the files one call records into, each with its recorder in the media worker."""

from __future__ import annotations

import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from ivrbench.audio.files import WavSubtype, wav_header
from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.media import messages
from ivrbench.media.messages import RecorderClosed
from ivrbench.observe.events import RecordingEnded

from ..part import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.scriptapi.audiofile import IvrAudioFile, OpenAudio

    from ..session import Session
    from .call import MediaCall

__all__ = ["Recordings"]

log = logging.getLogger("ivrbench.call")

FINISH_WITHIN_S: Final = 5.0
"""How long `close()` waits for the disk; a script's thread must not hang for ever on a dead one."""
WRITTEN_WITHIN_S: Final = 1.0
"""How long `getDataSize()` waits for it."""
RATE_AT: Final = slice(24, 28)
"""The sample rate in a WAV header."""
LAWS: Final = {WavSubtype.PCM16: "pcm16", WavSubtype.ALAW: "alaw", WavSubtype.ULAW: "ulaw"}


class _Recording:
    """One file being recorded into; what its file object steers it by (`PlaybackControl`)."""

    def __init__(self, recordings: Recordings, audio: OpenAudio, file: IvrAudioFile) -> None:
        self._recordings = recordings
        self.audio = audio
        self.name = audio.name
        self.limit_ms = file.record_limit_ms
        self.channels = 2 if file.stereo else 1
        self.paused = False
        self.fd = os.dup(audio.fd)
        self.recorder = 0
        """The worker's number for it; 0: not there yet."""
        self.is_closing = False
        self.closed = threading.Event()

    def how(self) -> messages.OpenRecorder:
        """How it is to be opened at the worker."""
        audio = self.audio
        law, container = LAWS[audio.subtype], audio.container
        return messages.OpenRecorder(0, law, self.limit_ms, audio.rate_hz, self.channels, container)

    def set_loop(self, loop: bool) -> None:
        """A recording has no loop."""

    def seek(self, back_ms: int | None) -> None:
        """A recording goes on where it is."""

    def set_paused(self, paused: bool) -> None:
        """`file.pause()` and `file.resume()`."""
        self._recordings.inbox.post(self._recordings.pause, self, paused)

    def finish(self) -> None:
        """Wait until the file is whole; in the loop's own thread there is no waiting."""
        inbox = self._recordings.inbox
        inbox.post(self._recordings.close, self)
        if not inbox.on_loop and not self.closed.wait(FINISH_WITHIN_S):
            log.error("%s: not written after %g s", self.name, FINISH_WITHIN_S)

    def write_out(self) -> None:
        """Wait until what was said so far is in the file; not in the loop's own thread."""
        inbox = self._recordings.inbox
        if not inbox.on_loop:
            written = threading.Event()
            inbox.post(self._recordings.seal, self, written.set)
            written.wait(WRITTEN_WITHIN_S)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a sample of all channels."""
        return self.audio.subtype.sample_bytes * self.channels

    @property
    def is_empty(self) -> bool:
        """Nothing of the caller is in it yet."""
        return not self.audio.data_bytes

    def rescued(self) -> RecorderClosed:
        """What a worker that died left on the disk, with a header that covers it all."""
        audio, rate_hz = self.audio, SAMPLE_RATE_HZ
        n_bytes = audio.data_bytes - audio.data_bytes % self.frame_bytes
        rate_hz = audio.rate_hz or rate_hz
        try:
            header = os.pread(audio.fd, audio.header_bytes, 0)
            if header:
                rate_hz = int.from_bytes(header[RATE_AT], "little") or rate_hz
                os.pwrite(audio.fd, wav_header(n_bytes, audio.subtype, rate_hz, self.channels), 0)
        except OSError as exc:
            log.error("%s: %s", self.name, exc.strerror)
        return RecorderClosed(self.recorder, n_bytes, "the media worker ended", rate_hz)

    def done(self) -> None:
        """Nobody writes into it any more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.audio.detach(self)
        self.closed.set()


class Recordings(Part):
    """All recordings of a call. `open` may be called in any thread, the rest on the loop.

    Args:
        session: whose recordings.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._board, self._leg = session.board, session.leg.name
        self.inbox = session.board.inbox
        self._media: MediaCall | None = None
        self._lock = threading.Lock()
        self._open: dict[int, _Recording] = {}
        self._by_audio: dict[int, int] = {}
        self._last = 0
        self.closing = 0
        """Files that a script's thread may be waiting for."""

    def open(self, file: IvrAudioFile) -> int:
        """Make a file ready to record into.

        Returns:
            our number for it, the same for the same opening of the file.

        Raises:
            OSError: no file descriptor is left.
        """
        audio = file.opened()
        with self._lock:
            known = self._by_audio.get(id(audio))
            if known is not None:
                return known
            recording = _Recording(self, audio, file)
            self._last += 1
            self._open[self._last] = recording
            self._by_audio[id(audio)] = self._last
            audio.attach(recording)
            return self._last

    def number(self, handle: int) -> int:
        """The worker's number of a recording, opened there if it is not yet; 0 for none."""
        recording = self._open.get(handle)
        if recording is None or self._media is None:
            return 0
        if not recording.recorder:
            fd, recording.fd = recording.fd, -1
            how = recording.how()
            closed = partial(self._closed, handle)
            recording.recorder = self._media.open_recorder(fd, how, closed)
            self.pause(recording, recording.paused)
        return recording.recorder

    def media_opened(self, media: MediaCall) -> None:
        """Audio flows: from now on recordings go to the worker."""
        self._media = media

    def pause(self, recording: _Recording, paused: bool) -> None:
        """Record nothing for a while, or go on."""
        is_news, recording.paused = paused != recording.paused or paused, paused
        if is_news and self._media is not None and recording.recorder:
            self._media.send(messages.PauseRecorder(recording.recorder, paused))

    def seal(self, recording: _Recording, written: Callable[[], None]) -> None:
        """Have what a recording has so far written to the disk."""
        if self._media is None or not recording.recorder or recording.closed.is_set():
            written()
        else:
            self._media.seal_recorder(recording.recorder, written)

    def close(self, recording: _Recording) -> None:
        """The script closed the file."""
        if recording.closed.is_set():
            return
        if self._media is not None and recording.recorder:
            self.closing += not recording.is_closing
            recording.is_closing = True
            self._media.close_recorder(recording.recorder)
        else:
            self._forget(recording)

    def abandon(self) -> None:
        """The worker is done with the call, or gone."""
        for recording in list(self._open.values()):
            self._forget(recording)

    def media_lost(self) -> None:
        """The worker died: what was recorded stands, a file with nothing in it is used again."""
        self._media = None
        for handle, recording in list(self._open.items()):
            if not recording.recorder:
                continue
            if recording.is_empty and not recording.is_closing:
                recording.fd, recording.recorder = os.dup(recording.audio.fd), 0
            else:
                self._closed(handle, recording.rescued())

    def name_of(self, handle: int) -> str:
        """The name of a file that is recorded into and that the script has not closed, else ""."""
        recording = self._open.get(handle)
        return recording.name if recording is not None and not recording.is_closing else ""

    def is_open(self, handle: int) -> bool:
        """Whether this number still stands for a file that is recorded into."""
        return handle in self._open

    def _closed(self, handle: int, event: RecorderClosed) -> None:
        recording = self._open.get(handle)
        if recording is None:
            return
        bytes_per_s = event.rate_hz * recording.frame_bytes
        if event.error:
            log.error("%s: %s", recording.name, event.error, extra={"leg": self._leg})
            self._tell_failed(recording.name, event.error)
        self._board.publish(
            RecordingEnded(
                leg=self._leg,
                file=recording.audio.path or recording.name,
                n_bytes=event.n_bytes,
                length_ms=event.n_bytes * 1000 // bytes_per_s,
                error=event.error,
            )
        )
        self._forget(recording)

    def _tell_failed(self, name: str, error: str) -> None:
        """`onRecordingEnded`, unless the call was over before the file."""
        session = self._of()
        if session is not None:
            session.tell("onRecordingEnded", name, error)

    def _forget(self, recording: _Recording) -> None:
        with self._lock:
            handle = self._by_audio.pop(id(recording.audio), 0)
            self._open.pop(handle, None)
        self.closing -= recording.is_closing
        recording.is_closing = False
        recording.done()
