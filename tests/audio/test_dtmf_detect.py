"""Keys heard in the audio: limits like those of ITU-T Q.24, talk-off, exact lengths."""

from __future__ import annotations

import shutil
import subprocess
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ivrbench.audio.dtmf_detect import DtmfDetector
from ivrbench.audio.resample import resample
from ivrbench.audio.tones import dtmf_frequencies_hz
from ivrbench.rtp.dtmf import KeyPressed, KeyReleased
from tests.audio.sounds import voice

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Events = list[KeyPressed | KeyReleased]
RATES = pytest.mark.parametrize("rate_hz", [8000, 16_000])

TEXT = (
    "Welcome to the bank. For balances say one, for transfers say two, or wait for an agent. "
    "All our lines are busy; your call is important to us, so please hold. "
    "The quick brown fox jumps over the lazy dog while she sells sea shells by the sea shore. "
) * 6


def key_wave(
    key: int,
    duration_ms: float,
    *,
    rate_hz: int = 8000,
    offset: tuple[float, float] = (0, 0),
    low_dbfs: float = -15,
    high_dbfs: float = -15,
    phase: tuple[float, float] = (0, 0),
) -> NDArray[np.float64]:
    """Return the tones of a key; levels are RMS, offsets of the frequencies as a fraction."""
    time_s = np.arange(round(duration_ms * rate_hz / 1000)) / rate_hz
    parts = zip(dtmf_frequencies_hz(key), offset, (low_dbfs, high_dbfs), phase, strict=True)
    low, high = [
        10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * hz * (1 + off) * time_s + start)
        for hz, off, dbfs, start in parts
    ]
    both: NDArray[np.float64] = 32_768 * (low + high)
    return both


