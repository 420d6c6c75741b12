"""CalleeAudio: the second party's audio at the worker; no playlist, but keys and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.observe.events import LegWarned

from ..media.audio_owner import ended_event
from ..media.call import MediaCall

if TYPE_CHECKING:
    from ivrbench.media.messages import StreamCounts

    from .callee import Callee

__all__ = ["CalleeAudio"]


class CalleeAudio:
    """What `MediaCall` tells of the callee; see `AudioOwner`.

    Args:
        callee: the second party.
    """

    def __init__(self, callee: Callee) -> None:
        self._callee = callee
        self.board = callee.session.board
        self.leg = callee.leg
        self.media: MediaCall | None = None
        self.keys = callee.keys
        self.playlist = None
        self._warning = ""

    @property
    def over(self) -> bool:
        """The party is gone."""
        return self._callee.is_over

    def changed(self) -> None:
        """Offer and answer are complete, for the first time or again."""
        leg = self.leg
        agreement, agreed = leg.agreement, leg.agreed_event()
        if agreement is None or agreed is None:
            return
        self.board.publish(agreed)
        if self.media is not None:
            self.media.update(agreement)
        elif leg.seat is not None:
            seat, leg.seat = leg.seat, None
            if seat.worker.gone:
                seat.release()
                self._callee.fail("the media worker ended")
            else:
                self.media = MediaCall(self, seat, agreement)

    def warn(self, text: str) -> None:
        """Show a sentence at the leg; "" takes it back."""
        if text != self._warning:
            self._warning = text
            self.board.publish(LegWarned(self.leg.name, text))

    def take_back(self, text: str) -> None:
        """Withdraw a sentence if it is the one shown."""
        if self._warning == text:
            self.warn("")

    def rtp_started(self) -> None:
        """The first packet came: nothing to do."""

    def rtp_timed_out(self) -> None:
        """Nothing came for `dead_rtp_time`: the party is lost."""
        self._callee.fail(f"no RTP came for {self.board.settings.dead_rtp_time} s")

    def media_suspended(self) -> None:
        """The worker died; another one will have the call."""
        self.keys.flush()

    def media_resumed(self, media: MediaCall) -> None:
        """Another worker has the call."""

    def media_lost(self, reason: str) -> None:
        """No worker has it, or will have."""
        self.media = None
        self._callee.fail(reason)

    def media_closed(self, counts: StreamCounts) -> None:
        """The worker is done with it."""
        self.board.publish(ended_event(self.leg.name, counts))
        self.board.write_callee_record(self._callee, counts)

    def close(self) -> bool:
        """The party is gone; False if there was no audio, and `media_closed` does not come."""
        media, self.media = self.media, None
        if media is not None:
            media.close()
        return media is not None
