"""Keys as text, and the frames in which they go down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbench.errors import ConfigError
from ivrbench.phone.keys import GAP_MS, KEY_MS, MAX_REPEATED_MS, KeyQueue, Pause, Press, parse_keys


def presses(text: str, frames: int = 200) -> list[tuple[int, str]]:
    """(time in ms, key) of every key in the first frames."""
    queue = KeyQueue(frame_ms=20)
    queue.add(parse_keys(text))
    found = ((frame * 20, queue.next_frame()) for frame in range(frames))
    return [(at_ms, press.name) for at_ms, press in found if press is not None]


def test_every_key_has_its_event_number() -> None:
    """RFC 4733 §3.2: 0 to 9, * 10, # 11, A to D 12 to 15; small letters are the same keys."""
    steps = parse_keys("0123456789*#ABCD")
    assert [step.key for step in steps if isinstance(step, Press)] == list(range(16))
    assert parse_keys("abcd") == parse_keys("ABCD")


def test_comma_is_a_pause_of_half_a_second_and_blanks_are_nothing() -> None:
    """`12 #,` reads as 1, 2, #, pause."""
    assert parse_keys("1 2#,") == (Press(1), Press(2), Press(11), Pause(500))


def test_unknown_key_is_named_with_its_place() -> None:
    """A wrong character is refused with a sentence, not skipped."""
    with pytest.raises(ConfigError, match=r"no key 'x' \(character 3 of '12x'\)"):
        parse_keys("12x")


def test_keys_follow_each_other_with_a_gap() -> None:
    """A key is held 100 ms and 60 ms of audio follow, so that two keys are two keys."""
    assert presses("12#") == [(0, "1"), (160, "2"), (320, "#")]


def test_pauses_add_to_the_gap() -> None:
    """Each comma holds the next key back by 500 ms."""
    assert presses(",1,,2") == [(500, "1"), (500 + 160 + 1000, "2")]


def test_keys_added_later_wait_for_those_before() -> None:
    """Lines typed quickly never overlap."""
    queue = KeyQueue(frame_ms=20)
    queue.add(parse_keys("1"))
    assert queue.next_frame() == Press(1)
    queue.add(parse_keys("2"))
    waited = 1
    while queue.next_frame() is None:
        waited += 1
    assert waited * 20 == KEY_MS + GAP_MS


@given(st.text("0123456789*#ABCDabcd, ", max_size=30))
def test_no_key_is_lost(text: str) -> None:
    """Whatever the string, every key in it goes down once and in order."""
    wanted = [c.upper() for c in text if c not in ", "]
    assert [name for _, name in presses(text, frames=1000)] == wanted


def test_lengths_stand_in_brackets() -> None:
    """Behind a key or a pause, in milliseconds; others are refused with a sentence."""
    assert parse_keys("5(400),(50)#") == (Press(5, 400), Pause(50), Press(11))
    assert presses("1(300)2") == [(0, "1"), (360, "2")]
    for text in ("5(10)", "5(99999)", ",(0)"):
        with pytest.raises(ConfigError, match="lasts 20 to 10000 ms"):
            parse_keys(text)
    for text in ("5(", "(5)", "5(x)", "5()"):
        with pytest.raises(ConfigError, match=r"no key '\('"):
            parse_keys(text)


def test_repeated_key_is_held() -> None:
    """While it repeats in time, and 100 ms more; another key, or a late one, changes nothing."""
    queue = KeyQueue(frame_ms=20)
    queue.add(parse_keys("5"))
    assert queue.next_frame() == Press(5)
    assert queue.hold_on("5") is None, "it is held for 100 ms anyway"
    queue.next_frame()
    queue.next_frame()
    assert queue.hold_on("6") is None
    assert queue.hold_on("5") == (Press(5, 100), Press(5, 140))
    for _ in range(7):
        queue.next_frame()
    assert queue.hold_on("5") is None, "it is up"


def test_repeated_key_ends_after_two_seconds() -> None:
    """A book on the keyboard does not hold a key for ever."""
    queue = KeyQueue(frame_ms=20)
    queue.add(parse_keys("5"))
    longest = 0
    for _ in range(200):
        queue.next_frame()
        held = queue.hold_on("5")
        longest = max(longest, held[1].duration_ms if held else 0)
    assert longest == MAX_REPEATED_MS
    assert queue.idle
