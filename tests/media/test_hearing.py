"""Keys heard in the audio of calls."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.codecs import g711
from ivrbench.audio.codecs.registry import find_codec
from ivrbench.audio.tones import dtmf_frequencies_hz
from ivrbench.media.messages import KeyPressed, KeyReleased, SetSwitches, UpdateCall

from .lab import FarEnd, Lab, octets, stream


def keys_pcm(
    keys: str, on_ms: int, off_ms: int, rate_hz: int = 8000
) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The tones of some keys with pauses between them, and a little noise."""
    source = np.random.default_rng(7)
    parts = []
    for key in keys:
        times_s = np.arange(rate_hz * on_ms // 1000) / rate_hz
        wave = sum(6000 * np.sin(2 * np.pi * hz * times_s) for hz in dtmf_frequencies_hz(int(key)))
        parts += [np.asarray(wave), np.zeros(rate_hz * off_ms // 1000)]
    joined = np.concatenate(parts)
    return (joined + source.normal(0, 20, len(joined))).astype(np.int16)


def heard(lab: Lab) -> list[tuple[int, int]]:
    """Key and length of each press, which must come in pairs."""
    presses, releases = lab.of(KeyPressed), lab.of(KeyReleased)
    assert [event.key for event in presses] == [event.key for event in releases]
    assert all(event.inband for event in presses + releases)
    return [(event.key, event.duration_ms) for event in releases]


def test_keys_are_heard_where_no_telephone_event_was_agreed() -> None:
    """Each press once, with its length, though nothing records and nobody watches."""
    lab = Lab()
    lab.open(dtmf_payload_type=-1, dtmf_inband=True)
    pcm = keys_pcm("1597530", 70, 70)
    FarEnd(lab).speak(g711.PCMU.encode(pcm).tobytes())
    lab.run(200)
    assert [key for key, _ in heard(lab)] == [1, 5, 9, 7, 5, 3, 0]
    assert all(abs(length_ms - 70) <= 5 for _, length_ms in heard(lab))


def test_keys_are_heard_in_wideband_calls() -> None:
    """The tones are found at the codec's own rate, here G.722's 16 kHz."""
    spec = find_codec("G722", 8000)
    assert spec is not None
    lab = Lab()
    lab.open(codec="G722", payload_type=9, dtmf_payload_type=-1, dtmf_inband=True)
    far = FarEnd(lab)
    far.payload_type = 9
    pcm = keys_pcm("42", 100, 100, 16_000)
    encode = spec.make_encoder("", 20).encode
    far.speak(b"".join(encode(pcm[at : at + 320]) for at in range(0, len(pcm) - 319, 320)))
    lab.run(200)
    assert [key for key, _ in heard(lab)] == [4, 2]


def test_many_calls_are_kept_apart() -> None:
    """Calls beyond one detector's rows, each pressing its own key at the same time."""
    lab = Lab()
    far_ends = []
    for call in range(1, 1201):
        port = 4000 + 2 * call
        lab.open(call, port, dtmf_payload_type=-1, dtmf_inband=True)
        far = FarEnd(lab, ssrc=call)
        far_ends.append((call, (lab.ours[0], port), far))
    tones = {key: g711.PCMU.encode(keys_pcm(str(key), 60, 60)).tobytes() for key in range(10)}
    for start in range(0, 960, 160):
        for call, ours, far in far_ends[::40]:
            data = far.packet(tones[call % 10][start : start + 160])
            lab.network.send(data, ("198.51.100.7", 7000), ours)
        lab.run(20)
    lab.run(200)
    pressed = {event.call: event.key for event in lab.of(KeyPressed)}
    assert pressed == {call: call % 10 for call, _, _ in far_ends[::40]}


@pytest.mark.parametrize(
    "switches", [SetSwitches(1, detect_keys=False), SetSwitches(1, receiving=False)]
)
def test_switched_off_detection_releases_the_key(switches: SetSwitches) -> None:
    """A key that is down when detection ends is released; nothing is heard after that."""
    lab = Lab()
    lab.open(dtmf_payload_type=-1, dtmf_inband=True)
    far = FarEnd(lab)
    tone = g711.PCMU.encode(keys_pcm("5", 600, 0)).tobytes()
    far.speak(tone[:2400])
    lab.apply(switches)
    far.speak(tone[2400:])
    lab.run(200)
    assert [key for key, _ in heard(lab)] == [5]


def test_update_may_end_it() -> None:
    """A later agreement on telephone-event stops the search."""
    lab = Lab()
    lab.open(dtmf_payload_type=-1, dtmf_inband=True)
    far = FarEnd(lab)
    far.speak(octets(1600))
    lab.apply(UpdateCall(1, stream()))
    far.speak(g711.PCMU.encode(keys_pcm("5", 100, 100)).tobytes())
    lab.run(200)
    assert not lab.of(KeyPressed)
