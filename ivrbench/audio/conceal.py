"""Packet loss concealment in the manner of ITU-T G.711 Appendix I.

The last pitch cycle is repeated and fades out within 60 ms; what comes after the gap is
cross-faded with it, so that neither edge clicks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Concealer"]

MIN_PITCH_MS: Final = 5.0  # 200 Hz
MAX_PITCH_MS: Final = 15.0  # 66 Hz
MATCH_MS: Final = 20.0  # what is compared to find the pitch
HISTORY_MS: Final = MATCH_MS + MAX_PITCH_MS
FULL_MS: Final = 10.0  # this long at full strength, then fading
SILENT_MS: Final = 60.0
OVERLAP_MS: Final = 4.0
SEARCH_RATE_HZ: Final = 8000  # finding the pitch needs no more than telephone bandwidth


class Concealer:
    """Hides the gaps of one stream: `receive` each frame that came, `conceal` each that did not."""

    def __init__(self, rate_hz: int) -> None:
        """Begin with silence.

        Args:
            rate_hz: sample rate of the stream.
        """
        self._rate_hz = rate_hz
        self._history = np.zeros(self._samples(HISTORY_MS), np.int16)
        self._cycle = self._history[:0]  # what is repeated; empty while no gap is open
        self._position = 0  # samples concealed in this gap

    def _samples(self, duration_ms: float) -> int:
        return round(duration_ms * self._rate_hz / 1000)

    def receive(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return a frame that came, blended with the concealment before it if there was one."""
        if len(self._cycle):
            overlap = min(self._samples(OVERLAP_MS), len(pcm))
            ramp = np.linspace(0, 1, overlap, dtype=np.float32)
            blended = pcm[:overlap] * ramp + self._repeat(overlap) * (1 - ramp)
            pcm = np.concatenate([np.rint(blended).astype(np.int16), pcm[overlap:]])
            self._cycle = self._history[:0]
            self._position = 0
        self._remember(pcm)
        return pcm

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """Return what stands for so many samples that did not come."""
        if not len(self._cycle):
            self._cycle = self._last_cycle()
        said = np.rint(self._repeat(samples)).astype(np.int16)
        self._position += samples
        self._remember(said)
        return said

    def _remember(self, pcm: NDArray[np.int16]) -> None:
        size = len(self._history)
        self._history = np.concatenate([self._history, pcm])[-size:]

    def _repeat(self, samples: int) -> NDArray[np.float32]:
        at = self._position + np.arange(samples)
        full, silent = self._samples(FULL_MS), self._samples(SILENT_MS)
        gain = np.clip((silent - at) / (silent - full), 0, 1).astype(np.float32)
        return self._cycle[at % len(self._cycle)] * gain

    def _last_cycle(self) -> NDArray[np.int16]:
        """Return the stretch before the gap that is most like the one before it."""
        step = max(self._rate_hz // SEARCH_RATE_HZ, 1)
        heard = self._history[::-step][::-1].astype(np.float32)
        rate_hz = self._rate_hz / step
        match = heard[-round(MATCH_MS * rate_hz / 1000) :]
        lags = np.arange(
            round(MIN_PITCH_MS * rate_hz / 1000), round(MAX_PITCH_MS * rate_hz / 1000) + 1
        )
        earlier = np.lib.stride_tricks.sliding_window_view(heard, len(match))[
            len(heard) - len(match) - lags
        ]
        energy = np.einsum("ij,ij->i", earlier, earlier)
        likeness = earlier @ match / np.sqrt(energy + 1)
        cycle = self._history[-int(lags[np.argmax(likeness)]) * step :].copy()
        # The end of the cycle is blended with what came before its start: no click at the seam.
        overlap = min(len(cycle) // 4, self._samples(OVERLAP_MS))
        before = self._history[len(self._history) - len(cycle) - overlap :][:overlap]
        ramp = np.linspace(0, 1, overlap, dtype=np.float32)
        cycle[-overlap:] = np.rint(cycle[-overlap:] * (1 - ramp) + before * ramp)
        return cycle
