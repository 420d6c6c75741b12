"""AudioOwner: who is told what becomes of a leg's audio: a session, or its second party."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ivrbench.observe.events import MediaEnded

if TYPE_CHECKING:
    from ivrbench.media.messages import StreamCounts

    from ..leg import Leg
    from ..switchboard import Switchboard
    from .call import MediaCall
    from .key_input import KeyInput
    from .playlist import Playlist

__all__ = ["AudioOwner", "ended_event"]


class AudioOwner(Protocol):
    """Whose audio a `MediaCall` is; called on the loop."""

    @property
    def board(self) -> Switchboard:
        """The engine."""

    @property
    def leg(self) -> Leg:
        """The leg it belongs to."""

    @property
    def over(self) -> bool:
        """Nobody wants to hear of it any more."""

    @property
    def playlist(self) -> Playlist | None:
        """What it plays; None: nothing."""

    @property
    def keys(self) -> KeyInput:
        """Where its keys go."""

    def warn(self, text: str) -> None:
        """Show a sentence at the leg; "" takes it back."""

    def take_back(self, text: str) -> None:
        """Withdraw a sentence if it is the one shown."""

    def rtp_started(self) -> None:
        """The first packet came."""

    def rtp_timed_out(self) -> None:
        """Nothing came for `dead_rtp_time`."""

    def media_suspended(self) -> None:
        """The worker died; another one will have the call."""

    def media_resumed(self, media: MediaCall) -> None:
        """Another worker has the call."""

    def media_lost(self, reason: str) -> None:
        """No worker has it, or will have."""

    def media_closed(self, counts: StreamCounts) -> None:
        """The worker is done with it."""


def ended_event(leg: str, counts: StreamCounts) -> MediaEnded:
    """The last that is heard of a leg's audio."""
    return MediaEnded(
        leg=leg,
        received=counts.received,
        sent=counts.sent,
        lost=counts.lost,
        late=counts.late,
        foreign=counts.foreign,
        jitter_ms=counts.jitter_ms,
        rtt_ms=counts.rtt_ms,
        mos=counts.mos,
    )
