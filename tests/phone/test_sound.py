"""The sound card as mouth and ear, on cards that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ivrbench.errors import DeviceError
from ivrbench.phone import sound as sound_module
from ivrbench.phone.ring import AHEAD_FRAMES, MAX_FRAMES, SPARE_AFTER, Resampler, Ring
from ivrbench.phone.sound import RETRY_S, STALLED_S, Sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from ivrbench.phone.voice import Frame


class Stream:
    """An open side of a card: the test plays its thread.

    Args:
        turn: called once a block.
        name: of the card.
        rate_hz: what it was opened with.
    """

    def __init__(self, turn: Callable[..., bytes | None], name: str, rate_hz: int) -> None:
        self.turn = turn
        self.name = name
        self.rate_hz = rate_hz
        self.latency_ms = 30.0
        self.active = True

    def close(self) -> None:
        if not self.active:
            raise DeviceError("unplugged")
        self.active = False

    def says(self, value: int) -> None:
        """The microphone hears one block of this."""
        self.turn(np.full(self.rate_hz // 50, value, np.int16).tobytes())

    def plays(self) -> list[int]:
        """What the loudspeaker plays in one block; [] for silence."""
        return list(map(int, np.frombuffer(self.turn() or b"", np.int16)))


class Cards:
    """Stands in for the sound library.

    Args:
        rate_hz: the only sample rate the cards do.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.missing: set[str] = set()
        self.why = "no such card"
        self.opened: dict[str, Stream] = {}
        self.scans = 0

    def open_microphone(self, take: Callable[[bytes], None], **options: Any) -> Stream:
        return self._open("microphone", take, **options)

    def open_speaker(self, give: Callable[[], bytes], **options: Any) -> Stream:
        return self._open("loudspeaker", give, **options)

    def rescan_devices(self) -> None:
        assert not any(stream.active for stream in self.opened.values()), "only while none is open"
        self.scans += 1

    def _open(
        self,
        side: str,
        turn: Callable[..., bytes | None],
        *,
        device: str | None,
        rate_hz: int,
        frame_samples: int,
    ) -> Stream:
        assert frame_samples == rate_hz // 50
        if side in self.missing:
            raise DeviceError(self.why)
        if rate_hz != self.rate_hz:
            raise DeviceError("invalid sample rate")
        self.opened[side] = Stream(turn, device or "default", rate_hz)
        return self.opened[side]


def plugged_in(monkeypatch: pytest.MonkeyPatch, rate_hz: int = 48_000) -> Cards:
    cards = Cards(rate_hz)
    for name in ("open_microphone", "open_speaker", "rescan_devices"):
        monkeypatch.setattr(sound_module, name, getattr(cards, name))
    return cards


def both(sound: Sound) -> list[str]:
    """Open microphone and loudspeaker; what is told."""
    sound.use(microphone="", speaker="")
    return settled(sound, 0.0)


def settled(sound: Sound, now: float) -> list[str]:
    """What is told once all that was begun is done."""
    news = sound.watch(now)
    assert sound.wait(5.0)
    return [str(fact) for fact in (*news, *sound.watch(now))]


