"""The level test: microphone and loudspeaker without a call, in virtual time on cards of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.clock import ManualClock
from ivrbench.observe.phones import PhoneChanged, PhoneEnded, PhoneMeasured, PhoneProgressed
from ivrbench.phone.level_test import LASTS_S, LevelTest, run_level_test
from ivrbench.phone.options import CallOptions
from ivrbench.phone.sound import Sound

from .test_sound import plugged_in

if TYPE_CHECKING:
    from ivrbench.observe.phones import PhoneEvent

    from .test_sound import Cards


def opened() -> Sound:
    sound = Sound()
    sound.use(microphone="", speaker="")
    assert sound.wait(5.0)
    return sound


def events_of(cards: Cards, sound: Sound, value: int, seconds: float) -> list[PhoneEvent]:
    """The events of a test in which the microphone says one value all the time."""
    test, now, told = LevelTest(sound, 100.0), 100.0, []
    while now < 100.0 + seconds:
        if "microphone" in cards.opened:
            cards.opened["microphone"].says(value)
        told += test.step(now)
        if "loudspeaker" in cards.opened:
            cards.opened["loudspeaker"].plays()
        now = test.deadline()
    assert test.is_over(now) == (seconds >= LASTS_S)
    told.append(PhoneEnded(test.verdict(), 0, True, seconds))
    sound.close()
    return told


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (3000, "level test: the microphone is heard, peak -21 dBFS"),
        (2, "level test: the microphone heard next to nothing, peak -84 dBFS"),
        (32_767, "level test: the microphone is too loud, it clips at peak 0 dBFS"),
    ],
)
def test_what_the_microphone_hears(
    monkeypatch: pytest.MonkeyPatch, value: int, verdict: str
) -> None:
    """Five times a second its level; the cards by name; a sentence in the end."""
    cards = plugged_in(monkeypatch, 8000)
    told = events_of(cards, opened(), value, 3.0)
    measured = [event for event in told if isinstance(event, PhoneMeasured)]
    assert len(measured) == pytest.approx(15, abs=1)
    assert measured[-1].out_peak_dbfs == pytest.approx(measured[-1].out_dbfs, abs=0.5)
    (last,) = {(e.microphone, e.speaker) for e in told if isinstance(e, PhoneChanged)}
    assert last == ("default", "default")
    ended = told[-1]
    assert isinstance(ended, PhoneEnded)
    assert ended.text == verdict


def test_beeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loudspeaker has a soft tone for 0.3 s every two seconds, and silence between."""
    cards = plugged_in(monkeypatch, 8000)
    sound = opened()
    test, now, loud = LevelTest(sound, 0.0), 0.0, []
    for _ in range(200):
        test.step(now)
        played = cards.opened["loudspeaker"].plays()
        loud.append(max((abs(sample) for sample in played), default=0))
        now = test.deadline()
    sound.close()
    n_loud = sum(1 for peak in loud if peak > 500)
    assert n_loud == pytest.approx(30, abs=4)
    assert max(loud) < 12_000


@pytest.mark.parametrize(
    ("missing", "verdict"),
    [
        ({"microphone", "loudspeaker"}, "level test: no sound card"),
        ({"microphone"}, "level test: no microphone"),
        ({"loudspeaker"}, "level test: the microphone is heard, peak -21 dBFS"),
    ],
)
def test_missing_card(monkeypatch: pytest.MonkeyPatch, missing: set[str], verdict: str) -> None:
    """It is said, and the test goes on with what there is."""
    cards = plugged_in(monkeypatch, 8000)
    cards.missing = missing
    told = events_of(cards, opened(), 3000, 1.0)
    assert any(isinstance(event, PhoneProgressed) and event.step == "note" for event in told)
    ended = told[-1]
    assert isinstance(ended, PhoneEnded)
    assert ended.text == verdict


class SteppingClock(ManualClock):
    """Each look at it is a little later."""

    def now(self) -> float:
        self.advance(0.005)
        return super().now()


def test_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`ivrbench call --level-test`: a line for each level, and the verdict."""
    cards = plugged_in(monkeypatch, 8000)
    cards.missing = {"microphone", "loudspeaker"}

    async def no_time(_: float) -> None:
        return None

    monkeypatch.setattr("ivrbench.phone.level_test.asyncio.sleep", no_time)
    assert run_level_test(CallOptions(""), SteppingClock()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "level test: no sound card"
    assert any(line.startswith("microphone ") and "dBFS" in line for line in lines)
