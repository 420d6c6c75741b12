"""A call's playlist: (play, record) items one after the other, without a gap.

The tick reads and advances only the lane's columns; the playlist is asked when an item ends or
needs a frame put together from two places.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ivrbench.media.codecs import FORMS
from ivrbench.media.lane import FOREVER, Lane
from ivrbench.media.messages import ClipPart, MixInPart, SilencePart
from ivrbench.media.mixin import MixIn
from ivrbench.media.tape import sent_now

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.recorder import Recorder

__all__ = ["Item", "Playlist", "PlaylistOwner"]


class Item:
    """One queued (play, record) pair."""

    __slots__ = (
        "begun",
        "form",
        "hears",
        "mixin",
        "muted",
        "loop",
        "number",
        "play",
        "recorded_before",
        "recorder",
        "records",
        "room",
        "speaks",
        "start",
        "started",
    )

    def __init__(
        self,
        number: int,
        play: ClipPart | SilencePart | MixInPart | None,
        recorder: Recorder | None,
        form: str,
    ) -> None:
        self.number = number
        self.play = play
        self.recorder = recorder
        self.form = form
        """How the clip lies in the arena: in the form the call had when it was queued."""
        self.loop = isinstance(play, ClipPart) and play.loop
        self.mixin: MixIn | None = None
        """Plays a `MixInPart`; made when its turn comes."""
        self.start = 0
        """Sample to start at."""
        self.started = False
        self.records = False
        """The recorder is this item's at present."""
        self.begun = False
        """The recording has begun: the first packet came."""
        self.recorded_before = 0
        """What was in the recorder when the item began, in samples."""
        self.room = 0
        """The call is in this room while the item lasts, 0 for none."""
        self.hears = self.speaks = self.muted = False

    @property
    def recorded_ms(self) -> int:
        """How much of this item has been recorded."""
        if self.recorder is None or not self.recorder.rate_hz:
            return 0
        new = self.recorder.n_samples - self.recorded_before
        return new * 1000 // self.recorder.rate_hz

    def __repr__(self) -> str:
        return f"Item({self.number}, {self.play}, recorder={self.recorder})"


class PlaylistOwner(Protocol):
    """Who hears about items."""

    def item_ended(self, item: Item, reason: str, played_ms: int, error: str) -> None:
        """An item is over; its recorder, if any, is no longer written to."""

    def queue_emptied(self) -> None:
        """An item ended by itself and nothing followed."""

    def enter_room(self, item: Item) -> None:
        """An item begins that brings the call into a room."""

    def leave_room(self, item: Item) -> None:
        """It is over."""


