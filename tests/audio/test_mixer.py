"""Mix-minus and stereo recording, bit for bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.audio.mixer import interleave, mix_rooms


def mixed_one_by_one(rooms: list[list[list[int]]], muted: list[list[bool]]) -> list[list[int]]:
    """What each member hears, worked out in plain Python."""
    heard = []
    for frames, mute in zip(rooms, muted, strict=True):
        for me in range(len(frames)):
            others = [f for n, f in enumerate(frames) if n != me and not mute[n]]
            sums = [sum(column) for column in zip(*others, strict=True)] or [0] * len(frames[0])
            heard.append([min(max(value, -32_768), 32_767) for value in sums])
    return heard


@given(st.data())
def test_members_hear_all_the_others(data: st.DataObject) -> None:
    """Any rooms of any sizes, muted members among them: exact to the sample."""
    sample = st.one_of(st.integers(-32_768, 32_767), st.sampled_from([-32_768, 32_767]))
    frame = st.lists(sample, min_size=4, max_size=4)
    rooms = data.draw(st.lists(st.lists(frame, min_size=1, max_size=5), min_size=1, max_size=4))
    muted = [[data.draw(st.booleans()) for _ in frames] for frames in rooms]
    frames = np.array([frame for members in rooms for frame in members], np.int16)
    starts = np.cumsum([0, *map(len, rooms[:-1])])
    before = frames.copy()
    mix = mix_rooms(frames, starts, np.array([flag for flags in muted for flag in flags]))
    assert mix.heard.tolist() == mixed_one_by_one(rooms, muted)
    assert mix.heard.dtype == mix.rooms.dtype == np.int16
    assert np.array_equal(frames, before)


def test_a_room_as_a_whole() -> None:
    """Everybody, saturated instead of wrapped; nobody hears oneself, alone one hears nothing."""
    frames = np.array([[30_000, 1], [30_000, 2], [30_000, 3], [-5, 7]], np.int16)
    mix = mix_rooms(frames, np.array([0, 3]))
    assert mix.rooms.tolist() == [[32_767, 6], [-5, 7]]
    assert mix.heard.tolist() == [[32_767, 5], [32_767, 4], [32_767, 3], [0, 0]]


def test_saturation_does_not_change_what_remains() -> None:
    """One's own voice is taken out before the sum is limited."""
    frames = np.array([[32_767], [32_767], [-32_768]], np.int16)
    assert mix_rooms(frames, np.array([0])).heard.tolist() == [[-1], [-1], [32_767]]


def test_a_large_room_is_exact() -> None:
    """Two hundred full-scale voices do not overflow on the way."""
    frames = np.full((200, 2), 32_767, np.int16)
    frames[100:] = -32_768
    heard = mix_rooms(frames, np.array([0])).heard
    assert heard[0].tolist() == [-32_768, -32_768]
    assert heard[199].tolist() == [32_668, 32_668]


def test_stereo_has_the_caller_left() -> None:
    """Samples in turn, for one call or many."""
    caller, ivr = np.array([1, 2], np.int16), np.array([8, 9], np.int16)
    assert interleave(caller, ivr).tolist() == [1, 8, 2, 9]
    both = interleave(np.stack([caller, ivr]), np.stack([ivr, caller]))
    assert both.tolist() == [[1, 8, 2, 9], [8, 1, 9, 2]]
