"""The sound card as mouth and ear, on a card that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.errors import DeviceError
from ivrbench.phone import sound as sound_module
from ivrbench.phone.sound import AHEAD_FRAMES, RING_FRAMES, Sound

if TYPE_CHECKING:
    from collections.abc import Callable


class Card:
    """Stands in for the sound card: the test plays its thread.

    Args:
        rate_hz: the only sample rate it does.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.closed = False

    def open_duplex(
        self, exchange: Callable[[bytes], bytes], *, rate_hz: int, frame_samples: int
    ) -> Card:
        if rate_hz != self.rate_hz:
            raise DeviceError("invalid sample rate")
        assert frame_samples == rate_hz // 50
        self.exchange = exchange
        return self

    def close(self) -> None:
        self.closed = True
        raise DeviceError("unplugged")

    def turn(self, value: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        """One block: the microphone hears `value`; what the loudspeaker plays."""
        heard = np.full(self.rate_hz // 50, value, np.int16)
        return np.frombuffer(self.exchange(heard.tobytes()), np.int16)


def plugged_in(monkeypatch: pytest.MonkeyPatch, rate_hz: int) -> Card:
    card = Card(rate_hz)
    monkeypatch.setattr(sound_module, "open_duplex", card.open_duplex)
    return card


def test_card_of_telephone_rate_is_passed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the microphone heard is said; what was heard is played, after 40 ms of silence."""
    card = plugged_in(monkeypatch, 8000)
    sound = Sound()
    sound.hear(np.full(160, 7, np.int16))
    played = [card.turn(1000 + number) for number in range(AHEAD_FRAMES + 1)]
    assert [int(block[0]) for block in played] == [0, 0, 7]
    assert [int(sound.next_frame(160)[0]) for _ in range(3)] == [1000, 1001, 1002]
    sound.close()
    assert card.closed


def test_card_of_its_own_rate_is_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that only does 48 kHz works: the level is the same on both sides."""
    card = plugged_in(monkeypatch, 48_000)
    sound = Sound()
    said = []
    played = []
    for _ in range(20):
        sound.hear(np.full(160, 3000, np.int16))
        played.append(card.turn(6000))
        said.append(sound.next_frame(160))
    assert int(said[-1][80]) == pytest.approx(6000, abs=60)
    assert int(played[-1][0]) == pytest.approx(3000, abs=30)


def test_late_card_is_silence_and_a_fast_one_adds_no_delay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty ring says silence; a full one drops its oldest frame, never blocks."""
    card = plugged_in(monkeypatch, 8000)
    sound = Sound()
    assert not sound.next_frame(160).any()
    for number in range(RING_FRAMES + 4):
        card.turn(100 + number)
    assert int(sound.next_frame(160)[0]) == 104
    for _ in range(AHEAD_FRAMES):
        card.turn(0)
    assert len(card.turn(0)) == 0


def test_no_card_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that does neither rate is a DeviceError, which the call survives."""
    plugged_in(monkeypatch, 44_100)
    with pytest.raises(DeviceError, match="sample rate"):
        Sound()
