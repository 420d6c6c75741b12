"""HeardFacts: what there is to tell of what the phone hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrbench.rtp.dtmf import key_name

from .facts import Heard, Noted, RtpStarted, SoundStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .facts import Fact
    from .rtp_stream import RtpStream

__all__ = ["HeardFacts"]


class HeardFacts:
    """Tells first packet and first sound once, keys and edges of sound each time.

    Args:
        stream: the audio.
        since_answer: seconds from the answer to a moment.
    """

    def __init__(self, stream: RtpStream, since_answer: Callable[[float], float]) -> None:
        self._stream = stream
        self._since_answer = since_answer
        self._told_rtp = self._told_sound = False

    def take(self) -> Iterator[Fact]:
        """What came since the last look."""
        stream = self._stream
        if not self._told_rtp and stream.first_packet_s is not None:
            self._told_rtp = True
            yield RtpStarted(self._since_answer(stream.first_packet_s))
        while (heard := stream.next_key_heard()) is not None:
            key, duration_ms = heard
            yield Noted(f"heard key {key_name(key)} for {duration_ms} ms")
        while (edge := stream.next_edge()) is not None:
            yield Heard(*edge)
        if not self._told_sound and stream.first_sound_s is not None:
            self._told_sound = True
            yield SoundStarted(self._since_answer(stream.first_sound_s))
