"""A jitter buffer for one stream of a codec with a fixed number of bytes per RTP tick.

Packets go in as they come, whatever their length; frames come out at the pace of whoever plays
them. It is for one stream at a time: the test phone and the media worker's slow path.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ivrbench.rtp.sequence import timestamp_diff

__all__ = ["JitterBuffer"]

MIN_DELAY_FRAMES: Final = 1
MAX_DELAY_FRAMES: Final = 10  # 200 ms at 20 ms a frame
CALM_FRAMES: Final = 500  # 10 s without trouble: try a shorter delay
SURPLUS_FRAMES: Final = 50  # 1 s of more than is needed: skip a frame
MAX_PACKETS: Final = 100  # more are never waiting in a sane stream
JUMP_FRAMES: Final = 100  # a timestamp this far off begins a new stream


class JitterBuffer:
    """Puts packets into order and hands out frames of one length.

    The delay grows when packets come too late to be played and shrinks after 10 s of calm.
    """

    def __init__(self, frame_ts: int = 160, bytes_per_ts: int = 1) -> None:
        """Begin empty.

        Args:
            frame_ts: length of the frames to hand out, RTP ticks.
            bytes_per_ts: payload bytes per RTP tick: 1 for G.711.
        """
        self.frame_ts = frame_ts
        self.bytes_per_ts = bytes_per_ts
        self.delay_frames = MIN_DELAY_FRAMES
        """Frames that should be waiting before one is played."""
        self.late = 0
        """Packets that came too late or twice."""
        self.concealed = 0
        """Frames that were missing when they were due."""
        self.discarded = 0
        """Packets and frames thrown away to catch up."""
        self._pieces: dict[int, bytes] = {}  # by ticks since the stream's first packet
        self._origin: int | None = None  # RTP timestamp of tick 0
        self._play_ts = 0  # tick of the next frame
        self._floor_ts: int | None = None  # end of what was played
        self._missed: deque[int] = deque(maxlen=MAX_DELAY_FRAMES)  # ticks of concealed frames
        self._playing = False
        self._calm_frames = 0
        self._surplus_frames = 0

    def __repr__(self) -> str:
        return (
            f"<JitterBuffer delay={self.delay_frames} waiting={self.waiting_frames:.1f} "
            f"late={self.late} concealed={self.concealed}>"
        )

    @property
    def waiting_frames(self) -> float:
        """Length of what is waiting to be played, gaps included, in frames."""
        if not self._pieces:
            return 0.0
        newest = max(self._pieces)
        end_ts = newest + len(self._pieces[newest]) // self.bytes_per_ts
        return max(end_ts - self._play_ts, 0) / self.frame_ts

    def put(self, timestamp: int, payload: bytes) -> None:
        """Take one packet.

        Args:
            timestamp: its RTP timestamp.
            payload: its payload.
        """
        if len(payload) < self.bytes_per_ts:
            return
        if self._origin is None:
            self._origin = timestamp
        tick = self._tick(timestamp)
        if abs(tick - self._play_ts) > JUMP_FRAMES * self.frame_ts:
            self.reset()
            self._origin, tick = timestamp, 0
        if not self._playing and (not self._pieces or tick < self._play_ts):
            # Nothing is due yet, so play from here on; but never again what was played.
            self._play_ts = tick if self._floor_ts is None else max(tick, self._floor_ts)
        end_ts = tick + len(payload) // self.bytes_per_ts
        if tick in self._pieces or end_ts <= self._play_ts:
            self.late += 1
            self._make_up_for(tick, end_ts)
            return
        if tick < self._play_ts:
            payload = payload[(self._play_ts - tick) * self.bytes_per_ts :]
            tick = self._play_ts
        self._pieces[tick] = payload
        if len(self._pieces) > MAX_PACKETS:
            self._skip_to(min(sorted(self._pieces)[-self.delay_frames :]))

    def get(self) -> bytes | None:
        """Return the frame that is due; to be called once per frame time.

        Returns:
            The frame; None if it is not there, so that something has to stand in for it:
            silence before the first packet and while nothing comes, concealment in a gap.
        """
        if not self._playing:
            if self.waiting_frames < self.delay_frames:
                return None
            self._playing = True
        self._adapt()
        due_ts = self._play_ts
        frame = self._take()
        if frame is None:
            self.concealed += 1
            self._missed.append(due_ts)
            if not self._pieces:
                # Nothing is left: wait for the delay to fill up again.
                self._playing = False
        return frame

    def reset(self) -> None:
        """Forget everything that is waiting: a new stream begins."""
        self.discarded += len(self._pieces)
        self._pieces.clear()
        self._origin = None
        self._play_ts = 0
        self._floor_ts = None
        self._missed.clear()
        self._playing = False

    def _tick(self, timestamp: int) -> int:
        # Relative to the frame that is due, so that streams of any length never wrap.
        assert self._origin is not None, "the first packet sets the origin"
        due = (self._origin + self._play_ts) & 0xFFFFFFFF
        return self._play_ts + timestamp_diff(timestamp, due)

    def _take(self) -> bytes | None:
        end_ts = self._play_ts + self.frame_ts
        frame = bytearray()
        while self._play_ts < end_ts:
            piece = self._pieces.pop(self._play_ts, None)
            if piece is None:
                break
            wanted = (end_ts - self._play_ts) * self.bytes_per_ts
            frame += piece[:wanted]
            self._play_ts += len(piece[:wanted]) // self.bytes_per_ts
            self._floor_ts = self._play_ts
            if len(piece) > wanted:
                self._pieces[end_ts] = piece[wanted:]
        if self._play_ts < end_ts:
            # A frame with a hole is as bad as none; what overlaps its end is still good.
            self._skip_to(end_ts)
            return None
        return bytes(frame)

    def _adapt(self) -> None:
        self._calm_frames += 1
        if self._calm_frames >= CALM_FRAMES:
            self._calm_frames = 0
            self.delay_frames = max(self.delay_frames - 1, MIN_DELAY_FRAMES)
        surplus = self.waiting_frames - self.delay_frames
        self._surplus_frames = self._surplus_frames + 1 if surplus >= 2 else 0
        if self._surplus_frames >= SURPLUS_FRAMES:
            self._surplus_frames = 0
            self._skip_to(self._play_ts + self.frame_ts)
            self.discarded += 1

    def _make_up_for(self, tick: int, end_ts: int) -> None:
        """Lengthen the delay if a packet that came too late had been missed."""
        for missed_ts in self._missed:
            if tick < missed_ts + self.frame_ts and missed_ts < end_ts:
                break
        else:
            return  # a copy of what was played or waits
        self._missed.remove(missed_ts)
        self._calm_frames = 0
        if self.delay_frames < MAX_DELAY_FRAMES:
            self.delay_frames += 1
            self._playing = False  # pause one fill of the buffer: the delay is longer from now on

    def _skip_to(self, play_ts: int) -> None:
        self._play_ts = play_ts
        for tick in sorted(self._pieces):
            if tick >= play_ts:
                break
            piece = self._pieces.pop(tick)
            rest = piece[(play_ts - tick) * self.bytes_per_ts :]
            if rest:
                self._pieces.setdefault(play_ts, rest)