class Playlist:
    """The items of one call, tied to the call's row.

    Args:
        lane: the call's lane.
        row: its row there.
        owner: hears what happens.
    """

    def __init__(self, lane: Lane, row: int, owner: PlaylistOwner) -> None:
        self.lane = lane
        self.row = row
        self.current: Item | None = None
        self.waiting: deque[Item] = deque()
        self._owner = owner

    def __repr__(self) -> str:
        return f"Playlist(current={self.current}, {len(self.waiting)} waiting)"

    def append(self, item: Item) -> None:
        """Queue an item; it starts with the next frame if nothing is playing."""
        self.waiting.append(item)
        if self.current is None:
            self._next()

    def flush(self, reason: str) -> None:
        """Drop everything; each item ends with `reason`, no word about the empty queue."""
        dropped = list(self.waiting)
        self.waiting.clear()
        if self.current is not None:
            self._end(reason, "")
        for item in dropped:
            self._owner.item_ended(item, reason, 0, "")
        self._idle()

    def seek(self, number: int, position: int) -> None:
        """Move an item's play position, in samples; beyond the end means the end."""
        item = self._find(number)
        if item is not None and isinstance(item.play, MixInPart):
            item.start = max(position, 0)
            if item is self.current and item.mixin is not None:
                item.mixin.seek(item.start)
                self.lane.play_silence(self.row)
        if item is None or not isinstance(item.play, ClipPart):
            return
        item.start = min(max(position, 0), item.play.n_samples)
        if item is self.current:
            self._aim(item.play, item.start)

    def mute(self, number: int, muted: bool) -> bool:
        """Let the room of an item not hear the call. True: it is there now."""
        item = self._find(number)
        if item is not None:
            item.muted = muted
        return item is not None and item is self.current

    def set_loop(self, number: int, loop: bool) -> None:
        """Turn looping of an item on or off."""
        item = self._find(number)
        if item is not None and item.mixin is not None:
            item.mixin.set_loop(loop)
        if item is None or not isinstance(item.play, ClipPart):
            return
        item.loop = loop
        if item is self.current:
            self._aim(item.play, self.position)

    @property
    def position(self) -> int:
        """Play position of the current item in samples."""
        item = self.current
        if item is not None and isinstance(item.play, ClipPart):
            return item.play.n_samples - int(self.lane.left[self.row])
        return int(self.lane.frames[self.row]) * self.lane.frame

    @property
    def played_ms(self) -> int:
        """How long the current item has played."""
        lane = self.lane
        samples = int(lane.frames[self.row]) * lane.frame
        item = self.current
        if item is not None and isinstance(item.play, ClipPart) and not item.loop:
            samples = min(samples, item.play.n_samples - item.start)
        return samples * 1000 // lane.codec.rate_hz

    def record(self, pcm: NDArray[np.int16], *, came: bool, hears: bool) -> None:
        """Give a received frame to the item that records.

        Args:
            pcm: the frame.
            came: False if it was made up because nothing came.
            hears: False if nothing is to be recorded now.
        """
        item = self.current
        assert item is not None, "a row that records has an item"
        recorder = item.recorder
        assert recorder is not None, "an item that records has a recorder"
        if recorder.channels == 2:
            sent = sent_now(self.lane, self.row)
            recorder.write(pcm, self.lane.codec.rate_hz, sent)
            item.begun = True
        # The recording begins with the first packet; from then on gaps are part of it.
        elif (came or item.begun) and hears:
            item.begun = True
            recorder.write(pcm, self.lane.codec.rate_hz)
            if recorder.takes(self.lane.codec.rate_hz):
                self.lane.steady[self.row] = recorder
        if recorder.full:
            self.end("recorded")

    def frame_edge(self) -> None:
        """Less than a frame is left: loop, pad or end."""
        item = self.current
        if item is None:
            self._idle()
            return
        left = int(self.lane.left[self.row])
        if item.loop and isinstance(item.play, ClipPart) and item.play.n_samples:
            self._aim(item.play, (item.play.n_samples - left) % item.play.n_samples)
        elif left <= 0:
            self.end("played")

    def end(self, reason: str, error: str = "") -> None:
        """End the current item by itself; the next one's first frame is the next to go out."""
        if self.current is None:
            return
        self._end(reason, error)
        self._next()
        if self.current is None:
            self._owner.queue_emptied()

    def compose(self) -> NDArray[np.uint8] | NDArray[np.int16]:
        """The next frame of a clip that loops within it, or that is in another form."""
        item = self.current
        lane = self.lane
        law = lane.codec.law
        frame: NDArray[np.uint8] | NDArray[np.int16]
        if law is not None:
            frame = np.full(lane.frame, law.silence, np.uint8)
        else:
            frame = np.zeros(lane.frame, np.int16)
        if item is None or FORMS[item.form].rate_hz != lane.codec.rate_hz:
            return frame  # the engine is about to send it again in our form
        if item.mixin is not None and lane.runs[self.row]:
            pcm = item.mixin.take(lane.frame)
            if item.mixin.ended:
                lane.left[self.row] = len(pcm)
            frame[: len(pcm)] = law.encode(pcm) if law is not None else pcm
        if not isinstance(item.play, ClipPart):
            return frame
        form = FORMS[item.form]
        part = self._part(item.play, np.dtype(np.uint8 if form.law is not None else np.int16))
        if item.form != lane.codec.form:
            pcm = form.law.decode(part) if form.law is not None else part
            part = law.encode(pcm) if law is not None else pcm
        frame[: len(part)] = part
        return frame

    def _part(self, clip: ClipPart, kind: np.dtype[Any]) -> NDArray[Any]:
        """What follows of a clip, at most a frame; octets or samples, hence Any."""
        size = clip.n_samples * kind.itemsize
        samples = self.lane.arena[clip.offset_bytes : clip.offset_bytes + size].view(kind)
        if self.current is not None and self.current.loop and len(samples):
            return samples[(self.position + np.arange(self.lane.frame)) % len(samples)]
        return samples[self.position : self.position + self.lane.frame]

    def move(self, lane: Lane, row: int) -> None:
        """Go on in another lane, whose row has the old one's columns already."""
        old, position = self.lane, self.position
        if self.current is None or not isinstance(self.current.play, ClipPart):
            position = position * lane.codec.rate_hz // old.codec.rate_hz
        lane.frames[row] = int(lane.frames[row]) * old.ptime_ms // lane.ptime_ms
        self.lane, self.row = lane, row
        if self.current is None:
            self._idle()
        else:
            started = self.current.started
            self._load(self.current, position, keep_frames=True)
            if started:
                lane.starting.discard(row)

    def _find(self, number: int) -> Item | None:
        items = [self.current, *self.waiting] if self.current else self.waiting
        return next((item for item in items if item is not None and item.number == number), None)

    def _end(self, reason: str, error: str) -> None:
        item = self.current
        assert item is not None, "nothing is playing that could end"
        played_ms = self.played_ms
        self.current = None
        self.lane.recording.discard(self.row)
        self.lane.steady.pop(self.row, None)
        self.lane.starting.discard(self.row)
        if item.recorder is not None and item.records:
            item.recorder.in_use = False
        if item.room:
            self._owner.leave_room(item)
        self._owner.item_ended(item, reason, played_ms, error)

    def _next(self) -> None:
        """Load the next item that has anything to play or record."""
        while self.current is None and self.waiting:
            item = self.current = self.waiting.popleft()
            self.lane.frames[self.row] = 0
            recorder = item.recorder
            if recorder is not None and (recorder.in_use or recorder.error):
                busy = "the file is being recorded into by another item"
                self._end("error", recorder.error or busy)
                continue
            if recorder is not None:
                recorder.in_use = item.records = True
                item.recorded_before = recorder.n_samples
            self._load(item, item.start)
            if item.room:
                self._owner.enter_room(item)
            if int(self.lane.left[self.row]) <= 0:
                self._end("played", "")
        if self.current is None:
            self._idle()

    def _load(self, item: Item, position: int, *, keep_frames: bool = False) -> None:
        lane, row = self.lane, self.row
        if not keep_frames:
            lane.frames[row] = 0
        lane.starting.add(row)
        if item.recorder is not None:
            lane.recording.add(row)
        if isinstance(item.play, ClipPart):
            self._aim(item.play, position)
            return
        if isinstance(item.play, MixInPart):
            if item.mixin is None:
                item.mixin = MixIn(item.play, item.form, lane.arena)
                item.mixin.seek(position)
            lane.play_silence(row, FOREVER)
            lane.patched.add(row)
            return
        lane.patched.discard(row)
        if isinstance(item.play, SilencePart) and item.play.length_ms >= 0:
            total = item.play.length_ms * lane.codec.rate_hz // 1000
            lane.play_silence(row, total - position)
        else:
            lane.play_silence(row, FOREVER)

    def _aim(self, clip: ClipPart, position: int) -> None:
        """Point the row at a clip's sample."""
        lane, row = self.lane, self.row
        item = self.current
        assert item is not None, "only an item's clip can be aimed at"
        left = clip.n_samples - position
        if item.form != lane.codec.form:
            lane.play_silence(row, left)
            lane.patched.add(row)
            return
        lane.play_arena(row, clip.offset_bytes + position * lane.codec.sample_bytes, left)
        if item.loop and left < lane.frame:
            lane.patched.add(row)
        else:
            lane.patched.discard(row)

    def _idle(self) -> None:
        """Nothing to play: silence at packet rate."""
        self.lane.play_silence(self.row)
        self.lane.patched.discard(self.row)
        self.lane.frames[self.row] = 0