@pytest.mark.parametrize("card_hz", [48_000, 44_100, 16_000, 8000])
@pytest.mark.parametrize("call_hz", [8000, 16_000, 48_000])
def test_card_and_call_may_have_any_rates(
    monkeypatch: pytest.MonkeyPatch, card_hz: int, call_hz: int
) -> None:
    """What the microphone heard is said and what was heard is played, at the same level."""
    cards = plugged_in(monkeypatch, card_hz)
    sound = Sound(call_hz)
    assert both(sound) == [
        f"microphone: default, {card_hz} Hz, 30 ms",
        f"loudspeaker: default, {card_hz} Hz, 30 ms",
    ]
    said: Frame = np.zeros(0, np.int16)
    played: list[int] = []
    for _ in range(20):
        cards.opened["microphone"].says(6000)
        said = sound.next_frame(call_hz // 50)
        sound.hear(np.full(call_hz // 50, 3000, np.int16))
        played = cards.opened["loudspeaker"].plays()
    assert len(said) == call_hz // 50
    assert len(played) == card_hz // 50
    assert int(said[80]) == pytest.approx(6000, abs=60)
    assert played[80] == pytest.approx(3000, abs=30)
    sound.close()
    assert not any(stream.active for stream in cards.opened.values())


def test_delays_are_the_drivers_and_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side tells its own part of mouth→ear; a side that is not there has none."""
    cards = plugged_in(monkeypatch)
    sound = Sound(48_000)
    assert (sound.microphone_ms, sound.speaker_ms) == (0, 0)
    sound.use(speaker="")
    settled(sound, 0.0)
    sound.hear(np.zeros(960, np.int16))
    assert (sound.microphone_ms, sound.speaker_ms) == (0, 50)
    assert sound.names == ("", "default")
    sound.use(microphone="USB")
    assert settled(sound, 0.0) == ["microphone: USB, 48000 Hz, 30 ms"]
    cards.opened["microphone"].says(1)
    cards.opened["microphone"].says(1)
    assert sound.microphone_ms == 70
    sound.close()


@pytest.mark.parametrize(
    ("why", "reason"), [("no such card", " (no such card)"), ("Not opened: there is none.", "")]
)
def test_no_card_is_one_sentence_and_silence(
    monkeypatch: pytest.MonkeyPatch, why: str, reason: str
) -> None:
    """The call goes on; nothing waits for a card."""
    cards = plugged_in(monkeypatch)
    cards.missing, cards.why = {"microphone", "loudspeaker"}, why
    sound = Sound()
    assert both(sound) == [f"no sound card: the call is silent{reason}"]
    assert not sound.next_frame(160).any()
    sound.hear(np.ones(160, np.int16))
    assert settled(sound, 100.0) == []
    sound.close()


def test_one_side_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with loudspeakers alone is heard on; the sentence says what does not work."""
    cards = plugged_in(monkeypatch)
    cards.missing = {"microphone"}
    sound = Sound()
    missing, there = both(sound)
    assert missing == "no microphone: the caller says nothing (no such card)"
    assert there.startswith("loudspeaker: default")
    sound.close()


def test_own_keys_are_heard_softly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pressed is heard here too, 18 dB below, whatever the other side plays."""
    cards = plugged_in(monkeypatch, 8000)
    sound = Sound()
    sound.use(speaker="")
    settled(sound, 0.0)
    sound.sidetone(np.full(400, 8000, np.int16))
    played: list[int] = []
    for _ in range(4):
        sound.hear(np.full(160, 32_500, np.int16))
        played += cards.opened["loudspeaker"].plays()[:1]
    assert played == [32_767, 32_767, 32_500]
    sound.close()


def test_card_that_vanishes_is_used_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A headset unplugged in a call: said at once, looked for every 2 s, and seen again though
    the sound library lists its cards only once."""
    cards = plugged_in(monkeypatch)
    sound = Sound()
    both(sound)
    cards.missing = {"microphone", "loudspeaker"}
    for stream in cards.opened.values():
        stream.active = False
    assert settled(sound, 10.0) == [
        "the microphone is gone: the caller says nothing; looking for it",
        "the loudspeaker is gone: nothing is heard here; looking for it",
    ]
    assert not sound.next_frame(160).any()
    assert settled(sound, 10.1) == []
    assert cards.scans == 1
    cards.missing = set()
    assert settled(sound, 10.0 + RETRY_S) == [
        "the microphone is back: default",
        "the loudspeaker is back: default",
    ]
    assert cards.scans == 2
    assert settled(sound, 12.5) == []
    sound.close()


def test_one_lost_side_does_not_disturb_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at all cards anew would cut the loudspeaker off: only the microphone is tried."""
    cards = plugged_in(monkeypatch)
    sound = Sound()
    both(sound)
    speaker = cards.opened["loudspeaker"]
    cards.opened["microphone"].active = False
    assert settled(sound, 1.0)[-1] == "the microphone is back: default"
    assert cards.scans == 0
    assert speaker.active
    assert cards.opened["loudspeaker"] is speaker
    sound.close()


def test_card_that_hangs_is_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some drivers do not say that their card went away: their thread just does not come."""
    cards = plugged_in(monkeypatch)
    sound = Sound()
    sound.use(speaker="")
    settled(sound, 0.0)
    for now in (1.0, 2.0):
        cards.opened["loudspeaker"].plays()
        assert sound.watch(now) == []
    assert sound.watch(2.0 + STALLED_S) == []
    assert "loudspeaker is gone" in settled(sound, 2.1 + STALLED_S)[0]
    sound.close()


def test_ring_collects_before_it_flows() -> None:
    """40 ms ahead at first and after running empty: one late frame is one gap, not many."""
    ring = Ring()
    ring.put(b"1")
    assert ring.take() is None
    ring.put(b"2")
    assert [ring.take(), ring.take(), ring.take()] == [b"1", b"2", None]
    ring.put(b"3")
    assert ring.take() is None
    assert AHEAD_FRAMES == 2


def test_ring_never_grows() -> None:
    """Beyond 120 ms the oldest go; frames that are always too many go one by one."""
    ring = Ring()
    for number in range(10):
        ring.put(bytes([number]))
    assert len(ring) == MAX_FRAMES
    assert ring.take() == b"\x04"
    for _ in range(6 * SPARE_AFTER):
        ring.put(b"x")
        ring.take()
    assert len(ring) < AHEAD_FRAMES


@pytest.mark.parametrize(("from_hz", "to_hz"), [(48_000, 8000), (8000, 48_000), (44_100, 16_000)])
def test_resampling_costs_no_time_and_folds_nothing(from_hz: int, to_hz: int) -> None:
    """A frame in is a frame out; what the lower rate cannot carry is gone, not heard elsewhere."""

    def through(hz: int) -> float:
        resampler = Resampler(from_hz, to_hz)
        t = np.arange(from_hz) / from_hz
        sine = np.asarray(8000 * np.sin(2 * np.pi * hz * t), np.int16)
        came = [resampler.put(frame) for frame in sine.reshape(-1, from_hz // 50)]
        assert sum(map(len, came[:10])) >= 9
        out = [part for parts in came for part in parts]
        return float(np.sqrt(np.mean(np.concatenate(out[5:]).astype(float) ** 2)))

    assert through(1000) == pytest.approx(8000 / np.sqrt(2), rel=0.02)
    if to_hz < from_hz:
        assert through(to_hz * 3 // 4) < 60  # -40 dB


def test_same_rate_is_passed_through() -> None:
    """Samples of any number become whole frames."""
    resampler = Resampler(8000, 8000)
    assert resampler.put(np.arange(100, dtype=np.int16)) == []
    (frame,) = resampler.put(np.arange(100, 250, dtype=np.int16))
    assert frame.tolist() == list(range(160))
