"""What is Opus's own: parameters, its concealment, packets of other shapes."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbench.audio.codecs.opus import OPUS, OpusDecoder, OpusParameters
from ivrbench.audio.levels import level_dbfs
from tests.audio.sounds import voice


def test_parameters_are_read_leniently() -> None:
    """RFC 7587 §6.1: known parameters count, unknown or broken ones are ignored."""
    wanted = OpusParameters.parse(
        "maxplaybackrate=16000; stereo=1;useinbandfec=1 ;maxaveragebitrate=20000;usedtx=1;cbr=1;x"
    )
    assert wanted == OpusParameters(16_000, 20_000, True, True, True, True)
    assert OpusParameters.parse("") == OpusParameters()
    assert OpusParameters.parse("maxaveragebitrate=lots;maxplaybackrate=1") == OpusParameters(8000)
    assert OpusParameters.parse("maxaveragebitrate=1").max_bit_rate == 6000


def encoded(fmtp: str) -> list[bytes]:
    """Return a second of speech."""
    encoder = OPUS.make_encoder(fmtp, 20)
    pcm = voice(1.0, 48_000)
    return [encoder.encode(pcm[at : at + 960]) for at in range(0, len(pcm), 960)]


def test_the_peer_limits_the_bit_rate() -> None:
    """maxaveragebitrate is kept; cbr makes all packets alike."""
    assert sum(map(len, encoded("maxaveragebitrate=8000"))) * 8 < 10_000
    assert 15_000 < sum(map(len, encoded(""))) * 8 < 30_000
    assert len({len(payload) for payload in encoded("cbr=1")}) == 1


def test_opus_hides_losses_itself() -> None:
    """A lost packet sounds like a continuation, not like a repetition of samples."""
    decoder = OpusDecoder()
    for payload in encoded("")[:30]:
        last = decoder.decode(payload)
    lost = decoder.conceal(960)
    assert len(lost) == 960
    assert lost.any()
    assert float(level_dbfs(lost)) <= float(level_dbfs(last)) + 3
    assert len(decoder.conceal(1920)) == 1920
    assert len(decoder.conceal(100)) == 100


def test_stereo_packets_are_heard_in_mono() -> None:
    """A peer may send stereo whatever we ask (RFC 7587 §6.1)."""
    av = pytest.importorskip("av")
    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48_000, "stereo", "s16"
    pcm = np.repeat(voice(0.4, 48_000), 2)
    decoder, frames = OpusDecoder(), []
    for at in range(0, len(pcm), 1920):
        frame = av.AudioFrame.from_ndarray(
            pcm[at : at + 1920].reshape(1, -1), format="s16", layout="stereo"
        )
        frame.sample_rate = 48_000
        frames += [decoder.decode(bytes(packet)) for packet in context.encode(frame)]
    assert {len(frame) for frame in frames} == {960}
    assert level_dbfs(np.concatenate(frames)) == pytest.approx(float(level_dbfs(pcm)), abs=3)
