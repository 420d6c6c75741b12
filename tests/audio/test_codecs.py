"""The codecs of calls: both directions, losses, garbage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbench.audio.codecs.registry import CODECS, find_codec, installed_codecs
from ivrbench.audio.goertzel import tone_levels_dbfs
from ivrbench.audio.levels import level_dbfs
from ivrbench.audio.tones import sine
from ivrbench.errors import MediaError
from tests.audio.sounds import best_snr_db, voice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ivrbench.audio.codecs.codec import CodecSpec

ALL = pytest.mark.parametrize("spec", CODECS, ids=[spec.rtpmap for spec in CODECS])


def packets(
    spec: CodecSpec, pcm: NDArray[np.int16], ptime_ms: int = 20, fmtp: str = ""
) -> list[bytes]:
    """Return the payloads that carry the samples."""
    encoder = spec.make_encoder(fmtp, ptime_ms)
    size = spec.frame_samples(ptime_ms)
    return [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]


def heard(spec: CodecSpec, payloads: list[bytes]) -> NDArray[np.int16]:
    """Return what a decoder makes of payloads."""
    decoder = spec.make_decoder()
    return np.concatenate([decoder.decode(payload) for payload in payloads])


# Signal-to-noise of synthetic speech: a floor for the waveform codecs. The two that model the
# voice need not keep the waveform, so little is asked of it; their tones are tested below.
FLOOR_DB = {"PCMU": 35, "PCMA": 35, "G722": 18, "GSM": 7, "L16": 150, "opus": 5}


@ALL
def test_speech_survives_both_directions(spec: CodecSpec) -> None:
    """Encoded and decoded speech is the speech, late by no more than the codec's own delay."""
    said = voice(1.0, spec.sample_rate_hz)
    snr, delay = best_snr_db(said, heard(spec, packets(spec, said)), spec.sample_rate_hz // 100)
    assert snr > FLOOR_DB[spec.name]
    assert delay * 1000 / spec.sample_rate_hz < 8


@ALL
def test_a_tone_keeps_pitch_and_level(spec: CodecSpec) -> None:
    """A second of 1000 Hz stays that, within 1 dB."""
    rate_hz = spec.sample_rate_hz
    back = heard(spec, packets(spec, sine(1000, 1000, rate_hz=rate_hz)))
    middle = back[rate_hz // 4 : rate_hz * 3 // 4]
    levels = tone_levels_dbfs(middle, (1000, 1500), rate_hz=rate_hz)
    assert levels[0] == pytest.approx(-13.0, abs=1)
    assert levels[1] < -45


@ALL
def test_every_packet_time_it_offers(spec: CodecSpec) -> None:
    """One frame in, one payload out, as many samples back."""
    for ptime_ms in spec.ptimes_ms:
        payloads = packets(spec, voice(0.24, spec.sample_rate_hz), ptime_ms)
        assert len(payloads) == 240 // ptime_ms
        decoder = spec.make_decoder()
        for payload in payloads:
            assert len(payload) <= 1440  # fits a datagram
            assert len(decoder.decode(payload)) == spec.frame_samples(ptime_ms)


@ALL
def test_nothing_that_comes_raises(spec: CodecSpec) -> None:
    """Empty, short, long and random payloads give audio of some length, and good ones still do."""

    good = packets(spec, voice(0.1, spec.sample_rate_hz))[-1]

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.binary(max_size=200), max_size=5))
    def try_garbage(payloads: list[bytes]) -> None:
        decoder = spec.make_decoder()
        for payload in [*payloads, b"", b"\xff" * 1500, good]:
            pcm = decoder.decode(payload)
            assert pcm.dtype == np.int16
            assert 0 < len(pcm) <= spec.sample_rate_hz * 120 // 1000
        assert len(pcm) == spec.frame_samples(20)

    try_garbage()


