"""The recording of a whole call: both sides, whatever the playlist does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.media.bank import saturated
from ivrbench.media.transmit import sent_pcm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.media.lane import Lane
    from ivrbench.media.recorder import Recorder

__all__ = ["Tape", "sent_now"]


class Tape:
    """What one call is recorded into.

    Args:
        recorder: not in use by anything else.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._samples = 0
        recorder.in_use = True

    def __repr__(self) -> str:
        return f"Tape({self.recorder!r})"

    @property
    def recorded_ms(self) -> int:
        """How much of the call has been recorded."""
        return self._samples * 1000 // (self.recorder.rate_hz or 1)

    def record(self, lane: Lane, row: int, pcm: NDArray[np.int16]) -> None:
        """Take a frame that was received, and the one that was sent in the same period."""
        sent = sent_now(lane, row)
        if self.recorder.channels == 1 and sent is not None:
            pcm = saturated(pcm.astype(np.int32) + sent)
        self._samples += self.recorder.write(pcm, lane.codec.rate_hz, sent)


def sent_now(lane: Lane, row: int) -> NDArray[np.int16] | None:
    """What a row has sent in this period, None if nothing."""
    return sent_pcm(lane, row) if lane.sends[row] else None
