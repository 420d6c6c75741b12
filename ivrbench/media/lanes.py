"""All lanes of a plane, and which one a call belongs to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ivrbench.errors import MediaError
from ivrbench.media import codecs
from ivrbench.media.lane import TICK_MS, Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ivrbench.media.codecs import LaneCodec
    from ivrbench.media.messages import StreamParams

__all__ = ["LaneTable"]


class LaneTable:
    """The lanes: one for each codec, packet length and tick of a period that is in use.

    Args:
        arena: the prompts' bytes.
    """

    def __init__(self, arena: NDArray[np.uint8]) -> None:
        self._arena = arena
        self._lanes: list[Lane] = []

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def due(self, tick: int) -> list[Lane]:
        """The lanes with calls whose turn is in this tick."""
        return [ln for ln in self._lanes if ln.n and tick % ln.period_ticks == ln.phase]

    def idle_ticks(self, tick: int, at_most: int) -> int:
        """How many ticks, from this one on, pass before the turn of any call comes."""
        ahead = ((ln.phase - tick) % ln.period_ticks for ln in self._lanes if ln.n)
        return min(ahead, default=at_most)

    def best(self, stream: StreamParams) -> Lane:
        """A lane for a new call, in a tick with little to do.

        Raises:
            MediaError: there is no such codec.
        """
        codec, ptime_ms = _wanted(stream)
        ticks = ptime_ms // TICK_MS
        phase = min(range(ticks), key=lambda phase: self._load(phase, ticks))
        return self._lane(codec, ptime_ms, phase)

    def near(self, stream: StreamParams, lane: Lane) -> Lane:
        """A lane for a call that is in `lane` now and whose stream has changed.

        Raises:
            MediaError: there is no such codec.
        """
        codec, ptime_ms = _wanted(stream)
        return self._lane(codec, ptime_ms, lane.phase % (ptime_ms // TICK_MS))

    def _lane(self, codec: LaneCodec, ptime_ms: int, phase: int) -> Lane:
        for lane in self._lanes:
            if (lane.codec, lane.ptime_ms, lane.phase) == (codec, ptime_ms, phase):
                return lane
        lane = Lane(codec, self._arena, ptime_ms, phase)
        for other in self._lanes:
            if other.packet_bytes == lane.packet_bytes:
                lane.digests = other.digests
        self._lanes.append(lane)
        return lane

    def _load(self, phase: int, ticks: int) -> float:
        """What is to do in the ticks of a phase, in calls of G.711."""
        return sum(
            len(lane) * lane.codec.spec.cost_weight
            for lane in self._lanes
            if (lane.phase - phase) % math.gcd(lane.period_ticks, ticks) == 0
        )


def _wanted(stream: StreamParams) -> tuple[LaneCodec, int]:
    codec = codecs.find(stream.codec, stream.clock_rate_hz)
    if codec is None:
        raise MediaError(f"there is no codec {stream.codec}/{stream.clock_rate_hz}")
    return codec, codecs.ptime_for(codec, stream.ptime_ms)
