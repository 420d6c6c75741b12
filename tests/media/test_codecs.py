"""Calls with every codec and packet length: what is sent, heard and recorded."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ivrbench.audio.codecs import g711
from ivrbench.audio.codecs.comfort_noise import NoiseDescription, describe_noise
from ivrbench.audio.codecs.registry import find_codec
from ivrbench.media import codecs
from ivrbench.media.messages import CallClosed, ClipPart, FlushQueue, ItemEnded, UpdateCall
from ivrbench.rtp.packet import RtpPacket

from .lab import FakeFile, FarEnd, Lab, octets, stream

Pcm = NDArray[np.int16]

WIDE: list[Any] = [  # name, clock, channels, ptime, payload type
    ("G722", 8000, 1, 20, 9),
    ("OPUS", 48_000, 2, 20, 106),
    ("OPUS", 48_000, 2, 60, 106),
    ("L16", 16_000, 1, 20, 97),
    ("L16", 48_000, 1, 10, 98),
    ("L16", 8000, 1, 60, 99),
    ("GSM", 8000, 1, 20, 3),
    ("GSM", 8000, 1, 40, 3),
    ("G722", 8000, 1, 30, 9),
    ("PCMA", 8000, 1, 50, 8),
]


def tone(rate_hz: int, seconds: float, hz: float = 440.0) -> Pcm:
    """A tone well below full scale."""
    wave: Pcm = (
        8000 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)
    ).astype(np.int16)
    return wave


def snr_db(heard: Pcm, said: Pcm) -> float:
    """How far the difference is below the middle of `said`, at the best delay and gain."""
    middle = said[len(said) // 4 : len(said) // 2].astype(float)
    wide = heard.astype(float)
    at = int(_correlate(wide, middle).argmax())
    part = wide[at : at + len(middle)]
    gain = part @ middle / (part @ part)
    error = middle - gain * part
    return float(10 * np.log10((middle @ middle) / (error @ error + 1e-9)))


def _correlate(wide: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    size = 1 << (len(wide) + len(part)).bit_length()
    product = np.fft.rfft(wide, size) * np.conj(np.fft.rfft(part, size))
    result: NDArray[np.float64] = np.fft.irfft(product, size)[: len(wide) - len(part) + 1]
    return result


def wav(file: FakeFile) -> tuple[Pcm, int]:
    """Samples and rate of a PCM16 file."""
    rate_hz = struct.unpack_from("<I", file.data, 24)[0]
    n_bytes = struct.unpack_from("<I", file.data, 40)[0]
    return np.frombuffer(bytes(file.data[44 : 44 + n_bytes]), "<i2"), rate_hz


def linear_clip(lab: Lab, pcm: Pcm, rate_hz: int) -> ClipPart:
    """Put samples into the arena as they are."""
    form = f"linear{rate_hz}"
    clip = lab.arena.clip(pcm.tobytes(), form, lambda: (pcm.tobytes(), 0, rate_hz))
    return ClipPart(clip.offset, clip.n_samples)


@pytest.mark.parametrize(("name", "clock_hz", "channels", "ptime_ms", "pt"), WIDE)
def test_prompt_and_recording_keep_the_codecs_own_rate(
    name: str, clock_hz: int, channels: int, ptime_ms: int, pt: int
) -> None:
    """Both ways a tone gets through at the codec's rate, in packets of the length asked for."""
    spec = find_codec(name, clock_hz, channels)
    assert spec is not None
    lab = Lab()
    lab.open(codec=name, clock_rate_hz=clock_hz, ptime_ms=ptime_ms, payload_type=pt)
    said = tone(spec.sample_rate_hz, 1.2)
    if name == "PCMA":
        lab.play(lab.clip(spec.make_encoder("", 20).encode(said), "PCMA"))
    else:
        lab.play(linear_clip(lab, said, spec.sample_rate_hz))
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.payload_type = pt
    encode = spec.make_encoder("", ptime_ms).encode
    frame = spec.frame_samples(ptime_ms)
    for start in range(0, len(said) * 2, frame):
        piece = said[start % len(said) :][:frame]
        if len(piece) < frame:
            break
        payload = encode(piece)
        far.deliver(far.packet(payload))
        far.ts += spec.clock_ticks(frame) - len(payload)
        lab.run(ptime_ms)
    decode = spec.make_decoder().decode
    heard = np.concatenate([decode(packet.payload) for packet in lab.sent])
    steps = {
        (b.timestamp - a.timestamp) & 0xFFFF_FFFF
        for a, b in zip(lab.sent, lab.sent[1:], strict=False)
    }
    assert steps == {clock_hz * ptime_ms // 1000}
    assert {packet.payload_type for packet in lab.sent} == {pt}
    assert snr_db(heard, said) > 15
    lab.run(1200)
    lab.apply(FlushQueue(1))
    lab.run(20)
    ended = lab.of(ItemEnded)
    assert [event.reason for event in ended] == ["played", "flushed"]
    assert ended[0].played_ms == 1200
    _, rate_hz = wav(file)
    assert rate_hz == spec.sample_rate_hz


@pytest.mark.parametrize(("name", "clock_hz", "channels", "ptime_ms", "pt"), WIDE)
def test_recording_holds_what_was_said(
    name: str, clock_hz: int, channels: int, ptime_ms: int, pt: int
) -> None:
    """The recording has the peer's tone, whole although one packet came out of order."""
    spec = find_codec(name, clock_hz, channels)
    assert spec is not None
    lab = Lab()
    lab.open(codec=name, clock_rate_hz=clock_hz, ptime_ms=ptime_ms, payload_type=pt)
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.payload_type = pt
    said = tone(spec.sample_rate_hz, 1.2)
    encode = spec.make_encoder("", ptime_ms).encode
    frame = spec.frame_samples(ptime_ms)
    row = []
    for start in range(0, len(said) - frame + 1, frame):
        payload = encode(said[start : start + frame])
        row.append(far.packet(payload))
        far.ts += spec.clock_ticks(frame) - len(payload)
    row[5], row[6] = row[6], row[5]
    for packet in row:
        far.deliver(packet)
        lab.run(ptime_ms)
    lab.run(200)
    lab.apply(FlushQueue(1))
    lab.run(20)
    heard, rate_hz = wav(file)
    assert rate_hz == spec.sample_rate_hz
    assert snr_db(heard, said) > 15
    (event,) = lab.of(ItemEnded)
    assert event.recorded_ms == len(heard) * 1000 // rate_hz


def test_loss_is_hidden_by_the_decoder() -> None:
    """A lost Opus packet leaves no hole in the recording and does not shift what follows."""
    spec = find_codec("opus", 48_000, 2)
    assert spec is not None
    lab = Lab()
    lab.open(codec="OPUS", clock_rate_hz=48_000, payload_type=106)
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.payload_type = 106
    said = tone(48_000, 1.0)
    encode = spec.make_encoder("useinbandfec=1", 20).encode
    for number, start in enumerate(range(0, 48_000, 960)):
        payload = encode(said[start : start + 960])
        data = far.packet(payload)
        far.ts += 960 - len(payload)
        if number != 25:
            far.deliver(data)
        lab.run(20)
    lab.run(100)
    lab.apply(FlushQueue(1))
    lab.run(20)
    heard, _ = wav(file)
    gap = heard[960 * 25 : 960 * 26 + 400]
    assert np.abs(gap).max() > 2000
    assert snr_db(heard[: 960 * 50], said) > 10


def test_codec_changes_to_another_rate_in_mid_call() -> None:
    """From G.711 to Opus: sending goes on in the new codec, the recording keeps its rate."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.speak(octets(1600))
    lab.apply(UpdateCall(1, stream(codec="OPUS", clock_rate_hz=48_000, payload_type=106)))
    lab.sent.clear()
    spec = find_codec("opus", 48_000, 2)
    assert spec is not None
    far.payload_type = 106
    encode = spec.make_encoder("", 20).encode
    wave = tone(48_000, 1.0)
    for start in range(0, 48_000, 960):
        payload = encode(wave[start : start + 960])
        far.deliver(far.packet(payload))
        far.ts += 960 - len(payload)
        lab.run(20)
    lab.run(100)
    lab.apply(FlushQueue(1))
    lab.run(20)
    assert {packet.payload_type for packet in lab.sent} == {106}
    heard, rate_hz = wav(file)
    assert rate_hz == 8000
    assert 9000 < len(heard) < 12_000
    assert snr_db(heard[1800:], tone(8000, 1.0)) > 10


def test_unknown_codec_or_rate_is_refused() -> None:
    """A call that lanes cannot carry is closed at once and holds nothing."""
    lab = Lab()
    lab.open(codec="L16", clock_rate_hz=44_100)
    lab.run(5)
    assert len(lab.of(CallClosed)) == 1
    assert lab.network.n_sockets == 2


@pytest.mark.parametrize(
    ("name", "clock_hz", "wanted_ms", "sent_ms"),
    [("PCMU", 8000, 20, 20), ("PCMU", 8000, 5, 10), ("PCMU", 8000, 200, 60), ("PCMU", 8000, 35, 30)]
    + [("OPUS", 48_000, 30, 20), ("GSM", 8000, 10, 20), ("L16", 48_000, 20, 10)],
)
def test_packet_length_is_the_longest_not_above_the_wish(
    name: str, clock_hz: int, wanted_ms: int, sent_ms: int
) -> None:
    """RFC 8866 §6.4: ptime is a wish; what the codec cannot do becomes the next shorter."""
    codec = codecs.find(name, clock_hz)
    assert codec is not None
    assert codecs.ptime_for(codec, wanted_ms) == sent_ms


def test_payload_types_may_differ_by_direction() -> None:
    """We send with the peer's numbers and hear our own (RFC 3264 §5.1)."""
    lab = Lab()
    lab.open(codec="PCMU", payload_type=110, receive_payload_type=96)
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.payload_type = 96
    far.speak(octets(1600))
    lab.run(100)
    lab.apply(FlushQueue(1))
    lab.run(20)
    assert {packet.payload_type for packet in lab.sent} == {110}
    assert len(wav(file)[0]) >= 1600


def test_comfort_noise_is_heard_until_speech_comes_again() -> None:
    """RFC 3389: a silent peer's noise is recorded at the level it told."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    far.speak(octets(1600))
    noise = describe_noise(NoiseDescription(-40.0))
    cn = RtpPacket(13, far.seq & 0xFFFF, far.ts & 0xFFFF_FFFF, far.ssrc, noise).to_bytes()
    far.seq += 1
    far.deliver(cn)
    lab.run(1000)
    far.ts += 8000
    far.speak(octets(1600, 2))
    lab.run(100)
    lab.apply(FlushQueue(1))
    lab.run(20)
    heard, _ = wav(file)
    quiet = heard[3000:8000].astype(float)
    assert 20 * np.log10(np.sqrt((quiet**2).mean()) / 32_768) == pytest.approx(-40, abs=1)
    assert np.abs(heard[9700:]).max() > 10_000


@pytest.mark.parametrize(
    ("ppm", "seconds"),
    [
        (1000, 60),
        (-1000, 60),
        pytest.param(200, 3600, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
        pytest.param(-200, 3600, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_clock_drift_leaves_no_click(ppm: int, seconds: int) -> None:
    """A peer's clock that runs fast or slow: nothing is lost, a tone has no gap and no jump."""
    lab = Lab()
    lab.open()
    file = lab.record()
    lab.play(None, recorder=1)
    far = FarEnd(lab)
    said = g711.PCMU.encode(tone(8000, 2.0, 400.0)).tobytes()
    due_s = lab.now
    for _ in range(seconds * 50):
        while due_s <= lab.now:
            start = far.seq % 100 * 160
            far.deliver(far.packet(said[start : start + 160]))
            due_s += 0.02 * (1 - ppm / 1e6)
        lab.run(20)
        lab.sent.clear()
    lab.run(100)
    lab.apply(FlushQueue(1))
    lab.close()
    heard, _ = wav(file)
    body = heard[800:-2000].astype(np.int32)
    assert np.abs(np.diff(body)).max() < 3400
    # Each two cycles of the tone reach its peak, also where the playout moved.
    assert np.abs(body[: len(body) // 40 * 40]).reshape(-1, 40).max(axis=1).min() > 5000
    (closed,) = lab.of(CallClosed)
    assert (closed.counts.late, closed.counts.lost) == (0, 0)
