"""A lane's calls in rooms: what they say goes to the mixing bank, what they hear comes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ivrbench.media.bank import Bank, saturated
from ivrbench.media.ring import as_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.audio.rate_change import RateChanger
    from ivrbench.media.lane import Lane

__all__ = ["Member", "Mix", "mix_in", "regroup", "speak"]

NOBODY: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(slots=True, eq=False)
class Member:
    """One who is in a room."""

    room: int
    """Number of the room."""
    bank: Bank
    slot: int
    """Place in the bank."""
    hears: bool = True
    speaks: bool = True
    muted: bool = False
    """Does not speak for now."""


@dataclass(slots=True, eq=False)
class Mix:
    """The rows of a lane whose rooms are mixed in one bank."""

    bank: Bank
    samples: int
    """Of the bank's rate in a packet of the lane."""
    hearers: NDArray[np.int64]
    """Rows that hear their room, and their slots."""
    hearer_slots: NDArray[np.int64]
    speakers: NDArray[np.int64]
    """Rows that are heard in their room, and their slots."""
    speaker_slots: NDArray[np.int64]
    listeners: NDArray[np.int64]
    """Among these rows the speakers have the places `speaker_places`."""
    speaker_places: NDArray[np.int64]
    to_bank: RateChanger | None
    """From the rate of the lane; None: they are the same."""
    from_bank: RateChanger | None


def regroup(lane: Lane) -> None:
    """The members among a lane's calls have changed: find them again, by bank."""
    lane.members_changed = False
    mixes = lane.mixes = []
    for bank in {id(member.bank): member.bank for member in lane.members.values()}.values():
        here = [(row, m) for row, m in sorted(lane.members.items()) if m.bank is bank]
        hear = [(row, member.slot) for row, member in here if member.hears]
        speak = [(row, member.slot) for row, member in here if member.speaks and not member.muted]
        rate_hz = lane.codec.rate_hz
        same = rate_hz == bank.rate_hz
        mixes.append(
            Mix(
                bank,
                bank.rate_hz * lane.ptime_ms // 1000,
                *_columns(hear),
                *_columns(speak),
                NOBODY,
                NOBODY,
                None if same else bank.changer(rate_hz, bank.rate_hz),
                None if same else bank.changer(bank.rate_hz, rate_hz),
            )
        )


def _columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def speak(lane: Lane, pcm: NDArray[np.int16]) -> None:
    """Let the rooms hear this period's frames; `pcm` has a row for each of the listeners."""
    for mix in lane.mixes:
        if mix.speakers.size:
            if mix.listeners is not lane.listeners:
                mix.listeners = lane.listeners
                mix.speaker_places = np.searchsorted(lane.listeners, mix.speakers)
            frames: NDArray[Any] = pcm.take(mix.speaker_places, axis=0)
            if mix.to_bank is not None:
                frames = mix.to_bank.process(mix.speaker_slots, frames)
            mix.bank.say(mix.speaker_slots, lane.tick, frames)


def mix_in(lane: Lane, frames: NDArray[Any]) -> None:
    """Add to the frames to be sent what is heard in the rooms.

    Args:
        lane: whose rows.
        frames: a row for each row of the lane; octets of G.711, else samples.
    """
    law = lane.codec.law
    for mix in lane.mixes:
        rows = mix.hearers
        if not rows.size:
            continue
        heard = mix.bank.heard(mix.hearer_slots, lane.tick, mix.samples)
        if mix.from_bank is not None:
            heard = mix.from_bank.process(mix.hearer_slots, heard)
        plays = lane.step[rows] > 0
        if lane.patched:
            plays |= np.isin(rows, list(lane.patched))
        if plays.any():
            own = frames[rows[plays]]
            heard[plays] += own if law is None else law.decode(own)
        both = saturated(heard)
        if law is None:
            frames[rows] = both
        else:
            lane.tx_frames[rows] = as_items(law.encode(both), lane.frame)[:, 0]
