"""Keys heard in the audio (ITU-T Q.23 tones, within limits like those of ITU-T Q.24).

Every 5 ms a window of 20 ms is looked at, for all calls in one matrix product. A window holds a
key if one low and one high tone stand out, are about as strong as each other and are nearly all
there is. Only calls where that is so are followed further, one by one: a press is a key whose
tones last 30 ms or more at the right frequency, measured by their phase; its edges are where the
tones pass half their strength, so its length is exact to a few milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ivrbench.audio.frame import SAMPLE_RATE_HZ
from ivrbench.audio.levels import FULL_SCALE
from ivrbench.audio.tones import DTMF_HIGH_HZ, DTMF_LOW_HZ, dtmf_frequencies_hz
from ivrbench.rtp.dtmf import KeyPressed, KeyReleased

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DtmfDetector"]

HOP_MS: Final = 5
HOPS_PER_WINDOW: Final = 4
CENTRE_MS: Final = HOP_MS * HOPS_PER_WINDOW / 2  # a window stands for the time of its middle

MIN_TONE_DBFS: Final = -42.0  # of each tone; about -36 dBm0 (Q.24 asks for -25 and up)
MAX_HIGH_OVER_LOW_DB: Final = 5.0  # Q.24: high group up to 4 dB stronger,
MAX_LOW_OVER_HIGH_DB: Final = 10.0  # or 8 dB weaker, 9.4 as a window sees a key 1.5 % too high
MIN_LEAD_DB: Final = 6.0  # over the other tones of the group
MIN_SHARE: Final = 0.65  # of all power in the window
MAX_OFFSET: Final = 0.025  # Q.24: 1.5 % off is a key, 3.5 % off is none
MIN_COHERENCE: Final = 0.99  # 1 for a steady tone; voices glide
MIN_ON_MS: Final = 30.0  # Q.24: 40 ms is a key; about 20 ms is none
MIN_OFF_MS: Final = 25.0  # Q.24: 40 ms parts two keys; a shorter gap is a flaw of the line
MAX_MISSES: Final = 1  # windows without the key before a press that is not sure yet is dropped
MAX_DOUBT_MS: Final = 80.0  # after this a press that is not sure is looked at anew
LEVEL_GAIN: Final = 0.1  # how fast the level of a long press is followed

_TONES_HZ: Final = DTMF_LOW_HZ + DTMF_HIGH_HZ
_NO_KEY: Final = -1
_KEY_BY_TONES: Final = {dtmf_frequencies_hz(key): key for key in range(16)}
_KEYS: Final = tuple(_KEY_BY_TONES[low, high] for low in DTMF_LOW_HZ for high in DTMF_HIGH_HZ)
"""Key number by 4 · low tone + high tone."""


def _power(level_db: float) -> np.float32:
    return np.float32(10 ** (level_db / 10))


@dataclass(slots=True)
class _Press:
    """A key that is down, or may be."""

    code: int
    """4 · low tone + high tone."""
    envelope: list[tuple[float, float]]
    """Time in ms and strength of each window until the press is sure, one before it first."""
    turns: list[NDArray[np.complex64]] = field(default_factory=list)
    """How both tones turned against their nominal frequencies from window to window."""
    level: float = 0.0
    misses: int = 0
    sure: bool = False
    onset_ms: float = 0.0
    below_ms: float | None = None
    """When the tones fell below half, if they have."""


@dataclass(slots=True)
class _Windows:
    """What the windows of a block hold: rows, then windows, then tones where there is a third."""

    spectrum: NDArray[np.complex64]
    """Amplitude and phase of each tone."""
    power: NDArray[np.float32]
    """The square of the amplitude: the tone's mean power."""
    codes: NDArray[np.intp]
    """Which key it may be, `_NO_KEY` if none."""


