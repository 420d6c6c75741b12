"""Keys heard in the audio: the tones of a lane's calls, all in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ivrbench.audio.dtmf_detect import DtmfDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.rtp.dtmf import KeyPressed, KeyReleased

__all__ = ["Hearing"]

ROWS = 256
"""Rows of one detector: lanes grow, detectors do not."""


class Hearing:
    """The detectors of a lane, made as its rows need them.

    Args:
        rate_hz: of the lane's samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._detectors: dict[int, DtmfDetector] = {}

    def __repr__(self) -> str:
        return f"Hearing({self._rate_hz} Hz, {len(self._detectors)} detectors)"

    def reset(self, row: int) -> None:
        """Another call has the row, or its audio has a gap."""
        detector = self._detectors.get(row // ROWS)
        if detector is not None:
            detector.reset(row % ROWS)

    def listen(
        self, rows: NDArray[np.int64], pcm: NDArray[np.int16]
    ) -> list[tuple[int, KeyPressed | KeyReleased]]:
        """Take a frame of some rows.

        Args:
            rows: which, ascending.
            pcm: a frame for each.

        Returns:
            Row and event of each key that went down or up.
        """
        events: list[tuple[int, KeyPressed | KeyReleased]] = []
        for chunk in np.unique(rows // ROWS).tolist():
            here = rows // ROWS == chunk
            detector = self._detectors.get(chunk)
            if detector is None:
                detector = self._detectors[chunk] = DtmfDetector(ROWS, self._rate_hz)
            heard = detector.process(rows[here] % ROWS, pcm[here])
            events += [(chunk * ROWS + slot, event) for slot, event in heard]
        return events