@ALL
def test_a_long_loss_fades_to_silence(spec: CodecSpec) -> None:
    """The first lost frame sounds much like the last one, half a second later there is nothing."""
    rate_hz, frame = spec.sample_rate_hz, spec.frame_samples(20)
    decoder = spec.make_decoder()
    for payload in packets(spec, sine(200, 200, rate_hz=rate_hz)):
        last = decoder.decode(payload)
    lost = [decoder.conceal(frame) for _ in range(25)]
    assert [len(pcm) for pcm in lost] == [frame] * 25
    assert level_dbfs(lost[0]) == pytest.approx(float(level_dbfs(last)), abs=4)
    assert level_dbfs(lost[24]) < -60


@ALL
def test_loss_before_anything_came_is_silence(spec: CodecSpec) -> None:
    """There is nothing to repeat yet."""
    assert not spec.make_decoder().conceal(spec.frame_samples(20)).any()


@ALL
def test_five_percent_loss_is_hidden(spec: CodecSpec) -> None:
    """With every twentieth packet concealed there is as much sound, and no click louder than it."""
    said = voice(2.0, spec.sample_rate_hz)
    decoder = spec.make_decoder()
    frames = [
        decoder.decode(payload) if n % 20 else decoder.conceal(spec.frame_samples(20))
        for n, payload in enumerate(packets(spec, said))
    ]
    back = np.concatenate(frames)
    assert len(back) == len(said)
    assert level_dbfs(back) == pytest.approx(float(level_dbfs(said)), abs=1.5)
    steepest = np.abs(np.diff(said.astype(int))).max()
    assert np.abs(np.diff(back.astype(int))).max() < 1.6 * steepest


@ALL
def test_rates_and_clocks(spec: CodecSpec) -> None:
    """20 ms are 20 ms of samples and of the RTP clock."""
    assert spec.frame_samples(20) * 50 == spec.sample_rate_hz
    assert spec.clock_ticks(spec.frame_samples(20)) * 50 == spec.clock_rate_hz


def test_l16_is_in_network_byte_order() -> None:
    """RFC 3551 §4.5.11: the most significant octet first; half a sample is dropped."""
    spec = find_codec("L16", 8000)
    assert spec is not None
    assert spec.make_encoder("", 20).encode(np.array([1, -2], np.int16)) == b"\x00\x01\xff\xfe"
    assert spec.make_decoder().decode(b"\x00\x01\xff\xfe\x7f").tolist() == [1, -2]


def test_a_gsm_frame_is_33_octets_with_its_signature() -> None:
    """RFC 3551 §4.5.8.1: every frame begins with the bits 1101; others are concealed."""
    spec = find_codec("GSM", 8000)
    assert spec is not None
    payloads = packets(spec, voice(0.2), 40)
    assert {len(payload) for payload in payloads} == {66}
    assert {payload[at] >> 4 for payload in payloads for at in (0, 33)} == {0xD}
    decoder = spec.make_decoder()
    assert len(decoder.decode(payloads[0][:40])) == 160


def test_codecs_are_found_by_their_rtpmap() -> None:
    """Names in any case; clock and channels must match (G.722 at 8000, Opus with 2)."""
    found = find_codec("g722", 8000)
    assert found is not None
    assert (found.rtpmap, found.sample_rate_hz, found.static_pt) == ("G722/8000", 16_000, 9)
    opus = find_codec("OPUS", 48_000, 2)
    assert opus is not None
    assert opus.rtpmap == "opus/48000/2"
    assert find_codec("opus", 48_000) is None
    assert find_codec("G729", 8000) is None
    assert {spec.static_pt for spec in CODECS} == {None, 0, 3, 8, 9}


def test_codecs_without_their_library_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without PyAV still has G.711 and L16; who insists gets a sentence."""
    assert installed_codecs() == CODECS
    monkeypatch.setattr("ivrbench.audio.codecs.registry.find_spec", lambda name: None)
    found = installed_codecs.__wrapped__()
    assert {spec.name for spec in found} == {"PCMU", "PCMA", "L16"}
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for name, rate_hz, channels in (("opus", 48_000, 2), ("G722", 8000, 1), ("GSM", 8000, 1)):
        spec = find_codec(name, rate_hz, channels)
        assert spec is not None
        with pytest.raises(MediaError, match="needs the Python package"):
            spec.make_encoder("", 20)
        with pytest.raises(MediaError, match="needs the Python package av"):
            spec.make_decoder()