class DtmfDetector:
    """Hears the keys of many calls. A call has a slot; `process` its audio without gaps."""

    def __init__(self, slots: int, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Make room for calls.

        Args:
            slots: how many.
            rate_hz: their sample rate; 8000 or 16000, or another that gives whole 5 ms.
        """
        self._hop = rate_hz * HOP_MS // 1000
        window = self._hop * HOPS_PER_WINDOW
        shape = np.hanning(window + 1)[:-1]
        times_s = np.arange(window) / rate_hz
        waves = np.exp(-2j * np.pi * np.outer(times_s, _TONES_HZ)) * shape[:, None]
        waves *= np.sqrt(2) / shape.sum()
        self._basis = np.hstack([waves.real, waves.imag]).astype(np.float32)
        self._energy = (shape**2 / (shape**2).sum()).astype(np.float32)
        turn = np.exp(-2j * np.pi * np.array(_TONES_HZ) * HOP_MS / 1000)
        self._unturn = turn.astype(np.complex64)
        # Kept, because fresh memory for it at each step costs more than all the arithmetic.
        self._scratch = np.empty((0, window), np.float32)
        self._tail = np.zeros((slots, window - self._hop), np.int16)
        self._spectrum = np.zeros((slots, len(_TONES_HZ)), np.complex64)  # of the last window
        self._now_ms = np.zeros(slots, np.int64)
        self._presses: dict[int, _Press] = {}

    def __repr__(self) -> str:
        return f"<DtmfDetector {len(self._now_ms)} slots, {len(self._presses)} followed>"

    def reset(self, slot: int) -> None:
        """Forget what a slot heard: another call has it, or its audio has a gap."""
        self._tail[slot] = 0
        self._spectrum[slot] = 0
        self._now_ms[slot] = 0
        self._presses.pop(slot, None)

    def process(
        self, slots: NDArray[np.intp], blocks: NDArray[np.int16]
    ) -> list[tuple[int, KeyPressed | KeyReleased]]:
        """Take the next audio of some calls.

        Args:
            slots: whose it is, none twice.
            blocks: a row for each; as long as there are whole steps of 5 ms in it.

        Returns:
            Slot and event of each key that went down or up, in order within a slot. A key is
            reported about 40 ms after it went down, and 35 ms after it went up.
        """
        joined = np.concatenate([self._tail[slots], blocks], axis=1)
        self._tail[slots] = joined[:, joined.shape[1] - self._tail.shape[1] :]
        windows = self._look(joined)
        events: list[tuple[int, KeyPressed | KeyReleased]] = []
        hopeful = (windows.codes != _NO_KEY).any(axis=1)
        if self._presses:
            hopeful |= np.isin(slots, list(self._presses))
        for row in np.flatnonzero(hopeful).tolist():
            slot = int(slots[row])
            events += [(slot, event) for event in self._follow(slot, windows, row)]
        self._spectrum[slots] = windows.spectrum[:, -1]
        self._now_ms[slots] += windows.codes.shape[1] * HOP_MS
        return events

    def _look(self, joined: NDArray[np.int16]) -> _Windows:
        samples = joined.astype(np.float32)
        samples *= np.float32(1 / FULL_SCALE)
        size = len(self._basis)
        view = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[:, :: self._hop]
        rows, hops = view.shape[:2]
        if len(self._scratch) < rows * hops:
            self._scratch = np.empty((rows * hops, size), np.float32)
        flat = self._scratch[: rows * hops]
        flat.reshape(view.shape)[:] = view
        parts = flat @ self._basis
        tones = len(_TONES_HZ)
        power = parts[:, :tones] ** 2 + parts[:, tones:] ** 2
        total = np.square(flat, out=flat) @ self._energy
        spectrum = np.empty((rows * hops, tones), np.complex64)
        spectrum.real, spectrum.imag = parts[:, :tones], parts[:, tones:]
        return _Windows(
            spectrum.reshape(rows, hops, tones),
            power.reshape(rows, hops, tones),
            _codes(power, total).reshape(rows, hops),
        )

    def _follow(self, slot: int, windows: _Windows, row: int) -> list[KeyPressed | KeyReleased]:
        """Go through the windows of one call."""
        events: list[KeyPressed | KeyReleased] = []
        before = self._spectrum[slot]
        powers = [np.abs(before) ** 2, *windows.power[row].tolist()]
        codes: list[int] = windows.codes[row].tolist()
        press = self._presses.pop(slot, None)
        for hop, code in enumerate(codes):
            now_ms = float(self._now_ms[slot]) + (hop + 1) * HOP_MS - CENTRE_MS
            if press is not None and press.sure:
                was, now = (_strength(powers[n], press.code) for n in (hop, hop + 1))
                release = _watch(press, now_ms, was, now, code)
                if release is not None:
                    events.append(release)
                    press = None
            elif press is not None:
                last = windows.spectrum[row, hop - 1] if hop else before
                turns = windows.spectrum[row, hop] * last.conj() * self._unturn
                if not _grow(press, now_ms, _strength(powers[hop + 1], press.code), turns, code):
                    press = None
                elif press.sure:
                    events.append(KeyPressed(_KEYS[press.code]))
            if press is None and code != _NO_KEY:
                press = _begin(code, now_ms, powers[hop], powers[hop + 1])
        if press is not None:
            self._presses[slot] = press
        return events


def _codes(power: NDArray[np.float32], total: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return which key each window may hold."""
    low, high = power[:, :4], power[:, 4:]
    at = np.arange(len(power))
    best_low, best_high = low.argmax(axis=1), high.argmax(axis=1)
    low_power, high_power = low[at, best_low], high[at, best_high]
    # Cheap tests first: most windows of most calls end here.
    found = np.flatnonzero(
        (np.minimum(low_power, high_power) > _power(MIN_TONE_DBFS))
        & (low_power + high_power > MIN_SHARE * total)
        & (high_power < low_power * _power(MAX_HIGH_OVER_LOW_DB))
        & (low_power < high_power * _power(MAX_LOW_OVER_HIGH_DB))
    )
    others = _power(-MIN_LEAD_DB)
    lead = (np.sort(low[found], axis=1)[:, 2] < low_power[found] * others) & (
        np.sort(high[found], axis=1)[:, 2] < high_power[found] * others
    )
    found = found[lead]
    codes = np.full(len(power), _NO_KEY, np.intp)
    codes[found] = best_low[found] * 4 + best_high[found]
    return codes


def _tones(code: int) -> tuple[int, int]:
    return code // 4, 4 + code % 4


def _strength(power: Sequence[float], code: int) -> float:
    low, high = _tones(code)
    return math.sqrt(power[low] + power[high])


def _begin(code: int, now_ms: float, before: Sequence[float], now: Sequence[float]) -> _Press:
    strength = _strength(now, code)
    envelope = [(now_ms - HOP_MS, _strength(before, code)), (now_ms, strength)]
    return _Press(code, envelope, level=strength, onset_ms=now_ms)


def _grow(
    press: _Press, now_ms: float, strength: float, turns: NDArray[np.complex64], code: int
) -> bool:
    """Take one more window into a press that is not sure yet; returns whether it may still be."""
    press.envelope.append((now_ms, strength))
    if code != press.code:
        press.misses += 1
        return press.misses <= MAX_MISSES and code == _NO_KEY
    press.misses = 0
    press.level = max(press.level, strength)
    press.turns.append(turns[list(_tones(code))])
    press.onset_ms = _crossing_ms(press)
    lasted = now_ms - press.onset_ms >= MIN_ON_MS and strength >= press.level / 2
    press.sure = lasted and _is_steady(press)
    return press.sure or now_ms - press.onset_ms < MAX_DOUBT_MS


def _crossing_ms(press: _Press) -> float:
    """Return when the tones first passed half of their level."""
    half = press.level / 2
    (before_ms, before), *rest = press.envelope
    for now_ms, now in rest:
        if now >= half:
            return _interpolate_ms(before_ms, before, now, half) if before < half else before_ms
        before_ms, before = now_ms, now
    return before_ms


def _interpolate_ms(before_ms: float, before: float, now: float, half: float) -> float:
    return before_ms + HOP_MS * (half - before) / (now - before)


def _is_steady(press: _Press) -> bool:
    """Say whether both tones are steady and near enough to where they should be."""
    turns = np.array(press.turns)
    total = turns.sum(axis=0)
    offset_hz = np.angle(total) / (2 * np.pi * HOP_MS / 1000)
    nominal_hz = np.array(_TONES_HZ)[list(_tones(press.code))]
    coherent = np.abs(total) >= MIN_COHERENCE * np.abs(turns).sum(axis=0)
    return bool((coherent & (np.abs(offset_hz) <= MAX_OFFSET * nominal_hz)).all())


def _watch(
    press: _Press, now_ms: float, before: float, strength: float, code: int
) -> KeyReleased | None:
    """Wait for the end of a press that is sure."""
    half = press.level / 2
    if strength >= half:
        press.below_ms = None
        press.level += LEVEL_GAIN * (strength - press.level)
        return None
    if press.below_ms is None:
        falling = before > half
        press.below_ms = (
            _interpolate_ms(now_ms - HOP_MS, before, strength, half) if falling else now_ms - HOP_MS
        )
    another = code not in (_NO_KEY, press.code)
    if now_ms - press.below_ms < MIN_OFF_MS and not another:
        return None
    return KeyReleased(_KEYS[press.code], round(press.below_ms - press.onset_ms))
