"""What codecs, key detection, mixing and concealment cost: microseconds per call and 20 ms.

    python bench/audio.py [--calls 250] [--seconds 0.5]

The weights of `CodecSpec.cost_weight` are about the last column of the first table on a busy
machine, twice what an idle one shows: a call too few is better than a call too many.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import cycle
from typing import TYPE_CHECKING, Final

# One thread, as in the media worker; set before numpy loads its libraries.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from ivrbench.audio.activity import SilenceDetector
from ivrbench.audio.codecs.registry import installed_codecs
from ivrbench.audio.conceal import Concealer
from ivrbench.audio.dtmf_detect import DtmfDetector
from ivrbench.audio.levels import level_dbfs
from ivrbench.audio.mixer import mix_rooms
from ivrbench.audio.resample import StreamResampler
from ivrbench.audio.tones import dtmf_tone, sine

if TYPE_CHECKING:
    from collections.abc import Callable

G711_CALL_US: Final = 11.0
"""A G.711 call with its sockets, per 20 ms, as `bench/media.py` measures a media worker."""
ROOM_MEMBERS: Final = 3


def best_us(action: Callable[[], object], seconds: float) -> float:
    """Return the time of the quickest of ten runs of an action."""
    action()
    times: list[float] = []
    for _ in range(10):
        runs, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds / 10 or not runs:
            action()
            runs += 1
        times.append((time.perf_counter() - start) / runs)
    return min(times) * 1e6


def bench_codecs(seconds: float) -> None:
    """Print what one frame of each codec costs, one call at a time."""
    print(f"{'codec':<16}{'encode us':>10}{'decode us':>10}{'conceal us':>11}{'weight':>8}")
    for spec in installed_codecs():
        frame = spec.frame_samples(20)
        if 20 not in spec.ptimes_ms:
            continue
        # Noise and a tone that come and go: about as much work as speech.
        rng = np.random.default_rng(1)
        loudness = np.abs(np.sin(np.arange(50 * frame) * 2 * np.pi / (10 * frame)))
        wave = sine(300, 1000, rate_hz=spec.sample_rate_hz) + rng.normal(0, 800, 50 * frame)
        frames = np.rint(wave * loudness).astype(np.int16).reshape(50, frame)
        encoder, decoder = spec.make_encoder("", 20), spec.make_decoder()
        said = cycle(frames)
        encode = best_us(lambda s=said, e=encoder: e.encode(next(s)), seconds)  # type: ignore[misc]
        payloads = cycle([encoder.encode(pcm) for pcm in frames])
        decode = best_us(lambda p=payloads, d=decoder: d.decode(next(p)), seconds)  # type: ignore[misc]
        lost = best_us(lambda n=frame, d=decoder: d.conceal(n), seconds)  # type: ignore[misc]
        weight = (G711_CALL_US + encode + decode) / G711_CALL_US
        print(f"{spec.rtpmap:<16}{encode:>10.1f}{decode:>10.1f}{lost:>11.1f}{weight:>8.1f}")


def bench_arrays(calls: int, seconds: float) -> None:
    """Print what a call costs where all calls are worked on at once."""
    rng = np.random.default_rng(1)
    slots = np.arange(calls)
    print(f"\n{f'{calls} calls at once':<40}{'us per call':>12}")

    def row(what: str, action: Callable[[], object]) -> None:
        print(f"{what:<40}{best_us(action, seconds) / calls:>12.2f}")

    for rate_hz in (8000, 16_000):
        speech = rng.integers(-3000, 3000, (calls, rate_hz // 50), dtype=np.int16)
        detector = DtmfDetector(calls, rate_hz)
        row(f"keys in the audio, {rate_hz} Hz", lambda d=detector, s=speech: d.process(slots, s))  # type: ignore[misc]
    # A second holds whole cycles of both tones, so it can be repeated without a break.
    tones = cycle([np.tile(block, (calls, 1)) for block in dtmf_tone(5, 1000).reshape(50, 160)])
    detector = DtmfDetector(calls)
    row("keys in the audio, all with a key down", lambda: detector.process(slots, next(tones)))
    starts = np.arange(0, calls, ROOM_MEMBERS)
    frames = rng.integers(-3000, 3000, (calls, 160), dtype=np.int16)
    row(f"mix-minus, rooms of {ROOM_MEMBERS}", lambda: mix_rooms(frames, starts))
    row("mix-minus, one room", lambda: mix_rooms(frames, np.array([0])))
    silence = SilenceDetector(calls)
    row("level and silence", lambda: silence.process(slots, level_dbfs(frames), 20))


def bench_single(seconds: float) -> None:
    """Print what is done one call at a time."""
    print(f"\n{'one call at a time':<40}{'us per 20 ms':>12}")
    pcm = sine(300, 20)
    for from_hz, to_hz in ((8000, 16_000), (16_000, 8000), (48_000, 8000), (8000, 48_000)):
        stream = StreamResampler(from_hz, to_hz)
        block = sine(300, 20, rate_hz=from_hz)
        cost = best_us(lambda s=stream, b=block: s.resample(b), seconds)  # type: ignore[misc]
        print(f"{f'resample {from_hz} to {to_hz} Hz':<40}{cost:>12.1f}")
    concealer = Concealer(8000)
    received = best_us(lambda: concealer.receive(pcm), seconds)
    print(f"{'concealment, frame received':<40}{received:>12.1f}")

    def lose_one() -> None:
        concealer.conceal(160)
        concealer.receive(pcm)

    print(f"{'concealment, frame lost and next':<40}{best_us(lose_one, seconds):>12.1f}")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=250)
    parser.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    bench_codecs(arguments.seconds)
    bench_arrays(arguments.calls, arguments.seconds)
    bench_single(arguments.seconds)


if __name__ == "__main__":
    main()
