"""Playlist: what one call plays and records, as the engine knows it; the worker has the sound."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ivrbench.errors import MediaError
from ivrbench.media import messages
from ivrbench.media.codecs import form_of
from ivrbench.observe import events
from ivrbench.scriptapi.audiofile import IvrAudioFile
from ivrbench.scriptapi.audioitems import IvrAudioMixIn, IvrNullAudio

from ..part import Part
from ..scripts.line import script_line
from .call_tape import CallTape
from .mixed_in import MixedIn
from .play_item import Item
from .recordings import Recordings
from .stay import stay_of

if TYPE_CHECKING:
    from ivrbench.observe.events import ApiCalled
    from ivrbench.scriptapi.audiofile import OpenAudio

    from ..session import Session
    from .call import MediaCall, Prompt

__all__ = ["FLUSHED", "Playlist"]

FLUSHED: Final = "silence: onEmptyQueue will not fire (flush() emptied the queue, nothing ended)"


class Playlist(Part):
    """The items of a call: current and waiting, mirrored here so that questions cost no round trip.

    Items given before audio flows wait here; `media_opened` sends them.

    Args:
        session: whose playlist.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._lock = threading.Lock()
        self._last_number = 0
        self._items: dict[int, Item] = {}
        """Current and waiting, in order, as the script sees it."""
        self._leaving: dict[int, Item] = {}
        """Flushed here, but the worker has not said so yet."""
        self._media: MediaCall | None = None
        self._recoding = False
        self._is_awaited = False
        """Of the item that ended last: the script waits for it and needs no `onEmptyQueue`."""
        self.recordings = Recordings(session)
        self.tape = CallTape(session, self.recordings)
        self.because = ""
        """"key 1" while the script handles that key: why it flushes."""
        self.post = session.board.inbox.post

    @property
    def is_empty(self) -> bool:
        """No current item and nothing waiting; right in any thread."""
        return not self._items

    # --- from the script's thread -------------------------------------------------------------

    def enqueue(
        self,
        play: object | None,
        record: object | None,
        where: tuple[str, int] | None = None,
    ) -> int:
        """Append an item; the prompt is decoded here, if no call has needed it yet.

        Args:
            play: IvrAudioFile, IvrAudioMixIn, IvrNullAudio, IvrConference or None.
            record: IvrAudioFile open for writing, IvrConference or None.
            where: the script's file and line; None: whoever calls this.

        Returns:
            the item's number.

        Raises:
            OSError: the prompt cannot be read, or there is no room for it.
        """
        session = self.session
        with self._lock:
            self._last_number += 1
            number = self._last_number
        item = Item(self, number, play, record)
        if isinstance(record, IvrAudioFile):
            item.recorder = self.recordings.open(record)
        self._take(item, play)
        item.stay = stay_of(session, number, play, record)
        event = self._enqueued_event(item)
        with self._lock:
            self._items[number] = item
        file, line = where or script_line(session.generation.files)
        called = events.ApiCalled(
            session.leg.name, "enqueue", f"{event.play or None}, {event.record or None}", file, line
        )
        self.post(self._add, item, called, event)
        return number

    def _take(self, item: Item, play: object | None) -> None:
        """Take over what an item is to play."""
        file = play
        if isinstance(play, IvrAudioMixIn) and play.settings is not None:
            item.mixed, file = MixedIn(play.settings), play.settings.first
        if isinstance(file, IvrAudioFile):
            item.audio, item.loop = file.opened(), file.loop
            try:
                item.prompt = self.prompt(item.audio, self._form())
                if item.mixed is not None:
                    item.mixed.encode(self.prompt, self._form())
            except MediaError as exc:
                self._forget(item)
                raise OSError(f"cannot play {item.audio.name}: {exc}") from exc
            item.audio.attach(item)
        elif isinstance(play, IvrNullAudio):
            item.silence_ms = play.length_ms()
        elif isinstance(play, IvrAudioMixIn):
            item.silence_ms = -1

    def flush(self, called: ApiCalled | None) -> None:
        """Drop everything."""
        with self._lock:
            dropped, self._items = self._items, {}
            self._leaving.update(dropped)
        if called is not None:
            self.post(self._flush, called, dropped)

    def prompt(self, audio: OpenAudio, form: str) -> Prompt:
        """A file in this form at the worker of the call. Raises as `MediaLink.prompt`."""
        session = self.session
        media = session.media
        worker = media.worker if media is not None else None
        if worker is None and session.leg.seat is not None:
            worker = session.leg.seat.worker
        if worker is None:
            raise MediaError("the call has no audio")
        return session.board.media.prompt(worker, audio, form)

    def _form(self) -> str:
        """How prompts must lie in the arena for the codec of the call."""
        leg = self.session.leg
        codec = leg.agreement.codec if leg.agreement else None
        if codec is None and leg.sdp:
            codec = leg.sdp.capabilities[0]
        return form_of(codec.name, codec.clock_rate_hz) if codec else "PCMU"

    def _enqueued_event(self, item: Item) -> events.ItemEnqueued:
        play, record, length_ms, limit_ms = "", "", -1, -1
        if item.prompt is not None and item.audio is not None:
            play, length_ms = item.audio.name, item.prompt.length_ms
            if item.mixed is not None:
                play += f" + {item.mixed.name}"
        elif item.silence_ms:
            play, length_ms = "silence", item.silence_ms
        if isinstance(item.record, IvrAudioFile):
            record, limit_ms = item.record.opened().name, item.record.record_limit_ms
        if item.stay is not None:
            play = item.stay.title if item.stay.hears else play
            record = item.stay.title if item.stay.speaks else record
        return events.ItemEnqueued(
            leg=self.session.leg.name,
            item=item.number,
            label=self._label(item.play if item.play is not None else item.record),
            play=play,
            record=record,
            length_ms=length_ms,
            record_limit_ms=limit_ms,
            loop=item.loop,
            note=item.prompt.note if item.prompt is not None else "",
            text=item.audio.text if item.audio is not None else "",
        )

    def _label(self, thing: object) -> str:
        """The attribute of the dialog that holds it, "" if none does."""
        dialog = self.session.mailbox.dialog
        if dialog is None or thing is None:
            return ""
        return next((n for n, v in list(vars(dialog).items()) if v is thing), "")

    # --- on the loop --------------------------------------------------------------------------

    def _add(self, item: Item, called: events.ApiCalled, event: events.ItemEnqueued) -> None:
        if self.is_over:
            self._forget(item)
            return
        board = self.session.board
        board.publish(called)
        board.publish(event)
        self.session.take_back(FLUSHED)
        if self._media is not None and not self._recoding:
            self._send(item)

    def _flush(self, called: events.ApiCalled, dropped: dict[int, Item]) -> None:
        if self.is_over:
            return
        session = self.session
        session.board.publish(called)
        session.board.publish(events.QueueFlushed(session.leg.name, len(dropped)))
        if self._media is not None:
            self._media.flush()
        for item in dropped.values():
            item.because = self.because
            if not item.sent:
                self._end(item, "flushed", 0, 0, item.because)
        if dropped and session.generation.flush_notifies:
            session.tell("onEmptyQueue")
        elif dropped:
            session.step(self._warn_if_silent)

    def _warn_if_silent(self) -> None:
        if self.is_empty and not self.session.stopping and not self.session.leg.down:
            self.session.warn(FLUSHED)

    def media_opened(self, media: MediaCall) -> None:
        """Audio flows: send what waits."""
        self._media = media
        self.recordings.media_opened(media)
        self.tape.media_opened(media)
        if not self.codec_changed():
            for item in list(self._items.values()):
                self._send(item)
                item.go_on(media, self.session.board.now())

    def media_lost(self) -> None:
        """The worker died: what plays waits at its place, what needed the dead one is over."""
        now = self.session.board.now()
        self._media = None
        self.recordings.media_lost()
        self.tape.media_lost()
        for item in list(self._leaving.values()):
            self._end(item, "flushed", 0, 0, item.because)
        lost = [item for item in list(self._items.values()) if not self._waits(item, now)]
        for item in lost:
            self._end(item, "error", 0, 0, "the media worker ended")
        if lost and self.is_empty:
            self.queue_emptied()

    def _waits(self, item: Item, now: float) -> bool:
        """Whether an item can go on at the next worker; one that only records cannot."""
        item.sent, item.passed_over = False, 0
        item.halt(now)
        if item.recorder and not self.recordings.is_open(item.recorder):
            item.recorder = 0
            return item.prompt is not None or item.silence_ms > 0
        return True

    def codec_changed(self) -> bool:
        """Items whose prompt is in the form of another codec are encoded again, away from the loop.

        Returns:
            True if there are any: nothing is sent until that is done.
        """
        form = self._form()
        stale = [i for i in self._items.values() if i.prompt and i.prompt.form != form]
        if not stale or self._recoding:
            return self._recoding
        self._recoding = True
        media = self.session.board.media

        def encode() -> list[tuple[Item, Prompt]]:
            for mixed in [i.mixed for i in stale if i.mixed is not None]:
                mixed.encode(self.prompt, form)
            return [(i, self.prompt(i.audio, form)) for i in stale if i.audio is not None]

        media.in_background(encode, self._recoded)
        return True

    def _recoded(self, pairs: list[tuple[Item, Prompt]]) -> None:
        self._recoding = False
        media = self._media
        for item, prompt in pairs:
            old: Prompt | None = prompt
            if item.number in self._items:
                item.prompt, old = prompt, item.prompt
            if old is not None:
                old.release()
        if media is None or self.session.over:
            return
        if any(item.sent for item in self._items.values()):
            media.flush()
        for item in list(self._items.values()):
            item.passed_over += item.sent
            position = item.position_samples(self.session.board.now())
            self._send(item)
            if position:
                media.seek(item.number, position)

    def _send(self, item: Item) -> None:
        assert self._media is not None, "items are sent to a call with media"
        item.sent = True
        recorder = self.recordings.number(item.recorder)
        command = messages.PlayItem(self._media.number, item.number, item.part(), recorder)
        if item.stay is not None:
            command = item.stay.placed(command, self._media)
        self._media.send(command)

    def set_loop(self, item: Item, loop: bool) -> None:
        """Turn looping on or off for an item at the worker."""
        if self._media is not None and item.sent:
            self._media.set_loop(item.number, loop)

    def seek(self, item: Item, back_ms: int | None) -> None:
        """Go back in an item that plays; None: to its start."""
        if self._media is None or not item.is_playing or item.prompt is None:
            return
        now = self.session.board.now()
        position = 0
        if back_ms is not None:
            back = back_ms * item.prompt.rate_hz // 1000
            position = max(0, item.position_samples(now) - back)
        item.started_s = now - position / item.prompt.rate_hz
        self._media.seek(item.number, position)

    # --- what the worker tells ----------------------------------------------------------------

    def item_started(self, event: messages.ItemStarted) -> None:
        """An item sounds."""
        item = self._items.get(event.item)
        if item is None or item.is_playing:
            return
        item.started_s = event.at_s
        if item.stay is not None:
            item.stay.arrived()
        self.session.board.publish(events.ItemStarted(self.session.leg.name, event.item))

    def item_ended(self, event: messages.ItemEnded) -> None:
        """An item is over; a recording of it is whole."""
        item = self._items.get(event.item) or self._leaving.get(event.item)
        if item is None:
            return
        if item.passed_over:
            item.passed_over -= 1
            return
        because = event.error
        if not because and event.reason == "closed":
            because = "call ended"
        elif not because and event.reason == "flushed":
            because = item.because
        self._end(item, event.reason, event.played_ms, event.recorded_ms, because)

    def queue_emptied(self) -> None:
        """The last item ended by itself."""
        if not self._is_awaited:
            self.session.tell("onEmptyQueue")

    def _end(self, item: Item, reason: str, played_ms: int, recorded_ms: int, because: str) -> None:
        with self._lock:
            self._items.pop(item.number, None)
            self._leaving.pop(item.number, None)
        self._forget(item)
        session = self.session
        self._is_awaited = session.over or session.port.waits.item_ended(item.number, recorded_ms)
        self.session.board.publish(
            events.ItemEnded(
                self.session.leg.name, item.number, reason, played_ms, recorded_ms, because
            )
        )

    def _forget(self, item: Item) -> None:
        if item.audio is not None:
            item.audio.detach(item)
        if item.prompt is not None:
            item.prompt.release()
            item.prompt = None
        if item.mixed is not None:
            item.mixed.release()
        if item.stay is not None:
            item.stay.over()
            item.stay = None

    def clear(self, because: str) -> None:
        """Drop everything without a word to the script."""
        with self._lock:
            dropped, self._items = self._items, {}
            self._leaving.update(dropped)
        for item in dropped.values():
            item.because = because
        if self._media is not None and dropped:
            self._media.flush()

    def close(self) -> None:
        """The session is over; what the worker still plays ends with its `CallClosed`."""
        if self._media is None:
            self.media_gone()
            self.recordings.abandon()

    def media_gone(self) -> None:
        """Nothing plays any more; prompts go back."""
        with self._lock:
            rest = [*self._items.values(), *self._leaving.values()]
            self._items, self._leaving = {}, {}
        for item in rest:
            self._forget(item)