def listen(
    rows: list[NDArray[np.float64]], rate_hz: int = 8000, block_ms: int = 20
) -> list[Events]:
    """Return what a detector hears in some calls at once."""
    block = rate_hz * block_ms // 1000
    length = -(-max(map(len, rows)) // block) * block
    audio = np.zeros((len(rows), length), np.int16)
    for row, samples in zip(audio, rows, strict=True):
        row[: len(samples)] = np.clip(np.rint(samples), -32_768, 32_767)
    detector = DtmfDetector(len(rows), rate_hz)
    heard: list[Events] = [[] for _ in rows]
    for at in range(0, length, block):
        for slot, event in detector.process(np.arange(len(rows)), audio[:, at : at + block]):
            heard[slot].append(event)
    return heard


def presses(
    duration_ms: float, *, rate_hz: int = 8000, snr_db: float | None = None, **how: object
) -> list[tuple[int, Events]]:
    """Return each of the 16 keys, at two places in time, with what was heard of it."""
    rng = np.random.default_rng(1)
    rows, keys = [], []
    for key in range(16):
        for _ in range(2):
            phase = tuple(rng.uniform(0, 2 * np.pi, 2))
            tones = key_wave(key, duration_ms, rate_hz=rate_hz, phase=phase, **how)  # type: ignore[arg-type]
            lead = np.zeros(rate_hz // 20 + int(rng.integers(0, rate_hz // 50)))
            row = np.concatenate([lead, tones, np.zeros(rate_hz // 10)])
            if snr_db is not None:
                level = np.sqrt(np.mean(tones**2)) * 10 ** (-snr_db / 20)
                row += rng.standard_normal(len(row)) * level
            rows.append(row)
            keys.append(key)
    return list(zip(keys, listen(rows, rate_hz), strict=True))


def assert_all_heard(found: list[tuple[int, Events]], duration_ms: float) -> None:
    """Each key is heard once, as itself, and as long as it was."""
    for key, events in found:
        assert [type(event) for event in events] == [KeyPressed, KeyReleased], key
        assert {event.key for event in events} == {key}
        assert isinstance(events[1], KeyReleased)
        assert events[1].duration_ms == pytest.approx(duration_ms, abs=10)


def assert_none_heard(found: list[tuple[int, Events]]) -> None:
    """Nothing is taken for a key."""
    assert [events for _, events in found if events] == []


@RATES
@pytest.mark.parametrize("duration_ms", [40, 53, 80, 160, 1000])
def test_every_key_is_heard_with_its_length(rate_hz: int, duration_ms: float) -> None:
    """40 ms and more, wherever it lies in the blocks, within 10 ms of its length."""
    assert_all_heard(presses(duration_ms, rate_hz=rate_hz), duration_ms)


@RATES
@pytest.mark.parametrize("offset", [(0.015, 0.015), (-0.015, -0.015), (0.015, -0.015)])
@pytest.mark.parametrize("levels", [(-15, -15), (-19, -15), (-15, -23)])
def test_offset_and_twist_within_limits(
    rate_hz: int, offset: tuple[float, float], levels: tuple[float, float]
) -> None:
    """Frequencies 1.5 % off together with +4 and -8 dB of twist (Q.24)."""
    low_dbfs, high_dbfs = levels
    found = presses(40, rate_hz=rate_hz, offset=offset, low_dbfs=low_dbfs, high_dbfs=high_dbfs)
    assert_all_heard(found, 40)


@RATES
@pytest.mark.parametrize("offset", [(0.035, 0), (-0.035, 0), (0, 0.035), (0, -0.035)])
def test_frequencies_too_far_off_are_refused(rate_hz: int, offset: tuple[float, float]) -> None:
    """One tone 3.5 % off is no key, however long (Q.24)."""
    assert_none_heard(presses(300, rate_hz=rate_hz, offset=offset))


@RATES
@pytest.mark.parametrize("levels", [(-23, -15), (-11, -24)])
def test_too_much_twist_is_refused(rate_hz: int, levels: tuple[float, float]) -> None:
    """Tones that are no match in strength come from elsewhere."""
    assert_none_heard(presses(100, rate_hz=rate_hz, low_dbfs=levels[0], high_dbfs=levels[1]))


@RATES
@pytest.mark.parametrize("duration_ms", [10, 20, 23])
def test_short_tones_are_refused(rate_hz: int, duration_ms: float) -> None:
    """20 ms is no key."""
    assert_none_heard(presses(duration_ms, rate_hz=rate_hz))


@pytest.mark.parametrize("dbfs", [-6.5, -31, -38])
def test_levels_that_are_heard(dbfs: float) -> None:
    """From as loud as two tones can be to well below -25 dBm0 each."""
    assert_all_heard(presses(50, low_dbfs=dbfs, high_dbfs=dbfs), 50)


def test_faint_tones_are_refused() -> None:
    """What leaks in from another line is no key."""
    assert_none_heard(presses(100, low_dbfs=-46, high_dbfs=-46))


@RATES
@pytest.mark.parametrize("snr_db", [20, 15, 12])
def test_keys_in_noise(rate_hz: int, snr_db: float) -> None:
    """White noise 12 dB below the tones loses no key and adds none; short ones stay refused."""
    assert_all_heard(presses(50, rate_hz=rate_hz, snr_db=snr_db), 50)
    assert_none_heard(presses(20, rate_hz=rate_hz, snr_db=snr_db))
    assert_none_heard(presses(100, rate_hz=rate_hz, snr_db=snr_db, offset=(0.035, 0)))


@RATES
@pytest.mark.parametrize("snr_db", [None, 15.0])
def test_a_thousand_keys_in_a_row(rate_hz: int, snr_db: float | None) -> None:
    """40 ms on, 40 ms off: none lost, none doubled, none wrong."""
    rng = np.random.default_rng(2)
    keys = [int(key) for key in rng.integers(0, 16, 1000)]
    pause = np.zeros(rate_hz * 40 // 1000)
    parts = [part for key in keys for part in (key_wave(key, 40, rate_hz=rate_hz), pause)]
    row = np.concatenate([pause, *parts, pause])
    if snr_db is not None:
        level = 32_768 * 10 ** (-12 / 20) * 10 ** (-snr_db / 20)
        row = row + rng.standard_normal(len(row)) * level
    (events,) = listen([row], rate_hz)
    assert [event.key for event in events if isinstance(event, KeyPressed)] == keys
    durations = [event.duration_ms for event in events if isinstance(event, KeyReleased)]
    assert len(durations) == 1000
    assert min(durations) >= 30
    assert max(durations) <= 50


def test_a_short_break_does_not_part_a_key() -> None:
    """A flaw of 10 ms in a key is a flaw; 40 ms of silence part two presses."""
    tone = key_wave(5, 60)
    flawed = np.concatenate([np.zeros(160), tone, np.zeros(80), tone, np.zeros(800)])
    parted = np.concatenate([np.zeros(160), tone, np.zeros(320), tone, np.zeros(800)])
    one, two = listen([flawed, parted])
    assert one == [KeyPressed(5), KeyReleased(5, one[1].duration_ms)]  # type: ignore[union-attr]
    assert one[1].duration_ms == pytest.approx(130, abs=10)  # type: ignore[union-attr]
    assert [type(event) for event in two] == [KeyPressed, KeyReleased] * 2


def test_a_key_right_after_another() -> None:
    """Without a pause the first ends where the second begins."""
    (events,) = listen([np.concatenate([key_wave(1, 80), key_wave(9, 80), np.zeros(800)])])
    assert [(type(event), event.key) for event in events] == [
        (KeyPressed, 1),
        (KeyReleased, 1),
        (KeyPressed, 9),
        (KeyReleased, 9),
    ]
    durations = [event.duration_ms for event in events if isinstance(event, KeyReleased)]
    assert durations == pytest.approx([80, 80], abs=10)


@pytest.mark.parametrize("block_ms", [10, 20, 30, 60])
def test_blocks_of_any_length(block_ms: int) -> None:
    """Packet times do not matter."""
    (events,) = listen(
        [np.concatenate([np.zeros(170), key_wave(7, 100), np.zeros(900)])], 8000, block_ms
    )
    assert [type(event) for event in events] == [KeyPressed, KeyReleased]


def test_a_long_tone_that_is_no_key_is_not_kept() -> None:
    """What is followed in doubt stays small, and a key after it is heard."""
    detector = DtmfDetector(1)
    row = np.concatenate([key_wave(4, 3000, offset=(0.035, 0)), key_wave(4, 100), np.zeros(800)])
    audio = np.rint(row).astype(np.int16).reshape(-1, 160)
    events = []
    for block in audio:
        events += detector.process(np.array([0]), block[np.newaxis])
        assert all(len(press.envelope) < 30 for press in detector._presses.values())
    assert [type(event) for _, event in events] == [KeyPressed, KeyReleased]


def test_calls_do_not_disturb_each_other() -> None:
    """A key in one slot is not heard in others; a slot that is reset begins anew."""
    detector = DtmfDetector(8)
    tone = np.rint(key_wave(3, 100)).astype(np.int16).reshape(5, 160)
    quiet = np.zeros(160, np.int16)
    slots = np.array([6, 2])
    heard = []
    for n, block in enumerate(tone):
        heard += detector.process(
            slots if n % 2 else slots[::-1], np.stack([block, quiet][:: 1 if n % 2 else -1])
        )
    assert heard == [(6, KeyPressed(3))]
    assert "1 followed" in repr(detector)
    detector.reset(6)
    assert "0 followed" in repr(detector)
    assert detector.process(np.array([6]), np.zeros((1, 800), np.int16)) == []


def spoken(folder: Path, voice_name: str) -> NDArray[np.float64]:
    """Return speech made by espeak-ng."""
    program = shutil.which("espeak-ng")
    assert program is not None
    path = folder / "speech.wav"
    subprocess.run([program, "-v", voice_name, "-w", str(path), TEXT], check=True)
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
        return resample(pcm, file.getframerate(), 8000).astype(np.float64)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_speech_is_not_taken_for_keys(tmp_path: Path) -> None:
    """Talk-off: about four minutes of speech, loud and soft, hold no key."""
    speech = [spoken(tmp_path, name) for name in ("en", "en-us+f3", "de+f2", "it+m4", "fr+f5")]
    speech += [row / 8 for row in speech]
    assert sum(map(len, speech)) > 200 * 8000
    assert [events for events in listen(speech) if events] == []


def test_speech_like_sound_is_not_taken_for_keys() -> None:
    """Talk-off without espeak-ng: gliding harmonics and noise."""
    rows = [
        voice(20.0, seed=seed, pitch_hz=80.0 + 20 * seed).astype(np.float64) * 1.5
        for seed in range(8)
    ]
    rows += [np.random.default_rng(seed).standard_normal(160_000) * 3000 for seed in range(4)]
    assert sum(map(len, listen(rows))) <= 4  # two presses in four minutes


def test_music_is_seldom_taken_for_keys() -> None:
    """A minute of random notes with harmonics, some of which are a key's tones by chance."""
    rng = np.random.default_rng(3)
    row = np.zeros(8000 * 60)
    for _ in range(480):
        start, length = int(rng.integers(0, len(row) - 8000)), int(8000 * rng.uniform(0.1, 0.8))
        time_s = np.arange(length) / 8000
        note_hz = 110 * 2 ** (rng.integers(0, 48) / 12)
        harmonics = [h for h in range(1, 8) if note_hz * h < 3600]
        note = sum(np.sin(2 * np.pi * note_hz * h * time_s) / h for h in harmonics)
        row[start : start + length] += 3000 * note * np.exp(-time_s * rng.uniform(1, 6))
    (events,) = listen([row])
    assert len(events) <= 2
